//! Tests of the shell scripts, each with a directory of programs made for it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the doors are the agent's; a failed expectation is a panic here"
)]

mod install;
mod page;
mod prepare;
mod release;
mod repository;
mod services;
mod units;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The directory of this project.
const TOP: &str = env!("CARGO_MANIFEST_DIR");
/// Programs that every script may use.
const COMMON: [&str; 23] = [
    "awk",
    "basename",
    "cat",
    "chmod",
    "cmp",
    "cp",
    "cut",
    "dirname",
    "env",
    "grep",
    "head",
    "ls",
    "mkdir",
    "mktemp",
    "mv",
    "printf",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sha256sum",
    "sort",
    "tr",
];

/// A directory of programs, the only one in a script's `PATH`.
struct Programs {
    directory: tempfile::TempDir,
}

/// The exit code of a script and its output: stdout with stderr, and stdout alone.
struct Said {
    code: Option<i32>,
    text: String,
    stdout: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code(),
            text: text(&output.stdout) + &text(&output.stderr),
            stdout: text(&output.stdout),
        }
    }
}

impl Programs {
    /// A directory with the programs of [`COMMON`].
    fn new() -> Programs {
        let programs = Programs {
            directory: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(programs.path("bin")).unwrap();
        for name in COMMON {
            let places = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(name));
            let program = places
                .iter()
                .find(|place| place.exists())
                .unwrap_or_else(|| panic!("{name} is not installed"));
            symlink(program, programs.path("bin").join(name)).unwrap();
        }
        programs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a program from these lines of shell.
    fn make(&self, path: &str, lines: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = self.path("text");
        fs::write(&text, format!("#!/bin/sh\n{lines}\n")).unwrap();
        // Not written by this process: a child of another test could have the file open for writing
        // until it executes its program, and a file that is open for writing cannot be executed.
        let copied = Command::new("cp").args([&text, &path]).status().unwrap();
        assert!(copied.success());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a command with these programs only and without a terminal, in the directory of this
    /// project.
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .current_dir(TOP)
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("HOME", self.directory.path())
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command.output().unwrap().into()
    }
}
