//! The machine that plugins are installed for, and whether a program runs on it.

use std::env::consts;
use std::path::Path;
use std::time::Duration;

use crate::base::fault::Fault;
use crate::parse::elf::{Elf, MAGIC, Read};
use crate::sys::exec::{self, End, Limits, Task};
use crate::sys::uname::uname;
use crate::sys::user;

/// Time limit of a trial run. A program that runs that long has no illegal instruction at its start.
const TRIAL: Duration = Duration::from_secs(10);
/// The exit code of a program that ended by SIGILL: 128 and the signal's number.
const ILLEGAL: i32 = 128 + 4;
/// The users of a trial run that root starts. The first one that can execute the program is used.
const USERS: [&str; 2] = ["nobody", "mackerel-agent"];
/// The first ARM on which any other 32-bit program runs.
const ARMV7: u32 = 7;

/// A machine.
#[derive(Debug, PartialEq)]
pub(super) struct Machine {
    /// The name, as in this program's releases.
    name: &'static str,
    /// The name of Go, `GOARCH`, which is in the names of archives.
    pub(super) go: &'static str,
    /// The number in an ELF header.
    elf: u64,
    /// Whether addresses have 64 bits.
    is_wide: bool,
    /// Whether numbers begin with the highest byte.
    is_big: bool,
    /// The version of a 32-bit ARM; 0 for others.
    arm: u32,
}

const fn machine(name: &'static str, elf: u64, bits: u32) -> Machine {
    Machine {
        name,
        go: name,
        elf,
        is_wide: bits == 64,
        is_big: false,
        arm: 0,
    }
}

const fn arm(name: &'static str, version: u32) -> Machine {
    Machine {
        go: "arm",
        arm: version,
        ..machine(name, 40, 32)
    }
}

const fn big(machine: Machine) -> Machine {
    Machine {
        is_big: true,
        ..machine
    }
}

/// The machines of this program's releases.
static MACHINES: [Machine; 8] = [
    machine("amd64", 62, 64),
    machine("arm64", 183, 64),
    arm("armv7", 7),
    arm("armv6", 6),
    machine("386", 3, 32),
    machine("riscv64", 243, 64),
    big(machine("s390x", 22, 64)),
    machine("ppc64le", 21, 64),
];

/// What is known of a program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fit {
    Runs,
    /// It is for the architecture, but may need a later version of it.
    Unknown,
}

impl Machine {
    /// The machine of this name. Fails if the name is not in [`MACHINES`].
    pub(super) fn named(name: &str) -> Result<&'static Machine, Fault> {
        for machine in &MACHINES {
            if machine.name == name {
                return Ok(machine);
            }
        }
        let names: Vec<_> = MACHINES.iter().map(|machine| machine.name).collect();
        Err(format!("-arch: {name}; use one of {}", names.join(", ")).into())
    }

    /// This machine.
    pub(super) fn own() -> Result<&'static Machine, Fault> {
        let name = match consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" => "ppc64le",
            "arm" if uname().is_ok_and(|uname| uname.machine.starts_with("armv6")) => "armv6",
            "arm" => "armv7",
            other => other,
        };
        Machine::named(name)
    }

    /// Whether a program runs on this machine. `read` reads its file.
    ///
    /// Fails with the reason why it does not.
    pub(super) fn fits(&self, read: Read<'_>) -> Result<Fit, Fault> {
        let start = read(0, MAGIC.len()).or_else(|| read(0, 2));
        let start = start.unwrap_or_default();
        if start.starts_with(b"#!") {
            return Ok(Fit::Runs);
        }
        if start != MAGIC {
            return Err("neither an ELF program nor a script that begins with #!".into());
        }
        let elf = Elf::parse(read)?;
        let name = self.name;
        if (elf.machine, elf.is_wide, elf.is_big) != (self.elf, self.is_wide, self.is_big) {
            let same = MACHINES.iter().find(|machine| machine.elf == elf.machine);
            let bits = if elf.is_wide { 64 } else { 32 };
            let order = if elf.is_big { ", big-endian" } else { "" };
            let its = match same {
                Some(machine) => machine.go.to_owned(),
                None => format!("ELF machine {}", elf.machine),
            };
            return Err(format!(
                "wrong architecture: it is for {its} ({bits} bits{order}), not for {name}"
            )
            .into());
        }
        match elf.arm() {
            Some(arm) if arm > self.arm && self.arm > 0 => Err(format!(
                "wrong architecture: it is for ARMv{arm}, and {name} has no such instructions; \
                 ask its author for a build with GOARM=6"
            )
            .into()),
            None if self.arm > 0 && self.arm < ARMV7 => Ok(Fit::Unknown),
            _ => Ok(Fit::Runs),
        }
    }
}

/// Runs a program to find out whether this machine has its instructions. Fails if it does not, and if
/// root finds none of [`USERS`] to run it as.
pub(super) fn trial(program: &Path) -> Result<(), Fault> {
    if user::is_root() {
        trial_as(program, &USERS.map(Some))
    } else {
        trial_as(program, &[None])
    }
}

/// The same as the first one of `users` that can execute the program; `None`: as this process's user.
/// Nothing that this thread starts from then on gains rights.
fn trial_as(program: &Path, users: &[Option<&str>]) -> Result<(), Fault> {
    let mut why = String::new();
    let argv = [program.to_string_lossy().into_owned(), "--help".to_owned()];
    let (_stop, sign) = exec::stop().map_err(|error| format!("cannot try it: {error}"))?;
    user::gain_nothing();
    for &user in users {
        let task = Task {
            argv: &argv,
            user,
            env: &[],
        };
        match exec::run_bare(&task, &Limits::of(TRIAL), &sign) {
            Ok(outcome) if outcome.end == End::Exited(ILLEGAL) => {
                return Err(
                    "wrong architecture: a trial run ended by an illegal instruction; ask its \
                     author for a build with GOARM=6"
                        .into(),
                );
            }
            Ok(_) => return Ok(()),
            Err(error) => why.extend(["; as ", user.unwrap_or("this user"), ": ", error.reason()]),
        }
    }
    if users != [None] {
        why.push_str(
            "; root does not run it: add the user nobody, or name a -prefix where it can run \
             programs",
        );
    }
    Err(["cannot try it", &why].concat().into())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;
    use crate::parse::elf::sample::{Sample, read_of};

    #[test]
    fn machine_runs_its_own_programs_and_scripts() {
        let arm = |goarm: &str| Sample::arm().go(&format!("build\tGOARM={goarm}\n")).bytes();
        let amd64 = Sample::of(62, true, false)
            .go("build\tGOARCH=amd64\n")
            .bytes();
        let arm64 = Sample::of(183, true, false).bytes();
        let x32 = Sample::of(62, false, false).bytes();
        let mips = Sample::of(8, false, true).bytes();
        let s390x = Sample::of(22, true, true).bytes();
        let big = Sample::of(40, false, true).bytes();
        let other = "wrong architecture: it is for ";
        let runs = "Runs";
        // (why this row exists, file, machine, what is found, or the start of the error)
        let table = [
            (
                "a script",
                b"#!/bin/sh\n".to_vec(),
                "armv6",
                runs.to_owned(),
            ),
            ("a text", b"echo".to_vec(), "amd64", "neither an ELF".into()),
            ("empty", Vec::new(), "amd64", "neither an ELF".into()),
            (
                "cut off",
                b"\x7fELF\x02".to_vec(),
                "amd64",
                "shorter than".into(),
            ),
            ("its own", amd64.clone(), "amd64", runs.into()),
            ("its own", arm64.clone(), "arm64", runs.into()),
            (
                "of a Pi 4 on a PC",
                arm64,
                "amd64",
                format!("{other}arm64 (64 bits), not for amd64"),
            ),
            (
                "of a PC on a Pi",
                amd64,
                "armv7",
                format!("{other}amd64 (64 bits), not"),
            ),
            (
                "of 32 bits",
                arm("6"),
                "arm64",
                format!("{other}arm (32 bits), not"),
            ),
            (
                "the other class",
                x32,
                "amd64",
                format!("{other}amd64 (32 bits), not"),
            ),
            (
                "another one",
                mips,
                "armv7",
                format!("{other}ELF machine 8 (32 bits, big-endian), not"),
            ),
            ("its own, big-endian", s390x.clone(), "s390x", runs.into()),
            (
                "of a mainframe on a PC",
                s390x,
                "amd64",
                format!("{other}s390x (64 bits, big-endian), not for amd64"),
            ),
            (
                "the other order",
                big,
                "armv7",
                format!("{other}arm (32 bits, big-endian), not"),
            ),
            ("ARMv6 on ARMv6", arm("6"), "armv6", runs.into()),
            ("ARMv5 on ARMv6", arm("5"), "armv6", runs.into()),
            ("ARMv6 on ARMv7", arm("6"), "armv7", runs.into()),
            ("ARMv7 on ARMv7", arm("7"), "armv7", runs.into()),
            (
                "ARMv7 on ARMv6",
                arm("7"),
                "armv6",
                format!("{other}ARMv7, and armv6 has no"),
            ),
            (
                "C, ARMv7 on ARMv6",
                Sample::arm().attributes(10).bytes(),
                "armv6",
                format!("{other}ARMv7, and armv6 has no"),
            ),
            (
                "C, of a Pi 1",
                Sample::arm().attributes(7).bytes(),
                "armv6",
                runs.into(),
            ),
            (
                "nothing says it",
                Sample::arm().bytes(),
                "armv6",
                "Unknown".into(),
            ),
            (
                "and it does not matter",
                Sample::arm().bytes(),
                "armv7",
                runs.into(),
            ),
        ];
        for (why, bytes, name, expected) in table {
            let machine = Machine::named(name).unwrap();
            let found = match machine.fits(&read_of(&bytes)) {
                Ok(fit) => format!("{fit:?}"),
                Err(error) => error.into(),
            };
            assert!(found.starts_with(&expected), "{why}: {found}");
        }
        assert!(
            Machine::named("mips")
                .unwrap_err()
                .contains("-arch: mips; use one of amd64, arm64, armv7, armv6, 386, ")
        );
    }

    /// A directory that every user can reach, with a script for each of these lines.
    #[expect(clippy::disallowed_methods, reason = "a script that is to be tried")]
    fn scripts(lines: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let open = || fs::Permissions::from_mode(0o755);
        fs::set_permissions(&dir, open()).unwrap();
        for (at, line) in lines.iter().enumerate() {
            let path = dir.path().join(at.to_string());
            let written = path.with_extension("written");
            fs::write(&written, format!("#!/bin/sh\n{line}\n")).unwrap();
            // Copied by another process: until its program runs, a child of another test has open
            // for writing what this process writes, which cannot be executed then.
            let copied = Command::new("cp").args([&written, &path]).status();
            assert!(copied.unwrap().success());
            fs::set_permissions(&path, open()).unwrap();
        }
        dir
    }

    #[test]
    fn trial_finds_an_illegal_instruction_only() {
        // (script, part of the error)
        let table = [
            ("kill -ILL $$", "illegal instruction"),
            ("exit 3", ""),
            ("kill -SEGV $$", ""),
            ("test \"$1\" = --help || kill -ILL $$", ""),
            ("test -z \"$CARGO$HOME$GITHUB_TOKEN\" || kill -ILL $$", ""),
            ("read -r line; test -z \"$line\" || kill -ILL $$", ""),
            (
                "while read -r name value; do case $name in NoNewPrivs:) test \"$value\" = 1 || \
                 kill -ILL $$;; esac; done </proc/$$/status",
                "",
            ),
        ];
        let dir = scripts(&table.map(|(script, _)| script));
        for (at, (script, expected)) in table.into_iter().enumerate() {
            let error = trial(&dir.path().join(at.to_string()));
            let error = error.err().unwrap_or_default();
            assert!(error.contains(expected), "{script}: {error}");
            assert_eq!(error.is_empty(), expected.is_empty(), "{script}: {error}");
        }
    }

    #[test]
    fn trial_of_root_has_no_rights_of_root() {
        fake_server::require!(user::is_root(), "only root can become another user");
        let is_other = "test \"$(id -u)\" -gt 0 && test \"$(id -g)\" -gt 0 || kill -ILL $$";
        let dir = scripts(&[is_other]);
        let path = dir.path().join("0");
        trial(&path).unwrap();
        trial_as(&path, &[Some("no such user"), Some("nobody")]).unwrap();
        trial_as(&path, &[None]).unwrap_err();
        // (why this row exists, mode of the directory, users, part of the error)
        let table: [(_, _, &[Option<&str>], _); 2] = [
            (
                "no account",
                0o755,
                &[Some("no such user")],
                "cannot try it; as no such user: user no such user is not in /etc/passwd",
            ),
            (
                "out of reach",
                0o700,
                &USERS.map(Some),
                "0: permission denied; as mackerel-agent: ",
            ),
        ];
        for (why, mode, users, expected) in table {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            let error = trial_as(&path, users).unwrap_err();
            assert!(error.contains(expected), "{why}: {}", &*error);
            assert!(
                error.contains("; root does not run it: add "),
                "{why}: {}",
                &*error
            );
        }
    }
}
