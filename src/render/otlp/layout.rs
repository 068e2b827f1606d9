//! The series of a round: a metric and its attributes for each value. Rounds with the same series
//! share their list, so that a round holds little more than its numbers.

use std::ptr;
use std::sync::Arc;

use super::metrics::{Form, Metric};

/// The series of a value.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) metric: &'static Metric,
    /// Keys and values.
    pub(super) attributes: Box<[(&'static str, Box<str>)]>,
}

impl Series {
    fn is(&self, metric: &'static Metric, attributes: &[(&'static str, &str)]) -> bool {
        let own = self.attributes.iter().map(|(key, value)| (*key, &**value));
        ptr::eq(self.metric, metric) && own.eq(attributes.iter().copied())
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        let texts: usize = self.attributes.iter().map(|(_, text)| text.len()).sum();
        size_of::<Series>() + size_of_val(&*self.attributes) + texts
    }
}

/// Values under construction, compared with the series of the previous round.
pub(super) struct Points<'l> {
    layout: &'l Arc<[Series]>,
    /// The new series. `None` as long as they are those of the previous round.
    changed: Option<Vec<Series>>,
    values: Vec<u64>,
}

impl<'l> Points<'l> {
    /// No values yet. The series will most likely be those of `layout`.
    pub(super) fn new(layout: &'l Arc<[Series]>) -> Points<'l> {
        Points {
            layout,
            changed: None,
            values: Vec::with_capacity(layout.len()),
        }
    }

    /// Adds a value in the form of `metric`. Unless that is a floating-point number, a value above
    /// 2^63 is dropped: it is unknown, or has gone below zero.
    pub(super) fn put(
        &mut self,
        metric: &'static Metric,
        attributes: &[(&'static str, &str)],
        value: u64,
    ) {
        if metric.form != Form::Float && value.leading_zeros() == 0 {
            return;
        }
        let at = self.values.len();
        let expected = self.layout.get(at);
        if self.changed.is_some() || !expected.is_some_and(|one| one.is(metric, attributes)) {
            let so_far = self.layout.get(..at).unwrap_or_default();
            let changed = self.changed.get_or_insert_with(|| so_far.to_vec());
            let attributes = attributes.iter().map(|(key, text)| (*key, (*text).into()));
            changed.push(Series {
                metric,
                attributes: attributes.collect(),
            });
        }
        self.values.push(value);
    }

    /// The same for a value that may be missing.
    pub(super) fn put_known(
        &mut self,
        metric: &'static Metric,
        attributes: &[(&'static str, &str)],
        value: Option<u64>,
    ) {
        if let Some(value) = value {
            self.put(metric, attributes, value);
        }
    }

    /// The series, the values, and the bytes of memory that only this round holds.
    pub(super) fn end(self) -> (Arc<[Series]>, Box<[u64]>, usize) {
        let mut held = size_of_val(&*self.values);
        let layout = match self.changed {
            None if self.values.len() == self.layout.len() => Arc::clone(self.layout),
            changed => {
                let fewer = self.layout.get(..self.values.len()).unwrap_or_default();
                let layout: Arc<[Series]> = changed.map_or_else(|| fewer.into(), Arc::from);
                held += layout.iter().map(Series::held_bytes).sum::<usize>();
                layout
            }
        };
        (layout, self.values.into(), held)
    }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::{CPU_COUNT, LOAD, MEMORY_LIMIT, PAGING_USAGE};
    use super::*;

    type Given = (&'static Metric, &'static str, u64);

    fn round(layout: &Arc<[Series]>, given: &[Given]) -> (Arc<[Series]>, Box<[u64]>, usize) {
        let mut points = Points::new(layout);
        for (metric, device, value) in given {
            points.put(metric, &[("device", device)], *value);
        }
        points.end()
    }

    #[test]
    fn rounds_with_the_same_series_share_their_list() {
        let a = (&CPU_COUNT, "a", 1);
        let b = (&MEMORY_LIMIT, "b", 2);
        // (why this row exists, first round, second round, whether they share)
        let table: [(&str, &[Given], &[Given], bool); 8] = [
            ("the same", &[a, b], &[a, b], true),
            ("other values", &[a, b], &[(a.0, a.1, 3), b], true),
            ("none", &[], &[], true),
            ("one more", &[a], &[a, b], false),
            ("one less", &[a, b], &[a], false),
            ("another order", &[a, b], &[b, a], false),
            ("another metric", &[a], &[(&PAGING_USAGE, "a", 1)], false),
            ("another device", &[a], &[(a.0, "c", 1)], false),
        ];
        for (why, first, second, shares) in table {
            let (before, ..) = round(&Arc::default(), first);
            let (now, values, held) = round(&before, second);
            assert_eq!(Arc::ptr_eq(&before, &now), shares, "{why}");
            assert_eq!(held == values.len() * 8, shares, "{why}");
            assert_eq!(now.len(), second.len(), "{why}");
            for ((series, value), (metric, device, expected)) in now.iter().zip(&values).zip(second)
            {
                assert!(series.is(metric, &[("device", device)]), "{why}");
                assert_eq!(value, expected, "{why}");
            }
        }
    }

    #[test]
    fn values_that_are_unknown_are_dropped() {
        // (metric, value, whether it is kept)
        let table = [
            (&CPU_COUNT, 0, true),
            (&CPU_COUNT, u64::MAX >> 1, true),
            (&CPU_COUNT, u64::MAX, false),
            (&CPU_COUNT, (u64::MAX >> 1) + 1, false),
            (&LOAD[0], (-1.0_f64).to_bits(), true),
        ];
        for (metric, value, is_kept) in table {
            let (layout, values, _) = round(&Arc::default(), &[(metric, "", value)]);
            assert_eq!((layout.len(), values.len() == 1), (values.len(), is_kept));
        }
    }
}
