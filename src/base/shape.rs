//! Decides whether two messages count as the same. Times, process ids, ports, counters and similar
//! parts that change with each repetition are ignored.

use std::hash::{DefaultHasher, Hasher};

/// The hash of a message. It is equal for two messages with the same `exact` part whose other parts
/// differ only in words with digits.
pub(crate) fn digest(exact: &str, message: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in [exact, &shape(message)] {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// The message with `#` in place of each word that contains a digit. Several such words that are
/// separated by one sign only become one `#`. This covers times, dates, process ids, addresses,
/// counters, durations and identifiers. A number after the word `status` is kept: 403 and 503 are
/// different failures.
fn shape(message: &str) -> String {
    let mut shape = String::with_capacity(message.len());
    for word in message.split_inclusive(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()) {
        if !word.bytes().any(|byte| byte.is_ascii_digit()) || shape.ends_with("status ") {
            shape.push_str(word);
            continue;
        }
        if !shape.ends_with('#') {
            shape.push('#');
        }
        shape.extend(word.chars().next_back().filter(|c| c.is_whitespace()));
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_leaves_out_what_differs_each_time() {
        // (why this row exists, one message, another, whether they are the same)
        let table = [
            (
                "a port",
                "127.0.0.1:48210: refused",
                "127.0.0.1:9: refused",
                true,
            ),
            ("a counter", "3 requests failed", "14 requests failed", true),
            (
                "an identifier",
                "host 3abc: no answer",
                "host 4def: no answer",
                true,
            ),
            (
                "another word",
                "3 requests failed",
                "3 requests refused",
                false,
            ),
            (
                "another status",
                "failed (status 403)",
                "failed (status 503)",
                false,
            ),
            (
                "the same status",
                "5 failed (status 503)",
                "6 failed (status 503)",
                true,
            ),
        ];
        for (why, one, other, is_same) in table {
            assert_eq!(digest("", one) == digest("", other), is_same, "{why}");
        }
        assert_ne!(digest("exit code 1", ""), digest("exit code 2", ""));
        assert_ne!(digest("a", "b"), digest("", "ab"));
    }
}
