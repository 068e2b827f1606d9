//! Every setting in all the places that have to know it: the file, the variables, the suggestions,
//! the reload and the sample.

use super::as_far_as_possible;
use crate::base::trees::Trees;
use crate::config::{Config, Container, Filesystems, HostStatus, Readiness, SpoolFile, Variables};

const SAMPLE: &str = include_str!("../../../packaging/mackerel-agent.conf");

/// The names of the fields of a type. A field that is missing here does not compile.
macro_rules! fields {
    ($type:ident, $prefix:literal, $($field:ident)*) => {{
        let _ = |$type { $($field: _),* }: $type| ();
        vec![$(concat!($prefix, stringify!($field))),*]
    }};
}

/// The fields of a configuration, and of the structures in it.
fn fields() -> Vec<&'static str> {
    let mut all = fields!(Config, "",
        apibase apikey apikey_file ca_file root pidfile host roles verbose silent diagnostic
        display_name memo host_id_store custom_identifier auto_retirement health container readiness
        disable_http_keep_alive http_proxy https_proxy cloud_platform include host_status filesystems
        disks_ignore interfaces_ignore spool autoshutdown metric_plugins check_plugins
        metadata_plugins
    );
    let inner = [
        fields!(Trees, "host.", root proc sys etc),
        fields!(Container, "container.", metrics name ignore details cgroup pod_uid task),
        fields!(Readiness, "readiness.", exec http tcp initial_delay period timeout),
        fields!(HostStatus, "host_status.", on_start on_stop),
        fields!(Filesystems, "filesystems.", ignore use_mountpoint),
        fields!(SpoolFile, "spool.", on_disk window),
    ];
    for fields in inner {
        let (structure, _) = fields[0].split_once('.').unwrap();
        all.retain(|field| *field != structure);
        all.extend(fields);
    }
    all
}

/// A field, its key, a value as the file has it that is not the default, and the name under which a
/// reload says that it needs a restart; empty if it takes effect at once.
type Row = (&'static str, &'static str, &'static str, &'static str);

const HOST: &str = "host_root and its like";
const ROWS: &[Row] = &[
    ("apibase", "apibase", "'http://h:1'", "apibase"),
    ("apikey", "apikey", "'k'", ""),
    ("apikey_file", "apikey_file", "'/k'", ""),
    ("ca_file", "ca_file", "'/c'", ""),
    ("root", "root", "'/r'", "root"),
    ("pidfile", "pidfile", "'/p'", "pidfile"),
    ("host.root", "host_root", "'/h'", HOST),
    ("host.proc", "host_proc", "'/h'", HOST),
    ("host.sys", "host_sys", "'/h'", HOST),
    ("host.etc", "host_etc", "'/h'", HOST),
    ("roles", "roles", "['a:b']", ""),
    ("verbose", "verbose", "true", ""),
    ("silent", "silent", "true", ""),
    ("diagnostic", "diagnostic", "true", ""),
    ("display_name", "display_name", "'d'", ""),
    ("memo", "memo", "'m'", ""),
    (
        "host_id_store",
        "host_id_store",
        "'memory'",
        "host_id_store",
    ),
    (
        "custom_identifier",
        "custom_identifier",
        "'i'",
        "custom_identifier",
    ),
    ("auto_retirement", "auto_retirement", "true", ""),
    ("health", "health", "true", "health"),
    (
        "container.metrics",
        "container.metrics",
        "'own'",
        "container.metrics",
    ),
    ("container.name", "container.name", "'n'", ""),
    ("container.ignore", "container.ignore", "'^i'", ""),
    ("container.details", "container.details", "true", ""),
    ("container.cgroup", "container.cgroup", "'/c'", ""),
    ("container.pod_uid", "container.pod_uid", "'u'", ""),
    (
        "readiness.exec",
        "readiness_probe.exec",
        "'x'",
        "readiness_probe",
    ),
    (
        "readiness.http",
        "readiness_probe.http",
        "'http://h'",
        "readiness_probe",
    ),
    (
        "readiness.tcp",
        "readiness_probe.tcp",
        "'h:1'",
        "readiness_probe",
    ),
    (
        "readiness.initial_delay",
        "readiness_probe.initial_delay_seconds",
        "7",
        "readiness_probe",
    ),
    (
        "readiness.period",
        "readiness_probe.period_seconds",
        "7",
        "readiness_probe",
    ),
    (
        "readiness.timeout",
        "readiness_probe.timeout_seconds",
        "7",
        "readiness_probe",
    ),
    (
        "disable_http_keep_alive",
        "disable_http_keep_alive",
        "true",
        "",
    ),
    ("http_proxy", "http_proxy", "'http://h'", "http_proxy"),
    ("https_proxy", "https_proxy", "'http://h'", "https_proxy"),
    ("cloud_platform", "cloud_platform", "'ec2'", ""),
    ("include", "include", "'/i'", ""),
    (
        "host_status.on_start",
        "host_status.on_start",
        "'working'",
        "",
    ),
    (
        "host_status.on_stop",
        "host_status.on_stop",
        "'standby'",
        "",
    ),
    ("filesystems.ignore", "filesystems.ignore", "'^i'", ""),
    (
        "filesystems.use_mountpoint",
        "filesystems.use_mountpoint",
        "true",
        "",
    ),
    ("disks_ignore", "disks.ignore", "'^i'", ""),
    ("interfaces_ignore", "interfaces.ignore", "'^i'", ""),
    ("spool.on_disk", "spool.on_disk", "false", "spool"),
    ("spool.window", "spool.window", "7", "spool"),
    ("autoshutdown", "autoshutdown", "true", "autoshutdown"),
    ("metric_plugins", "plugin.metrics.a.command", "'x'", ""),
    ("check_plugins", "plugin.checks.a.command", "'x'", ""),
    ("metadata_plugins", "plugin.metadata.a.command", "'x'", ""),
];
/// Fields that nobody sets.
const UNSET: &[&str] = &["container.task"];
/// Keys that the sample leaves out: they are the agent's own.
const UNLISTED: &[&str] = &["autoshutdown"];

#[test]
fn settings_have_a_row_for_each_field() {
    let fields = fields();
    for field in &fields {
        let is_there = ROWS.iter().any(|(name, ..)| name == field) || UNSET.contains(field);
        assert!(is_there, "{field}: write a row");
    }
    for (name, ..) in ROWS {
        assert!(fields.contains(name), "{name}: there is no such field");
    }
}

/// Without the places, which differ.
fn shown(config: &Config) -> String {
    let mut text = format!("{}{config:?}", &*config.apikey).replace("line: 1", "line: 0");
    while let Some((before, after)) = text.clone().split_once("by: \"MACKEREL_") {
        let (_, after) = after.split_once('"').unwrap();
        text = format!("{before}by: \"\"{after}");
    }
    text
}

/// The configuration of one line, and the text about the keys in it that nothing reads.
fn read(line: &str) -> (Config, String) {
    let mut config = Config::default();
    let found = config.read(line.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{line}: {error}"));
    let unknown = found.unread.report();
    let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    (config, unknown.join("\n"))
}

#[test]
fn settings_are_known_wherever_they_have_to_be() {
    let default = Config::default();
    for (field, key, value, stays) in ROWS {
        let (set, unknown) = read(&format!("{key} = {value}"));
        assert_eq!(unknown, "", "{key}");
        assert_ne!(
            shown(&set),
            shown(&default),
            "{key}: the value is the default"
        );

        // A misspelt key is recognized.
        let misspelt = &key[..key.len() - 1];
        if !key.starts_with("plugin.") {
            let (_, unknown) = read(&format!("{misspelt} = {value}"));
            let said = format!("{misspelt} is unexpected key. Did you mean {key} ?");
            assert_eq!(unknown, said);
        }
        // So is one below a table to which it does not belong.
        if !key.contains('.') {
            let (_, unknown) = read(&format!("plugin.x.y.{key} = {value}"));
            let hint = format!("{key} belongs above the first [section] of the file.");
            let is_own = ["memo", "custom_identifier"].contains(key);
            assert!(unknown.contains(&hint) || is_own, "{key}: {unknown}");
        }

        // Plugins are tables, and the key is read elsewhere.
        if !key.starts_with("plugin.") && *key != "apikey" {
            let name = format!("MACKEREL_{}", key.replace('.', "_").to_uppercase());
            let value = value.trim_matches(['[', ']', '\'']);
            let variables = [(name.into(), value.into())].into_iter();
            let mut of_variable = Config::default();
            let said = of_variable.read_variables(&Variables::of(variables, false));
            assert_eq!(said, Default::default(), "{key}");
            assert_eq!(shown(&of_variable), shown(&set), "{key}");
        }

        let (taken, staying) = as_far_as_possible(&default, set.clone());
        let expected: &[&str] = if stays.is_empty() { &[] } else { &[stays] };
        assert_eq!(staying, expected, "{field}");
        let expected = if stays.is_empty() { &set } else { &default };
        assert_eq!(shown(&taken), shown(expected), "{field}");

        let last = key.rsplit('.').next().unwrap();
        let mut lines = SAMPLE.lines().map(|line| line.trim_start_matches("# "));
        let is_shown = lines.any(|line| line.starts_with(&format!("{last} = ")));
        assert!(
            is_shown || UNLISTED.contains(key),
            "{key}: not in the sample"
        );
    }
}
