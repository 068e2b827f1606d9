//! Shares of CPU time by state, in percent of all cores together.

use super::JsonText;
use crate::base::counter::{UNKNOWN, growth};
use crate::parse::stat::{GUEST, STATES, Stat, USER};

/// Adds the share of each state between two readings. Adds nothing if no time has passed.
pub(super) fn put(out: &mut JsonText, before: &Stat, now: &Stat) {
    let grown = grown(before, now);
    let all: u64 = grown.iter().flatten().sum();
    if all == 0 {
        return;
    }
    out.name("cpu");
    out.begin('{');
    for (state, ticks) in STATES.iter().zip(grown) {
        if let Some(ticks) = ticks {
            out.name(state);
            out.fixed(Some((ticks * 1000 + all / 2) / all), 1);
        }
    }
    out.end('}');
}

/// Ticks by state; `None` for a state that the kernel lacks or shows no number of. A counter that
/// went backwards counts as unchanged: the kernel corrects `iowait` and others at times.
fn grown(before: &Stat, now: &Stat) -> [Option<u64>; STATES.len()] {
    /// More than all cores of any host have in a day, so that no sum here overflows.
    const MOST: u64 = 1 << 40;
    let mut grown = [None; STATES.len()];
    for (grown, pair) in grown.iter_mut().zip(before.ticks.iter().zip(now.ticks)) {
        if let (Some(before), Some(now)) = pair
            && *before != UNKNOWN
            && now != UNKNOWN
        {
            *grown = Some(growth(*before, now).unwrap_or(0).min(MOST));
        }
    }
    // The kernel's `user` contains `guest`.
    if let (Some(user), Some(guest)) = (grown[USER], grown[GUEST]) {
        grown[USER] = Some(user.saturating_sub(guest));
    }
    grown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::stat;

    #[test]
    fn cpu_shares_are_those_between_two_readings() {
        let two_core = include_str!("../../../tests/fixtures/two-core/t0/proc/stat");
        let later = include_str!("../../../tests/fixtures/two-core/t60/proc/stat");
        // (why this row exists, before, now, event)
        let table = [
            (
                "two cores",
                two_core,
                later,
                r#""cpu":{"user":25,"nice":5,"system":10,"idle":47.5,"iowait":1,"irq":0.5,"softirq":0.5,"steal":0.5,"guest":10}"#,
            ),
            ("no time has passed", two_core, two_core, ""),
            ("all went backwards", later, two_core, ""),
            (
                "an old kernel, and a correction",
                "cpu 0 0 0 0 90\ncpu0\n",
                "cpu 1 0 0 2 20\ncpu0\n",
                r#""cpu":{"user":33.3,"nice":0,"system":0,"idle":66.7,"iowait":0}"#,
            ),
            (
                "no number",
                "cpu 0 x 0 0\ncpu0\n",
                "cpu 1 1 0 1\ncpu0\n",
                r#""cpu":{"user":50,"system":0,"idle":50}"#,
            ),
            (
                "a jump",
                "cpu 0 0 0 0\ncpu0\n",
                "cpu 9000000000000000000 9000000000000000000 0 9000000000000000000\ncpu0\n",
                r#""cpu":{"user":33.3,"nice":33.3,"system":0,"idle":33.3}"#,
            ),
        ];
        for (why, before, now, expected) in table {
            let mut out = JsonText::default();
            let [before, now] = [before, now].map(|text| stat::parse(text).unwrap());
            put(&mut out, &before, &now);
            assert_eq!(out.into_text(), expected, "{why}");
        }
    }
}
