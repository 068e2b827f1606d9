//! The page that describes every key.

use super::{check, default, dotted, example, variable, wrap};
use crate::settings::kind::Kind;
use crate::settings::row::{Restart, Row};
use crate::settings::table::SECTIONS;
use crate::settings::table::outputs::{ARRAYS, ORGANIZATION_KEYS, OTLP, OTLP_KEYS};
use crate::settings::table::plugin::{COMMAND, EXAMPLES, PLUGIN};

const PAGE: &str = "docs/configuration.md";
const HEAD: &str = "\
# Configuration

<!-- Made of src/settings/table.rs by `make docs`. -->

";
/// The paragraphs before the settings, here and in the man page.
pub(super) const INTRODUCTION: &str = "\
The configuration is a file in TOML, `/etc/mackerel-agent/mackerel-agent.conf` unless `-conf` or
`MACKEREL_AGENT_CONFIG` names another. A flag wins over a variable of the environment, a variable
over an included file, and that over the main file. `mackerel-agent configtest` reports what is
wrong, with file, line and remedy.

At SIGHUP the agent reads the configuration again. Each key says whether a change takes effect then,
or only after a restart. A supervisor starts another child, which reads everything.

Variables that are true or false take `true`, `yes`, `on`, `1` and their opposites. A list is
written with commas between its elements.

Where there is no configuration file, one destination of OTLP may be set by variables of
OpenTelemetry: `OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_EXPORTER_OTLP_HEADERS`,
`OTEL_EXPORTER_OTLP_PROTOCOL`, their variants `OTEL_EXPORTER_OTLP_METRICS_...`, which win, and
`OTEL_RESOURCE_ATTRIBUTES`. The protocol is then `http/protobuf`, unless the variable says `grpc`.
With a configuration file these variables have no effect.
";
/// The paragraph before the keys of plugins.
pub(super) const PLUGINS: &str = "A plugin is a table `[plugin.KIND.NAME]`. It replaces a plugin of the same kind and name in a \
     file that is read earlier. Plugins have no variables, and changes take effect at a reload.";

#[test]
fn page_is_made_of_the_table() {
    let mut out = [HEAD, INTRODUCTION].concat();
    for section in SECTIONS {
        if section.name.is_empty() {
            out += "\n## Top of the file\n";
        } else {
            out += &format!("\n## `[{}]`\n", section.name);
        }
        if !section.about.is_empty() {
            out.push('\n');
            wrap(&mut out, "", section.about);
        }
        for row in section.rows {
            let more = setting(section.name, row);
            describe(&mut out, &dotted(section.name, row.key), row, &more);
        }
    }
    for (array, about, reload) in ARRAYS {
        out += &format!("\n## `[[{array}]]`\n\n");
        wrap(&mut out, "", &format!("{about} {reload}"));
        for row in OTLP_KEYS.iter().filter(|_| array == OTLP) {
            describe(&mut out, &dotted(array, row.key), row, "");
        }
        for row in ORGANIZATION_KEYS.iter().filter(|_| array != OTLP) {
            describe(&mut out, &dotted(array, row.key), row, "");
        }
    }
    out += "\n## Plugins\n\n";
    wrap(&mut out, "", PLUGINS);
    out.push('\n');
    for (kind, name, about) in EXAMPLES {
        out += &format!("- `[plugin.{kind}.NAME]`, such as `[plugin.{kind}.{name}]`:\n");
        wrap(&mut out, "  ", about);
    }
    plugin(&mut out, COMMAND);
    plugin(&mut out, PLUGIN);
    check(PAGE, &out);
}

/// Appends the entries of the keys of plugins.
fn plugin<T>(out: &mut String, rows: &[Row<T>]) {
    for row in rows {
        let name = format!("plugin.KIND.NAME.{}", row.key);
        describe(out, &name, row, &kinds(row));
    }
}

/// The kinds of plugins that have a key, as a sentence.
pub(super) fn kinds<T>(row: &Row<T>) -> String {
    let kinds: Vec<_> = row.doc.of.iter().map(|(kind, _)| *kind).collect();
    format!(" Kinds: {}.", kinds.join(", "))
}

/// Appends the entry of a key: name, description, values, example or default, and `more`.
fn describe<T>(out: &mut String, name: &str, row: &Row<T>, more: &str) {
    *out += &format!("\n### `{name}`\n");
    for paragraph in entry(row, more) {
        out.push('\n');
        wrap(out, "", &paragraph);
    }
}

/// The two paragraphs of a key: its description; its values, example or default, and `more`.
pub(super) fn entry<T>(row: &Row<T>, more: &str) -> [String; 2] {
    let mut short = format!("Value: {}.", values(row));
    match (default(row), example(row)) {
        ("", "") => {}
        ("", example) => short += &format!(" Example: `{example}`."),
        (default, _) => short += &format!(" Default: `{default}`."),
    }
    [[row.doc.about, row.doc.more].join(" "), short + more]
}

/// The variables and flags of a setting, and the effect of a reload, as sentences.
pub(super) fn setting<T>(section: &str, row: &Row<T>) -> String {
    let mut out = String::new();
    if row.has_variable {
        let own = variable(section, row.key);
        let other = match row.other_variable {
            None => String::new(),
            Some(name) if name.starts_with("MACKEREL_") => format!(", `{name}`"),
            Some(name) => format!(", in an image of the agent `{name}`"),
        };
        out += &format!(" Variable: `{own}`{other}.");
    }
    let flags: Vec<_> = row
        .doc
        .flags
        .iter()
        .map(|name| format!("`-{name}`"))
        .collect();
    if !flags.is_empty() {
        out += &format!(" Flag: {}.", flags.join(", "));
    }
    if example(row).is_empty() {
        return out;
    }
    out += if row.restart == Restart::No {
        " A change takes effect at a reload."
    } else {
        " A change needs a restart."
    };
    out
}

/// The values that a key accepts, in words.
fn values<T>(row: &Row<T>) -> String {
    if !row.doc.values.is_empty() {
        return row.doc.values.to_owned();
    }
    match row.kind {
        Kind::Bool(_) => "true or false".to_owned(),
        Kind::Text(_) => "text".to_owned(),
        Kind::Word(_, words) => words.join(", "),
        Kind::Path(_) | Kind::PathOr(..) | Kind::File(_) => "path".to_owned(),
        Kind::Texts(_) => "list of texts".to_owned(),
        Kind::Pattern(_) => "regular expression".to_owned(),
        Kind::Minutes(_) => "minutes, as a number or a duration such as `\"1h30m\"`".to_owned(),
        Kind::MinutesWithin(_, (least, most)) => {
            format!("{least} to {most} minutes, as a number or a duration such as `\"5m\"`")
        }
        Kind::Seconds(_, (least, most)) => format!("{least} to {most} seconds"),
        Kind::Own(..) | Kind::Table(_) => panic!("{}: write values(...)", row.key),
    }
}
