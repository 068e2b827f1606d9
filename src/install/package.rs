//! Whether a package of the host owns the program. An upgrade of the package would overwrite it.

use super::host::Host;
use super::layout::PROGRAM;

/// The name of this project's packages.
const OURS: &str = "mackerel-agent-small";

/// For each package manager: the query for the package that owns the program, and the command that
/// holds a package back. The answer starts with the package's name.
const MANAGERS: [(&[&str], &str); 3] = [
    (&["dpkg-query", "-S", PROGRAM], "apt-mark hold"),
    (
        &["rpm", "-qf", "--qf", "%{NAME}\n", PROGRAM],
        "dnf versionlock add",
    ),
    (
        &["apk", "info", "-qW", PROGRAM],
        "pinning a version with apk add",
    ),
];

/// A warning about the package that owns the program; `None` if there is none.
///
/// Fails if it is this project's own package: only one of the two may upgrade the program.
pub(super) fn warning(host: &Host) -> Result<Option<String>, String> {
    if !host.tree.is_host() || !host.tree.has(PROGRAM) {
        return Ok(None);
    }
    for (question, hold) in MANAGERS {
        // Without the package manager, the package is not installed either.
        let answer = host.commands.output(question).unwrap_or_default();
        let name = name(&answer);
        if name == OURS {
            return Err(format!(
                "the package {name} has installed this host's agent: upgrade it as a package, or \
                 remove the package first"
            ));
        }
        if !name.is_empty() {
            let why = " has /usr/bin/mackerel-agent as well: if it is upgraded it puts its own \
                       program back, if it is removed it takes this one away; ";
            let text = [
                "the package ",
                name,
                why,
                hold,
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
