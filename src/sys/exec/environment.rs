//! The environment of a command: the agent's without the API key, plus the command's own changes.

use std::env;
use std::ffi::{CString, NulError, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::sys::environment;

/// Variables and their values; each name occurs once.
#[derive(Clone, Debug)]
pub(super) struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The environment that every command gets: the agent's own without the API key.
    pub(super) fn of_agent() -> Environment {
        let all = env::vars_os().filter(|(name, _)| !environment::may_hold_key(name));
        Environment::of(all.collect())
    }

    /// An environment of `variables`, in which no name may occur twice.
    pub(super) fn of(variables: Vec<(OsString, OsString)>) -> Environment {
        Environment(variables)
    }

    /// Sets the variable to `value`; `None` removes it.
    pub(super) fn set(&mut self, name: &str, value: Option<&OsStr>) {
        self.0.retain(|(known, _)| known != name);
        if let Some(value) = value {
            self.0.push((name.into(), value.to_owned()));
        }
    }

    /// The value of `PATH`: the directories searched for programs, separated by colons. Empty if
    /// unset.
    pub(super) fn path(&self) -> &OsStr {
        let path = self.0.iter().find(|(name, _)| name == "PATH");
        path.map_or(OsStr::new(""), |(_, value)| value)
    }

    /// The variables as `NAME=VALUE`, the form that execve(2) takes. Fails if a name or value
    /// contains a NUL.
    pub(super) fn strings(&self) -> Result<Vec<CString>, NulError> {
        let mut strings = Vec::new();
        for (name, value) in &self.0 {
            let string = [name.as_bytes(), b"=", value.as_bytes()].concat();
            strings.push(CString::new(string)?);
        }
        Ok(strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables.iter();
        Environment::of(
            variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }

    #[test]
    fn environment_set_overrides_and_removes_variables() {
        let mut environment = environment(&[("A", "1"), ("B", "1"), ("C", "1")]);
        for (name, value) in [("A", Some("2")), ("A", Some("3")), ("B", None), ("D", None)] {
            environment.set(name, value.map(OsStr::new));
        }
        let strings = environment.strings().unwrap();
        assert_eq!(strings, [c"C=1".to_owned(), c"A=3".to_owned()]);
    }

    #[test]
    fn environment_path_is_the_value_of_path() {
        assert_eq!(environment(&[("A", "1")]).path(), "");
        assert_eq!(environment(&[("PATH", "/a:/b")]).path(), "/a:/b");
    }

    #[test]
    fn environment_with_a_nul_is_refused() {
        let mut environment = environment(&[]);
        environment.set("A", Some(OsStr::new("a\0b")));
        assert!(environment.strings().is_err());
    }
}
