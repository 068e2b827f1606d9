//! Whether a package of the host owns the program. An upgrade of the package would overwrite it.

use super::host::Host;
use super::layout::PROGRAM;

/// The name of this project's packages.
const OURS: &str = "mackerel-agent-small";

/// A package manager: what it is asked and told.
struct Manager {
    /// The query for the package that owns the program. The answer starts with the package's name.
    question: &'static [&'static str],
    /// The commands, without the package's name, that hold a package back, upgrade and remove it.
    hold: &'static str,
    upgrade: &'static str,
    remove: &'static str,
}

const MANAGERS: [Manager; 3] = [
    Manager {
        question: &["dpkg-query", "-S", PROGRAM],
        hold: "apt-mark hold",
        upgrade: "apt-get install",
        remove: "apt-get remove",
    },
    Manager {
        question: &["rpm", "-qf", "--qf", "%{NAME}\n", PROGRAM],
        hold: "dnf versionlock add",
        upgrade: "dnf upgrade",
        remove: "rpm -e",
    },
    Manager {
        question: &["apk", "info", "-qW", PROGRAM],
        hold: "pinning a version with apk add",
        upgrade: "apk add -u",
        remove: "apk del",
    },
];

/// A warning about the package that owns the program; `None` if there is none.
///
/// Fails if it is this project's own package: it alone upgrades and removes the program.
pub(super) fn warning(host: &Host) -> Result<Option<String>, String> {
    if !host.tree.is_host() || !host.tree.has(PROGRAM) {
        return Ok(None);
    }
    // Without the package manager, the package is not installed either.
    warning_by(|question| host.commands.output(question).unwrap_or_default())
}

/// As [`warning`]. `ask` returns the answer to a package manager's question; empty if it has none.
fn warning_by(ask: impl Fn(&[&str]) -> String) -> Result<Option<String>, String> {
    for manager in MANAGERS {
        let answer = ask(manager.question);
        let name = name(&answer);
        if name == OURS {
            let Manager {
                upgrade, remove, ..
            } = manager;
            return Err(format!(
                "the package {name} has installed this host's agent: {upgrade} {name} upgrades it, \
                 {remove} {name} removes it"
            ));
        }
        if !name.is_empty() {
            let why = " has /usr/bin/mackerel-agent as well: if it is upgraded it puts its own \
                       program back, if it is removed it takes this one away; ";
            let text = [
                "the package ",
                name,
                why,
                manager.hold,
                " ",
                name,
                " keeps it as it is",
            ];
            return Ok(Some(text.concat()));
        }
    }
    Ok(None)
}

/// The first word of an answer, up to a colon or white space.
fn name(answer: &str) -> &str {
    let end = answer.find(|c: char| c == ':' || c.is_whitespace());
    &answer[..end.unwrap_or(answer.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_of_this_project_alone_upgrades_and_removes_its_program() {
        // (the package manager, its answer, part of the warning or error)
        type Row = (
            &'static str,
            &'static str,
            Result<&'static str, &'static str>,
        );
        let table: [Row; 6] = [
            (
                "dpkg-query",
                "mackerel-agent-small: /usr/bin/mackerel-agent",
                Err("apt-get install mackerel-agent-small upgrades it, apt-get remove mackerel-"),
            ),
            (
                "rpm",
                "mackerel-agent-small\n",
                Err("dnf upgrade mackerel-agent-small upgrades it, rpm -e mackerel-agent-small"),
            ),
            (
                "apk",
                "mackerel-agent-small \n",
                Err("apk add -u mackerel-agent-small upgrades it, apk del mackerel-agent-small"),
            ),
            (
                "dpkg-query",
                "mackerel-agent: /usr/bin/mackerel-agent",
                Ok("apt-mark hold mackerel-agent keeps it as it is"),
            ),
            (
                "rpm",
                "mackerel-agent\n",
                Ok("dnf versionlock add mackerel-agent"),
            ),
            ("apk", "", Ok("")),
        ];
        for (manager, answer, expected) in table {
            let ask = |question: &[&str]| {
                let is_asked = question.first() == Some(&manager);
                if is_asked { answer } else { "" }.to_owned()
            };
            match (warning_by(ask), expected) {
                (Ok(said), Ok(part)) => {
                    let said = said.unwrap_or_default();
                    assert!(said.contains(part), "{manager}: {said}");
                    assert_eq!(said.is_empty(), part.is_empty(), "{manager}");
                }
                (Err(said), Err(part)) => assert!(said.contains(part), "{manager}: {said}"),
                (said, _) => panic!("{manager}: {said:?}"),
            }
        }
    }

    #[test]
    fn package_name_starts_the_answer() {
        let table = [
            ("mackerel-agent: /usr/bin/mackerel-agent", "mackerel-agent"),
            ("mackerel-agent:amd64: /usr/bin/x", "mackerel-agent"),
            ("mackerel-agent\nother\n", "mackerel-agent"),
            // apk, whose lists end in a space.
            ("mackerel-agent-small \n", OURS),
            ("a", "a"),
            ("", ""),
        ];
        for (answer, expected) in table {
            assert_eq!(name(answer), expected);
        }
    }
}
