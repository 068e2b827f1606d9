//! `/proc/meminfo`: current use of memory. Format: proc_meminfo(5).

use super::{ParseError, lines};

/// Bytes per unit of the file, which is written `kB`.
const KIB: u64 = 1024;
/// Limit in bytes. LXCFS writes negative differences as 64-bit numbers above it.
const IMPOSSIBLE: u64 = 1 << 53;
/// Keys of the reported lines, in the order of [`Meminfo`].
const KEYS: [&str; 8] = [
    "MemTotal",
    "MemAvailable",
    "MemFree",
    "Buffers",
    "Cached",
    "SwapTotal",
    "SwapCached",
    "SwapFree",
];
const TOTAL: usize = 0;
const AVAILABLE: usize = 1;
/// Indexes of the lines that replace `MemAvailable` on older kernels.
const OLDER: [usize; 3] = [2, 3, 4];

/// The reported part of `/proc/meminfo`, in bytes. A missing line counts as zero. A line without a
/// number, or with an impossible one, is `None`.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Meminfo {
    pub(crate) total_bytes: Option<u64>,
    /// Whether the file has `MemAvailable`: since Linux 3.14.
    pub(crate) tells_available: bool,
    pub(crate) available_bytes: Option<u64>,
    pub(crate) free_bytes: Option<u64>,
    pub(crate) buffers_bytes: Option<u64>,
    pub(crate) cached_bytes: Option<u64>,
    pub(crate) swap_total_bytes: Option<u64>,
    pub(crate) swap_cached_bytes: Option<u64>,
    pub(crate) swap_free_bytes: Option<u64>,
    /// Names the first reported line that holds no number, or the total if it is missing.
    pub(crate) damage: Option<ParseError>,
}

/// Parses `/proc/meminfo`.
///
/// Fails if no line of [`KEYS`] holds a number.
pub(crate) fn parse(text: &str) -> Result<Meminfo, ParseError> {
    let error = |wanted, line| ParseError::new("/proc/meminfo", wanted, line);
    // For each key: `None` if the line is missing, `Some(None)` if it holds no number.
    let mut found = [None; KEYS.len()];
    for line in lines(text) {
        let Some((key, rest)) = line.split_once(':') else {
            continue;
        };
        let slot = KEYS.iter().position(|known| *known == key);
        if let Some(slot) = slot.and_then(|at| found.get_mut(at))
            && slot.is_none()
        {
            let word = rest.split_ascii_whitespace().next();
            *slot = Some(word.and_then(|word| word.parse::<u64>().ok()));
        }
    }
    if !found
        .iter()
        .any(|line| line.is_some_and(|kib| kib.is_some()))
    {
        return Err(error("MemTotal line", ""));
    }
    let tells_available = found[AVAILABLE].is_some();
    let mut all = KEYS.iter().zip(&found).enumerate();
    let damage = all.find_map(|(at, (key, line))| match line {
        _ if tells_available && OLDER.contains(&at) => None,
        None if at == TOTAL => Some(error("MemTotal line", "")),
        Some(None) => Some(error("number of kB", key)),
        _ => None,
    });
    let bytes = found.map(|line| {
        let bytes = line.unwrap_or(Some(0))?.checked_mul(KIB)?;
        (bytes < IMPOSSIBLE).then_some(bytes)
    });
    let [
        total,
        available_bytes,
        free_bytes,
        buffers_bytes,
        cached_bytes,
        swap_total_bytes,
        swap_cached_bytes,
        swap_free_bytes,
    ] = bytes;
    Ok(Meminfo {
        total_bytes: total.filter(|_| found[TOTAL].is_some()),
        tells_available,
        available_bytes,
        free_bytes,
        buffers_bytes,
        cached_bytes,
        swap_total_bytes,
        swap_cached_bytes,
        swap_free_bytes,
        damage,
    })
}

/// The bytes of the kernel's objects that can be freed, and of those that cannot. `None` for a line
/// that is missing, holds no number or an impossible one.
pub(crate) fn slab(text: &str) -> [Option<u64>; 2] {
    ["SReclaimable:", "SUnreclaim:"].map(|key| {
        let rest = lines(text).find_map(|line| line.strip_prefix(key))?;
        let kib: u64 = rest.split_ascii_whitespace().next()?.parse().ok()?;
        kib.checked_mul(KIB).filter(|bytes| *bytes < IMPOSSIBLE)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/meminfo");

    #[test]
    fn reads_a_recorded_file() {
        let expected = Meminfo {
            total_bytes: Some(1000 << 20),
            tells_available: true,
            available_bytes: Some(600 << 20),
            free_bytes: Some(300 << 20),
            buffers_bytes: Some(50 << 20),
            cached_bytes: Some(250 << 20),
            swap_total_bytes: Some(500 << 20),
            swap_cached_bytes: Some(10 << 20),
            swap_free_bytes: Some(400 << 20),
            damage: None,
        };
        assert_eq!(parse(TWO_CORE).unwrap(), expected);
    }

    #[test]
    fn a_line_that_is_absent_is_zero_and_one_that_is_broken_is_named() {
        let meminfo = parse("MemTotal: 4 kB\nCachedX: 9 kB\nMemTotal: 5 kB\n").unwrap();
        assert_eq!(meminfo.total_bytes, Some(4096));
        assert!(!meminfo.tells_available);
        assert_eq!(meminfo.cached_bytes, Some(0));
        assert_eq!(meminfo.damage, None);

        // (the text, the error)
        let table = [
            (
                "MemTotal: 4 kB\nSwapFree:\n",
                "/proc/meminfo: no number of kB in \"SwapFree\"",
            ),
            (
                "MemTotal: -4 kB\nMemFree: 1 kB\n",
                "/proc/meminfo: no number of kB in \"MemTotal\"",
            ),
            ("MemFree: 1 kB\n", "/proc/meminfo: no MemTotal line in \"\""),
        ];
        for (text, message) in table {
            let damage = parse(text).unwrap().damage;
            assert_eq!(damage.unwrap().to_string(), message);
        }
        for text in ["", "MemTotal: x\n"] {
            let error = parse(text).unwrap_err().to_string();
            assert_eq!(error, "/proc/meminfo: no MemTotal line in \"\"");
        }
    }

    #[test]
    fn slab_is_what_the_kernel_keeps() {
        assert_eq!(slab(TWO_CORE), [Some(20 << 20), Some(10 << 20)]);
        assert_eq!(slab("SUnreclaim: x\nSReclaimable 4 kB\n"), [None, None]);
        let huge = "SReclaimable: 18446744073709551608 kB\nSUnreclaim: 0 kB\n";
        assert_eq!(slab(huge), [None, Some(0)]);
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| {
            drop(parse(text));
            slab(text);
        });
    }
}
