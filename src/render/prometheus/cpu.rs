//! `/proc/stat`: seconds per CPU and mode, and the counters below them.

use super::exposition::{Exposition, Fixed, Kind};

/// Modes of `node_cpu_seconds_total`, in the kernel's order. `user` and `nice` contain the time of
/// guests.
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
/// Modes of `node_cpu_guest_seconds_total`, which follow those.
const GUEST_MODES: [&str; 2] = ["user", "nice"];
/// Numbers of a CPU.
const COLUMNS: usize = MODES.len() + GUEST_MODES.len();
/// Which of [`MODES`] is `idle`.
const IDLE: usize = 3;
/// Ticks by which `idle` goes back when a CPU was taken out and put in again: 3 s.
const REPLACED: u64 = 300;

/// Counters from here on have fallen below zero: `steal` does after a migration.
const BELOW_ZERO: u64 = 1 << 63;

/// A line with one number: kind, key, name of the family, description.
type Number = (Kind, &'static str, &'static str, &'static str);

static NUMBERS: [Number; 6] = [
    (
        Kind::Counter,
        "ctxt",
        "context_switches_total",
        "Context switches since boot",
    ),
    (
        Kind::Counter,
        "processes",
        "forks_total",
        "Forks since boot",
    ),
    (Kind::Counter, "intr", "intr_total", "Interrupts since boot"),
    (
        Kind::Gauge,
        "btime",
        "boot_time_seconds",
        "Unix time of the boot",
    ),
    (
        Kind::Gauge,
        "procs_running",
        "procs_running",
        "Runnable tasks",
    ),
    (
        Kind::Gauge,
        "procs_blocked",
        "procs_blocked",
        "Tasks that wait for I/O",
    ),
];

/// The counters of each CPU at the last exposition. A counter that the kernel has corrected
/// downwards keeps its last value, because a query would take it for a restart.
#[derive(Default)]
pub(crate) struct Cpus(Vec<Cpu>);

struct Cpu {
    number: u32,
    ticks: [u64; COLUMNS],
}

impl Cpus {
    /// Appends what the text of `/proc/stat` says. Returns whether it has a line of a CPU.
    pub(crate) fn expose(&mut self, text: &str, out: &mut Exposition) -> bool {
        let mut all = Vec::new();
        for line in text.lines() {
            if !line.starts_with("cpu") {
                break;
            }
            if let Some(mut now) = cpu(line) {
                if let Some(before) = self.0.iter().find(|cpu| cpu.number == now.number) {
                    now.raise(before);
                }
                all.push(now);
            }
        }
        self.0 = all;
        let help = ["Seconds of CPU time since boot, from /proc/stat"];
        out.family(&["node_cpu_seconds_total"], Kind::Counter, &help);
        self.samples(out, &MODES, 0);
        let help = ["Seconds of CPU time that guests have used since boot"];
        out.family(&["node_cpu_guest_seconds_total"], Kind::Counter, &help);
        self.samples(out, &GUEST_MODES, MODES.len());
        for (kind, key, name, help) in &NUMBERS {
            if let Some(value) = value(text, key) {
                out.single(&["node_", name], *kind, &[help], value);
            }
        }
        !self.0.is_empty()
    }

    /// Appends the columns from `first` on, one for each of `modes`.
    fn samples(&self, out: &mut Exposition, modes: &[&str], first: usize) {
        for cpu in &self.0 {
            let number = cpu.number.to_string();
            for (mode, ticks) in modes.iter().zip(cpu.ticks.iter().skip(first)) {
                let seconds = Fixed {
                    units: *ticks,
                    decimals: 2,
                };
                out.sample(&[("cpu", &number), ("mode", mode)], seconds);
            }
        }
    }
}

impl Cpu {
    /// Raises each counter to the one `before`, unless the CPU was replaced meanwhile.
    fn raise(&mut self, before: &Cpu) {
        if self.ticks[IDLE].saturating_add(REPLACED) >= before.ticks[IDLE] {
            for (now, before) in self.ticks.iter_mut().zip(before.ticks) {
                *now = before.max(*now);
            }
        }
    }
}

/// The CPU of a line `cpuN ...`. Columns that the kernel lacks are 0.
fn cpu(line: &str) -> Option<Cpu> {
    let mut words = line.strip_prefix("cpu")?.split_ascii_whitespace();
    let number = words.next().filter(|_| !line.starts_with("cpu "))?;
    let number = number.parse().ok()?;
    let mut ticks = [0; COLUMNS];
    for (ticks, word) in ticks.iter_mut().zip(words) {
        let number = word.parse().ok();
        *ticks = number.filter(|number| *number < BELOW_ZERO).unwrap_or(0);
    }
    Some(Cpu { number, ticks })
}

/// The first number of the line that begins with `key`.
fn value(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_ascii_whitespace);
    let mut line = lines.find(|line| line.clone().next() == Some(key))?;
    line.nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(text: &str, cpus: &mut Cpus) -> Vec<u64> {
        cpus.expose(text, &mut Exposition::default());
        cpus.0.iter().map(|cpu| cpu.ticks[4]).collect()
    }

    #[test]
    fn cpu_counters_do_not_go_back_unless_the_cpu_was_replaced() {
        let mut cpus = Cpus::default();
        // (why this row exists, text, iowait of each CPU)
        let below = "cpu 1\ncpu0 1 1 1 10 18446744073709551000\n";
        let table: [(&str, &str, &[u64]); 6] = [
            ("first", "cpu 1\ncpu0 1 1 1 1000 50\n", &[50]),
            ("iowait corrected", "cpu 1\ncpu0 1 1 1 1000 40\n", &[50]),
            ("idle corrected", "cpu 1\ncpu0 1 1 1 701 45\n", &[50]),
            ("replaced", "cpu 1\ncpu0 1 1 1 10 5\n", &[5]),
            ("below zero", below, &[5]),
            ("gone", "cpu 1\ncpu1 1 1 1 10 6\n", &[6]),
        ];
        for (why, text, expected) in table {
            assert_eq!(ticks(text, &mut cpus), expected, "{why}");
        }
    }

    #[test]
    fn cpu_text_may_be_damaged() {
        let text = include_str!("../../../tests/fixtures/two-core/t0/proc/stat");
        crate::parse::survives_damage(text, |text| {
            Cpus::default().expose(text, &mut Exposition::default());
        });
    }
}
