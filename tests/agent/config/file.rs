//! Errors in a configuration file or on a command line: the message says where.

use crate::sandbox::{Sandbox, limit};
use fake_server::{FakeServer, KEY};

/// Panics unless the agent exits with 1, its message contains `words`, and it connects nowhere.
#[track_caller]
fn refuses(sandbox: &Sandbox, fake_server: &FakeServer, words: &[&str]) {
    let finished = sandbox.run(&[], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "{word}: {}",
            finished.stderr
        );
    }
    assert!(!finished.stderr.contains(KEY), "{}", finished.stderr);
    assert_eq!(finished.stdout, "");
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn a_missing_file_is_named() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    let init = format!("mackerel-agent init -conf {conf} -apikey=KEY,");
    let words = [
        &conf,
        &init,
        "mackerel-agent install",
        "set MACKEREL_APIKEY and run without -conf",
    ];
    refuses(&sandbox, &fake_server, &words);
}

/// Each command that reads the configuration names the command that creates one.
#[test]
fn missing_file_is_reported_with_the_remedies_by_every_command() {
    let sandbox = Sandbox::empty();
    // (command, exit code); `once` needs no file.
    let table: [(&[&str], i32); 7] = [
        (&[], 1),
        (&["check", "x"], 1),
        (&["configtest"], 1),
        (&["once"], 0),
        (&["plugin", "x"], 1),
        (&["retire"], 1),
        (&["supervise"], 1),
    ];
    for (command, code) in table {
        let finished = sandbox.run(command, &[]);
        assert_eq!(
            finished.code,
            Some(code),
            "{command:?}: {}",
            finished.stderr
        );
        for word in [
            "mackerel-agent init",
            "mackerel-agent install",
            "MACKEREL_APIKEY",
        ] {
            assert!(
                finished.stderr.contains(word),
                "{command:?}: {word}: {}",
                finished.stderr
            );
        }
    }
}

/// The agent runs with unknown keys, as the Go agent does, and logs them.
#[test]
fn unknown_keys_are_logged_at_start() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let included = sandbox.write("more.conf", "verbos = true\n");
    let more = "rolls = []\ninclude = \"more.conf\"\n[host_status]\non_stop = \"workin\"\n\
                [plugin.metrics.a]\ncommand = \"true\"\nroles = []\n";
    sandbox.configure(&fake_server.base(), more);
    let conf = sandbox.conf().display().to_string();
    let mut agent = sandbox.start();
    let expected = [
        format!("rolls is unexpected key. Did you mean roles ? ({conf}:6)"),
        format!(
            "plugin.metrics.a.roles is unexpected key. roles belongs above the first [section] of \
             the file. ({conf}:12)"
        ),
        "verbos is unexpected key. Did you mean verbose ? (more.conf:1)".to_owned(),
        format!(
            "{conf}:9: host_status.on_stop: \"workin\"; write working, standby, maintenance, poweroff"
        ),
    ];
    assert!(included.exists());
    for line in expected {
        let line = format!("WARNING <config> {line}");
        agent.wait_line(limit(10), &line, |told| told.ends_with(&line));
    }
    agent.wait_line(limit(10), "start", |line| line.contains("Start: "));
}

/// Windows editors end lines with CRLF. A shell takes the CR as a part of the last word.
#[test]
fn crlf_files_yield_commands_with_lf() {
    // The plugin counts the CRs of a text of two lines.
    let out = "printf 'a.b\\t%s\\t1\\n' \"$(printf 'one\ntwo' | tr -dc '\\r' | wc -c)\"\n";
    // (why this row exists, how the text is quoted)
    let table = [
        ("basic", out.replace('\\', "\\\\"), "\"\"\""),
        ("literal", out.to_owned(), "'''"),
    ];
    for (why, command, quote) in table {
        let plugin = format!("[plugin.metrics.x]\ncommand = {quote}\n{command}{quote}\n");
        for is_included in [false, true] {
            let sandbox = Sandbox::empty();
            let include = "include = \"more.conf\"\n";
            sandbox.configure(
                "http://127.0.0.1:1",
                if is_included { include } else { &plugin },
            );
            let crlf = |name: &str, text: &str| {
                sandbox.write(name, &text.replace('\n', "\r\n"));
            };
            crlf("more.conf", &plugin);
            let text = sandbox.content("agent.conf");
            crlf("agent.conf", &text);
            let finished = sandbox.run(&["plugin", "x"], &[]);
            assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
            let text = finished.stdout;
            let value = "\"name\":\"custom.a.b\",\"time\":";
            assert!(text.contains(value), "{why}: {text}");
            assert!(text.contains("\"value\":0}"), "{why}: {text}");
        }
    }
}

#[test]
fn booleans_of_the_environment_take_several_words() {
    // (why this row exists, variable, value, exit code)
    let table = [
        ("as Python has it", "MACKEREL_VERBOSE", "True", 0),
        ("as YAML has it", "MACKEREL_VERBOSE", "yes", 0),
        ("shouted", "MACKEREL_HEALTH", "YES", 0),
        ("as units have it", "MACKEREL_DIAGNOSTIC", "on", 0),
        ("a number", "MACKEREL_AUTO_RETIREMENT", "1", 0),
        ("the opposites", "MACKEREL_SILENT", "False", 0),
        ("", "MACKEREL_SILENT", "NO", 0),
        ("", "MACKEREL_SILENT", "off", 0),
        ("", "MACKEREL_SILENT", "0", 0),
        (
            "with a blank, as files have it",
            "MACKEREL_SILENT",
            "true ",
            0,
        ),
        (
            "in a section",
            "MACKEREL_FILESYSTEMS_USE_MOUNTPOINT",
            "On",
            0,
        ),
        (
            "in a section that was left out",
            "MACKEREL_SPOOL_ON_DISK",
            "no",
            0,
        ),
        ("", "MACKEREL_SPOOL_WINDOW", "10m", 0),
        ("", "MACKEREL_SPOOL_WINDOW", "10", 0),
        ("out of bounds", "MACKEREL_SPOOL_WINDOW", "1", 1),
        ("neither", "MACKEREL_VERBOSE", "maybe", 1),
        ("another number", "MACKEREL_HEALTH", "2", 1),
        ("a typing error", "MACKEREL_SPOOL_ON_DISK", "ture", 1),
        ("levels in small letters", "MACKEREL_LOG_LEVEL", "debug", 0),
        (
            "a status that is none",
            "MACKEREL_HOST_STATUS_ON_STOP",
            "of",
            1,
        ),
    ];
    for (why, name, value, code) in table {
        let mut sandbox = Sandbox::empty();
        sandbox.configure("http://127.0.0.1:1", "");
        sandbox.env(name, value);
        let finished = sandbox.run(&["configtest"], &[]);
        let said = finished.stderr;
        assert_eq!(finished.code, Some(code), "{why}: {name}={value}: {said}");
        let is_told = said.contains(&format!("the variable {name}: "));
        assert_eq!(is_told, code != 0, "{why}: {name}={value}: {said}");
        assert!(!said.contains("unexpected variable"), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_used_says_where() {
    // The sandbox's own part of the configuration is five lines long.
    let table: [(&str, &[&str]); 10] = [
        ("verbose = \n", &["line 6"]),
        ("verbose = true\nverbose = true\n", &["line 7", "verbose"]),
        ("[plugin.checks.a\n", &["line 6"]),
        ("verbose = \"yes\"\n", &["line 6", "verbose"]),
        ("roles = \"web:app\"\n", &["line 6", "roles"]),
        ("[filesystems]\nignore = \"(\"\n", &["ignore"]),
        (
            "[plugin.checks.ping]\ncommand = 1\n",
            &["plugin.checks.ping", "command"],
        ),
        (
            "[plugin.metrics.m]\nuser = \"u\"\n",
            &["plugin.metrics.m", "command"],
        ),
        (
            "[plugin.checks.ping]\ncommand = \"true\"\ncheck_interval = \"90s\"\n",
            &["line 8", "check_interval"],
        ),
        ("include = \"[\"\n", &["include"]),
    ];
    let fake_server = FakeServer::http();
    for (more, words) in table {
        let sandbox = Sandbox::of(&fake_server);
        sandbox.configure(&fake_server.base(), more);
        refuses(&sandbox, &fake_server, words);
    }
}

#[test]
fn an_unknown_cloud_is_named() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let base = fake_server.base();
    let text = format!("apibase = \"{base}\"\napikey = \"{KEY}\"\ncloud_platform = \"moon\"\n");
    sandbox.write("agent.conf", &text);
    refuses(&sandbox, &fake_server, &["cloud_platform", "moon"]);
}

#[test]
fn a_key_is_required() {
    let fake_server = FakeServer::http();
    for key in ["", "apikey = \"\"\n"] {
        let sandbox = Sandbox::of(&fake_server);
        let base = fake_server.base();
        sandbox.write("agent.conf", &format!("apibase = \"{base}\"\n{key}"));
        refuses(&sandbox, &fake_server, &["apikey"]);
    }
}

#[test]
fn an_included_file_that_cannot_be_used_is_named() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let included = sandbox.write("conf.d/broken.conf", "\nverbose = 1\n");
    let pattern = sandbox.path("conf.d/*.conf");
    let more = format!("include = \"{}\"\n", pattern.display());
    sandbox.configure(&fake_server.base(), &more);
    let included = included.display().to_string();
    refuses(&sandbox, &fake_server, &[&included, "line 2", "verbose"]);
}

#[test]
fn flags_win_over_the_file() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    let text = std::fs::read_to_string(sandbox.conf()).unwrap();
    sandbox.write("agent.conf", &text.replace(KEY, "key-of-the-file"));
    let base = fake_server.base();
    let flags = [
        "--apibase",
        &base,
        &format!("-apikey={KEY}"),
        "-role=a1:b1,c1:d1",
    ];
    let _agent = sandbox.start_with(&[], &flags);
    fake_server.wait(limit(10), "description", |seen| {
        let host = seen.model.hosts.values().next()?;
        (host.updates > 0).then_some(())
    });
    let roles = fake_server.seen(|seen| seen.model.only_host().roles.clone());
    assert_eq!(roles.into_iter().collect::<Vec<_>>(), ["a1:b1", "c1:d1"]);
}
