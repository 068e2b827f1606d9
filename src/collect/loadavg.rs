//! `loadavg1`, `loadavg5`, `loadavg15`: mean run-queue length, from `/proc/loadavg`.

use super::{CollectError, Collector, Values, View, ended};
use crate::parse::loadavg;

pub(super) struct Loadavg;

impl Collector for Loadavg {
    fn name(&self) -> &'static str {
        "loadavg"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        let (means, damage) = loadavg::parse(&view.root.text("/proc/loadavg", view.buffer)?);
        for (minutes, mean) in [1, 5, 15].into_iter().zip(means) {
            if let Some(mean) = mean {
                out.put(format!("loadavg{minutes}"), mean);
            }
        }
        ended(damage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Moment;
    use crate::sys::root::Root;

    #[test]
    fn reports_the_three_means() {
        let mut values = Values::default();
        let mut view = View {
            root: &Root::at("tests/fixtures/two-core/t0"),
            now: Moment::default(),
            buffer: &mut Vec::new(),
        };
        Loadavg.collect(&mut view, &mut values).unwrap();
        let expected = [("loadavg1", 0.37), ("loadavg5", 0.42), ("loadavg15", 0.51)];
        assert!(values.iter().eq(expected));
    }
}
