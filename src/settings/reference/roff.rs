//! Text for man pages, in the macros of man(7).

use super::lines;

/// The most characters of a line.
const WIDTH: usize = 78;
/// Where man pages are.
pub(crate) const PLACE: &str = "packaging/man";

/// The first lines of the page `name` of a section. The date is that of the version in
/// CHANGELOG.md; the page has none if the version has no section there.
#[expect(clippy::disallowed_methods, reason = "a file of the repository")]
pub(crate) fn head(name: &str, section: u8, source: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let changes = std::fs::read_to_string("CHANGELOG.md").unwrap();
    let heading = format!("## {version} - ");
    let date = changes.lines().find_map(|line| line.strip_prefix(&heading));
    let title = escaped(&name.to_uppercase());
    let date = date.unwrap_or_default();
    format!(
        ".\\\" Made of {source} by `make docs`.\n\
         .TH {title} {section} \"{date}\" \"mackerel\\-agent {version}\"\n"
    )
}

/// Appends `text` as filled lines. What is between backticks is bold.
pub(crate) fn prose(out: &mut String, text: &str) {
    for (index, paragraph) in text.trim().split("\n\n").enumerate() {
        if index > 0 {
            *out += ".PP\n";
        }
        let mut shown = String::new();
        for (index, part) in paragraph.split('`').enumerate() {
            if index > 0 {
                shown += if index % 2 == 1 { "\\fB" } else { "\\fR" };
            }
            shown += &escaped(part);
        }
        for line in lines(WIDTH, &shown) {
            // Not a request.
            if line.starts_with('.') {
                *out += "\\&";
            }
            *out += &format!("{line}\n");
        }
    }
}

/// Appends the heading of a section.
pub(crate) fn section(out: &mut String, name: &str) {
    *out += &format!(".SH {}\n", quoted(name));
}

/// Appends the heading of a part of a section.
pub(crate) fn part(out: &mut String, name: &str) {
    *out += &format!(".SS {}\n", quoted(name));
}

/// Appends an entry of a list: `head`, with its code bold, and its description.
pub(crate) fn entry(out: &mut String, head: &str, text: &str) {
    *out += ".TP\n";
    prose(out, head);
    prose(out, text);
}

/// `text` as one argument of a macro.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text).replace('"', "\\(dq"))
}

/// `text` with every character that has a meaning in roff, or that it replaces, written as such.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out += "\\e",
            '-' => out += "\\-",
            '^' => out += "\\(ha",
            '~' => out += "\\(ti",
            '\'' => out += "\\(aq",
            _ => out.push(c),
        }
    }
    out
}

#[test]
fn roff_keeps_every_character() {
    let table = [
        ("plain text", "plain text\n"),
        // Hyphens would become another character, by which nobody finds a flag.
        ("a -flag", "a \\-flag\n"),
        ("`a b` c", "\\fBa b\\fR c\n"),
        (r"a\b", "a\\eb\n"),
        // Not a request.
        (".conf", "\\&.conf\n"),
        ("'a' ^~", "\\(aqa\\(aq \\(ha\\(ti\n"),
        ("one\n\ntwo", "one\n.PP\ntwo\n"),
    ];
    for (text, expected) in table {
        let mut out = String::new();
        prose(&mut out, text);
        assert_eq!(out, expected);
    }
    let mut out = String::new();
    section(&mut out, "a \"b\"");
    assert_eq!(out, ".SH \"a \\(dqb\\(dq\"\n");
}
