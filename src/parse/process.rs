//! `/proc/<pid>/status` and `/proc/<pid>/stat`: what a process costs. Format: proc(5).

use super::ParseError;

/// Ticks of CPU time in a second, as the kernel counts for programs on every architecture.
const TICKS: f64 = 100.0;

/// What a process holds.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Status {
    /// Bytes of memory that no file holds; those of the whole process before Linux 4.5.
    pub(crate) anonymous: u64,
    /// Bytes of memory in all.
    pub(crate) resident: u64,
    pub(crate) threads: u64,
}

/// Reads the text of `/proc/<pid>/status`. Fails if a field is missing or no number.
pub(crate) fn status(text: &str) -> Result<Status, ParseError> {
    let number = |name: &str| {
        let mut fields = text.lines().filter_map(|line| line.split_once(':'));
        let (_, value) = fields.find(|(field, _)| *field == name)?;
        value.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let error = |wanted| ParseError::new("/proc/self/status", wanted, "");
    let bytes = |name| number(name).map(|kib| kib.saturating_mul(1024));
    let resident = bytes("VmRSS").ok_or_else(|| error("VmRSS"))?;
    Ok(Status {
        anonymous: bytes("RssAnon").unwrap_or(resident),
        resident,
        threads: number("Threads").ok_or_else(|| error("Threads"))?,
    })
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
        let expected = Status {
            anonymous: 248 << 10,
            resident: 1_564 << 10,
            threads: 5,
        };
        assert_eq!(status(STATUS).unwrap(), expected);
        assert_eq!(cpu_seconds(STAT).unwrap(), 0.07);
    }

    #[test]
    fn an_old_kernel_tells_no_anonymous_memory() {
        let old = STATUS.replace("RssAnon:", "Other:");
        assert_eq!(status(&old).unwrap().anonymous, 1_564 << 10);
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
