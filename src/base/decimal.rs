//! Decimal numbers as f64. std's own reader is quicker where digits are many, by a table with a row
//! for each power of ten: 13 kB of amd64.

/// Maximum number of digits that are kept. No number that lies exactly between two f64 has more. Of
/// the digits after them it matters only whether all are zeros.
const DIGITS: usize = 800;
/// Number of digits that nearly always decide, to which longer numbers are cut, and of those behind
/// the point that are right nevertheless: of 64 digits, 16 before the point, all but some ten.
const SHORT: usize = 64;
const SURE: usize = 30;
/// Powers of two and of five by which a digit and a carry can be multiplied in 32 bits.
const TWOS: i32 = 28;
const FIVES: i32 = 12;
/// Bits of an f64's mantissa, the power of two of the smallest f64, and the one that none reaches.
const BITS: i32 = 53;
const BOTTOM: i32 = -1_074;
const TOP: i32 = 1_024;
/// Numbers of digits before the point from which a number is infinite, and up to which it is zero.
const INFINITE: i32 = 311;
const ZERO: i32 = -330;

/// Parses `12`, `-.5` or `1.25e-3` to the nearest f64, of two equally near ones the even one;
/// infinite if it is too large. `None` for anything else, also for `inf` and `nan`.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let number = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, mut exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, power(exponent)?),
        None => (number, 0),
    };
    let (mut is_whole, mut has_digit, mut is_more) = (true, false, false);
    let mut digits = Vec::new();
    for byte in mantissa.bytes() {
        if byte == b'.' && is_whole {
            is_whole = false;
            continue;
        }
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        has_digit = true;
        let is_kept = digits.len() < DIGITS;
        if is_kept && (digit != 0 || !digits.is_empty()) {
            digits.push(digit);
        }
        is_more |= !is_kept && digit != 0;
        exponent = exponent.saturating_add(i32::from(is_whole) - i32::from(is_kept));
    }
    if is_more {
        digits.push(1);
        exponent = exponent.saturating_sub(1);
    }
    digits.reverse();
    let bits =
        nearest(&digits, exponent, SHORT).or_else(|| nearest(&digits, exponent, usize::MAX))?;
    let sign = u64::from(text.starts_with('-')) << 63;
    has_digit.then_some(f64::from_bits(bits | sign))
}

/// Parses the exponent after `e` or `p`, clamped to half the range of an i32.
pub(crate) fn power(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // An exponent that overflows i32 is clamped like any large one.
    let size: i32 = digits.parse().unwrap_or(i32::MAX).min(i32::MAX / 2);
    Some(if text.starts_with('-') { -size } else { size })
}

/// The bits of the f64 nearest to the number of `digits`, the lowest first and the highest not 0,
/// times 10^`exponent`. Computes with about `most` digits; `None` if these do not decide.
fn nearest(digits: &[u8], mut exponent: i32, most: usize) -> Option<u64> {
    let mut digits = digits.to_vec();
    let size = |digits: &[u8], exponent: i32| exponent.saturating_add_unsigned(length(digits));
    match size(&digits, exponent) {
        _ if digits.is_empty() => return Some(0),
        ..=ZERO => return Some(0),
        INFINITE.. => return Some(f64::INFINITY.to_bits()),
        _ => {}
    }
    let mut is_cut = false;
    // The number is digits · 10^exponent · 2^binary. It is halved and doubled until digits ·
    // 10^exponent is at least 1/2 and less than 1. A half is five tenths.
    let mut binary = 0;
    loop {
        let excess = digits.len().saturating_sub(most);
        is_cut |= digits.drain(..excess).any(|digit| digit != 0);
        exponent = exponent.saturating_add_unsigned(u32::try_from(excess).unwrap_or(u32::MAX));
        let size = size(&digits, exponent);
        if size > 0 {
            let by = (3 * size).min(FIVES);
            multiply(&mut digits, 5_u32.pow(by.unsigned_abs()));
            exponent -= by;
            binary += by;
        } else if size < 0 || digits.last().is_some_and(|&first| first < 5) {
            let by = (-3 * size).clamp(1, TWOS);
            multiply(&mut digits, 1 << by);
            binary -= by;
        } else {
            break;
        }
    }
    if binary > TOP {
        return Some(f64::INFINITY.to_bits());
    }
    if binary < BOTTOM {
        return Some(0);
    }
    // As many bits as the f64 has become digits before the point.
    let kept = (binary - BOTTOM).clamp(0, BITS);
    multiply(&mut digits, 1 << (kept / 2));
    multiply(&mut digits, 1 << (kept - kept / 2));
    let mut whole = size(&digits, exponent);
    let (mut value, mut next, mut is_more) = (0_u64, 0, is_cut);
    let mut nines = 0;
    for &digit in digits.iter().rev() {
        match whole {
            1.. => value = 10 * value + u64::from(digit),
            0 => next = digit,
            _ => {
                is_more |= digit != 0;
                nines += usize::from(digit == 9 && nines == whole.unsigned_abs() as usize - 1);
            }
        }
        whole -= 1;
    }
    // What has been cut might make it a half.
    if is_cut && next == 4 && nines >= SURE {
        return None;
    }
    value += u64::from(next > 5 || next == 5 && (is_more || value % 2 == 1));
    // The first of 53 bits is 1, and adds itself to the exponent.
    Some((u64::from((binary - kept - BOTTOM).unsigned_abs()) << (BITS - 1)) + value)
}

fn length(digits: &[u8]) -> u32 {
    u32::try_from(digits.len()).unwrap_or(u32::MAX)
}

/// Multiplies the number of `digits` by at most 2^28.
fn multiply(digits: &mut Vec<u8>, factor: u32) {
    let mut carry = 0;
    for digit in digits.iter_mut() {
        carry += u32::from(*digit) * factor;
        (carry, *digit) = divide(carry);
    }
    while carry > 0 {
        let digit;
        (carry, digit) = divide(carry);
        digits.push(digit);
    }
}

/// A tenth of `number`, and its last digit. A multiplication, since the compiler makes a division,
/// which takes three times as long, of one by a constant: it is shorter.
#[expect(clippy::cast_possible_truncation, reason = "a tenth, and one digit")]
fn divide(number: u32) -> (u32, u8) {
    let tenth = ((u64::from(number) * 0xcccc_cccd) >> 35) as u32;
    (tenth, (number - 10 * tenth) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that are numbers, or nearly.
    const TEXTS: [&str; 61] = [
        "0",
        "00",
        "0.0",
        "0e9",
        "-0",
        "+7",
        "007",
        "1.",
        ".5",
        "-.5",
        "1e3",
        "1E+3",
        "1e-3",
        "1.5e-7",
        "1e400",
        "1e-400",
        "1e99999999999",
        "1e-99999999999",
        "0e99999999999",
        "0.37",
        "4.9e-324",
        "5e-324",
        "2.5e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "2.2250738585072011e-308",
        "2.2250738585072014e-308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e308",
        "1e309",
        "9e310",
        "1e311",
        "9007199254740991",
        "9007199254740992",
        "9007199254740993",
        "9007199254740995",
        "9007199254740993.0000000000000000001",
        "1.0715086071862673e-301",
        "8.5e22",
        "1e22",
        "1e23",
        "123456789012345678901234567890",
        "18446744073709551616",
        "0.1",
        "0.3",
        "1e-323",
        "",
        ".",
        "+",
        "-",
        "e5",
        "1e",
        "1e+",
        "1.2.3",
        "--1",
        "1,5",
        "1e5.5",
        "1 ",
        "\u{ff11}",
    ];

    /// Bits of what std and this parser read. std's words for what is not finite are not numbers.
    fn both(text: &str) -> [Option<u64>; 2] {
        [text.parse::<f64>().ok(), parse(text)].map(|value| value.map(f64::to_bits))
    }

    #[test]
    fn decimal_agrees_with_std() {
        for text in TEXTS {
            let [std, own] = both(text);
            assert_eq!(own, std, "{text}");
        }
        for text in ["inf", "-Infinity", "nan"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn decimal_agrees_with_std_on_numbers_of_many_digits() {
        // The exact middle between two f64 takes up to 767 digits. One more digit decides it.
        for bits in [
            1_u64,
            2,
            3,
            0xf_ffff_ffff_ffff,
            0x10_0000_0000_0001,
            0x3ff0_0000_0000_0001,
        ] {
            let [low, high] = [bits, bits + 1].map(f64::from_bits);
            let [mut low, high] = [low, high].map(|value| format!("{value:.1080}"));
            middle(&mut low, &high);
            for tail in ["", "0", "1", "0000000001"] {
                let text = format!("{low}{tail}");
                let [std, own] = both(&text);
                assert_eq!(own, std, "{bits:x} {tail}");
            }
        }
        let nines = "9".repeat(2_000);
        for text in [
            format!("0.{nines}"),
            format!("{nines}e-1999"),
            format!("1{}", "0".repeat(309)),
        ] {
            let [std, own] = both(&text);
            assert_eq!(own, std, "{text}");
        }
    }

    /// Makes of `low`, in place, the decimal number in the middle between it and `high`, which has
    /// the same length.
    fn middle(low: &mut String, high: &str) {
        let mut half = String::new();
        let mut rest = 0;
        let mut carry = 0;
        let digits = |text: &str| {
            text.bytes()
                .map(|byte| byte.wrapping_sub(b'0'))
                .collect::<Vec<_>>()
        };
        let mut sums = Vec::new();
        for (a, b) in digits(low).into_iter().zip(digits(high)).rev() {
            if a > 9 {
                sums.push(None);
                continue;
            }
            let sum = a + b + carry;
            carry = sum / 10;
            sums.push(Some(sum % 10));
        }
        for sum in sums.into_iter().rev() {
            let Some(digit) = sum else {
                half.push('.');
                continue;
            };
            half.push(char::from(b'0' + (10 * rest + digit) / 2));
            rest = (10 * rest + digit) % 2;
        }
        half.push(char::from(b'0' + 5 * rest));
        *low = half;
    }

    #[test]
    fn decimal_agrees_with_std_on_any_bits() {
        // xorshift64: the same numbers each time.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for round in 0..20_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let value = f64::from_bits(state);
            if !value.is_finite() {
                continue;
            }
            let digits = round % 20;
            for text in [format!("{value:e}"), format!("{value:.digits$e}")] {
                let [std, own] = both(&text);
                assert_eq!(own, std, "{text}");
            }
        }
    }

    #[test]
    fn decimal_never_panics() {
        for good in ["-1000.5e-30", "12e310", "0.00001e-320", "1e2147483647"] {
            for at in 0..good.len() {
                for other in ["", ".", "e", "-", "9", "99999999999999999999"] {
                    let text = [&good[..at], other, &good[at + 1..]].concat();
                    assert_eq!(
                        parse(&text).is_some(),
                        text.parse::<f64>().is_ok(),
                        "{text}"
                    );
                }
            }
        }
    }
}
