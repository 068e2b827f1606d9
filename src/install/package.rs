//! Whether a package of the host has put the program there, which would do so again.

use super::host::Host;
use super::layout::PROGRAM;

/// The name of our own packages.
const OURS: &str = "mackerel-agent-small";

/// Of each package manager: the question for the package of the program, whose answer begins with the
/// name, and what keeps a package as it is.
const MANAGERS: [(&[&str], &str); 2] = [
    (&["dpkg-query", "-S", PROGRAM], "apt-mark hold"),
    (
        &["rpm", "-qf", "--qf", "%{NAME}\n", PROGRAM],
        "dnf versionlock add",
    ),
];

/// What the user has to know of the package that has the program; `None` if there is none.
///
/// Fails if it is one of ours: two that upgrade the same program are one too many.
pub(super) fn warning(host: &Host) -> Result<Option<String>, String> {
    if !host.tree.is_host() || !host.tree.has(PROGRAM) {
        return Ok(None);
    }
    for (question, hold) in MANAGERS {
        // Whoever does not have the package manager does not have the package.
        let answer = host.commands.output(question).unwrap_or_default();
        let name = name(&answer);
        if name == OURS {
            return Err(format!(
                "the package {name} has installed this host's agent: upgrade it as a package, or \
                 remove it first"
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

/// The first word of an answer.
fn name(answer: &str) -> &str {
    let end = answer.find(|c: char| c == ':' || c.is_whitespace());
    &answer[..end.unwrap_or(answer.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_begins_with_the_name() {
        let table = [
            ("mackerel-agent: /usr/bin/mackerel-agent", "mackerel-agent"),
            ("mackerel-agent:amd64: /usr/bin/x", "mackerel-agent"),
            ("mackerel-agent\nother\n", "mackerel-agent"),
            ("a", "a"),
            ("", ""),
        ];
        for (answer, expected) in table {
            assert_eq!(name(answer), expected);
        }
    }
}
