//! Failed upgrades: what the running agent reports of them, and what is not tried again.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use serde_json::Value;

use super::{FAILED, NEWER, all_else, day, flags, installed, names, program, release, seconds};
use crate::packages::install::run;
use crate::process::{Agent, Finished};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

const WAIT: u64 = 100;
/// The state directory of the installed agent.
const STATE: &str = "host/var/lib/mackerel-agent";
/// A program that does not start.
const BROKEN: &str = "#!/bin/sh\necho no such library >&2\nexit 1\n";
const NEWEST: &str = "99.0.1";

/// A host with the agent installed, and a server for it.
struct Rig {
    fake_server: FakeServer,
    sandbox: Sandbox,
}

impl Rig {
    fn new() -> Rig {
        let fake_server = FakeServer::http();
        let sandbox = installed();
        sandbox.configure(&fake_server.base(), "");
        let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
        sandbox.write(&format!("{STATE}/id"), &id);
        Rig {
            fake_server,
            sandbox,
        }
    }

    /// Starts the agent that is to report, with the state directory of the installed one.
    fn start(&self) -> Agent<'_> {
        let root = format!("-root={}", self.sandbox.path(STATE).display());
        let mut agent = self.sandbox.start_with(&[], &[&root]);
        agent.wait_line(limit(WAIT), "start", |line| line.contains("Start: "));
        agent
    }

    /// Runs `upgrade`. Panics if it ends with another code.
    #[track_caller]
    fn upgrade(&self, more: &[&str], code: i32) -> Finished {
        let flags = flags(&self.sandbox);
        let words = [&[&*flags[0], &*flags[1]], more].concat();
        let finished = run(&self.sandbox, "upgrade", &words);
        let said = format!("{}{}", finished.stdout, finished.stderr);
        assert_eq!(finished.code, Some(code), "{said}");
        finished
    }

    /// Waits for the report of this number, from 1 on, and checks its status and part of its
    /// message. No other report may follow.
    #[track_caller]
    fn expect(&self, number: usize, status: &str, message: &str) {
        let reports = self.fake_server.wait(limit(WAIT), "reports", |seen| {
            let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
            let lists = posts.map(|post| post.json()["reports"].as_array().cloned());
            let reports: Vec<Value> = lists.flatten().flatten().collect();
            (reports.len() >= number).then_some(reports)
        });
        assert_eq!(reports.len(), number, "{reports:?}");
        let report = reports.last().unwrap();
        assert_eq!(report["name"], "mackerel-agent-upgrade");
        assert_eq!(report["status"], status, "{report}");
        let text = report["message"].as_str().unwrap();
        assert!(text.contains(message), "{text}");
    }

    fn program(&self) -> Vec<u8> {
        fs::read(self.sandbox.path("host/usr/bin/mackerel-agent")).unwrap()
    }

    fn record(&self) -> Option<String> {
        fs::read_to_string(self.sandbox.path(FAILED)).ok()
    }
}

#[test]
fn upgrade_that_fails_is_reported_and_not_tried_again_until_the_next_release() {
    only_if!(!is_emulated(), "the program is asked for its version");
    let rig = Rig::new();
    let agent = rig.start();
    release(&rig.sandbox, NEWER, BROKEN);
    // At midnight another day begins meanwhile.
    let begin = day(0);
    let finished = rig.upgrade(&[], 1);
    let end = day(0);
    assert!(
        finished.stderr.contains("no such library"),
        "{}",
        finished.stderr
    );
    rig.expect(1, "CRITICAL", "no such library");
    let record = rig.record().unwrap();
    assert!(
        record.contains("reported CRITICAL\nrelease 99.0.0 "),
        "{record}"
    );

    // Nothing but the manifest is read again.
    for name in names() {
        fs::remove_file(rig.sandbox.path("release").join(name)).unwrap();
    }
    let before = rig.program();
    for flags in [&[][..], &["-dry-run"]] {
        let finished = rig.upgrade(flags, 0);
        let is_said = [&begin, &end].iter().any(|day| {
            let expected = format!("99.0.0 failed on this host ({day}) and is not tried again");
            finished.stdout.contains(&expected)
        });
        assert!(is_said, "{}", finished.stdout);
    }
    assert!(rig.program() == before, "another program is installed");
    assert_eq!(rig.record(), Some(record));

    // By hand, and with another program of the same version.
    release(&rig.sandbox, NEWER, BROKEN);
    rig.upgrade(&["-force"], 1);
    rig.expect(2, "CRITICAL", "no such library");
    release(&rig.sandbox, NEWER, &BROKEN.replace("library", "file"));
    rig.upgrade(&[], 1);
    rig.expect(3, "CRITICAL", "no such file");

    release(&rig.sandbox, NEWEST, &program(NEWEST));
    rig.upgrade(&[], 0);
    rig.expect(4, "OK", "99.0.1 is installed");
    assert_eq!(rig.record(), None);
    rig.upgrade(&[], 0);
    rig.expect(4, "OK", "99.0.1 is installed");
    drop(agent);
}

#[test]
fn upgrade_reports_by_what_has_failed_and_since_when() {
    only_if!(!is_emulated(), "the program is asked for its version");
    let rig = Rig::new();
    // No agent runs yet: a later run sends the report.
    release(&rig.sandbox, NEWER, BROKEN);
    let finished = rig.upgrade(&[], 1);
    let expected = "WARNING: the check mackerel-agent-upgrade is not reported: no agent of root ";
    assert!(finished.stdout.contains(expected), "{}", finished.stdout);
    let agent = rig.start();
    rig.upgrade(&[], 0);
    rig.expect(1, "CRITICAL", "99.0.0 failed on this host (");
    // Withdrawn by its publisher: no alert is left, but it is still known.
    release(&rig.sandbox, NEWEST, &program(NEWEST));
    rig.upgrade(&[], 0);
    rig.expect(2, "OK", "");
    assert_eq!(rig.record(), None);

    // A server that is away for a day, and for days.
    fs::rename(rig.sandbox.path("release"), rig.sandbox.path("away")).unwrap();
    rig.upgrade(&[], 1);
    let record = rig.record().unwrap();
    assert!(
        record.starts_with("since ") && record.lines().count() == 1,
        "{record}"
    );
    rig.expect(2, "OK", "");
    rig.sandbox
        .write(FAILED, &format!("since {}\n", seconds(-4)));
    rig.upgrade(&[], 1);
    rig.expect(3, "WARNING", "release/manifest");
    rig.upgrade(&[], 1);
    rig.expect(3, "WARNING", "");

    // A file that is not the signed one: at once, and not each day.
    fs::rename(rig.sandbox.path("away"), rig.sandbox.path("release")).unwrap();
    release(&rig.sandbox, "99.0.2", &program("99.0.2"));
    for name in names() {
        rig.sandbox.write(&format!("release/{name}"), "other");
    }
    for _ in 0..2 {
        rig.upgrade(&[], 1);
        rig.expect(4, "CRITICAL", "its SHA-256 is another");
    }
    // The server has been repaired, and the same release is taken.
    release(&rig.sandbox, "99.0.2", &program("99.0.2"));
    rig.upgrade(&[], 0);
    rig.expect(5, "OK", "99.0.2 is installed");
    drop(agent);
}

#[test]
fn upgrade_waits_by_id_and_for_a_release_to_be_old_enough() {
    only_if!(!is_emulated(), "the program is asked for its version");
    let sandbox = installed();
    release(&sandbox, NEWER, &program(NEWER));
    let flags = flags(&sandbox);
    let said = |more: &[&str]| {
        let words = [&[&*flags[0], &*flags[1]], more].concat();
        let finished = run(&sandbox, "upgrade", &words);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout
    };
    // (why this row exists, file with an id, id)
    let id = format!("{STATE}/id");
    let table = [
        ("no id at all", "host/unused", ""),
        (
            "the machine's",
            "host/etc/machine-id",
            "0123456789abcdef0123456789abcdef\n",
        ),
        ("the host's own", &id, "3aBcDeFgHiJ"),
    ];
    for (why, file, id) in table {
        let path = sandbox.write(file, id);
        // Of the agent's user, as the agent would write it.
        let above = fs::metadata(path.parent().unwrap()).unwrap();
        chown(&path, Some(above.uid()), Some(above.gid())).unwrap();
        let hash = id.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
            (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
        });
        let said = said(&["-dry-run", "-spread=6h"]);
        let expected = format!("this host begins {} s later", hash % 21_600);
        assert!(said.starts_with(&expected), "{why}: {said}");
    }
    let before = all_else(&sandbox);
    // It was issued yesterday.
    let waits = said(&["-after=2"]);
    assert!(waits.contains("is left until it is 2 days old"), "{waits}");
    assert_eq!(all_else(&sandbox), before);
    said(&["-after=1"]);
    assert_eq!(
        sandbox.content("host/usr/bin/mackerel-agent"),
        program(NEWER)
    );

    let words = ["-spread=25h", &flags[0], &flags[1]];
    let finished = run(&sandbox, "upgrade", &words);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("-spread: more than a day"));
}
