//! The device names of a group from one round to the next. A new list is made only if the names
//! change, so a round with the same devices allocates no names.

use std::sync::Arc;

/// The list of names of the previous round.
#[derive(Default)]
pub(super) struct DeviceNames(Arc<[Box<str>]>);

impl DeviceNames {
    /// Starts the list for this round.
    pub(super) fn list(&mut self) -> DeviceList<'_> {
        DeviceList {
            names: self,
            next: 0,
            changed: None,
        }
    }
}

/// The list under construction, compared with that of the previous round.
pub(super) struct DeviceList<'n> {
    names: &'n mut DeviceNames,
    /// Index into the old list. Names before it were found again or have disappeared.
    next: usize,
    /// The new list. `None` as long as it equals the old one.
    changed: Option<Vec<Box<str>>>,
}

impl DeviceList<'_> {
    /// Number of devices in the previous round.
    pub(super) fn expected(&self) -> usize {
        self.names.0.len()
    }

    /// Adds a device. Returns `false` if a device of this name was added before: the first one
    /// counts. Most devices come in the order of the previous round; only the others are searched
    /// for.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let ahead = self.names.0.get(self.next..).unwrap_or_default();
        if self.changed.is_none() && ahead.first().is_some_and(|next| **next == *name) {
            self.next += 1;
            return true;
        }
        let so_far = self.names.0.get(..self.next).unwrap_or_default();
        let changed = self.changed.get_or_insert_with(|| so_far.to_vec());
        // Names from `next` on have not been added yet, so they cannot be duplicates.
        match ahead.iter().position(|known| **known == *name) {
            Some(passed) => self.next += passed + 1,
            None if changed.iter().any(|known| **known == *name) => return false,
            None => {}
        }
        changed.push(name.into());
        true
    }

    /// The complete list. The next round is compared with it.
    pub(super) fn end(self) -> Arc<[Box<str>]> {
        if let Some(changed) = self.changed {
            self.names.0 = changed.into();
        } else if let Some(found) = self.names.0.get(..self.next)
            && self.next < self.names.0.len()
        {
            self.names.0 = found.into();
        }
        Arc::clone(&self.names.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::readings::Devices;
    use super::*;

    /// Each letter is a device; its counter is its position in the round.
    fn round(names: &mut DeviceNames, letters: &str) -> Devices<usize> {
        let mut list = names.list();
        let letters = letters.chars().map(String::from).enumerate();
        let found = letters.filter(|(_, name)| list.add(name));
        Devices {
            counters: found.map(|(at, _)| at).collect(),
            names: list.end(),
        }
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
                // (name, its first position)
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
