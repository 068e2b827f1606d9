//! Intervals: a number of minutes, or a duration in Go's notation (`1h30m`).

use std::num::IntErrorKind;

use super::key::quoted;

/// Nanoseconds in a minute.
const MINUTE: i64 = 60_000_000_000;

/// The whole minutes of `text`, which is parsed as a number of minutes or else as a duration.
///
/// Fails if it is neither, negative, larger than `i32::MAX`, or a duration of no whole minutes. The
/// texts of the errors are Go's.
pub(crate) fn minutes(text: &str) -> Result<u32, String> {
    match split(text)? {
        (minutes, 0) => Ok(minutes),
        (minutes, rest) => {
            let duration = i64::from(minutes) * MINUTE + rest;
            Err(format!("duration not multiple of 1m: {}", shown(duration)))
        }
    }
}

/// The same without the part of a minute at the end of a duration, and that part in nanoseconds.
pub(crate) fn split(text: &str) -> Result<(u32, i64), String> {
    let why = match text.parse::<i32>() {
        Ok(minutes) => {
            return match u32::try_from(minutes) {
                Ok(minutes) => Ok((minutes, 0)),
                Err(_) => Err(format!("duration out of range: {minutes}")),
            };
        }
        Err(error) => match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        },
    };
    let Some(duration) = nanoseconds(text) else {
        return Err(format!("strconv.ParseInt: parsing {}: {why}", quoted(text)));
    };
    match u32::try_from(duration / MINUTE) {
        Ok(minutes) if duration >= 0 && minutes <= i32::MAX.unsigned_abs() => {
            Ok((minutes, duration % MINUTE))
        }
        _ => Err(format!("duration out of range: {}", shown(duration))),
    }
}

/// The nanoseconds of a duration in Go's notation, which is a series of numbers, each with a unit.
/// `None` if `text` is no duration, or if it overflows.
fn nanoseconds(text: &str) -> Option<i64> {
    let mut rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    if rest.is_empty() {
        return None;
    }
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let (whole, tail) = digits(rest);
        let (fraction, tail) = tail.strip_prefix('.').map_or(("", tail), digits);
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let end = tail
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(tail.len());
        let (name, tail) = tail.split_at(end);
        let unit: i64 = match name {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => MINUTE,
            "h" => 60 * MINUTE,
            _ => return None,
        };
        if !whole.is_empty() {
            let part = whole.parse::<i64>().ok()?.checked_mul(unit)?;
            sum = sum.checked_add(part)?;
        }
        let mut place = unit;
        for digit in fraction.bytes() {
            place /= 10;
            sum = sum.checked_add(i64::from(digit - b'0') * place)?;
        }
        rest = tail;
    }
    Some(if text.starts_with('-') { -sum } else { sum })
}

/// The leading decimal digits of `text`, and the rest.
fn digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    text.split_at(end.unwrap_or(text.len()))
}

/// A duration in nanoseconds, in the format of Go: `1h30m0s`, `1m6.5s`, `1ms`.
fn shown(duration: i64) -> String {
    let sign = if duration < 0 { "-" } else { "" };
    let all = duration.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let width = unit.ilog10() as usize;
        let text = format!("{}.{:0width$}", value / unit, value % unit);
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    let (minutes, rest) = (all / MINUTE.unsigned_abs(), all % MINUTE.unsigned_abs());
    if all < 1_000 {
        return format!("{sign}{all}ns");
    }
    if all < 1_000_000 {
        return format!("{sign}{}µs", decimal(all, 1_000));
    }
    if all < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(all, 1_000_000));
    }
    let seconds = decimal(rest, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector 9.
    #[test]
    fn reads_minutes_and_durations() {
        let table = [
            ("0", 0),
            ("10", 10),
            ("+5", 5),
            ("005", 5),
            ("-0", 0),
            ("10m", 10),
            ("1h10m", 70),
            ("2.5h", 150),
            (".5h", 30),
            ("60s", 1),
            ("60m0s", 60),
            ("0s", 0),
            ("59s1000ms", 1),
            ("30000000µs30000000us", 1),
            ("2147483647", 2_147_483_647),
        ];
        for (text, expected) in table {
            assert_eq!(minutes(text), Ok(expected), "{text}");
        }
    }

    /// Vector 9.
    #[test]
    fn says_what_is_wrong_in_the_words_of_go() {
        let no_number = |text| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax");
        let table = [
            ("-10", "duration out of range: -10".to_owned()),
            ("-10m", "duration out of range: -10m0s".to_owned()),
            ("1s", "duration not multiple of 1m: 1s".to_owned()),
            ("1ms", "duration not multiple of 1m: 1ms".to_owned()),
            ("1.1m", "duration not multiple of 1m: 1m6s".to_owned()),
            ("1m30s", "duration not multiple of 1m: 1m30s".to_owned()),
            (
                "1h.25s",
                "duration not multiple of 1m: 1h0m0.25s".to_owned(),
            ),
            ("1500ns", "duration not multiple of 1m: 1.5µs".to_owned()),
            ("", no_number("")),
            ("1d", no_number("1d")),
            ("1H", no_number("1H")),
            (" 5", no_number(" 5")),
            ("0x10", no_number("0x10")),
            ("1_0", no_number("1_0")),
            (".m", no_number(".m")),
            ("5 m", no_number("5 m")),
            ("99999999h99999999h", no_number("99999999h99999999h")),
            (
                "2147483648",
                "strconv.ParseInt: parsing \"2147483648\": value out of range".to_owned(),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(minutes(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn never_panics() {
        crate::config::damage::survives_damage("-1h2.5m99999999999.1s3µs", |text| {
            drop(minutes(&String::from_utf8_lossy(text)));
        });
    }
}
