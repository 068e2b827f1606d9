//! `/proc/meminfo`: use of memory at present. Format: proc_meminfo(5).

use super::ParseError;

/// Bytes in the file's unit, which it writes `kB`.
const KIB: u64 = 1024;

/// The part of `/proc/meminfo` that is reported, in bytes. A line that the kernel does not have
/// reads as zero.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Meminfo {
    pub(crate) total_bytes: u64,
    /// What can be had without swapping; `None` before Linux 3.14.
    pub(crate) available_bytes: Option<u64>,
    pub(crate) free_bytes: u64,
    pub(crate) buffers_bytes: u64,
    pub(crate) cached_bytes: u64,
    pub(crate) swap_total_bytes: u64,
    pub(crate) swap_cached_bytes: u64,
    pub(crate) swap_free_bytes: u64,
}

/// Reads the text of `/proc/meminfo`.
///
/// Fails without a `MemTotal` line, and if one of the lines reported holds no number.
pub(crate) fn parse(text: &str) -> Result<Meminfo, ParseError> {
    let total = bytes(text, "MemTotal")?;
    let or_zero = |key| Ok(bytes(text, key)?.unwrap_or_default());
    Ok(Meminfo {
        total_bytes: total.ok_or_else(|| ParseError::new("/proc/meminfo", "MemTotal line", ""))?,
        available_bytes: bytes(text, "MemAvailable")?,
        free_bytes: or_zero("MemFree")?,
        buffers_bytes: or_zero("Buffers")?,
        cached_bytes: or_zero("Cached")?,
        swap_total_bytes: or_zero("SwapTotal")?,
        swap_cached_bytes: or_zero("SwapCached")?,
        swap_free_bytes: or_zero("SwapFree")?,
    })
}

fn bytes(text: &str, key: &str) -> Result<Option<u64>, ParseError> {
    for line in text.lines() {
        let rest = line
            .strip_prefix(key)
            .and_then(|line| line.strip_prefix(':'));
        if let Some(rest) = rest {
            let mut words = rest.split_ascii_whitespace();
            let kib: Option<u64> = words.next().and_then(|word| word.parse().ok());
            let kib = kib.ok_or_else(|| ParseError::new("/proc/meminfo", "number of kB", line))?;
            return Ok(Some(kib.saturating_mul(KIB)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/meminfo");

    #[test]
    fn reads_a_recorded_file() {
        let expected = Meminfo {
            total_bytes: 1000 << 20,
            available_bytes: Some(600 << 20),
            free_bytes: 300 << 20,
            buffers_bytes: 50 << 20,
            cached_bytes: 250 << 20,
            swap_total_bytes: 500 << 20,
            swap_cached_bytes: 10 << 20,
            swap_free_bytes: 400 << 20,
        };
        assert_eq!(parse(TWO_CORE).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_absent_is_zero_and_one_that_is_broken_is_an_error() {
        let meminfo = parse("MemTotal: 4 kB\nCachedX: 9 kB\n").unwrap();
        assert_eq!(meminfo.total_bytes, 4096);
        assert_eq!(meminfo.available_bytes, None);
        assert_eq!(meminfo.cached_bytes, 0);

        let table = [
            ("", "/proc/meminfo: no MemTotal line in \"\""),
            (
                "MemTotal: 4 kB\nSwapFree:\n",
                "/proc/meminfo: no number of kB in \"SwapFree:\"",
            ),
            (
                "MemTotal: -4 kB\n",
                "/proc/meminfo: no number of kB in \"MemTotal: -4 kB\"",
            ),
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
