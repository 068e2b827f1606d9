//! What the program says about itself.

use crate::sandbox::Sandbox;

const COMMANDS: [&str; 11] = [
    "configtest",
    "health",
    "help",
    "init",
    "install",
    "once",
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
    assert!(finished.stderr.starts_with("no such command: nonsense\n"));
}

#[test]
fn every_command_explains_itself_on_stderr() {
    let sandbox = Sandbox::empty();
    // (command, exit code, a word of the help)
    let table: [(&[&str], i32, &str); 10] = [
        (&[], 0, "Commands:"),
        (&["configtest"], 0, "-conf path"),
        (&["health"], 0, "-live"),
        (&["init"], 0, "-apikey string"),
        (&["install"], 0, "-apikey-file path"),
        (&["once"], 0, "-conf path"),
        (&["retire"], 2, "-force"),
        (&["supervise"], 0, "-conf path"),
        (&["uninstall"], 0, "-restore"),
        (&["upgrade"], 0, "-from string"),
    ];
    for (command, code, word) in table {
        for flag in ["-h", "-help", "--help"] {
            let words: Vec<&str> = command.iter().copied().chain([flag]).collect();
            let finished = sandbox.run_bare(&words);
            assert_eq!(finished.code, Some(code), "{words:?}");
            assert_eq!(finished.stdout, "", "{words:?}");
            assert!(
                finished.stderr.contains(word),
                "{words:?}: {}",
                finished.stderr
            );
        }
    }
    let finished = sandbox.run_bare(&["version", "--help"]);
    assert!(finished.stdout.starts_with("mackerel-agent version "));
    let deprecated = sandbox.run_bare(&["--help"]).stderr;
    assert!(
        deprecated.contains("\n  -apikey string\n    \t(DEPRECATED: "),
        "{deprecated}"
    );
}
