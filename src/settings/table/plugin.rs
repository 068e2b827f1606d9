//! The keys of `[plugin.KIND.NAME]`. The decoder accepts every key in every kind of plugin. The
//! rows state which kinds use it.

use crate::config::item::Item;
use crate::config::walk::Walk;
use crate::settings::command::{Run, argv, env};
use crate::settings::kind::{Kind, store};
use crate::settings::row::Row;

/// The values of a plugin's table, as written in the file.
#[derive(Default)]
pub(crate) struct PluginTable {
    pub(crate) run: Run,
    pub(crate) action: Run,
    pub(crate) custom_identifier: Option<String>,
    pub(crate) include_pattern: Expression,
    pub(crate) exclude_pattern: Expression,
    pub(crate) use_plugin_timestamp: bool,
    pub(crate) check_interval: Option<u32>,
    pub(crate) notification_interval: Option<u32>,
    pub(crate) execution_interval: Option<u32>,
    pub(crate) max_check_attempts: Option<i64>,
    pub(crate) prevent_alert_auto_close: bool,
    pub(crate) memo: Option<String>,
}

/// The text of a regular expression, and its line.
pub(crate) type Expression = Option<(String, usize)>;

/// The text and line of a regular expression, which is compiled later.
pub(crate) fn expression(item: Item<'_>) -> Result<Expression, String> {
    Ok(Some((item.string()?.to_owned(), item.line)))
}

/// The kinds of plugins.
pub(in crate::settings) const KINDS: [&str; 3] = ["metrics", "checks", "metadata"];

/// Each kind, the name of the sample's plugin of that kind, and the description of the kind.
#[cfg(test)]
pub(in crate::settings) const EXAMPLES: [(&str, &str, &str); 3] = [
    (
        "metrics",
        "uptime",
        "Metrics of a command, which prints lines of name, value and time with tabs between them.",
    ),
    (
        "checks",
        "ssh",
        "A check: exit status 0 is OK, 1 WARNING, 2 CRITICAL, anything else UNKNOWN.",
    ),
    (
        "metadata",
        "release",
        "Metadata: the command prints one JSON value.",
    ),
];

const fn command(key: &'static str, kind: Kind<Run>) -> Row<Run> {
    Row::new(key, kind)
}

const fn row(key: &'static str, kind: Kind<PluginTable>) -> Row<PluginTable> {
    Row::new(key, kind)
}

/// The keys of a command, that of a plugin or that of an action.
pub(in crate::settings) const COMMAND: &[Row<Run>] = &[
    command(
        "command",
        Kind::Own(
            |run, v| store(&mut run.command, Some((argv(v), v.line))),
            None,
        ),
    )
    .of(&[
        (
            "metrics",
            "\"/opt/mackerel-agent/plugins/bin/mackerel-plugin-uptime\"",
        ),
        (
            "checks",
            "[\"/opt/mackerel-agent/plugins/bin/check-tcp\", \"-H\", \"localhost\", \"-p\", \"22\"]",
        ),
        ("metadata", "\"cat /etc/release.json\""),
    ])
    .values("text for sh, or list of program and arguments")
    .about("Command that is run. Required."),
    command("user", Kind::Text(|run| &mut run.user))
        .of(&[("metrics", ""), ("checks", ""), ("metadata", "")])
        .about("User as whom it is run, if not as the agent's."),
    command("env", Kind::Table(env))
        .of(&[("metrics", ""), ("checks", ""), ("metadata", "")])
        .values("table of texts")
        .about("Variables that are added to its environment."),
    command(
        "timeout_seconds",
        Kind::Own(
            |run, v| {
                let seconds = v.integer(i64::MIN, i64::MAX, "int64")?;
                store(&mut run.timeout_seconds, seconds)
            },
            None,
        ),
    )
    .of(&[("metrics", "30"), ("checks", ""), ("metadata", "")])
    .default("30")
    .values("whole number of seconds")
    .about("Seconds after which it is terminated."),
];

/// The other keys of a plugin.
pub(in crate::settings) const PLUGIN: &[Row<PluginTable>] = &[
    row(
        "custom_identifier",
        Kind::Text(|t| &mut t.custom_identifier),
    )
    .of(&[("metrics", ""), ("checks", "")])
    .about("Custom identifier of the host to which the results belong, if not this one."),
    row(
        "include_pattern",
        Kind::Own(|t, v| store(&mut t.include_pattern, expression(v)?), None),
    )
    .of(&[("metrics", "")])
    .values("regular expression")
    .about("Only metrics whose name, without `custom.`, it matches are posted."),
    row(
        "exclude_pattern",
        Kind::Own(|t, v| store(&mut t.exclude_pattern, expression(v)?), None),
    )
    .of(&[("metrics", "")])
    .values("regular expression")
    .about("Metrics whose name, without `custom.`, it matches are not posted."),
    row(
        "use_plugin_timestamp",
        Kind::Bool(|t| &mut t.use_plugin_timestamp),
    )
    .of(&[("metrics", "")])
    .about("Post values with the time that the plugin prints."),
    row("check_interval", Kind::Minutes(|t| &mut t.check_interval))
        .of(&[("checks", "\"1m\"")])
        .default("\"1m\"")
        .about("Time between two runs, 1 to 60 minutes."),
    row(
        "notification_interval",
        Kind::Minutes(|t| &mut t.notification_interval),
    )
    .of(&[("checks", "\"60m\"")])
    .about("Time after which an alert is notified again, 10 minutes or more."),
    row(
        "execution_interval",
        Kind::Minutes(|t| &mut t.execution_interval),
    )
    .of(&[("metadata", "\"10m\"")])
    .default("\"10m\"")
    .about("Time between two runs, 10 minutes or more."),
    row(
        "max_check_attempts",
        Kind::Own(
            |t, v| {
                let attempts = v.integer(i32::MIN.into(), i32::MAX.into(), "int32")?;
                store(&mut t.max_check_attempts, Some(attempts))
            },
            None,
        ),
    )
    .of(&[("checks", "3")])
    .values("whole number, 1 or more")
    .about("Failures in a row before an alert is opened."),
    row(
        "prevent_alert_auto_close",
        Kind::Bool(|t| &mut t.prevent_alert_auto_close),
    )
    .of(&[("checks", "")])
    .about("Leave an alert open when the check succeeds again."),
    row("memo", Kind::Text(|t| &mut t.memo))
        .of(&[("checks", "\"Look at the console.\"")])
        .about("Memo of the check, up to 250 characters."),
    row(
        "action",
        Kind::Table(|walk: &mut Walk<'_>, t, v| {
            crate::settings::row::read_table(walk, &mut t.action, COMMAND, v, "CommandConfig");
        }),
    )
    .of(&[("checks", "")])
    .values("table with `command`, `user`, `env` and `timeout_seconds`")
    .about("Command that is run after each check."),
];
