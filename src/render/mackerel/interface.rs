//! `interface.{name}.rxBytes.delta` and `.txBytes.delta`: traffic of network interfaces. In bytes
//! per second.

use super::rates::{DeviceSeries, names};
use crate::base::pattern::Pattern;
use crate::base::text::metric_segment;
use crate::base::values::Values;
use crate::collect::readings::{Devices, InterfaceCounters, Timed};

/// The interfaces to report.
pub(super) struct InterfaceRates {
    ignore: Option<Pattern>,
    series: DeviceSeries,
}

impl InterfaceRates {
    /// Excludes interfaces whose metric segment matches `ignore`.
    pub(super) fn new(ignore: Option<Pattern>) -> InterfaceRates {
        InterfaceRates {
            ignore,
            series: DeviceSeries::default(),
        }
    }

    /// Adds the rates since `before`.
    pub(super) fn put(
        &mut self,
        out: &mut Values,
        before: &Timed<Devices<InterfaceCounters>>,
        now: &Timed<Devices<InterfaceCounters>>,
    ) {
        let pair = |one: &InterfaceCounters| [one.received_bytes, one.sent_bytes];
        let ignore = self.ignore.as_ref();
        let name = |interface: &str| {
            let label = metric_segment(interface);
            let is_ignored = ignore.is_some_and(|ignore| ignore.matches(&label));
            let ends = [".rxBytes.delta", ".txBytes.delta"];
            (!is_ignored).then(|| names("interface.", &label, ends))
        };
        self.series.put_rates(out, before, now, pair, &name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn interface_rates_are_reported_for_interfaces_that_existed_before() {
        let mut interface = Rig::of("interface");
        assert_eq!(interface.round(BEFORE, 0), []);
        // lo, veth12ab and the new wlan0 are missing; one counter of eth0_100 has wrapped.
        let expected = [
            ("interface.eth0.rxBytes.delta", 600.0),
            ("interface.eth0.txBytes.delta", 60.0),
            ("interface.eth0_100.txBytes.delta", 10.0),
        ];
        assert_eq!(interface.round(AFTER, 60), expected);
    }

    #[test]
    fn interface_rates_use_the_time_that_has_passed() {
        let mut interface = Rig::of("interface");
        interface.round(BEFORE, 0);
        let values = interface.round(AFTER, 120);
        assert_eq!(values[0], ("interface.eth0.rxBytes.delta", 300.0));

        let mut interface = Rig::of("interface");
        interface.round(BEFORE, 0);
        assert_eq!(interface.round(AFTER, 0), [], "no time");
    }

    #[test]
    fn interface_rates_after_a_failed_round_cover_both_intervals() {
        let mut interface = Rig::of("interface");
        interface.round(BEFORE, 0);
        let (_, result) = interface.attempt("damaged/empty", 60);
        assert!(result.is_err());
        let values = interface.round(AFTER, 120);
        assert_eq!(values[0], ("interface.eth0.rxBytes.delta", 300.0));
    }

    #[test]
    fn interface_that_comes_back_starts_without_a_rate() {
        let mut interface = Rig::of("interface");
        interface.round(AFTER, 0);
        interface.round(BEFORE, 60);
        let values = interface.round(AFTER, 120);
        assert!(values.iter().all(|(name, _)| !name.contains("wlan0")));
        let values = interface.round(AFTER, 180);
        let still = ("interface.wlan0.rxBytes.delta", 0.0);
        assert!(values.contains(&still));
    }

    #[test]
    fn interface_pattern_matches_the_name_as_a_segment() {
        let mut interface = Rig::with("interface", "interfaces.ignore = '^eth0_100$'");
        interface.round(BEFORE, 0);
        assert_eq!(interface.round(AFTER, 60).len(), 2);
    }
}
