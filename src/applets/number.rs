//! Numbers as the official plugins print them.

/// `value` with this many decimals, rounded, as `%.Nf` of C and Go, for numbers below 2^64.
///
/// std's own output of numbers with decimals costs 9 kB.
pub(super) fn decimal(value: f64, decimals: u32) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN" } else { "+Inf" }.to_owned();
    }
    let scale = 10_u64.pow(decimals);
    let mut magnitude = value.abs();
    if decimals == 0 {
        magnitude = magnitude.round_ties_even();
    }
    // Both parts are below 2^64: `as` cuts neither.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "larger numbers are cut to the largest; none is negative"
    )]
    let (mut whole, mut part) = {
        let whole = magnitude.trunc();
        let part = rounded(magnitude - whole, scale as f64);
        (whole as u64, part as u64)
    };
    if part >= scale {
        whole = whole.saturating_add(1);
        part = 0;
    }
    let mut text = String::new();
    if value < 0.0 && (whole, part) != (0, 0) {
        text.push('-');
    }
    text.push_str(&whole.to_string());
    if decimals > 0 {
        text.push('.');
        let part = part.to_string();
        for _ in part.len()..decimals as usize {
            text.push('0');
        }
        text.push_str(&part);
    }
    text
}

/// Splits a number of 53 bits into two of 26: 2^27 + 1.
const SPLIT: f64 = 134_217_729.0;

/// `part` times `scale`, rounded to a whole number; the exact product decides on a tie, not the one
/// that an `f64` holds. `part` is below 1, `scale` a whole number of at most 20 bits.
fn rounded(part: f64, scale: f64) -> f64 {
    let product = part * scale;
    let below = product.trunc();
    if product - below != 0.5 {
        return product.round_ties_even();
    }
    // Both parts have at most 26 bits, so that neither product is rounded (Veltkamp, Dekker).
    let split = part * SPLIT;
    let high = split - (split - part);
    let rest = (high * scale - product) + (part - high) * scale;
    if rest == 0.0 {
        product.round_ties_even()
    } else if rest > 0.0 {
        below + 1.0
    } else {
        below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_is_as_std_prints_it() {
        let numbers = [
            0.0,
            0.5,
            0.25,
            1.005,
            2.5,
            99.95,
            99.994,
            99.996,
            1e-9,
            123_456_789.123_456,
            1.0e15,
            4_294_967_296.0,
            -0.001,
            -1.5,
        ];
        for number in numbers {
            for decimals in [0, 1, 2, 3, 6] {
                let expected = format!("{number:.0$}", decimals as usize);
                let expected = match expected.trim_start_matches(['-', '0', '.']) {
                    "" => expected.trim_start_matches('-').to_owned(),
                    _ => expected,
                };
                assert_eq!(decimal(number, decimals), expected);
            }
        }
        assert_eq!(decimal(f64::NAN, 2), "NaN");
        // Halves of two decimals, as a load average per core has them: most are no ties.
        for number in (1..4000).map(|number| f64::from(number) / 200.0) {
            assert_eq!(decimal(number, 2), format!("{number:.2}"));
            assert_eq!(
                decimal(number / 1000.0, 6),
                format!("{:.6}", number / 1000.0)
            );
        }
    }
}
