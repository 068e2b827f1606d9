//! Tables stored as text: each entry is a key, a blank and a value; `; ` separates entries.
//!
//! In a position-independent program, an entry in an array of pairs of strings takes two pointers,
//! two lengths and two relocations. Here it takes three bytes.

/// The value of the first entry whose key is `key`.
pub(crate) fn find(table: &'static str, key: &str) -> Option<&'static str> {
    table
        .split("; ")
        .filter_map(|entry| entry.split_once(' '))
        .find(|(have, _)| *have == key)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "a 1; ab two words; a 3";

    #[test]
    fn keys_match_as_a_whole_and_the_first_is_used() {
        // (why this row exists, key, value)
        let table = [
            ("the first of two", "a", Some("1")),
            ("the value may hold blanks", "ab", Some("two words")),
            ("longer than any key", "abc", None),
            ("no key", "", None),
            ("a value is no key", "1", None),
        ];
        for (why, key, value) in table {
            assert_eq!(find(TABLE, key), value, "{why}: {key}");
        }
    }
}
