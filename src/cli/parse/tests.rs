//! Tests of parsing command lines.

use argh::{FlagInfoKind, Optionality};

use super::*;
use crate::cli::flags_of;
use crate::cli::help::{command_help, error_help, overview};
use crate::cli::table::COMMANDS;
use crate::config::{Flags, Secret};

fn asked(line: &[&str]) -> Result<Request, UsageError> {
    let args: Vec<OsString> = line.iter().map(OsString::from).collect();
    parse(&args)
}

/// The requested command, without the flags.
fn command(line: &[&str]) -> Result<Command, UsageError> {
    asked(line).map(|request| request.command)
}

fn operand(line: &[&str]) -> OsString {
    asked(line).unwrap().operand
}

fn flags(line: &[&str]) -> Flags {
    asked(line).unwrap().flags
}

#[test]
fn takes_flags_as_go_does() {
    let given = |change: fn(&mut Flags)| {
        let mut flags = Flags::default();
        change(&mut flags);
        flags
    };
    let conf = |path: &str| Flags {
        conf: path.into(),
        ..Flags::default()
    };
    let table: Vec<(&[&str], Flags)> = vec![
        (&[], Flags::default()),
        (&["-conf", "x"], conf("x")),
        (&["--conf", "x"], conf("x")),
        (&["-conf=x"], conf("x")),
        (&["--conf=x=y"], conf("x=y")),
        (&["-conf="], conf("")),
        (&["-conf", "-v"], conf("-v")),
        (&["-conf", "x", "-conf", "y"], conf("y")),
        (&["-conf", "x", "--"], conf("x")),
        (&["-conf", "x", ""], conf("x")),
        (&["once", "", "-conf", "x"], conf("x")),
        (&["-v"], given(|f| f.verbose = Some(true))),
        (&["-v=false"], given(|f| f.verbose = Some(false))),
        (&["--verbose=T"], given(|f| f.verbose = Some(true))),
        (&["-verbose", "-v=0"], given(|f| f.verbose = Some(false))),
        (&["-diagnostic"], given(|f| f.diagnostic = Some(true))),
        (
            &["-private-autoshutdown"],
            given(|f| f.autoshutdown = Some(true)),
        ),
        (&["-child"], given(|f| f.child = true)),
        (&["configtest", "-conf", "x"], conf("x")),
        (&["init", "-conf", "x"], conf("x")),
        (
            &["init", "-apikey=k", "--apibase", "b"],
            given(|f| {
                f.apikey = Some(Secret::new("k"));
                f.apibase = Some("b".into());
            }),
        ),
        (
            &["retire", "-force", "-child", "-v"],
            given(|f| (f.force, f.child, f.verbose) = (true, true, Some(true))),
        ),
        (
            &["install", "-apikey-file", "/k", "-as-root=0", "-dry-run"],
            given(|f| {
                f.setup.apikey_file = Some("/k".into());
                (f.setup.as_root, f.setup.dry_run) = (Some(false), true);
            }),
        ),
        (
            &["uninstall", "-restore", "-prefix=/mnt"],
            given(|f| {
                (f.setup.restore, f.setup.prefix) = (Some(true), Some("/mnt".into()));
            }),
        ),
        (
            &["upgrade", "-from", "/media", "-key", "/k"],
            given(|f| {
                (f.setup.from, f.setup.key) = (Some("/media".into()), Some("/k".into()));
            }),
        ),
        (&["--root", "/r"], given(|f| f.root = Some("/r".into()))),
        (&["--pidfile", ""], given(|f| f.pidfile = Some("".into()))),
        (&["-apibase", "b"], given(|f| f.apibase = Some("b".into()))),
        (&["-apikey="], given(|f| f.apikey = Some(Secret::default()))),
        (
            &["-role=a:b,c:d", "-role", "e:f"],
            given(|f| f.roles = Some(["a:b", "c:d", "e:f"].map(str::to_owned).into())),
        ),
        (
            &["-role", ""],
            given(|f| f.roles = Some(vec![String::new()])),
        ),
    ];
    for (line, expected) in table {
        assert_eq!(flags(line), expected, "{line:?}");
    }
}

#[test]
fn a_child_is_given_the_flags_as_they_are_but_no_key() {
    // (line after the command, words that the child receives)
    let table: [(&[&str], &[&str]); 6] = [
        (&[], &[]),
        (
            &["--root", "/r", "-v=false", "-role=a:b", "--conf=x=y"],
            &["--root", "/r", "-v=false", "-role=a:b", "--conf=x=y"],
        ),
        (
            &["-v", "-apikey", "KEY", "-root", "/r"],
            &["-v", "-root", "/r"],
        ),
        (&["--apikey=KEY", "-apikey", "-v", "-v"], &["-v"]),
        (&["-v", "--"], &["-v"]),
        (
            &["-v", "-conf=a", "-v=false", "-conf", "b"],
            &["-v", "-conf=a", "-v=false", "-conf", "b"],
        ),
    ];
    for (line, expected) in table {
        let request = asked(&[&["supervise"], line].concat()).unwrap();
        assert_eq!(request.command, Command::Supervise);
        assert_eq!(request.words, expected, "{line:?}");
        assert_eq!(request.flags, flags(line));
    }
}

#[test]
fn a_path_may_hold_any_bytes_and_a_text_may_not() {
    let bytes = |line: &[u8]| OsStr::from_bytes(line).to_owned();
    let request = parse(&[bytes(b"-conf=/\xff")]).unwrap();
    assert_eq!(request.flags.conf.as_os_str(), bytes(b"/\xff"));
    let error = parse(&[bytes(b"-apikey"), bytes(b"SECRET\xff")]).unwrap_err();
    assert_eq!(error.reason, "invalid value for -apikey: not UTF-8");
}

#[test]
fn command_is_found_by_its_name() {
    let table = [
        ("", Command::Run),
        ("-v", Command::Run),
        ("configtest -v", Command::Configtest),
        ("diagnose -v", Command::Diagnose),
        ("health -live", Command::Health),
        ("status -json", Command::Status),
        ("live -listen 127.0.0.1:0", Command::Live),
        ("logs -f", Command::Logs),
        ("logs -follow", Command::Logs),
        ("top -interval 2", Command::Top),
        ("init -apikey=k", Command::Init),
        ("install", Command::Install),
        ("once -v", Command::Once),
        ("retire", Command::Retire),
        ("supervise", Command::Supervise),
        ("uninstall", Command::Uninstall),
        ("upgrade", Command::Upgrade),
        ("version -h --bad", Command::Version),
    ];
    for (line, expected) in table {
        let words: Vec<_> = line.split_whitespace().collect();
        assert_eq!(command(&words), Ok(expected), "{line}");
    }
    for line in [&["-h"][..], &["-help"], &["--help"], &["-v", "-h=x"]] {
        assert_eq!(command(line), Ok(Command::Help(&AGENT)), "{line:?}");
    }
    for spec in &COMMANDS {
        if spec.takes != FlagSet::Ignored {
            assert_eq!(command(&[spec.name, "--help"]), Ok(Command::Help(spec)));
        }
    }
    for line in [&["-version"][..], &["--version"], &["once", "--version"]] {
        assert_eq!(command(line), Ok(Command::Version), "{line:?}");
    }
    // A command that does not exist is not in the help either.
    for word in ["checks", "plugins", ""] {
        let error = asked(&[word, "-v"]).unwrap_err();
        assert_eq!(error.command, None, "{word}");
        let text = error_help(&error);
        assert!(text.contains(
            "Usage: mackerel-agent <command> [<args>]\n\nCommands:\n\n    <no command>    "
        ));
        let listed = text
            .lines()
            .filter(|line| line.trim().starts_with(word))
            .count();
        assert!(word.is_empty() || listed == 0, "{text}");
    }
}

#[test]
fn a_plugin_is_named_before_or_after_the_flags() {
    for line in [
        &["check", "ssh", "-conf", "x"][..],
        &["check", "-conf=x", "ssh"],
        &["check", "-conf=x", "--", "ssh"],
        &["check", "", "-conf=x", "ssh", ""],
    ] {
        assert_eq!(command(line), Ok(Command::Check), "{line:?}");
        assert_eq!(operand(line), "ssh", "{line:?}");
        assert_eq!(flags(line), flags(&["-conf=x"]), "{line:?}");
    }
    let line = ["plugin", "a b", "-conf=x"];
    assert_eq!(command(&line), Ok(Command::Plugin));
    assert_eq!(operand(&line), "a b");
    for name in ["-odd", "--", "help", "--help"] {
        assert_eq!(operand(&["check", "--", name]), name);
    }
    for line in [
        &["check"][..],
        &["check", "-v"],
        &["check", "--"],
        &["plugin"],
    ] {
        let error = asked(line).unwrap_err();
        let reason = "Required positional arguments not provided: NAME";
        assert_eq!(error.reason, reason, "{line:?}");
        assert_eq!(error.command, find(OsStr::new(line[0])).ok());
    }
}

#[test]
fn help_explains_a_command_or_lists_them() {
    let table: [(&[&str], _); 7] = [
        (&["help", ""], ""),
        (&["help"], ""),
        (&["help", "-h"], ""),
        (&["help", "--help", "once"], "once"),
        (&["help", "retire"], "retire"),
        (&["help", "version", ""], "version"),
        (&["help", "help"], "help"),
    ];
    for (line, topic) in table {
        assert_eq!(command(line), Ok(Command::Manual), "{line:?}");
        assert_eq!(operand(line), topic, "{line:?}");
    }
    let error = asked(&["help", "nonsense"]).unwrap_err();
    assert_eq!(error.reason, "no such command: nonsense");
    let text = overview();
    let listed = |spec: &CommandSpec| text.contains(&format!("    {:<15} ", spec.name));
    assert!(COMMANDS.iter().all(listed), "{text}");
}

#[test]
fn says_what_is_wrong_in_the_words_of_go() {
    let table: [(&[&str], &str); 10] = [
        (&["init", "-v"], "flag provided but not defined: -v"),
        (&["once", "-force"], "flag provided but not defined: -force"),
        (
            &["retire", "-nonsense"],
            "flag provided but not defined: -nonsense",
        ),
        (&["-x"], "flag provided but not defined: -x"),
        (
            &["once", "--silent=1"],
            "flag provided but not defined: -silent",
        ),
        (&["-conf"], "flag needs an argument: -conf"),
        (
            &["-v=maybe"],
            "invalid boolean value \"maybe\" for -v: parse error",
        ),
        (&["-v="], "invalid boolean value \"\" for -v: parse error"),
        (&["---v"], "bad flag syntax: ---v"),
        (&["-=v"], "bad flag syntax: -=v"),
    ];
    for (line, expected) in table {
        let error = asked(line).unwrap_err();
        assert_eq!(error.reason, expected);
        assert!(error_help(&error).ends_with(&format!("\n\n{expected}\n")));
    }
}

#[test]
fn a_word_that_no_command_takes_is_a_mistake() {
    let order = "unexpected argument: configtest; the command comes before its flags: \
                 mackerel-agent configtest";
    let unexpected = |word: &str| format!("unexpected argument: {word}");
    let secret = "unexpected argument, which may be part of the key; write -apikey=KEY";
    // (why this row exists, line, expected text)
    let table: [(&str, &[&str], String); 15] = [
        (
            "flags first",
            &["-conf", "F", "configtest"],
            format!("{order} -conf F"),
        ),
        (
            "flags first, and after",
            &["-conf=F", "configtest", "-v"],
            format!("{order} -conf=F"),
        ),
        (
            "after a switch",
            &["-v", "configtest"],
            format!("{order} -v"),
        ),
        ("a word too many", &["once", "extra"], unexpected("extra")),
        (
            "behind flags",
            &["once", "-v", "extra"],
            unexpected("extra"),
        ),
        (
            "of no command",
            &["-conf", "F", "extra"],
            unexpected("extra"),
        ),
        (
            "behind the end of the flags",
            &["-v", "--", "-v"],
            unexpected("-v"),
        ),
        ("a dash", &["-conf", "F", "-"], unexpected("-")),
        (
            "two commands",
            &["once", "configtest"],
            unexpected("configtest"),
        ),
        ("two plugins", &["check", "ssh", "more"], unexpected("more")),
        ("behind version", &["version", "extra"], unexpected("extra")),
        (
            "behind help",
            &["help", "once", "extra"],
            unexpected("extra"),
        ),
        (
            "the value of a switch",
            &["-v", "false"],
            unexpected("false; the value of a switch follows a =, as in -v=false"),
        ),
        (
            "a key is not repeated",
            &["-apikey", "=", "SECRET"],
            secret.to_owned(),
        ),
        (
            "nor is one of a command",
            &["init", "-apikey=", "SECRET"],
            secret.to_owned(),
        ),
    ];
    for (why, line, expected) in table {
        let error = asked(line).unwrap_err();
        assert_eq!(error.reason, expected, "{why}");
        assert!(!error_help(&error).contains("SECRET"), "{why}");
    }
}

#[test]
fn never_panics() {
    let pieces: [&[u8]; 12] = [
        b"", b"-", b"--", b"=", b"v", b"conf", b"role", b"once", b"\xff", b"h", b",", b"x",
    ];
    let words: Vec<OsString> = pieces
        .iter()
        .flat_map(|a| pieces.map(|b| OsStr::from_bytes(&[a, b].concat()).to_owned()))
        .collect();
    for first in &words {
        for second in &words {
            let request = parse(&[first.clone(), second.clone()]);
            match request.map(|request| request.command) {
                Ok(Command::Help(spec)) => drop(command_help(spec)),
                Ok(_) => {}
                Err(error) => drop(error_help(&error)),
            }
        }
    }
}

#[test]
fn flags_of_every_command_are_options_of_known_kinds() {
    assert!(COMMANDS.is_sorted_by_key(|spec| spec.name));
    for spec in [&AGENT].into_iter().chain(&COMMANDS) {
        let [own, config] = spec.tables();
        let mut names = flags_of(spec.name);
        assert!(spec.takes != FlagSet::Ignored || names.is_empty());
        for table in [own, config] {
            let names = normalise::flags(table).map(normalise::name);
            assert!(names.is_sorted(), "{}", spec.name);
            for flag in normalise::flags(table) {
                assert!(
                    matches!(
                        flag.kind,
                        FlagInfoKind::Option {
                            arg_name: "bool" | "path" | "string"
                        }
                    ),
                    "{}: `=false` does not work with a switch of argh",
                    flag.long
                );
                assert!(flag.optionality != Optionality::Required, "{}", flag.long);
            }
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}", spec.name);
    }
    assert_eq!(flags_of("init"), ["apibase", "apikey", "conf"]);
    assert_eq!(
        flags_of("retire")[..3],
        ["force", "organization", "apibase"]
    );
    assert!(flags_of("").contains(&"verbose"));
}
