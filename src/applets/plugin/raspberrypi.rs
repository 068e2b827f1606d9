//! `mackerel-plugin-raspberrypi`: under-voltage and throttling, core voltage and clock.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::sys::mailbox::{CLOCK, THROTTLED, VOLTAGE, ask};

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-raspberrypi",
    help: packed!(
        "print under-voltage, throttling and clock of a Raspberry Pi
  -metric-key-prefix=NAME   begin of the metrics' names (default: raspberrypi)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.clock":{"label":"& Clock (Hz)","unit":"integer","metrics":[{"name":"arm","label":"CPU","stacked":false}]},"$.throttled":{"label":"& Throttled","unit":"integer","metrics":[{"name":"under_voltage","label":"Under-Voltage","stacked":false},{"name":"frequency_capped","label":"Frequency Capped","stacked":false},{"name":"throttled","label":"Throttled","stacked":false},{"name":"soft_temperature_limit","label":"Soft Temperature Limit","stacked":false}]},"$.throttled_since_boot":{"label":"& Throttled since Boot","unit":"integer","metrics":[{"name":"under_voltage","label":"Under-Voltage","stacked":false},{"name":"frequency_capped","label":"Frequency Capped","stacked":false},{"name":"throttled","label":"Throttled","stacked":false},{"name":"soft_temperature_limit","label":"Soft Temperature Limit","stacked":false}]},"$.voltage":{"label":"& Voltage","unit":"float","metrics":[{"name":"core","label":"Core","stacked":false}]}}}"#
        )),
        measure,
    }),
};

/// The lowest bits of the firmware's answer: what is now. 16 bits above: what was since boot.
const LIMITS: [&str; 4] = [
    "under_voltage",
    "frequency_capped",
    "throttled",
    "soft_temperature_limit",
];
const SINCE_BOOT: usize = 16;
/// The file of the firmware's driver, which many kernels lack, as do those for the Pi 5.
const FILE: &str = "/sys/devices/platform/soc/soc:firmware/get_throttled";
const MONITORS: &str = "/sys/class/hwmon";
/// The clock that is asked for, in kHz: the one that the firmware measures may be lower.
const ASKED: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq";
/// What clock and voltage are asked of: the CPU cores, and the core of the chip.
const ARM: u32 = 3;
const CORE: u32 = 1;

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let text = |path: &str| host.text(path).unwrap_or_default();
    let firmware = |tag, subject| ask(&host.root, tag, subject).ok();
    // Zero in the place of bits that the firmware would forget.
    let flags = firmware(THROTTLED, 0).map(|[flags, _]| flags);
    let flags = flags.or_else(|| u32::from_str_radix(text(FILE).trim_ascii(), 16).ok());
    let mut is_pi = flags.is_some();
    match flags {
        Some(flags) => {
            for (graph, shift) in [("throttled.", 0), ("throttled_since_boot.", SINCE_BOOT)] {
                for (at, limit) in LIMITS.iter().enumerate() {
                    let flag = flags >> (at + shift) & 1;
                    values.count(&[graph, *limit].concat(), flag.into());
                }
            }
        }
        None => {
            let names = host.root.names(MONITORS).ok().flatten();
            for name in names.unwrap_or_default() {
                let monitor = [MONITORS, "/", &*name.to_string_lossy()].concat();
                let file = |file: &str| text(&[&monitor, "/", file].concat());
                if file("name").trim_ascii() == "rpi_volt"
                    && let Ok(alarm) = file("in0_lcrit_alarm").trim_ascii().parse()
                {
                    is_pi = true;
                    values.count("throttled.under_voltage", alarm);
                }
            }
        }
    }
    if let Some([_, microvolts]) = firmware(VOLTAGE, CORE) {
        is_pi = true;
        values.number("voltage.core", f64::from(microvolts) / 1e6);
    }
    if !is_pi {
        let why = "no firmware of a Raspberry Pi answers; give the agent's user the group video, \
                   and the systemd unit DeviceAllow=/dev/vcio rw";
        return Err(why.into());
    }
    let measured = firmware(CLOCK, ARM).map(|[_, hertz]| hertz.into());
    let asked = || {
        text(ASKED)
            .trim_ascii()
            .parse()
            .ok()
            .map(|khz: u64| khz.saturating_mul(1000))
    };
    if let Some(hertz) = measured.or_else(asked) {
        values.count("clock.arm", hertz);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-raspberrypi";

    /// What is printed for these pairs of name and value.
    fn output(pairs: &[(&str, &str)]) -> String {
        let mut output = String::new();
        for (name, value) in pairs {
            output.push_str(&format!("raspberrypi.{name}\t{value}\t1700000000\n"));
        }
        output
    }

    #[test]
    fn plugin_raspberrypi_prints_each_flag() {
        let clock = (
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq",
            "1500000\n",
        );
        let file = "sys/devices/platform/soc/soc:firmware/get_throttled";
        let names = [
            "under_voltage",
            "frequency_capped",
            "throttled",
            "soft_temperature_limit",
        ];
        // (why this row exists, content of the file, flags now and since boot)
        let table = [
            (
                "all is well",
                "0\n",
                ["0", "0", "0", "0"],
                ["0", "0", "0", "0"],
            ),
            (
                "too little power",
                "50005\n",
                ["1", "0", "1", "0"],
                ["1", "0", "1", "0"],
            ),
            (
                "once too hot",
                "80000\n",
                ["0", "0", "0", "0"],
                ["0", "0", "0", "1"],
            ),
            ("all", "f000f\n", ["1", "1", "1", "1"], ["1", "1", "1", "1"]),
        ];
        for (why, content, now, boot) in table {
            let tree = Tree::new(&[clock, (file, content)]);
            let now = names
                .iter()
                .zip(now)
                .map(|(name, flag)| (format!("throttled.{name}"), flag));
            let boot = names.iter().zip(boot);
            let boot = boot.map(|(name, flag)| (format!("throttled_since_boot.{name}"), flag));
            let all: Vec<(String, &str)> = now.chain(boot).collect();
            let mut pairs: Vec<(&str, &str)> =
                all.iter().map(|(name, flag)| (&**name, *flag)).collect();
            pairs.push(("clock.arm", "1500000000"));
            assert_eq!(tree.run(NAME, ""), said(0, &output(&pairs)), "{why}");
        }
    }

    #[test]
    fn plugin_raspberrypi_prints_the_alarm_of_kernels_without_the_file() {
        let tree = Tree::new(&[
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n"),
        ]);
        let expected = output(&[("throttled.under_voltage", "1")]);
        assert_eq!(tree.run(NAME, ""), said(0, &expected));
    }

    #[test]
    fn plugin_raspberrypi_fails_on_other_boards() {
        for host in ["two-core/t0", "openvz/t0", "pi-4/t0"] {
            let printed = Tree::recorded(host).run(NAME, "");
            assert_eq!((printed.code, &*printed.output), (1, ""), "{host}");
            for remedy in ["the group video", "DeviceAllow=/dev/vcio rw"] {
                assert!(printed.error.contains(remedy), "{host}");
            }
        }
    }

    #[test]
    fn plugin_raspberrypi_defines_graphs() {
        let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "");
        let expected = ["clock", "throttled", "throttled_since_boot", "voltage"];
        assert_eq!(
            graphs,
            expected.map(|name| format!("custom.raspberrypi.{name}"))
        );
        assert_eq!(metrics.len(), 10);
    }
}
