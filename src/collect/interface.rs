//! `interface.{name}.rxBytes.delta` and `.txBytes.delta`: traffic of the network interfaces, from
//! `/proc/net/dev`. In bytes per second.

use super::{CollectError, Collector, Span, Values, View, ended, names};
use crate::base::counter::Readings;
use crate::base::pattern::Pattern;
use crate::base::text::metric_segment;
use crate::config::Config;
use crate::parse::netdev;

/// Interfaces named so are one end of a container's link; they come and go with it.
const OF_CONTAINERS: &str = "veth";

/// Compares each reading with the one before.
pub(super) struct Interface {
    ignore: Option<Pattern>,
    span: Span,
    readings: Readings,
}

impl Interface {
    /// Leaves out interfaces whose name as a metric segment `ignore` matches.
    pub(super) fn new(ignore: Option<Pattern>) -> Interface {
        Interface {
            ignore,
            span: Span::default(),
            readings: Readings::default(),
        }
    }
}

impl Collector for Interface {
    fn name(&self) -> &'static str {
        "interface"
    }

    fn collect(&mut self, view: &mut View<'_>, out: &mut Values) -> Result<(), CollectError> {
        let root = view.root;
        let path = [root.network(), "/dev"].concat();
        let (text, cut) = root.table(path, view.buffer)?;
        let found = netdev::parse(&text, is_wanted)?;
        let span = self.span.until(view.now);
        let ignore = self.ignore.as_ref();
        let named = |interface: &str| {
            let label = metric_segment(interface);
            let is_ignored = ignore.is_some_and(|ignore| ignore.matches(&label));
            let ends = [".rxBytes.delta", ".txBytes.delta"];
            (!is_ignored).then(|| names("interface.", &label, ends))
        };
        for now in found {
            let after = [now.received_bytes, now.sent_bytes];
            if let Some((before, names)) = self.readings.replace(now.interface, after, &named) {
                out.put_rates(names, before, after, span);
            }
        }
        self.readings.end_round();
        ended(cut)
    }

    fn forget(&mut self) {
        self.readings = Readings::default();
    }

    fn configure(&mut self, config: &Config) {
        self.ignore.clone_from(&config.interfaces_ignore);
        self.readings.rename();
    }
}

fn is_wanted(interface: &str) -> bool {
    interface != "lo" && !interface.starts_with(OF_CONTAINERS)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{attempt, round};
    use super::*;

    const BEFORE: &str = "two-core/t0";
    const AFTER: &str = "two-core/t60";

    #[test]
    fn reports_bytes_per_second_of_what_was_there_before() {
        let mut interface = Interface::new(None);
        assert_eq!(round(&mut interface, BEFORE, 0), []);
        // Neither lo nor veth12ab, nor wlan0, which is new; eth0_100 has wrapped one way.
        let expected = [
            ("interface.eth0.rxBytes.delta", 600.0),
            ("interface.eth0.txBytes.delta", 60.0),
            ("interface.eth0_100.txBytes.delta", 10.0),
        ];
        assert_eq!(round(&mut interface, AFTER, 60), expected);
    }

    #[test]
    fn the_time_that_has_really_passed_counts() {
        let mut interface = Interface::new(None);
        round(&mut interface, BEFORE, 0);
        let values = round(&mut interface, AFTER, 120);
        assert_eq!(values[0], ("interface.eth0.rxBytes.delta", 300.0));

        let mut interface = Interface::new(None);
        round(&mut interface, BEFORE, 0);
        assert_eq!(round(&mut interface, AFTER, 0), [], "no time");
    }

    #[test]
    fn a_round_that_failed_makes_the_next_interval_longer() {
        let mut interface = Interface::new(None);
        round(&mut interface, BEFORE, 0);
        let (_, result) = attempt(&mut interface, "damaged/empty", 60);
        assert!(result.is_err());
        let values = round(&mut interface, AFTER, 120);
        assert_eq!(values[0], ("interface.eth0.rxBytes.delta", 300.0));
    }

    #[test]
    fn an_interface_that_went_away_starts_anew() {
        let mut interface = Interface::new(None);
        round(&mut interface, AFTER, 0);
        round(&mut interface, BEFORE, 60);
        let values = round(&mut interface, AFTER, 120);
        assert!(values.iter().all(|(name, _)| !name.contains("wlan0")));
        let values = round(&mut interface, AFTER, 180);
        let still = ("interface.wlan0.rxBytes.delta", 0.0);
        assert!(values.contains(&still));
    }

    #[test]
    fn the_pattern_sees_the_name_as_a_segment() {
        let ignore = Pattern::new("^eth0_100$").unwrap();
        let mut interface = Interface::new(Some(ignore));
        round(&mut interface, BEFORE, 0);
        assert_eq!(round(&mut interface, AFTER, 60).len(), 2);
    }
}
