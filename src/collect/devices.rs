//! The devices of a group from one round to the next: the list of their names is made anew only if
//! it changes, so that a round of the same devices allocates no name.

use std::sync::Arc;

/// The list of the round before.
#[derive(Default)]
pub(super) struct DeviceNames(Arc<[Box<str>]>);

impl DeviceNames {
    /// A list for the devices of this round.
    pub(super) fn list(&mut self) -> DeviceList<'_> {
        DeviceList {
            names: self,
            next: 0,
            changed: None,
        }
    }
}

/// A list of names that is made, and compared with the one before.
pub(super) struct DeviceList<'n> {
    names: &'n mut DeviceNames,
    /// Names before this one have been found again, or are gone.
    next: usize,
    /// The whole list, from the first difference on.
    changed: Option<Vec<Box<str>>>,
}

impl DeviceList<'_> {
    /// As many devices as the round before had.
    pub(super) fn expected(&self) -> usize {
        self.names.0.len()
    }

    /// Adds a device. Returns whether it is not there yet: of two of one name, the first counts. Most
    /// come in the order of the round before: only one that does not is searched for.
    pub(super) fn add(&mut self, name: &str) -> bool {
        let ahead = self.names.0.get(self.next..).unwrap_or_default();
        if self.changed.is_none() && ahead.first().is_some_and(|next| **next == *name) {
            self.next += 1;
            return true;
        }
        let so_far = self.names.0.get(..self.next).unwrap_or_default();
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

    /// The whole list, with which that of the next round is compared.
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

    /// Each letter is a device; its counter is its place in the round.
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
