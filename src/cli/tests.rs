//! Command lines, and what is made of them.

use super::*;
use crate::config::Secret;

fn asked(line: &[&str]) -> Result<Command, Mistake> {
    let args: Vec<OsString> = line.iter().map(OsString::from).collect();
    parse(&args)
}

fn flags(line: &[&str]) -> Flags {
    match asked(line) {
        Ok(
            Command::Run(flags)
            | Command::Once(flags)
            | Command::Configtest(flags)
            | Command::Init(flags)
            | Command::Retire(flags)
            | Command::Install(flags)
            | Command::Uninstall(flags)
            | Command::Upgrade(flags),
        ) => flags,
        other => panic!("{line:?}: {other:?}"),
    }
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
    // (line after the command, what the child is given)
    let table: [(&[&str], &[&str]); 5] = [
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
    ];
    for (line, expected) in table {
        match asked(&[&["supervise"], line].concat()) {
            Ok(Command::Supervise(given, arguments)) => {
                assert_eq!(arguments, expected, "{line:?}");
                assert_eq!(given, flags(line));
            }
            other => panic!("{line:?}: {other:?}"),
        }
    }
}

#[test]
fn a_path_may_hold_any_bytes_and_a_text_may_not() {
    let bytes = |line: &[u8]| OsStr::from_bytes(line).to_owned();
    match parse(&[bytes(b"-conf=/\xff")]) {
        Ok(Command::Run(flags)) => assert_eq!(flags.conf.as_os_str(), bytes(b"/\xff")),
        other => panic!("{other:?}"),
    }
    let mistake = parse(&[bytes(b"-apikey"), bytes(b"SECRET\xff")]).unwrap_err();
    assert_eq!(mistake.why, "invalid value for -apikey: not UTF-8");
}

#[test]
fn tells_commands_apart() {
    assert!(matches!(asked(&[]), Ok(Command::Run(_))));
    assert!(matches!(asked(&["-v"]), Ok(Command::Run(_))));
    assert!(
        matches!(asked(&["once", "-v"]), Ok(Command::Once(flags)) if flags.verbose == Some(true))
    );
    assert_eq!(asked(&["version", "-h", "--bad"]), Ok(Command::Version));
    for line in [&["-h"][..], &["-help"], &["--help"], &["-v", "-h=x"]] {
        assert_eq!(asked(line), Ok(Command::Help(&COMMANDS[0])), "{line:?}");
    }
    for usage in COMMANDS.iter().filter(|usage| usage.flags.is_some()) {
        let words = [usage.name, "--help"];
        let words = &words[usize::from(usage.name.is_empty())..];
        assert_eq!(asked(words), Ok(Command::Help(usage)));
    }
    for line in [&["-version"][..], &["--version"], &["once", "--version"]] {
        assert_eq!(asked(line), Ok(Command::Version), "{line:?}");
    }
    // A command that is not there is not in the help either.
    for word in ["checks", "plugins", ""] {
        let mistake = asked(&[word, "-v"]).unwrap_err();
        assert_eq!(mistake.usage, None, "{word}");
        let text = mistake.text();
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
    let named = |name: &str| Flags {
        conf: "x".into(),
        ..flags(&[name][..0])
    };
    for line in [
        &["check", "ssh", "-conf", "x"][..],
        &["check", "-conf=x", "ssh"],
        &["check", "-conf=x", "--", "ssh"],
        &["check", "", "-conf=x", "ssh", ""],
    ] {
        let expected = Command::Check(named("ssh"), "ssh".into());
        assert_eq!(asked(line), Ok(expected), "{line:?}");
    }
    let expected = Command::Plugin(named("a b"), "a b".into());
    assert_eq!(asked(&["plugin", "a b", "-conf=x"]), Ok(expected));
    let named = |name: &str| Command::Check(Flags::default(), name.into());
    assert_eq!(asked(&["check", "--", "-odd"]), Ok(named("-odd")));
    assert_eq!(asked(&["check", "--", "--"]), Ok(named("--")));
    for line in [&["check"][..], &["check", "-v"], &["check", "--"]] {
        assert_eq!(asked(line).unwrap_err().why, "check needs a NAME");
    }
    assert_eq!(asked(&["plugin"]).unwrap_err().why, "plugin needs a NAME");
}

#[test]
fn help_explains_a_command_or_lists_them() {
    let usage = |name: &str| COMMANDS.iter().find(|usage| usage.name == name);
    let table: [(&[&str], _); 6] = [
        (&["help"], None),
        (&["help", "-h"], None),
        (&["help", "--help", "once"], usage("once")),
        (&["help", "retire"], usage("retire")),
        (&["help", "version", ""], usage("version")),
        (&["help", "help"], usage("help")),
    ];
    for (line, topic) in table {
        assert_eq!(asked(line), Ok(Command::Manual(topic)), "{line:?}");
    }
    let mistake = asked(&["help", "nonsense"]).unwrap_err();
    assert_eq!(mistake.why, "no such command: nonsense");
    let text = overview();
    let listed = |usage: &Usage| text.contains(&format!("    {:<12}    ", usage.name));
    assert!(COMMANDS[1..].iter().all(listed), "{text}");
}

#[test]
fn an_api_key_is_found_wherever_it_stands() {
    // (words, where keys stand)
    let table: Vec<(&[&str], &[_])> = vec![
        (&["agent", "-apikey=KEY"], &[(1, 8)]),
        (&["agent", "-v", "--apikey", "KEY", "-v"], &[(3, 0)]),
        (
            &["agent", "init", "--apikey=a=b", "-apikey", "c"],
            &[(2, 9), (4, 0)],
        ),
        (&["agent", "more", "--", "-apikey", "KEY"], &[(4, 0)]),
        (&["agent", "-apikey"], &[(2, 0)]),
        (
            &["agent", "-apikeys=KEY", "apikey=KEY", "---apikey=KEY"],
            &[],
        ),
    ];
    for (words, expected) in table {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        assert!(secrets(&words).eq(expected.iter().copied()), "{words:?}");
    }
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
        let mistake = asked(line).unwrap_err();
        assert_eq!(mistake.why, expected);
        assert!(mistake.text().ends_with(&format!("\n\n{expected}\n")));
    }
}

#[test]
fn a_word_that_no_command_takes_is_a_mistake() {
    let order = "unexpected argument: configtest; the command comes before its flags: \
                 mackerel-agent configtest";
    let unexpected = |word: &str| format!("unexpected argument: {word}");
    let secret = "unexpected argument, which may be part of the key; write -apikey=KEY";
    // (why this row exists, line, what is said)
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
        let mistake = asked(line).unwrap_err();
        assert_eq!(mistake.why, expected, "{why}");
        assert!(!mistake.text().contains("SECRET"), "{why}");
    }
}

#[test]
fn the_version_is_one_line_in_the_form_that_scripts_know() {
    let line = version();
    let start = format!("mackerel-agent version {} (rev ", env!("CARGO_PKG_VERSION"));
    assert!(line.starts_with(&start) && line.ends_with("] \n"), "{line}");
    assert!(line.contains(") [linux "), "{line}");
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
            match parse(&[first.clone(), second.clone()]) {
                Ok(Command::Help(usage)) => drop(usage.text()),
                Ok(_) => {}
                Err(mistake) => drop(mistake.text()),
            }
        }
    }
}

#[test]
fn service_flags_are_added_where_no_other_agent_is_meant() {
    // (words, expected)
    let table = [
        ("agent retire -force", "agent retire -root /s -v -force"),
        ("agent check NAME", "agent check -root /s -v NAME"),
        ("agent plugin NAME", "agent plugin -root /s -v NAME"),
        ("agent health -live", "agent health -root /s -v -live"),
        ("agent retire -root=/r", "agent retire -root=/r"),
        ("agent retire --root /r", "agent retire --root /r"),
        (
            "agent retire -force -conf /c",
            "agent retire -force -conf /c",
        ),
        ("agent once", "agent once"),
        ("agent configtest", "agent configtest"),
        ("agent supervise", "agent supervise"),
        ("agent -v", "agent -v"),
        ("agent", "agent"),
        ("", ""),
    ];
    for (words, expected) in table {
        let split = words.split_whitespace().map(OsString::from).collect();
        let found = with_service(split, || ["-root", "/s", "-v"].map(OsString::from).into());
        let found: Vec<_> = found.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(found.join(" "), expected, "{words}");
    }
}

#[test]
fn the_environment_adds_flags_before_those_that_are_given() {
    let variable = |conf: &'static str, opts: &'static str| {
        move |name: &str| {
            let value = match name {
                "MACKEREL_AGENT_CONFIG" => conf,
                "opts" => opts,
                _ => "",
            };
            Some(OsString::from(value)).filter(|value| !value.is_empty())
        }
    };
    // (words, MACKEREL_AGENT_CONFIG, opts, expected)
    let table = [
        ("agent", "", "", "agent"),
        (
            "agent -v",
            "/c",
            " -role=a:b\t-v=0 ",
            "agent -conf /c -role=a:b -v=0 -v",
        ),
        ("agent retire -force", "", "-v", "agent retire -v -force"),
        ("agent check NAME", "/c", "", "agent check -conf /c NAME"),
        (
            "agent init -apikey=k",
            "/c",
            "-v",
            "agent init -conf /c -apikey=k",
        ),
        ("agent version", "/c", "-v", "agent version"),
        ("agent nonsense", "/c", "-v", "agent nonsense"),
        ("", "/c", "", "-conf /c"),
    ];
    for (words, conf, opts, expected) in table {
        let split = words.split_whitespace().map(OsString::from).collect();
        let found = with_environment(split, &mut variable(conf, opts));
        let found: Vec<_> = found.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(found.join(" "), expected, "{words}");
    }
}
