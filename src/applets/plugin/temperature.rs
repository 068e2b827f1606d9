//! `mackerel-plugin-temperature`: temperatures of thermal zones and of hardware monitors.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::base::text::metric_segment;
use crate::parse::plugin::float;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-temperature",
    help: packed!(
        "print the temperatures of thermal zones and hardware monitors
  -metric-key-prefix=NAME   begin of the metrics' names (default: temperature)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.hwmon":{"label":"& of Hardware Monitors","unit":"float","metrics":[{"name":"*","label":"%1","stacked":false}]},"$.thermal":{"label":"& of Thermal Zones","unit":"float","metrics":[{"name":"*","label":"%1","stacked":false}]}}}"#
        )),
        measure,
    }),
};

const ZONES: &str = "/sys/class/thermal";
const MONITORS: &str = "/sys/class/hwmon";
/// Degrees that a sensor on a board can measure. Drivers return others where none is connected.
const POSSIBLE: std::ops::RangeInclusive<f64> = -100.0..=250.0;

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    for (name, degrees) in sensors(host) {
        values.number(&name, degrees);
    }
    if values.lines.is_empty() {
        let why = "no temperature in /sys/class/thermal and /sys/class/hwmon: the kernel has no \
                   driver of a sensor";
        return Err(why.into());
    }
    Ok(())
}

/// The sensors of the host, e.g. `thermal.cpu-thermal` or `hwmon.nvme_Composite`, and their
/// temperatures in degrees Celsius.
pub(in crate::applets) fn sensors(host: &Host<'_>) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for zone in host.names(ZONES.as_ref(), "thermal_zone") {
        let directory = [ZONES, "/", &zone].concat();
        let mut name = metric_segment(line(host, &directory, "type").trim_ascii());
        let temperature = degrees(host, &directory, "temp");
        // The kernel registers most zones as monitors, too.
        if known.contains(&name) || name.is_empty() {
            name.extend(["_", zone.strip_prefix("thermal_zone").unwrap_or_default()]);
        }
        found.extend(temperature.map(|degrees| (["thermal.", &name].concat(), degrees)));
        known.push(name);
    }
    for monitor in host.names(MONITORS.as_ref(), "hwmon") {
        let directory = [MONITORS, "/", &monitor].concat();
        let mut chip = metric_segment(line(host, &directory, "name").trim_ascii());
        let is_zone = |zone: &String| zone.replace('-', "_") == chip;
        if known.iter().any(is_zone) {
            continue;
        }
        // A second chip of the same kind.
        let taken = ["\n", &chip].concat();
        if known.contains(&taken) {
            chip.extend(["_", monitor.strip_prefix("hwmon").unwrap_or_default()]);
        }
        known.push(taken);
        for file in host.names(directory.as_ref(), "temp") {
            let Some(sensor) = file.strip_suffix("_input") else {
                continue;
            };
            let label = line(host, &directory, &[sensor, "_label"].concat());
            let label = match label.trim_ascii() {
                "" => sensor,
                label => label,
            };
            let mut name = ["hwmon.", &chip, "_", &*metric_segment(label)].concat();
            // Sensors of one label, such as the cores of two dies.
            if known.contains(&name) {
                name.extend(["_", sensor]);
            }
            let temperature = degrees(host, &directory, &file);
            found.extend(temperature.map(|degrees| (name.clone(), degrees)));
            known.push(name);
        }
    }
    found
}

/// The content of a file of a device; empty if it cannot be read.
pub(in crate::applets) fn line(host: &Host<'_>, directory: &str, file: &str) -> String {
    host.text(&[directory, "/", file].concat())
        .unwrap_or_default()
}

/// The temperature in a file of a device in degrees Celsius; `None` if it cannot be read, or is
/// none that a sensor can measure.
pub(in crate::applets) fn degrees(host: &Host<'_>, directory: &str, file: &str) -> Option<f64> {
    let millidegrees = float::parse(line(host, directory, file).trim_ascii())?;
    Some(millidegrees / 1000.0).filter(|degrees| POSSIBLE.contains(degrees))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-temperature";

    #[test]
    fn plugin_temperature_prints_recorded_hosts() {
        for (host, expected) in [
            ("pi-1/t0", "41.166000"),
            ("pi-3/t0", "52.616000"),
            ("pi-4/t0", "45.277000"),
            ("pi-5/t0", "47.950000"),
            ("pi-zero-w/t0", "38.478000"),
        ] {
            let expected = format!("temperature.thermal.cpu-thermal\t{expected}\t1700000000\n");
            assert_eq!(
                Tree::recorded(host).run(NAME, ""),
                said(0, &expected),
                "{host}"
            );
        }
        for host in ["two-core/t0", "openvz/t0"] {
            let printed = Tree::recorded(host).run(NAME, "");
            assert_eq!((printed.code, &*printed.output), (1, ""), "{host}");
        }
    }

    #[test]
    fn plugin_temperature_names_each_sensor_once() {
        let tree = Tree::new(&[
            ("sys/class/thermal/cooling_device0/type", "fan"),
            ("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("sys/class/thermal/thermal_zone0/temp", "45277\n"),
            ("sys/class/thermal/thermal_zone1/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone1/temp", "-5000\n"),
            ("sys/class/thermal/thermal_zone10/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone10/temp", "27800\n"),
            ("sys/class/thermal/thermal_zone2/type", "unconnected\n"),
            ("sys/class/thermal/thermal_zone2/temp", "-273150\n"),
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "45277\n"),
            ("sys/class/hwmon/hwmon1/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon1/temp1_label", "Package id 0\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "60000\n"),
            ("sys/class/hwmon/hwmon1/temp1_crit", "100000\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "59000\n"),
            ("sys/class/hwmon/hwmon1/temp3_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/temp3_input", "-200000\n"),
            ("sys/class/hwmon/hwmon1/temp4_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/temp4_input", "58000\n"),
            ("sys/class/hwmon/hwmon1/temp5_label", "Core-0\n"),
            ("sys/class/hwmon/hwmon1/temp5_input", "57000\n"),
            ("sys/class/hwmon/hwmon1/temp6_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/temp6_input", "56000\n"),
            ("sys/class/hwmon/hwmon2/name", "nvme\n"),
            ("sys/class/hwmon/hwmon2/temp1_label", "Composite\n"),
            ("sys/class/hwmon/hwmon2/temp1_input", "31850\n"),
            ("sys/class/hwmon/hwmon3/name", "nvme\n"),
            ("sys/class/hwmon/hwmon3/temp1_label", "Composite\n"),
            ("sys/class/hwmon/hwmon3/temp1_input", "32850\n"),
            ("sys/class/hwmon/hwmon4/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon4/in0_lcrit_alarm", "0\n"),
            ("sys/class/hwmon/hwmon5/temp1_input", ""),
        ]);
        let mut output = String::new();
        for (name, value) in [
            ("thermal.cpu-thermal", "45.277000"),
            ("thermal.acpitz", "-5.000000"),
            ("thermal.acpitz_10", "27.800000"),
            ("hwmon.coretemp_Package_id_0", "60.000000"),
            ("hwmon.coretemp_temp2", "59.000000"),
            // The name is that of temp3 also while it measures nothing.
            ("hwmon.coretemp_Core_0_temp4", "58.000000"),
            ("hwmon.coretemp_Core-0", "57.000000"),
            ("hwmon.coretemp_Core_0_temp6", "56.000000"),
            ("hwmon.nvme_Composite", "31.850000"),
            ("hwmon.nvme_3_Composite", "32.850000"),
        ] {
            output.push_str(&format!("temperature.{name}\t{value}\t1700000000\n"));
        }
        assert_eq!(tree.run(NAME, ""), said(0, &output));
    }

    #[test]
    fn plugin_temperature_defines_graphs() {
        let (graphs, _) = Tree::new(&[]).graphs(NAME, "");
        assert_eq!(
            graphs,
            ["custom.temperature.hwmon", "custom.temperature.thermal"]
        );
    }
}
