//! `/proc/loadavg`: mean run-queue length. Format: proc_loadavg(5).

use super::ParseError;

/// Reads the text of `/proc/loadavg`: the mean number of runnable tasks over the last 1, 5 and 15
/// minutes.
///
/// Fails unless it begins with three numbers.
pub(crate) fn parse(text: &str) -> Result<[f64; 3], ParseError> {
    let mut words = text.split_ascii_whitespace();
    let mut next = |wanted| {
        let mean = words.next().and_then(|word| word.parse().ok());
        let mean = mean.filter(|mean: &f64| mean.is_finite() && mean.is_sign_positive());
        mean.ok_or_else(|| ParseError::new("/proc/loadavg", wanted, text.trim_end()))
    };
    Ok([
        next("1-minute mean")?,
        next("5-minute mean")?,
        next("15-minute mean")?,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORE: &str = include_str!("../../tests/fixtures/two-core/t0/proc/loadavg");

    #[test]
    fn reads_a_recorded_file() {
        assert_eq!(parse(TWO_CORE).unwrap(), [0.37, 0.42, 0.51]);
    }

    #[test]
    fn names_what_is_missing() {
        assert_eq!(
            parse("0.1 x\n").unwrap_err().to_string(),
            "/proc/loadavg: no 5-minute mean in \"0.1 x\""
        );
        // What std takes for a number, and no mean can be.
        for word in ["-1", "inf", "NaN", "1e999", ""] {
            assert!(parse(&format!("{word} 0.1 0.1")).is_err(), "{word}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(TWO_CORE, |text| drop(parse(text)));
    }
}
