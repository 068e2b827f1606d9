//! `/proc/loadavg`: load averages. Format: proc_loadavg(5).

use super::ParseError;
use crate::base::decimal;

/// Names of the fields in error messages.
const MEANS: [&str; 3] = ["1-minute mean", "5-minute mean", "15-minute mean"];

/// Parses `/proc/loadavg`: the mean number of runnable tasks over the last 1, 5 and 15 minutes. A
/// field that is not a finite positive number is `None`; the error names the first of them.
pub(crate) fn parse(text: &str) -> ([Option<f64>; 3], Option<ParseError>) {
    let mut words = text.split_ascii_whitespace();
    let mut damage = None;
    let means = MEANS.map(|wanted| {
        let word = words.next().unwrap_or_default();
        let is_mean = |number: &f64| number.is_finite() && number.is_sign_positive();
        let mean = decimal::parse(word).filter(is_mean);
        if mean.is_none() {
            damage.get_or_insert_with(|| ParseError::new("/proc/loadavg", wanted, word));
        }
        mean
    });
    (means, damage)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/loadavg");

    #[test]
    fn reads_a_recorded_file() {
        assert_eq!(parse(TWO_CORE), ([0.37, 0.42, 0.51].map(Some), None));
    }

    #[test]
    fn error_names_the_missing_value() {
        assert_eq!(
            parse("0.1 x\n").1.unwrap().to_string(),
            "/proc/loadavg: no 5-minute mean in \"x\""
        );
        // Accepted by the standard library, but not possible as an average.
        for word in ["-1", "inf", "NaN", "1e999"] {
            let (means, damage) = parse(&format!("{word} 0.1 0.1"));
            assert!(means[0].is_none() && damage.is_some(), "{word}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| drop(parse(text)));
    }
}
