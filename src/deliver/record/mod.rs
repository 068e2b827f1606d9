//! The contents of the journal's frames: rounds of values, check reports, and which of them are
//! gone. Each record can be read without any other, so that damage to one affects only that one.

mod bytes;
mod report;
mod rounds;

use crate::wire::check;
use bytes::{Reader, Writer};

pub(crate) use report::Report;
pub(crate) use rounds::{Round, Rounds};

/// The custom identifier of the host that something belongs to; `None` for this host.
pub(crate) type RecordDestination = Option<String>;

/// The content of a frame.
#[derive(Debug, PartialEq)]
pub(crate) enum Record {
    /// The id of the host whose agent has written the file.
    Owner(String),
    Rounds(Rounds),
    Report(Report),
    /// The rounds or reports with these numbers are no longer needed.
    Gone {
        of: Kind,
        numbers: Vec<Span>,
    },
    /// The wall clock of this boot was found to be right.
    Clock {
        boot: u128,
        /// When the host started.
        start: u64,
    },
}

/// First and last of consecutive numbers.
pub(crate) type Span = (u64, u64);

/// The kinds of things that have numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Round,
    Report,
}

const OWNER: u8 = 1;
const ROUNDS: u8 = 2;
const REPORT: u8 = 3;
const GONE_ROUNDS: u8 = 4;
const GONE_REPORTS: u8 = 5;
const CLOCK: u8 = 6;

impl Record {
    /// The record as a frame's content.
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Record::Owner(id) => {
                out.byte(OWNER);
                out.text(id);
            }
            Record::Rounds(rounds) => {
                out.byte(ROUNDS);
                rounds.write(&mut out);
            }
            Record::Report(report) => {
                out.byte(REPORT);
                report.write(&mut out);
            }
            Record::Gone { of, numbers } => {
                out.byte(match of {
                    Kind::Round => GONE_ROUNDS,
                    Kind::Report => GONE_REPORTS,
                });
                out.number(numbers.len() as u64);
                let mut before = 0;
                for (first, last) in numbers {
                    out.number(first.wrapping_sub(before));
                    out.number(last.wrapping_sub(*first));
                    before = *last;
                }
            }
            Record::Clock { boot, start } => {
                out.byte(CLOCK);
                out.bytes(&boot.to_le_bytes());
                out.number(*start);
            }
        }
        out.done()
    }

    /// The record in a frame's content; `None` if its kind is unknown, if it is damaged, or if
    /// anything follows it.
    pub(crate) fn read(content: &[u8]) -> Option<Record> {
        let mut from = Reader::of(content);
        let record = match from.byte()? {
            OWNER => Record::Owner(from.text()?),
            ROUNDS => Record::Rounds(Rounds::read(&mut from)?),
            REPORT => Record::Report(Report::read(&mut from)?),
            GONE_ROUNDS => gone(Kind::Round, &mut from)?,
            GONE_REPORTS => gone(Kind::Report, &mut from)?,
            CLOCK => Record::Clock {
                boot: from.boot()?,
                start: from.number()?,
            },
            _ => return None,
        };
        from.is_at_end().then_some(record)
    }
}

fn gone(of: Kind, from: &mut Reader<'_>) -> Option<Record> {
    let count = from.count(2)?;
    let mut numbers = Vec::with_capacity(count);
    let mut before = 0_u64;
    for _ in 0..count {
        let first = before.wrapping_add(from.number()?);
        let last = first.wrapping_add(from.number()?);
        numbers.push((first, last));
        before = last;
    }
    Some(Record::Gone { of, numbers })
}

/// Ascending numbers in as few spans as possible.
pub(crate) fn spans(numbers: impl Iterator<Item = u64>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for number in numbers {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => spans.push((number, number)),
        }
    }
    spans
}

fn status(byte: u8) -> Option<check::CheckStatus> {
    Some(match byte {
        0 => check::CheckStatus::Ok,
        1 => check::CheckStatus::Warning,
        2 => check::CheckStatus::Critical,
        3 => check::CheckStatus::Unknown,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_written_are_read() {
        let records = [
            Record::Owner("3aBcDeFgHiJ".to_owned()),
            Record::Owner(String::new()),
            Record::Gone {
                of: Kind::Round,
                numbers: vec![(0, 0), (2, 90), (1 << 60, u64::MAX)],
            },
            Record::Gone {
                of: Kind::Report,
                numbers: vec![],
            },
            Record::Clock {
                boot: u128::MAX - 5,
                start: 1_700_000_000,
            },
        ];
        for record in records {
            assert_eq!(Record::read(&record.write()), Some(record));
        }
    }

    #[test]
    fn records_that_are_malformed_are_none() {
        let owner = Record::Owner("id".to_owned()).write();
        for end in 0..owner.len() {
            assert_eq!(Record::read(&owner[..end]), None);
        }
        let mut more = owner.clone();
        more.push(0);
        assert_eq!(Record::read(&more), None);
        for unknown in [
            &b"\0"[..],
            b"\x07",
            b"\xff",
            b"\x04\xff\xff\xff\xff\x7f",
            b"\x01\x02\xff\xff",
        ] {
            assert_eq!(Record::read(unknown), None);
        }
    }

    #[test]
    fn consecutive_numbers_are_one_span() {
        let table: [(&[u64], &[Span]); 4] = [
            (&[], &[]),
            (&[7], &[(7, 7)]),
            (&[1, 2, 3, 5, 8, 9], &[(1, 3), (5, 5), (8, 9)]),
            (&[u64::MAX - 1, u64::MAX], &[(u64::MAX - 1, u64::MAX)]),
        ];
        for (numbers, expected) in table {
            assert_eq!(spans(numbers.iter().copied()), expected);
        }
    }
}
