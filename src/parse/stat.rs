//! `/proc/stat`: CPU time since boot. Format: proc_stat(5).

use super::{ParseError, lines};

/// What a CPU spends its time on, in the order of the columns. Older kernels know only the first
/// few; a tenth column and later ones are parts of these.
pub(crate) const STATES: [&str; 9] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
];
/// Columns that every kernel has.
const ALWAYS: usize = 4;
const USER: usize = 0;
const GUEST: usize = 8;

/// The part of `/proc/stat` that is reported.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    /// Time since boot of all cores together by [`STATES`], in ticks (1/100 s on every supported
    /// target); `None` where the kernel lacks the column.
    ///
    /// Every tick is counted once: the kernel's `user` contains `guest`, this one does not. `nice`
    /// contains the time of guests that are nice, which the kernel repeats in the tenth column.
    pub(crate) ticks: [Option<u64>; STATES.len()],
    /// Number of `cpuN` lines, i.e. of cores online.
    pub(crate) cores: usize,
}

/// Reads the text of `/proc/stat`.
///
/// Fails unless it begins with a `cpu` line of at least [`ALWAYS`] columns, all of them numbers,
/// and a `cpuN` line.
pub(crate) fn parse(text: &str) -> Result<Stat, ParseError> {
    let missing = |wanted, line| ParseError::new("/proc/stat", wanted, line);
    let mut lines = lines(text);
    let line = lines.next().unwrap_or_default();
    let Some(columns) = line.strip_prefix("cpu ") else {
        return Err(missing("cpu line", line));
    };
    let mut ticks = [None; STATES.len()];
    for (ticks, word) in ticks.iter_mut().zip(columns.split_ascii_whitespace()) {
        *ticks = Some(word.parse().map_err(|_| missing("number of ticks", line))?);
    }
    if ticks.iter().flatten().count() < ALWAYS {
        return Err(missing("column idle", line));
    }
    if let Some(guest) = ticks[GUEST] {
        // Read one after the other, they may not quite agree.
        ticks[USER] = ticks[USER].map(|user: u64| user.saturating_sub(guest));
    }
    // What follows the lines of the cores is much longer and of no use here.
    let is_core = |line: &&str| {
        let rest = line.strip_prefix("cpu");
        rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match lines.take_while(is_core).count() {
        0 => Err(missing("cpuN line", "")),
        cores => Ok(Stat { ticks, cores }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/stat");

    #[test]
    fn reads_a_recorded_file() {
        let stat = parse(TWO_CORE).unwrap();
        let ticks = [800, 200, 300, 40_000, 500, 60, 70, 80, 200];
        assert_eq!(stat.ticks, ticks.map(Some));
        assert_eq!(stat.cores, 2);
    }

    #[test]
    fn counts_every_tick_once() {
        // (why this row exists, columns, sum of the states)
        let table = [
            (
                "ten columns, no guests",
                "1415984 38486 429451 2500643 10585 157 2372 0 0 0",
                4_397_678,
            ),
            (
                "guests are part of user and nice",
                "30 20 0 0 0 0 0 0 10 5",
                50,
            ),
            ("columns of the future", "1 1 1 1 1 1 1 1 0 0 900 x", 8),
            ("more guest than user", "1 0 0 9 0 0 0 0 3 0", 12),
            ("as few columns as there are", "1 2 3 4", 10),
        ];
        for (why, columns, sum) in table {
            let stat = parse(&format!("cpu  {columns}\ncpu0 1\ncpu1 1\n")).unwrap();
            assert_eq!(stat.ticks.iter().flatten().sum::<u64>(), sum, "{why}");
            assert_eq!(stat.cores, 2, "{why}");
        }
    }

    #[test]
    fn a_kernel_without_a_column_has_no_such_state() {
        let stat = parse("cpu  1 2 3 4 5\ncpu0 1 2 3 4 5\n").unwrap();
        assert_eq!(stat.ticks.iter().flatten().count(), 5);
    }

    #[test]
    fn names_what_is_missing() {
        let table = [
            ("", "/proc/stat: no cpu line in \"\""),
            (
                "cpu0 1 2 3 4\n",
                "/proc/stat: no cpu line in \"cpu0 1 2 3 4\"",
            ),
            ("cpu 1 2 3\n", "/proc/stat: no column idle in \"cpu 1 2 3\""),
            (
                "cpu 1 2 3 -4\n",
                "/proc/stat: no number of ticks in \"cpu 1 2 3 -4\"",
            ),
            ("cpu 1 2 3 4\nintr 5\n", "/proc/stat: no cpuN line in \"\""),
        ];
        for (text, message) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| drop(parse(text)));
    }
}
