//! `/proc/vmstat`: counters of paging since boot. Format: proc_vmstat(5).

use super::lines;

/// The parsed part of `/proc/vmstat`. `None`: the kernel has no such line, or it holds no number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Paging {
    /// Page faults, and those of them for which something was read.
    pub(crate) faults: Option<u64>,
    pub(crate) major_faults: Option<u64>,
    /// Pages read from swap and written to it.
    pub(crate) swapped_in: Option<u64>,
    pub(crate) swapped_out: Option<u64>,
    /// KiB read from disks and written to them.
    pub(crate) paged_in: Option<u64>,
    pub(crate) paged_out: Option<u64>,
}

/// Parses `/proc/vmstat`.
pub(crate) fn parse(text: &str) -> Paging {
    let mut paging = Paging::default();
    for line in lines(text) {
        let Some((key, number)) = line.split_once(' ') else {
            continue;
        };
        let counter = match key {
            "pgfault" => &mut paging.faults,
            "pgmajfault" => &mut paging.major_faults,
            "pswpin" => &mut paging.swapped_in,
            "pswpout" => &mut paging.swapped_out,
            "pgpgin" => &mut paging.paged_in,
            "pgpgout" => &mut paging.paged_out,
            _ => continue,
        };
        *counter = number.parse().ok();
    }
    paging
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/vmstat");

    #[test]
    fn paging_is_read_from_a_recorded_file() {
        let expected = Paging {
            faults: Some(9_000),
            major_faults: Some(1_000),
            swapped_in: Some(30),
            swapped_out: Some(40),
            paged_in: Some(5_000),
            paged_out: Some(6_000),
        };
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
