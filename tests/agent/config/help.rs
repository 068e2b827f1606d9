//! The help, the version, and usage errors.

use crate::sandbox::Sandbox;

const COMMANDS: [&str; 14] = [
    "check",
    "configtest",
    "diagnose",
    "health",
    "help",
    "init",
    "install",
    "once",
    "plugin",
    "retire",
    "supervise",
    "uninstall",
    "upgrade",
    "version",
];

#[test]
fn help_lists_the_commands_on_stdout() {
    let sandbox = Sandbox::empty();
    let finished = sandbox.run_bare(&["help"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr, "");
    let text = finished.stdout;
    assert!(
        text.starts_with("Usage: mackerel-agent <command> [<args>]\n\nCommands:\n\n"),
        "{text}"
    );
    for command in COMMANDS {
        assert!(
            text.contains(&format!("\n    {command} ")),
            "{command}: {text}"
        );
    }
    for topic in COMMANDS {
        let finished = sandbox.run_bare(&["help", topic]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let usage = format!("Usage: mackerel-agent {topic}");
        assert!(finished.stdout.starts_with(&usage), "{}", finished.stdout);
        assert_eq!(finished.stderr, "");
    }
    let finished = sandbox.run_bare(&["help", "nonsense"]);
    assert_eq!(finished.code, Some(2));
    assert!(finished.stderr.ends_with("\n\nno such command: nonsense"));
}

#[test]
fn help_flags_of_every_command_exit_with_0() {
    let sandbox = Sandbox::empty();
    // (command, a word of the help)
    let table: [(&[&str], &str); 14] = [
        (&[], "Commands:"),
        (&["check"], " NAME\n"),
        (&["configtest"], "-conf path"),
        (&["diagnose"], "-bundle path"),
        (&["health"], "-live"),
        (&["init"], "-apikey string"),
        (&["install"], "-apikey-file path"),
        (&["once"], "-conf path"),
        (&["plugin"], " NAME\n"),
        (&["plugin-install"], " [target...]\n"),
        (&["retire"], "-force"),
        (&["supervise"], "-conf path"),
        (&["uninstall"], "-restore"),
        (&["upgrade"], "-from string"),
    ];
    // The last row: `-help` wins over an invalid flag.
    let flags: [&[&str]; 4] = [&["-h"], &["-help"], &["--help"], &["-help", "-nonsense"]];
    for (command, word) in table {
        for flags in flags {
            let words = [command, flags].concat();
            let finished = sandbox.run_bare(&words);
            assert_eq!(finished.code, Some(0), "{words:?}");
            assert_eq!(finished.stdout, "", "{words:?}");
            let text = finished.stderr;
            assert!(text.contains(word), "{words:?}: {text}");
        }
    }
    for words in [["version", "--help"], ["help", "-h"], ["help", "--help"]] {
        let finished = sandbox.run_bare(&words);
        assert_eq!(finished.code, Some(0), "{words:?}: {}", finished.stderr);
    }
    let deprecated = sandbox.run_bare(&["--help"]).stderr;
    assert!(
        deprecated.contains("\n  -apikey string    (DEPRECATED: "),
        "{deprecated}"
    );
}

#[test]
fn version_is_a_flag_too() {
    let sandbox = Sandbox::empty();
    let table: [&[&str]; 6] = [
        &["version"],
        &["version", "-h"],
        &["--version"],
        &["-version"],
        &["-v", "--version"],
        &["once", "--version"],
    ];
    for words in table {
        let finished = sandbox.run_bare(words);
        assert_eq!(finished.code, Some(0), "{words:?}: {}", finished.stderr);
        assert_eq!(finished.stderr, "", "{words:?}");
        let text = finished.stdout;
        assert!(text.starts_with("mackerel-agent version "), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// The usage comes first, so that the last line is the error.
#[test]
fn usage_errors_of_every_command_end_with_the_reason() {
    let sandbox = Sandbox::empty();
    let undefined = "flag provided but not defined: -nonsense";
    let extra = "unexpected argument: extra";
    let order = "unexpected argument: configtest; the command comes before its flags: \
                 mackerel-agent configtest -conf F";
    let missing = "Required positional arguments not provided: NAME";
    // (command line, its last line)
    let mut table: Vec<(Vec<&str>, &str)> = vec![
        (vec!["-nonsense"], undefined),
        (vec!["-conf"], "flag needs an argument: -conf"),
        (
            vec!["-v=maybe"],
            "invalid boolean value \"maybe\" for -v: parse error",
        ),
        (vec!["-conf", "F", "configtest"], order),
        (vec!["-conf", "F", "extra"], extra),
        (vec!["frobnicate"], "no such command: frobnicate"),
        (vec!["help", "frobnicate"], "no such command: frobnicate"),
        (vec!["check"], missing),
        (vec!["plugin", "-v"], missing),
    ];
    for command in COMMANDS {
        let operand = matches!(command, "check" | "plugin" | "help").then_some("once");
        let words: Vec<&str> = [command].into_iter().chain(operand).collect();
        table.push(([words.clone(), vec!["extra"]].concat(), extra));
        // `help` and `version` read no flags.
        if !matches!(command, "help" | "version") {
            table.push(([words, vec!["-nonsense"]].concat(), undefined));
        }
    }
    for (words, expected) in table {
        let finished = sandbox.run_bare(&words);
        assert_eq!(finished.code, Some(2), "{words:?}: {}", finished.stderr);
        assert_eq!(finished.stdout, "", "{words:?}");
        let text = finished.stderr;
        assert!(
            text.starts_with("Usage: mackerel-agent"),
            "{words:?}: {text}"
        );
        assert_eq!(text.lines().last(), Some(expected), "{words:?}");
    }
}
