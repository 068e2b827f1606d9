//! `/proc/vmstat`: counters of paging since boot. Format: proc_vmstat(5).

use super::lines;

/// Keys of the parsed lines.
const KEYS: [&str; 6] = [
    "pgfault",
    "pgmajfault",
    "pswpin",
    "pswpout",
    "pgpgin",
    "pgpgout",
];
/// Positions of page faults, and of those of them for which something was read.
pub(crate) const FAULTS: usize = 0;
pub(crate) const MAJOR_FAULTS: usize = 1;
/// Positions of pages read from swap, and of those written to it.
pub(crate) const SWAPPED_IN: usize = 2;
pub(crate) const SWAPPED_OUT: usize = 3;
/// Positions of KiB read from disks, and of those written to them.
pub(crate) const PAGED_IN: usize = 4;
pub(crate) const PAGED_OUT: usize = 5;

/// The counters of [`KEYS`]. `None`: the kernel has no such line, or it holds no number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Paging(pub(crate) [Option<u64>; KEYS.len()]);

/// Parses `/proc/vmstat`.
pub(crate) fn parse(text: &str) -> Paging {
    let mut paging = Paging::default();
    for line in lines(text) {
        if let Some((key, number)) = line.split_once(' ')
            && let Some(at) = KEYS.iter().position(|known| *known == key)
        {
            paging.0[at] = number.parse().ok();
        }
    }
    paging
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/vmstat");

    #[test]
    fn paging_is_read_from_a_recorded_file() {
        let expected = Paging([9_000, 1_000, 30, 40, 5_000, 6_000].map(Some));
        assert_eq!(parse(TWO_CORE), expected);
        assert_eq!(parse(""), Paging::default());
        assert_eq!(
            parse("pgfault\npgmajfault x\npswpin -1\n"),
            Paging::default()
        );
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| {
            parse(text);
        });
    }
}
