//! Inputs for the spool's file, and a disk that holds nothing else.

use std::io;
use std::path::Path;

use crate::base::clock::{Stamp, Unix};
use crate::deliver::record::{Kind, Record, Report, Round, Rounds};
use crate::sys::journal::{Disk, Journal};
use crate::wire::check::{self, CheckStatus};

/// Starts of frames, and large numbers for their lengths.
pub(crate) const PIECES: &[&[u8]] = &[
    b"mkrspool",
    b"\xF1\x9Emk",
    b"\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80\x80\x01",
    b"\x01\x00\x00\x00",
];

/// A disk with one file.
#[derive(Clone, Default)]
struct Memory(std::sync::Arc<std::sync::Mutex<Option<Vec<u8>>>>);

impl Disk for Memory {
    fn read(&mut self, _: &str, _: u64) -> io::Result<Vec<u8>> {
        let file = self.0.lock().unwrap().clone();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn length(&mut self, _: &str) -> io::Result<u64> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn write(&mut self, _: &str, _: u64, bytes: &[u8]) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(bytes.to_vec());
        Ok(())
    }

    fn cut(&mut self, _: &str, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn rename(&mut self, _: &str, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn remove(&mut self, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a file as the agent does when it starts.
pub(crate) fn open(bytes: &[u8]) {
    let memory = Memory::default();
    *memory.0.lock().unwrap() = Some(bytes.to_vec());
    let (_, found) = Journal::open(Box::new(memory), Path::new("/"), "spool");
    for frame in found.frames() {
        drop(Record::read(frame));
    }
    drop(found.notice.map(|notice| notice.to_string()));
}

/// A file with every kind of record.
pub(crate) fn file() -> Vec<u8> {
    let memory = Memory::default();
    let (mut journal, _) = Journal::open(Box::new(memory.clone()), Path::new("/"), "spool");
    journal.replace(&records()).unwrap();
    let mut file = memory.0.lock().unwrap();
    file.take().unwrap()
}

/// The content of a frame of each kind.
pub(crate) fn records() -> Vec<Vec<u8>> {
    let rounds = (0..5_u32).map(|number| Round {
        number: number.into(),
        stamp: Stamp {
            wall: Unix(1_700_000_000 + u64::from(number) * 60),
            age: 1_000 + u64::from(number) * 60,
        },
        values: vec![
            0.25 * f64::from(number),
            1_073_741_824.0,
            3.0,
            f64::from(number) / 3.0,
        ],
    });
    let names = [
        "cpu.user.percentage",
        "memory.total",
        "memory.used",
        "loadavg5",
    ];
    let records = [
        Record::Owner("3aBcDeFgHiJ".to_owned()),
        Record::Rounds(Rounds {
            boot: 77,
            is_sure: true,
            destination: Some("other.example".to_owned()),
            names: names.map(str::to_owned).to_vec(),
            rounds: rounds.collect(),
        }),
        Record::Report(Report {
            number: 9,
            boot: 77,
            is_sure: false,
            age: 99,
            destination: None,
            report: check::Report {
                name: "ssh".to_owned(),
                status: CheckStatus::Critical,
                message: "connection refused".to_owned(),
                occurred_at: Unix(1_700_000_040),
                notification_interval: Some(10),
                max_check_attempts: None,
            },
        }),
        Record::Gone {
            of: Kind::Round,
            numbers: vec![(1, 2), (4, 4)],
        },
        Record::Clock {
            boot: 77,
            start: 1_699_999_000,
        },
    ];
    records.iter().map(Record::write).collect()
}
