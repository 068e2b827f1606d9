//! Lists the texts of the program that users see, and rejects phrases of tests/docs/phrases in them.
//!
//! `texts [DIRECTORY]` prints `FILE:LINE: text` for each text of the project in DIRECTORY: string
//! literals with two words or more in code that is shipped, the doc comments that are the help,
//! and the lines of packaging/ that users read. tests/docs/texts compares two revisions.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a tool and its tests"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[cfg(test)]
use regex_lite::Regex;
use syn::parse::{ParseStream, Parser};
use syn::visit::{self, Visit};

/// A text, and where it begins.
#[derive(Debug, Eq, PartialEq)]
struct Text {
    file: PathBuf,
    line: usize,
    text: String,
}

fn main() {
    let top = env::args_os().nth(1).unwrap_or_else(|| ".".into());
    for Text { file, line, text } in texts(Path::new(&top)) {
        println!("{}:{line}: {}", file.display(), text.replace('\n', "\\n"));
    }
}

/// The texts of the project at `top`, by file.
fn texts(top: &Path) -> Vec<Text> {
    let mut found = Vec::new();
    source(top, Path::new("src/main.rs"), &mut found);
    for entry in files(&top.join("packaging")) {
        let file = entry.strip_prefix(top).unwrap();
        if let Ok(content) = fs::read_to_string(&entry) {
            packaged(file, &content, &mut found);
        }
    }
    found
}

/// The files below `directory`, sorted.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Adds the texts of a source file, then those of the modules below it.
fn source(top: &Path, file: &Path, found: &mut Vec<Text>) {
    let content = fs::read_to_string(top.join(file));
    let content = content.unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let parsed = syn::parse_file(&content).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let mut literals = Literals::default();
    literals.visit_file(&parsed);
    let mut lines = Lines::of(&content);
    for (written, text) in literals.found {
        let line = lines.line(&written);
        if is_prose(&text) {
            let file = file.to_owned();
            found.push(Text { file, line, text });
        }
    }
    let folder = match file.file_stem().unwrap().to_str() {
        Some("main" | "mod") => file.parent().unwrap().to_owned(),
        _ => file.with_extension(""),
    };
    for module in literals.modules {
        let path = folder.join(&module).with_extension("rs");
        if top.join(&path).exists() {
            source(top, &path, found);
        } else {
            source(top, &folder.join(module).join("mod.rs"), found);
        }
    }
}

/// Adds the lines of a packaged file that users read: comments of configurations and units,
/// descriptions, and what scripts print.
fn packaged(file: &Path, content: &str, found: &mut Vec<Text>) {
    let is_script = content.starts_with("#!");
    for (index, line) in content.lines().enumerate() {
        let text = line.trim();
        let is_printed = ["die ", "say ", "echo ", "printf ", "warn "]
            .iter()
            .any(|word| text.contains(word) && text.contains(['"', '\'']));
        let is_read = text.starts_with('#') || text.starts_with("Description=");
        let has_text = is_prose(text.trim_start_matches("Description="));
        if (if is_script { is_printed } else { is_read }) && has_text {
            found.push(Text {
                file: file.to_owned(),
                line: index + 1,
                text: text.to_owned(),
            });
        }
    }
}

/// Whether a text has two words next to each other.
fn is_prose(text: &str) -> bool {
    let is_word = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let words: Vec<_> = text.split_whitespace().collect();
    words
        .windows(2)
        .any(|pair| is_word(pair[0]) && is_word(pair[1]))
}

/// Finds the line of a literal by its spelling, as spans without the line need no feature.
struct Lines<'a> {
    content: &'a str,
    /// The end of the last place of each spelling.
    ends: BTreeMap<String, usize>,
}

impl<'a> Lines<'a> {
    fn of(content: &'a str) -> Lines<'a> {
        let ends = BTreeMap::new();
        Lines { content, ends }
    }

    /// The line of the next place of `written`, counted from 1.
    fn line(&mut self, written: &str) -> usize {
        let end = self.ends.entry(written.to_owned()).or_default();
        let at = self.content[*end..].find(written).map_or(0, |at| *end + at);
        *end = at + written.len();
        self.content[..at].matches('\n').count() + 1
    }
}

/// Collects the literals of a file that are in the program.
#[derive(Default)]
struct Literals {
    /// Each literal as it is written, and its value.
    found: Vec<(String, String)>,
    /// The modules in other files.
    modules: Vec<String>,
    /// Whether the doc comments are the help of a command.
    is_help: bool,
}

/// Whether the attributes leave an item to the tests.
fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_test = |list: &syn::MetaList| {
            let condition = list.tokens.to_string().replace(' ', "");
            condition.contains("test") && !condition.contains("not(test)")
        };
        path.is_ident("test")
            || path.is_ident("cfg") && attribute.meta.require_list().is_ok_and(is_test)
    })
}

impl<'a> Visit<'a> for Literals {
    fn visit_item(&mut self, item: &'a syn::Item) {
        let attributes = match item {
            syn::Item::Const(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Static(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'a syn::ImplItemFn) {
        if !is_for_tests(&item.attrs) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.content.is_none() {
            self.modules.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_struct(&mut self, item: &'a syn::ItemStruct) {
        let derives = |attribute: &syn::Attribute| {
            let list = attribute.meta.require_list();
            attribute.path().is_ident("derive")
                && list.is_ok_and(|list| list.tokens.to_string().contains("FromArgs"))
        };
        self.is_help = item.attrs.iter().any(derives);
        visit::visit_item_struct(self, item);
        self.is_help = false;
    }

    /// Other attributes than the help have no text that users see.
    fn visit_attribute(&mut self, attribute: &'a syn::Attribute) {
        if let syn::Meta::NameValue(pair) = &attribute.meta
            && self.is_help
            && pair.path.is_ident("doc")
            && let syn::Expr::Lit(value) = &pair.value
            && let syn::Lit::Str(text) = &value.lit
        {
            self.found
                .push((text.value(), text.value().trim().to_owned()));
        }
    }

    fn visit_lit_str(&mut self, literal: &'a syn::LitStr) {
        let written = literal.token().to_string();
        self.found.push((written, literal.value()));
    }

    /// The tokens of a macro call are not parsed. Literals are found among them.
    fn visit_macro(&mut self, call: &'a syn::Macro) {
        let found = &mut self.found;
        let all = |input: ParseStream<'_>| literals(input, found);
        all.parse2(call.tokens.clone()).unwrap();
    }
}

/// Adds the string literals among tokens, those within brackets too, but for attributes.
fn literals(input: ParseStream<'_>, found: &mut Vec<(String, String)>) -> syn::Result<()> {
    while !input.is_empty() {
        if input.peek(syn::Token![#]) && input.peek2(syn::token::Bracket) {
            for _ in 0..2 {
                input.step(|cursor| Ok(((), cursor.token_tree().unwrap().1)))?;
            }
            continue;
        }
        if input.peek(syn::LitStr) {
            let literal: syn::LitStr = input.parse()?;
            found.push((literal.token().to_string(), literal.value()));
            continue;
        }
        let inner;
        if input.peek(syn::token::Paren) {
            syn::parenthesized!(inner in input);
        } else if input.peek(syn::token::Brace) {
            syn::braced!(inner in input);
        } else if input.peek(syn::token::Bracket) {
            syn::bracketed!(inner in input);
        } else {
            input.step(|cursor| Ok(((), cursor.token_tree().unwrap().1)))?;
            continue;
        }
        literals(&inner, found)?;
    }
    Ok(())
}

#[test]
fn texts_personify_nothing() {
    let rows = include_str!("phrases").lines();
    let rows = rows.filter(|line| !line.starts_with('#'));
    let rows: Vec<_> = rows.map(|line| line.split_once('\t').unwrap()).collect();
    let whole = |phrase: &str| Regex::new(&format!(r"(?i)\b(?:{phrase})\b")).unwrap();
    let phrases: Vec<_> = rows.iter().map(|(phrase, _)| *phrase).collect();
    let any = whole(&phrases.join("|"));
    let mut wrong = Vec::new();
    for Text { file, line, text } in texts(Path::new(".")) {
        let Some(found) = any.find(&text) else {
            continue;
        };
        let (_, instead) = rows
            .iter()
            .find(|row| whole(row.0).is_match(&text))
            .unwrap();
        wrong.push(format!(
            "{}:{line}: {:?} in {text:?}; write what the program does: {instead}",
            file.display(),
            found.as_str()
        ));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn texts_are_those_that_users_see() {
    let all = texts(Path::new("."));
    let is_there = |file: &str, text: &str| {
        let found = all
            .iter()
            .find(|row| row.text.contains(text) && row.file == Path::new(file));
        if let Some(row) = found {
            let content = fs::read_to_string(file).unwrap();
            let line = content.lines().nth(row.line - 1).unwrap();
            let first: String = text.chars().take(12).collect();
            assert!(line.contains(&first), "{file}:{}: {line}", row.line);
        }
        found.is_some()
    };
    let seen = [
        (
            "a literal in a macro",
            "src/cli/parse.rs",
            "unexpected argument: ",
        ),
        (
            "a literal in an expression",
            "src/cli/parse.rs",
            "; the command comes before its flags: ",
        ),
        (
            "the help of a command",
            "src/cli/commands/inspect.rs",
            "say what is wrong",
        ),
        (
            "the help of a flag",
            "src/cli/commands/retire.rs",
            "do not ask",
        ),
        (
            "a description in a table",
            "src/settings/table.rs",
            "Name of the host on Mackerel",
        ),
        (
            "the sample",
            "packaging/mackerel-agent.conf",
            "SIGHUP applies changes",
        ),
        (
            "a script's message",
            "packaging/install.sh",
            "does not have $2",
        ),
        (
            "a unit's description",
            "packaging/systemd/mackerel-agent.service",
            "Description=",
        ),
    ];
    for (why, file, text) in seen {
        assert!(is_there(file, text), "{why}: {file}: {text}");
    }
    let hidden = [
        ("a doc comment", "src/cli/parse.rs", "Parses the words"),
        ("a module for tests", "src/cli/setting_flags.rs", ""),
        ("tests in a file", "src/cli/help.rs", "a-long-flag-name"),
        ("a reason of a lint", "src/settings/reference.rs", ""),
        (
            "a comment of a script",
            "packaging/package",
            "makes a deb and an rpm",
        ),
    ];
    for (why, file, text) in hidden {
        assert!(!is_there(file, text), "{why}: {file}: {text}");
    }
    assert!(all.len() > 1000, "{}", all.len());
}
