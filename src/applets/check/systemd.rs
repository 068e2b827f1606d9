//! `check-systemd`: failed units, and units that must be active.
//!
//! There is no official plugin of this name.

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::command::{Ran, TIME};
use crate::applets::finding::{Failure, Finding, pattern};
use crate::applets::host::Host;
use crate::base::packed::packed;
use crate::base::pattern::Pattern;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-systemd",
    help: packed!(
        "check for failed units of systemd
  -u, --unit=NAME           check that this unit is active, instead of all units
                            for failures; repeatable
  -x, --exclude=PATTERN     leave out failed units whose name matches; a regular
                            expression, repeatable
  -w, --warning             report it as WARNING, not as CRITICAL
"
    ),
    work: Work::Check("Systemd", check),
};

/// The command for the failed units.
const LIST: [&str; 6] = [
    "list-units",
    "--failed",
    "--plain",
    "--no-legend",
    "--no-pager",
    "--full",
];
/// States of a unit that does its work.
const ACTIVE: [&str; 3] = ["active", "reloading", "refreshing"];

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let mut excluded = Vec::new();
    for text in arguments.all("exclude") {
        excluded.push(pattern(text)?);
    }
    // systemd makes this directory when it is the first process.
    if !host.root.exists("/run/systemd/system") {
        return Err("systemd does not run here".into());
    }
    let units: Vec<&str> = arguments.all("unit").collect();
    let mut words = vec!["systemctl"];
    words.extend_from_slice(match units.is_empty() {
        true => &LIST,
        false => &["is-active", "--"],
    });
    words.extend_from_slice(&units);
    let ran = Ran::of(&words, host, TIME)?;
    if ran.code != 0 && ran.text.is_empty() {
        return Err(ran.said.into());
    }
    let message = match units.is_empty() {
        // A code of an error belongs to a text that is no list.
        true if ran.code != 0 => return Err(Failure::unknown(ran.text)),
        true => failed(&ran.text, &excluded),
        false => inactive(&ran.text, &units)?,
    };
    let is_warning = arguments.is_on("warning");
    Ok(match message {
        Ok(message) => Finding::of_limits(false, false, message),
        Err(message) => Finding::of_limits(is_warning, !is_warning, message),
    })
}

/// The message for a list of failed units; an error if there are any.
fn failed(list: &str, excluded: &[Pattern]) -> Result<String, String> {
    let mut names = String::new();
    let mut count = 0_u32;
    for line in list.lines() {
        // Old versions put a dot before the name.
        let name = line
            .split_whitespace()
            .find(|word| !matches!(*word, "\u{25cf}" | "*"));
        if let Some(name) = name
            && !excluded.iter().any(|pattern| pattern.matches(name))
        {
            names.push_str(if count == 0 { ": " } else { ", " });
            names.push_str(name);
            count += 1;
        }
    }
    let noun = if count == 1 {
        " failed unit"
    } else {
        " failed units"
    };
    let message = [&count.to_string(), noun, &names].concat();
    if count == 0 {
        Ok(message)
    } else {
        Err(message)
    }
}

/// The message for the states of these units, each on a line; an error unless all are active. Fails
/// for more states than units: one of these is a pattern that several match.
fn inactive(states: &str, units: &[&str]) -> Result<Result<String, String>, &'static str> {
    let mut states = states.lines();
    let mut message = String::new();
    let mut is_good = true;
    for unit in units {
        let state = states.next().unwrap_or("unknown");
        is_good &= ACTIVE.contains(&state);
        if !message.is_empty() {
            message.push_str(", ");
        }
        message.extend([unit, " is ", state]);
    }
    match states.next() {
        Some(_) => Err("-u: several units match; name each of them, without a pattern"),
        None if is_good => Ok(Ok(message)),
        None => Ok(Err(message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applets::testing::{Tree, said};

    #[test]
    fn check_systemd_lists_failed_units() {
        let list =
            "a.service loaded failed failed The A\n\u{25cf} b@1.timer loaded failed failed B\n";
        // (list, excluded, message)
        let table = [
            ("", "none", Ok("0 failed units")),
            (list, "none", Err("2 failed units: a.service, b@1.timer")),
            (list, "^a\\.", Err("1 failed unit: b@1.timer")),
            (list, "service|timer", Ok("0 failed units")),
        ];
        for (list, excluded, expected) in table {
            let found = failed(list, &[Pattern::new(excluded).unwrap()]);
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(found, expected, "{excluded}");
        }
    }

    #[test]
    fn check_systemd_wants_units_to_be_active() {
        // (states, message)
        let table = [
            ("active\nreloading\n", Ok("a is active, b is reloading")),
            ("active\nfailed\n", Err("a is active, b is failed")),
            ("active\n", Err("a is active, b is unknown")),
        ];
        for (states, expected) in table {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(inactive(states, &["a", "b"]), Ok(expected), "{states}");
        }
        inactive("active\nactive\nfailed\n", &["a@*", "b"]).unwrap_err();
    }

    #[test]
    fn check_systemd_is_unknown_without_systemd() {
        let text = "Systemd UNKNOWN: systemd does not run here\n";
        assert_eq!(Tree::new(&[]).run("check-systemd", ""), said(3, text));
        // A container sees the host's files, and not its programs.
        let tree = Tree::new(&[("run/systemd/system/x", "")]);
        let text = "Systemd UNKNOWN: systemctl: cannot be run on the host from a container\n";
        assert_eq!(tree.run("check-systemd", ""), said(3, text));
        assert_eq!(tree.run("check-systemd", "-x (").code, 3);
    }
}
