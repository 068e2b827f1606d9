//! The man page of the configuration file.

use super::page::{INTRODUCTION, PLUGINS, entry, kinds, setting};
use super::{check, roff};
use crate::settings::row::Row;
use crate::settings::table::SECTIONS;
use crate::settings::table::outputs::{ARRAYS, ORGANIZATION_KEYS, OTLP, OTLP_KEYS};
use crate::settings::table::plugin::{COMMAND, EXAMPLES, PLUGIN};

const FILES: [(&str, &str); 2] = [
    (
        "/etc/mackerel-agent/mackerel-agent.conf",
        "The file that is read by default.",
    ),
    (
        "/usr/share/mackerel-agent/mackerel-agent.conf",
        "The sample, where a package has installed the program.",
    ),
];
const EXAMPLE: &str = "\
apikey_file = \"/etc/mackerel-agent/apikey\"
roles = [\"My-Service:app\"]

[disks]
ignore = \"\\(ha(sr|fd)[0\\-9]\"

[plugin.checks.ssh]
command = [\"check\\-tcp\", \"\\-H\", \"localhost\", \"\\-p\", \"22\"]
";

#[test]
fn man_page_of_settings_is_made_of_the_table() {
    let mut out = roff::head("mackerel-agent.conf", 5, "src/settings/table.rs");
    roff::section(&mut out, "NAME");
    out += "mackerel\\-agent.conf \\- configuration of mackerel\\-agent\n";
    roff::section(&mut out, "DESCRIPTION");
    roff::prose(&mut out, INTRODUCTION);
    roff::section(&mut out, "SETTINGS");
    for section in SECTIONS {
        match section.name {
            "" => roff::part(&mut out, "Top of the file"),
            name => roff::part(&mut out, &format!("[{name}]")),
        }
        if !section.about.is_empty() {
            roff::prose(&mut out, section.about);
        }
        for row in section.rows {
            key(&mut out, row, &setting(section.name, row));
        }
    }
    for (array, about, reload) in ARRAYS {
        roff::part(&mut out, &format!("[[{array}]]"));
        roff::prose(&mut out, &format!("{about} {reload}"));
        for row in if array == OTLP {
            OTLP_KEYS
        } else {
            ORGANIZATION_KEYS
        } {
            key(&mut out, row, "");
        }
    }
    roff::section(&mut out, "PLUGINS");
    roff::prose(&mut out, PLUGINS);
    for (kind, _, about) in EXAMPLES {
        roff::entry(&mut out, &format!("`[plugin.{kind}.NAME]`"), about);
    }
    roff::part(&mut out, "Keys of a plugin");
    for row in COMMAND {
        key(&mut out, row, &kinds(row));
    }
    for row in PLUGIN {
        key(&mut out, row, &kinds(row));
    }
    roff::section(&mut out, "FILES");
    for (path, about) in FILES {
        roff::entry(&mut out, &format!("`{path}`"), about);
    }
    roff::section(&mut out, "EXAMPLES");
    out += &format!(".EX\n{EXAMPLE}.EE\n");
    roff::section(&mut out, "SEE ALSO");
    out += ".BR mackerel\\-agent (8)\n";
    check(&format!("{}/mackerel-agent.conf.5", roff::PLACE), &out);
}

/// Appends the entry of a key. `more` are sentences after its values.
fn key<T>(out: &mut String, row: &Row<T>, more: &str) {
    let [about, short] = entry(row, more);
    roff::entry(out, &format!("`{}`", row.key), &about);
    *out += ".IP\n";
    roff::prose(out, &short);
}
