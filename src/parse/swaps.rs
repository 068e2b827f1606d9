//! `/proc/swaps`: the devices and files used for swapping. Format: proc_swaps(5).

use super::lines;

/// Bytes per unit of the file.
const KIB: u64 = 1024;

/// A device or file used for swapping.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Swap<'a> {
    /// Its path as the file has it: a blank is `\040`.
    pub(crate) device: &'a str,
    pub(crate) size_bytes: u64,
    pub(crate) used_bytes: u64,
}

/// The swaps in the kernel's order. The heading and malformed lines are skipped. A host may have no
/// swap.
pub(crate) fn parse(text: &str) -> impl Iterator<Item = Swap<'_>> {
    lines(text).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let device = words.next()?;
        let mut bytes = || words.next()?.parse::<u64>().ok()?.checked_mul(KIB);
        // The second column is the type.
        let _ = bytes();
        let (size_bytes, used_bytes) = (bytes()?, bytes()?);
        Some(Swap {
            device,
            size_bytes,
            used_bytes,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/swaps");

    #[test]
    fn swaps_are_the_lines_with_numbers() {
        let found: Vec<_> = parse(TWO_CORE).collect();
        let swap = Swap {
            device: "/dev/sda2",
            size_bytes: 500 << 20,
            used_bytes: 100 << 20,
        };
        assert_eq!(found, [swap]);
        // (why this row exists, text, devices)
        let table: [(&str, &str, &[&str]); 5] = [
            ("empty", "", &[]),
            ("no swap", "Filename Type Size Used Priority\n", &[]),
            (
                "a blank in the path",
                "/a\\040b file 8 4 -2\n",
                &["/a\\040b"],
            ),
            ("too few columns", "/a file 8\n/b file 8 4\n", &["/b"]),
            ("no number", "/a file 8 x -2\n/b file -8 4 -2\n", &[]),
        ];
        for (why, text, devices) in table {
            let found: Vec<_> = parse(text).map(|swap| swap.device).collect();
            assert_eq!(found, devices, "{why}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| {
            parse(text).count();
        });
    }
}
