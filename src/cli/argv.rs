//! The command line before it is parsed: finds API keys in it, and adds flags to it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::command::FlagSet;
use super::config_flags::APIKEY;
use super::normalise::{self, split};
use super::table::select;

/// The positions of API keys in the command line, which includes the program's name: the index of
/// the word, and the index of the key's first byte in it.
///
/// Searches all words, even those after `--`, which are not flags.
pub(crate) fn secrets(words: &[OsString]) -> impl Iterator<Item = (usize, usize)> {
    words.iter().enumerate().filter_map(|(at, word)| {
        let (name, value) = split(word).ok()??;
        match value {
            _ if name != APIKEY => None,
            Some(value) => Some((at, word.len() - value.len())),
            None => Some((at + 1, 0)),
        }
    })
}

/// Commands that concern the agent of the host's service, unless a flag names another agent.
const ABOUT_SERVICE: [&str; 11] = [
    "check",
    "configtest",
    "diagnose",
    "health",
    "live",
    "logs",
    "plugin",
    "retire",
    "status",
    "top",
    "wrap",
];
/// The flags that name another agent.
const OTHER_AGENT: [&str; 3] = ["conf", "root", "child"];

/// The command line, with the `flags` of the host's service inserted before the user's if the
/// command concerns the agent of that service.
pub(crate) fn with_service(
    words: Vec<OsString>,
    flags: impl FnOnce() -> Vec<OsString>,
) -> Vec<OsString> {
    let is_about = |name: &OsString| ABOUT_SERVICE.iter().any(|known| name == known);
    // Behind `--` is the command line of another program.
    let own = words.iter().skip(2).take_while(|word| *word != "--");
    let names_other = own.into_iter().any(|word| {
        split(word)
            .ok()
            .flatten()
            .is_some_and(|(name, _)| OTHER_AGENT.iter().any(|flag| name == *flag))
    });
    if words.get(1).is_some_and(is_about) && !names_other {
        return inserted(&words, 2, &flags());
    }
    words
}

/// The words with `more` inserted before index `at`.
fn inserted(words: &[OsString], at: usize, more: &[OsString]) -> Vec<OsString> {
    let (before, after) = words.split_at(at);
    [before, more, after].concat()
}

/// The variable that names the configuration file.
const CONF: &str = "MACKEREL_AGENT_CONFIG";
/// The variable with more flags.
const OPTS: &str = "opts";

/// The command line with the flags of the environment inserted before the user's, which win. A
/// command gets only flags that it accepts. `variable` looks up an environment variable.
pub(crate) fn with_environment(
    words: Vec<OsString>,
    variable: &mut dyn FnMut(&str) -> Option<OsString>,
) -> Vec<OsString> {
    let Ok((spec, rest)) = select(words.get(1..).unwrap_or_default()) else {
        return words;
    };
    let at = words.len() - rest.len();
    let mut added = Vec::new();
    if spec
        .tables()
        .iter()
        .any(|table| normalise::find(table, OsStr::new("conf")).is_some())
        && let Some(path) = variable(CONF)
    {
        added.extend(["-conf".into(), path]);
    }
    if spec.takes == FlagSet::OwnAndConfig
        && let Some(opts) = variable(OPTS)
    {
        let opts = opts.as_bytes().split(u8::is_ascii_whitespace);
        let words = opts.filter(|word| !word.is_empty());
        added.extend(words.map(|word| OsStr::from_bytes(word).to_owned()));
    }
    inserted(&words, at, &added)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_key_is_found_wherever_it_stands() {
        // (words, positions of keys)
        let table: Vec<(&[&str], &[_])> = vec![
            (&["agent", "-apikey=KEY"], &[(1, 8)]),
            (&["agent", "-v", "--apikey", "KEY", "-v"], &[(3, 0)]),
            (
                &["agent", "init", "--apikey=a=b", "-apikey", "c"],
                &[(2, 9), (4, 0)],
            ),
            (&["agent", "more", "--", "-apikey", "KEY"], &[(4, 0)]),
            (&["agent", "-apikey"], &[(2, 0)]),
            (
                &["agent", "-apikeys=KEY", "apikey=KEY", "---apikey=KEY"],
                &[],
            ),
        ];
        for (words, expected) in table {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert!(secrets(&words).eq(expected.iter().copied()), "{words:?}");
        }
    }

    #[test]
    fn service_flags_are_added_where_no_other_agent_is_meant() {
        // (words, expected)
        let table = [
            ("agent retire -force", "agent retire -root /s -v -force"),
            ("agent check NAME", "agent check -root /s -v NAME"),
            ("agent plugin NAME", "agent plugin -root /s -v NAME"),
            ("agent health -live", "agent health -root /s -v -live"),
            ("agent retire -root=/r", "agent retire -root=/r"),
            ("agent retire --root /r", "agent retire --root /r"),
            (
                "agent retire -force -conf /c",
                "agent retire -force -conf /c",
            ),
            ("agent once", "agent once"),
            ("agent configtest", "agent configtest -root /s -v"),
            ("agent configtest -conf /c", "agent configtest -conf /c"),
            ("agent supervise", "agent supervise"),
            ("agent -v", "agent -v"),
            ("agent", "agent"),
            ("", ""),
        ];
        for (words, expected) in table {
            let split = words.split_whitespace().map(OsString::from).collect();
            let found = with_service(split, || ["-root", "/s", "-v"].map(OsString::from).into());
            let found: Vec<_> = found.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(found.join(" "), expected, "{words}");
        }
    }

    #[test]
    fn the_environment_adds_flags_before_those_that_are_given() {
        let variable = |conf: &'static str, opts: &'static str| {
            move |name: &str| {
                let value = match name {
                    "MACKEREL_AGENT_CONFIG" => conf,
                    "opts" => opts,
                    _ => "",
                };
                Some(OsString::from(value)).filter(|value| !value.is_empty())
            }
        };
        // (words, MACKEREL_AGENT_CONFIG, opts, expected)
        let table = [
            ("agent", "", "", "agent"),
            (
                "agent -v",
                "/c",
                " -role=a:b\t-v=0 ",
                "agent -conf /c -role=a:b -v=0 -v",
            ),
            ("agent retire -force", "", "-v", "agent retire -v -force"),
            ("agent check NAME", "/c", "", "agent check -conf /c NAME"),
            (
                "agent init -apikey=k",
                "/c",
                "-v",
                "agent init -conf /c -apikey=k",
            ),
            ("agent install", "/c", "-v", "agent install"),
            ("agent version", "/c", "-v", "agent version"),
            ("agent nonsense", "/c", "-v", "agent nonsense"),
            ("", "/c", "", "-conf /c"),
        ];
        for (words, conf, opts, expected) in table {
            let split = words.split_whitespace().map(OsString::from).collect();
            let found = with_environment(split, &mut variable(conf, opts));
            let found: Vec<_> = found.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(found.join(" "), expected, "{words}");
        }
    }
}
