//! Texts in less than half their size: the files that `install` writes, 15,200 bytes, 7,600 of them
//! saved; help and graphs of applets, 20,100 bytes, 13,200 of them saved. What they have in common
//! is 900 bytes.
//!
//! A byte below 128 is a character, since the texts are ASCII. Another one begins a repetition of
//! two bytes: `1LLLLBBB BBBBBBBB` is L + 3 bytes as they were B bytes before. The compiler packs the
//! texts.

/// The shortest and the longest repetition.
const SHORTEST: usize = 3;
const LONGEST: usize = SHORTEST + 15;
/// How far back one begins at most.
const FAR: usize = (1 << 11) - 1;
/// Maximum length of a text, and number of lists of places that are looked through.
const LENGTH: usize = 8 << 10;
const LISTS: usize = 1 << 10;

/// What precedes each text while it is packed and unpacked, so that it has repetitions from its
/// begin on: what many texts contain.
const COMMON: &str = concat!(
    "/etc/mackerel-agent/mackerel-agent.conf /var/lib/mackerel-agent /var/cache/mackerel-agent ",
    "MACKEREL_PLUGIN_WORKDIR=\n",
    "# that the agent's configtest -root command is not each this and without files before seconds\n",
    " number of regular expressions address memory connection certificates directory\n",
    "check print the \n      --exclude=PATTERN    \n  -s, --\n  -p, --path=PATH      any address; ",
    "repeatable",
    "\n  -w, --warning=N           WARNING if there are more than N ",
    "\n  -c, --critical=N          CRITICAL if it takes less than N ",
    "\n                            (default: 1",
    "\n  -metric-key-prefix=NAME   begin of the metrics' names (default: ",
    ")\n  -tempfile=PATH            the file for the counters of the last run\n",
    ")\n  -tempfile=PATH            not used\n",
    r#"{"graphs":{"$.":{"label":"& ","unit":"float","metrics":[{"name":"*","label":"%1","stacked":true},"#,
    r#"{"name":"","label":"","stacked":false}]},"$.":{"label":"","unit":"integer","metrics":[{"name":""#,
);

/// The packed form of a constant text, which must be ASCII.
macro_rules! packed {
    ($text:expr) => {{
        const TEXT: &[u8] = $text.as_bytes();
        const LENGTH: usize = crate::base::packed::pack::<0>(TEXT).1;
        const PACKED: [u8; LENGTH] = crate::base::packed::pack(TEXT).0;
        &PACKED
    }};
}
pub(crate) use packed;

/// The packed content of a file of the repository, which must be ASCII.
macro_rules! packed_file {
    ($path:literal) => {
        crate::base::packed::packed!(include_str!($path))
    };
}
pub(crate) use packed_file;

/// Packs a text: the first `N` bytes, and the number of all.
///
/// Fails, at compile time, if the text is too long or not ASCII.
#[expect(clippy::cast_possible_truncation, reason = "a word of 16 bits")]
pub(crate) const fn pack<const N: usize>(own: &[u8]) -> ([u8; N], usize) {
    assert!(own.len() <= LENGTH && own.is_ascii());
    let mut whole = [0; COMMON.len() + LENGTH];
    let (text, _) = whole.split_at_mut(COMMON.len() + own.len());
    let (common, rest) = text.split_at_mut(COMMON.len());
    common.copy_from_slice(COMMON.as_bytes());
    rest.copy_from_slice(own);
    let (mut packed, mut length) = ([0; N], 0);
    // For each hash the last place with it, and for each place the one before with the same hash,
    // counted from 1.
    let (mut last, mut before) = ([0_usize; LISTS], [0_usize; COMMON.len() + LENGTH]);
    let (mut at, mut end) = (0, COMMON.len());
    while at < text.len() {
        let hash = if at + SHORTEST <= text.len() {
            (text[at] as usize ^ (text[at + 1] as usize) << 2 ^ (text[at + 2] as usize) << 4)
                % LISTS
        } else {
            0
        };
        // Within what is common and within a repetition, places are only listed.
        if at >= end {
            let (mut count, mut back) = (0, 0);
            let mut place = last[hash];
            while place != 0 && at + 1 - place <= FAR && count < LONGEST {
                let mut equal = 0;
                while equal < LONGEST
                    && at + equal < text.len()
                    && text[place - 1 + equal] == text[at + equal]
                {
                    equal += 1;
                }
                if equal > count {
                    (count, back) = (equal, at + 1 - place);
                }
                place = before[place - 1];
            }
            let (bytes, taken) = if count < SHORTEST {
                ([text[at], 0], 1)
            } else {
                let word = 1 << 15 | (count - SHORTEST) << 11 | back;
                ([(word >> 8) as u8, (word & 0xff) as u8], 2)
            };
            let mut byte = 0;
            while byte < taken {
                if length < N {
                    packed[length] = bytes[byte];
                }
                length += 1;
                byte += 1;
            }
            end = at + if count < SHORTEST { 1 } else { count };
        }
        before[at] = last[hash];
        last[hash] = at + 1;
        at += 1;
    }
    (packed, length)
}

/// The text of which `packed` was made.
pub(crate) fn unpack(packed: &[u8]) -> String {
    let mut text = COMMON.to_owned();
    let mut bytes = packed.iter();
    while let Some(&first) = bytes.next() {
        if first < 128 {
            text.push(char::from(first));
            continue;
        }
        let second = bytes.next().copied().unwrap_or_default();
        let word = usize::from(u16::from_be_bytes([first, second]));
        for _ in 0..(word >> 11 & 15) + SHORTEST {
            let at = text.len().wrapping_sub(word & FAR);
            let byte = text.as_bytes().get(at).copied().unwrap_or_default();
            text.push(char::from(byte));
        }
    }
    text.split_off(COMMON.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_texts_are_unpacked() {
        // (why this row exists, text, length of what is packed, 0 for any)
        let table = [
            ("nothing", String::new(), 0),
            ("one character", "a".to_owned(), 1),
            ("no repetition", "zyxwvuts".to_owned(), 8),
            ("the shortest repetition", "abc-abc".to_owned(), 6),
            ("one that overlaps itself", "a".repeat(19), 3),
            ("one that is longer than one can be", "a".repeat(20), 4),
            ("too far back", format!("abc{}abc", "-".repeat(3_000)), 0),
            (
                "as far back as may be",
                format!("abc{}abc", "-".repeat(2_044)),
                0,
            ),
            ("as long as may be", "0123456789".repeat(819), 0),
        ];
        for (why, text, expected) in table {
            let (packed, length) = pack::<LENGTH>(text.as_bytes());
            assert_eq!(unpack(&packed[..length]), text, "{why}");
            assert!(expected == 0 || length == expected, "{why}: {length}");
        }
    }

    #[test]
    fn packed_file_is_about_half_of_it() {
        let packed: &[u8] = packed_file!("../../packaging/mackerel-agent.conf");
        let text = include_str!("../../packaging/mackerel-agent.conf");
        assert_eq!(unpack(packed), text);
        assert!(packed.len() * 9 < text.len() * 5, "{}", packed.len());
    }

    #[test]
    fn unpack_never_panics() {
        for damaged in [
            &[0xff_u8][..],
            &[0x87, 0xff],
            &[0x80, 0x00, 0x41],
            &[0x41, 0xff, 0x01],
        ] {
            unpack(damaged);
        }
    }
}
