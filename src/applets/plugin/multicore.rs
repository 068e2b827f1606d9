//! `mackerel-plugin-multicore`: CPU time of each core, and the load per core.

use crate::applets::applet::{Applet, Graphs, Plugin, Work};
use crate::applets::arguments::Arguments;
use crate::applets::counters::Counters;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::applets::values::Values;
use crate::base::packed::packed;
use crate::parse::plugin::float;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "mackerel-plugin-multicore",
    help: packed!(
        "print the CPU time of each core, and the load per core
  -metric-key-prefix=NAME   begin of the metrics' names (default: multicore)
  -tempfile=PATH            the file for the counters of the last run
"
    ),
    work: Work::Plugin(&Plugin {
        graphs: Graphs::Fixed(packed!(
            r##"{"graphs":{"$.cpu.#":{"label":"MultiCore CPU","unit":"percentage","metrics":[{"name":"guest_nice","label":"guest_nice","stacked":true},{"name":"guest","label":"guest","stacked":true},{"name":"steal","label":"steal","stacked":true},{"name":"softirq","label":"softirq","stacked":true},{"name":"irq","label":"irq","stacked":true},{"name":"iowait","label":"ioWait","stacked":true},{"name":"idle","label":"idle","stacked":true},{"name":"system","label":"system","stacked":true},{"name":"nice","label":"nice","stacked":true},{"name":"user","label":"user","stacked":true}]},"$.loadavg_per_core":{"label":"MultiCore loadavg5 per core","unit":"float","metrics":[{"name":"loadavg5","label":"loadavg5","stacked":false}]}}}"##
        )),
        measure,
    }),
};

/// The columns of `/proc/stat`. Older kernels lack the last ones.
const STATES: [&str; 10] = [
    "user",
    "nice",
    "system",
    "idle",
    "iowait",
    "irq",
    "softirq",
    "steal",
    "guest",
    "guest_nice",
];
/// Positions of states that contain another one.
const CONTAINED: [(usize, usize); 2] = [(0, 8), (1, 9)];

fn measure(arguments: &Arguments, host: &Host<'_>, values: &mut Values) -> Result<(), Failure> {
    let stat = host.text("/proc/stat")?;
    let Some(mut counters) = Counters::load(arguments, host, "multicore") else {
        return Ok(());
    };
    let mut cores = 0;
    for line in stat.lines() {
        let mut words = line.split_ascii_whitespace();
        let core = words.next().unwrap_or_default();
        if !core.starts_with("cpu") {
            break;
        }
        if core == "cpu" {
            continue;
        }
        let mut ticks: [Option<u64>; STATES.len()] = [None; STATES.len()];
        let mut total = 0_u64;
        for (ticks, word) in ticks.iter_mut().zip(words) {
            *ticks = word.parse().ok();
            total = total.saturating_add(ticks.unwrap_or_default());
        }
        for (outer, inner) in CONTAINED {
            let inner = ticks[inner].unwrap_or_default();
            ticks[outer] = ticks[outer].map(|ticks| ticks.saturating_sub(inner));
            total = total.saturating_sub(inner);
        }
        let elapsed = counters.per_minute(&[core, ".total"].concat(), total);
        let elapsed = elapsed.filter(|elapsed| *elapsed > 0.0);
        cores += usize::from(elapsed.is_some());
        for (state, ticks) in STATES.iter().zip(ticks) {
            let Some(ticks) = ticks else { break };
            let name = [core, ".", state].concat();
            let last = counters.last(&name);
            // Idle time and the like may decrease a little.
            let share = counters.per_minute(&name, ticks).unwrap_or_default();
            if let (Some(elapsed), Some(_)) = (elapsed, last) {
                let name = ["cpu.", &name].concat();
                values.number(&name, share / elapsed * 100.0);
            }
        }
    }
    let load = host.text("/proc/loadavg").unwrap_or_default();
    if let Some(load) = load.split(' ').nth(1).and_then(float::parse)
        && cores > 0
    {
        values.number("loadavg_per_core.loadavg5", load / cores as f64);
    }
    counters.save()
}

#[cfg(test)]
mod tests {
    use crate::applets::testing::{Tree, said};

    const NAME: &str = "mackerel-plugin-multicore";

    #[test]
    fn plugin_multicore_prints_shares_of_recorded_hosts() {
        let first = Tree::recorded("two-core/t0");
        assert_eq!(first.run(NAME, ""), said(0, ""));
        let second = first.later(Tree::recorded("two-core/t60"), 60);
        // They add up to 100: the time of guests is not in `user` and `nice`.
        let shares = [25.0, 4.5, 10.0, 47.5, 1.0, 0.5, 0.5, 0.5, 10.0, 0.5];
        let mut expected = String::new();
        for core in ["cpu0", "cpu1"] {
            for (state, share) in super::STATES.iter().zip(shares) {
                let line = format!("multicore.cpu.{core}.{state}\t{share:.6}\t1700000060\n");
                expected.push_str(&line);
            }
        }
        expected.push_str("multicore.loadavg_per_core.loadavg5\t0.210000\t1700000060\n");
        assert_eq!(second.run(NAME, ""), said(0, &expected));
        for host in ["pi-1/t0", "kernel-2.6.32-kvm/t0", "openvz/t0"] {
            let tree = Tree::recorded(host);
            assert_eq!(tree.run(NAME, ""), said(0, ""), "{host}");
            let again = tree.later(Tree::recorded(host), 60);
            // No time has passed by the counters, so that there is no share.
            assert_eq!(again.run(NAME, ""), said(0, ""), "{host}");
        }
    }

    #[test]
    fn plugin_multicore_prints_what_the_kernel_has() {
        let stat = |cpu0: &str| format!("cpu  1 2 3 4\ncpu0 {cpu0}\nintr 1\n");
        // (why this row exists, columns before and after, values)
        let table = [
            (
                "four columns",
                "10 0 10 80",
                "20 0 20 160",
                "user 10 nice 0 system 10 idle 80",
            ),
            (
                "idle time that decreases is no time",
                "10 0 10 80",
                "110 0 10 79",
                "user 101.010101 nice 0 system 0 idle 0",
            ),
            ("counters that were reset", "10 0 10 80", "1 0 1 8", ""),
            ("no number", "10 x 10 80", "20 x 20 160", "user 10"),
        ];
        for (why, before, after, expected) in table {
            let first = Tree::new(&[("proc/stat", &stat(before))]);
            assert_eq!(first.run(NAME, ""), said(0, ""), "{why}");
            let second = first.later(Tree::new(&[("proc/stat", &stat(after))]), 60);
            let output = second.run(NAME, "").output;
            let mut found = Vec::new();
            for line in output.lines() {
                let (name, value) = line.split_once('\t').unwrap();
                let value: f64 = value.split_once('\t').unwrap().0.parse().unwrap();
                found.push(name.strip_prefix("multicore.cpu.cpu0.").unwrap().to_owned());
                found.push(value.to_string());
            }
            assert_eq!(found.join(" "), expected, "{why}");
        }
    }

    #[test]
    fn plugin_multicore_defines_graphs() {
        let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "");
        assert_eq!(
            graphs,
            [
                "custom.multicore.cpu.#",
                "custom.multicore.loadavg_per_core"
            ]
        );
        assert_eq!(metrics.len(), 11);
    }
}
