//! Where the API key comes from, and where it never shows.

use std::fs;

use crate::process::{Agent, is_trouble};
use crate::sandbox::{Sandbox, limit, runner};
use crate::standin::{KEY, Standin};

/// A sandbox whose configuration holds another key than the server's, and then `more`.
fn with_wrong_key(standin: &Standin, more: &str) -> Sandbox {
    let sandbox = Sandbox::of(standin);
    sandbox.configure(&standin.base(), more);
    let text = sandbox.content("agent.conf");
    sandbox.write("agent.conf", &text.replace(KEY, "wrong"));
    sandbox
}

/// Waits until the server knows the host, which takes the right key.
#[track_caller]
fn registered(standin: &Standin) {
    standin.wait(limit(10), "host", |seen| {
        (!seen.model.hosts.is_empty()).then_some(())
    });
}

/// What other users see of the agent.
fn command_line(agent: &Agent<'_>) -> String {
    let bytes = fs::read(format!("/proc/{}/cmdline", agent.pid())).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_key_comes_from_the_environment_a_credential_or_a_file() {
    type Give = fn(&mut Sandbox);
    let file = "apikey_file = \"key\"\n";
    let give_file: Give = |sandbox| drop(sandbox.write("key", &format!("{KEY}\n")));
    let give_credential: Give = |sandbox| {
        sandbox.write("credentials/apikey", &format!("{KEY}\r\n"));
        let directory = sandbox.path("credentials");
        sandbox.env("CREDENTIALS_DIRECTORY", directory);
    };
    let give_variable: Give = |sandbox| sandbox.env("MACKEREL_APIKEY", KEY);
    let wrong_file: Give = |sandbox| drop(sandbox.write("key", "wrong"));
    let wrong_credential: Give = |sandbox| {
        sandbox.write("credentials/apikey", "wrong");
        let directory = sandbox.path("credentials");
        sandbox.env("CREDENTIALS_DIRECTORY", directory);
    };
    // (configuration, what is given)
    let table: [(&str, &[Give]); 3] = [
        (file, &[give_file]),
        (file, &[wrong_file, give_credential]),
        (file, &[wrong_file, wrong_credential, give_variable]),
    ];
    for (more, gives) in table {
        let standin = Standin::http();
        let mut sandbox = with_wrong_key(&standin, more);
        gives.iter().for_each(|give| give(&mut sandbox));
        let mut agent = sandbox.start();
        registered(&standin);
        assert!(
            !agent
                .log()
                .iter()
                .any(|line| is_trouble(line) || line.contains(KEY))
        );
        assert!(!command_line(&agent).contains(KEY));
    }
}

#[test]
fn a_flag_wins_over_all_and_is_blanked() {
    let standin = Standin::http();
    let apikey = format!("-apikey={KEY}");
    let table: [&[&str]; 3] = [
        &[&apikey],
        &["--apikey", KEY],
        &["-v", "--apikey", KEY, "", &apikey],
    ];
    for flags in table {
        let mut sandbox = with_wrong_key(&standin, "");
        sandbox.env("MACKEREL_APIKEY", "wrong");
        let mut agent = sandbox.start_with(&[], flags);
        agent.wait_line(limit(10), "start", |line| line.contains("Start: "));
        if runner().is_empty() {
            let shown = command_line(&agent);
            assert!(!shown.contains(KEY), "{shown}");
            assert_eq!(shown.split('\0').nth(1), Some("-conf"), "the rest stays");
            let blank = "*".repeat(KEY.len());
            assert!(shown.contains(&blank), "{shown}");
        }
        assert!(!agent.log().iter().any(|line| line.contains(KEY)));
    }
}

#[test]
fn a_key_that_the_server_refuses_is_not_shown() {
    let standin = Standin::http();
    let mut sandbox = with_wrong_key(&standin, "");
    sandbox.env("MACKEREL_APIKEY", "SECRET");
    let finished = sandbox.run(&[], &["-v"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("check apikey"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("SECRET") && !finished.stderr.contains("wrong"));
}

#[test]
fn a_file_with_a_key_that_others_can_read_is_told_of() {
    // (modes of configuration, included file and key file, how many are told of)
    let table = [
        ([0o600, 0o600, 0o600], 0),
        ([0o640, 0o660, 0o440], 0),
        ([0o644, 0o644, 0o644], 3),
        ([0o600, 0o604, 0o600], 1),
        ([0o600, 0o600, 0o444], 1),
    ];
    let sandbox = Sandbox::empty();
    let more = "apikey_file = \"key\"\ninclude = \"more*.conf\"\n";
    sandbox.configure("http://127.0.0.1:1", more);
    sandbox.write("more.conf", &format!("apikey = \"{KEY}\"\n"));
    // It holds none, so that anybody may read it.
    sandbox.write("more2.conf", "verbose = false\n");
    sandbox.mode("more2.conf", 0o644);
    sandbox.write("key", KEY);
    for (modes, expected) in table {
        for (name, mode) in ["agent.conf", "more.conf", "key"].into_iter().zip(modes) {
            sandbox.mode(name, mode);
        }
        let finished = sandbox.run(&["configtest"], &[]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let told = finished
            .stderr
            .matches("WARNING <config> every user")
            .count();
        assert_eq!(told, expected, "{modes:?}: {}", finished.stderr);
        assert!(!finished.stderr.contains(KEY));
    }
}

#[test]
fn a_ca_file_is_trusted() {
    let standin = Standin::https();
    for is_given in [true, false] {
        let sandbox = Sandbox::empty();
        let ca = sandbox.write("ca.pem", standin.ca());
        let more = format!("ca_file = \"{}\"\n", ca.display());
        sandbox.configure(&standin.base(), if is_given { &more } else { "" });
        let mut agent = sandbox.start();
        if is_given {
            registered(&standin);
        } else {
            agent.wait_line(limit(10), "complaint", |line| line.contains("certificate"));
        }
    }
}
