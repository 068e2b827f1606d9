//! Growth of the kernel's counters, which may restart.

use std::sync::Arc;

/// A counter that could not be read. No real one gets as far.
pub(crate) const UNKNOWN: u64 = u64::MAX;

/// What a counter grew by between two readings; `None` if it went backwards, or is [`UNKNOWN`].
///
/// A counter that went backwards has been reset (a device was replaced, a driver restarted), has
/// wrapped, or is one that the kernel corrects (`iowait`): what it counted meanwhile is unknown. One
/// that grew by half of what there is has gone below zero: `steal` does after a migration.
pub(crate) fn growth(before: u64, after: u64) -> Option<u64> {
    let is_possible = |grown: &u64| grown.leading_zeros() > 0;
    let grown = after.checked_sub(before).filter(is_possible);
    grown.filter(|_| before != UNKNOWN && after != UNKNOWN)
}

/// What the values of a device's two counters are called.
pub(crate) type Names = [Arc<str>; 2];

/// The latest reading of each device's two counters, kept from one round to the next.
///
/// A device that is missing in one round is forgotten: one that comes back under the same name
/// may be another one, and its counters have nothing to do with the former ones.
#[derive(Default)]
pub(crate) struct Readings {
    all: Vec<Reading>,
    /// Where the next device is, if they come in the order of the round before: the kernel seldom
    /// changes it, and a search for each of thousands would take long.
    next: usize,
}

struct Reading {
    device: Box<str>,
    counters: [u64; 2],
    /// `None` until there is something to be called so, and then what [`Readings::replace`] was told.
    names: Option<Option<Names>>,
    /// Whether it was taken in the round that has not ended yet.
    is_current: bool,
}

impl Readings {
    /// Keeps this round's reading and returns that of the round before, and what its values are
    /// called: what `names` says, which is asked once.
    ///
    /// `None` if the device was not there then, for the second of two devices of one name, and if
    /// its values have no names.
    pub(crate) fn replace(
        &mut self,
        device: &str,
        counters: [u64; 2],
        names: &dyn Fn(&str) -> Option<Names>,
    ) -> Option<([u64; 2], &Names)> {
        let is_it = |known: &Reading| *known.device == *device;
        let at = match self.all.get(self.next).is_some_and(is_it) {
            true => Some(self.next),
            false => self.all.iter().position(is_it),
        };
        let Some(at) = at else {
            self.all.push(Reading {
                device: device.into(),
                counters,
                names: None,
                is_current: true,
            });
            return None;
        };
        self.next = at + 1;
        let known = self.all.get_mut(at)?;
        if known.is_current {
            return None;
        }
        known.is_current = true;
        let before = std::mem::replace(&mut known.counters, counters);
        let names = known.names.get_or_insert_with(|| names(device));
        names.as_ref().map(|names| (before, names))
    }

    /// Forgets what the values are called.
    pub(crate) fn rename(&mut self) {
        self.all.iter_mut().for_each(|known| known.names = None);
    }

    /// Ends a round: forgets the devices that were not there.
    pub(crate) fn end_round(&mut self) {
        self.next = 0;
        self.all
            .retain_mut(|known| std::mem::take(&mut known.is_current));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counters of the round before.
    fn replace(readings: &mut Readings, device: &str, counters: [u64; 2]) -> Option<[u64; 2]> {
        let names = |device: &str| Some([device.into(), device.into()]);
        let (before, names) = readings.replace(device, counters, &names)?;
        assert_eq!(*names[0], *device);
        Some(before)
    }

    #[test]
    fn growth_is_never_negative() {
        // (why this row exists, before, after, grown)
        let table = [
            ("ordinary", 30, 100, Some(70)),
            ("still", 50, 50, Some(0)),
            ("reset", 50, 20, None),
            ("wrapped at 32 bits", 4_294_967_290, 5, None),
            ("below zero", 5, u64::MAX - 5, None),
            ("back from below zero", u64::MAX - 5, 5, None),
            ("unknown before", UNKNOWN, 5, None),
            ("unknown now", 5, UNKNOWN, None),
            ("unknown", UNKNOWN, UNKNOWN, None),
            ("unknown, and much before", UNKNOWN - 1, UNKNOWN, None),
            ("as far as it goes", 0, u64::MAX >> 1, Some(u64::MAX >> 1)),
        ];
        for (why, before, after, grown) in table {
            assert_eq!(growth(before, after), grown, "{why}");
        }
    }

    #[test]
    fn a_device_has_a_former_reading_once_it_was_seen_in_two_rounds_running() {
        let mut readings = Readings::default();
        assert_eq!(replace(&mut readings, "sda", [1, 2]), None);
        readings.end_round();
        assert_eq!(replace(&mut readings, "sda", [3, 4]), Some([1, 2]));
        assert_eq!(replace(&mut readings, "sdb", [7, 7]), None);
        readings.end_round();
        assert_eq!(replace(&mut readings, "sda", [5, 6]), Some([3, 4]));
    }

    #[test]
    fn a_device_that_was_away_for_a_round_starts_anew() {
        let mut readings = Readings::default();
        replace(&mut readings, "usb0", [1, 2]);
        readings.end_round();
        readings.end_round();
        assert_eq!(replace(&mut readings, "usb0", [9, 9]), None);
    }

    #[test]
    fn devices_may_come_in_any_order() {
        let mut readings = Readings::default();
        for names in ["abcd", "abcd", "dcba", "bd", "xbyd", "dbxy"] {
            let known: Vec<String> = readings
                .all
                .iter()
                .map(|one| one.device.to_string())
                .collect();
            for (name, count) in names.chars().map(String::from).zip(1..) {
                let before = replace(&mut readings, &name, [count, 0]);
                assert_eq!(before.is_some(), known.contains(&name), "{name} of {names}");
            }
            readings.end_round();
            assert_eq!(readings.all.len(), names.len());
        }
    }

    #[test]
    fn two_devices_of_one_name_in_a_round_are_not_compared_with_each_other() {
        let mut readings = Readings::default();
        replace(&mut readings, "eth0", [1, 1]);
        assert_eq!(replace(&mut readings, "eth0", [500, 500]), None);
        readings.end_round();
        assert_eq!(replace(&mut readings, "eth0", [2, 2]), Some([1, 1]));
    }
}
