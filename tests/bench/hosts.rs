//! The cost of a round on large hosts.
//!
//! Their files are made by a rule, on a real filesystem: the kernel's own cost of generating them
//! is left out.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::process::{SystemCalls, threads};
use crate::trees::large;
use crate::{Bench, WARM_UP};

/// Number of measured rounds, one a minute.
const ROUNDS: u32 = 2;
/// Limit in milliseconds of processor time for a round of the largest host.
const LIMIT: f64 = 3.0;
/// Threads that take no part in a round.
const OTHERS: [&str; 2] = ["poster", "signal"];

/// The cost of one round of a host.
struct Round {
    host: &'static str,
    cpu_ms: f64,
    calls: f64,
    limit: Option<f64>,
}

/// Measures rounds of each large host and prints them. Returns how many exceed their limit.
pub(crate) fn rounds(agent: &Path) -> usize {
    let mut hosts: Vec<(&str, large::Make, Option<f64>)> = Vec::new();
    hosts.extend(large::HOSTS.iter().map(|(name, make)| (*name, *make, None)));
    hosts.push(("all of these", large::everything, Some(LIMIT)));
    eprintln!(
        "{}: rounds of large hosts, for {} minutes",
        agent.display(),
        2 * ROUNDS + 2
    );
    let rounds: Vec<Round> = thread::scope(|scope| {
        let each: Vec<_> = hosts
            .into_iter()
            .map(|(host, make, limit)| {
                scope.spawn(move || {
                    let (cpu_ms, calls) = measure(agent, make);
                    Round {
                        host,
                        cpu_ms,
                        calls,
                        limit,
                    }
                })
            })
            .collect();
        each.into_iter()
            .map(|round| round.join().unwrap())
            .collect()
    });
    println!(
        "{:<24}{:>12} {:<7}{:>12}{:>14}",
        "a round of", "CPU", "ms", "limit", "system calls"
    );
    let mut over = 0;
    for round in &rounds {
        let is_over = round.limit.is_some_and(|limit| round.cpu_ms > limit);
        over += usize::from(is_over);
        let limit = round
            .limit
            .map_or("-".to_owned(), |limit| format!("{limit:.1}"));
        println!(
            "{:<24}{:>12.2} {:<7}{:>12}{:>14.1}{}",
            round.host,
            round.cpu_ms,
            "",
            limit,
            round.calls,
            if is_over { "  <- over" } else { "" }
        );
    }
    println!();
    over
}

/// Processor time in milliseconds and number of system calls of a round.
fn measure(agent: &Path, make: large::Make) -> (f64, f64) {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("host");
    fs::create_dir(&tree).unwrap();
    make(&tree);
    let bench = Bench::new(agent, &format!("host_root = \"{}\"\n", tree.display()));
    let running = bench.start();
    let pid = running.0.id();
    let has_part = |name: &str| !OTHERS.contains(&name);
    let cpu_ms = || {
        let threads = threads(pid)
            .into_iter()
            .filter(|thread| has_part(&thread.name));
        threads.map(|thread| thread.cpu_ms).sum::<f64>()
    };
    thread::sleep(WARM_UP);
    let before = cpu_ms();
    let span = Duration::from_secs(60) * ROUNDS;
    thread::sleep(span);
    let used = cpu_ms() - before;
    let others: Vec<u32> = threads(pid)
        .into_iter()
        .filter(|thread| !has_part(&thread.name))
        .map(|thread| thread.number)
        .collect();
    let calls = SystemCalls::count(pid, bench.directory.path(), span, |thread| {
        !others.contains(&thread)
    });
    let rounds = f64::from(ROUNDS);
    (
        used / rounds,
        calls.map_or(f64::NAN, |calls| calls.all) / rounds,
    )
}
