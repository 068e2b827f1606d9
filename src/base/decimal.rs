//! Decimal numbers as f64. std's own reading of them is quicker where digits are many, by a table for each
//! power of ten: 13 kB of amd64.

use std::cmp::Ordering;

/// Digits that can matter: more than any number needs that lies just between two f64. Of further ones it
/// matters whether they are zeros.
const DIGITS: usize = 800;
/// Powers of ten between which f64 has every number: all above are infinite, all below zero.
const LARGEST: i32 = 310;
const SMALLEST: i32 = -345;
/// Powers of ten that an f64 holds exactly, as it does whole numbers of [`EXACT`] bits.
const TENS: i32 = 22;
const EXACT: u32 = 53;
/// The power of two of the smallest f64.
const BOTTOM: i32 = -1_074;
/// Powers of two are multiplied by in steps of this many, none of which is out of reach.
const STEP: i32 = 1_000;

/// The number `12`, `.5` or `1.25e-3`, to the nearest f64, of two as near the even one; infinite if it is too
/// large.
///
/// `None` if the text is anything else: a sign in front is for the caller.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (mantissa, mut exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, power(exponent)?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits = Vec::new();
    let mut more = false;
    for (part, moves) in [(whole, 0), (fraction, -1)] {
        for byte in part.bytes() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            exponent = exponent.saturating_add(moves);
            match digits.len() {
                0 if digit == 0 => {}
                0..DIGITS => digits.push(digit),
                _ => {
                    more |= digit != 0;
                    exponent = exponent.saturating_add(1);
                }
            }
        }
    }
    if more {
        digits.push(1);
        exponent = exponent.saturating_sub(1);
    }
    Some(nearest(&digits, exponent))
}

/// The exponent behind `e`, cut to what an i32 holds.
pub(crate) fn power(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // More digits than fit are more than enough.
    let size: i32 = digits.parse().unwrap_or(i32::MAX).min(i32::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
}

/// `value` · 2 to the power of `exponent`. Exact where an f64 can hold it.
pub(crate) fn scale(mut value: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-STEP, STEP);
        value *= 2_f64.powi(step);
        exponent -= step;
    }
    value
}

/// The number of these digits, of which the first is not 0, · 10 to the power of `exponent`.
fn nearest(digits: &[u8], exponent: i32) -> f64 {
    let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let size = length.saturating_add(exponent);
    if digits.is_empty() || size < SMALLEST {
        return 0.0;
    }
    if size > LARGEST {
        return f64::INFINITY;
    }
    if exponent.abs() <= TENS && length <= 18 {
        let add = |value, &digit| 10 * value + u64::from(digit);
        let value = digits.iter().fold(0_u64, add);
        if value >> EXACT == 0 {
            let tens = 10_f64.powi(exponent.abs());
            #[expect(clippy::cast_precision_loss, reason = "it has few enough bits")]
            let value = value as f64;
            return if exponent < 0 {
                value / tens
            } else {
                value * tens
            };
        }
    }
    let mut above = Large(Vec::new());
    let mut below = Large(vec![1]);
    for &digit in digits {
        above.times_ten_and(digit.into());
    }
    for _ in 0..exponent.unsigned_abs() {
        if exponent < 0 { &mut below } else { &mut above }.times_ten_and(0);
    }
    quotient(above, below)
}

/// `above` / `below`, to the nearest f64; neither is 0.
fn quotient(mut above: Large, mut below: Large) -> f64 {
    // Shifted so that the first of them is below the other, but not below its half.
    let shift = below.bits() - above.bits();
    above.shift(shift.max(0).unsigned_abs());
    below.shift((-shift).max(0).unsigned_abs());
    let mut exponent = -shift;
    if above.compare(&below) != Ordering::Less {
        below.shift(1);
        exponent += 1;
    }
    // The quotient's first bit stands for 2 to the power of `exponent - 1`; the last one that is kept for that
    // of `BOTTOM` or more.
    let kept = (exponent - BOTTOM).clamp(0, 53);
    let mut value = 0_u64;
    for _ in 0..kept {
        above.shift(1);
        value = value << 1 | u64::from(above.subtract(&below));
    }
    // What is left is compared with a half.
    above.shift(1);
    match above.compare(&below) {
        Ordering::Greater => value += 1,
        Ordering::Equal => value += value & 1,
        Ordering::Less => {}
    }
    #[expect(clippy::cast_precision_loss, reason = "it has few enough bits")]
    scale(value as f64, exponent - kept)
}

/// A whole number: 32 bits each, lowest first, the highest not 0.
struct Large(Vec<u32>);

impl Large {
    fn times_ten_and(&mut self, digit: u32) {
        let mut carry = digit;
        for part in &mut self.0 {
            (*part, carry) = part.carrying_mul(10, carry);
        }
        if carry != 0 {
            self.0.push(carry);
        }
    }

    fn bits(&self) -> i32 {
        let length = i32::try_from(self.0.len()).unwrap_or(i32::MAX / 32);
        let zeros = self.0.last().map_or(0, |part| part.leading_zeros());
        32 * length - zeros.cast_signed()
    }

    /// Times 2 to the power of `count`.
    fn shift(&mut self, count: u32) {
        let mut carry = 0;
        for part in &mut self.0 {
            let shifted = u64::from(*part) << (count % 32);
            (*part, carry) = halves(shifted | carry);
        }
        let zeros = usize::try_from(count / 32).unwrap_or_default();
        let (top, _) = halves(carry);
        self.0.splice(..0, std::iter::repeat_n(0, zeros));
        if top != 0 {
            self.0.push(top);
        }
    }

    fn compare(&self, other: &Large) -> Ordering {
        let by_length = self.0.len().cmp(&other.0.len());
        by_length.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }

    /// Takes `other` away if that leaves no less than nothing; whether it did.
    fn subtract(&mut self, other: &Large) -> bool {
        if self.compare(other) == Ordering::Less {
            return false;
        }
        let mut borrow = false;
        let others = other.0.iter().chain(std::iter::repeat(&0));
        for (part, other) in self.0.iter_mut().zip(others) {
            (*part, borrow) = part.borrowing_sub(*other, borrow);
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
        true
    }
}

/// The low and the high half.
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
fn halves(number: u64) -> (u32, u64) {
    (number as u32, number >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_numbers_and_nothing_else() {
        let numbers = [
            "0",
            "00",
            "0.0",
            "0e9",
            "7",
            "007",
            "1.",
            ".5",
            "1e3",
            "1E+3",
            "1e-3",
            "1.5e-7",
            "1e400",
            "1e-400",
            "1e99999999999",
            "1e-99999999999",
            "0e99999999999",
        ];
        for text in numbers {
            assert_eq!(parse(text), text.parse().ok(), "{text}");
        }
        for text in [
            "", ".", "e1", ".e1", "1e", "1e+", "1.2.3", "-1", "+1", "1 ", "0x1", "inf", "nan",
            "1_0", "١",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_hard_ones_are_rounded_as_they_should() {
        let table = [
            "0.1",
            "123456789012345678",
            "9007199254740993",
            "9007199254740992.5",
            "9007199254740993.00000000000000000000000000000000000000000000000000001",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "179769313486231580793728971405303415079934132710037826936173778980444968292764750946649017977587207\
             096330286416692887910946555547851940402630657488671505820681908902000708383676273854845817711531764475\
             730270069855571366959622842914819860834936475292719074168444365510704342711559699508093042880",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "2.2250738585072012e-308",
            "5e-324",
            "4.9e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "2.5e-324",
            "1e23",
            "8.5e22",
            "6.0221407e23",
            "7.2057594037927933e16",
            "3.0540412e5",
            "1.00000000000000011102230246251565404236316680908203125",
            "1.00000000000000011102230246251565404236316680908203124",
            "1.00000000000000011102230246251565404236316680908203126",
        ];
        for text in table {
            let text = text.replace(' ', "");
            assert_eq!(parse(&text), text.parse().ok(), "{text}");
        }
        // Half-way but for a digit that is far behind.
        let half = format!(
            "1.00000000000000011102230246251565404236316680908203125{:0>900}",
            1
        );
        assert_eq!(parse(&half), half.parse().ok());
        let whole = format!("{}e-900", "9".repeat(1_000));
        assert_eq!(parse(&whole), whole.parse().ok());
    }

    #[test]
    fn agrees_with_std() {
        // A generator of numbers that look random (Knuth's MMIX).
        let mut state = 1_u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        for _ in 0..3_000 {
            let (a, b) = (next(), next());
            let (short, exponent) = (a % 100_000, i64::try_from(b % 700).unwrap() - 350);
            let bits = f64::from_bits((next() << 11) | (a % 2048)).abs();
            let mut table = vec![
                format!("{a}e{exponent}"),
                format!("{short}.{b}"),
                format!("{short}e{exponent}"),
                format!("0.{a}{b}e{exponent}"),
            ];
            if bits.is_finite() {
                table.push(format!("{bits:e}"));
                table.push(format!("{bits:.20e}"));
            }
            for text in table {
                assert_eq!(parse(&text), text.parse().ok(), "{text}");
            }
        }
    }
}
