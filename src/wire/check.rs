//! `POST /api/v0/monitoring/checks/report`: reports of checks.

use serde::{Serialize, Serializer};

use crate::base::clock::Unix;

/// Maximum number of characters of a message. The rest is cut off.
const MESSAGE: usize = 1024;

/// The status of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CheckStatus {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl CheckStatus {
    /// All statuses, in the order of their exit codes.
    pub(crate) const ALL: [CheckStatus; 4] = [
        CheckStatus::Ok,
        CheckStatus::Warning,
        CheckStatus::Critical,
        CheckStatus::Unknown,
    ];

    /// The API's word for the status.
    pub(crate) fn word(self) -> &'static str {
        match self {
            CheckStatus::Ok => "OK",
            CheckStatus::Warning => "WARNING",
            CheckStatus::Critical => "CRITICAL",
            CheckStatus::Unknown => "UNKNOWN",
        }
    }

    /// The status with this word.
    pub(crate) fn of_word(word: &str) -> Option<CheckStatus> {
        let found = CheckStatus::ALL.iter().find(|known| known.word() == word);
        found.copied()
    }
}

impl Serialize for CheckStatus {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

/// The result of one run of a check.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Report {
    /// The name of the check: `[-a-zA-Z0-9_]+`.
    pub(crate) name: String,
    pub(crate) status: CheckStatus,
    /// At most [`MESSAGE`] characters are sent: see [`clipped`].
    pub(crate) message: String,
    /// When the check began. The server ignores reports older than 6 h. It also ignores a second
    /// report of the same host, check and second. It answers 200 in both cases.
    pub(crate) occurred_at: Unix,
    /// In minutes, at least 10; `None` for no repeated notifications.
    pub(crate) notification_interval: Option<u32>,
    /// 1 to 10; `None` for 1.
    pub(crate) max_check_attempts: Option<u32>,
}

/// The part of a message that the API accepts.
pub(crate) fn clipped(message: &str) -> &str {
    let end = message.char_indices().nth(MESSAGE);
    end.map_or(message, |(end, _)| &message[..end])
}

/// The body of the request.
#[derive(Serialize)]
pub(crate) struct Reports<'a> {
    reports: Vec<Element<'a>>,
}

impl<'a> Reports<'a> {
    /// Reports for the host `host_id`.
    pub(crate) fn of(host_id: &'a str, reports: &[&'a Report]) -> Reports<'a> {
        let element = |report: &&'a Report| Element {
            source: Source {
                kind: "host",
                host_id,
            },
            name: &report.name,
            status: report.status,
            message: clipped(&report.message),
            occurred_at: report.occurred_at.0,
            notification_interval: report.notification_interval,
            max_check_attempts: report.max_check_attempts,
        };
        Reports {
            reports: reports.iter().map(element).collect(),
        }
    }
}

/// One report, with the host to which it belongs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Element<'a> {
    source: Source<'a>,
    name: &'a str,
    status: CheckStatus,
    message: &'a str,
    occurred_at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    notification_interval: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_check_attempts: Option<u32>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    host_id: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: CheckStatus, message: &str) -> Report {
        Report {
            name: "ssh-port".to_owned(),
            status,
            message: message.to_owned(),
            occurred_at: Unix(1_700_000_040),
            notification_interval: None,
            max_check_attempts: None,
        }
    }

    #[test]
    fn looks_like_the_documented_request() {
        let mut reports = [
            report(CheckStatus::Critical, "connection refused\n"),
            report(CheckStatus::Ok, ""),
        ];
        reports[0].notification_interval = Some(60);
        reports[0].max_check_attempts = Some(3);
        let body = Reports::of("3aBcDeFgHiJ", &[&reports[0], &reports[1]]);
        let golden = include_str!("../../tests/golden/check-reports.json");
        assert_eq!(
            serde_json::to_string_pretty(&body).unwrap(),
            golden.trim_end()
        );
    }

    #[test]
    fn each_status_has_its_word() {
        let statuses = [
            CheckStatus::Ok,
            CheckStatus::Warning,
            CheckStatus::Critical,
            CheckStatus::Unknown,
        ];
        let words = statuses.map(|status| serde_json::to_string(&status).unwrap());
        assert_eq!(
            words,
            ["\"OK\"", "\"WARNING\"", "\"CRITICAL\"", "\"UNKNOWN\""]
        );
    }

    #[test]
    fn a_message_is_cut_between_two_characters() {
        // (why this row exists, message, characters sent)
        let table = [
            ("empty", String::new(), 0),
            ("as long as it may be", "é".repeat(MESSAGE), MESSAGE),
            ("longer", "é".repeat(MESSAGE + 1), MESSAGE),
            ("much longer", "あx".repeat(MESSAGE), MESSAGE),
        ];
        for (why, message, sent) in table {
            let report = report(CheckStatus::Unknown, &message);
            let reports = [&report];
            let body = Reports::of("", &reports);
            assert_eq!(body.reports[0].message.chars().count(), sent, "{why}");
            assert!(message.starts_with(body.reports[0].message), "{why}");
        }
    }
}
