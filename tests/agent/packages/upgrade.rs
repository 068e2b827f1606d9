//! `upgrade`: which releases replace the program, and which do not.

mod failures;
mod server;

use std::fs;
use std::path::PathBuf;

use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::packages::install::{everything, host, key_file, run};
use crate::sandbox::{Sandbox, is_emulated};

/// The seed of a signing key that only these tests use.
const SEED: [u8; 32] = [7; 32];
const NEWER: &str = "99.0.0";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of the program in a release.
fn names() -> Vec<String> {
    let archs = [std::env::consts::ARCH, "amd64", "arm64", "armv7", "armv6"];
    archs
        .map(|arch| format!("mackerel-agent_linux_{arch}"))
        .into()
}

/// A program that prints this version.
fn program(version: &str) -> String {
    format!("#!/bin/sh\necho 'mackerel-agent version {version} (rev x) [linux] '\n")
}

/// The date in UTC, this number of days from now.
fn day(from_now: i64) -> String {
    let then = format!("@{}", seconds(from_now));
    let output = std::process::Command::new("date")
        .args(["-u", "-d", &then, "+%Y-%m-%d"])
        .output();
    String::from_utf8(output.unwrap().stdout)
        .unwrap()
        .trim()
        .to_owned()
}

/// The time in seconds since 1970, this number of days from now.
fn seconds(from_now: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(now.unwrap().as_secs()).unwrap() + from_now * 86_400
}

/// Writes a valid release of this program with this version.
fn release(sandbox: &Sandbox, version: &str, program: &str) {
    let days = format!("issued {}\nexpires {}\n", day(-1), day(30));
    release_of(sandbox, version, program, &days);
}

/// Writes a release with these lines about its validity.
fn release_of(sandbox: &Sandbox, version: &str, program: &str, days: &str) {
    let mut text = format!("mackerel-agent {version}\n{days}");
    for name in names() {
        sandbox.write(&format!("release/{name}"), program);
        let sum = hex(digest(&SHA256, program.as_bytes()).as_ref());
        text.push_str(&format!("{sum}  {name}\n"));
    }
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let signature = hex(pair.sign(text.as_bytes()).as_ref());
    sandbox.write(
        "release/manifest",
        &format!("{text}signature {signature}\n"),
    );
    sandbox.write(
        "release.pub",
        &format!("{}\n", hex(pair.public_key().as_ref())),
    );
}

fn flags(sandbox: &Sandbox) -> [String; 2] {
    ["-from=release", "-key=release.pub"].map(|flag| {
        let (name, file) = flag.split_once('=').unwrap();
        format!("{name}={}", sandbox.path(file).display())
    })
}

/// The record of failed upgrades, which `failures` is about.
const FAILED: &str = "host/usr/lib/mackerel-agent/failed";

/// Everything below `host/` but that record.
fn all_else(sandbox: &Sandbox) -> Vec<(PathBuf, u32, Vec<u8>)> {
    let mut all = everything(sandbox);
    all.retain(|(path, ..)| *path != sandbox.path(FAILED));
    all
}

fn installed() -> Sandbox {
    let sandbox = host("bin/systemctl");
    let key = key_file(&sandbox);
    let finished = run(&sandbox, "install", &[&key]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    sandbox
}

#[test]
fn a_newer_release_takes_the_place_of_the_program() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    let sandbox = installed();
    release(&sandbox, NEWER, &program(NEWER));
    let flags = flags(&sandbox);
    let flags = [&*flags[0], &*flags[1]];
    let before = everything(&sandbox);
    let finished = run(&sandbox, "upgrade", &[&flags[..], &["-dry-run"]].concat());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished
            .stdout
            .contains("write /usr/bin/mackerel-agent (0755 root:root)\n")
    );
    assert_eq!(everything(&sandbox), before);

    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let path = "host/usr/bin/mackerel-agent";
    assert_eq!(sandbox.content(path), program(NEWER));
    let after = everything(&sandbox);
    assert_eq!(after.len(), before.len(), "nothing is left lying about");

    // An upgrade that a power loss has ended.
    sandbox.write("host/usr/lib/mackerel-agent/run.list", "");
    sandbox.write("host/usr/lib/mackerel-agent/run/usr/bin/mackerel-agent", "");
    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, "99.0.0 is installed and is the newest\n");
    assert_eq!(everything(&sandbox), after, "the host is never retired");
    release(&sandbox, "98.0.0", &program("98.0.0"));
    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished
            .stderr
            .contains("98.0.0, which is older than 99.0.0")
    );
    assert_eq!(all_else(&sandbox), after);
}

#[test]
fn what_is_not_right_is_not_installed() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    // (fault of the release, expected message)
    type Spoil = fn(&Sandbox);
    let edit = |sandbox: &Sandbox, name: &str, from: &str, to: &str| {
        let text = sandbox.content(name);
        assert!(text.contains(from));
        sandbox.write(name, &text.replace(from, to));
    };
    let table: [(Spoil, &str); 9] = [
        (
            |s| {
                let text = "mackerel-agent 99.0.0\nissued 2026-11-28\nexpires 2027-05-27\n";
                drop(s.write("release/manifest", text));
            },
            "manifest: no signature in",
        ),
        (
            |s| drop(s.write("release.pub", &"0".repeat(64))),
            "not signed with the key",
        ),
        (
            |s| drop(s.write("release.pub", "abc")),
            "is not of 64 hexadecimal digits",
        ),
        (|s| fs::remove_dir_all(s.path("release")).unwrap(), "read "),
        (
            |s| {
                names()
                    .iter()
                    .for_each(|name| drop(s.write(&format!("release/{name}"), "other")))
            },
            "is not the file of the manifest: its SHA-256 is another",
        ),
        (
            |s| {
                names()
                    .iter()
                    .for_each(|name| fs::remove_file(s.path("release").join(name)).unwrap())
            },
            "read ",
        ),
        (
            |s| release(s, NEWER, &program("98.0.0")),
            "says that it is 98.0.0, not 99.0.0",
        ),
        (
            |s| release(s, NEWER, "#!/bin/sh\nexit 1\n"),
            "version ends with 1",
        ),
        (
            |s| release(s, NEWER, "\x7fELF of another machine"),
            "exec format error",
        ),
    ];
    let sandbox = installed();
    let flags = flags(&sandbox);
    let before = everything(&sandbox);
    let spoilt = |spoil: &dyn Fn(&Sandbox), expected: &str| {
        release(&sandbox, NEWER, &program(NEWER));
        spoil(&sandbox);
        let finished = run(&sandbox, "upgrade", &[&flags[0], &flags[1]]);
        assert_eq!(finished.code, Some(1), "{expected}");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
        assert_eq!(all_else(&sandbox), before, "{expected}");
    };
    for (spoil, expected) in table {
        spoilt(&spoil, expected);
    }
    spoilt(
        &|sandbox| edit(sandbox, "release/manifest", "99.0.0", "99.0.1"),
        "not signed with the key",
    );
}

#[test]
fn a_release_that_is_not_valid_now_is_not_installed() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    let sandbox = installed();
    let flags = flags(&sandbox);
    let flags = [&*flags[0], &*flags[1]];
    // The version that is installed from here on.
    release(&sandbox, "98.0.0", &program("98.0.0"));
    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let before = everything(&sandbox);
    let valid = |from: i64, to: i64| format!("issued {}\nexpires {}\n", day(from), day(to));
    // (why this row exists, version, lines about the validity, expected message)
    let table = [
        (
            "it expired yesterday",
            NEWER,
            valid(-100, -1),
            "manifest: expired on ",
        ),
        (
            "it expired years ago",
            NEWER,
            valid(-3_000, -1_000),
            "manifest: expired on ",
        ),
        (
            "what is installed is served again for ever",
            "98.0.0",
            valid(-100, -1),
            "manifest: expired on ",
        ),
        (
            "so is what was before it",
            "97.0.0",
            valid(-100, -1),
            "manifest: expired on ",
        ),
        (
            "it is of the future: this host's clock is late",
            NEWER,
            valid(3, 100),
            "set this host's clock",
        ),
        (
            "this host's clock is very late",
            NEWER,
            valid(20_000, 20_100),
            "set this host's clock",
        ),
        (
            "it never expires",
            NEWER,
            String::new(),
            "manifest: no day of issue in",
        ),
        (
            "it never expires, but has a day",
            NEWER,
            format!("issued {}\n", day(-1)),
            "manifest: no expiry date in",
        ),
        (
            "its days are no days",
            NEWER,
            "issued 2026-11-28\nexpires never\n".to_owned(),
            "manifest: no expiry date in",
        ),
        (
            "it expires before it is issued",
            NEWER,
            valid(0, -1),
            "manifest: expired on ",
        ),
    ];
    for (why, version, days, expected) in table {
        release_of(&sandbox, version, &program(version), &days);
        let finished = run(&sandbox, "upgrade", &flags);
        assert_eq!(finished.code, Some(1), "{why}: {}", finished.stdout);
        assert!(
            finished.stderr.contains(expected),
            "{why}: {}",
            finished.stderr
        );
        assert_eq!(all_else(&sandbox), before, "{why}");
    }
    // The dates themselves are signed.
    let expiry = day(-1);
    let days = format!("issued {}\nexpires {expiry}\n", day(-100));
    release_of(&sandbox, NEWER, &program(NEWER), &days);
    let text = sandbox
        .content("release/manifest")
        .replace(&expiry, &day(100));
    sandbox.write("release/manifest", &text);
    let finished = run(&sandbox, "upgrade", &flags);
    assert!(
        finished.stderr.contains("not signed with the key"),
        "{}",
        finished.stderr
    );
    assert_eq!(all_else(&sandbox), before);
    // (why this row exists, first and last day, as days from today)
    let table = [
        ("the first and last day is today", 0, 0),
        ("it was signed where tomorrow has begun", 1, 2),
    ];
    for (at, (why, first, last)) in table.into_iter().enumerate() {
        let version = format!("99.0.{at}");
        let finished = loop {
            let today = day(0);
            release_of(&sandbox, &version, &program(&version), &valid(first, last));
            let finished = run(&sandbox, "upgrade", &flags);
            // At midnight another day begins meanwhile.
            if day(0) == today {
                break finished;
            }
        };
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let sandbox = host("bin/systemctl");
    release(&sandbox, NEWER, &program(NEWER));
    let flags = flags(&sandbox);
    let no_install = "not one of mackerel-agent install";
    // A key or address that is built into a release is not asked for.
    let asked = |built_in: Option<&str>, what| if built_in.is_some() { no_install } else { what };
    let (key, releases) = (
        option_env!("MACKEREL_AGENT_RELEASE_KEY"),
        option_env!("MACKEREL_AGENT_RELEASES"),
    );
    // (flags, expected message)
    let table: [(&[&str], &str); 3] = [
        (&[], asked(key, "name its file with -key")),
        (
            &[&flags[1]],
            asked(releases, "name a directory or a URL with -from"),
        ),
        (&[&flags[0], &flags[1]], no_install),
    ];
    for (flags, expected) in table {
        let finished = run(&sandbox, "upgrade", flags);
        assert_eq!(finished.code, Some(1), "{expected}");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}
