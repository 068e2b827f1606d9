//! The hosts of `tests/fixtures`, described and measured by the built program.
//!
//! What comes from files is as the golden files say, on every processor.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::sandbox::{Sandbox, limit};

#[path = "../../hosts/mod.rs"]
pub(crate) mod trees;

/// Hosts that are measured at the same time. Each mostly waits.
const AT_ONCE: usize = 6;
/// Seconds between the two rounds of a golden file.
const MINUTE: f64 = 60.0;
/// Relative tolerance of a rate: numbers are printed with a limited number of digits.
const TOLERANCE: f64 = 1e-6;

#[test]
fn every_host_is_as_its_golden_file_says() {
    let hosts = Mutex::new(trees::all(Path::new("tests/fixtures")));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let next = || hosts.lock().unwrap().pop();
                while let Some(host) = next() {
                    compare(&host);
                }
            });
        }
    });
}

/// A link of the host leads to the host's own file, not to one of this machine, whatever system
/// calls the kernel offers for path lookup.
#[test]
fn links_of_the_host_stay_in_the_host() {
    // (why this row exists, target of the link, content of its file, the distribution)
    let table = [
        (
            "absolute",
            "/usr/lib/os-release",
            "usr/lib/os-release",
            "inside",
        ),
        (
            "relative",
            "../usr/lib/os-release",
            "usr/lib/os-release",
            "inside",
        ),
        (
            "beyond the root directory",
            "../../../../../../../../../usr/lib/os-release",
            "usr/lib/os-release",
            "inside",
        ),
        (
            "through a link of a directory",
            "/lib/os-release",
            "usr/lib/os-release",
            "inside",
        ),
        (
            "out of the host",
            "../../outside/os-release",
            "../outside/os-release",
            "",
        ),
        ("in a circle", "os-release", "../outside/os-release", ""),
    ];
    for (why, target, file, expected) in table {
        let mut sandbox = Sandbox::empty();
        let host = sandbox.path("host");
        for directory in ["etc", "usr/lib", "../outside"] {
            fs::create_dir_all(host.join(directory)).unwrap();
        }
        fs::write(host.join(file), "ID=inside\nVERSION_ID=1\n").unwrap();
        symlink(target, host.join("etc/os-release")).unwrap();
        symlink("/usr/lib", host.join("lib")).unwrap();
        sandbox.env("HOST_ROOT", &host);
        sandbox.env("MACKEREL_CLOUD_PLATFORM", "none");
        let finished = sandbox.run(&["once"], &[]);
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
        let found: Value = serde_json::from_str(&finished.stdout).unwrap();
        let name = &found["host"]["meta"]["kernel"]["platform_name"];
        assert_eq!(name.as_str().unwrap_or_default(), expected, "{why}");
    }
}

fn compare(host: &trees::Host) {
    let name = &host.name;
    let golden = fs::read_to_string(format!("tests/golden/hosts/{name}.json")).unwrap();
    let golden: Value = serde_json::from_str(&golden).unwrap();
    let mut sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:9", "");
    let tree = sandbox.path("host");
    let calls: Value = serde_json::from_str(&host.settle(&tree)).unwrap();
    sandbox.env("HOST_ROOT", &tree);
    let mut mounts = Gate::at(&tree);
    let agent = sandbox.start_with(&["once"], &[]);
    // Readers are the description, the first round (its last file), and the second round.
    mounts.pass(|| ());
    mounts.pass(|| host.age(&tree));
    mounts.pass(|| ());
    let finished = agent.wait_exit(limit(20));
    assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
    let found: Value = serde_json::from_str(&finished.stdout).unwrap();

    let (meta, expected) = (&found["host"]["meta"], &golden["host"]["meta"]);
    for part in ["cpu", "memory", "block_device"] {
        assert_eq!(meta[part], expected[part], "{name}: {part}");
    }
    for part in ["platform_name", "platform_version"] {
        let of = |meta: &Value| meta["kernel"][part].clone();
        assert_eq!(of(meta), of(expected), "{name}: {part}");
    }
    if calls["elsewhere"] == true {
        let of = |document: &Value| document["host"]["interfaces"].clone();
        assert_eq!(of(&found), of(&golden), "{name}");
    }
    rates(
        name,
        &found["metrics"]["Values"][0]["Values"],
        &golden,
        !calls["config"].is_null(),
    );
}

/// Compares the metrics.
///
/// The sizes of filesystems are not in files. Neither is which of them are mounted, and some disks
/// are named after that.
fn rates(host: &str, found: &Value, golden: &Value, has_own_names: bool) {
    let is_compared = |name: &&String| {
        let is_left_out =
            name.starts_with("filesystem.") || has_own_names && name.starts_with("disk.");
        !is_left_out
    };
    let (found, golden) = (
        found.as_object().unwrap(),
        &golden["metrics a minute later"],
    );
    let golden = golden.as_object().unwrap();
    let names: Vec<_> = found.keys().filter(is_compared).collect();
    assert_eq!(
        names,
        golden.keys().filter(is_compared).collect::<Vec<_>>(),
        "{host}"
    );
    let mut span = None;
    for name in names {
        let (value, expected) = (
            found[name]["Value"].as_f64().unwrap(),
            golden[name].as_f64().unwrap(),
        );
        let is_rate = name.ends_with(".delta") && expected != 0.0;
        if !is_rate {
            assert_eq!(value, expected, "{host}: {name}");
            continue;
        }
        // All rates of one round cover the same time, whatever that was.
        let covered = expected * MINUTE / value;
        let span = *span.get_or_insert(covered);
        assert!(
            (covered / span - 1.0).abs() < TOLERANCE,
            "{host}: {name}: {covered} s, not {span}"
        );
    }
    let is_possible = |span| (1.0..limit(20).as_secs_f64()).contains(&span);
    assert!(span.is_none_or(is_possible), "{host}: {span:?}");
}

/// The mount table of a host. Reads of it block until the test lets them pass.
struct Gate {
    path: PathBuf,
    content: Vec<u8>,
}

impl Gate {
    fn at(tree: &Path) -> Gate {
        let paths = ["proc/1/mountinfo", "proc/self/mountinfo"].map(|path| tree.join(path));
        let path = paths.into_iter().find(|path| path.exists()).unwrap();
        let gate = Gate {
            content: fs::read(&path).unwrap(),
            path,
        };
        gate.close();
        gate
    }

    /// Makes the next reader block.
    fn close(&self) {
        fs::remove_file(&self.path).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(&self.path)
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for the next reader, calls `act`, and lets the reader continue.
    fn pass(&mut self, act: impl FnOnce()) {
        let end = Instant::now() + limit(20);
        let mut pipe: File = loop {
            let mut options = OpenOptions::new();
            match options
                .write(true)
                .custom_flags(libc::O_NONBLOCK)
                .open(&self.path)
            {
                Ok(pipe) => break pipe,
                Err(_) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
                Err(error) => panic!("nobody reads {}: {error}", self.path.display()),
            }
        };
        act();
        // Blocks the next reader.
        self.close();
        pipe.write_all(&self.content).unwrap();
    }
}
