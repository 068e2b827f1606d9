//! `memory`: amounts from `/proc/meminfo`, with the blanks removed.

use super::DescribeError;
use crate::base::table;
use crate::sys::root::Root;
use crate::wire::host::Attributes;

/// Pairs of the kernel's name and the API's.
const NAMES: &str = "\
    MemTotal total; MemFree free; Buffers buffers; Cached cached; Active active; \
    Inactive inactive; HighTotal high_total; HighFree high_free; LowTotal low_total; \
    LowFree low_free; Dirty dirty; Writeback writeback; AnonPages anon_pages; Mapped mapped; \
    Slab slab; SReclaimable slab_reclaimable; SUnreclaim slab_unreclaim; \
    PageTables page_tables; NFS_Unstable nfs_unstable; Bounce bounce; \
    CommitLimit commit_limit; Committed_AS committed_as; VmallocTotal vmalloc_total; \
    VmallocUsed vmalloc_used; VmallocChunk vmalloc_chunk; SwapCached swap_cached; \
    SwapTotal swap_total; SwapFree swap_free";

/// 2^53: no host has as many of anything.
const IMPOSSIBLE: u64 = 1 << 53;

/// The amounts of [`NAMES`] that the kernel reports. Fails if `/proc/meminfo` cannot be read.
pub(super) fn memory(root: &Root) -> Result<Attributes, DescribeError> {
    Ok(amounts(&root.text("/proc/meminfo", &mut Vec::new())?))
}

fn amounts(text: &str) -> Attributes {
    let mut amounts = Attributes::default();
    for line in text.lines() {
        if let Some((name, amount)) = line.split_once(':')
            && let Some(name) = table::find(NAMES, name)
        {
            let amount: String = amount.split_ascii_whitespace().collect();
            if is_possible(&amount) {
                amounts.0.push((name, amount));
            }
        }
    }
    amounts
}

/// Whether an amount is possible. LXCFS writes negative differences as 64-bit numbers.
fn is_possible(amount: &str) -> bool {
    let digits = amount.trim_end_matches(|c: char| !c.is_ascii_digit());
    !amount.starts_with('-') && digits.parse().is_ok_and(|number: u64| number < IMPOSSIBLE)
        || digits.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describes_what_the_kernel_has() {
        let memory = memory(&Root::at("tests/fixtures/pi-zero-w/t0")).unwrap();
        let found: Vec<String> = memory.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            found,
            [
                "total=441748kB",
                "free=180928kB",
                "buffers=18232kB",
                "cached=171500kB",
                "swap_cached=0kB",
                "active=117344kB",
                "inactive=102636kB",
                "swap_total=102396kB",
                "swap_free=102396kB",
            ]
        );
    }

    #[test]
    fn takes_whole_names_only() {
        let table = [
            ("a part of a name", "Active(anon): 1 kB", None),
            ("not in the description", "MemAvailable: 1 kB", None),
            ("no colon", "MemTotal 1 kB", None),
            ("no unit", "Dirty: 7", Some(("dirty", "7"))),
            ("nothing", "Dirty:", Some(("dirty", ""))),
            ("less than nothing", "Dirty: -7 kB", None),
            (
                "less than nothing, by LXCFS",
                "SwapFree: 18446744073709346016 kB",
                None,
            ),
            ("2^53", "Dirty: 9007199254740992 kB", None),
            (
                "more digits than a number has",
                "Dirty: 99999999999999999999 kB",
                None,
            ),
            (
                "the largest address space",
                "VmallocTotal: 13743895347199 kB",
                Some(("vmalloc_total", "13743895347199kB")),
            ),
        ];
        for (why, line, expected) in table {
            let amounts = amounts(line);
            let found = amounts.0.first().map(|(name, text)| (*name, text.as_str()));
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn missing_file_is_an_error() {
        assert!(memory(&Root::at("tests/fixtures/debian/t0")).is_err());
    }

    #[test]
    fn never_panics() {
        let good = include_str!("../../tests/fixtures/pi-zero-w/t0/proc/meminfo");
        crate::parse::survives_damage(good, |text| drop(amounts(text)));
    }
}
