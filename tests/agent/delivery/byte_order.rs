//! What is kept and sent has the same bytes on every processor, also on one that begins numbers with
//! the highest byte.
//!
//! The program under test is compared with the one just built, which runs without `AGENT_RUNNER`:
//! `make test-emulated` compares s390x with the build machine in this way.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::host::hosts::trees;
use crate::process::{Agent, Signal};
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, limit};
use fake_server::h2::Server;
use fake_server::{FakeServer, points};
use serde_json::Value;

const TSDB: &str = "/api/v0/tsdb";
/// Bytes of the head of a spool and of a record. A record's length follows four other bytes.
const HEAD: usize = 16;

/// Starts the program under test, or else the one just built.
fn start(sandbox: &Sandbox, is_tested: bool) -> Agent<'_> {
    if is_tested {
        return sandbox.start();
    }
    let built = env!("CARGO_BIN_EXE_mackerel-agent").into();
    let words: [OsString; 3] = [built, "-conf".into(), sandbox.conf().into()];
    sandbox.spawn(&words)
}

#[track_caller]
fn end(agent: Agent<'_>) {
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

/// The values of all posts with this answer, as they were written: numbers are not read.
fn values(fake_server: &FakeServer, status: u16) -> Vec<String> {
    fake_server.seen(|seen| {
        let posts = seen
            .to("POST", TSDB)
            .filter(|post| post.status == Some(status));
        let mut values: Vec<String> = posts
            .filter_map(|post| match post.json() {
                Value::Array(values) => Some(values),
                _ => None,
            })
            .flatten()
            .map(|value| value.to_string())
            .collect();
        values.sort();
        values.dedup();
        values
    })
}

/// The records of a spool, each with its head.
fn records(file: &[u8]) -> Vec<&[u8]> {
    let mut rest = &file[HEAD..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[4..8].try_into().unwrap());
        let (record, after) = rest.split_at(HEAD + usize::try_from(length).unwrap());
        records.push(record);
        rest = after;
    }
    records
}

#[test]
fn spool_is_the_same_on_every_processor() {
    // (whether the program under test writes the file, and whether it reads it)
    for (writes, reads) in [(true, false), (false, true)] {
        let fake_server = FakeServer::http();
        fake_server.script("tsdb = 503");
        let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(&id);
        let spool = sandbox.root().join("spool");

        let mut agent = start(&sandbox, writes);
        agent.wait_line(limit(20), "failure", |line| line.contains("are kept"));
        end(agent);
        let written = fs::read(&spool).unwrap();
        let refused = values(&fake_server, 503);
        assert!(refused.len() > 5, "{refused:?}");

        // The other program adds its own values to those that it finds.
        let mut agent = start(&sandbox, reads);
        agent.wait_line(limit(20), "failure", |line| line.contains("are kept"));
        end(agent);
        let again = fs::read(&spool).unwrap();
        assert_eq!(again[..HEAD], written[..HEAD]);
        let (before, after) = (records(&written), records(&again));
        for record in before {
            assert!(after.contains(&record), "{record:?} of {written:?}");
        }

        fake_server.clear_script();
        let agent = start(&sandbox, reads);
        poll_until(limit(30), "values of the other program", || {
            let accepted = values(&fake_server, 200);
            let mut wanted = refused.iter();
            wanted.all(|value| accepted.contains(value)).then_some(())
        });
        end(agent);
    }
}

/// Numbers of Protocol Buffers have the lowest byte first. The fake server reads them so.
#[test]
fn otlp_is_the_same_on_every_processor() {
    let hosts = trees::all(Path::new("tests/fixtures"));
    let host = hosts.into_iter().find(|host| host.name == "pi-4").unwrap();
    let [tested, built] = [true, false].map(|is_tested| {
        let (fake_server, collector) = (FakeServer::http(), Server::plain());
        let mut sandbox = Sandbox::of(&fake_server);
        let table = format!(
            "[[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\n\
             [filesystems]\nignore = \".\"\n",
            collector.port
        );
        sandbox.configure(&fake_server.base(), &table);
        let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
        sandbox.adopt(&id);
        let tree = sandbox.path("host");
        host.settle(&tree);
        sandbox.env("HOST_ROOT", &tree);
        let agent = start(&sandbox, is_tested);
        let call = poll_until(limit(30), "message", || {
            collector.calls().into_iter().next()
        });
        end(agent);
        points(&call.message)
    });
    assert!(tested.len() > 30, "{tested:?}");
    assert_eq!(tested, built);
}
