//! Reads the tables `[plugin.KIND.NAME]`. Every kind accepts every key, and uses those that it
//! needs.

use std::time::Duration;

use super::command::Run;
use super::row::read_known;
use super::table::plugin::{COMMAND, KINDS, PLUGIN};
use crate::base::pattern::{Pattern, PatternError};
use crate::base::text::is_word;
use crate::config::item::Item;
use crate::config::walk::Walk;
use crate::config::{CheckPlugin, Command, Config, MetadataPlugin, MetricPlugin};
use crate::settings::table::plugin::{Expression, PluginTable};

/// Bounds of the minutes between two runs of a check. The lower one is the default.
const CHECK_INTERVAL: (u32, u32) = (1, 60);
/// Bounds of the minutes between two notifications.
const NOTIFICATION_INTERVAL: (u32, u32) = (10, u32::MAX);
/// The rules for the names of checks and of metadata plugins, for messages.
const CHECK_NAME: &str = "made of a-z, A-Z, 0-9, - and _";
const METADATA_NAME: &str = "made of a-z, A-Z, 0-9, - and _, and not to begin with \"mackerel\"";
/// The prefix of metadata namespaces that the server reserves.
const RESERVED: &str = "mackerel";
/// Bounds of the minutes between two runs of a metadata plugin. The lower one is the default.
const EXECUTION_INTERVAL: (u32, u32) = (10, u32::MAX);
/// The most characters of a memo that the API accepts.
const MEMO: usize = 250;

/// Reads the table `plugin`. A plugin replaces all settings of an earlier one of the same kind and
/// name.
pub(super) fn plugins(walk: &mut Walk<'_>, config: &mut Config, item: Item<'_>) {
    // Ignored if it is not a table. The same applies to each kind.
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
    let mut table = PluginTable::default();
    walk.each(keys, |walk, item| {
        if !read_known(walk, &mut table.run, COMMAND, item)
            && !read_known(walk, &mut table, PLUGIN, item)
        {
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

/// Builds a plugin from its table, and reports problems and warnings.
struct Build<'w, 't> {
    walk: &'w mut Walk<'t>,
    /// `plugin.KIND.NAME`, for messages.
    id: String,
    line: usize,
}

impl Build<'_, '_> {
    fn metric(&mut self, table: PluginTable) -> Option<MetricPlugin> {
        let command = self.command(table.run, "");
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

    fn check(&mut self, table: PluginTable) -> Option<CheckPlugin> {
        let command = self.command(table.run, "");
        let action = if table.action.is_given() {
            Some(self.command(table.action, ".action")?)
        } else {
            None
        };
        let attempts = table.max_check_attempts;
        let mut attempts = attempts.map_or(0, |attempts| {
            let attempts = u32::try_from(attempts).unwrap_or(0);
            if attempts == 0 {
                self.warn("max_check_attempts is not used; write 1 or more");
            }
            attempts
        });
        if table.prevent_alert_auto_close && attempts > 1 {
            attempts = 1;
            self.warn("max_check_attempts is taken as 1, because prevent_alert_auto_close is true");
        }
        let mut memo = table.memo.unwrap_or_default();
        if let Some((end, _)) = memo.char_indices().nth(MEMO) {
            memo.truncate(end);
            self.warn(&format!("memo is longer than {MEMO} characters and is cut"));
        }
        let check_interval = self.within("check_interval", table.check_interval, CHECK_INTERVAL);
        let every = NOTIFICATION_INTERVAL;
        let notification_interval =
            self.within("notification_interval", table.notification_interval, every);
        Some(CheckPlugin {
            command: command?,
            custom_identifier: table.custom_identifier,
            check_interval: duration(check_interval.unwrap_or(CHECK_INTERVAL.0)),
            notification_interval,
            max_check_attempts: Some(attempts).filter(|attempts| *attempts > 0),
            prevent_alert_auto_close: table.prevent_alert_auto_close,
            action,
            memo,
        })
    }

    fn metadata(&mut self, table: PluginTable) -> Option<MetadataPlugin> {
        let every = EXECUTION_INTERVAL;
        let interval = self.within("execution_interval", table.execution_interval, every);
        Some(MetadataPlugin {
            command: self.command(table.run, "")?,
            execution_interval: duration(interval.unwrap_or(every.0)),
        })
    }

    /// Returns `is_good`: whether the API accepts the plugin's name. If it does not, adds a warning
    /// with the rule `has`. The server would reject what is sent under the name, and other values
    /// with it.
    fn is_name(&mut self, is_good: bool, has: &str) -> bool {
        if !is_good {
            self.warn(&format!("is not run: its name has to be {has}"));
        }
        is_good
    }

    /// `minutes`, or the nearer bound of `bounds` with a warning. `key` is for the message.
    fn within(&mut self, key: &str, minutes: Option<u32>, bounds: (u32, u32)) -> Option<u32> {
        let minutes = minutes?;
        let taken = minutes.clamp(bounds.0, bounds.1);
        if taken != minutes {
            let side = if taken > minutes { "more" } else { "less" };
            self.warn(&format!(
                "{key} is {minutes} minutes and is taken as {taken}; write {taken} or {side}"
            ));
        }
        Some(taken)
    }

    /// The command of `run`; `None` if it is invalid, which is reported. `part` is empty for the
    /// plugin's own command, or `.action`.
    fn command(&mut self, run: Run, part: &str) -> Option<Command> {
        let key = [&*self.id, part].concat();
        self.walk.command(key, run.line().unwrap_or(self.line));
        if run.ends_at_once() {
            self.warn(
                "timeout_seconds is negative, and the command is ended at once; write 1 or more",
            );
        }
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
mod tests;
