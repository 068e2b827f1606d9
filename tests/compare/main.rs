//! Compares what the agent says of this machine with what the machine's own tools say: `make compare`.
//!
//! What moves is asked for before and after, and has to lie between. With `GO_AGENT` in the
//! environment, the Go agent's `once` is compared field by field as well. Ends with 1 if anything
//! differs.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the doors are the agent's; what cannot be asked ends the comparison"
)]

mod go;
mod machine;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use argh::FromArgs;
use serde_json::Value;

use machine::Machine;

/// Times that the comparison is tried: a machine that is at work may change just in between.
const TRIES: usize = 3;

/// Compares what the agent says of this machine with what the machine says itself.
#[derive(FromArgs)]
struct Arguments {
    /// the agent
    #[argh(positional)]
    agent: PathBuf,
}

/// What was compared: how many things of each kind, and what differs.
#[derive(Default)]
struct Comparison {
    equal: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

impl Comparison {
    /// Notes one thing of a kind.
    fn note(&mut self, kind: &'static str, is_equal: bool, text: impl FnOnce() -> String) {
        match is_equal {
            true => *self.equal.entry(kind).or_default() += 1,
            false => self.differences.push(format!("{kind}: {}", text())),
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

    /// A number that has to lie between two others, in either order.
    fn between(&mut self, kind: &'static str, what: &str, agent: f64, machine: [f64; 2]) {
        let [low, high] = [machine[0].min(machine[1]), machine[0].max(machine[1])];
        self.note(kind, (low..=high).contains(&agent), || {
            format!("{what}: the agent says {agent}, the machine {low} to {high}")
        });
    }
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let mut comparison = Comparison::default();
    for _ in 0..TRIES {
        comparison = compare(&arguments);
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
    if let Some(other) = std::env::var_os("GO_AGENT") {
        println!();
        differs |= go::compare(&once(&arguments.agent), &once(&PathBuf::from(other)));
    }
    if differs {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn compare(arguments: &Arguments) -> Comparison {
    let before = Machine::now();
    let agent = once(&arguments.agent);
    let after = Machine::now();
    let mut comparison = Comparison::default();
    machine::compare(&mut comparison, &agent, [&before, &after]);
    comparison
}

/// What an agent prints when it is asked once, without a configuration.
fn once(agent: &std::path::Path) -> Value {
    let output = Command::new(agent)
        .args(["once", "-conf", "/nonexistent"])
        .env_remove("HOST_ROOT")
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        panic!("{}: {error}: {said}", agent.display())
    })
}
