//! A filesystem that hangs: only its own values are missing.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fuse::{BLOCKS, Fuse, run_where_it_may_mount};
use crate::sandbox::{Sandbox, limit};

/// Its source in the mount table.
const SOURCE: &str = "/dev/hung";

/// Runs [`with_a_filesystem_that_hangs`] where it may mount a filesystem.
#[test]
fn a_filesystem_that_hangs_costs_its_own_values() {
    run_where_it_may_mount("host::hung_mount::with_a_filesystem_that_hangs", 60);
}

#[test]
#[ignore = "mounts something: needs a user and mount namespace of its own"]
fn with_a_filesystem_that_hangs() {
    let sandbox = Sandbox::empty();
    let point = sandbox.path("mounted");
    std::fs::create_dir(&point).unwrap();
    let fuse = Fuse::mount(SOURCE, &point);

    // To a file: a process that the kernel cannot end keeps its pipes open.
    let once = || sandbox.through_shell("exec \"$@\" >out", &["once"], &[]);
    let begin = Instant::now();
    let agent = once();
    let hanging = loop {
        let out = std::fs::read_to_string(sandbox.path("out")).unwrap_or_default();
        if out.ends_with('\n') {
            break document(&out);
        }
        assert!(begin.elapsed() < limit(10), "no output");
        std::thread::sleep(Duration::from_millis(10));
    };
    let values = &hanging["metrics"]["Values"][0]["Values"];
    let all = ["loadavg5", "cpu.user.percentage", "memory.used"];
    assert!(all.iter().all(|name| values[name]["Value"].is_number()));
    assert_eq!(size(&hanging), None);
    let described = hanging["host"]["meta"]["filesystem"].as_object().unwrap();
    assert!(!described.is_empty() && !described.contains_key(SOURCE));
    // The description has asked for its size. Both rounds have not.
    assert_eq!(fuse.waiting(), 1);

    fuse.wake();
    let finished = agent.wait_exit(limit(10));
    assert_eq!(finished.code, Some(0));
    let told = finished
        .stderr
        .matches("does not answer: left alone")
        .count();
    assert_eq!(told, 1, "{}", finished.stderr);

    let finished = once().wait_exit(limit(10));
    assert!(
        !finished.stderr.contains("does not answer"),
        "{}",
        finished.stderr
    );
    let [all, free, available] = BLOCKS;
    let answering = document(&sandbox.content("out"));
    assert_eq!(size(&answering), Some((all - free + available) * 1024));
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn size(document: &Value) -> Option<u64> {
    let values = &document["metrics"]["Values"][0]["Values"];
    values["filesystem.hung.size"]["Value"].as_u64()
}
