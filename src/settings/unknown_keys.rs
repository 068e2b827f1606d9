//! Unknown keys of a file, and the suggestions for them.

use super::row::{Row, Section};
use super::table::outputs::{ARRAY_ROWS, HOST_STATUS, ORGANIZATION, OTLP, STATUS_KEYS};
use super::table::plugin::{self, COMMAND, KINDS};
use super::table::{SECTIONS, TOP};
use crate::config::key::dotted;
use crate::config::unread::{Place, Unread};
use crate::config::{Config, UnknownKey};

/// The distance from which on two words are not similar.
const FAR: usize = 3;

/// The table of the plugins, and a plugin's table with the command that is run after a check.
pub(super) const PLUGIN: &str = "plugin";
const ACTION: &str = "action";
/// A table of a plugin, as suggestions show it.
const EXAMPLE: &str = "plugin.metrics.NAME";

impl Unread {
    /// One entry for each mistake, sorted by key. A key below a reported one is omitted. If the
    /// first component of a key is unknown, only that component is reported.
    pub(crate) fn report(&self) -> Vec<UnknownKey> {
        let mut report = Vec::new();
        for Place { key, path, line } in &self.keys {
            let ([first, ..], [parents @ .., last]) = (path.as_slice(), path.as_slice()) else {
                continue;
            };
            let parent = dotted(parents);
            let first_key = dotted(std::slice::from_ref(first));
            let covers = |seen: &UnknownKey| seen.key == parent || seen.key == first_key;
            if report.iter().any(covers) {
                continue;
            }
            let (key, hint) = match at_top(first) {
                Some(_) => (key.clone(), hint(parents, last)),
                None => (first_key, hint(&[], first)),
            };
            let line = *line;
            add(&mut report, UnknownKey { key, hint, line });
        }
        for Place { key, path, line } in &self.plugins {
            if let [plugin, kind, name] = path.as_slice() {
                let kind = nearest(&KINDS, kind).unwrap_or("metrics");
                let meant = dotted(&[plugin.clone(), kind.to_owned(), name.clone()]);
                let (key, hint, line) = (key.clone(), Some(did_you_mean(&meant)), *line);
                add(&mut report, UnknownKey { key, hint, line });
            }
        }
        report
    }
}

/// Whether `word` is a key of any table. Such a word is no part of a value, so it may be shown.
pub(super) fn is_key(word: &str) -> bool {
    at_top(word).is_some()
        || SECTIONS
            .iter()
            .any(|section| has(section.rows, word).is_some())
        || is_of_plugin(word)
        || of_array(word).is_some()
}

/// The key of `[[otlp]]` or `[[organization]]` that equals `word`, with the name of the array.
fn of_array(word: &str) -> Option<(&'static str, &'static str)> {
    let mut arrays = ARRAY_ROWS.iter();
    arrays.find_map(|(name, rows)| Some((*name, has(rows, word)?)))
}

fn is_of_plugin(word: &str) -> bool {
    has(COMMAND, word).is_some() || has(plugin::PLUGIN, word).is_some()
}

/// The sections that have a name.
fn sections() -> impl Iterator<Item = &'static Section<Config>> {
    SECTIONS.iter().filter(|section| !section.name.is_empty())
}

/// The names of the tables at the top of the file.
fn tables() -> Vec<&'static str> {
    let mut names = Vec::new();
    for section in sections() {
        names.push(section.name);
    }
    names.extend([PLUGIN, OTLP, ORGANIZATION]);
    names
}

/// The name of the key or table at the top of the file that equals `word`, ignoring case, and
/// whether it is a table.
fn at_top(word: &str) -> Option<(&'static str, bool)> {
    let is_word = |name: &&str| name.eq_ignore_ascii_case(word);
    let table = || tables().into_iter().find(is_word).map(|name| (name, true));
    has(TOP, word).map(|name| (name, false)).or_else(table)
}

/// The key of `rows` that equals `word`, ignoring case.
fn has<T>(rows: &'static [Row<T>], word: &str) -> Option<&'static str> {
    let mut names = rows.iter().map(|row| row.key);
    names.find(|name| name.eq_ignore_ascii_case(word))
}

fn names<T>(rows: &'static [Row<T>]) -> Vec<&'static str> {
    rows.iter().map(|row| row.key).collect()
}

/// The suggestion for the unknown key `word` in the table `parents`: a key of another table, or
/// else the most similar key of this table. The key itself is never suggested.
fn hint(parents: &[String], word: &str) -> Option<String> {
    if let Some((name, is_table)) = at_top(word)
        && !parents.is_empty()
    {
        return Some(if is_table {
            did_you_mean(name)
        } else {
            format!("{name} belongs above the first [section] of the file.")
        });
    }
    let is_in = |name: &str| {
        parents
            .first()
            .is_some_and(|it| it.eq_ignore_ascii_case(name))
    };
    if parents.len() < 2 {
        if is_in(ORGANIZATION)
            && let Some(key) = has(STATUS_KEYS, word)
        {
            let meant = [ORGANIZATION, HOST_STATUS, key].join(".");
            return Some(did_you_mean(&meant));
        }
        let elsewhere =
            |section: &Section<Config>| Some(beside(section.name, has(section.rows, word)?));
        let in_plugin = || is_of_plugin(word).then(|| beside(EXAMPLE, word));
        let in_array = || of_array(word).map(|(array, key)| beside(array, key));
        let meant = sections().find_map(elsewhere).or_else(in_plugin);
        if let Some(meant) = meant.or_else(in_array) {
            return Some(did_you_mean(&meant));
        }
    }
    let near = match parents {
        [] => [names(TOP), tables()].concat(),
        [_, _] if is_in(ORGANIZATION) => names(STATUS_KEYS),
        [name] => keys_of(name),
        [plugin, _, _] if plugin.eq_ignore_ascii_case(PLUGIN) => {
            [names(COMMAND), names(plugin::PLUGIN)].concat()
        }
        [_, _, _, action] if action.eq_ignore_ascii_case(ACTION) => names(COMMAND),
        _ => Vec::new(),
    };
    Some(did_you_mean(&beside(
        &dotted(parents),
        nearest(&near, word)?,
    )))
}

/// The keys of the section or array `name`, ignoring case; empty if there is none.
fn keys_of(name: &str) -> Vec<&'static str> {
    for section in sections() {
        if section.name.eq_ignore_ascii_case(name) {
            return names(section.rows);
        }
    }
    for (array, rows) in ARRAY_ROWS {
        if array.eq_ignore_ascii_case(name) {
            return names(rows);
        }
    }
    Vec::new()
}

fn did_you_mean(key: &str) -> String {
    format!("Did you mean {key} ?")
}

/// Inserts an entry, so that the report stays sorted.
fn add(report: &mut Vec<UnknownKey>, unknown: UnknownKey) {
    let at = report.partition_point(|seen| seen.key <= unknown.key);
    report.insert(at, unknown);
}

/// The dotted key `word` of the table `parent`, which is empty for the top level.
fn beside(parent: &str, word: &str) -> String {
    match parent {
        "" => word.to_owned(),
        _ => format!("{parent}.{word}"),
    }
}

/// The one of `words` that is most similar to `word`, with a distance below [`FAR`]. Of several
/// equally similar ones, the first.
pub(super) fn nearest<'w>(words: &[&'w str], word: &str) -> Option<&'w str> {
    let mut least = (FAR, None);
    for known in words {
        let far = distance(known, word);
        if far < least.0 {
            least = (far, Some(*known));
        }
    }
    least.1
}

/// The number of characters to insert, remove or replace to turn `a` into `b`. If the lengths
/// differ by [`FAR`] or more, `FAR` is returned.
fn distance(a: &str, b: &str) -> usize {
    let length = a.chars().count();
    if length.abs_diff(b.chars().take(length + FAR).count()) >= FAR {
        return FAR;
    }
    // The distances between each prefix of `a` and the part of `b` processed so far.
    let mut row: Vec<usize> = (0..=length).collect();
    for (done, wanted) in b.chars().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        let mut cells = row.iter_mut();
        if let Some(first) = cells.next() {
            *first = left;
        }
        for (cell, have) in cells.zip(a.chars()) {
            let replaced = diagonal + usize::from(have != wanted);
            diagonal = *cell;
            left = replaced.min(*cell + 1).min(left + 1);
            *cell = left;
        }
    }
    row.last().map_or(FAR, |all| *all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Vec<UnknownKey> {
        let found = Config::default().read(text.as_bytes()).unwrap();
        found.unread.report()
    }

    fn lines(text: &str) -> Vec<String> {
        let line = |unknown: UnknownKey| {
            let hint = unknown.hint.unwrap_or_default();
            let hint = hint
                .trim_start_matches("Did you mean ")
                .trim_end_matches(" ?");
            format!("{}: {} -> {hint}", unknown.line, unknown.key)
        };
        report(text).into_iter().map(line).collect()
    }

    /// Vector 17.
    #[test]
    fn reports_each_mistake_once_in_the_order_of_the_keys() {
        let text = include_str!("../../tests/fixtures/config/unknown-keys.conf");
        let expected = [
            "5: filesystems.use_mntpoint -> filesystems.use_mountpoint",
            "7: foobar -> ",
            "16: plugin.check.incorrect2 -> plugin.checks.incorrect2",
            "19: plugin.check.incorrect3 -> plugin.checks.incorrect3",
            "37: plugin.checks.incorrect9.action.en -> plugin.checks.incorrect9.action.env",
            "10: plugin.foo.bar -> plugin.metrics.bar",
            "13: plugin.metric.incorrect1 -> plugin.metrics.incorrect1",
            "27: plugin.metrics.incorrect5.action.use -> plugin.metrics.incorrect5.action.user",
            "31: plugin.metrics.incorrect6.action.xxx -> ",
            "33: plugin.metrics.incorrect7.incorrect8 -> ",
            "22: plugins -> plugin",
            "2: podfile -> pidfile",
        ];
        assert_eq!(lines(text), expected);
    }

    #[test]
    fn reports_what_the_file_has_and_nothing_that_it_implies() {
        let table: [(&str, &[&str]); 8] = [
            ("[disks]\nunk=1", &["2: disks.unk -> "]),
            (
                "[connection]\npost_metrics_interval=1",
                &["1: connection -> "],
            ),
            (
                "[plugin.metrics.a]\ncommand='x'\n[plugin.metrics.a.b.comand]",
                &["3: plugin.metrics.a.b.comand -> "],
            ),
            (
                "[plugin.checks.\"foo bar\"]\ncommand='x'\nbad=1",
                &["3: plugin.checks.\"foo bar\".bad -> "],
            ),
            ("[[bad]]\na=1\n[[bad]]\na=2", &["1: bad -> "]),
            ("[[disks.bad]]\na=1\n[[disks.bad]]", &["1: disks.bad -> "]),
            ("APIKEY='x'\n[DISKS]\nIGNORE='a'", &[]),
            ("[Disks]\nIgnor='a'", &["2: Disks.Ignor -> Disks.ignore"]),
        ];
        for (text, expected) in table {
            assert_eq!(lines(text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_table_is_never_suggested_itself() {
        let above = |name: &str| format!("{name} belongs above the first [section] of the file.");
        let plugin = "[plugin.metrics.a]\ncommand='x'\n";
        // (why this row exists, text, line and key, expected suggestion)
        let table = [
            (
                "as reported",
                format!("{plugin}roles=['a:b']"),
                "3: plugin.metrics.a.roles",
                above("roles"),
            ),
            (
                "any case",
                format!("{plugin}Verbose=true"),
                "3: plugin.metrics.a.Verbose",
                above("verbose"),
            ),
            (
                "below a section",
                "[filesystems]\nuse_mountpoint=true\ninclude='x'".to_owned(),
                "3: filesystems.include",
                above("include"),
            ),
            (
                "as near as another key",
                "[host_status]\nroot='/x'".to_owned(),
                "2: host_status.root",
                above("root"),
            ),
            (
                "below an action",
                format!("{plugin}[plugin.metrics.a.action]\ncommand='x'\nhealth=true"),
                "5: plugin.metrics.a.action.health",
                above("health"),
            ),
            (
                "a section below another",
                "[filesystems.disks]\nignore='x'".to_owned(),
                "1: filesystems.disks",
                "disks".to_owned(),
            ),
            (
                "a section's key at the top",
                "on_start='working'".to_owned(),
                "1: on_start",
                "host_status.on_start".to_owned(),
            ),
            (
                "a key of several sections at the top",
                "ignore='x'".to_owned(),
                "1: ignore",
                "filesystems.ignore".to_owned(),
            ),
            (
                "a key of another section",
                "[disks]\nuse_mountpoint=true".to_owned(),
                "2: disks.use_mountpoint",
                "filesystems.use_mountpoint".to_owned(),
            ),
            (
                "a plugin's key at the top",
                "command='x'".to_owned(),
                "1: command",
                "plugin.metrics.NAME.command".to_owned(),
            ),
            (
                "no table at the top",
                "env='x'".to_owned(),
                "1: env",
                "plugin.metrics.NAME.env".to_owned(),
            ),
            (
                "a check's key in its action",
                "[plugin.checks.a]\ncommand='x'\naction={command='x',check_interval=1}".to_owned(),
                "3: plugin.checks.a.action.check_interval",
                String::new(),
            ),
            (
                "a section that is misspelt",
                "[spol]\nwindow=5".to_owned(),
                "1: spol",
                "spool".to_owned(),
            ),
            (
                "a key of a newer section",
                "[spool]\nwndow=5".to_owned(),
                "2: spool.wndow",
                "spool.window".to_owned(),
            ),
        ];
        for (why, text, key, hint) in table {
            assert_eq!(lines(&text), [format!("{key} -> {hint}")], "{why}");
        }
    }

    #[test]
    fn counts_differences_by_character() {
        let table = [
            ("env", "env", 0),
            ("env", "en", 1),
            ("env", "unk", 2),
            ("root", "あroot", 1),
            ("ab", "ba", 2),
            ("", "ab", 2),
            ("verbose", "v", FAR),
            ("kitten", "sitting", 3),
        ];
        for (a, b, expected) in table {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
