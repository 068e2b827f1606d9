//! Tests that compare the rows with the fields of [`Config`] and with the code that reads them.

use std::fmt::Debug;

use super::{default, dotted, example, flags, variable};
use crate::config::Config;
use crate::settings::draft::Draft;
use crate::settings::kind::Kind;
use crate::settings::row::{Restart, Row};
use crate::settings::table::SECTIONS;
use crate::settings::table::outputs::{ORGANIZATION_KEYS, OTLP_KEYS};
use crate::settings::{Variables, as_far_as_possible};

/// Fields that are not settings.
const UNSET: &[&str] = &["container.task", "organization"];
/// One table of each kind that may be repeated.
const TABLES: [&str; 5] = [
    "[[otlp]]\nendpoint = 'a:1'",
    "[[organization]]\nname = 'a'",
    "[plugin.metrics.a]\ncommand = 'x'",
    "[plugin.checks.a]\ncommand = 'x'",
    "[plugin.metadata.a]\ncommand = 'x'",
];

/// The fields of a configuration and of the structures in it, each with its value, taken from the
/// `Debug` output. A new field is therefore included without being listed.
fn fields(config: &Config) -> Vec<(String, String)> {
    let mut all = fields_of(config);
    for (name, value) in &mut all {
        // `Debug` does not show the secret.
        if name == "apikey" {
            *value = config.apikey.to_string();
        }
    }
    all
}

/// Like [`fields`], for any structure, without secrets.
fn fields_of(structure: &impl Debug) -> Vec<(String, String)> {
    let text = format!("{structure:#?}");
    let mut all: Vec<(String, String)> = Vec::new();
    let mut structure = String::new();
    for line in text.lines().skip(1) {
        let inner = line.trim_start_matches(' ');
        let depth = (line.len() - inner.len()) / 4;
        let is_field = depth == 1 || (depth == 2 && !structure.is_empty());
        match inner.split_once(": ") {
            Some((name, value)) if depth == 1 && is_structure(value) => {
                structure = format!("{name}.");
            }
            Some((name, value)) if is_field => {
                let parent = if depth == 2 { structure.as_str() } else { "" };
                all.push((format!("{parent}{name}"), value.to_owned()));
            }
            _ if depth == 1 && inner.starts_with('}') => structure.clear(),
            // The value continues.
            _ => all
                .last_mut()
                .into_iter()
                .for_each(|(_, value)| *value += inner),
        }
    }
    all
}

/// Whether a value in the `Debug` output begins a structure, with a name and a brace.
fn is_structure(value: &str) -> bool {
    value.ends_with(" {") && value.starts_with(|c: char| c.is_ascii_uppercase())
}

/// The rows that have an effect, that is, an example, each with the name of its section.
fn settings() -> impl Iterator<Item = (&'static str, &'static Row<Config>)> {
    let rows = SECTIONS
        .iter()
        .flat_map(|section| section.rows.iter().map(|row| (section.name, row)));
    rows.filter(|(_, row)| !example(row).is_empty())
}

/// The configuration of one text, and the messages about its unknown keys.
fn read(text: &str) -> (Config, String) {
    let mut config = Config::default();
    let found = config.read(text.as_bytes());
    let found = found.unwrap_or_else(|error| panic!("{text}: {error}"));
    let unknown = found.unread.report();
    let unknown: Vec<_> = unknown.iter().map(ToString::to_string).collect();
    (config, unknown.join("\n"))
}

/// The `Debug` output with the API key, and without the places, which differ.
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
    let default = fields(&Config::default());
    let mut set = Vec::new();
    let examples = settings()
        .map(|(section, row)| format!("{} = {}", dotted(section, row.key), example(row)))
        .chain(TABLES.map(str::to_owned));
    for text in examples {
        let (config, unknown) = read(&text);
        assert_eq!(unknown, "", "{text}");
        let fields = fields(&config).into_iter().zip(&default);
        let changed: Vec<_> = fields
            .filter(|(field, default)| field != *default)
            .map(|((name, _), _)| name)
            .collect();
        assert_eq!(changed.len(), 1, "{text} changes {changed:?}");
        set.extend(changed);
    }
    for (field, _) in &default {
        let count = set.iter().filter(|name| *name == field).count();
        let expected = usize::from(!UNSET.contains(&field.as_str()));
        assert_eq!(
            count, expected,
            "{field}: write a row with an example, and one only"
        );
    }
    // Ensures that the test covers fields at the top, in structures, and the plugins.
    for field in [
        "apikey",
        "host.etc",
        "readiness.timeout",
        "metadata_plugins",
    ] {
        assert!(set.iter().any(|name| name == field), "{field}: {set:?}");
    }
}

/// Checks that each of `rows` changes one field of the table that `first` reads from a text, and
/// that each field but the place has a row. `begin` is the text before the row's line.
fn check_table<T: Debug>(rows: &[Row<Draft>], begin: &str, first: fn(&Config) -> &T) {
    let without = fields_of(first(&read(begin).0));
    let mut set: Vec<String> = Vec::new();
    for row in rows {
        let given = begin.lines().find(|line| line.starts_with(row.key));
        if let Some(given) = given {
            set.push(given.split(' ').next().unwrap().to_owned());
            continue;
        }
        let mut text = format!("{begin}{} = {}\n", row.key, example(row));
        if row.key == "protocol" {
            text = text.replace("'a:1'", "'https://a:1'");
        }
        let (config, unknown) = read(&text);
        assert_eq!(unknown, "", "{text}");
        let fields = fields_of(first(&config)).into_iter().zip(&without);
        let changed = fields.filter(|(field, without)| field != *without);
        let mut changed: Vec<_> = changed.map(|((name, _), _)| name).collect();
        if row.key == "apikey" {
            // `Debug` does not show it.
            assert_eq!(changed, [""; 0]);
            changed.push("apikey".to_owned());
        }
        if row.key == "protocol" {
            // The endpoint has another form.
            changed.retain(|name| name != "endpoint");
        }
        assert_eq!(changed.len(), 1, "{text} changes {changed:?}");
        set.extend(changed);
        if !default(row).is_empty() {
            let text = format!("{begin}{} = {}\n", row.key, default(row));
            assert_eq!(fields_of(first(&read(&text).0)), without, "{text}");
        }
        let misspelt = &row.key[..row.key.len() - 1];
        let (_, unknown) = read(&format!("{begin}{misspelt} = {}\n", example(row)));
        let hint = format!(".{misspelt} is unexpected key. Did you mean ");
        assert!(unknown.contains(&hint), "{unknown}");
        assert!(unknown.ends_with(&format!(".{} ?", row.key)), "{unknown}");
    }
    let mut expected: Vec<_> = without.into_iter().map(|(name, _)| name).collect();
    expected.retain(|name| !name.starts_with("place.") && name != "host_status.on_stop");
    set.sort();
    expected.sort();
    assert_eq!(set, expected, "write a row with an example for each field");
}

#[test]
fn settings_of_repeated_tables_have_a_row_for_each_field() {
    check_table(OTLP_KEYS, "[[otlp]]\nendpoint = 'a:1'\n", |c| &c.otlp[0]);
    check_table(ORGANIZATION_KEYS, "[[organization]]\nname = 'a'\n", |c| {
        &c.organizations[0]
    });
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
    // The API key is read elsewhere.
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
    for text in TABLES {
        let (set, _) = read(text);
        let (taken, staying) = as_far_as_possible(&default, set.clone());
        let stays = text.starts_with("[[organization]]");
        let expected = if stays { &default } else { &set };
        assert_eq!(staying.len(), usize::from(stays), "{text}");
        assert_eq!(shown(&taken), shown(expected), "{text}");
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
