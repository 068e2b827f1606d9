//! The environment of a command: the agent's, with the directories in which plugins are, and in
//! no language.

use std::env;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Searched before what the agent's `PATH` says.
const BEFORE: &str = "/sbin:/usr/sbin:/bin:/usr/bin";
/// Searched after it: where Mackerel's packages put plugins.
const AFTER: &str = "/opt/mackerel-agent/plugins/bin";

/// Variables and their values; no name occurs twice.
#[derive(Clone, Debug)]
pub(super) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// What every command has.
    pub(super) fn of_agent() -> Environment {
        Environment::for_plugins(env::vars_os().collect())
    }

    /// `variables`, made what every command has.
    pub(super) fn for_plugins(variables: Vec<(OsString, OsString)>) -> Environment {
        let mut environment = Environment(variables);
        let mut path = OsString::from(BEFORE);
        if !environment.path().is_empty() {
            path.push(":");
            path.push(environment.path());
        }
        path.push(":");
        path.push(AFTER);
        environment.set("PATH", Some(&path));
        environment.set("LANG", Some(OsStr::new("C")));
        environment.set("LC_ALL", Some(OsStr::new("C")));
        environment
    }

    /// Gives a variable another value, or takes it away.
    pub(super) fn set(&mut self, name: &str, value: Option<&OsStr>) {
        self.0.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.0.push((name.into(), value.to_owned()));
        }
    }

    /// The directories in which programs are looked for, with colons between them.
    pub(super) fn path(&self) -> &OsStr {
        let path = self.0.iter().find(|(name, _)| name == "PATH");
        path.map_or(OsStr::new(""), |(_, value)| value)
    }

    /// As the kernel takes it: `NAME=VALUE`. Fails if there is a NUL in one of them.
    pub(super) fn strings(&self) -> Result<Vec<CString>, NulError> {
        let strings = self
            .0
            .iter()
            .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()));
        strings.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Environment::for_plugins(variables.collect())
    }

    fn strings(environment: &Environment) -> Vec<String> {
        let mut strings: Vec<String> = environment
            .strings()
            .unwrap()
            .into_iter()
            .map(|string| string.into_string().unwrap())
            .collect();
        strings.sort();
        strings
    }

    #[test]
    fn plugins_are_found_and_speak_no_language() {
        let environment = environment(&[("PATH", "/a:/b"), ("LANG", "ja_JP.UTF-8"), ("A", "1")]);
        let path = "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/a:/b:/opt/mackerel-agent/plugins/bin";
        assert_eq!(strings(&environment), ["A=1", "LANG=C", "LC_ALL=C", path]);
    }

    #[test]
    fn without_a_path_there_are_the_fixed_directories() {
        let path = "/sbin:/usr/sbin:/bin:/usr/bin:/opt/mackerel-agent/plugins/bin";
        for variables in [&[][..], &[("PATH", "")]] {
            assert_eq!(environment(variables).path(), path);
        }
    }

    #[test]
    fn a_later_one_wins_and_none_is_taken_away() {
        let mut environment = environment(&[("A", "1"), ("B", "1"), ("C", "1")]);
        for (name, value) in [("A", Some("2")), ("A", Some("3")), ("B", None), ("D", None)] {
            environment.set(name, value.map(OsStr::new));
        }
        let strings = strings(&environment);
        assert_eq!(strings[..2], ["A=3", "C=1"]);
        assert!(strings[2].starts_with("LANG="));
    }

    #[test]
    fn a_nul_is_refused() {
        let mut environment = environment(&[]);
        environment.set("A", Some(OsStr::new("a\0b")));
        assert!(environment.strings().is_err());
    }
}
