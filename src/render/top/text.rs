//! Numbers and lines of text.

use crate::base::json::Json;
use crate::base::width::{columns, columns_of};
use crate::sys::log::escaped;

/// Columns of a label, and of the space before what continues a line.
pub(super) const LABEL: usize = 10;

/// The number, if it is one.
pub(super) fn number(json: Option<&Json>) -> Option<f64> {
    match json {
        Some(Json::Number(number)) => Some(*number),
        _ => None,
    }
}

/// A number that is not negative, with 0 to 2 decimals.
pub(super) fn decimal(number: f64, decimals: usize) -> String {
    let scale = [1.0, 10.0, 100.0].get(decimals).copied();
    point(rounded(number * scale.unwrap_or(1.0)), decimals)
}

/// A number of units of 10 to the power of minus `decimals`.
fn point(units: u64, decimals: usize) -> String {
    let mut text = digits(units, decimals + 1);
    if decimals > 0 {
        text.insert(text.len() - decimals, '.');
    }
    text
}

/// A number of at least `least` digits.
fn digits(number: u64, least: usize) -> String {
    let mut digits = number.to_string();
    while digits.len() < least {
        digits.insert(0, '0');
    }
    digits
}

/// A number of bytes in up to five characters, with a unit of a power of 1024.
pub(super) fn amount(bytes: f64) -> String {
    let mut tenths = rounded(bytes).saturating_mul(10);
    for unit in "BKMGTPE".chars() {
        if tenths < 10240 {
            let is_whole = unit == 'B' || tenths >= 1000;
            let mut text = point(tenths, 1);
            if is_whole {
                text.truncate(text.len() - 2);
            }
            text.push(unit);
            return text;
        }
        tenths = tenths.saturating_add(512) / 1024;
    }
    "many".to_owned()
}

/// A number of seconds as days, hours and minutes.
pub(super) fn span(seconds: f64) -> String {
    let minutes = rounded(seconds) / 60;
    let days = digits(minutes / 1440, 1);
    let (hours, minutes) = (digits(minutes / 60 % 24, 2), digits(minutes % 60, 2));
    [&days, "d ", &hours, ":", &minutes].concat()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast from a float saturates, and the numbers are not negative"
)]
fn rounded(number: f64) -> u64 {
    (number + 0.5) as u64
}

/// A bar of `width` characters for shares of a hundred percent: of each share its letter.
pub(super) fn bar(shares: &[(Option<f64>, char)], width: usize) -> String {
    let mut bar = String::new();
    let mut sum = 0.0;
    for (share, letter) in shares {
        sum += share.unwrap_or_default();
        let end = usize::try_from(rounded(sum * width as f64 / 100.0)).unwrap_or(width);
        // Letters have one byte.
        while bar.len() < end.min(width) {
            bar.push(*letter);
        }
    }
    while bar.len() < width {
        bar.push('.');
    }
    bar
}

/// The text with spaces up to `width` columns; cut so that at least one space is left. Control
/// characters are escaped.
pub(super) fn pad(text: &str, width: usize) -> String {
    let mut padded = fit(text, width.saturating_sub(1));
    for _ in columns(&padded)..width {
        padded.push(' ');
    }
    padded
}

/// The text behind spaces, `width` columns together; longer if the text is.
pub(super) fn right(text: &str, width: usize) -> String {
    let mut padded = String::new();
    for _ in columns(text)..width {
        padded.push(' ');
    }
    padded + text
}

/// The beginning of the text that has up to `width` columns. Control characters are escaped.
pub(super) fn fit(text: &str, width: usize) -> String {
    let mut text = escaped(text);
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += columns_of(c);
        if taken > width {
            text.truncate(at);
            break;
        }
    }
    text
}

/// Appends lines with a label before the first one, and as many words as each holds. Without words,
/// there is no line.
pub(super) fn wrap(label: &str, words: &[String], width: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    for word in words {
        if line.is_empty() {
            line = pad(label, LABEL);
        } else if columns(&line) + 2 + columns(word) > width {
            lines.push(line);
            line = pad("", LABEL);
        } else {
            line.push_str("  ");
        }
        line.push_str(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_numbers_are_rounded() {
        let table = [
            (0.0, 0, "0"),
            (2.5, 0, "3"),
            (0.04, 1, "0.0"),
            (0.05, 1, "0.1"),
            (99.96, 1, "100.0"),
            (0.07, 2, "0.07"),
            (1.5, 2, "1.50"),
            (-1.0, 1, "0.0"),
            (f64::MAX, 0, "18446744073709551615"),
        ];
        for (number, decimals, expected) in table {
            assert_eq!(decimal(number, decimals), expected, "{number}");
        }
    }

    #[test]
    fn top_bytes_have_a_unit() {
        let table = [
            (0.0, "0B"),
            (1023.0, "1023B"),
            (1024.0, "1.0K"),
            (10240.0, "10.0K"),
            (102_400.0, "100K"),
            (1_048_575.0, "1.0M"),
            (1e12, "931G"),
            (1e18, "888P"),
            (f64::MAX, "1.6E"),
        ];
        for (bytes, expected) in table {
            assert_eq!(amount(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn top_span_has_days_hours_and_minutes() {
        assert_eq!(span(0.0), "0d 00:00");
        assert_eq!(span(273_900.0), "3d 04:05");
    }

    #[test]
    fn top_bar_has_the_letters_of_its_shares() {
        type Shares = &'static [(Option<f64>, char)];
        // (shares, bar)
        let table: [(Shares, &str); 5] = [
            (&[], ".........."),
            (&[(Some(50.0), 'u'), (Some(20.0), 's')], "uuuuuss..."),
            (&[(None, 'u'), (Some(100.0), 's')], "ssssssssss"),
            (&[(Some(90.0), 'u'), (Some(90.0), 's')], "uuuuuuuuus"),
            (&[(Some(3.0), 'u'), (Some(3.0), 's')], "s........."),
        ];
        for (shares, expected) in table {
            assert_eq!(bar(shares, 10), expected);
        }
    }

    #[test]
    fn top_text_is_cut_by_columns_and_has_no_control_characters() {
        assert_eq!(fit("abcdef", 3), "abc");
        assert_eq!(fit("日本語", 5), "日本");
        assert_eq!(fit("a\u{1b}[2J", 80), "a\\u{1b}[2J");
        assert_eq!(pad("abc", 3), "ab ");
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(right("ab", 4), "  ab");
    }
}
