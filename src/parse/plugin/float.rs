//! Numbers in Go's notation: decimal and hexadecimal, with `_` between digits.

use crate::base::decimal;

/// Largest exponent in one multiplication by a power of two, which must fit in an f64.
const STEP: i32 = 1_000;

/// Parses the whole of `text` to the nearest f64, which may be infinite or NaN if so written.
///
/// `None` if it is not a number, or too large for an f64.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let (is_negative, number) = match text.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let is = |word: &str| number.eq_ignore_ascii_case(word);
    if is("inf") || is("infinity") {
        return Some(if is_negative {
            -f64::INFINITY
        } else {
            f64::INFINITY
        });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    // Excludes a second sign.
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let plain = without_underscores(number)?;
    let hexadecimal = plain
        .strip_prefix("0x")
        .or_else(|| plain.strip_prefix("0X"));
    let size: f64 = match hexadecimal {
        Some(digits) => hex(digits)?,
        None => decimal::parse(&plain)?,
    };
    let value = if is_negative { -size } else { size };
    value.is_finite().then_some(value)
}

/// The number without its underscores. `None` if one of them is not between two digits, or between
/// `0x` and a digit.
fn without_underscores(number: &str) -> Option<String> {
    let bytes = number.as_bytes();
    let is_hex = matches!(bytes, [b'0', b'x' | b'X', ..]);
    let is_digit = |at: usize| {
        bytes.get(at).is_some_and(|byte| {
            if is_hex {
                // The prefix counts as a digit.
                byte.is_ascii_hexdigit() || at == 1
            } else {
                byte.is_ascii_digit()
            }
        })
    };
    let mut plain = String::with_capacity(number.len());
    for (at, c) in number.char_indices() {
        if c != '_' {
            plain.push(c);
        } else if at == 0 || !is_digit(at - 1) || !is_digit(at + 1) {
            return None;
        }
    }
    Some(plain)
}

/// Parses `1.8p-3`: a hexadecimal number without its prefix. Digits after the sixteenth only decide
/// a tie between two f64.
fn hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once(['p', 'P'])?;
    let mut exponent = decimal::power(exponent)?;
    let mut bits = 0_u64;
    let mut is_whole = true;
    let mut has_digits = false;
    for c in mantissa.chars() {
        if c == '.' && is_whole {
            is_whole = false;
            continue;
        }
        let digit = c.to_digit(16)?;
        has_digits = true;
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            exponent -= if is_whole { 0 } else { 4 };
        } else {
            bits |= u64::from(digit != 0);
            exponent = exponent.saturating_add(if is_whole { 4 } else { 0 });
        }
    }
    if !has_digits {
        return None;
    }
    Some(scale(bits as f64, exponent))
}

/// `value` · 2^`exponent`; exact if the result fits in an f64.
fn scale(mut value: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && value != 0.0 && value.is_finite() {
        let step = exponent.clamp(-STEP, STEP);
        value *= 2_f64.powi(step);
        exponent -= step;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_as_by_go() {
        let table = [
            ("0", 0.0),
            ("-0.5", -0.5),
            ("+1.", 1.0),
            (".5e1", 5.0),
            ("1e3", 1_000.0),
            ("1E+3", 1_000.0),
            ("007", 7.0),
            ("1_000", 1_000.0),
            ("1_0.2_5e1_0", 10.25e10),
            ("1e-400", 0.0),
            ("4.9e-324", 5e-324),
            ("1.7976931348623157e308", f64::MAX),
            ("9007199254740993", 9_007_199_254_740_992.0),
            ("0x1p4", 16.0),
            ("-0X1.8P-1", -0.75),
            ("0x.8p0", 0.5),
            ("0xAbCdEfp+0", 11_259_375.0),
            ("0x_1_0p1_0", 16_384.0),
            ("0x0p999999999999", 0.0),
            ("0x1p-1074", 5e-324),
            ("0x1p-5000", 0.0),
            ("0x1.fffffffffffffp1023", f64::MAX),
            // Just above the middle of two numbers, because of a digit far to the right.
            ("0x1.00000000000008p0", 1.0),
            ("0x1.000000000000080000000001p0", 1.0 + f64::EPSILON),
            ("0x10000000000000000000p0", 75_557_863_725_914_323_419_136.0),
            ("0x0000000000000000000000.1p4", 1.0),
            ("inf", f64::INFINITY),
            ("+Inf", f64::INFINITY),
            ("-INFINITY", f64::NEG_INFINITY),
        ];
        for (text, value) in table {
            assert_eq!(parse(text), Some(value), "{text}");
        }
        for text in ["NaN", "nan", "NAN"] {
            assert!(parse(text).unwrap().is_nan(), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        let table = [
            "",
            "+",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            "--1",
            "+-1",
            "1,5",
            "5%",
            "0x10",
            "0x",
            "0xp1",
            "0x.p1",
            "0x1p",
            "0x1p+",
            "0x1pa",
            "0x1p1.5",
            "0x1.2.3p1",
            "0xgp1",
            "0b1",
            "0o7",
            "1e400",
            "-1e400",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "_1",
            "1_",
            "1__0",
            "1_.5",
            "1._5",
            "1_e5",
            "1e_5",
            "0_x1p1",
            "0x1_p1",
            "0x1p_1",
            "+nan",
            "-NaN",
            "infi",
            "in",
            "nano",
            "１",
        ];
        for text in table {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn never_panics() {
        for good in ["-1_000.5e-3_0", "0x_1.8_fp-1_0"] {
            crate::parse::survives_damage(good, |text| {
                let _ = parse(text);
            });
        }
    }
}
