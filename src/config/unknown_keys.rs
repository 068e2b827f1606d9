//! Keys of a file that nothing reads, and what was probably meant by them.

use super::key::dotted;

/// Unknown keys that are remembered. Nobody would read on.
const MOST: usize = 1000;
/// Differences between two words from which on they are taken for different ones.
pub(super) const FAR: usize = 3;

/// The words that are suggested. The first that is near enough wins, so their order counts.
pub(super) const WORDS: &[&str] = &[
    "apibase",
    "apikey",
    "root",
    "pidfile",
    "conffile",
    "roles",
    "verbose",
    "silent",
    "diagnostic",
    "disable_http_keep_alive",
    "display_name",
    "host_status",
    "on_start",
    "on_stop",
    "disks",
    "ignore",
    "filesystems",
    "use_mountpoint",
    "interfaces",
    "use_adapter",
    "http_proxy",
    "https_proxy",
    "cloud_platform",
    "plugin",
    "commandConfig",
    "command",
    "user",
    "env",
    "timeout_seconds",
    "notification_interval",
    "check_interval",
    "execution_interval",
    "max_check_attempts",
    "custom_identifier",
    "prevent_alert_auto_close",
    "include_pattern",
    "exclude_pattern",
    "action",
    "memo",
    "use_plugin_timestamp",
    "include",
    "apikey_file",
    "ca_file",
    "host_root",
    "host_proc",
    "host_sys",
    "host_etc",
    "host_id_store",
    "auto_retirement",
    "health",
    "container",
    "details",
    "cgroup",
    "readiness_probe",
    "initial_delay_seconds",
    "period_seconds",
];

/// The kinds of plugins that there are.
pub(super) const KINDS: [&str; 3] = ["metrics", "checks", "metadata"];

/// What a file holds that nothing reads.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    /// Sorted by the dotted key.
    keys: Vec<Place>,
    /// Tables of plugins of a kind that does not exist.
    plugins: Vec<Place>,
}

/// A key and where it is.
#[derive(Debug)]
struct Place {
    key: String,
    path: Vec<String>,
    line: usize,
}

/// A key that nothing reads.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct UnknownKey {
    /// Dotted, as it is written.
    pub(crate) key: String,
    /// The key that was probably meant.
    pub(crate) suggestion: Option<String>,
    /// Counted from 1.
    pub(crate) line: usize,
}

impl Unread {
    /// Remembers a key.
    pub(super) fn key(&mut self, path: &[String], line: usize) {
        note(&mut self.keys, path, line);
    }

    /// Remembers the table of a plugin of a kind that does not exist.
    pub(super) fn plugin(&mut self, path: &[String], line: usize) {
        note(&mut self.plugins, path, line);
    }

    /// One entry for each mistake, sorted by key: a key below one that is reported is left out,
    /// and so is all but the first component where that is unknown itself.
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
            let known = WORDS.iter().any(|word| word.eq_ignore_ascii_case(first));
            let (key, suggestion) = match known {
                true => (
                    key.clone(),
                    nearest(WORDS, last).map(|word| beside(&parent, word)),
                ),
                false => (first_key, nearest(WORDS, first).map(str::to_owned)),
            };
            let line = *line;
            add(
                &mut report,
                UnknownKey {
                    key,
                    suggestion,
                    line,
                },
            );
        }
        for Place { key, path, line } in &self.plugins {
            if let [plugin, kind, name] = path.as_slice() {
                let kind = nearest(&KINDS, kind).unwrap_or("metrics");
                let meant = [plugin.clone(), kind.to_owned(), name.clone()];
                let (key, suggestion, line) = (key.clone(), Some(dotted(&meant)), *line);
                add(
                    &mut report,
                    UnknownKey {
                        key,
                        suggestion,
                        line,
                    },
                );
            }
        }
        report
    }
}

/// Remembers a key, once: an array of tables has the same ones again.
fn note(places: &mut Vec<Place>, path: &[String], line: usize) {
    let key = dotted(path);
    let at = places.partition_point(|place| place.key < key);
    if places.len() < MOST && places.get(at).is_none_or(|place| place.key != key) {
        let path = path.to_vec();
        places.insert(at, Place { key, path, line });
    }
}

/// Keeps the report sorted.
fn add(report: &mut Vec<UnknownKey>, unknown: UnknownKey) {
    let at = report.partition_point(|seen| seen.key <= unknown.key);
    report.insert(at, unknown);
}

/// `word` in the table `parent`, which is empty for the top level.
fn beside(parent: &str, word: &str) -> String {
    match parent {
        "" => word.to_owned(),
        _ => format!("{parent}.{word}"),
    }
}

/// The first of `words` that is less than [`FAR`] from `word`.
fn nearest<'w>(words: &[&'w str], word: &str) -> Option<&'w str> {
    let near = |known: &&&str| distance(known, word) < FAR;
    words.iter().find(near).copied()
}

/// The characters that have to be inserted, removed or replaced to make `b` of `a`; no more than
/// [`FAR`] is told apart.
pub(super) fn distance(a: &str, b: &str) -> usize {
    let length = a.chars().count();
    if length.abs_diff(b.chars().take(length + FAR).count()) >= FAR {
        return FAR;
    }
    // The row of distances between the beginnings of `a` and the part of `b` seen so far.
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
    use crate::config::Config;

    fn report(text: &str) -> Vec<UnknownKey> {
        let found = Config::default().read(text.as_bytes()).unwrap();
        found.unread.report()
    }

    fn lines(text: &str) -> Vec<String> {
        let line = |unknown: UnknownKey| {
            let suggestion = unknown.suggestion.unwrap_or_default();
            format!("{}: {} -> {suggestion}", unknown.line, unknown.key)
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
        let table: [(&str, &[&str]); 9] = [
            ("[disks]\nunk=1", &["2: disks.unk -> disks.env"]),
            ("command='x'", &["1: command -> command"]),
            (
                "[connection]\npost_metrics_interval=1",
                &["1: connection -> "],
            ),
            (
                "[plugin.metrics.a]\ncommand='x'\n[plugin.metrics.a.b.comand]",
                &["3: plugin.metrics.a.b.comand -> plugin.metrics.a.b.command"],
            ),
            (
                "[plugin.checks.\"foo bar\"]\ncommand='x'\nbad=1",
                &["3: plugin.checks.\"foo bar\".bad -> "],
            ),
            ("[[bad]]\na=1\n[[bad]]\na=2", &["1: bad -> "]),
            ("[[disks.bad]]\na=1\n[[disks.bad]]", &["1: disks.bad -> "]),
            ("APIKEY='x'\n[DISKS]\nIGNORE='a'", &[]),
            ("env='x'\nplugin='x'", &["1: env -> env"]),
        ];
        for (text, expected) in table {
            assert_eq!(lines(text), expected, "{text}");
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
