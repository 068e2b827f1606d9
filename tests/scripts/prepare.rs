//! The preparation of a machine for building: which Rust is used, and what is installed.

use super::{Programs, Said};

/// Makes a cargo and a rustc of a version below `place`.
fn rust(programs: &Programs, place: &str, version: &str) {
    for name in ["cargo", "rustc"] {
        let line = format!("echo '{name} {version} (0a1b2c3d4 2026-01-01)'");
        programs.make(&format!("{place}/{name}"), &line);
    }
}

/// Makes a rustup in `place` with these toolchains, and a cargo and a rustc that select one.
fn rustup(programs: &Programs, place: &str, toolchains: &[&str]) {
    let list = toolchains.join("\n");
    programs.make(
        &format!("{place}/rustup"),
        &format!(
            "case $1,$2 in toolchain,list) echo '{list}' ;; *) echo \"rustup $*\"; exit 1 ;; esac"
        ),
    );
    for name in ["cargo", "rustc"] {
        // The first word of a toolchain's name is its version. The last one marks the default.
        let line = format!(
            "toolchain=${{RUSTUP_TOOLCHAIN:-$(echo '{list}' | sed -n 's/ (default)//p')}}\n\
             [ -n \"$toolchain\" ] || {{ echo 'error: no default toolchain' >&2; exit 1; }}\n\
             echo '{list}' | grep -q \"^$toolchain\" || {{ echo 'error: not installed' >&2; exit 1; }}\n\
             version=${{toolchain%%-*}}\n\
             [ \"$version\" != stable ] || version=1.97.0\n\
             echo \"{name} $version (0a1b2c3d4 2026-01-01)\""
        );
        programs.make(&format!("{place}/{name}"), &line);
    }
}

/// The version that cross/cargo starts.
fn used(programs: &Programs, places: &str) -> Said {
    let top = programs.path("").display().to_string();
    let places = places.replace("TOP", top.trim_end_matches('/'));
    programs.run(&["cross/cargo", "--version"], &[("RUST_PLACES", &places)])
}

#[test]
fn rust_is_the_first_one_that_is_new_enough() {
    // (why, what is installed, where else to look, what is used or printed)
    type Make = fn(&Programs);
    let table: [(&str, Make, &str, &str); 12] = [
        (
            "what is first in PATH is taken",
            |p| rust(p, "bin", "1.95.0"),
            "",
            "cargo 1.95.0 ",
        ),
        (
            "though another one is newer",
            |p| {
                rust(p, "bin", "1.95.1");
                rust(p, "other", "1.96.0");
            },
            "TOP/other",
            "cargo 1.95.1 ",
        ),
        (
            "numbers are compared, not texts",
            |p| rust(p, "bin", "1.100.0"),
            "",
            "cargo 1.100.0 ",
        ),
        (
            "an older one is passed over",
            |p| {
                rust(p, "bin", "1.63.0");
                rust(p, "other", "1.96.0");
            },
            "TOP/other",
            "cargo 1.96.0 ",
        ),
        (
            "a new cargo is of no use beside an old rustc",
            |p| {
                rust(p, "bin", "1.96.0");
                p.make("bin/rustc", "echo 'rustc 1.85.1 (4eb161250 2025-03-15)'");
                rust(p, "other", "1.96.1");
            },
            "TOP/other",
            "cargo 1.96.1 ",
        ),
        (
            "nor is one without rustc",
            |p| {
                p.make("bin/cargo", "echo 'cargo 1.96.0'");
                rust(p, "other", "1.96.1");
            },
            "TOP/other",
            "cargo 1.96.1 ",
        ),
        (
            "nor one that does not run",
            |p| {
                rust(p, "bin", "1.96.0");
                p.make("bin/rustc", "exit 1");
                rust(p, "other", "1.96.1");
            },
            "TOP/other",
            "cargo 1.96.1 ",
        ),
        (
            "the default toolchain of rustup is old, the release's is there",
            |p| rustup(p, "bin", &["1.80.0-x86_64 (default)", "1.95.0-x86_64"]),
            "TOP/bin",
            "cargo 1.95.0 ",
        ),
        (
            "or another one that is new enough",
            |p| rustup(p, "bin", &["1.80.0-x86_64 (default)", "stable-x86_64"]),
            "TOP/bin",
            "cargo 1.97.0 ",
        ),
        (
            "rustup without any toolchain, and Debian's",
            |p| {
                rustup(p, "bin", &[]);
                rust(p, "other", "1.96.0");
            },
            "TOP/bin TOP/other",
            "cargo 1.96.0 ",
        ),
        (
            "nothing is new enough",
            |p| rust(p, "bin", "1.63.0"),
            "TOP/other",
            "/bin/cargo 1.63.0); run make setup",
        ),
        (
            "there is none",
            |_| {},
            "TOP/other",
            "cargo: no Rust 1.95 or later; run make setup",
        ),
    ];
    for (why, make, places, expected) in table {
        let programs = Programs::new();
        make(&programs);
        let said = used(&programs, places);
        assert!(said.text.contains(expected), "{why}: {}", said.text);
        assert_eq!(
            said.code == Some(0),
            expected.starts_with("cargo 1"),
            "{why}"
        );
    }
}

#[test]
fn rust_needed_is_that_of_the_manifest() {
    let manifest = include_str!("../../Cargo.toml");
    let script = include_str!("../../cross/rust");
    let found = script
        .lines()
        .find_map(|line| line.strip_prefix("RUST_NEEDED="));
    let expected = format!("rust-version = \"{}\"", found.unwrap());
    assert!(manifest.contains(&expected), "{expected}");
}

/// An apt-get that records its arguments and prints `plan`.
fn apt(programs: &Programs, plan: &str) {
    let log = programs.path("log");
    programs.make(
        "bin/apt-get",
        &format!(
            "case \"$*\" in *\\ -s\\ *) {plan} ;; *) echo \"$*\" >>{} ;; esac",
            log.display()
        ),
    );
}

/// The recorded arguments of apt-get.
fn asked(programs: &Programs) -> String {
    std::fs::read_to_string(programs.path("log")).unwrap_or_default()
}

const UPDATE: &str = "update -qq\n";
const INSTALL: &str = "update -qq\ninstall -qqy --no-install-recommends gcc rustc-web\n";

#[test]
fn apt_installs_or_says_what_is_missing() {
    type Make = fn(&Programs);
    let root = "echo 0";
    let user = "echo 1000";
    // (why, user, what is installed, arguments of apt-get, expected message)
    let table: [(&str, &str, Make, &str, &str); 10] = [
        (
            "root installs",
            root,
            |p| apt(p, ":"),
            INSTALL,
            "installing gcc rustc-web",
        ),
        (
            "a user does by sudo",
            user,
            |p| {
                apt(p, ":");
                p.make("bin/sudo", "[ \"$1\" != -n ] || shift\nexec \"$@\"");
                p.make("bin/true", "exit 0");
            },
            INSTALL,
            "installing gcc rustc-web",
        ),
        (
            "without sudo a user cannot",
            user,
            |p| apt(p, ":"),
            "",
            "missing: gcc rustc-web; this user is not root, and there is no sudo; as root: apt-get install",
        ),
        (
            "nor where sudo asks for a password that nobody can type",
            user,
            |p| {
                apt(p, ":");
                p.make(
                    "bin/sudo",
                    "echo 'sudo: a password is required' >&2; exit 1",
                );
            },
            "",
            "sudo asks for a password, and there is no terminal; as root: apt-get install",
        ),
        (
            "nor on another distribution",
            root,
            |_| {},
            "",
            "missing: gcc rustc-web; install them (the names are Debian's; there is no apt-get here); Rust 1.95",
        ),
        (
            "an old Rust of Debian goes",
            root,
            |p| {
                apt(
                    p,
                    "printf 'Remv cargo [0.66]\\nRemv rustc [1.63]\\nRemv libstd-rust-dev [1.63]\\nInst gcc\\n'",
                )
            },
            INSTALL,
            "installing gcc",
        ),
        (
            "nothing else does",
            root,
            |p| apt(p, "printf 'Remv rustup [1.27]\\nInst gcc\\n'"),
            UPDATE,
            "gcc rustc-web would take the place of rustup : remove them first",
        ),
        (
            "a package that is not to be had",
            root,
            |p| apt(p, "echo 'E: Unable to locate package rustc-web'; exit 100"),
            UPDATE,
            "E: Unable to locate package rustc-web\nsetup: apt-get cannot install gcc rustc-web",
        ),
        (
            "no network",
            root,
            |p| p.make("bin/apt-get", "echo 'E: no network' >&2; exit 100"),
            "",
            "E: no network\nsetup: apt-get update has failed: check the network",
        ),
        (
            "a full disk",
            root,
            |p| {
                p.make(
                    "bin/apt-get",
                    "case $1 in update) ;; install) case $2 in -s) ;; *) exit 100 ;; esac ;; esac",
                )
            },
            "",
            "apt-get has failed to install gcc rustc-web",
        ),
    ];
    for (why, id, make, expected, text) in table {
        let programs = Programs::new();
        programs.make("bin/id", id);
        make(&programs);
        let said = programs.run(&["cross/apt", "gcc", "rustc-web"], &[]);
        assert!(said.text.contains(text), "{why}: {}", said.text);
        assert_eq!(asked(&programs), expected, "{why}");
        assert_eq!(
            said.code == Some(0),
            expected == INSTALL,
            "{why}: {}",
            said.text
        );
    }
}

#[test]
fn setup_installs_what_each_work_takes() {
    let install = |packages: &str| format!("install -qqy --no-install-recommends {packages}\n");
    // (work, packages)
    let table = [
        ("", "gcc libc6-dev rustc-web cargo-web"),
        ("run", "gcc libc6-dev python3-minimal rustc-web cargo-web"),
        (
            "test",
            "gcc libc6-dev python3-minimal curl wget iproute2 util-linux rustc-web cargo-web",
        ),
        ("bench", "gcc libc6-dev strace rustc-web cargo-web"),
        ("compare", "gcc libc6-dev iproute2 rustc-web cargo-web"),
    ];
    for (work, packages) in table {
        let programs = Programs::new();
        programs.make("bin/id", "echo 0");
        apt(&programs, ":");
        let mut words = vec!["tests/setup"];
        words.extend(work.split_ascii_whitespace());
        let said = programs.run(&words, &[("RUST_PLACES", "/nonexistent")]);
        assert!(
            asked(&programs).ends_with(&install(packages)),
            "{work}: {}",
            asked(&programs)
        );
        // Packages that apt-get has installed are checked again.
        assert!(
            said.text
                .contains("no Rust is here, and 1.95 or later is needed"),
            "{}",
            said.text
        );
        assert_eq!(said.code, Some(1));
    }
}

#[test]
fn setup_is_quiet_where_all_is_there_and_refuses_what_is_old() {
    type Make = fn(&Programs);
    // (why, what else is installed, exit code, expected message)
    let table: [(&str, Make, i32, &str); 4] = [
        ("all is there", |_| {}, 0, ""),
        (
            "another Rust is used",
            |p| {
                rust(p, "bin", "1.63.0");
                rust(p, "other", "1.96.0");
            },
            0,
            "/bin/cargo 1.63.0 is too old (1.95 or later is needed): using ",
        ),
        (
            "Python is old",
            |p| {
                p.make(
                    "bin/python3",
                    "[ \"$1\" != --version ] || echo Python 3.7.3; [ \"$1\" = --version ]",
                )
            },
            1,
            "Python 3.7.3 is too old: 3.9 or later is needed",
        ),
        (
            "rustup has none, and fails",
            |p| {
                rustup(p, "bin", &[]);
                p.make("bin/id", "echo 0");
            },
            1,
            "setup: rustup cannot install Rust 1.95.0\nsetup: missing: rustc-web cargo-web; install them",
        ),
    ];
    for (why, make, code, expected) in table {
        let programs = Programs::new();
        for name in ["cc", "python3", "curl", "wget", "ip", "unshare"] {
            programs.make(&format!("bin/{name}"), "exit 0");
        }
        rust(&programs, "bin", "1.95.0");
        make(&programs);
        let other = programs.path("other").display().to_string();
        let said = programs.run(&["tests/setup", "run", "test"], &[("RUST_PLACES", &other)]);
        assert_eq!(said.code, Some(code), "{why}: {}", said.text);
        assert!(said.text.contains(expected), "{why}: {}", said.text);
        assert!(
            !expected.is_empty() || said.text.is_empty(),
            "{why}: {}",
            said.text
        );
    }
}
