//! `check-load`: load averages.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding};
use crate::applets::host::Host;
use crate::applets::number::decimal;
use crate::base::packed::packed;
use crate::parse::plugin::float;
use crate::parse::{loadavg, stat};

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-load",
    help: packed!(
        "check the load averages of the last 1, 5 and 15 minutes
  -w, --warning=N,N,N       WARNING if one of the averages is above its number
  -c, --critical=N,N,N      CRITICAL if one of the averages is above its number
  -r, --percpu              divide the averages by the number of CPUs
"
    ),
    work: Work::Check("LOAD", check),
};

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let warning = arguments.required("warning")?;
    let critical = limits(arguments.required("critical")?)?;
    let warning = limits(warning)?;
    let (loads, damage) = loadavg::parse(&host.text("/proc/loadavg")?);
    if let Some(damage) = damage {
        return Err(Failure::of(&damage));
    }
    let cpus = if arguments.is_on("percpu") {
        stat::cores(&host.text("/proc/stat")?).unwrap_or(1)
    } else {
        1
    };
    let mut message = String::from("load average: ");
    let (mut is_warning, mut is_critical) = (false, false);
    for at in 0..loads.len() {
        let load = loads[at].unwrap_or_default() / cpus as f64;
        is_warning |= load > warning[at];
        is_critical |= load > critical[at];
        message.push_str(if at > 0 { ", " } else { "" });
        message.push_str(&decimal(load, 2));
    }
    Ok(Finding::of_limits(is_warning, is_critical, message))
}

/// The limits of a flag.
fn limits(text: &str) -> Result<[f64; 3], Failure> {
    let mut words = text.split(',');
    let limits = [(); 3].map(|()| float::parse(words.next()?));
    match (limits, words.next()) {
        ([Some(one), Some(five), Some(fifteen)], None) => Ok([one, five, fifteen]),
        _ => {
            let why = "Threshold must be comma-separated 3 numbers";
            Err(why.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_load_compares_each_average() {
        let tree = Tree::new(&[
            ("proc/loadavg", "0.03 1.50 2.00 1/100 4242\n"),
            ("proc/stat", "cpu 1 2 3 4\ncpu0 1 2 3 4\ncpu1 1 2 3 4\n"),
        ]);
        let all = "load average: 0.03, 1.50, 2.00\n";
        let each = "load average: 0.01, 0.75, 1.00\n";
        let three = "Threshold must be comma-separated 3 numbers\n";
        // (why this row exists, arguments, exit code, status and message)
        let table = [
            ("equal", "-w 1,1.5,2 -c 1,1.5,2", 0, ["OK", all]),
            ("the last", "-w 1,2,1.9 -c 9,9,9", 1, ["WARNING", all]),
            (
                "critical first",
                "-w 0,0,0 -c 0.01,9,9",
                2,
                ["CRITICAL", all],
            ),
            ("critical alone", "-w 9,9,9 -c 9,1,9", 2, ["CRITICAL", all]),
            ("each core", "-r -w 1,1,1 -c 9,9,9", 0, ["OK", each]),
            ("each core", "-rw 1,0.7,1 -c 9,9,9", 1, ["WARNING", each]),
            (
                "Go's numbers",
                "-w 1e1,+2,.5 -c inf,9,9",
                1,
                ["WARNING", all],
            ),
            ("two numbers", "-w 1,2 -c 1,2,3", 3, ["UNKNOWN", three]),
            ("four numbers", "-w 1,2,3 -c 1,2,3,4", 3, ["UNKNOWN", three]),
            ("no number", "-w 1,2,x -c 1,2,3", 3, ["UNKNOWN", three]),
        ];
        for (why, arguments, code, [status, message]) in table {
            let expected = format!("LOAD {status}: {message}");
            assert_eq!(
                tree.run("check-load", arguments),
                said(code, &expected),
                "{why}: {arguments}"
            );
        }
    }

    #[test]
    fn check_load_needs_both_limits() {
        for arguments in ["", "-w 1,2,3", "-c 1,2,3"] {
            let found = Tree::new(&[]).run("check-load", arguments);
            assert_eq!((found.code, &*found.output), (1, ""), "{arguments}");
            assert!(found.error.contains("must be given"), "{}", found.error);
        }
    }

    #[test]
    fn check_load_of_hosts() {
        // (host, what is printed for each core)
        let table = [
            ("pi-1/t0", "OK: load average: 0.08, 0.12, 0.09"),
            ("pi-4/t0", "OK: load average: 0.13, 0.14, 0.15"),
            ("openvz/t0", "OK: load average: 0.00, 0.00, 0.00"),
            ("s390x/t0", "OK: load average: 0.18, 0.21, 0.26"),
            (
                "damaged/text",
                "UNKNOWN: /proc/loadavg: no 1-minute mean in \"cpu:\"",
            ),
        ];
        for (host, expected) in table {
            let found = Tree::recorded(host).run("check-load", "-r -w 9,9,9 -c 9,9,9");
            assert_eq!(found.output, format!("LOAD {expected}\n"), "{host}");
        }
    }
}
