//! `loadavg1`, `loadavg5`, `loadavg15`: load averages.

use crate::base::values::Values;

/// Adds the known averages.
pub(super) fn put(out: &mut Values, means: [Option<f64>; 3]) {
    for (name, mean) in ["loadavg1", "loadavg5", "loadavg15"].iter().zip(means) {
        if let Some(mean) = mean {
            out.put(*name, mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Rig;

    #[test]
    fn reports_the_three_means() {
        let expected = [("loadavg1", 0.37), ("loadavg5", 0.42), ("loadavg15", 0.51)];
        assert_eq!(Rig::of("loadavg").round("two-core/t0", 0), expected);
    }
}
