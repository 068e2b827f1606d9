//! The two structures of keys and signatures that are written in DER: X.690.

/// The numbers of a sequence of two positive integers, big-endian without leading zeros: an RSA key
/// (RFC 8017, A.1.1) or an ECDSA signature (RFC 3279, 2.2.3).
///
/// `None` if it is anything else, or not DER's one way of writing it.
pub(super) fn two_integers(input: &[u8]) -> Option<(&[u8], &[u8])> {
    const SEQUENCE: u8 = 0x30;
    let (inside, rest) = element(input, SEQUENCE)?;
    let (first, second) = integer(inside)?;
    let (second, end) = integer(second)?;
    (rest.is_empty() && end.is_empty()).then_some((first, second))
}

fn integer(input: &[u8]) -> Option<(&[u8], &[u8])> {
    const INTEGER: u8 = 2;
    let (value, rest) = element(input, INTEGER)?;
    let value = match value {
        // A zero in front is there for a number that would be negative without.
        [0, value @ ..] if value.first()? & 0x80 != 0 => value,
        [1..=0x7f, ..] => value,
        _ => return None,
    };
    Some((value, rest))
}

/// The content of the first element, which must be a `tag`, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (length, rest) = match input {
        [first, ..] if *first != tag => return None,
        [_, length @ ..=0x7f, rest @ ..] => (usize::from(*length), rest),
        [_, 0x81, length @ 0x80..=0xff, rest @ ..] => (usize::from(*length), rest),
        [_, 0x82, high @ 1..=0xff, low, rest @ ..] => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_integers_have_one_way_of_being_written() {
        // (why this row exists, DER, numbers)
        type Row = (
            &'static str,
            &'static [u8],
            Option<(&'static [u8], &'static [u8])>,
        );
        let table: [Row; 12] = [
            (
                "short",
                &[0x30, 6, 2, 1, 5, 2, 1, 0x7f],
                Some((&[5], &[0x7f])),
            ),
            (
                "high bit",
                &[0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 0],
                Some((&[0x80], &[1, 0])),
            ),
            ("negative", &[0x30, 6, 2, 1, 0x80, 2, 1, 1], None),
            ("zero", &[0x30, 6, 2, 1, 0, 2, 1, 1], None),
            ("empty", &[0x30, 5, 2, 0, 2, 1, 1], None),
            ("superfluous zero", &[0x30, 7, 2, 2, 0, 1, 2, 1, 1], None),
            ("long length", &[0x30, 0x81, 6, 2, 1, 5, 2, 1, 1], None),
            ("no end", &[0x30, 0x80, 2, 1, 5, 2, 1, 1, 0, 0], None),
            ("another tag", &[0x31, 6, 2, 1, 5, 2, 1, 1], None),
            ("more inside", &[0x30, 9, 2, 1, 5, 2, 1, 1, 2, 1, 1], None),
            ("more behind", &[0x30, 6, 2, 1, 5, 2, 1, 1, 0], None),
            ("cut", &[0x30, 6, 2, 1, 5, 2, 1], None),
        ];
        for (why, input, numbers) in table {
            assert_eq!(two_integers(input), numbers, "{why}");
        }
        let long = |length: usize| {
            let mut input = vec![0x30, 0x82, 0, 0, 2, 0x82, 0, 0];
            input.resize(8 + length, 1);
            input.extend([2, 1, 3]);
            let inside = u16::try_from(length + 7).unwrap();
            input[2..4].copy_from_slice(&inside.to_be_bytes());
            input[6..8].copy_from_slice(&(inside - 7).to_be_bytes());
            input
        };
        assert_eq!(two_integers(&long(256)), Some((&[1; 256][..], &[3][..])));
        assert_eq!(two_integers(&long(255)), None);
    }

    #[test]
    fn never_panics() {
        let sound = [0x30, 8, 2, 2, 0, 0x80, 2, 2, 1, 0];
        for end in 0..sound.len() {
            two_integers(&sound[..end]);
        }
        for place in 0..sound.len() {
            for byte in 0..=255 {
                let mut damaged = sound;
                damaged[place] = byte;
                two_integers(&damaged);
            }
        }
    }
}
