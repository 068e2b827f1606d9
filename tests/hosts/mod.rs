//! Hosts of `tests/fixtures`, and large hosts that are made by a rule, each also as it is a minute
//! later.
//!
//! Shared by the tests of the program's parts, those of the whole program, and the bench.

#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "each user takes a part of it; a failed expectation is a panic here"
)]

pub(crate) mod large;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A host: its name, and where its files are.
pub(crate) struct Host {
    pub(crate) name: String,
    home: Option<PathBuf>,
    make: large::Make,
}

/// All hosts, sorted by name: those of `fixtures` with a `calls.json`, and the large ones.
pub(crate) fn all(fixtures: &Path) -> Vec<Host> {
    let mut hosts = Vec::new();
    for entry in fs::read_dir(fixtures).unwrap() {
        let home = entry.unwrap().path();
        if home.join("calls.json").exists() {
            let name = home.file_name().unwrap().to_str().unwrap().to_owned();
            hosts.push(Host {
                name,
                home: Some(home),
                make: |_| (),
            });
        }
    }
    hosts.extend(large::HOSTS.iter().map(|(name, make)| Host {
        name: (*name).to_owned(),
        home: None,
        make: *make,
    }));
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    hosts
}

impl Host {
    /// Copies the host's first files into `tree`, a new directory. Returns the results of its
    /// system calls.
    pub(crate) fn settle(&self, tree: &Path) -> String {
        fs::create_dir(tree).unwrap();
        let Some(home) = &self.home else {
            (self.make)(tree);
            return fs::read_to_string(tree.join("calls.json")).unwrap();
        };
        let first = home.join("t0");
        if first.exists() {
            copy(&first, tree);
        } else {
            copy(home, tree);
        }
        fs::read_to_string(home.join("calls.json")).unwrap()
    }

    /// Changes `tree`, a copy, to the state a minute later: by [`a_minute_later`], and by the
    /// host's files for that moment.
    pub(crate) fn age(&self, tree: &Path) {
        a_minute_later(tree);
        let later = self.home.as_ref().map(|home| home.join("t60"));
        if let Some(later) = later.filter(|later| later.exists()) {
            copy(&later, tree);
        }
    }
}

/// Copies the content of the directory `from` into the directory `to`, links as links.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            symlink(fs::read_link(from).unwrap(), to).unwrap();
        } else if kind.is_dir() {
            if !to.exists() {
                fs::create_dir(&to).unwrap();
            }
            copy(&from, &to);
        } else {
            fs::copy(from, to).unwrap();
        }
    }
}

/// The ticks that each core of each host spends in its minute: user, nice, system, idle, iowait,
/// irq, softirq, steal, guest (included in user), guest of nice (included in nice).
const MINUTE: [u64; 10] = [1800, 60, 600, 3000, 300, 6, 54, 180, 600, 30];

/// Lets a minute pass in the files of a host.
///
/// Every core spends it as [`MINUTE`] says. The first interface receives 60,000 bytes and sends
/// 6,000, the second twice as much, and so on. Likewise disks: 60 reads and 120 writes. A disk that
/// has never done anything stays idle.
pub(crate) fn a_minute_later(tree: &Path) {
    let rewrite = |name: &str, line: &mut dyn FnMut(&str) -> String| {
        let path = tree.join("proc").join(name);
        let Ok(text) = fs::read_to_string(&path) else {
            return;
        };
        let lines = text.lines().map(|text| line(text) + "\n");
        fs::write(path, lines.collect::<String>()).unwrap();
    };
    let stat = fs::read_to_string(tree.join("proc/stat")).unwrap_or_default();
    let cores = stat
        .lines()
        .filter(|line| {
            let rest = line.strip_prefix("cpu");
            rest.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .count() as u64;
    rewrite("stat", &mut |line| {
        let times = match line.split(' ').next() {
            Some("cpu") => cores,
            Some(word) if word.starts_with("cpu") => 1,
            _ => return line.to_owned(),
        };
        add(line, 1, &MINUTE.map(|ticks| ticks * times))
    });
    let mut interfaces = 0;
    let mut interface = |line: &str| {
        let Some((name, numbers)) = line.split_once(':') else {
            return line.to_owned();
        };
        interfaces += 1;
        let grown = [60_000, 80, 0, 0, 0, 0, 0, 0, 6_000, 50].map(|number| number * interfaces);
        format!("{name}: {}", add(numbers, 0, &grown))
    };
    rewrite("net/dev", &mut interface);
    let mut disks = 0;
    rewrite("diskstats", &mut |line| {
        let is_idle = line
            .split_ascii_whitespace()
            .skip(3)
            .all(|word| word == "0");
        if is_idle {
            return line.to_owned();
        }
        disks += 1;
        add(line, 3, &[60 * disks, 3, 2_880, 120, 120 * disks])
    });
}

/// Adds `grown` to the numbers of a line, from the word at `skip` on, as far as there are any.
fn add(line: &str, skip: usize, grown: &[u64]) -> String {
    let words = line.split_ascii_whitespace().enumerate().map(|(at, word)| {
        let grown = at.checked_sub(skip).and_then(|at| grown.get(at));
        match (grown, word.parse::<u64>()) {
            (Some(grown), Ok(number)) => (number + grown).to_string(),
            _ => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
