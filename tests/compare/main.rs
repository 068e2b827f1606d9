//! Compares the agent's values with those of the machine's own tools: `make compare`.
//!
//! Values that change are read before and after, and the agent's must lie between. With `GO_AGENT`
//! in the environment, the Go agent's `once` is compared field by field as well. Both have the same
//! configuration, without a cloud.
//!
//! Ends with 1 if anything differs.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the doors are the agent's; what cannot be asked ends the comparison"
)]

mod go;
mod machine;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use argh::FromArgs;
use serde_json::Value;

use machine::Machine;

/// Number of attempts: the values of a busy machine may change just in between.
const TRIES: usize = 3;

/// Compares what the agent says of this machine with what the machine says itself.
#[derive(FromArgs)]
struct Arguments {
    /// the agent
    #[argh(positional)]
    agent: PathBuf,
}

/// The compared things: how many of each kind, and what differs.
#[derive(Default)]
struct Comparison {
    equal: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl Comparison {
    /// Records one thing of a kind.
    fn note(&mut self, kind: &'static str, is_equal: bool, text: impl FnOnce() -> String) {
        if is_equal {
            *self.equal.entry(kind).or_default() += 1;
        } else {
            self.differences.push(format!("{kind}: {}", text()));
        }
    }

    fn equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        kind: &'static str,
        what: &str,
        agent: &T,
        machine: &T,
    ) {
        self.note(kind, agent == machine, || {
            format!("{what}: the agent says {agent:?}, the machine {machine:?}")
        });
    }

    /// Records whether a number lies between two others, in either order.
    fn between(&mut self, kind: &'static str, what: &str, agent: f64, machine: [f64; 2]) {
        let [low, high] = [machine[0].min(machine[1]), machine[0].max(machine[1])];
        self.note(kind, (low..=high).contains(&agent), || {
            format!("{what}: the agent says {agent}, the machine {low} to {high}")
        });
    }
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let directory = tempfile::tempdir().unwrap();
    let conf = conf(directory.path());
    let mut comparison = Comparison::default();
    for _ in 0..TRIES {
        comparison = compare(&arguments.agent, &conf);
        if comparison.differences.is_empty() {
            break;
        }
    }
    for (kind, count) in &comparison.equal {
        println!("{kind:<40} {count:>5} equal");
    }
    for difference in &comparison.differences {
        println!("{difference}");
    }
    let mut differs = !comparison.differences.is_empty();
    if let Some(go) = std::env::var_os("GO_AGENT") {
        println!();
        let differences = beside(&arguments.agent, Path::new(&go), &conf);
        differs |= differences > 0;
    }
    if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Prints the fields that differ from the Go agent's each time, and returns their number.
fn beside(agent: &Path, go: &Path, conf: &Path) -> usize {
    let mut outcome = go::compare(&once(agent, conf), &once(go, conf));
    for _ in 1..TRIES {
        if outcome.differences.is_empty() {
            break;
        }
        outcome.keep(&go::compare(&once(agent, conf), &once(go, conf)));
    }
    println!(
        "{:<40} {:>5} equal",
        "fields, of the Go agent's once",
        outcome.fields - outcome.differences.len()
    );
    for difference in outcome.differences.values() {
        println!("{difference}");
    }
    outcome.differences.len()
}

fn compare(agent: &Path, conf: &Path) -> Comparison {
    let before = Machine::now();
    let agent = once(agent, conf);
    let after = Machine::now();
    let mut comparison = Comparison::default();
    machine::compare(&mut comparison, &agent, [&before, &after]);
    comparison
}

/// Writes the configuration of every agent into `directory`.
///
/// Without a key, the Go agent ignores all of it and queries the metadata services of clouds.
fn conf(directory: &Path) -> PathBuf {
    let path = directory.join("mackerel-agent.conf");
    let root = directory.display();
    let text = format!("apikey = \"compare\"\nroot = \"{root}\"\ncloud_platform = \"none\"\n");
    fs::write(&path, text).unwrap();
    path
}

/// The output of an agent's `once`.
fn once(agent: &Path, conf: &Path) -> Value {
    // Without other variables, no setting is for one agent alone.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = Command::new(agent)
        .args(["once", "-conf"])
        .arg(conf)
        .env_clear()
        .env("PATH", path)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", agent.display()));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{}: {error}: {said}", agent.display())
    })
}
