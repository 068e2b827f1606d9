//! Parser for the time in a header, e.g. `Sun, 06 Nov 1994 08:49:37 GMT`. Format: RFC 9110, section
//! 5.6.7, without its two obsolete forms.
//!
//! With the `httpdate` crate, the amd64 binary is 4,600 bytes larger. The tests compare both
//! parsers.

use crate::base::clock::Unix;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The time in `text`; `None` for another form and for times before 1970. The day of the week is
/// not checked.
pub(super) fn parse(text: &str) -> Option<Unix> {
    let (_, text) = text.split_once(", ")?;
    let mut words = text.split(' ');
    let day = number(words.next()?, 1, 31)?;
    let name = words.next()?;
    let month = MONTHS.iter().position(|known| *known == name)?;
    let year = number(words.next()?, 1970, 9999)?;
    let mut clock = words.next()?.split(':');
    let hour = number(clock.next()?, 0, 23)?;
    let minute = number(clock.next()?, 0, 59)?;
    let second = number(clock.next()?, 0, 60)?;
    let midnight = Unix::of_day(year, month as u64 + 1, day)?.0;
    let is_whole = clock.next().is_none() && words.next() == Some("GMT") && words.next().is_none();
    is_whole.then_some(Unix(midnight + (hour * 60 + minute) * 60 + second))
}

fn number(text: &str, least: u64, most: u64) -> Option<u64> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_digits)?;
    (least..=most).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_read() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sun, 22 Nov 2026 15:00:00 GMT", Some(1_795_359_600)),
            ("Sat, 01 Mar 2070 00:00:00 GMT", Some(3_160_857_600)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun Nov  6 08:49:37 1994", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 08:49:37:12 GMT", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected.map(Unix), "{text}");
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage("Sun, 06 Nov 1994 08:49:37 GMT", |text| {
            assert!(parse(text).is_none_or(|time| time.0 < 1 << 40));
        });
    }

    #[test]
    fn date_is_the_same_as_httpdates() {
        use std::time::{Duration, UNIX_EPOCH};

        let end = 253_402_300_800; // the year 10000
        let odd = 86_400 * 5 + 3_607; // every fifth day, each at another time of day
        for seconds in (0..end).step_by(odd) {
            let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(parse(&text), Some(Unix(seconds)), "{text}");
        }
        crate::parse::survives_damage("Sun, 06 Nov 1994 08:49:37 GMT", |text| {
            let theirs = httpdate::parse_http_date(text)
                .ok()
                .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            // Only `httpdate` accepts the obsolete forms. Only this parser accepts a wrong weekday.
            if let (Some(ours), Some(theirs)) = (parse(text), theirs) {
                assert_eq!(ours, Unix(theirs.as_secs()), "{text}");
            }
        });
    }
}
