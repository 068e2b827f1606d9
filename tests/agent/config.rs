//! What is wrong with a configuration or a command line, said so that it can be found.

use crate::sandbox::{Sandbox, limit};
use crate::standin::{KEY, Standin};

/// Ends with 1, names `words`, and connects nowhere.
#[track_caller]
fn refuses(sandbox: &Sandbox, standin: &Standin, words: &[&str]) {
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
    assert_eq!(standin.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn a_missing_file_is_named() {
    let standin = Standin::http();
    let sandbox = Sandbox::empty();
    let conf = sandbox.conf().display().to_string();
    refuses(&sandbox, &standin, &[&conf]);
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
    let standin = Standin::http();
    for (more, words) in table {
        let sandbox = Sandbox::of(&standin);
        sandbox.configure(&standin.base(), more);
        refuses(&sandbox, &standin, words);
    }
}

#[test]
fn an_unknown_cloud_is_named() {
    let standin = Standin::http();
    let sandbox = Sandbox::of(&standin);
    let base = standin.base();
    let text = format!("apibase = \"{base}\"\napikey = \"{KEY}\"\ncloud_platform = \"moon\"\n");
    sandbox.write("agent.conf", &text);
    refuses(&sandbox, &standin, &["cloud_platform", "moon"]);
}

#[test]
fn a_key_is_required() {
    let standin = Standin::http();
    for key in ["", "apikey = \"\"\n"] {
        let sandbox = Sandbox::of(&standin);
        let base = standin.base();
        sandbox.write("agent.conf", &format!("apibase = \"{base}\"\n{key}"));
        refuses(&sandbox, &standin, &["apikey"]);
    }
}

#[test]
fn an_included_file_that_cannot_be_used_is_named() {
    let standin = Standin::http();
    let sandbox = Sandbox::of(&standin);
    let included = sandbox.write("conf.d/broken.conf", "\nverbose = 1\n");
    let pattern = sandbox.path("conf.d/*.conf");
    let more = format!("include = \"{}\"\n", pattern.display());
    sandbox.configure(&standin.base(), &more);
    let included = included.display().to_string();
    refuses(&sandbox, &standin, &[&included, "line 2", "verbose"]);
}

#[test]
fn flags_win_over_the_file() {
    let standin = Standin::http();
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    let text = std::fs::read_to_string(sandbox.conf()).unwrap();
    sandbox.write("agent.conf", &text.replace(KEY, "key-of-the-file"));
    let base = standin.base();
    let flags = [
        "--apibase",
        &base,
        &format!("-apikey={KEY}"),
        "-role=a1:b1,c1:d1",
    ];
    let _agent = sandbox.start_with(&[], &flags);
    standin.wait(limit(10), "description", |seen| {
        let host = seen.model.hosts.values().next()?;
        (host.updates > 0).then_some(())
    });
    let roles = standin.seen(|seen| seen.model.only_host().roles.clone());
    assert_eq!(roles.into_iter().collect::<Vec<_>>(), ["a1:b1", "c1:d1"]);
}

#[test]
fn usage_errors_and_version() {
    let sandbox = Sandbox::empty();
    let table: [(&[&str], i32, &str); 5] = [
        (&["-nonsense"], 2, "nonsense"),
        (&["-verbose=maybe"], 2, "maybe"),
        (&["-conf"], 2, "conf"),
        (&["frobnicate"], 2, "once"),
        (&["-help"], 0, "conf"),
    ];
    for (arguments, code, word) in table {
        let finished = sandbox.run_bare(arguments);
        assert_eq!(
            finished.code,
            Some(code),
            "{arguments:?}: {}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains(word),
            "{arguments:?}: {}",
            finished.stderr
        );
    }
    let finished = sandbox.run_bare(&["version"]);
    assert_eq!(finished.code, Some(0));
    let stdout = finished.stdout;
    assert!(stdout.starts_with("mackerel-agent version "), "{stdout}");
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
}
