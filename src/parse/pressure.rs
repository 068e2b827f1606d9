//! `/proc/pressure/*`: how long tasks wait for a resource. Format: Documentation/accounting/psi.rst
//! in the kernel.

/// The share of the last 10 seconds in which some task waited, in hundredths of a percent; `None`
/// if the text does not say so. irq has no such line.
pub(crate) fn some_avg10(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut words = line.split_ascii_whitespace();
    let share = words.find_map(|word| word.strip_prefix("avg10="))?;
    let (whole, hundredths) = share.split_once('.')?;
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if hundredths.len() != 2 || !is_number(whole) || !is_number(hundredths) {
        return None;
    }
    let share: u64 = [whole, hundredths].concat().parse().ok()?;
    (share <= 10_000).then_some(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_the_share_of_ten_seconds() {
        // (why this row exists, text, hundredths of a percent)
        let table = [
            (
                "as the kernel writes it",
                "some avg10=2.53 avg60=0.87 avg300=0.73 total=114622\nfull avg10=9.00\n",
                Some(253),
            ),
            ("nothing waits", "some avg10=0.00 avg60=0.00\n", Some(0)),
            ("all the time", "some avg10=100.00\n", Some(10_000)),
            ("more than all", "some avg10=100.01\n", None),
            ("irq", "full avg10=1.00 avg60=0.00\n", None),
            ("another notation", "some avg10=1.0\n", None),
            ("a sign", "some avg10=+1.00\n", None),
            ("no digits", "some avg10=.\n", None),
            ("nothing", "", None),
        ];
        for (why, text, expected) in table {
            assert_eq!(some_avg10(text), expected, "{why}");
        }
        crate::parse::survives_damage(table[0].1, |text| {
            let _ = some_avg10(text);
        });
    }
}
