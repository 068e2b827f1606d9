//! The devices of a group from one round to the next: the list of their names is made anew only if
//! it changes, so that a round of the same devices allocates no name.

use std::sync::Arc;

use super::readings::Devices;

/// The list of the round before.
#[derive(Default)]
pub(super) struct DeviceNames(Arc<[Box<str>]>);

impl DeviceNames {
    /// The devices that were `found`, in that order. Of two of one name, the first counts.
    pub(super) fn devices<'a, T>(
        &mut self,
        found: impl Iterator<Item = (&'a str, T)>,
    ) -> Devices<T> {
        let mut counters = Vec::with_capacity(self.0.len());
        let mut list = List {
            before: &self.0,
            next: 0,
            changed: None,
        };
        for (name, row) in found {
            if list.add(name) {
                counters.push(row);
            }
        }
        let changed = list.end();
        Devices {
            names: self.change(changed),
            counters,
        }
    }

    /// The list of this round, which the next one is compared with.
    fn change(&mut self, changed: Option<Vec<Box<str>>>) -> Arc<[Box<str>]> {
        if let Some(changed) = changed {
            self.0 = changed.into();
        }
        Arc::clone(&self.0)
    }
}

/// A list of names that is made, and compared with the one before.
struct List<'b> {
    before: &'b [Box<str>],
    /// Names before this one have been found again, or are gone.
    next: usize,
    /// The whole list, from the first difference on.
    changed: Option<Vec<Box<str>>>,
}

impl List<'_> {
    /// Whether `name` is not there yet. Most names come in the order of the round before: only one
    /// that does not is searched for.
    fn add(&mut self, name: &str) -> bool {
        let ahead = self.before.get(self.next..).unwrap_or_default();
        if self.changed.is_none() && ahead.first().is_some_and(|next| **next == *name) {
            self.next += 1;
            return true;
        }
        let so_far = self.before.get(..self.next).unwrap_or_default();
        let changed = self.changed.get_or_insert_with(|| so_far.to_vec());
        // What is still ahead has not been passed, and cannot be in the list.
        match ahead.iter().position(|known| **known == *name) {
            Some(passed) => self.next += passed + 1,
            None if changed.iter().any(|known| **known == *name) => return false,
            None => {}
        }
        changed.push(name.into());
        true
    }

    /// The list, if it differs from the one before.
    fn end(self) -> Option<Vec<Box<str>>> {
        let is_shorter = self.next < self.before.len();
        let found = || self.before.get(..self.next).unwrap_or_default().to_vec();
        self.changed.or_else(|| is_shorter.then(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each letter is a device; its counter is its place in the round.
    fn round(names: &mut DeviceNames, letters: &str) -> Devices<usize> {
        let letters: Vec<String> = letters.chars().map(String::from).collect();
        let found = letters.iter().enumerate();
        names.devices(found.map(|(at, name)| (name.as_str(), at)))
    }

    #[test]
    fn devices_of_the_same_names_share_their_list() {
        let mut names = DeviceNames::default();
        let mut before = round(&mut names, "abc");
        // (letters of the round, whether the list is that of the round before)
        let table = [
            ("abc", true),
            ("abcd", false),
            ("abcd", true),
            ("abc", false),
            ("acb", false),
            ("acbb", false),
            ("", false),
            ("", true),
        ];
        for (letters, is_same) in table {
            let now = round(&mut names, letters);
            let shares = Arc::ptr_eq(&before.names, &now.names);
            assert_eq!(shares, is_same, "{letters}");
            before = now;
        }
    }

    #[test]
    fn devices_may_come_in_any_order_and_the_first_of_a_name_counts() {
        let rounds = [
            "abcd", "abcd", "dcba", "bd", "xbyd", "dbxy", "bdbyb", "aab", "aaba", "cca", "ab",
            "ba", "bab", "abcabc", "", "zz",
        ];
        for first in rounds {
            for second in rounds {
                let mut names = DeviceNames::default();
                round(&mut names, first);
                let found = round(&mut names, second);
                // (name, its first place)
                let mut expected: Vec<(String, usize)> = Vec::new();
                for (at, letter) in second.chars().enumerate() {
                    if second.find(letter) == Some(at) {
                        expected.push((letter.to_string(), at));
                    }
                }
                let names = found.names.iter().map(ToString::to_string);
                let found: Vec<_> = names.zip(found.counters).collect();
                assert_eq!(found, expected, "{first}, then {second}");
            }
        }
    }
}
