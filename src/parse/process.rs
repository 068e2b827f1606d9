//! `/proc/<pid>/status` and `/proc/<pid>/stat`: resources of a process. Format: proc(5).

use super::ParseError;

/// Ticks per second of CPU time (USER_HZ), the same on every architecture.
const TICKS: f64 = 100.0;

/// Memory and threads of a process; `None` where the text has no number.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ProcessStatus {
    /// Anonymous memory in bytes. Equals `resident` before Linux 4.5.
    pub(crate) anonymous: Option<u64>,
    /// Resident memory in bytes.
    pub(crate) resident: Option<u64>,
    pub(crate) threads: Option<u64>,
    /// Names the first field that is missing.
    pub(crate) damage: Option<ParseError>,
}

/// Parses `/proc/<pid>/status`.
pub(crate) fn status(text: &str) -> ProcessStatus {
    let number = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(field, _)| *field == name)?;
        value.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let bytes = |name| number(name).map(|kib| kib.saturating_mul(1024));
    let (resident, threads) = (bytes("VmRSS"), number("Threads"));
    let missing = match (resident, threads) {
        (None, _) => Some("VmRSS"),
        (_, None) => Some("Threads"),
        _ => None,
    };
    ProcessStatus {
        anonymous: bytes("RssAnon").or(resident),
        resident,
        threads,
        damage: missing.map(|name| ParseError::new("/proc/self/status", name, "")),
    }
}

/// Parses `/proc/<pid>/stat`: CPU time in user and kernel mode, in seconds. Fails if a time is
/// missing.
pub(crate) fn cpu_seconds(text: &str) -> Result<f64, ParseError> {
    Ok(cpu_ticks(text)? as f64 / TICKS)
}

/// The same in ticks of 1/100 s.
pub(crate) fn cpu_ticks(text: &str) -> Result<u64, ParseError> {
    // The process name before it may contain blanks and brackets. The first field after it is the
    // state.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => Ok(user.saturating_add(system)),
        _ => Err(ParseError::new(
            "/proc/self/stat",
            "CPU times",
            text.trim_end(),
        )),
    }
}

/// What `ps` shows of `/proc/<pid>/stat`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ProcessStat<'a> {
    /// The name, at most 15 bytes; of a thread of the kernel more.
    pub(crate) name: &'a str,
    /// One letter, e.g. `S`.
    pub(crate) state: &'a str,
    /// The id of the parent process.
    pub(crate) parent: &'a str,
    /// CPU time in user and kernel mode, in ticks of 1/100 s.
    pub(crate) cpu_ticks: u64,
    pub(crate) threads: u64,
    /// Ticks of 1/100 s from the host's start to the start of the process.
    pub(crate) start_ticks: u64,
}

/// Parses `/proc/<pid>/stat`; `None` if a field is missing.
pub(crate) fn stat(text: &str) -> Option<ProcessStat<'_>> {
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut words = rest.split_ascii_whitespace();
    let (state, parent) = (words.next()?, words.next()?);
    // Fields 14, 15, 20 and 22 of the file.
    let mut after = |skipped| words.nth(skipped)?.parse::<u64>().ok();
    let (user, system) = (after(9)?, after(0)?);
    let (threads, start_ticks) = (after(4)?, after(1)?);
    Some(ProcessStat {
        name,
        state,
        parent,
        cpu_ticks: user.saturating_add(system),
        threads,
        start_ticks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = include_str!("../../tests/fixtures/two-core/t0/proc/self/status");
    const STAT: &str = include_str!("../../tests/fixtures/two-core/t0/proc/self/stat");

    #[test]
    fn reads_recorded_files() {
        let expected = ProcessStatus {
            anonymous: Some(248 << 10),
            resident: Some(1_564 << 10),
            threads: Some(5),
            damage: None,
        };
        assert_eq!(status(STATUS), expected);
        assert_eq!(cpu_seconds(STAT).unwrap(), 0.07);
        let expected = ProcessStat {
            name: "mackerel-agent",
            state: "S",
            parent: "1",
            cpu_ticks: 7,
            threads: 5,
            start_ticks: 1_523,
        };
        assert_eq!(stat(STAT), Some(expected));
    }

    #[test]
    fn anonymous_memory_of_old_kernels_is_the_resident_memory() {
        let old = STATUS.replace("RssAnon:", "Other:");
        assert_eq!(status(&old).anonymous, Some(1_564 << 10));
    }

    #[test]
    fn process_name_may_contain_any_characters() {
        let odd = STAT.replace("(mackerel-agent)", "(a) R 1 (b c)");
        assert_eq!(cpu_seconds(&odd).unwrap(), 0.07);
        assert!(cpu_seconds("1 (a) S 1 2 3\n").is_err());
        let found = stat(&odd).unwrap();
        assert_eq!((found.name, found.state), ("a) R 1 (b c", "S"));
        assert_eq!(stat("1 (a) S 1 2 3\n"), None);
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(STATUS, |text| drop(status(text)));
        crate::parse::survives_damage(STAT, |text| drop(cpu_seconds(text)));
        crate::parse::survives_damage(STAT, |text| _ = stat(text));
    }
}
