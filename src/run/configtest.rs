//! `mackerel-agent configtest`: says everything that is wrong with the configuration.

use std::env;
use std::io::{self, Write};

use super::load::Unknown;
use super::resolve::{Survey, survey};
use super::{TAGS, link};
use crate::config::Flags;
use crate::sys::log as backend;
use crate::sys::terminal::{Stream, is_terminal};

/// How the lines are coloured, with what ends a colour.
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const PLAIN: &str = "\x1b[0m";

/// Checks the configuration as the agent would use it, and connects to nobody. Says on stderr that
/// it is in order, or returns the text for the user.
///
/// A key that nothing reads is wrong in the main file; in an included file it is told of, and no
/// more.
pub(crate) fn configtest(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    let survey = check(flags);
    let variable = |name| env::var_os(name).unwrap_or_default();
    let is_coloured = is_terminal(Stream::Output)
        && variable("NO_COLOR").is_empty()
        && variable("TERM") != "dumb";
    let text = verdict(&survey, is_coloured);
    if survey.is_in_order() {
        let path = match survey.is_alone {
            true => "the environment".to_owned(),
            false => flags.conf.display().to_string(),
        };
        return writeln!(io::stderr(), "{text}SUCCESS ({path})")
            .map_err(|error| format!("cannot print: {error}"));
    }
    Err(text)
}

/// Everything that is wrong with the configuration as it is now.
pub(super) fn check(flags: &Flags) -> Survey {
    let mut survey = survey(flags);
    if survey.problems.is_empty() {
        survey.problems.extend(link(&survey.config).err());
    }
    survey
}

impl Survey {
    /// Whether the agent can run, and reads all that the main file says.
    pub(super) fn is_in_order(&self) -> bool {
        self.problems.is_empty() && self.unknown.iter().all(|unknown| unknown.is_included)
    }
}

/// What is wrong, in lines of the form that scripts look for.
pub(super) fn verdict(survey: &Survey, is_coloured: bool) -> String {
    let colour = |colour| if is_coloured { colour } else { "" };
    let mut text = String::new();
    if !survey.problems.is_empty() {
        let problems = survey.problems.join("\n");
        text.extend([colour(RED), "[CRITICAL] failed to test config: ", &problems]);
        text.push_str(colour(PLAIN));
        text.push_str(if survey.unknown.is_empty() { "" } else { "\n" });
    }
    for Unknown { key, path, .. } in &survey.unknown {
        text.extend([
            colour(YELLOW),
            "[WARNING] ",
            &key.key,
            " is unexpected key.",
        ]);
        if let Some(suggestion) = &key.suggestion {
            text.extend([" Did you mean ", suggestion, " ?"]);
        }
        text.push_str(&format!(" ({}:{})\n", path.display(), key.line));
        text.push_str(colour(PLAIN));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::UnknownKey;

    fn unknown(key: &str, suggestion: Option<&str>, is_included: bool) -> Unknown {
        Unknown {
            key: UnknownKey {
                key: key.to_owned(),
                suggestion: suggestion.map(str::to_owned),
                line: 3,
            },
            path: "/a.conf".into(),
            is_included,
        }
    }

    #[test]
    fn scripts_find_the_lines_that_they_look_for() {
        let survey = Survey {
            problems: vec!["one".to_owned(), "two".to_owned()],
            unknown: vec![
                unknown("podfile", Some("pidfile"), false),
                unknown("x.y", None, true),
            ],
            ..Survey::default()
        };
        let plain = "[CRITICAL] failed to test config: one\ntwo\n\
                     [WARNING] podfile is unexpected key. Did you mean pidfile ? (/a.conf:3)\n\
                     [WARNING] x.y is unexpected key. (/a.conf:3)\n";
        assert_eq!(verdict(&survey, false), plain);
        let coloured = "\x1b[31m[CRITICAL] failed to test config: one\ntwo\x1b[0m\n\
                        \x1b[33m[WARNING] podfile is unexpected key. Did you mean pidfile ? (/a.conf:3)\n\x1b[0m\
                        \x1b[33m[WARNING] x.y is unexpected key. (/a.conf:3)\n\x1b[0m";
        assert_eq!(verdict(&survey, true), coloured);
        let survey = Survey {
            unknown: Vec::new(),
            ..survey
        };
        let problems = "[CRITICAL] failed to test config: one\ntwo";
        assert_eq!(verdict(&survey, false), problems);
    }

    #[test]
    fn unknown_keys_of_included_files_alone_are_no_failure() {
        let survey = |problems: &[&str], unknown: Vec<Unknown>| Survey {
            problems: problems
                .iter()
                .map(|problem| (*problem).to_owned())
                .collect(),
            unknown,
            ..Survey::default()
        };
        assert!(survey(&[], Vec::new()).is_in_order());
        assert!(survey(&[], vec![unknown("a", None, true)]).is_in_order());
        assert!(!survey(&[], vec![unknown("a", None, false)]).is_in_order());
        assert!(!survey(&["a"], Vec::new()).is_in_order());
    }
}
