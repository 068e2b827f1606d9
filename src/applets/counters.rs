//! Counters that a metric plugin keeps from one run to the next, to print changes per minute.
//!
//! The state file has the name and the format of go-mackerel-plugin: a JSON object of numbers, and
//! the time in `_lastTime`. A host that changes from the official plugin to this one, or back,
//! loses no value.

use std::path::PathBuf;

use super::arguments::Arguments;
use super::finding::Failure;
use super::host::Host;
use super::values::Values;
use crate::base::json::Json;
use crate::sys::cache::CacheFile;
use crate::sys::digest::sha1_hex;

/// Seconds after which the counters of the last run are too old.
const OLDEST: u64 = 600;
/// The member with the time of the run, in seconds since the epoch.
const TIME: &str = "_lastTime";

/// The counters of the last run and of this one.
pub(super) struct Counters {
    file: CacheFile,
    last: Json,
    /// Seconds since the last run; 0 if its counters are missing, too old, or from the future.
    pub(super) seconds: u64,
    /// The state of this run, without the bracket at its end.
    text: String,
}

impl Counters {
    /// Reads the state of the last run. `name` is that of the state file after
    /// `mackerel-plugin-`; the flag `tempfile` gives another path.
    ///
    /// `None` if the last run was within this second: then nothing is to be printed or saved.
    pub(super) fn load(arguments: &Arguments, host: &Host<'_>, name: &str) -> Option<Counters> {
        let path = match arguments.text("tempfile") {
            "" => host
                .work_directory()
                .join(["mackerel-plugin-", name].concat()),
            path => PathBuf::from(path),
        };
        let file = CacheFile::at(path);
        // Without a state this is like the first run.
        let text = file.load().ok().flatten().unwrap_or_default();
        let last = str::from_utf8(&text)
            .ok()
            .and_then(|text| Json::parse_first(text).ok());
        let mut counters = Counters {
            file,
            last: last.unwrap_or(Json::Null),
            seconds: 0,
            text: "{".to_owned(),
        };
        let now = host.clock.unix().0;
        if let Some(time) = counters.last(TIME) {
            let seconds = now as f64 - time;
            if seconds == 0.0 {
                return None;
            }
            if seconds > 0.0 && seconds <= OLDEST as f64 {
                // At most `OLDEST`, and not negative.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                {
                    counters.seconds = seconds as u64;
                }
            }
        }
        counters.keep(TIME, now);
        Some(counters)
    }

    /// The same for a plugin whose state file is named after its `prefix` and its arguments.
    pub(super) fn of_arguments(
        arguments: &Arguments,
        host: &Host<'_>,
        prefix: &str,
    ) -> Option<Counters> {
        let name = [prefix, "-", &sha1_hex(&arguments.line)].concat();
        Counters::load(arguments, host, &name)
    }

    /// The value that the last run kept under this name, of any age.
    pub(super) fn last(&self, name: &str) -> Option<f64> {
        let Json::Object(members) = &self.last else {
            return None;
        };
        match members.iter().find(|(known, _)| known == name) {
            Some((_, Json::Number(value))) => Some(*value),
            _ => None,
        }
    }

    /// Keeps a value for the next run. The name has no characters that JSON escapes.
    pub(super) fn keep(&mut self, name: &str, value: u64) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.extend(["\"", name, "\":", &value.to_string()]);
    }

    /// Keeps a counter for the next run, and returns its change per minute. `None` if the last run
    /// has no such counter, or a larger one: it was reset.
    pub(super) fn per_minute(&mut self, name: &str, value: u64) -> Option<f64> {
        self.keep(name, value);
        let change = value as f64 - self.last(name)?;
        (self.seconds > 0 && change >= 0.0).then(|| change * 60.0 / self.seconds as f64)
    }

    /// Keeps the counter `name` for the next run, and adds its change per minute to the values,
    /// with the name of its graph before it.
    pub(super) fn rate(&mut self, values: &mut Values, graph: &str, name: &str, value: u64) {
        if let Some(rate) = self.per_minute(name, value) {
            values.number(&[graph, ".", name].concat(), rate);
        }
    }

    /// Replaces the state file, if there is a counter.
    pub(super) fn save(mut self) -> Result<(), Failure> {
        if !self.text.contains(',') {
            return Ok(());
        }
        self.text.push_str("}\n");
        let saved = self.file.save_unsynced(self.text.as_bytes());
        saved.map_err(|error| Failure::of(&error))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::applets::arguments::Notation;
    use crate::applets::testing::{NOW, Tree};

    const HELP: &str = "x\n  -tempfile=PATH    state\n  -host=X    x\n";

    fn arguments(words: &[&str]) -> Arguments {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        Arguments::read(HELP, Notation::Flags, &words).unwrap()
    }

    #[test]
    fn counters_are_compared_with_the_last_run() {
        // (why this row exists, the state file, change per minute of the counter `a` at 120)
        let at = |seconds: u64, a: &str| format!("{{\"_lastTime\":{},\"a\":{a}}}", NOW - seconds);
        let table = [
            ("a minute later", at(60, "100"), Some(20.0)),
            ("half a minute later", at(30, "100"), Some(40.0)),
            ("the same", at(60, "120"), Some(0.0)),
            ("Go writes large numbers so", at(60, "1.2e2"), Some(0.0)),
            ("the oldest that counts", at(600, "100"), Some(2.0)),
            ("too old", at(601, "100"), None),
            ("reset", at(60, "121"), None),
            ("another kind of value", at(60, "\"100\""), None),
            (
                "another counter",
                at(60, "1,\"b\":2").replace("\"a\"", "\"c\""),
                None,
            ),
            (
                "the clock was set back",
                format!("{{\"_lastTime\":{},\"a\":1}}", NOW + 1),
                None,
            ),
            ("no time", "{\"a\":100}".to_owned(), None),
            (
                "a state of the official multicore",
                "{\"LastTime\":\"2023\",\"a\":1}".to_owned(),
                None,
            ),
            ("empty after a loss of power", String::new(), None),
            ("not JSON", "{\"a\":".to_owned(), None),
            ("a list", "[1]".to_owned(), None),
        ];
        for (why, state, expected) in table {
            let tree = Tree::new(&[]);
            let path = tree.work_directory().join("mackerel-plugin-x");
            fs::write(&path, state).unwrap();
            tree.with_host(&mut |host| {
                let mut counters = Counters::load(&arguments(&[]), host, "x").unwrap();
                assert_eq!(counters.per_minute("a", 120), expected, "{why}");
                counters.save().unwrap();
            });
            let kept = format!("{{\"_lastTime\":{NOW},\"a\":120}}\n");
            assert_eq!(fs::read(&path).unwrap(), kept.as_bytes(), "{why}");
        }
    }

    #[test]
    fn counters_of_this_second_are_left_alone() {
        let mut tree = Tree::new(&[]);
        let run = |tree: &Tree| {
            let mut is_loaded = false;
            tree.with_host(&mut |host| {
                if let Some(mut counters) = Counters::load(&arguments(&[]), host, "x") {
                    is_loaded = true;
                    counters.keep("a", 1);
                    counters.save().unwrap();
                }
            });
            is_loaded
        };
        assert!(run(&tree));
        assert!(!run(&tree));
        tree.now += Duration::from_secs(1);
        assert!(run(&tree));
    }

    #[test]
    fn counters_are_in_the_file_of_the_official_plugin() {
        let tree = Tree::new(&[]);
        // (arguments, name of the file; the digests are those of `sha1sum`)
        let table: [(&[&str], &str); 3] = [
            (
                &[],
                "mackerel-plugin-x-da39a3ee5e6b4b0d3255bfef95601890afd80709",
            ),
            (
                &["-host", "a"],
                "mackerel-plugin-x-d08220d97d49baaf5e062b4d46c47f637f9cfe56",
            ),
            (&["-tempfile", "TEMP"], "other/state"),
        ];
        for (words, name) in table {
            let temp = tree.work_directory().join("other/state");
            let words: Vec<_> = words
                .iter()
                .map(|&word| {
                    if word == "TEMP" {
                        temp.to_str().unwrap()
                    } else {
                        word
                    }
                })
                .collect();
            tree.with_host(&mut |host| {
                for is_kept in [false, true] {
                    let counters = Counters::of_arguments(&arguments(&words), host, "x");
                    let mut counters = counters.unwrap();
                    if is_kept {
                        counters.keep("a", 1);
                    }
                    counters.save().unwrap();
                    let exists = tree.work_directory().join(name).exists();
                    assert_eq!(exists, is_kept, "{name}");
                }
            });
        }
    }
}
