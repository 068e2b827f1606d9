//! The time in a header, in any of the three formats of RFC 9110, section 5.6.7.

use std::time::UNIX_EPOCH;

use crate::base::clock::Unix;

/// The time that `text` says; `None` if it is no date, or its day of the week is another one.
pub(super) fn parse(text: &str) -> Option<Unix> {
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Unix(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn date_is_read_in_each_format() {
        let table = [
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
            ("Wed, 01 Mar 2000 00:00:00 GMT", Some(951_868_800)),
            ("Sun, 22 Nov 2026 15:00:00 GMT", Some(1_795_359_600)),
            ("Sat, 01 Mar 2070 00:00:00 GMT", Some(3_160_857_600)),
            ("Mon, 01 Mar 2100 00:00:00 GMT", Some(4_107_542_400)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(253_402_300_799)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
            ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
            ("Mon, 06 Nov 1994 08:49:37 GMT", None),
            ("Wed, 31 Feb 2001 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37 CET", None),
            ("Sun, 06 Nov 1994 08:49:37:12 GMT", None),
            ("Sun, +6 Nov 1994 08:49:37 GMT", None),
            ("Thu, 06 Nov 1969 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 24:49:37 GMT", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected.map(Unix), "{text}");
        }
    }

    #[test]
    fn never_panics() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Fri, 31 Dec 9999 23:59:59 GMT",
        ] {
            crate::parse::survives_damage(text, |text| {
                assert!(parse(text).is_none_or(|time| time.0 < 1 << 40));
            });
        }
    }
}
