//! Turns a task into a process: user, program, environment.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Task;
use super::account::Account;
use super::environment::Environment;
use super::error::ExecError;
use super::spawn::{Place, Spawned, spawn};

/// What the start of a command depends on.
pub(super) struct Setting {
    pub(super) environment: Environment,
    /// Whether the agent is root and may switch to another user.
    pub(super) is_root: bool,
    /// Whether pidfd_open(2) may be used.
    pub(super) has_pidfd: bool,
}

impl Setting {
    /// The setting of this process.
    pub(super) fn of_agent() -> Setting {
        Setting {
            environment: Environment::of_agent(),
            is_root: Setting::is_root(),
            has_pidfd: true,
        }
    }

    pub(super) fn is_root() -> bool {
        // SAFETY: geteuid has no arguments and cannot fail.
        unsafe { libc::geteuid() == 0 }
    }

    /// The `PATH` in which the program of `task` is searched. A shell has that of the task.
    pub(super) fn path_of<'a>(&'a self, task: &Task<'a>) -> &'a OsStr {
        let mut variables = task.env.iter().rev();
        match variables.find(|(name, _)| *name == "PATH") {
            Some((_, path)) if is_shell(task) => path.unwrap_or_default(),
            _ => self.environment.path(),
        }
    }

    /// Whether sudo starts the program of `task`.
    fn uses_sudo(&self, task: &Task<'_>) -> bool {
        let may_switch = || self.is_root && find("sudo", self.environment.path()).is_none();
        task.user.is_some() && !may_switch()
    }

    /// Whether `task` starts a program with this name, or may start one: where sudo looks is for
    /// sudo's configuration to say.
    pub(super) fn may_find(&self, task: &Task<'_>, name: &str) -> bool {
        self.uses_sudo(task) || find(name, self.path_of(task)).is_some()
    }

    /// Starts the process of `task`.
    pub(super) fn start(&self, task: &Task<'_>) -> Result<Spawned, ExecError> {
        let path = self.environment.path();
        let mut environment = self.environment.clone();
        let mut argv = Vec::new();
        let mut account = None;
        if let Some(user) = task.user {
            if self.uses_sudo(task) {
                argv.extend(["sudo", "-E", "-u", user]);
            } else {
                account = Some(Account::of(user)?);
                environment.set("USER", Some(OsStr::new(user)));
                environment.set("LOGNAME", Some(OsStr::new(user)));
            }
        }
        argv.extend(task.argv.iter().map(String::as_str));
        for (name, value) in task.env {
            environment.set(name, *value);
        }
        let program = match argv.first() {
            None | Some(&"") => return Err(ExecError::other("exec: no command")),
            Some(file) if file.contains('/') => PathBuf::from(file),
            Some(name) => find(name, path).ok_or_else(|| ExecError::not_in_path(name))?,
        };
        let shown = program.display();
        let invalid = |_| ExecError::other(format!("fork/exec {shown}: invalid argument"));
        let file = CString::new(program.as_os_str().as_bytes()).map_err(invalid)?;
        let mut words = Vec::new();
        for word in argv {
            words.push(CString::new(word).map_err(invalid)?);
        }
        let environment = environment
            .strings()
            .map_err(|_| ExecError::other("exec: environment variable contains NUL"))?;
        spawn(
            &file,
            &words,
            &environment,
            account.as_ref(),
            Place::Background,
        )
        .map_err(|error| ExecError::refused(&shown.to_string(), &error))
    }
}

/// Whether the task is a command line for the shell.
pub(super) fn is_shell(task: &Task<'_>) -> bool {
    matches!(task.argv, [shell, option, _] if shell == "sh" && option == "-c")
}

/// The first executable file called `name` in the directories of `path`. Directories that are not
/// absolute are skipped.
pub(super) fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    let directories = path.as_bytes().split(|byte| *byte == b':');
    directories
        .filter(|directory| directory.starts_with(b"/"))
        .map(|directory| Path::new(OsStr::from_bytes(directory)).join(name))
        .find(|file| is_program(file))
}

fn is_program(file: &Path) -> bool {
    may_execute(file) && !file.is_dir()
}

/// Whether this process's user has the permission to execute the file.
pub(super) fn may_execute(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else {
        return false;
    };
    // SAFETY: `path` is a NUL-terminated string that outlives the call.
    unsafe { libc::access(path.as_ptr(), libc::X_OK) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with the program `sudo`.
    const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/exec");

    /// A directory that does not exist.
    const GONE: &str = "/nowhere";

    #[test]
    fn a_program_may_be_found_in_the_path_of_the_shell_or_by_sudo() {
        // (why this row exists, name, the agent's PATH, those of the task, user, whether a command
        // line for the shell may find it, and a list of words)
        type Row<'a> = (
            &'a str,
            &'a str,
            &'a str,
            &'a [&'a str],
            Option<&'a str>,
            bool,
            bool,
        );
        let table: [Row<'_>; 8] = [
            ("in the agent's PATH", "sudo", HERE, &[], None, true, true),
            ("not there", "sudo", GONE, &[], None, false, false),
            (
                "in its own, for a shell",
                "sudo",
                GONE,
                &[HERE],
                None,
                true,
                false,
            ),
            ("not in its own", "sudo", HERE, &[GONE], None, false, true),
            (
                "the last one counts",
                "sudo",
                HERE,
                &[HERE, GONE],
                None,
                false,
                true,
            ),
            (
                "where sudo looks",
                "x",
                HERE,
                &[GONE],
                Some("u"),
                true,
                true,
            ),
            ("there is no sudo", "x", GONE, &[], Some("u"), false, false),
            (
                "nor in its own PATH",
                "x",
                GONE,
                &[HERE],
                Some("u"),
                false,
                false,
            ),
        ];
        let check = |(why, name, own, paths, user, as_text, in_a_list): Row<'_>| {
            let setting = Setting {
                environment: Environment::of(vec![("PATH".into(), own.into())]),
                is_root: true,
                has_pidfd: false,
            };
            let paths = paths.iter().map(|path| ("PATH", Some(OsStr::new(*path))));
            let env: Vec<_> = paths.collect();
            let may_find = |argv: &[String]| {
                let env = &env;
                setting.may_find(&Task { argv, user, env }, name)
            };
            let shell = ["sh", "-c", name].map(str::to_owned);
            assert_eq!(may_find(&shell), as_text, "{why}");
            assert_eq!(may_find(&[name.to_owned()]), in_a_list, "{why}, a list");
        };
        table.into_iter().for_each(check);
    }

    #[test]
    fn a_program_is_looked_for_in_the_order_of_the_path() {
        let here = HERE;
        // (why this row exists, name, path, found)
        let table = [
            ("there", "sudo", format!("/nowhere:{here}"), true),
            ("first of two", "sudo", format!("{here}:{here}/.."), true),
            ("must not be executed", "plain", here.to_owned(), false),
            ("a directory", "exec", format!("{here}/.."), false),
            ("not there", "other", here.to_owned(), false),
            (
                "not from the root on",
                "sudo",
                "tests/fixtures/exec:.:".to_owned(),
                false,
            ),
            ("no path", "sudo", String::new(), false),
        ];
        for (why, name, path, is_found) in table {
            let found = find(name, OsStr::new(&path));
            let expected = is_found.then(|| Path::new(here).join(name));
            assert_eq!(found, expected, "{why}");
        }
    }
}
