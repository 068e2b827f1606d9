//! The man page of the program.

use super::{EXIT_CODES, Flag, NOTATION, names, operands, own, sentence, shared, specs, value};
use crate::cli::command::FlagSet;
use crate::config::{CONFFILE, PIDFILE, ROOT};
use crate::settings::reference::{check, roff};

const DESCRIPTION: &str = "\
`mackerel-agent` watches this host and reports to Mackerel, https://mackerel.io. It measures the
host each minute, runs the plugins of its configuration, and posts metrics, the reports of checks,
metadata and a description of the host. What cannot be posted is kept, and posted later.

It takes the place of the agent written in Go, with the same configuration, command line and
plugins.

Without a command it runs as a service, in the foreground.
";
const ENVIRONMENT: [(&str, &str); 5] = [
    ("MACKEREL_APIKEY", "The API key."),
    (
        "MACKEREL_AGENT_CONFIG",
        "The configuration file, unless `-conf` names another.",
    ),
    (
        "MACKEREL_...",
        "Each setting has a variable, which wins over the file: see mackerel-agent.conf(5).",
    ),
    (
        "MACKEREL_PLUGIN_WORKDIR",
        "Directory for the files of plugins, which inherit it.",
    ),
    (
        "HOST_ROOT, HOST_PROC, HOST_SYS, HOST_ETC",
        "Where the watched host's directories are for an agent in a container.",
    ),
];
const SIGNALS: [(&str, &str); 2] = [
    (
        "HUP",
        "Reads the configuration again. One that is invalid is logged and not used.",
    ),
    (
        "TERM, INT, QUIT",
        "Delivers what waits, for up to 30 seconds, and ends. A second one ends the agent at once.",
    ),
];

#[test]
fn man_page_of_commands_is_made_of_the_table() {
    let mut out = roff::head("mackerel-agent", 8, "src/cli");
    roff::section(&mut out, "NAME");
    out += "mackerel\\-agent \\- watch this host and report to Mackerel\n";
    roff::section(&mut out, "SYNOPSIS");
    out += ".B mackerel\\-agent\n.RI [ flags ]\n.br\n";
    out += ".B mackerel\\-agent\n.I command\n.RI [ flags \"] [\" name ]\n";
    roff::section(&mut out, "DESCRIPTION");
    roff::prose(&mut out, DESCRIPTION);
    roff::section(&mut out, "OPTIONS");
    roff::prose(
        &mut out,
        "Every command that reads the configuration accepts these. They win over the environment \
         and the configuration file.",
    );
    out += ".PP\n";
    roff::prose(&mut out, NOTATION);
    flags(&mut out, &shared());
    roff::entry(&mut out, "`-version`", "Print the version.");
    roff::entry(&mut out, "`-h`, `-help`", "Print the flags of a command.");
    roff::section(&mut out, "COMMANDS");
    for spec in specs().filter(|spec| !spec.name.is_empty()) {
        let takes = match spec.takes {
            FlagSet::Ignored => "",
            _ => " [flags]",
        };
        let head = format!("{}{takes}{}", spec.name, operands(spec));
        roff::part(&mut out, &head);
        roff::prose(&mut out, &sentence((spec.info)().about));
        if spec.takes == FlagSet::Own {
            roff::prose(&mut out, "Flags of the configuration are not accepted.");
        }
        flags(&mut out, &own(spec));
    }
    roff::section(&mut out, "EXIT STATUS");
    for (code, meaning) in EXIT_CODES {
        roff::entry(&mut out, &format!("`{code}`"), meaning);
    }
    list(&mut out, "ENVIRONMENT", &ENVIRONMENT);
    list(&mut out, "SIGNALS", &SIGNALS);
    let [id, spool, socket] = ["id", "spool", "agent.socket"].map(|name| format!("{ROOT}/{name}"));
    let files = [
        (CONFFILE, "The configuration."),
        (&id, "The id of this host on Mackerel."),
        (&spool, "What could not be posted."),
        (
            &socket,
            "The socket on which the agent answers `health`, `status`, `live`, `logs` and `top`.",
        ),
        (PIDFILE, "The process id of the agent."),
    ];
    list(&mut out, "FILES", &files);
    roff::section(&mut out, "EXAMPLES");
    for (about, command) in [
        (
            "What would be posted, without a key or a network:",
            "mackerel\\-agent once",
        ),
        (
            "Everything that is wrong with the configuration:",
            "mackerel\\-agent configtest",
        ),
        ("Why a host has no graph:", "mackerel\\-agent diagnose"),
    ] {
        roff::prose(&mut out, about);
        out += &format!(".PP\n.RS 4\n{command}\n.RE\n.PP\n");
    }
    let out = out.trim_end_matches(".PP\n").to_owned()
        + ".SH \"SEE ALSO\"\n.BR mackerel\\-agent.conf (5)\n";
    check(&format!("{}/mackerel-agent.8", roff::PLACE), &out);
}

/// Appends a section that is a list of names, which are code, and their descriptions.
fn list(out: &mut String, title: &str, entries: &[(&str, &str)]) {
    roff::section(out, title);
    for (name, about) in entries {
        roff::entry(out, &format!("`{name}`"), about);
    }
}

/// Appends an entry for each flag.
fn flags(out: &mut String, flags: &[Flag]) {
    for flag in flags {
        let names = names(flag).join("`, `");
        let kind = value(flag).map_or(String::new(), |kind| format!(" {kind}"));
        roff::entry(
            out,
            &format!("`{names}`{kind}"),
            &sentence(flag.description),
        );
    }
}
