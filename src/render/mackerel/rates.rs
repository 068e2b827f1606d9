//! Growth per second of the counters of devices, and the metric names of these rates.

use std::sync::Arc;

use crate::base::counter::growth;
use crate::base::values::Values;
use crate::collect::readings::{Devices, Timed};

/// The metric names of a device's two values.
pub(super) type Names = [Arc<str>; 2];

/// The names `group` + `label` + end, for each of `ends`.
pub(super) fn names(group: &str, label: &str, ends: [&str; 2]) -> Names {
    ends.map(|end| [group, label, end].concat().into())
}

/// The metric names of each device, cached as long as the device exists.
#[derive(Default)]
pub(super) struct DeviceSeries {
    devices: Arc<[Box<str>]>,
    /// One element for each device; `None` if it is excluded.
    names: Vec<Option<Names>>,
}

impl DeviceSeries {
    /// Clears the cached names.
    pub(super) fn forget(&mut self) {
        *self = DeviceSeries::default();
    }

    /// Adds the growth per second of each counter since `before`, unless [`growth`] returns `None`.
    /// `pair` selects the two counters. `name` is called once for each device; `None` excludes it.
    pub(super) fn put_rates<T>(
        &mut self,
        out: &mut Values,
        before: &Timed<Devices<T>>,
        now: &Timed<Devices<T>>,
        pair: fn(&T) -> [u64; 2],
        name: &dyn Fn(&str) -> Option<Names>,
    ) {
        let (was, is) = (&before.reading, &now.reading);
        let pairs = |before: usize, now: usize| {
            let (before, now) = (was.counters.get(before)?, is.counters.get(now)?);
            Some((pair(before), pair(now)))
        };
        self.name_all(&is.names, name);
        let seconds = now.since(before).as_secs_f64();
        self.put_all(out, &was.names, &pairs, seconds);
    }

    /// Adds the values of all devices that have names and existed `before`. `pairs` returns the
    /// counters, given the indexes of a device in both lists.
    fn put_all(
        &self,
        out: &mut Values,
        before: &[Box<str>],
        pairs: &dyn Fn(usize, usize) -> Option<([u64; 2], [u64; 2])>,
        seconds: f64,
    ) {
        let mut earlier = Finder::of(before);
        let devices = self.devices.iter().zip(&self.names).enumerate();
        for (at, (device, names)) in devices {
            let found = earlier.find(device);
            let pairs = found.and_then(|before| pairs(before, at));
            let (Some(names), Some((before, after))) = (names, pairs) else {
                continue;
            };
            for (name, (before, after)) in names.iter().zip(before.into_iter().zip(after)) {
                if let Some(grown) = growth(before, after) {
                    out.put(Arc::clone(name), grown as f64 / seconds);
                }
            }
        }
    }

    /// Makes names for new devices and drops those of devices that no longer exist.
    fn name_all(&mut self, devices: &Arc<[Box<str>]>, name: &dyn Fn(&str) -> Option<Names>) {
        if Arc::ptr_eq(&self.devices, devices) {
            return;
        }
        let mut known = Finder::of(&self.devices);
        let names = devices.iter().map(|device| {
            let at = known.find(device);
            let known = at.and_then(|at| self.names.get(at));
            known.map_or_else(|| name(device), Clone::clone)
        });
        self.names = names.collect();
        self.devices = Arc::clone(devices);
    }
}

/// Finds devices in a list with mostly the same order as the queries. A linear search for each of
/// thousands of devices would take too long.
struct Finder<'a> {
    list: &'a [Box<str>],
    next: usize,
}

impl Finder<'_> {
    fn of(list: &[Box<str>]) -> Finder<'_> {
        Finder { list, next: 0 }
    }

    fn find(&mut self, device: &str) -> Option<usize> {
        let next = self.list.get(self.next);
        let at = if next.is_some_and(|next| **next == *device) {
            self.next
        } else {
            self.list.iter().position(|known| **known == *device)?
        };
        self.next = at + 1;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;
    use crate::base::clock::Moment;

    /// Each letter is a device; its counters are `seconds` and twice that.
    fn round(seconds: u64, letters: &str) -> Timed<Devices<[u64; 2]>> {
        Timed {
            moment: Moment(Duration::from_secs(seconds)),
            reading: Devices {
                names: letters
                    .chars()
                    .map(|name| name.to_string().into())
                    .collect(),
                counters: vec![[seconds, 2 * seconds]; letters.len()],
            },
        }
    }

    #[test]
    fn rates_are_those_of_the_devices_of_both_rounds_in_any_order() {
        let rounds = ["abcd", "abcd", "dcba", "bd", "xbyd", "dbxy", ""];
        let mut series = DeviceSeries::default();
        for (number, pair) in rounds.windows(2).enumerate() {
            let mut out = Values::default();
            let (before, now) = (round(60, pair[0]), round(70, pair[1]));
            let name = |device: &str| Some(names("", device, ["+", "-"]));
            series.put_rates(&mut out, &before, &now, |counters| *counters, &name);
            let found: Vec<_> = out.iter().collect();
            let both = pair[1].chars().filter(|device| pair[0].contains(*device));
            let expected: Vec<_> = both
                .flat_map(|device| [(format!("{device}+"), 1.0), (format!("{device}-"), 2.0)])
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|(name, rate)| (&**name, *rate))
                .collect();
            assert_eq!(found, expected, "round {number}");
        }
    }

    #[test]
    fn names_are_made_once_for_each_device_until_they_are_forgotten() {
        let made = Cell::new(0);
        let name = |device: &str| {
            made.set(made.get() + 1);
            (device != "c").then(|| names("", device, ["+", "-"]))
        };
        let mut series = DeviceSeries::default();
        // (devices, number of names made in all rounds so far)
        for (devices, expected) in [("ab", 2), ("ab", 2), ("cab", 3), ("ba", 3), ("c", 4)] {
            let now = round(0, devices);
            let mut out = Values::default();
            series.put_rates(&mut out, &now, &now, |counters| *counters, &name);
            assert_eq!(made.get(), expected, "{devices}");
        }
        series.forget();
        let now = round(0, "c");
        series.put_rates(
            &mut Values::default(),
            &now,
            &now,
            |counters| *counters,
            &name,
        );
        assert_eq!(made.get(), 5);
    }
}
