//! `init`: the key is written to the file once, and the rest of the file is unchanged.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::sandbox::Sandbox;

const SECRET: &str = "the-key-of-a-test";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_new_file_is_made_for_its_owner_alone() {
    let sandbox = Sandbox::empty();
    let conf = sandbox.path("etc/mackerel-agent/agent.conf");
    let path = conf.display().to_string();
    let flags = ["init", "-conf", &path, &format!("-apikey={SECRET}")];
    let finished = sandbox.run_bare(&flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
    assert_eq!(
        fs::read_to_string(&conf).unwrap(),
        format!("apikey = \"{SECRET}\"\n")
    );
    assert_eq!(mode(&conf), 0o600);
    assert_eq!(mode(conf.parent().unwrap()) & 0o700, 0o700);

    // A second time, as containers do at each start.
    let finished = sandbox.run_bare(&flags);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(finished.stderr.lines().count(), 1);
    let said = format!(" INFO <main> apikey already set in {path}, skip");
    assert!(finished.stderr.ends_with(&said), "{}", finished.stderr);
    assert!(!finished.stderr.contains(SECRET));
}

/// Vector 5.
#[test]
fn a_file_that_is_there_keeps_what_it_has() {
    let sandbox = Sandbox::empty();
    let conf = sandbox.write("agent.conf", "# c\nroot=\"/x\"\n");
    let finished = sandbox.run(&["init"], &["-apikey", "zzz", "-apibase", "http://q"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!((&*finished.stdout, &*finished.stderr), ("", ""));
    let expected = "apikey = \"zzz\"\napibase = \"http://q\"\n# c\nroot=\"/x\"\n";
    assert_eq!(sandbox.content("agent.conf"), expected);
    assert_eq!(mode(&conf), 0o600);
    assert_eq!(fs::read_dir(conf.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_key_is_quoted_as_go_quotes_it() {
    let sandbox = Sandbox::empty();
    let finished = sandbox.run(&["init"], &["-apikey", "a\"b"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(sandbox.content("agent.conf"), "apikey = \"a\\\"b\"\n");
}

/// The Go agent writes any text, so an implausible key is no error.
#[test]
fn a_key_that_cannot_be_one_is_written_with_a_warning() {
    // (key, expected warning; empty for none)
    let table = [
        (
            "<your API key>",
            "-apikey: character 1 is U+003C, a bracket",
        ),
        ("two words", "-apikey: character 4 is U+0020, a space"),
        (
            "\u{FEFF}SECRET",
            "-apikey: character 1 is U+FEFF, a byte order mark",
        ),
        (SECRET, ""),
    ];
    for (key, said) in table {
        let sandbox = Sandbox::empty();
        let finished = sandbox.run(&["init"], &["-apikey", key]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let text = finished.stderr;
        assert!(text.contains(said) && !text.contains(key), "{text}");
        assert_eq!(text.is_empty(), said.is_empty(), "{text}");
        assert_eq!(
            sandbox.content("agent.conf"),
            format!("apikey = \"{key}\"\n")
        );
    }
}

#[test]
fn a_file_that_others_can_read_keeps_its_mode_and_is_told_of() {
    let sandbox = Sandbox::empty();
    let conf = sandbox.write("agent.conf", "# as packages leave it\n");
    sandbox.mode("agent.conf", 0o644);
    let finished = sandbox.run(&["init"], &["-apikey", SECRET]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(mode(&conf), 0o644);
    assert!(finished.stderr.contains("WARNING"), "{}", finished.stderr);
    assert!(finished.stderr.contains("chmod o-r"), "{}", finished.stderr);
    assert!(!finished.stderr.contains(SECRET));
}

#[test]
fn what_cannot_be_done_changes_nothing() {
    // (file, flags, expected message)
    let table: [(&str, &[&str], &str); 4] = [
        ("root = \"/x\"\n", &[], "-apikey option is required"),
        (
            "root = \"/x\"\n",
            &["-apikey="],
            "-apikey option is required",
        ),
        (
            "verbose = 1\n",
            &["-apikey", SECRET],
            "failed to load the config file: ",
        ),
        (
            "apikey = \"\"\n",
            &["-apikey", SECRET],
            "duplicate key apikey; join the two, or remove one",
        ),
    ];
    for (text, flags, said) in table {
        let sandbox = Sandbox::empty();
        sandbox.write("agent.conf", text);
        let finished = sandbox.run(&["init"], flags);
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
        assert!(!finished.stderr.contains(SECRET));
        assert_eq!(sandbox.content("agent.conf"), text);
    }
}
