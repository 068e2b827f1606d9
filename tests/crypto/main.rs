//! Runs Project Wycheproof's vectors through the cryptography of the agent: `make test-crypto`.
//!
//! The files that choose algorithms are the agent's own, and `cross/build TARGET vectors` compiles
//! and links them with the flags of a release, so that the code under test is what a release has.
//! Each set runs completely. Its number of vectors is part of its row, so that a set that shrinks
//! or grows fails.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test program: it prints, and a failed expectation is a panic"
)]

#[path = "../../src/sys/http/crypto.rs"]
mod crypto;
#[path = "../../src/sys/signature.rs"]
mod signature;

mod agreement;
mod cipher;
mod random;
mod verification;

use std::process::ExitCode;
use std::time::Instant;

use wycheproof::TestResult;

/// Failed vectors printed of one set.
const SHOWN: usize = 5;

/// The outcome of one set of vectors.
struct Set {
    /// The file's name in the repository of Project Wycheproof, without `_test.json`.
    name: &'static str,
    /// Vectors that the set must have.
    expected: usize,
    vectors: usize,
    failures: Vec<String>,
}

impl Set {
    fn new(name: &'static str, expected: usize) -> Set {
        Set {
            name,
            expected,
            vectors: 0,
            failures: Vec::new(),
        }
    }

    /// Counts one vector, and records a failure if the agent accepts an invalid one, or the
    /// reverse.
    ///
    /// Acceptable means legal but not used by TLS here, such as compressed points. These must be
    /// rejected.
    fn count(&mut self, id: usize, comment: &str, result: TestResult, is_accepted: bool) {
        self.expect(id, comment, result == TestResult::Valid, is_accepted);
    }

    fn expect(&mut self, id: usize, comment: &str, must_accept: bool, is_accepted: bool) {
        self.vectors += 1;
        if is_accepted != must_accept {
            let what = if is_accepted { "accepted" } else { "refused" };
            self.failures.push(format!("{id}: {what}: {comment}"));
        }
    }

    fn finish(mut self) -> Set {
        if self.vectors != self.expected {
            let text = format!("{} vectors, expected {}", self.vectors, self.expected);
            self.failures.push(text);
        }
        self
    }
}

fn main() -> ExitCode {
    let start = Instant::now();
    let mut sets = verification::sets();
    sets.extend(agreement::sets());
    sets.extend(cipher::sets());
    let mut failures = verification::untested();
    let mut count = failures.len();
    for set in &sets {
        println!("{:>5} vectors  {}", set.vectors, set.name);
        count += set.failures.len();
        failures.extend(
            set.failures
                .iter()
                .take(SHOWN)
                .map(|text| format!("{}: {text}", set.name)),
        );
    }
    for failure in &failures {
        println!("FAILED {failure}");
    }
    println!(
        "vectors: {} in {} sets, {} failures, {:.1} s",
        sets.iter().map(|set| set.vectors).sum::<usize>(),
        sets.len(),
        count,
        start.elapsed().as_secs_f64()
    );
    if !cfg!(target_env = "musl") {
        println!("key exchange fails: build this by `cross/build TARGET vectors`");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
