//! `mackerel-plugin-wifi`: link quality, signal and noise of each wireless interface.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::base::text::metric_segment;
use crate::parse::plugin::float;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-wifi",
    help: packed!(
        "print link quality, signal and noise of each wireless interface
  -metric-key-prefix=NAME   begin of the metrics' names (default: wifi)
  -tempfile=PATH            not used
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.noise":{"label":"& Noise (dBm)","unit":"float","metrics":[{"name":"*","label":"%1","stacked":false}]},"$.quality":{"label":"& Link Quality","unit":"float","metrics":[{"name":"*","label":"%1","stacked":false}]},"$.signal":{"label":"& Signal (dBm)","unit":"float","metrics":[{"name":"*","label":"%1","stacked":false}]}}}"#
        )),
        measure,
    }),
};

/// The columns of `/proc/net/wireless` after interface and status, and what their numbers are below.
///
/// A number is a byte, less 256 if the driver measures dBm. Level and noise of others are in a unit
/// of the driver's own; zeros stand for an interface that is not connected.
const COLUMNS: [(&str, f64); 3] = [("quality.", 256.0), ("signal.", 0.0), ("noise.", 0.0)];
/// The noise of drivers that do not measure it.
const UNKNOWN: f64 = -256.0;

fn measure(_: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let path = [host.root.network(), "/wireless"].concat();
    if !host.root.exists(&path) {
        let why = ": not there; start a kernel that has it (CONFIG_CFG80211_WEXT)";
        return Err(Failure::unknown([&path, why].concat()));
    }
    for line in host.text(&path)?.lines() {
        // The two lines of headings have no colon.
        let Some((interface, columns)) = line.split_once(':') else {
            continue;
        };
        let interface = metric_segment(interface.trim_ascii());
        // A number ends with a dot if it was measured since the last reading.
        let numbers = columns.split_ascii_whitespace().skip(1);
        for ((name, end), number) in COLUMNS.iter().zip(numbers) {
            let number = float::parse(number.trim_end_matches('.')).unwrap_or(f64::NAN);
            if number > UNKNOWN && number < *end {
                values.number(&[name, &*interface].concat(), number);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-wifi";
    const HEAD: &str = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n \
                        face | tus | link level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n";

    #[test]
    fn plugin_wifi_prints_what_the_driver_measures() {
        // (why this row exists, lines, values)
        let table = [
            (
                "a Raspberry Pi",
                " wlan0: 0000   54.  -56.  -256        0      0      0      0     13        0\n",
                "quality.wlan0 54.000000 signal.wlan0 -56.000000",
            ),
            (
                "a driver that measures noise",
                "wlp2s0: 0000   70.  -38.  -95.        0      0      0      0      0        0\n",
                "quality.wlp2s0 70.000000 signal.wlp2s0 -38.000000 noise.wlp2s0 -95.000000",
            ),
            (
                "an interface that is not connected",
                "wlan0.1: 0000    0     0     0        0      0      0      0      0      0        0\n",
                "quality.wlan0_1 0.000000",
            ),
            (
                "the greatest and the least numbers in dBm",
                " wlan0: 0000  255.   -1.  -255.       0      0      0      0      0      0        0\n",
                "quality.wlan0 255.000000 signal.wlan0 -1.000000 noise.wlan0 -255.000000",
            ),
            (
                "a driver with a unit of its own",
                " wlan0: 0000  100.  200.  161.        0      0      0      0      0      0        0\n",
                "quality.wlan0 100.000000",
            ),
            ("no interface", "", ""),
            ("damaged", " wlan0: 0000   x.\n wlan1\n", ""),
        ];
        for (why, lines, expected) in table {
            let tree = Tree::new(&[("proc/net/wireless", &*[HEAD, lines].concat())]);
            let mut output = String::new();
            for pair in expected.split(' ').collect::<Vec<_>>().chunks_exact(2) {
                output.push_str(&format!("wifi.{}\t{}\t1700000000\n", pair[0], pair[1]));
            }
            assert_eq!(tree.run(NAME, ""), said(0, &output), "{why}");
        }
    }

    #[test]
    fn plugin_wifi_fails_without_the_file() {
        for host in ["pi-1/t0", "two-core/t0", "pi-zero-w/t0"] {
            let printed = Tree::recorded(host).run(NAME, "");
            let expected = "mackerel-plugin-wifi: /proc/net/wireless: not there; start a kernel \
                            that has it (CONFIG_CFG80211_WEXT)\n";
            assert_eq!((printed.code, &*printed.error), (1, expected), "{host}");
        }
    }

    #[test]
    fn plugin_wifi_defines_graphs() {
        let (graphs, _) = Tree::new(&[]).graphs(NAME, "-metric-key-prefix wlan");
        assert_eq!(
            graphs,
            [
                "custom.wlan.noise",
                "custom.wlan.quality",
                "custom.wlan.signal"
            ]
        );
    }
}
