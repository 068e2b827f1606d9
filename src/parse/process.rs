//! `/proc/<pid>/status` and `/proc/<pid>/stat`: what a process costs. Format: proc(5).

use super::ParseError;

/// Ticks of CPU time in a second, as the kernel counts for programs on every architecture.
const TICKS: f64 = 100.0;

/// What a process holds; `None` where the text has no number.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ProcessStatus {
    /// Bytes of memory that no file holds; those of the whole process before Linux 4.5.
    pub(crate) anonymous: Option<u64>,
    /// Bytes of memory in all.
    pub(crate) resident: Option<u64>,
    pub(crate) threads: Option<u64>,
    /// Names the first that is missing.
    pub(crate) damage: Option<ParseError>,
}

/// Reads the text of `/proc/<pid>/status`.
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

/// Reads the text of `/proc/<pid>/stat`: seconds of CPU time, in the program and in the kernel.
/// Fails if there is none.
pub(crate) fn cpu_seconds(text: &str) -> Result<f64, ParseError> {
    // The name before may hold blanks and brackets; the state is the first field after it.
    let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times = fields.split_ascii_whitespace().skip(11);
    let mut ticks = || times.next()?.parse::<u64>().ok();
    match (ticks(), ticks()) {
        (Some(user), Some(system)) => Ok(user.saturating_add(system) as f64 / TICKS),
        _ => Err(ParseError::new(
            "/proc/self/stat",
            "CPU times",
            text.trim_end(),
        )),
    }
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
    }

    #[test]
    fn an_old_kernel_tells_no_anonymous_memory() {
        let old = STATUS.replace("RssAnon:", "Other:");
        assert_eq!(status(&old).anonymous, Some(1_564 << 10));
    }

    #[test]
    fn a_name_may_hold_anything() {
        let odd = STAT.replace("(mackerel-agent)", "(a) R 1 (b c)");
        assert_eq!(cpu_seconds(&odd).unwrap(), 0.07);
        assert!(cpu_seconds("1 (a) S 1 2 3\n").is_err());
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(STATUS, |text| drop(status(text)));
        crate::parse::survives_damage(STAT, |text| drop(cpu_seconds(text)));
    }
}
