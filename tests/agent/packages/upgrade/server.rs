//! Releases on a server: downloads, and faults of the server.

use std::fs;

use super::{NEWER, all_else, flags, installed, names, program, release};
use crate::process::Finished;
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::{Act, Answer, FakeServer, Rule};

/// An HTTPS server of releases and, at another port, one that has the files, as on GitHub.
///
/// Both are addressed by IP: not every machine resolves `localhost`.
struct Servers {
    releases: FakeServer,
    files: FakeServer,
    sandbox: Sandbox,
}

impl Servers {
    /// Starts both servers. The agent trusts their certificates.
    fn start() -> Servers {
        let (releases, files) = (FakeServer::https(), FakeServer::https());
        let mut sandbox = installed();
        let ca = sandbox.write("ca.pem", &[releases.ca(), files.ca()].concat());
        sandbox.env("SSL_CERT_FILE", ca);
        Servers {
            releases,
            files,
            sandbox,
        }
    }

    /// Redirects requests for a file of the newest release: first to the file of its version on the
    /// same server, then to the other server, which serves `release/`.
    fn serve(&self) {
        for name in names().iter().map(String::as_str).chain(["manifest"]) {
            let (newest, versioned) = (format!("/latest/{name}"), format!("/v{NEWER}/{name}"));
            self.releases
                .rule(Rule::on(&newest, redirection(&versioned)));
            let stored = format!("/stored/{name}");
            let query =
                "sp=r&sv=2018-11-09&sig=a%2Fb%2Bc%3D&response-content-disposition=attachment";
            let elsewhere = format!("{}{stored}?{query}", self.files.base());
            self.releases
                .rule(Rule::on(&versioned, redirection(&elsewhere)));
            let content = fs::read(self.sandbox.path("release").join(name)).unwrap();
            self.files.rule(Rule::on(&stored, answer(200, content)));
        }
    }

    /// Serves a release with a fault that takes effect first, and upgrades to it.
    fn upgrade(&self, version: &str, wrong: &dyn Fn(&Servers)) -> Finished {
        release(&self.sandbox, version, &program(version));
        wrong(self);
        let top = self.sandbox.path("host").display().to_string();
        let key = flags(&self.sandbox)[1].clone();
        let from = format!("-from={}/latest", self.releases.base());
        let words = ["upgrade", "-prefix", &top, &from, &key];
        // The program gives up on a silent server after half a minute.
        self.sandbox.start_bare(&[], &words).wait_exit(limit(60))
    }
}

#[test]
fn a_release_is_fetched_by_tls_and_through_redirections() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    let servers = Servers::start();
    let finished = servers.upgrade(NEWER, &Servers::serve);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let path = "host/usr/bin/mackerel-agent";
    assert_eq!(servers.sandbox.content(path), program(NEWER));
    let asked = |fake_server: &FakeServer| {
        fake_server.seen(|seen| {
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
    let at = servers.files.address().to_string();
    assert_eq!(files.len(), 2);
    for (query, host, key) in files {
        assert!(query.starts_with("sp=r&") && query.contains("sig=a%2Fb%2Bc%3D"));
        assert_eq!(host, at, "that of the server it was sent to");
        assert_eq!(key, "", "no key is sent with it");
    }
}

/// As a host has it whose releases are reached through a proxy that inspects TLS.
#[test]
fn a_release_is_fetched_with_the_authorities_of_the_configuration() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    let mut servers = Servers::start();
    servers.sandbox.env("SSL_CERT_FILE", "");
    let ca = servers.sandbox.path("ca.pem");
    let conf = "host/etc/mackerel-agent/mackerel-agent.conf";
    let text = servers.sandbox.content(conf);
    let text = format!("ca_file = '{}'\n{text}", ca.display());
    servers.sandbox.write(conf, &text);
    let finished = servers.upgrade(NEWER, &Servers::serve);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
}

/// The version of a release, the fault of its servers, and the expected message.
///
/// Of the rules for one file the first one is used.
type Wrong = (&'static str, fn(&Servers), &'static str);

/// Tries to upgrade with each fault, all at once. Nothing may change.
fn nothing_is_changed_by(table: &[Wrong]) {
    std::thread::scope(|scope| {
        for (version, wrong, expected) in table {
            scope.spawn(move || {
                let servers = Servers::start();
                let before = all_else(&servers.sandbox);
                let finished = servers.upgrade(version, &|servers| {
                    wrong(servers);
                    servers.serve();
                });
                assert_eq!(finished.code, Some(1), "{expected}: {}", finished.stdout);
                let said = &finished.stderr;
                assert!(said.contains(expected), "{expected}: {said}");
                assert!(!said.contains("sig="), "a query is a secret: {said}");
                assert_eq!(all_else(&servers.sandbox), before, "{expected}");
            });
        }
    });
}

/// Makes the server of files answer like this for each program.
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
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
    let table: &[Wrong] = &[
        (
            NEWER,
            |s| programs(s, &answer(200, "other")),
            "is not the file of the manifest: its SHA-256 is another",
        ),
        (
            NEWER,
            |s| {
                let text = s
                    .sandbox
                    .content("release/manifest")
                    .replace(NEWER, "99.0.1");
                s.files.rule(Rule::on("manifest", answer(200, text)));
            },
            "not signed with the key",
        ),
        ("0.0.1", |_| {}, "the release is 0.0.1, which is older than"),
        (
            NEWER,
            |s| programs(s, &Act::Partial(Answer::new(200, program(NEWER)))),
            "download https://127.0.0.1:",
        ),
        (NEWER, |s| programs(s, &Act::Reset), "download https://"),
        (NEWER, |s| programs(s, &answer(404, "")), ": status 404"),
        // Larger than any program.
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
            "refusing redirect to a non-HTTPS URL",
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
#[ignore = "slow: make test-slow"]
fn slow_a_server_that_hangs_is_given_up() {
    only_if!(
        !is_emulated(),
        "the program is asked for its version, which needs the emulator"
    );
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
