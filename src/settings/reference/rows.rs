//! What holds the rows to the fields of [`Config`], and to what reads them.

use super::{default, dotted, example, flags, variable};
use crate::base::trees::Trees;
use crate::config::{Config, Container, Filesystems, HostStatus, Readiness, SpoolFile};
use crate::settings::kind::Kind;
use crate::settings::row::{Restart, Row};
use crate::settings::table::SECTIONS;
use crate::settings::{Variables, as_far_as_possible};

/// Fields that are no setting.
const UNSET: &[&str] = &["container.task"];
const PLUGINS: [&str; 3] = [
    "[plugin.metrics.a]\ncommand = 'x'",
    "[plugin.checks.a]\ncommand = 'x'",
    "[plugin.metadata.a]\ncommand = 'x'",
];

/// The fields of two values of a type, each with whether they differ. A field that is missing here
/// does not compile.
macro_rules! fields {
    ($type:ident, $prefix:literal, $one:expr, $other:expr, $($field:ident)*) => {{
        let $type { $($field),* } = $one;
        let one = [$(format!("{:?}", $field)),*];
        let $type { $($field),* } = $other;
        let other = [$(format!("{:?}", $field)),*];
        let names = [$(concat!($prefix, stringify!($field))),*];
        names.into_iter().zip(one.into_iter().zip(other).map(|(one, other)| one != other))
    }};
}

/// The fields of a configuration and of the structures in it, each with whether it differs.
fn fields(one: &Config, other: &Config) -> Vec<(&'static str, bool)> {
    let top = fields!(Config, "", one, other,
        apibase apikey apikey_file ca_file root pidfile host roles verbose silent diagnostic
        display_name memo host_id_store custom_identifier auto_retirement health container readiness
        disable_http_keep_alive http_proxy https_proxy cloud_platform include host_status filesystems
        disks_ignore interfaces_ignore spool autoshutdown metric_plugins check_plugins
        metadata_plugins
    );
    let structures = [
        "host",
        "container",
        "readiness",
        "host_status",
        "filesystems",
        "spool",
    ];
    let mut all: Vec<_> = top.filter(|(name, _)| !structures.contains(name)).collect();
    all.extend(fields!(Trees, "host.", &one.host, &other.host, root proc sys etc));
    all.extend(
        fields!(Container, "container.", &one.container, &other.container,
        metrics name ignore details cgroup pod_uid task),
    );
    all.extend(
        fields!(Readiness, "readiness.", &one.readiness, &other.readiness,
        exec http tcp initial_delay period timeout),
    );
    all.extend(
        fields!(HostStatus, "host_status.", &one.host_status, &other.host_status,
        on_start on_stop),
    );
    all.extend(
        fields!(Filesystems, "filesystems.", &one.filesystems, &other.filesystems,
        ignore use_mountpoint),
    );
    all.extend(fields!(SpoolFile, "spool.", &one.spool, &other.spool, on_disk window));
    for (name, differs) in &mut all {
        // It does not show.
        *differs |= *name == "apikey" && *one.apikey != *other.apikey;
    }
    all
}

/// The rows that have an effect, and their sections.
fn settings() -> impl Iterator<Item = (&'static str, &'static Row<Config>)> {
    let rows = SECTIONS
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| (section.name, row)));
    rows.filter(|(_, row)| !example(row).is_empty())
}

/// The configuration of one text, and what is said about the keys in it that nothing reads.
fn read(text: &str) -> (Config, String) {
    let mut config = Config::default();
    let found = config.read(text.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    let unknown = found.unread.report();
    let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    (config, unknown.join("\n"))
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

#[test]
fn settings_have_a_row_for_each_field() {
    let default = Config::default();
    let mut set = Vec::new();
    let examples = settings()
        .map(|(section, row)| format!("{} = {}", dotted(section, row.key), example(row)))
        .chain(PLUGINS.map(str::to_owned));
    for text in examples {
        let (config, unknown) = read(&text);
        assert_eq!(unknown, "", "{text}");
        let fields = fields(&default, &config).into_iter();
        let changed: Vec<_> = fields.filter(|(_, differs)| *differs).collect();
        assert_eq!(changed.len(), 1, "{text} changes {changed:?}");
        set.extend(changed.into_iter().map(|(name, _)| name));
    }
    for (field, _) in fields(&default, &default) {
        let count = set.iter().filter(|name| **name == field).count();
        let expected = usize::from(!UNSET.contains(&field));
        assert_eq!(
            count, expected,
            "{field}: write a row with an example, and one only"
        );
    }
}

#[test]
fn settings_without_an_example_are_internal() {
    for section in SECTIONS {
        for row in section.rows.iter().filter(|row| example(row).is_empty()) {
            assert!(row.doc.is_internal, "{}: write an example", row.key);
            assert!(
                row.restart == Restart::No && row.flag.is_none(),
                "{}",
                row.key
            );
        }
    }
}

#[test]
fn settings_have_the_default_that_the_table_says() {
    let expected = shown(&Config::default());
    for (section, row) in settings().filter(|(_, row)| !default(row).is_empty()) {
        let text = format!("{} = {}", dotted(section, row.key), default(row));
        assert_eq!(shown(&read(&text).0), expected, "{text}");
    }
}

#[test]
fn settings_that_are_misspelt_or_misplaced_are_recognised() {
    for (section, row) in settings() {
        let (key, value) = (dotted(section, row.key), example(row));
        let misspelt = &key[..key.len() - 1];
        let (_, unknown) = read(&format!("{misspelt} = {value}"));
        let expected = format!("{misspelt} is unexpected key. Did you mean {key} ?");
        assert_eq!(unknown, expected);
        if section.is_empty() {
            let (_, unknown) = read(&format!("plugin.x.y.{key} = {value}"));
            let hint = format!("{key} belongs above the first [section] of the file.");
            let is_own = ["memo", "custom_identifier"].contains(&row.key);
            assert!(unknown.contains(&hint) || is_own, "{key}: {unknown}");
        }
    }
}

#[test]
fn settings_are_read_from_their_variables() {
    // The key of the API is read elsewhere.
    for (section, row) in settings().filter(|(_, row)| row.key != "apikey") {
        let value = match row.kind {
            Kind::Texts(_) => example(row).replace(['[', ']', '"'], ""),
            _ => example(row).trim_matches('"').to_owned(),
        };
        let (set, _) = read(&format!("{} = {}", dotted(section, row.key), example(row)));
        let own = variable(section, row.key);
        let names = [Some(own.as_str()), row.other_variable.copied()];
        for name in names.into_iter().flatten() {
            let variables = [(name.into(), value.as_str().into())].into_iter();
            let mut config = Config::default();
            let said = config.read_variables(&Variables::of(variables, true));
            assert_eq!(said, Default::default(), "{name}");
            assert_eq!(shown(&config), shown(&set), "{name}");
        }
    }
}

#[test]
fn settings_take_effect_at_a_reload_or_need_a_restart() {
    let default = Config::default();
    for (section, row) in settings() {
        let key = dotted(section, row.key);
        let (set, _) = read(&format!("{key} = {}", example(row)));
        let (taken, staying) = as_far_as_possible(&default, set.clone());
        let name = row.restart.name(section, row.key);
        let stays = name.is_some();
        assert_eq!(staying, Vec::from_iter(name), "{key}");
        assert_eq!(
            shown(&taken),
            shown(if stays { &default } else { &set }),
            "{key}"
        );
        let (back, staying) = as_far_as_possible(&set, default.clone());
        assert_eq!(staying.is_empty(), !stays, "{key}");
        assert_eq!(
            shown(&back),
            shown(if stays { &set } else { &default }),
            "{key}"
        );
    }
    for text in PLUGINS {
        let (set, _) = read(text);
        let (taken, staying) = as_far_as_possible(&default, set.clone());
        assert_eq!((shown(&taken), staying.len()), (shown(&set), 0), "{text}");
    }
}

#[test]
fn settings_with_a_flag_have_one_of_their_own() {
    let mut names = flags();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "{names:?}");
    for (_, row) in settings() {
        assert_eq!(row.flag.is_some(), !row.doc.flags.is_empty(), "{}", row.key);
    }
}
