//! A check report.

use super::bytes::{Reader, Writer};
use super::{RecordDestination, status};
use crate::base::clock::{Stamp, Unix};
use crate::wire::check;

/// A report that has not been sent.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    pub(crate) number: u64,
    /// The boot during which the check was run.
    pub(crate) boot: u128,
    /// Whether its time is known to be right.
    pub(crate) is_sure: bool,
    /// When the check began, since the start of the host. The wall-clock time is in the report.
    pub(crate) age: u64,
    pub(crate) destination: RecordDestination,
    pub(crate) report: check::Report,
}

impl Report {
    /// When the check began.
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp {
            wall: self.report.occurred_at,
            age: self.age,
        }
    }

    pub(super) fn write(&self, out: &mut Writer) {
        let report = &self.report;
        out.number(self.number);
        out.bytes(&self.boot.to_le_bytes());
        out.byte(u8::from(self.is_sure));
        out.number(self.age);
        out.destination(self.destination.as_deref());
        out.text(&report.name);
        out.byte(match report.status {
            check::CheckStatus::Ok => 0,
            check::CheckStatus::Warning => 1,
            check::CheckStatus::Critical => 2,
            check::CheckStatus::Unknown => 3,
        });
        out.text(check::clipped(&report.message));
        out.number(report.occurred_at.0);
        for number in [report.notification_interval, report.max_check_attempts] {
            out.number(number.map_or(0, |number| u64::from(number) + 1));
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Report> {
        let mut read = Report {
            number: from.number()?,
            boot: from.boot()?,
            is_sure: from.flag()?,
            age: from.number()?,
            destination: from.destination()?,
            report: check::Report {
                name: from.text()?,
                status: status(from.byte()?)?,
                message: from.text()?,
                occurred_at: Unix(from.number()?),
                notification_interval: None,
                max_check_attempts: None,
            },
        };
        let mut number = || match from.number()?.checked_sub(1) {
            None => Some(None),
            Some(number) => u32::try_from(number).ok().map(Some),
        };
        read.report.notification_interval = number()?;
        read.report.max_check_attempts = number()?;
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Record;
    use super::*;

    fn report(status: check::CheckStatus, message: &str) -> Report {
        Report {
            number: 7,
            boot: 9,
            is_sure: false,
            age: 1234,
            destination: None,
            report: check::Report {
                name: "ssh-port".to_owned(),
                status,
                message: message.to_owned(),
                occurred_at: Unix(1_700_000_040),
                notification_interval: None,
                max_check_attempts: None,
            },
        }
    }

    #[test]
    fn reports_come_back_as_they_were() {
        let mut all = report(check::CheckStatus::Critical, "refused\n");
        all.destination = Some("other".to_owned());
        all.is_sure = true;
        all.report.notification_interval = Some(u32::MAX);
        all.report.max_check_attempts = Some(0);
        let statuses = [
            check::CheckStatus::Ok,
            check::CheckStatus::Warning,
            check::CheckStatus::Critical,
            check::CheckStatus::Unknown,
        ];
        let reports = statuses.map(|status| report(status, "あ"));
        for report in reports.into_iter().chain([all]) {
            let bytes = Record::Report(report).write();
            let Some(Record::Report(read)) = Record::read(&bytes) else {
                panic!("{bytes:?}");
            };
            assert_eq!(Record::Report(read).write(), bytes);
        }
        let bytes = Record::Report(report(check::CheckStatus::Unknown, "m")).write();
        assert_eq!(
            Record::read(&bytes),
            Some(Record::Report(report(check::CheckStatus::Unknown, "m")))
        );
    }

    #[test]
    fn a_message_is_kept_as_far_as_it_is_sent() {
        let long = "あ".repeat(5_000);
        let bytes = Record::Report(report(check::CheckStatus::Ok, &long)).write();
        let Some(Record::Report(read)) = Record::read(&bytes) else {
            panic!();
        };
        assert_eq!(read.report.message, check::clipped(&long));
        assert_eq!(read.stamp().age, 1234);
    }

    #[test]
    fn never_panics() {
        let good = Record::Report(report(check::CheckStatus::Ok, "message")).write();
        for at in 0..good.len() {
            assert_eq!(Record::read(&good[..at]), None);
            for flip in [1, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                drop(Record::read(&bad));
            }
        }
    }
}
