//! Sources of the API key, and places where it must not appear.

use std::fs;

use crate::plugins::processes::add_prompt_host;
use crate::process::{Agent, Signal, is_trouble};
use crate::process_tree::{poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit, runner};
use fake_server::{FakeServer, KEY};

/// A sandbox whose configuration has another key than the server's, and then `more`.
fn with_wrong_key(fake_server: &FakeServer, more: &str) -> Sandbox {
    let sandbox = Sandbox::of(fake_server);
    sandbox.configure(&fake_server.base(), more);
    let text = sandbox.content("agent.conf");
    sandbox.write("agent.conf", &text.replace(KEY, "wrong"));
    sandbox
}

/// Waits until the host is registered, which takes the right key.
#[track_caller]
fn registered(fake_server: &FakeServer) {
    fake_server.wait(limit(10), "host", |seen| {
        (!seen.model.hosts.is_empty()).then_some(())
    });
}

/// The agent's command line as other users see it.
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
    // (configuration, sources of the key)
    let table: [(&str, &[Give]); 3] = [
        (file, &[give_file]),
        (file, &[wrong_file, give_credential]),
        (file, &[wrong_file, wrong_credential, give_variable]),
    ];
    for (more, gives) in table {
        let fake_server = FakeServer::http();
        let mut sandbox = with_wrong_key(&fake_server, more);
        gives.iter().for_each(|give| give(&mut sandbox));
        let mut agent = sandbox.start();
        registered(&fake_server);
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
    let fake_server = FakeServer::http();
    let apikey = format!("-apikey={KEY}");
    let table: [&[&str]; 3] = [
        &[&apikey],
        &["--apikey", KEY],
        &["-v", "--apikey", KEY, "", &apikey],
    ];
    for flags in table {
        let mut sandbox = with_wrong_key(&fake_server, "");
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
    let fake_server = FakeServer::http();
    let mut sandbox = with_wrong_key(&fake_server, "");
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
    // (modes of configuration, included file and key file, number of warnings)
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
    // This file has no key, so that any user may read it.
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

/// The variable that plugins of each kind find in their environment, one after the other.
fn environment_of_plugins(
    fake_server: &FakeServer,
    sandbox: &Sandbox,
    own: &str,
    flags: &[&str],
) -> String {
    let at = sandbox.path("found").display().to_string();
    let more = format!(
        "[plugin.metrics.a]\ncommand = \"env >{at}.metric\"\n{own}\n\
         [plugin.checks.a]\ncommand = \"env >{at}.check; exit 1\"\n{own}\n\
         [plugin.checks.a.action]\ncommand = \"env >{at}.action && mv {at}.action {at}.done\"\n{own}\n"
    );
    sandbox.configure(&fake_server.base(), &more);
    sandbox.adopt(&add_prompt_host(fake_server));
    let agent = sandbox.start_with(&[], flags);
    let all = poll_until(limit(15), "environments", || {
        let all =
            ["metric", "check", "done"].map(|name| fs::read_to_string(format!("{at}.{name}")));
        let all: Option<Vec<String>> = all.into_iter().map(Result::ok).collect();
        all.filter(|all| all.iter().all(|one| one.contains("LANG=")))
    });
    drop(agent);
    all.concat()
}

#[test]
fn plugins_do_not_inherit_the_key() {
    type Variables = &'static [(&'static str, &'static str)];
    const OCI: (&str, &str) = ("container", "oci");
    // (why this row exists, the agent's variables, flags, the plugin's variables, what the plugins
    // find three times)
    let table: [(&str, Variables, &[&str], &str, &str); 8] = [
        ("the variable", &[("MACKEREL_APIKEY", KEY)], &[], "", ""),
        ("a flag", &[], &["-apikey", KEY], "", ""),
        (
            "flags of a unit",
            &[("OTHER_OPTS", "-apikey=stand-in-key-of-the-tests")],
            &[],
            "",
            "",
        ),
        (
            "of the Go agent's image",
            &[("apikey", KEY), OCI],
            &[],
            "",
            "",
        ),
        (
            "flags in that image",
            &[("opts", "-apikey=stand-in-key-of-the-tests"), OCI],
            &[],
            "",
            "",
        ),
        (
            "the plugin's own",
            &[("MACKEREL_APIKEY", KEY)],
            &[],
            "env = { MACKEREL_APIKEY = \"other\" }",
            "MACKEREL_APIKEY=other\n",
        ),
        (
            "another's variable",
            &[("apikey", "fruit")],
            &[],
            "",
            "\napikey=fruit\n",
        ),
        (
            "a proxy's password, which plugins need",
            &[("https_proxy", "http://user:word@127.0.0.1:1")],
            &[],
            "",
            "https_proxy=http://user:word@127.0.0.1:1\n",
        ),
    ];
    for (why, variables, flags, own, expected) in table {
        let fake_server = FakeServer::http();
        let mut sandbox = Sandbox::of(&fake_server);
        for (name, value) in variables {
            sandbox.env(name, *value);
        }
        let found = environment_of_plugins(&fake_server, &sandbox, own, flags);
        assert!(!found.contains(KEY), "{why}: {found}");
        let times = if expected.is_empty() { 0 } else { 3 };
        let count = if expected.is_empty() {
            0
        } else {
            found.matches(expected).count()
        };
        assert_eq!(count, times, "{why}: {found}");
    }
}

#[test]
fn a_crash_leaves_no_core_dump_and_other_programs_may() {
    only_if!(!is_emulated(), "the emulator would be what crashes");
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let dumped = |agent: Agent<'_>| {
        agent.signal(Signal::SEGV);
        agent.wait_exit(limit(20)).has_dumped
    };
    let script = "ulimit -c unlimited && exec \"$@\"";
    let other = sandbox.spawn(&["sh", "-c", script, "sh", "sleep", "600"]);
    poll_until(limit(10), "the other program", || {
        text(other.pid(), "comm").contains("sleep").then_some(())
    });
    require!(dumped(other), "this machine writes no core dumps");
    for command in [&[][..], &["supervise"]] {
        // A server and a directory for each run: requests and files of an earlier run prove
        // nothing.
        let fake_server = FakeServer::http();
        let sandbox = Sandbox::of(&fake_server);
        let at = sandbox.path("limit").display().to_string();
        let more = format!("[plugin.metrics.a]\ncommand = \"ulimit -c >{at}; kill -SEGV $$\"\n");
        sandbox.configure(&fake_server.base(), &more);
        let agent = sandbox.through_shell(script, command, &[]);
        registered(&fake_server);
        let limit = poll_until(limit(10), "limit", || {
            fs::read_to_string(&at)
                .ok()
                .filter(|text| text.ends_with('\n'))
        });
        assert_eq!(limit, "unlimited\n", "plugins keep their limit");
        assert!(!dumped(agent), "{command:?}");
    }
}

#[test]
fn a_ca_file_is_trusted() {
    let fake_server = FakeServer::https();
    for is_given in [true, false] {
        let sandbox = Sandbox::empty();
        let ca = sandbox.write("ca.pem", fake_server.ca());
        let more = format!("ca_file = \"{}\"\n", ca.display());
        sandbox.configure(&fake_server.base(), if is_given { &more } else { "" });
        let mut agent = sandbox.start();
        if is_given {
            registered(&fake_server);
        } else {
            agent.wait_line(limit(10), "complaint", |line| line.contains("certificate"));
        }
    }
}
