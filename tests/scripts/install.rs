//! `install.sh`: effects of a truncated download, and its download sources.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Programs, Said, TOP};
use fake_server::{Act, Answer, FakeServer, Rule};

const SCRIPT: &str = "packaging/install.sh";
/// Bytes at its end that are cut off one by one.
const END: usize = 300;
/// Bytes around each end of a line where it is cut.
const NEAR: usize = 2;
/// The name of a release's program in these tests.
const NAME: &str = "mackerel-agent_linux_amd64";
/// A program of a release. It prints its version and records its arguments.
const PROGRAM: &str = "#!/bin/sh\n[ \"$1\" = version ] || { echo \"$*\" >>\"$LOG\"; exit 0; }\n\
                       echo 'mackerel-agent version 1.2.3 (rev x) [linux amd64] '\n";

/// Programs that install.sh uses, for root of a Linux machine.
fn programs() -> Programs {
    programs_of(PROGRAM)
}

/// The same with another program of the release.
fn programs_of(program: &str) -> Programs {
    let programs = Programs::new();
    programs.make("bin/id", "echo 0");
    programs.make("bin/uname", "echo Linux");
    programs.make("release/program", "");
    fs::write(programs.path("release").join(NAME), program).unwrap();
    let sum = Command::new("sha256sum")
        .arg(NAME)
        .current_dir(programs.path("release"))
        .output();
    fs::write(programs.path("release/SHA256SUMS"), sum.unwrap().stdout).unwrap();
    programs
}

/// The program's arguments. Empty if it was not started.
fn started(programs: &Programs) -> String {
    fs::read_to_string(programs.path("log")).unwrap_or_default()
}

/// Pipes the script to `sh -s -- -as-root`, with the local file of a release.
fn piped(programs: &Programs, shell: &str, script: &[u8]) -> Said {
    let path = programs.path("script");
    fs::write(&path, script).unwrap();
    Command::new(shell)
        .args(["-s", "--", "-as-root"])
        .current_dir(programs.path(""))
        .env_clear()
        .env("PATH", programs.path("bin"))
        .env("LOG", programs.path("log"))
        .env("MACKEREL_APIKEY", "any")
        .env("MACKEREL_AGENT_ARCH", "amd64")
        .env("MACKEREL_AGENT_FILE", programs.path("release").join(NAME))
        .stdin(Stdio::from(fs::File::open(path).unwrap()))
        .output()
        .unwrap()
        .into()
}

#[test]
fn install_sh_that_is_cut_does_nothing() {
    let script = fs::read(Path::new(TOP).join(SCRIPT)).unwrap();
    let ends = (0..script.len()).filter(|at| script[*at] == b'\n');
    let mut cuts: Vec<usize> = ends
        .flat_map(|at| at.saturating_sub(NEAR)..=at + NEAR)
        .chain(script.len() - END..script.len())
        // The last byte is a line end. The script is complete without it.
        .filter(|length| *length < script.len() - 1)
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    assert!(cuts.len() > 800, "{}", cuts.len());
    let shells = ["/bin/dash", "/bin/bash", "/bin/sh"].map(Path::new);
    for shell in shells.iter().filter(|shell| shell.exists()) {
        let shell = shell.to_str().unwrap();
        let programs = programs();
        // Any program that is run prints its name.
        programs.make(
            "bin/id",
            &format!("echo id >>{}; echo 0", programs.path("ran").display()),
        );
        let ran = || programs.path("ran").exists();
        for length in &cuts {
            let said = piped(&programs, shell, &script[..*length]);
            assert!(!ran(), "{shell}, {length} of {} bytes", script.len());
            assert_eq!(said.stdout, "", "{shell}, {length} bytes");
            assert_eq!(started(&programs), "", "{shell}, {length} bytes");
        }
        for length in [script.len() - 1, script.len()] {
            let said = piped(&programs, shell, &script[..length]);
            assert_eq!(said.code, Some(0), "{shell}: {}", said.text);
            assert!(ran(), "{shell}");
            assert_eq!(started(&programs), "install -as-root\n", "{shell}");
            fs::remove_file(programs.path("log")).unwrap();
        }
        // Appended text is not run either.
        let more = [&script[..], b"echo appended\n"].concat();
        assert!(
            !piped(&programs, shell, &more).text.contains("appended"),
            "{shell}"
        );
    }
}

/// Serves the release below `path` of `fake_server`.
fn serve(programs: &Programs, fake_server: &FakeServer, path: &str) {
    for name in [NAME, "SHA256SUMS"] {
        let content = fs::read(programs.path("release").join(name)).unwrap();
        let answer = Act::Answer(Answer::new(200, content));
        fake_server.rule(Rule::on(&format!("{path}/{name}"), answer));
    }
}

/// Redirects requests for a file of the newest release to `base`.
fn redirect(fake_server: &FakeServer, base: &str) {
    for name in [NAME, "SHA256SUMS"] {
        let answer = Answer::new(302, "").header("Location", &format!("{base}/{name}"));
        fake_server.rule(Rule::on(
            &format!("/latest/download/{name}"),
            Act::Answer(answer),
        ));
    }
}

/// Makes `client`, curl or wget, the only one. If it is not installed, prints that and returns
/// false.
fn has(programs: &Programs, client: &str) -> bool {
    let places = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(client));
    let Some(path) = places.iter().find(|path| path.exists()) else {
        fake_server::skip(
            &format!("{client} is not installed; make needs-test installs it"),
            fake_server::is_ci(),
        );
        return false;
    };
    std::os::unix::fs::symlink(path, programs.path("bin").join(client)).unwrap();
    true
}

#[test]
fn install_sh_downloads_over_tls_alone() {
    const PLACE: &str = "/latest/download";
    /// Sets up the server with TLS and the one without.
    type Serve = fn(&Programs, &FakeServer, &FakeServer);
    let whole: Serve = |p, tls, plain| {
        serve(p, tls, PLACE);
        serve(p, plain, PLACE);
    };
    // (why, what is served, where releases are, whether it is for a test, expected message)
    let table: [(&str, Serve, &str, &str, &str); 10] = [
        ("a release", whole, "TLS", "", ""),
        (
            "a release that a server stores elsewhere",
            |p, tls, _| {
                redirect(tls, &format!("{}/stored", tls.base()));
                serve(p, tls, "/stored");
            },
            "TLS",
            "",
            "",
        ),
        (
            "one that is stored where no TLS is",
            |p, tls, plain| {
                redirect(tls, &format!("{}/stored", plain.base()));
                serve(p, plain, "/stored");
            },
            "TLS",
            "",
            "install: cannot download https://",
        ),
        (
            "not even for a test",
            |p, tls, plain| {
                redirect(tls, &format!("{}/stored", plain.base()));
                serve(p, plain, "/stored");
            },
            "TLS",
            "yes",
            "install: cannot download https://",
        ),
        (
            "releases without TLS",
            whole,
            "PLAIN",
            "",
            "does not begin with https://",
        ),
        ("but for a test", whole, "PLAIN", "yes", ""),
        (
            "a test of this machine alone",
            whole,
            "http://localhost:1",
            "yes",
            "does not begin with https://",
        ),
        (
            "and not of one that looks like it",
            whole,
            "http://127.0.0.1:1@localhost",
            "yes",
            "has no user name",
        ),
        (
            "a file is no server",
            whole,
            "file:///",
            "",
            "does not begin with https://",
        ),
        (
            "nor is nothing",
            whole,
            "none",
            "",
            "MACKEREL_AGENT_RELEASES is missing",
        ),
    ];
    for client in ["curl", "wget"] {
        for (why, serve, place, test, expected) in table {
            let programs = programs();
            if !has(&programs, client) {
                continue;
            }
            let (tls, plain) = (FakeServer::https(), FakeServer::http());
            serve(&programs, &tls, &plain);
            let ca = programs.path("ca.pem");
            fs::write(&ca, tls.ca()).unwrap();
            fs::write(
                programs.path("wgetrc"),
                format!("ca_certificate = {}\n", ca.display()),
            )
            .unwrap();
            let (log, wgetrc) = (programs.path("log"), programs.path("wgetrc"));
            let releases = place
                .replace("TLS", &tls.base())
                .replace("PLAIN", &plain.base());
            let said = programs.run(
                &["sh", SCRIPT],
                &[
                    ("MACKEREL_AGENT_RELEASES", &releases),
                    ("INSTALL_TEST_HTTP", test),
                    ("MACKEREL_AGENT_ARCH", "amd64"),
                    ("MACKEREL_APIKEY", "any"),
                    ("LOG", log.to_str().unwrap()),
                    ("CURL_CA_BUNDLE", ca.to_str().unwrap()),
                    ("WGETRC", wgetrc.to_str().unwrap()),
                ],
            );
            let is_good = expected.is_empty();
            assert!(
                said.text.contains(expected),
                "{client}, {why}: {}",
                said.text
            );
            assert_eq!(
                said.code == Some(0),
                is_good,
                "{client}, {why}: {}",
                said.text
            );
            assert_eq!(
                started(&programs),
                if is_good { "install\n" } else { "" },
                "{client}, {why}"
            );
            if place != "PLAIN" || !is_good {
                let asked = plain.seen(|seen| seen.requests.len());
                assert_eq!(asked, 0, "{client}, {why}: asked without TLS");
            }
        }
    }
}

#[test]
fn install_sh_says_which_client_it_takes() {
    // (what is installed, what it prints as its version, expected message)
    let table = [
        (
            "",
            "",
            "curl is missing: install it, or name a file by MACKEREL_AGENT_FILE",
        ),
        (
            "wget",
            "BusyBox v1.35.0",
            "this wget cannot be kept from plain http: install curl or GNU wget",
        ),
        (
            "wget",
            "uclient-fetch",
            "this wget cannot be kept from plain http: install curl or GNU wget",
        ),
    ];
    for (client, version, expected) in table {
        let programs = programs();
        if !client.is_empty() {
            programs.make(&format!("bin/{client}"), &format!("echo '{version}'"));
        }
        let said = programs.run(
            &["sh", SCRIPT],
            &[
                ("MACKEREL_AGENT_RELEASES", "https://127.0.0.1:1"),
                ("MACKEREL_AGENT_ARCH", "amd64"),
            ],
        );
        assert!(said.text.contains(expected), "{version}: {}", said.text);
        assert_eq!(said.code, Some(1));
    }
}

#[test]
fn install_sh_asks_for_no_key_where_it_would_be_shown() {
    let terminal = Path::new("/usr/bin/script");
    fake_server::require!(terminal.exists(), "no script(1): apt-get install bsdutils");
    // Without a key, `configtest` fails.
    let programs = programs_of(&PROGRAM.replace("exit 0", "exit 1"));
    let file = programs.path("release").join(NAME);
    let root = programs.path("root");
    // None of its programs is stty.
    let said = programs.run(
        &[
            terminal.to_str().unwrap(),
            "-qec",
            "sh packaging/install.sh",
            "/dev/null",
        ],
        &[
            ("INSTALL_TEST_ROOT", root.to_str().unwrap()),
            ("LOG", programs.path("log").to_str().unwrap()),
            ("MACKEREL_AGENT_ARCH", "amd64"),
            ("MACKEREL_AGENT_FILE", file.to_str().unwrap()),
        ],
    );
    assert_eq!(said.code, Some(1), "{}", said.text);
    assert!(
        said.text
            .contains("no terminal with stty to ask for it: export MACKEREL_APIKEY"),
        "{}",
        said.text
    );
    assert!(!said.text.contains("API key of your"), "{}", said.text);
}
