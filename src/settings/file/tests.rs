//! Tests of reading the text of a configuration file.

use std::path::PathBuf;

use super::*;
use crate::config::damage::survives_damage;
use crate::config::{APIBASE, CloudPlatform, NamedFile, PIDFILE, ROOT};

const EVERYTHING: &str = include_str!("../../../tests/fixtures/config/everything.conf");

fn config(text: &str) -> Config {
    let mut config = Config::default();
    let found = config.read(text.as_bytes());
    found.unwrap_or_else(|error| panic!("{text}: {error}"));
    config
}

fn refusal(text: &[u8]) -> String {
    Config::default().read(text).unwrap_err().to_string()
}

#[test]
fn stores_every_key() {
    let config = config(EVERYTHING);
    assert_eq!(config.apibase, "https://user:word@mackerel.example:8443");
    assert_eq!(&*config.apikey, "SECRET-KEY");
    assert_eq!(config.root, PathBuf::from("/tmp/state"));
    assert_eq!(config.pidfile, PathBuf::from("/tmp/agent.pid"));
    assert_eq!(config.roles, ["Service:app", "Service: db"]);
    assert!(config.verbose && config.silent && config.diagnostic);
    assert_eq!(config.display_name.as_deref(), Some("ホスト"));
    assert!(config.disable_http_keep_alive && config.autoshutdown);
    assert_eq!(config.http_proxy.as_deref(), Some("http://proxy:3128"));
    assert_eq!(config.https_proxy.as_deref(), Some("direct"));
    assert_eq!(config.cloud_platform, CloudPlatform::AzureVm);
    let include = config.include.unwrap();
    assert_eq!(include.pattern, "/etc/mackerel-agent/conf.d/*.conf");
    assert_eq!(include.line, 16);
    let named = |path: &str, line| {
        Some(NamedFile {
            path: path.into(),
            by: PathBuf::new(),
            line,
        })
    };
    let key = "/etc/mackerel-agent/apikey";
    assert_eq!(config.apikey_file, named(key, 18));
    assert_eq!(config.ca_file, named("/etc/mackerel-agent/ca.pem", 19));
    let host = [
        config.host.root,
        config.host.proc,
        config.host.sys,
        config.host.etc,
    ];
    let places = ["/host", "/host/proc", "/host/sys", "/host/etc"];
    assert_eq!(host.map(Option::unwrap), places.map(PathBuf::from));
    assert_eq!(config.host_status.on_start.as_deref(), Some("working"));
    assert_eq!(config.host_status.on_stop.as_deref(), Some("poweroff"));
    assert!(config.filesystems.ignore.unwrap().matches("/dev/loop0"));
    assert!(config.filesystems.use_mountpoint);
    assert!(config.disks_ignore.unwrap().matches("sr0"));
    assert!(config.interfaces_ignore.unwrap().matches("eth10"));
}

#[test]
fn the_file_has_no_unknown_key() {
    let found = Config::default().read(EVERYTHING.as_bytes()).unwrap();
    assert_eq!(found.unread.report(), []);
}

/// Vector 19.
#[test]
fn takes_toml_as_it_comes() {
    let table = [
        "\u{FEFF}apikey = 'x'\r\nroles = [\r\n 'a:b', # why\r\n]\r\n",
        "[plugin.checks.a]\ncommand = ['a']\nenv = {\n A = 'b',\n C = 'd',\n}\n",
        "display_name = \"a\\e\\x41\"",
        "APIKEY = 'x'\n[FileSystems]\nIGNORE = 'a'\n[Plugin.metrics.a]\nCommand = 'x'",
        "env = 'x'\nplugin = 'a'",
        "[plugin]\nmetrics = 'x'",
        "[plugin.checks.a]\ncommand = 'x'\nenv = 'x'",
        "[plugin.foo.bar]\nany = 1",
        "plugin.metrics.a.command = 'x'",
        "cloud_platform = ''\ninclude = ''",
        "",
    ];
    for text in table {
        config(text);
    }
    assert_eq!(config(table[2]).display_name.unwrap(), "a\x1bA");
    assert_eq!(&*config(table[3]).apikey, "x");
    assert_eq!(config(table[3]).metric_plugins.len(), 1);
    assert_eq!(
        &*config("APIKEY='wrong'\napikey='x'\nApikey='wrong'").apikey,
        "x"
    );
}

#[test]
fn empty_is_absent() {
    let config = config(
        "apibase=''\nroot=''\npidfile=''\nhttp_proxy=''\ndisplay_name=''\nca_file=''\napikey_file=''\nhost_root=''",
    );
    assert_eq!(config.apibase, APIBASE);
    assert_eq!(config.root, PathBuf::from(ROOT));
    assert_eq!(config.pidfile, PathBuf::from(PIDFILE));
    assert_eq!((config.http_proxy, config.display_name), (None, None));
    assert_eq!((config.apikey_file, config.ca_file), (None, None));
    assert_eq!(config.host.root, None);
}

#[test]
fn says_what_is_wrong_and_where() {
    let mismatch = "incompatible types: TOML value has type";
    let table = [
        (
            "\nverbose = 'yes'",
            format!(
                r#"toml: line 2 (last key "verbose"): {mismatch} string; destination has type boolean; write true or false, without quotes"#
            ),
        ),
        (
            "apikey = 12345",
            format!(
                r#"toml: line 1 (last key "apikey"): {mismatch} integer; destination has type string; write it in quotes"#
            ),
        ),
        (
            "roles = 'a:b'",
            format!(
                r#"toml: line 1 (last key "roles"): {mismatch} string; destination has type slice; write a list such as ["one", "two"]"#
            ),
        ),
        (
            "roles = ['a:b', 1]",
            format!(
                r#"toml: line 1 (last key "roles"): {mismatch} integer; destination has type string; write it in quotes"#
            ),
        ),
        (
            "disks = 'sda'",
            "toml: line 1 (last key \"disks\"): type mismatch for config.Disks: expected table but found string; write its keys below a line [disks]".to_owned(),
        ),
        (
            "[filesystems]\n\nignore = '['",
            "toml: line 3 (last key \"filesystems.ignore\"): error parsing regexp: missing closing ]: `[`".to_owned(),
        ),
        (
            "cloud_platform = 'EC2'",
            "toml: line 1 (last key \"cloud_platform\"): failed to parse \"EC2\"; write auto, none, ec2, gce or azurevm".to_owned(),
        ),
        (
            "apibase = 'api.example'",
            format!(
                "toml: line 1 (last key \"apibase\"): not the address of an HTTP server; write one like {APIBASE}"
            ),
        ),
        (
            "apikey = 'x'\napikey = 'y'",
            "toml: line 2, column 1: duplicate key apikey; join the two, or remove one".to_owned(),
        ),
        (
            "a = 1\n  key = あ\n",
            "toml: line 2, column 9: string values must be quoted, expected literal string; write a text in quotes, and true, false and numbers without".to_owned(),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(refusal(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(
        refusal(b"a = 1\nb = '\xFF'"),
        "toml: line 2: invalid UTF-8; save the file in UTF-8"
    );
    for text in [
        "a = '\0'",
        "[a]\n[a]",
        "a = 1\n[a]",
        "a",
        "[a",
        "a = \"",
        "= 1",
    ] {
        assert!(
            refusal(text.as_bytes()).starts_with("toml: line "),
            "{text}"
        );
    }
}

#[test]
fn reports_every_mistake_in_the_order_of_the_lines() {
    let text = "verbose = 1\nsilent = 'x'\napikey = true\n[disks]\nignore = '('";
    let lines = refusal(text.as_bytes());
    for (at, line) in lines.lines().enumerate() {
        let at = if at == 3 { 5 } else { at + 1 };
        assert!(line.starts_with(&format!("toml: line {at} (")), "{lines}");
    }
    assert_eq!(lines.lines().count(), 4);
    let many: String = (0..30)
        .map(|at| format!("[plugin.checks.a{at}]\nmemo = 1\n"))
        .collect();
    let text = refusal(many.as_bytes());
    assert!(text.ends_with("\nand 40 more"), "{text}");
}

#[test]
fn deep_nesting_is_refused() {
    for text in [
        "a.".repeat(100_000) + "a = 1",
        "a = ".to_owned() + &"[".repeat(100_000),
    ] {
        assert!(refusal(text.as_bytes()).contains("recurs"));
    }
}

#[test]
fn damage_neither_panics_nor_shows_the_key() {
    survives_damage(EVERYTHING, |text| {
        let mut config = Config::default();
        match config.read(text) {
            Ok(found) => {
                let shown: String = found.warnings.into_iter().map(|w| w.text).collect();
                assert!(!shown.contains("SECRET-KEY"), "{shown}");
                drop(found.unread.report());
                let shown = format!("{config:?}");
                assert!(!shown.contains("SECRET-KEY"), "{shown}");
            }
            Err(error) => assert!(!error.to_string().contains("SECRET-KEY"), "{error}"),
        }
    });
}
