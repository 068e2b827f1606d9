//! The rounds that wait for a server: in memory, the oldest first, limited in number and bytes.

/// Rounds that are held: those of an hour, and a few more.
pub(super) const ROUNDS: usize = 64;
/// Bytes of memory that are held, as estimated by the rounds themselves. 64 rounds of a host with 64 CPUs, each
/// of them sent by itself, are half of it.
pub(super) const BYTES: usize = 4 << 20;
/// The part of the memory that this process may have which a ring may take. A message that is built
/// of its rounds takes several times as much.
const SHARE: u64 = 16;
/// Bytes that are held however little memory there is: an hour of an ordinary host.
const LEAST: usize = 256 << 10;
/// Bytes counted for each entry besides its content.
const ENTRY: usize = 64;

/// Seconds of a round.
const MINUTE: u64 = 60;

/// A queue of rounds. The values of plugins and checks may be entries of their own, with the second
/// in which the plugin began or a time of its own: entries of the same minute are one round.
pub(super) struct Ring<T> {
    /// Few enough to be moved when the first ones go; a `VecDeque` is more code.
    entries: Vec<Entry<T>>,
    /// Bytes of memory of all entries.
    held: usize,
    /// The limit for that.
    capacity: usize,
}

struct Entry<T> {
    /// Seconds from boot.
    age: u64,
    held: usize,
    /// In a message.
    size: usize,
    content: T,
}

impl<T> Entry<T> {
    /// The round that the entry is of.
    fn minute(&self) -> u64 {
        self.age / MINUTE
    }
}

impl<T> Ring<T> {
    /// An empty ring that fits into `memory` bytes, the limit of this process; `None` if there is
    /// none.
    pub(super) fn new(memory: Option<u64>) -> Ring<T> {
        let share = memory.map_or(u64::MAX, |memory| memory / SHARE);
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        Ring {
            entries: Vec::new(),
            held: 0,
            capacity: share.clamp(LEAST, BYTES),
        }
    }

    /// Adds `content`, which was measured at `age`, occupies `held` bytes, and has about `size` in a
    /// message. Drops the oldest rounds if there is no room for it, and returns their number.
    pub(super) fn push(&mut self, age: u64, held: usize, size: usize, content: T) -> usize {
        let held = held.saturating_add(ENTRY);
        self.held += held;
        let at = self.entries.partition_point(|entry| entry.age <= age);
        let entry = Entry {
            age,
            held,
            size,
            content,
        };
        self.entries.insert(at, entry);
        let mut lost = 0;
        while self.rounds() > ROUNDS || (self.held > self.capacity && self.entries.len() > 1) {
            // The newest entry stays, even if all are of its round.
            self.drop_front(self.entries_of(1).min(self.entries.len() - 1));
            lost += 1;
        }
        lost
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The age of the oldest entry, in seconds from boot; `None` if there is none.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.entries.first().map(|entry| entry.age)
    }

    /// Number of rounds.
    pub(super) fn rounds(&self) -> usize {
        self.rounds_of(self.entries.len())
    }

    /// Number of rounds among the first `count` entries.
    pub(super) fn rounds_of(&self, count: usize) -> usize {
        let mut last = None;
        let minutes = self.entries.iter().take(count).map(Entry::minute);
        minutes
            .filter(|minute| last.replace(*minute) != Some(*minute))
            .count()
    }

    /// Number of the entries of the first `rounds` rounds.
    pub(super) fn entries_of(&self, rounds: usize) -> usize {
        let (mut last, mut seen) = (None, 0);
        let is_of = |entry: &&Entry<T>| {
            seen += usize::from(last.replace(entry.minute()) != Some(entry.minute()));
            seen <= rounds
        };
        self.entries.iter().take_while(is_of).count()
    }

    /// Number of the first entries that have at most `bytes` bytes and are at most `most`. One, if the
    /// first has more bytes by itself.
    pub(super) fn batch(&self, most: usize, bytes: usize) -> usize {
        let mut size = 0;
        let fits = |entry: &&Entry<T>| {
            size += entry.size;
            size <= bytes
        };
        let count = self.entries.iter().take(most).take_while(fits).count();
        count.max(1).min(self.entries.len())
    }

    /// The first `count` entries.
    pub(super) fn front(&self, count: usize) -> Vec<&T> {
        let first = self.entries.iter().take(count);
        first.map(|entry| &entry.content).collect()
    }

    /// Removes the first `count` entries.
    pub(super) fn drop_front(&mut self, count: usize) {
        for entry in self.entries.drain(..count.min(self.entries.len())) {
            self.held -= entry.held;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_drops_the_oldest_rounds_and_is_in_order_of_age() {
        let mut ring = Ring::new(None);
        for minute in 0..ROUNDS as u64 {
            assert_eq!(ring.push(minute * 60 + 7, 1, 1, (minute, 'h')), 0);
        }
        // Entries of plugins belong to the round of the minute in which they began.
        assert_eq!(ring.push(3 * 60 + 9, 1, 1, (3, 'p')), 0);
        assert_eq!(ring.push(59, 1, 1, (0, 'p')), 0);
        assert_eq!(ring.rounds(), ROUNDS);
        assert_eq!(ring.front(3), [&(0, 'h'), &(0, 'p'), &(1, 'h')]);
        assert_eq!((ring.rounds_of(2), ring.rounds_of(3)), (1, 2));
        let entries = [0, 1, 4, 99].map(|rounds| ring.entries_of(rounds));
        assert_eq!(entries, [0, 2, 6, ROUNDS + 2]);
        // Both entries of the oldest round go.
        assert_eq!(ring.push(6_000, 1, 1, (100, 'h')), 1);
        assert_eq!(ring.front(4), [&(1, 'h'), &(2, 'h'), &(3, 'h'), &(3, 'p')]);
        ring.drop_front(4);
        assert_eq!(ring.front(1), [&(4, 'h')]);
        assert_eq!(ring.rounds(), ROUNDS - 3);
        ring.drop_front(usize::MAX);
        assert!(ring.is_empty() && ring.held == 0);
    }

    #[test]
    fn ring_is_limited_in_bytes() {
        let mut ring = Ring::new(None);
        let quarter = BYTES / 4 - ENTRY;
        for minute in 0..4 {
            assert_eq!(ring.push(minute * 60, quarter, 1, minute), 0);
        }
        assert_eq!(ring.push(240, 2 * quarter, 1, 4), 2);
        assert_eq!(ring.front(9), [&2, &3, &4]);
        // One that is too large by itself is held alone.
        assert_eq!(ring.push(300, 2 * BYTES, 1, 5), 3);
        assert_eq!(ring.front(9), [&5]);
        // So is the newest of its round.
        assert_eq!(ring.push(301, 1, 1, 6), 1);
        assert_eq!(ring.front(9), [&6]);
    }

    #[test]
    fn batch_is_limited_in_entries_and_bytes() {
        let mut ring = Ring::new(None);
        assert_eq!(ring.batch(9, 1_000), 0);
        for minute in 0..5 {
            ring.push(minute, 1, 200, minute);
        }
        // (entries at most, bytes at most, entries)
        let table = [
            (9, 9_999, 5),
            (3, 9_999, 3),
            (9, 600, 3),
            (9, 599, 2),
            (9, 1, 1),
        ];
        for (most, bytes, expected) in table {
            assert_eq!(ring.batch(most, bytes), expected, "{most}, {bytes}");
        }
    }

    #[test]
    fn ring_takes_a_part_of_a_containers_memory() {
        // (memory of the process, bytes held)
        let table = [
            (None, BYTES),
            (Some(u64::MAX), BYTES),
            (Some(16 << 20), 1 << 20),
            (Some(1 << 20), LEAST),
        ];
        for (memory, capacity) in table {
            let mut ring = Ring::new(memory);
            let half = capacity / 2 - ENTRY;
            assert_eq!(
                [ring.push(60, half, 1, 1), ring.push(120, half, 1, 2)],
                [0, 0]
            );
            assert_eq!(ring.push(180, 1, 1, 3), 1, "{memory:?}");
        }
    }
}
