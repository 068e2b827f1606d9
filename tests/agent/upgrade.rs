//! `upgrade`: what is put in the place of the program, and what is not.

use std::fs;

use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::install::{everything, host, key_file, run};
use crate::process::Finished;
use crate::sandbox::{Sandbox, is_emulated, limit};
use crate::standin::{Act, Answer, Rule, Standin};

/// Of a key that belongs to these tests alone.
const SEED: [u8; 32] = [7; 32];
const NEWER: &str = "99.0.0";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The names of the program that releases have.
fn names() -> Vec<String> {
    let archs = [std::env::consts::ARCH, "amd64", "arm64", "armv7", "armv6"];
    archs
        .map(|arch| format!("mackerel-agent_linux_{arch}"))
        .into()
}

/// A program that says it is of this version.
fn program(version: &str) -> String {
    format!("#!/bin/sh\necho 'mackerel-agent version {version} (rev x) [linux] '\n")
}

/// A release of this program, which is said to be of `version`.
fn release(sandbox: &Sandbox, version: &str, program: &str) {
    let mut text = format!("mackerel-agent {version}\n");
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

fn installed() -> Sandbox {
    let sandbox = host("bin/systemctl");
    let key = key_file(&sandbox);
    let finished = run(&sandbox, "install", &[&key]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    sandbox
}

#[test]
fn a_newer_release_takes_the_place_of_the_program() {
    if is_emulated() {
        return; // The program is asked for its version, which the emulator would have to be.
    }
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

    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stdout, "99.0.0 is installed and is the newest\n");
    release(&sandbox, "98.0.0", &program("98.0.0"));
    let finished = run(&sandbox, "upgrade", &flags);
    assert_eq!(finished.code, Some(1));
    assert!(
        finished
            .stderr
            .contains("98.0.0, which is older than 99.0.0")
    );
    assert_eq!(everything(&sandbox), after);
}

#[test]
fn what_is_not_right_is_not_installed() {
    if is_emulated() {
        return;
    }
    // (how the release is spoilt, what is said)
    type Spoil = fn(&Sandbox);
    let edit = |sandbox: &Sandbox, name: &str, from: &str, to: &str| {
        let text = sandbox.content(name);
        assert!(text.contains(from));
        sandbox.write(name, &text.replace(from, to));
    };
    let table: [(Spoil, &str); 9] = [
        (
            |s| drop(s.write("release/manifest", "mackerel-agent 99.0.0\n")),
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
        assert_eq!(everything(&sandbox), before, "{expected}");
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
fn what_is_missing_is_asked_for() {
    let sandbox = host("bin/systemctl");
    release(&sandbox, NEWER, &program(NEWER));
    let flags = flags(&sandbox);
    let no_install = "not one of mackerel-agent install";
    // What a release has built in is not asked for.
    let asked = |built_in: Option<&str>, what| if built_in.is_some() { no_install } else { what };
    let (key, releases) = (
        option_env!("MACKEREL_AGENT_RELEASE_KEY"),
        option_env!("MACKEREL_AGENT_RELEASES"),
    );
    // (flags, what is said)
    let table: [(&[&str], &str); 3] = [
        (&[], asked(key, "-key names a file")),
        (
            &[&flags[1]],
            asked(releases, "-from gives a directory or a URL"),
        ),
        (&[&flags[0], &flags[1]], no_install),
    ];
    for (flags, expected) in table {
        let finished = run(&sandbox, "upgrade", flags);
        assert_eq!(finished.code, Some(1), "{expected}");
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
}

/// A server of releases by TLS and, under another name, one that has the files, as GitHub has them.
struct Servers {
    releases: Standin,
    files: Standin,
    sandbox: Sandbox,
}

impl Servers {
    /// The agent trusts both.
    fn start() -> Servers {
        let (releases, files) = (Standin::https(), Standin::https());
        let mut sandbox = installed();
        let ca = sandbox.write("ca.pem", &[releases.ca(), files.ca()].concat());
        sandbox.env("SSL_CERT_FILE", ca);
        Servers {
            releases,
            files,
            sandbox,
        }
    }

    /// Sends whoever asks for a file of the newest release first to that of its version, on the same
    /// server, and then to the other one, which has what lies in `release/`.
    fn serve(&self) {
        for name in names().iter().map(String::as_str).chain(["manifest"]) {
            let (newest, versioned) = (format!("/latest/{name}"), format!("/v{NEWER}/{name}"));
            self.releases
                .rule(Rule::on(&newest, redirection(&versioned)));
            let stored = format!("/stored/{name}");
            let query =
                "sp=r&sv=2018-11-09&sig=a%2Fb%2Bc%3D&response-content-disposition=attachment";
            let elsewhere = format!("{}{stored}?{query}", self.files_base());
            self.releases
                .rule(Rule::on(&versioned, redirection(&elsewhere)));
            let content = fs::read(self.sandbox.path("release").join(name)).unwrap();
            self.files.rule(Rule::on(&stored, answer(200, content)));
        }
    }

    fn files_base(&self) -> String {
        format!("https://localhost:{}", self.files.address().port())
    }

    /// Serves a release, with something that goes wrong first, and upgrades to it.
    fn upgrade(&self, version: &str, wrong: &dyn Fn(&Servers)) -> Finished {
        release(&self.sandbox, version, &program(version));
        wrong(self);
        let top = self.sandbox.path("host").display().to_string();
        let key = flags(&self.sandbox)[1].clone();
        let from = format!("-from={}/latest", self.releases.base());
        let words = ["upgrade", "-prefix", &top, &from, &key];
        // A server that is silent is given up after half a minute.
        self.sandbox.start_bare(&[], &words).wait_exit(limit(60))
    }
}

#[test]
fn a_release_is_fetched_by_tls_and_through_redirections() {
    if is_emulated() {
        return;
    }
    let servers = Servers::start();
    let finished = servers.upgrade(NEWER, &Servers::serve);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let path = "host/usr/bin/mackerel-agent";
    assert_eq!(servers.sandbox.content(path), program(NEWER));
    let asked = |standin: &Standin| {
        standin.seen(|seen| {
            assert_eq!(seen.counts.failed_handshakes, 0);
            let hosts = seen.requests.iter().map(|request| {
                assert_eq!(request.head.method, "GET");
                let header = |name| request.head.header(name).unwrap_or_default().to_owned();
                (
                    request.head.query.clone(),
                    header("Host"),
                    header("X-Api-Key"),
                )
            });
            hosts.collect::<Vec<_>>()
        })
    };
    assert_eq!(asked(&servers.releases).len(), 4);
    let files = asked(&servers.files);
    assert_eq!(files.len(), 2);
    for (query, host, key) in files {
        assert!(query.starts_with("sp=r&") && query.contains("sig=a%2Fb%2Bc%3D"));
        assert!(host.starts_with("localhost:"), "{host}");
        assert_eq!(key, "", "no key is sent with it");
    }
}

/// The version of a release, what is wrong with its servers, and what is said about it. Of the
/// rules for one file the first one counts.
type Wrong = (&'static str, fn(&Servers), &'static str);

/// Tries to upgrade with each thing that is wrong, all at once.
fn nothing_is_changed_by(table: &[Wrong]) {
    std::thread::scope(|scope| {
        for (version, wrong, expected) in table {
            scope.spawn(move || {
                let servers = Servers::start();
                let before = everything(&servers.sandbox);
                let finished = servers.upgrade(version, &|servers| {
                    wrong(servers);
                    servers.serve();
                });
                assert_eq!(finished.code, Some(1), "{expected}: {}", finished.stdout);
                let said = &finished.stderr;
                assert!(said.contains(expected), "{expected}: {said}");
                assert!(!said.contains("sig="), "a query is a secret: {said}");
                assert_eq!(everything(&servers.sandbox), before, "{expected}");
            });
        }
    });
}

/// Has the server of files answer so for each program.
fn programs(servers: &Servers, act: &Act) {
    for name in names() {
        let place = format!("/stored/{name}");
        servers.files.rule(Rule::on(&place, act.clone()));
    }
}

fn answer(status: u16, body: impl Into<Vec<u8>>) -> Act {
    Act::Answer(Answer::new(status, body))
}

fn redirection(to: &str) -> Act {
    Act::Answer(Answer::new(302, "").header("Location", to))
}

#[test]
fn what_is_wrong_with_a_server_changes_nothing() {
    if is_emulated() {
        return;
    }
    let table: &[Wrong] = &[
        (
            NEWER,
            |s| programs(s, &answer(200, "other")),
            "is not the file of the manifest: its SHA-256 is another",
        ),
        (
            NEWER,
            |s| {
                let text = s.sandbox.content("release/manifest");
                let text = text.replace(NEWER, "99.0.1");
                s.files.rule(Rule::on("manifest", answer(200, text)));
            },
            "not signed with the key",
        ),
        ("0.0.1", |_| {}, "the release is 0.0.1, which is older than"),
        (
            NEWER,
            |s| programs(s, &Act::Partial(Answer::new(200, program(NEWER)))),
            "download https://localhost:",
        ),
        (NEWER, |s| programs(s, &Act::Reset), "download https://"),
        (NEWER, |s| programs(s, &answer(404, "")), ": status 404"),
        // More than any program has.
        (
            NEWER,
            |s| programs(s, &answer(200, vec![b' '; 8 << 20])),
            "its SHA-256 is another",
        ),
        (
            NEWER,
            |s| {
                s.files
                    .rule(Rule::on("manifest", Act::Answer(Answer::portal())))
            },
            "manifest: no version in",
        ),
        (
            NEWER,
            |s| {
                let plain = redirection("http://127.0.0.1:1/manifest");
                s.releases.rule(Rule::on("/latest/manifest", plain));
            },
            "redirected to where no TLS is",
        ),
        (
            NEWER,
            |s| {
                let again = redirection("/latest/manifest");
                s.releases.rule(Rule::on("/latest/manifest", again));
            },
            "too many redirections",
        ),
        (
            NEWER,
            |s| s.files.script("connect = unknown-ca"),
            "certificate",
        ),
        (
            NEWER,
            |s| s.files.script("connect = wrong-name"),
            "certificate",
        ),
    ];
    nothing_is_changed_by(table);
}

#[test]
fn slow_a_server_that_hangs_is_given_up() {
    if is_emulated() {
        return;
    }
    let table: &[Wrong] = &[
        (NEWER, |s| s.files.script("connect = silence"), "timed out"),
        (NEWER, |s| s.files.script("manifest = hang"), "timed out"),
        (
            NEWER,
            |s| s.files.script("manifest = hang-midway"),
            "timed out",
        ),
        (NEWER, |s| s.releases.script("manifest = hang"), "timed out"),
    ];
    nothing_is_changed_by(table);
}
