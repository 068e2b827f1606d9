//! The last items of a sequence whose items are numbered from 1: a limited number of them, and of
//! their bytes.

use std::collections::VecDeque;

/// Numbered texts. The number of an item never changes, and no other item gets it.
#[derive(Debug)]
pub(crate) struct Ring {
    items: VecDeque<String>,
    /// Number of the next item.
    next: u64,
    bytes: usize,
    most_items: usize,
    most_bytes: usize,
}

impl Ring {
    /// Without items. Of more items or bytes the oldest are dropped, but never the newest one.
    pub(crate) const fn new(most_items: usize, most_bytes: usize) -> Ring {
        Ring {
            items: VecDeque::new(),
            next: 1,
            bytes: 0,
            most_items,
            most_bytes,
        }
    }

    /// Appends an item.
    pub(crate) fn push(&mut self, item: String) {
        self.bytes += item.len();
        self.items.push_back(item);
        self.next += 1;
        while self.items.len() > self.most_items
            || (self.bytes > self.most_bytes && self.items.len() > 1)
        {
            let oldest = self.items.pop_front();
            self.bytes -= oldest.map_or(0, |item| item.len());
        }
    }

    /// Drops all items and frees their memory. Numbers go on.
    pub(crate) fn clear(&mut self) {
        self.items = VecDeque::new();
        self.bytes = 0;
    }

    /// Passes over a number, so that an item that is missing shows.
    pub(crate) fn skip(&mut self) {
        self.clear();
        self.next += 1;
    }

    /// Number of the oldest item that is kept; that of the next one if there is none.
    pub(crate) fn first(&self) -> u64 {
        self.next - self.items.len() as u64
    }

    /// Number of the next item.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The item with this number, if it is kept.
    pub(crate) fn get(&self, number: u64) -> Option<&str> {
        let at = usize::try_from(number.checked_sub(self.first())?).ok()?;
        self.items.get(at).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_keeps_the_newest_items_under_their_numbers() {
        // (why this row exists, most items, most bytes, items, numbers and texts that are kept)
        type Row = (
            &'static str,
            usize,
            usize,
            &'static [&'static str],
            &'static [(u64, &'static str)],
        );
        let table: [Row; 5] = [
            ("nothing", 3, 10, &[], &[]),
            ("few", 3, 10, &["a", "b"], &[(1, "a"), (2, "b")]),
            ("too many", 2, 10, &["a", "b", "c"], &[(2, "b"), (3, "c")]),
            ("too long", 3, 4, &["aa", "bb", "c"], &[(2, "bb"), (3, "c")]),
            (
                "one that is too long alone",
                3,
                4,
                &["a", "bbbbb"],
                &[(2, "bbbbb")],
            ),
        ];
        for (why, items, bytes, given, kept) in table {
            let mut ring = Ring::new(items, bytes);
            given.iter().for_each(|item| ring.push((*item).to_owned()));
            assert_eq!(ring.next(), given.len() as u64 + 1, "{why}");
            let found: Vec<_> = (0..10)
                .filter_map(|number| Some((number, ring.get(number)?)))
                .collect();
            assert_eq!(found, kept, "{why}");
            let first = kept.first().map_or(ring.next(), |(number, _)| *number);
            assert_eq!(ring.first(), first, "{why}");
        }
    }

    #[test]
    fn ring_numbers_go_on_after_it_is_cleared() {
        let mut ring = Ring::new(3, 10);
        ring.push("a".to_owned());
        ring.clear();
        assert_eq!((ring.first(), ring.next(), ring.get(1)), (2, 2, None));
        ring.skip();
        ring.push("b".to_owned());
        assert_eq!((ring.first(), ring.get(3)), (3, Some("b")));
    }
}
