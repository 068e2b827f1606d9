//! `/proc/stat`: CPU time since boot. Format: proc_stat(5).

use super::{ParseError, lines};
use crate::base::counter::UNKNOWN;

/// CPU states in the order of the columns. Older kernels have only the first few. The tenth and
/// later columns are contained in these.
pub(crate) const STATES: [&str; 9] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest",
];
/// Number of columns that every kernel has.
const ALWAYS: usize = 4;
/// Index of the state that contains `guest`.
pub(crate) const USER: usize = 0;
/// Index of the state whose counter may go below zero.
pub(crate) const STEAL: usize = 7;
/// Index of the state that is contained in `user`.
pub(crate) const GUEST: usize = 8;

/// The reported part of `/proc/stat`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    /// Time since boot of all cores by [`STATES`], in ticks (1/100 s on every supported target).
    /// `None` if the kernel lacks the column; [`UNKNOWN`] if it holds no number.
    ///
    /// As in the file, `user` contains `guest`. `nice` contains the time of niced guests, which is
    /// also in the tenth column.
    pub(crate) ticks: [Option<u64>; STATES.len()],
    /// Number of `cpuN` lines: the cores online.
    pub(crate) cores: usize,
    /// Names the first column that holds no number.
    pub(crate) damage: Option<ParseError>,
}

/// Parses `/proc/stat`.
///
/// Fails unless the text begins with a `cpu` line that is followed by a `cpuN` line. The `cpu` line
/// must have at least [`ALWAYS`] columns, and one of them must be a number.
pub(crate) fn parse(text: &str) -> Result<Stat, ParseError> {
    let missing = |wanted, line| ParseError::new("/proc/stat", wanted, line);
    let mut lines = lines(text);
    let line = lines.next().unwrap_or_default();
    let Some(columns) = line.strip_prefix("cpu ") else {
        return Err(missing("cpu line", line));
    };
    let mut ticks = [None; STATES.len()];
    let mut damage = None;
    let states = ticks.iter_mut().zip(STATES);
    for ((ticks, state), word) in states.zip(columns.split_ascii_whitespace()) {
        let number = word.parse().unwrap_or(UNKNOWN);
        if number == UNKNOWN {
            damage.get_or_insert_with(|| missing("number of ticks", state));
        }
        *ticks = Some(number);
    }
    let mut columns = ticks.iter().flatten();
    if columns.clone().count() < ALWAYS {
        return Err(missing("column idle", line));
    }
    if columns.all(|ticks| *ticks == UNKNOWN) {
        return Err(missing("number of ticks", line));
    }
    match lines.take_while(is_core).count() {
        0 => Err(missing("cpuN line", "")),
        cores => Ok(Stat {
            ticks,
            cores,
            damage,
        }),
    }
}

/// Calls `found` with the name of each `cpuN` line and its columns before `guest`. A column is
/// `None` if the kernel lacks it or it holds no number.
pub(crate) fn each_core<'a>(text: &'a str, found: &mut dyn FnMut(&'a str, [Option<u64>; GUEST])) {
    for line in lines(text).skip(1).take_while(is_core) {
        let mut words = line.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        found(name, [(); GUEST].map(|()| words.next()?.parse().ok()));
    }
}

/// The number of `cpuN` lines; `None` without such a line.
pub(crate) fn cores(text: &str) -> Option<usize> {
    let count = lines(text).skip(1).take_while(is_core).count();
    (count > 0).then_some(count)
}

/// The wall-clock time of the host's start, in seconds since the epoch; `None` without such a line.
pub(crate) fn boot_time(text: &str) -> Option<u64> {
    let seconds = lines(text).find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim_ascii().parse().ok()
}

/// Whether `line` is a `cpuN` line. The much longer lines after them are not needed.
fn is_core(line: &&str) -> bool {
    let rest = line.strip_prefix("cpu");
    rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/stat");

    #[test]
    fn reads_a_recorded_file() {
        let stat = parse(TWO_CORE).unwrap();
        let ticks = [1_000, 200, 300, 40_000, 500, 60, 70, 80, 200];
        assert_eq!(stat.ticks, ticks.map(Some));
        assert_eq!(stat.cores, 2);
        assert_eq!(boot_time(TWO_CORE), Some(1_700_000_000));
    }

    #[test]
    fn a_kernel_without_a_column_has_no_such_state() {
        let stat = parse("cpu  1 2 3 4 5\ncpu0 1 2 3 4 5\n").unwrap();
        assert_eq!(stat.ticks.iter().flatten().count(), 5);
    }

    #[test]
    fn error_names_the_missing_value() {
        let table = [
            ("", "/proc/stat: no cpu line in \"\""),
            (
                "cpu0 1 2 3 4\n",
                "/proc/stat: no cpu line in \"cpu0 1 2 3 4\"",
            ),
            ("cpu 1 2 3\n", "/proc/stat: no column idle in \"cpu 1 2 3\""),
            (
                "cpu x y z -4\n",
                "/proc/stat: no number of ticks in \"cpu x y z -4\"",
            ),
            ("cpu 1 2 3 4\nintr 5\n", "/proc/stat: no cpuN line in \"\""),
        ];
        for (text, message) in table {
            assert_eq!(parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn a_column_that_is_no_number_is_named_and_the_others_count() {
        let stat = parse("cpu 1 2 3 -4\ncpu0 1\n").unwrap();
        assert_eq!(stat.ticks[..4], [1, 2, 3, UNKNOWN].map(Some));
        let damage = stat.damage.unwrap().to_string();
        assert_eq!(damage, "/proc/stat: no number of ticks in \"idle\"");
    }

    #[test]
    fn cores_are_counted_whatever_the_first_line_says() {
        assert_eq!(cores(TWO_CORE), Some(2));
        assert_eq!(cores("x\ncpu0 1\ncpu1 1\nintr 5\n"), Some(2));
        assert_eq!(cores("cpu 1 2 3 4\n"), None);
        assert_eq!(cores(""), None);
    }

    #[test]
    fn each_core_has_its_columns() {
        let mut found = Vec::new();
        let text = "cpu 1 2 3 4\ncpu0 1 x 3 4\ncpu12 5 6 7 8 9 10 11 12 13\nintr 5\ncpu3 1\n";
        each_core(text, &mut |name, ticks| found.push((name, ticks)));
        let first = [Some(1), None, Some(3), Some(4), None, None, None, None];
        let second = [5, 6, 7, 8, 9, 10, 11, 12].map(Some);
        assert_eq!(found, [("cpu0", first), ("cpu12", second)]);
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| {
            drop(parse(text));
            each_core(text, &mut |_, _| ());
            let _ = boot_time(text);
        });
    }
}
