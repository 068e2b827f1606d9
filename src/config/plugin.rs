//! `[plugin.KIND.NAME]`: any kind may hold any key, and what each kind needs is taken out.

use std::time::Duration;

use super::command::{RUN, Run};
use super::item::Item;
use super::unknown_keys::KINDS;
use super::walk::{Key, Keys, Walk, store};
use super::{CheckPlugin, Command, Config, MetadataPlugin, MetricPlugin};
use crate::base::pattern::{Pattern, PatternError};
use crate::base::text::is_word;

/// Minutes between two runs of a check.
const CHECK_INTERVAL: (u32, u32) = (1, 60);
/// Minutes between two notifications, at the least.
const NOTIFICATION_INTERVAL: u32 = 10;
/// What the name of a check has to be, and that of a metadata plugin.
const CHECK_NAME: &str = "made of a-z, A-Z, 0-9, - and _";
const METADATA_NAME: &str = "made of a-z, A-Z, 0-9, - and _, and not to begin with \"mackerel\"";
/// How the namespaces begin that the server keeps for itself.
const RESERVED: &str = "mackerel";
/// Minutes between two runs of a metadata plugin, at the least and if it does not say.
const EXECUTION_INTERVAL: u32 = 10;
/// Characters of a memo that the API takes.
const MEMO: usize = 250;

/// The table as it is written.
#[derive(Default)]
struct Table {
    run: Run,
    action: Run,
    custom_identifier: Option<String>,
    include_pattern: Expression,
    exclude_pattern: Expression,
    use_plugin_timestamp: bool,
    check_interval: Option<u32>,
    notification_interval: Option<u32>,
    execution_interval: Option<u32>,
    /// 0: it does not say.
    max_check_attempts: u32,
    prevent_alert_auto_close: bool,
    memo: Option<String>,
}

/// The text of a regular expression, and its line.
type Expression = Option<(String, usize)>;

fn expression(item: Item<'_>) -> Result<Expression, String> {
    Ok(Some((item.string()?.to_owned(), item.line)))
}

const TABLE: &Keys<Table> = &[
    ("custom_identifier", Key::Text(|t| &mut t.custom_identifier)),
    (
        "include_pattern",
        Key::Value(|t, v| store(&mut t.include_pattern, expression(v)?)),
    ),
    (
        "exclude_pattern",
        Key::Value(|t, v| store(&mut t.exclude_pattern, expression(v)?)),
    ),
    (
        "use_plugin_timestamp",
        Key::Flag(|t| &mut t.use_plugin_timestamp),
    ),
    ("check_interval", Key::Minutes(|t| &mut t.check_interval)),
    (
        "notification_interval",
        Key::Minutes(|t| &mut t.notification_interval),
    ),
    (
        "execution_interval",
        Key::Minutes(|t| &mut t.execution_interval),
    ),
    (
        "max_check_attempts",
        Key::Value(|t, v| {
            let attempts = v.integer(i32::MIN.into(), i32::MAX.into(), "int32")?;
            store(
                &mut t.max_check_attempts,
                u32::try_from(attempts).unwrap_or(0),
            )
        }),
    ),
    (
        "prevent_alert_auto_close",
        Key::Flag(|t| &mut t.prevent_alert_auto_close),
    ),
    ("memo", Key::Text(|t| &mut t.memo)),
    (
        "action",
        Key::Inside(|walk, t, v| walk.section(&mut t.action, RUN, v, "CommandConfig")),
    ),
];

/// Reads the table `plugin`. A plugin replaces the one of the same kind and name altogether.
pub(super) fn plugins(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    // Not a table: ignored, and so it is with each kind.
    let Some(kinds) = item.table() else { return };
    walk.each(kinds, |walk, item| {
        let Some(names) = item.table() else { return };
        let kind = KINDS.into_iter().find(|kind| *kind == walk.last());
        walk.each(names, |walk, item| plugin(walk, config, kind, item));
    });
}

fn plugin(walk: &mut Walk<'_>, config: &mut Config, kind: Option<&'static str>, item: Item<'_>) {
    let Some(keys) = walk.expect_table(item, "PluginConfig") else {
        return;
    };
    let mut table = Table::default();
    walk.each(keys, |walk, item| {
        if !walk.known(&mut table.run, RUN, item) && !walk.known(&mut table, TABLE, item) {
            walk.unread(item);
        }
    });
    let Some(kind) = kind else {
        return walk.stray_plugin(item.line);
    };
    let name = walk.last().to_owned();
    let mut build = Build {
        id: format!("plugin.{kind}.{name}"),
        line: item.line,
        walk,
    };
    match kind {
        "metrics" => {
            if let Some(plugin) = build.metric(table) {
                config.metric_plugins.insert(name, plugin);
            }
        }
        "checks" => {
            if let Some(plugin) = build.check(table)
                && build.is_name(is_word(&name), CHECK_NAME)
            {
                config.check_plugins.insert(name, plugin);
            }
        }
        _ => {
            let is_good = is_word(&name) && !name.starts_with(RESERVED);
            if let Some(plugin) = build.metadata(table)
                && build.is_name(is_good, METADATA_NAME)
            {
                config.metadata_plugins.insert(name, plugin);
            }
        }
    }
}

/// Makes a plugin of its table.
struct Build<'w, 't> {
    walk: &'w mut Walk<'t>,
    /// `plugin.KIND.NAME`, for messages.
    id: String,
    line: usize,
}

impl Build<'_, '_> {
    fn metric(&mut self, table: Table) -> Option<MetricPlugin> {
        let command = self.command(table.run);
        let include_pattern = self.pattern(table.include_pattern);
        let exclude_pattern = self.pattern(table.exclude_pattern);
        Some(MetricPlugin {
            command: command?,
            custom_identifier: table.custom_identifier,
            include_pattern,
            exclude_pattern,
            use_plugin_timestamp: table.use_plugin_timestamp,
        })
    }

    fn check(&mut self, table: Table) -> Option<CheckPlugin> {
        let command = self.command(table.run);
        let action = match table.action.is_given() {
            true => Some(self.command(table.action)?),
            false => None,
        };
        let mut attempts = table.max_check_attempts;
        if table.prevent_alert_auto_close && attempts > 1 {
            attempts = 1;
            self.warn("max_check_attempts is taken as 1, because prevent_alert_auto_close is true");
        }
        let mut memo = table.memo.unwrap_or_default();
        if let Some((end, _)) = memo.char_indices().nth(MEMO) {
            memo.truncate(end);
            self.warn(&format!("memo is longer than {MEMO} characters and is cut"));
        }
        let (least, most) = CHECK_INTERVAL;
        Some(CheckPlugin {
            command: command?,
            custom_identifier: table.custom_identifier,
            check_interval: duration(table.check_interval.unwrap_or(least).clamp(least, most)),
            notification_interval: table
                .notification_interval
                .map(|minutes| minutes.max(NOTIFICATION_INTERVAL)),
            max_check_attempts: Some(attempts).filter(|attempts| *attempts > 0),
            prevent_alert_auto_close: table.prevent_alert_auto_close,
            action,
            memo,
        })
    }

    fn metadata(&mut self, table: Table) -> Option<MetadataPlugin> {
        let every = table.execution_interval.unwrap_or(EXECUTION_INTERVAL);
        Some(MetadataPlugin {
            command: self.command(table.run)?,
            execution_interval: duration(every.max(EXECUTION_INTERVAL)),
        })
    }

    /// Whether the API takes the plugin's name; says what a name `has` to be if it does not. The
    /// server would refuse what is sent under it, and other things with it.
    fn is_name(&mut self, is_good: bool, has: &str) -> bool {
        if !is_good {
            self.warn(&format!("is not run: its name has to be {has}"));
        }
        is_good
    }

    fn command(&mut self, run: Run) -> Option<Command> {
        let command = run.command(self.line);
        command.map_err(|(line, why)| self.wrong(line, &why)).ok()
    }

    fn pattern(&mut self, expression: Expression) -> Option<Pattern> {
        let (text, line) = expression?;
        let wrong = |error: PatternError| self.wrong(line, &error.to_string());
        Pattern::new(&text).map_err(wrong).ok()
    }

    fn wrong(&mut self, line: usize, why: &str) {
        self.walk.problem(line, format!("{}: {why}", self.id));
    }

    fn warn(&mut self, what: &str) {
        self.walk.warn(self.line, format!("{}: {what}", self.id));
    }
}

fn duration(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Findings;

    fn read(text: &str) -> (Config, Findings) {
        let mut config = Config::default();
        let found = config.read(text.as_bytes());
        let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
        (config, found)
    }

    fn everything() -> Config {
        read(include_str!("../../tests/fixtures/config/everything.conf")).0
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
    fn numbers_are_sent_within_their_bounds() {
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
    fn what_the_api_has_no_name_for_is_not_run() {
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
}
