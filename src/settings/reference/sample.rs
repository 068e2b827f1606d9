//! The test that compares the sample configuration file with the table.

use super::{check, default, example, wrap};
use crate::settings::row::Row;
use crate::settings::table::SECTIONS;
use crate::settings::table::outputs::{ARRAYS, ORGANIZATION_KEYS, OTLP_KEYS};
use crate::settings::table::plugin::{COMMAND, EXAMPLES, PLUGIN};

const SAMPLE: &str = "packaging/mackerel-agent.conf";
const HEAD: &str = "Configuration of mackerel-agent, in TOML. Settings show their default, or an \
                    example where that is said. docs/configuration.md describes every key. SIGHUP \
                    applies changes.";
/// Container images replace this line by one that includes files.
const MARK: &str = "# Configuration for Custom Metrics Plugins\n\n";

#[test]
fn sample_is_made_of_the_table() {
    let mut out = String::new();
    wrap(&mut out, "# ", HEAD);
    for section in SECTIONS {
        if !section.name.is_empty() {
            out.push('\n');
            if !section.about.is_empty() {
                wrap(&mut out, "# ", section.about);
            }
            out += &format!("# [{}]\n", section.name);
        }
        // A section is one block without blank lines, so that its heading is not overlooked.
        let between = if section.name.is_empty() { "\n" } else { "#\n" };
        for row in section.rows.iter().filter(|row| !row.doc.is_internal) {
            out += between;
            if row.key == "include" {
                out += MARK;
            }
            let (value, note) = match default(row) {
                "" => (example(row), " Example:"),
                default => (default, ""),
            };
            wrap(&mut out, "# ", &[row.doc.about, note].concat());
            out += &format!("# {} = {value}\n", row.key);
        }
    }
    for (array, about, _) in ARRAYS {
        out.push('\n');
        wrap(&mut out, "# ", &format!("{about} Example:"));
        out += &format!("# [[{array}]]\n");
        out += &shown(OTLP_KEYS, array);
        out += &shown(ORGANIZATION_KEYS, array);
    }
    for (kind, name, about) in EXAMPLES {
        out.push('\n');
        wrap(&mut out, "# ", &format!("{about} Example:"));
        out += &format!("# [plugin.{kind}.{name}]\n");
        out += &shown(COMMAND, kind);
        out += &shown(PLUGIN, kind);
    }
    check(SAMPLE, &out);
}

/// The lines of the sample's plugin of this kind, or of the block of this array.
fn shown<T>(rows: &[Row<T>], kind: &str) -> String {
    let line = |row: &Row<T>| {
        let (_, value) = row.doc.of.iter().find(|(of, _)| *of == kind)?;
        (!value.is_empty()).then(|| format!("# {} = {value}\n", row.key))
    };
    rows.iter().filter_map(line).collect()
}
