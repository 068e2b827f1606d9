//! Event streams: their format, and where one begins that a client resumes.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use crate::base::ring::Ring;

/// Milliseconds after which a browser connects again.
const RETRY: &str = "retry: 2000\n\n";
/// Bytes that are written to a stream at a time. A longer item is written as a whole.
const CHUNK: usize = 16 << 10;

/// Appends what a stream begins with.
pub(super) fn begin(out: &mut Vec<u8>) {
    out.extend_from_slice(RETRY.as_bytes());
}

/// Appends an event without an id: it does not count when the stream is resumed.
pub(super) fn event(name: &str, data: &str, out: &mut Vec<u8>) {
    let parts = ["event: ", name, "\ndata: ", data, "\n\n"];
    out.extend_from_slice(parts.concat().as_bytes());
}

/// The number of the first item for a client that has got the item with the id `last` as the last
/// one, and whether items between the two are lost, or the id is that of another run.
///
/// A client without an id gets all items that are kept.
pub(super) fn resume(run: &str, ring: &Ring, last: Option<&str>) -> (u64, bool) {
    let Some(last) = last else {
        return (ring.first(), false);
    };
    let number = last
        .strip_prefix(run)
        .and_then(|rest| rest.strip_prefix('-'))
        .filter(|digits| !digits.starts_with(['+', '0']))
        .and_then(|digits| digits.parse::<u64>().ok());
    // The item after it is kept, or will be the next one.
    let next = number.and_then(|number| number.checked_add(1));
    match next.filter(|next| (ring.first()..=ring.next()).contains(next)) {
        Some(next) => (next, false),
        None => (ring.first(), true),
    }
}

/// Appends the items from number `next` on, up to [`CHUNK`] bytes, and moves `next`. Returns whether
/// none is lost.
pub(super) fn items(run: &str, ring: &Ring, next: &mut u64, out: &mut Vec<u8>) -> bool {
    if *next < ring.first() {
        return false;
    }
    while let Some(item) = ring.get(*next)
        && (out.is_empty() || out.len() + item.len() < CHUNK)
    {
        let number = next.to_string();
        let parts = ["id: ", run, "-", &number, "\ndata: ", item, "\n\n"];
        out.extend_from_slice(parts.concat().as_bytes());
        *next += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(count: usize) -> Ring {
        let mut ring = Ring::new(3, 1 << 20);
        (1..=count).for_each(|number| ring.push(format!("item {number}")));
        ring
    }

    #[test]
    fn stream_resumes_without_gap_and_repeat_or_begins_anew() {
        // Items 3 to 5 are kept.
        // (why this row exists, last id, number of the next item, whether it is a reset)
        let table = [
            ("no id", None, 3, false),
            ("one that is kept", Some("0a1b2c3d-4"), 5, false),
            ("the newest one", Some("0a1b2c3d-5"), 6, false),
            ("the oldest one that is kept", Some("0a1b2c3d-3"), 4, false),
            (
                "dropped, but the next one is kept",
                Some("0a1b2c3d-2"),
                3,
                false,
            ),
            ("dropped, and the next one too", Some("0a1b2c3d-1"), 3, true),
            ("none is in between", Some("0a1b2c3d-0"), 3, true),
            ("not yet given out", Some("0a1b2c3d-6"), 3, true),
            (
                "the largest number",
                Some("0a1b2c3d-18446744073709551615"),
                3,
                true,
            ),
            (
                "too large a number",
                Some("0a1b2c3d-18446744073709551616"),
                3,
                true,
            ),
            ("another run", Some("ffffffff-4"), 3, true),
            ("a sign", Some("0a1b2c3d-+4"), 3, true),
            ("zeros in front", Some("0a1b2c3d-04"), 3, true),
            ("no number", Some("0a1b2c3d"), 3, true),
            ("empty", Some(""), 3, true),
        ];
        for (why, last, next, is_reset) in table {
            assert_eq!(
                resume("0a1b2c3d", &ring(5), last),
                (next, is_reset),
                "{why}"
            );
        }
    }

    #[test]
    fn stream_that_was_freed_resumes_only_after_its_newest_item() {
        let mut ring = ring(5);
        ring.clear();
        assert_eq!(resume("r", &ring, Some("r-5")), (6, false));
        assert_eq!(resume("r", &ring, Some("r-4")), (6, true));
        ring.skip();
        assert_eq!(resume("r", &ring, Some("r-5")), (7, true), "one is missing");
    }

    #[test]
    fn stream_items_have_ids_and_come_in_parts() {
        let mut out = Vec::new();
        let mut next = 4;
        assert!(items("run", &ring(5), &mut next, &mut out));
        let expected = "id: run-4\ndata: item 4\n\nid: run-5\ndata: item 5\n\n";
        assert_eq!((str::from_utf8(&out).unwrap(), next), (expected, 6));
        out.clear();
        assert!(items("run", &ring(5), &mut next, &mut out) && out.is_empty());
        next = 2;
        assert!(!items("run", &ring(5), &mut next, &mut out), "one is lost");
        // One at a time, since each is too long.
        let mut long = Ring::new(3, 1 << 20);
        (0..2).for_each(|_| long.push("x".repeat(CHUNK)));
        for number in 1..=2 {
            next = number;
            out.clear();
            assert!(items("run", &long, &mut next, &mut out));
            assert_eq!(next, number + 1);
        }
    }
}
