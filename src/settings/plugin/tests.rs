//! Tests of reading the tables of plugins.

use super::*;
use crate::config::Findings;

fn read(text: &str) -> (Config, Findings) {
    let mut config = Config::default();
    let found = config.read(text.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    (config, found)
}

fn everything() -> Config {
    read(include_str!(
        "../../../tests/fixtures/config/everything.conf"
    ))
    .0
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

#[test]
fn reads_a_metric_plugin() {
    let plugin = everything().metric_plugins.remove("my plugin").unwrap();
    let command = Command {
        argv: ["sh", "-c", "plugin -flag $HOME | cat"]
            .map(str::to_owned)
            .into(),
        user: Some("nobody".into()),
        env: vec![("A".into(), "1".into()), ("B".into(), "x=y".into())],
        timeout: Duration::from_secs(60),
    };
    assert_eq!(plugin.command, command);
    assert_eq!(plugin.custom_identifier.as_deref(), Some("other.example"));
    assert!(plugin.include_pattern.unwrap().matches("ac"));
    assert!(plugin.exclude_pattern.unwrap().matches("abc"));
    assert!(plugin.use_plugin_timestamp);
}

/// Vectors 7 and 11.
#[test]
fn reads_check_plugins() {
    let mut checks = everything().check_plugins;
    let ssh = checks.remove("ssh").unwrap();
    assert_eq!(ssh.command.argv, ["perl", "-E", "say 'Hello'"]);
    assert_eq!(ssh.command.timeout, Duration::from_secs(60));
    assert_eq!(ssh.check_interval, minutes(30));
    assert_eq!(ssh.notification_interval, Some(60));
    assert_eq!(ssh.max_check_attempts, Some(3));
    let action = ssh.action.unwrap();
    assert_eq!(action.argv, ["sh", "-c", "cardiac_massage"]);
    assert_eq!(action.user.as_deref(), Some("doctor"));
    assert_eq!(action.timeout, Duration::from_secs(30));
    assert_eq!(ssh.memo, "");

    let closed = checks.remove("closed").unwrap();
    assert_eq!(closed.command.argv, ["sh", "-c", ""]);
    assert_eq!(closed.check_interval, minutes(60));
    assert_eq!(closed.notification_interval, Some(10));
    assert_eq!(closed.max_check_attempts, Some(1));
    assert!(closed.prevent_alert_auto_close && closed.action.is_none());
    assert_eq!(closed.memo, "A memo.");

    let plain = checks.remove("plain").unwrap();
    assert_eq!(plain.command.timeout, Duration::from_secs(30));
    assert_eq!(plain.check_interval, minutes(1));
    assert_eq!(
        (plain.notification_interval, plain.max_check_attempts),
        (None, None)
    );
    assert!(!plain.prevent_alert_auto_close);
}

#[test]
fn reads_metadata_plugins() {
    let plugins = everything().metadata_plugins;
    assert_eq!(plugins["facts"].execution_interval, minutes(60));
    assert_eq!(plugins["facts"].command.timeout, Duration::ZERO);
    assert_eq!(plugins["often"].execution_interval, minutes(10));
}

#[test]
fn check_numbers_are_kept_within_their_bounds() {
    let table = [
        (-1, None, None),
        (0, Some(10), None),
        (1, Some(10), Some(1)),
        (9, Some(10), Some(9)),
        (10, Some(10), Some(10)),
        (11, Some(11), Some(11)),
    ];
    for (number, notification_interval, max_check_attempts) in table {
        let mut text = format!("[plugin.checks.a]\ncommand='x'\nmax_check_attempts={number}\n");
        if number >= 0 {
            text += &format!("notification_interval={number}\n");
        }
        let check = read(&text).0.check_plugins.remove("a").unwrap();
        assert_eq!(check.notification_interval, notification_interval, "{text}");
        assert_eq!(check.max_check_attempts, max_check_attempts, "{text}");
    }
}

#[test]
fn plugin_with_a_name_that_the_api_rejects_is_not_run() {
    // (kind, name, whether it is run)
    let table = [
        ("checks", "a-B_9", true),
        ("checks", "a b", false),
        ("checks", "", false),
        ("checks", "mackerel", true),
        ("metadata", "a-B_9", true),
        ("metadata", "a.b", false),
        ("metadata", "mackerel-x", false),
        ("metrics", "any name!", true),
    ];
    for (kind, name, expected) in table {
        let (config, found) = read(&format!("[plugin.{kind}.'{name}']\ncommand = 'x'\n"));
        let (metrics, checks) = (config.metric_plugins.len(), config.check_plugins.len());
        let count = metrics + checks + config.metadata_plugins.len();
        assert_eq!(count == 1, expected, "{kind} {name}");
        let warnings: Vec<_> = found.warnings.iter().map(|told| &told.text).collect();
        assert_eq!(warnings.len(), usize::from(!expected), "{kind} {name}");
        assert!(
            warnings
                .iter()
                .all(|text| text.contains("is not run: its name has to be made of"))
        );
    }
}

/// Vector 13.
#[test]
fn a_memo_is_cut_by_characters() {
    let digits = "0123456789".repeat(26);
    let table = [
        (digits.clone(), digits[..250].to_owned(), 1),
        (digits[..250].to_owned(), digits[..250].to_owned(), 0),
        (
            format!("{}あいう", &digits[..249]),
            format!("{}あ", &digits[..249]),
            1,
        ),
        ("あいうえお".into(), "あいうえお".into(), 0),
    ];
    for (memo, expected, warnings) in table {
        let text = format!("\n[plugin.checks.a]\ncommand='x'\nmemo='{memo}'");
        let (mut config, found) = read(&text);
        assert_eq!(config.check_plugins.remove("a").unwrap().memo, expected);
        assert_eq!(found.warnings.len(), warnings, "{memo}");
        for warning in found.warnings {
            let expected = "plugin.checks.a: memo is longer than 250 characters and is cut";
            assert_eq!((warning.line, &*warning.text), (Some(2), expected));
        }
    }
}

#[test]
fn says_what_a_plugin_lacks() {
    let table = [
        (
            "[plugin.metrics.N]\ncommand = 'x'\nexclude_pattern = '('",
            "plugin.metrics.N: error parsing regexp: found open group without closing ')': `(`".to_owned(),
        ),
        (
            "[plugin.metrics]\nN = 'x'",
            "toml: line 2 (last key \"plugin.metrics.N\"): type mismatch for config.PluginConfig: expected table but found string; write its keys below a line [plugin.metrics.N]".to_owned(),
        ),
        (
            "[plugin.checks.N]\ncommand = 'x'\naction = 'x'",
            "toml: line 3 (last key \"plugin.checks.N.action\"): type mismatch for config.CommandConfig: expected table but found string; write its keys below a line [plugin.checks.N.action]".to_owned(),
        ),
        (
            "[plugin.checks.N]\ncommand = 'x'\nmax_check_attempts = 2147483648",
            "toml: line 3 (last key \"plugin.checks.N.max_check_attempts\"): 2147483648 is out of range for int32".to_owned(),
        ),
        (
            "[plugin.checks.N]\ncommand = 'x'\ncheck_interval = 1.5",
            "toml: line 3 (last key \"plugin.checks.N.check_interval\"): strconv.ParseInt: parsing \"1.500000\": invalid syntax; write minutes as a number, or a duration such as \"1h30m\"".to_owned(),
        ),
    ];
    for (text, expected) in table {
        let error = Config::default().read(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
}

#[test]
fn a_later_file_replaces_whole_plugins() {
    let (mut config, _) =
        read("[plugin.checks.a]\ncommand='x'\nmemo='m'\n[plugin.checks.b]\ncommand='x'");
    config.read(b"[plugin.checks.a]\ncommand='y'").unwrap();
    assert_eq!(config.check_plugins["a"].command.argv[2], "y");
    assert_eq!(config.check_plugins["a"].memo, "");
    assert_eq!(config.check_plugins.len(), 2);
}
