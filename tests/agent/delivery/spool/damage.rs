//! A real spool with any byte of it damaged.

use std::fs;
use std::ops::Range;
use std::thread;
use std::time::Instant;

use super::{LITTLE, away, left, spool, until_changed, until_refused};
use crate::process::Signal;
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

/// A check that reports at once.
const CHECK: &str = "[plugin.checks.bad]\ncommand = \"echo bad; exit 2\"\n";
/// Bytes of a spool before its first record, and of a record before its content.
const HEAD: usize = 16;

/// A real spool with undelivered records.
struct Victim {
    host: String,
    file: Vec<u8>,
    /// The byte ranges of the records.
    records: Vec<Range<usize>>,
}

impl Victim {
    /// A spool that three agents have written, with values of two kinds and a report.
    fn new() -> Victim {
        let fake_server = FakeServer::http();
        fake_server.script("report = 503");
        let (sandbox, host) = away(&fake_server, &format!("{LITTLE}{CHECK}"));
        for life in 0..3 {
            let before = fs::read(spool(&sandbox)).ok();
            let mut agent = sandbox.start();
            if life == 0 {
                // Checks start only after a successful post.
                fake_server.wait(limit(100), "report", |seen| {
                    let mut reports = seen.to("POST", "/api/v0/monitoring/checks/report");
                    reports.next().map(drop)
                });
                fake_server.script("tsdb = 503");
            } else {
                until_refused(&mut agent);
            }
            agent.signal(Signal::TERM);
            until_changed(&sandbox, &before);
            drop(agent);
            // Other series make another record.
            sandbox.configure(&fake_server.base(), "");
        }
        let file = fs::read(spool(&sandbox)).unwrap();
        let mut records = Vec::new();
        let mut at = HEAD;
        while at < file.len() {
            let length = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap());
            let end = at + HEAD + usize::try_from(length).unwrap();
            records.push(at..end);
            at = end;
        }
        assert_eq!(records.last().unwrap().end, file.len());
        Victim {
            host,
            file,
            records,
        }
    }

    /// The file without the records that `is_lost` accepts.
    fn without(&self, is_lost: impl Fn(&Range<usize>) -> bool) -> Vec<u8> {
        let mut file = self.file[..HEAD].to_vec();
        let kept = self.records.iter().filter(|record| !is_lost(record));
        kept.for_each(|record| file.extend(&self.file[record.clone()]));
        file
    }

    /// A host whose agent reaches no server.
    fn sandbox(&self) -> Sandbox {
        let sandbox = Sandbox::empty();
        sandbox.configure("http://127.0.0.1:9", "");
        sandbox.adopt(&self.host);
        sandbox
    }

    /// Damages bytes from `first` on, `step` apart: flips each of these bits, and truncates the
    /// file there. Returns how often an agent was started.
    fn damage(&self, first: usize, step: usize, bits: &[u8]) -> usize {
        let sandbox = self.sandbox();
        let mut starts = 0;
        let mut found = |file: &[u8]| {
            starts += 1;
            found_in(&sandbox, file)
        };
        let whole = found(&self.file).0;
        assert!(whole.0 > 0 && whole.1 > 0, "{whole:?}");
        let mut worth = Vec::new();
        let mut up_to = vec![(0, 0)];
        for record in &self.records {
            worth.push((record, found(&self.without(|other| other == record)).0));
            up_to.push(found(&self.without(|other| other.end > record.end)).0);
        }
        for at in (first..self.file.len()).step_by(step) {
            let hit = worth.iter().find(|(record, _)| record.contains(&at));
            let expected = hit.map_or(whole, |(_, left)| *left);
            for bits in bits {
                let mut file = self.file.clone();
                file[at] ^= bits;
                let (left, log) = found(&file);
                assert_eq!(left, expected, "byte {at} flipped: {log}");
                assert!(log.contains("spool is damaged"), "byte {at} flipped: {log}");
            }

            let (left, log) = found(&self.file[..at]);
            let whole = self.records.iter().filter(|record| record.end <= at);
            assert_eq!(left, up_to[whole.count()], "cut at {at}: {log}");
            // A file that ends between two records looks complete.
            let is_smooth = at == 0 || at == HEAD || self.records.iter().any(|r| r.end == at);
            let is_told = ["spool is damaged", "cannot be used"]
                .iter()
                .any(|w| log.contains(w));
            assert_eq!(is_told, !is_smooth, "cut at {at}: {log}");
        }
        starts
    }
}

/// The numbers of values and reports that an agent finds in such a file, and its log.
fn found_in(sandbox: &Sandbox, file: &[u8]) -> ((usize, usize), String) {
    fs::write(spool(sandbox), file).unwrap();
    let mut agent = sandbox.start();
    until_refused(&mut agent);
    agent.assert_running();
    (left(agent.log()), agent.log().join("\n"))
}

/// Damages every byte of a real spool. Each time, an agent starts, loses only the record that was
/// hit, and logs it.
fn damaged(bits: &[u8]) {
    let victim = &Victim::new();
    let begin = Instant::now();
    let starts: usize = thread::scope(|scope| {
        let damage = |first| scope.spawn(move || victim.damage(first, 2, bits));
        let halves = [0, 1].map(damage);
        halves.map(|half| half.join().unwrap()).iter().sum()
    });
    let (bytes, records) = (victim.file.len(), victim.records.len());
    eprintln!(
        "{bytes} bytes, {records} records: {starts} starts in {:?}",
        begin.elapsed()
    );
}

#[test]
fn damage_to_any_byte_costs_the_record_it_hits() {
    damaged(&[0x10]);
}

#[test]
#[ignore = "takes a minute: make test-spool"]
fn damage_to_any_bit_costs_the_record_it_hits() {
    damaged(&[1, 2, 4, 8, 16, 32, 64, 128, 255]);
}
