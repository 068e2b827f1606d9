//! Rules for names and other short texts.

/// Converts the name of a device, mount or interface into one segment of a metric name.
///
/// The API accepts `[a-zA-Z0-9._-]+` as a whole name, and `.` separates segments. In a segment,
/// everything but ASCII letters, digits, `_` and `-` therefore becomes `_`.
pub(crate) fn metric_segment(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

/// Whether the API accepts `name` as the name of a metric.
pub(crate) fn is_metric_name(name: &str) -> bool {
    name.split('.').all(|part| part.is_empty() || is_word(part)) && !name.is_empty()
}

/// Whether the API accepts `name` as the name of a check or as a namespace of metadata.
pub(crate) fn is_word(name: &str) -> bool {
    let is_good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    !name.is_empty() && name.chars().all(is_good)
}

/// Whether `text` can be a host id from the server: 1 to 64 of `A-Z`, `a-z`, `0-9`, `-` and `_`.
pub(crate) fn is_host_id(text: &str) -> bool {
    is_word(text) && text.len() <= 64
}

/// The FNV-1a hash of `bytes`. Equal texts have equal hashes, and different texts rarely do. It
/// finds duplicates among hundreds of texts without comparing each pair.
pub(crate) fn fnv1a(bytes: &[u8]) -> u32 {
    let step = |trace: u32, byte: &u8| (trace ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_segment_keeps_only_what_the_api_accepts() {
        // (why this row exists, input, expected)
        let table = [
            ("plain", "sda1", "sda1"),
            ("dot would open a new segment", "eth0.100", "eth0_100"),
            ("path", "/var/lib", "_var_lib"),
            ("kept punctuation", "dm-0_a", "dm-0_a"),
            ("space", "my disk", "my_disk"),
            ("one char, not one byte, per underscore", "あ", "_"),
            ("empty stays empty", "", ""),
        ];
        for (why, input, expected) in table {
            assert_eq!(metric_segment(input), expected, "{why}: {input}");
        }
    }

    #[test]
    fn names_are_what_the_api_takes() {
        // (name, whether it is valid for a metric, whether it is valid for a check)
        let table = [
            ("custom.my-plugin.A_1", true, false),
            ("os-release_2", true, true),
            (".", true, false),
            ("a..b", true, false),
            ("", false, false),
            ("a b", false, false),
            ("custom.disk.#", false, false),
            ("a/b", false, false),
            ("caf\u{e9}", false, false),
        ];
        for (name, is_metric, is_check) in table {
            assert_eq!(
                (is_metric_name(name), is_word(name)),
                (is_metric, is_check),
                "{name}"
            );
        }
    }

    #[test]
    fn host_ids_have_64_letters_at_most() {
        // (why this row exists, text, whether it is a host id)
        let long = "x".repeat(65);
        let table = [
            ("as the server gives it", "2uN4pXgCcWh", true),
            ("every kind of character", "aZ09-_", true),
            ("the longest", &long[1..], true),
            ("too long", &long, false),
            ("empty", "", false),
            ("a path", "../x", false),
            ("a query", "x?y=z", false),
            ("percent encoding", "x%2e", false),
            ("a line end", "x\n", false),
            ("an escape sequence", "x\u{1b}[31m", false),
            ("a space", " x", false),
            ("a letter of another script", "\u{430}bc", false),
            ("a digit of another script", "\u{ff11}", false),
        ];
        for (why, text, expected) in table {
            assert_eq!(is_host_id(text), expected, "{why}");
        }
    }

    #[test]
    fn equal_texts_leave_equal_traces() {
        assert_eq!(fnv1a(b"254:16"), fnv1a(b"254:16"));
        // A test vector of the algorithm's authors.
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
    }
}
