//! `mackerel-plugin-pressure`: how long tasks wait for CPU, memory and disks (PSI).

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::counters::Counters;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::parse::plugin::float;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-pressure",
    help: packed!(
        "print how long tasks wait for CPU, memory and disks (PSI)
  -metric-key-prefix=NAME   begin of the metrics' names (default: pressure)
  -tempfile=PATH            the file for the counters of the last run
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r#"{"graphs":{"$.cpu":{"label":"& CPU","unit":"percentage","metrics":[{"name":"some_avg10","label":"Some, 10 seconds","stacked":false},{"name":"some_avg60","label":"Some, 60 seconds","stacked":false}]},"$.io":{"label":"& IO","unit":"percentage","metrics":[{"name":"some_avg10","label":"Some, 10 seconds","stacked":false},{"name":"some_avg60","label":"Some, 60 seconds","stacked":false},{"name":"full_avg10","label":"Full, 10 seconds","stacked":false},{"name":"full_avg60","label":"Full, 60 seconds","stacked":false}]},"$.memory":{"label":"& Memory","unit":"percentage","metrics":[{"name":"some_avg10","label":"Some, 10 seconds","stacked":false},{"name":"some_avg60","label":"Some, 60 seconds","stacked":false},{"name":"full_avg10","label":"Full, 10 seconds","stacked":false},{"name":"full_avg60","label":"Full, 60 seconds","stacked":false}]},"$.stall":{"label":"& Stall Time per Minute","unit":"seconds","metrics":[{"name":"cpu_some","label":"CPU Some","stacked":false},{"name":"io_some","label":"IO Some","stacked":false},{"name":"io_full","label":"IO Full","stacked":false},{"name":"memory_some","label":"Memory Some","stacked":false},{"name":"memory_full","label":"Memory Full","stacked":false}]}}}"#
        )),
        measure,
    }),
};

const RESOURCES: [&str; 3] = ["cpu", "io", "memory"];
/// Microseconds of a second: totals are in microseconds.
const SECOND: f64 = 1e6;

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let prefix = arguments.text("metric-key-prefix");
    let Some(mut counters) = Counters::of_arguments(arguments, host, prefix) else {
        return Ok(());
    };
    let mut is_there = false;
    for resource in RESOURCES {
        let text = host.text(&["/proc/pressure/", resource].concat());
        for line in text.unwrap_or_default().lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap_or_default();
            // The whole host always has a task that runs: its line `full` of the CPU has zeros.
            if kind != "some" && (kind != "full" || resource == "cpu") {
                continue;
            }
            is_there = true;
            for word in words {
                let (name, value) = word.split_once('=').unwrap_or_default();
                match name {
                    "avg10" | "avg60" => {
                        let share = float::parse(value).unwrap_or(f64::NAN);
                        values.number(&[resource, ".", kind, "_", name].concat(), share);
                    }
                    "total" => {
                        let name = [resource, "_", kind].concat();
                        let total = value.parse().unwrap_or_default();
                        if let Some(stalled) = counters.per_minute(&name, total) {
                            values.number(&["stall.", &name].concat(), stalled / SECOND);
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    if !is_there {
        let why = "/proc/pressure: not there; start a kernel that has it (Linux 4.20) with psi=1";
        return Err(why.into());
    }
    counters.save()
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-pressure";

    fn line(kind: &str, avg: &str, total: u64) -> String {
        format!("{kind} avg10={avg} avg60=1.50 avg300=0.00 total={total}\n")
    }

    #[test]
    fn plugin_pressure_prints_shares_and_stall_time() {
        let tree = |cpu: u64, io: u64| {
            Tree::new(&[
                (
                    "proc/pressure/cpu",
                    &*(line("some", "12.34", cpu) + &line("full", "0.00", 0)),
                ),
                (
                    "proc/pressure/io",
                    &(line("some", "0.00", io) + &line("full", "100.00", io / 2)),
                ),
            ])
        };
        let shares = "pressure.cpu.some_avg10\t12.340000\t1700000000\n\
                      pressure.cpu.some_avg60\t1.500000\t1700000000\n\
                      pressure.io.some_avg10\t0.000000\t1700000000\n\
                      pressure.io.some_avg60\t1.500000\t1700000000\n\
                      pressure.io.full_avg10\t100.000000\t1700000000\n\
                      pressure.io.full_avg60\t1.500000\t1700000000\n";
        let first = tree(1_000_000, 40_000_000);
        assert_eq!(first.run(NAME, ""), said(0, shares));
        let second = first.later(tree(2_500_000, 100_000_000), 60);
        let found: Vec<String> = second
            .run(NAME, "")
            .output
            .lines()
            .filter(|line| line.starts_with("pressure.stall."))
            .map(|line| line.replace("\t1700000060", ""))
            .collect();
        assert_eq!(
            found,
            [
                "pressure.stall.cpu_some\t1.500000",
                "pressure.stall.io_some\t60.000000",
                "pressure.stall.io_full\t30.000000",
            ]
        );
    }

    #[test]
    fn plugin_pressure_fails_without_the_files() {
        for host in ["pi-1/t0", "two-core/t0", "kernel-3.10/t0"] {
            let printed = Tree::recorded(host).run(NAME, "");
            assert_eq!((printed.code, &*printed.output), (1, ""), "{host}");
            assert!(printed.error.contains("psi=1"), "{}", printed.error);
        }
    }

    #[test]
    fn plugin_pressure_defines_graphs() {
        let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "");
        let expected = ["cpu", "io", "memory", "stall"];
        assert_eq!(
            graphs,
            expected.map(|name| format!("custom.pressure.{name}"))
        );
        assert_eq!(metrics.len(), 15);
    }
}
