//! `check-temperature`: the hottest of the host's sensors.
//!
//! There is no official plugin of this name.

use std::path::Path;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::number::decimal;
use crate::applets::plugin::temperature::{degrees, line};
use crate::base::packed::packed;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-temperature",
    help: packed!(
        "check the temperature of the hottest sensor
  -w, --warning=N           WARNING above N degrees Celsius (default: 70)
  -c, --critical=N          CRITICAL above N degrees Celsius (default: 80)
      --zone=NAME           only this thermal zone or chip, e.g. cpu-thermal;
                            repeatable
"
    ),
    work: Work::Check("Temperature", check),
};

/// Where sensors are: the directory, the begin of their names there, and the file with the name of
/// what is measured.
const PLACES: [(&str, &str, &str); 2] = [
    ("/sys/class/thermal", "thermal_zone", "type"),
    ("/sys/class/hwmon", "hwmon", "name"),
];

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let (warning, critical) = (arguments.amount("warning")?, arguments.amount("critical")?);
    let mut hottest: Option<(f64, String)> = None;
    for (directory, begin, file) in PLACES {
        for name in host.names(Path::new(directory), begin) {
            let sensor = [directory, "/", &name].concat();
            let what = line(host, &sensor, file);
            let what = what.trim_ascii();
            let is_wanted = arguments.all("zone").any(|zone| zone == what);
            if what.is_empty() || arguments.is_given("zone") && !is_wanted {
                continue;
            }
            for file in host.names(Path::new(&sensor), "temp") {
                let label = match file.strip_suffix("_input") {
                    Some(label) => label,
                    None if file == "temp" => "",
                    None => continue,
                };
                let Some(degrees) = degrees(host, &sensor, &file) else {
                    continue;
                };
                if hottest.as_ref().is_none_or(|(most, _)| degrees > *most) {
                    let mut name = what.to_owned();
                    if !label.is_empty() {
                        let given = line(host, &sensor, &[label, "_label"].concat());
                        let given = given.trim_ascii();
                        name.extend([" ", if given.is_empty() { label } else { given }]);
                    }
                    hottest = Some((degrees, name));
                }
            }
        }
    }
    let Some((degrees, name)) = hottest else {
        let why = match arguments.is_given("zone") {
            true => "no temperature in zones of these names",
            false => "no temperature in /sys/class/thermal and /sys/class/hwmon",
        };
        return Err(why.into());
    };
    let message = [&name, ": ", &*decimal(degrees, 1), " degrees"].concat();
    Ok(Finding::of_limits(
        degrees > warning,
        degrees > critical,
        message,
    ))
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_temperature_of_recorded_hosts() {
        // (host, arguments, exit code, output)
        let table = [
            ("pi-1", "", 0, "OK: cpu-thermal: 41.2 degrees"),
            ("pi-4", "-w 45", 1, "WARNING: cpu-thermal: 45.3 degrees"),
            (
                "pi-5",
                "-w 40 -c 47.9",
                2,
                "CRITICAL: cpu-thermal: 48.0 degrees",
            ),
            (
                "pi-3",
                "--zone cpu-thermal",
                0,
                "OK: cpu-thermal: 52.6 degrees",
            ),
            (
                "pi-3",
                "--zone gpu",
                3,
                "UNKNOWN: no temperature in zones of these names",
            ),
            (
                "openvz",
                "",
                3,
                "UNKNOWN: no temperature in /sys/class/thermal and /sys/class/hwmon",
            ),
        ];
        for (host, arguments, code, text) in table {
            let found = Tree::recorded(&format!("{host}/t0")).run("check-temperature", arguments);
            assert_eq!(
                found,
                said(code, &format!("Temperature {text}\n")),
                "{host} {arguments}"
            );
        }
    }

    #[test]
    fn check_temperature_takes_the_hottest_sensor() {
        let tree = Tree::new(&[
            ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
            ("sys/class/thermal/thermal_zone0/temp", "27800\n"),
            ("sys/class/thermal/cooling_device0/type", "Fan\n"),
            ("sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("sys/class/hwmon/hwmon0/temp1_input", "61000\n"),
            ("sys/class/hwmon/hwmon0/temp1_crit", "100000\n"),
            ("sys/class/hwmon/hwmon0/temp2_input", "62500\n"),
            ("sys/class/hwmon/hwmon0/temp2_label", "Core 0\n"),
            ("sys/class/hwmon/hwmon1/name", "nct6775\n"),
            ("sys/class/hwmon/hwmon1/temp1_input", "-274000\n"),
            ("sys/class/hwmon/hwmon1/temp2_input", "what\n"),
            ("sys/class/hwmon/hwmon1/temp3_input", "1000000\n"),
        ]);
        // (arguments, exit code, output)
        let table = [
            ("", 0, "OK: coretemp Core 0: 62.5 degrees"),
            ("-w 62.5", 0, "OK: coretemp Core 0: 62.5 degrees"),
            (
                "-w 60 -c 62.4",
                2,
                "CRITICAL: coretemp Core 0: 62.5 degrees",
            ),
            (
                "--zone acpitz --zone nct6775",
                0,
                "OK: acpitz: 27.8 degrees",
            ),
            (
                "--zone nct6775",
                3,
                "UNKNOWN: no temperature in zones of these names",
            ),
        ];
        for (arguments, code, text) in table {
            let found = tree.run("check-temperature", arguments);
            assert_eq!(
                found,
                said(code, &format!("Temperature {text}\n")),
                "{arguments}"
            );
        }
    }
}
