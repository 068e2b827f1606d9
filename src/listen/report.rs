//! The report of a job that `mackerel-agent wrap` has run: `POST /report` on the agent's socket, with
//! the report in a header, since the server reads no bodies.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::base::clock::Unix;
use crate::wire::check::{CheckStatus, Report, clipped};

/// The path of the request.
pub(crate) const PATH: &str = "/report";
/// The name of the header.
pub(crate) const HEADER: &str = "Report";
/// Bytes of the name of a check.
const NAME: usize = 255;
/// All statuses.
const STATUSES: [CheckStatus; 4] = [
    CheckStatus::Ok,
    CheckStatus::Warning,
    CheckStatus::Critical,
    CheckStatus::Unknown,
];

/// The value of the header: status, minutes between two notifications (0 for none), the first
/// [`NAME`] bytes of the name, and the message, separated by blanks. At most 13 KiB.
pub(crate) fn encode(report: &Report) -> String {
    let minutes = report.notification_interval.unwrap_or_default();
    let part = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let name = &report.name[..report.name.floor_char_boundary(NAME)];
    let (name, message) = (part(name), part(clipped(&report.message)));
    let minutes = minutes.to_string();
    [
        report.status.word(),
        " ",
        &minutes,
        " ",
        &name,
        " ",
        &message,
    ]
    .concat()
}

/// The report in the value of the header, of the time `now`. `None` if the value is not one, or if
/// the name is empty or longer than [`NAME`].
pub(super) fn decode(value: &str, now: Unix) -> Option<Report> {
    let mut parts = value.split(' ');
    let word = parts.next()?;
    let minutes: u32 = parts.next()?.parse().ok()?;
    let mut text = || {
        let part = percent_decode_str(parts.next()?);
        part.decode_utf8().ok().map(|text| text.into_owned())
    };
    let (name, message) = (text()?, text()?);
    if name.is_empty() || name.len() > NAME {
        return None;
    }
    Some(Report {
        name,
        status: STATUSES.into_iter().find(|status| status.word() == word)?,
        message: clipped(&message).to_owned(),
        occurred_at: now,
        notification_interval: (minutes > 0).then_some(minutes),
        max_check_attempts: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_with_a_long_name_has_the_characters_that_find_room() {
        let report = Report {
            name: "a".to_owned() + &"\u{3042}".repeat(100),
            status: CheckStatus::Critical,
            message: String::new(),
            occurred_at: Unix(7),
            notification_interval: None,
            max_check_attempts: None,
        };
        let name = decode(&encode(&report), Unix(7)).unwrap().name;
        assert_eq!(name.len(), 253);
    }

    #[test]
    fn report_of_a_job_comes_back_as_it_was() {
        for (name, message, interval) in [
            (
                "backup",
                "command exited with code: 1\n% backup -v\n",
                Some(10),
            ),
            ("夜間 バッチ", "あ%20 \u{0}\r\nHost: x", None),
            ("a", "", None),
        ] {
            let report = Report {
                name: name.to_owned(),
                status: CheckStatus::Critical,
                message: message.to_owned(),
                occurred_at: Unix(7),
                notification_interval: interval,
                max_check_attempts: None,
            };
            let value = encode(&report);
            assert!(
                value
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() || byte == b' ')
            );
            assert_eq!(decode(&value, Unix(7)), Some(report));
        }
    }

    #[test]
    fn report_that_is_none_is_refused() {
        let long = format!("OK 0 {} m", "x".repeat(256));
        for value in [
            "",
            "OK",
            "OK 0",
            "OK 0 a",
            "FINE 0 a m",
            "OK x a m",
            "OK 0  m",
            "OK 0 %ff m",
            &long,
        ] {
            assert_eq!(decode(value, Unix(7)), None, "{value}");
        }
    }
}
