//! Feeds every parser damaged input, the same for the same seed: `make fuzz`.
//!
//! An input passes if its target returns within [`PATIENCE`] and [`MEMORY`]. Otherwise it is
//! written to a file, and the run ends with 1. An input that kills the whole process (by a stack
//! overflow) is left in that file too if `--keep` is given.
//!
//! With `--cfg fuzzing` the same targets are run by libFuzzer, which is guided by the coverage of
//! an input: `make fuzz-coverage`. Inputs worth keeping are in `fuzz/corpus`.

#![cfg_attr(fuzzing, no_main)]
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    dead_code,
    unfulfilled_lint_expectations,
    unused_imports,
    reason = "a tool: it asks for time and files itself, and includes more than it calls"
)]

#[path = "../src/base/mod.rs"]
mod base;
#[path = "../src/config/mod.rs"]
mod config;
#[path = "../src/parse/mod.rs"]
mod parse;
#[path = "../src/settings/mod.rs"]
mod settings;
#[path = "../src/sys/mod.rs"]
mod sys;
#[path = "../src/wire/mod.rs"]
mod wire;

/// Parsers of the API's answers and of the spool's records.
#[path = "../src/deliver"]
mod deliver {
    // rustfmt does not find the tests of an included file.
    #[rustfmt::skip]
    pub(crate) mod api;
    mod failed_step;
    pub(crate) mod record;
}

/// The parser of the installation record, and the modules that it needs.
#[path = "../src/install"]
mod install {
    mod account;
    mod command;
    mod layout;
    mod record;
    mod service;
    mod step;

    pub(crate) fn read(text: &str) {
        drop(record::Record::read(text));
    }
}

/// The reader of plugins' archives.
#[path = "../src/plugin_install"]
mod plugin_install {
    mod archive;

    /// Reads every entry whose content is one.
    pub(crate) fn unpack(bytes: &[u8]) {
        drop(archive::unpack(bytes, &mut |entry| {
            while entry.content.read(&mut [0; 4096])? > 0 {}
            Ok(())
        }));
    }
}

mod answers;
#[cfg(fuzzing)]
mod coverage;
mod disk;
#[path = "../src/parse/elf/sample.rs"]
mod elf_sample;
mod h2;
mod memory;
mod mutate;
mod plugins;
mod targets;

use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use argh::FromArgs;

use mutate::Mutator;
use targets::Target;

/// Time limit for one input. None needs a thousandth of it.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of memory that one input may take.
const MEMORY: usize = 16 << 20;
/// Inputs between two checks of the clock.
const STRIDE: u64 = 64;

/// Feeds every parser damaged input.
#[derive(FromArgs)]
struct Arguments {
    /// seconds for each target (10)
    #[argh(option, default = "10")]
    seconds: u64,
    /// inputs for each target, however long they take
    #[argh(option)]
    inputs: Option<u64>,
    /// what the inputs are made from (1)
    #[argh(option, default = "1")]
    seed: u64,
    /// where an input that fails is written (target/fuzz)
    #[argh(option, default = "PathBuf::from(\"target/fuzz\")")]
    out: PathBuf,
    /// try each file of fuzz/corpus once, and nothing else
    #[argh(switch)]
    replay: bool,
    /// write what the inputs are made from below this directory, for libFuzzer, and nothing else
    #[argh(option)]
    seeds: Option<PathBuf>,
    /// write every input before it is tried
    #[argh(switch)]
    keep: bool,
    /// the targets to run; all if none is named
    #[argh(positional)]
    names: Vec<String>,
}

/// The result of one target.
struct Done {
    inputs: u64,
    bytes: u64,
    /// The most bytes that the program held for one input.
    peak: usize,
    time: Duration,
}

#[cfg(not(fuzzing))]
fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let chosen = targets::all().into_iter().filter(|target| {
        arguments.names.is_empty() || arguments.names.iter().any(|name| name == target.name)
    });
    if let Some(top) = &arguments.seeds {
        chosen.for_each(|target| target.write_seeds(top));
        return ExitCode::SUCCESS;
    }
    fs::create_dir_all(&arguments.out).unwrap();
    if !arguments.replay {
        println!("seed {}", arguments.seed);
    }
    for target in chosen {
        let name = target.name;
        match run(target, &arguments) {
            Ok(done) => println!(
                "{name:<16} {:>9} inputs  {:>6} MB  at most {:>6} kB held  {:>6.1} s  no finding",
                done.inputs,
                done.bytes >> 20,
                done.peak >> 10,
                done.time.as_secs_f64()
            ),
            Err(finding) => {
                println!("{name:<16} {finding}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn run(mut target: Target, arguments: &Arguments) -> Result<Done, String> {
    let file = arguments.out.join(target.name);
    let current = Arc::<Mutex<Vec<u8>>>::default();
    let (alive, heard) = mpsc::channel();
    let watched = Arc::clone(&current);
    let place = file.clone();
    thread::spawn(move || {
        loop {
            match heard.recv_timeout(PATIENCE) {
                Ok(()) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    write(&place, &watched.lock().unwrap());
                    println!("hangs on {}", place.display());
                    process::exit(1);
                }
            }
        }
    });
    let mut kept = target.kept();
    let corpus = [target.corpus, kept.clone()].concat();
    let mut mutator = Mutator::new(arguments.seed, target.name, corpus, target.pieces);
    let begin = Instant::now();
    let mut done = Done {
        inputs: 0,
        bytes: 0,
        peak: 0,
        time: Duration::ZERO,
    };
    loop {
        // Inputs that were found before come first.
        let kept = kept.pop();
        if kept.is_none() && (arguments.replay || done.inputs.is_multiple_of(STRIDE)) {
            done.time = begin.elapsed();
            let is_enough = match arguments.inputs {
                _ if arguments.replay => true,
                Some(inputs) => done.inputs >= inputs,
                None => done.time.as_secs() >= arguments.seconds,
            };
            if is_enough {
                return Ok(done);
            }
        }
        let input = kept.unwrap_or_else(|| mutator.next());
        if arguments.keep {
            write(&file, &input);
        }
        current.lock().unwrap().clone_from(&input);
        // The watcher ends only when this sender is dropped.
        alive.send(()).unwrap();
        memory::begin();
        let tried = panic::catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
        let peak = memory::peak();
        if tried.is_err() || peak > MEMORY {
            write(&file, &input);
            let why = if tried.is_err() {
                "panics"
            } else {
                "takes too much memory"
            };
            return Err(format!(
                "{why} on {} (input {})",
                file.display(),
                done.inputs
            ));
        }
        done.inputs += 1;
        done.bytes += input.len() as u64;
        done.peak = done.peak.max(peak);
    }
}

fn write(path: &Path, input: &[u8]) {
    fs::write(path, input).unwrap();
}
