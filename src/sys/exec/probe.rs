//! Finds reasons why a command cannot be started, without starting it.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::Task;
use super::account::Account;
use super::start::{Setting, find, is_shell, may_execute};
use crate::sys::log::escaped;

/// Bytes at the start of a script that are searched for its interpreter; the kernel's limit is the
/// same.
const HEAD: u64 = 256;
/// The mode bits that permit execution by owner, group or others.
const EXECUTE: u32 = 0o111;
/// Builtins and reserved words of the shell, and words that start no program.
const BUILTIN: &str = ". : alias break case cd command continue echo eval exec exit export false for \
                       function getopts hash if kill local printf pwd read readonly return select \
                       set shift source test time times trap true type ulimit umask unset until \
                       wait while";

/// Why the command could not be started, and what to do about it; `None` if no obstacle is found.
/// For a shell command line, only the first word is checked.
///
/// Files that this process may not inspect, and paths relative to its directory, count as correct.
pub(crate) fn probe(task: &Task<'_>) -> Option<String> {
    Setting::of_agent().probe(task)
}

impl Setting {
    fn probe(&self, task: &Task<'_>) -> Option<String> {
        let own_path = self.environment.path();
        if let Some(user) = task.user
            && find("sudo", own_path).is_none()
        {
            if !self.is_root {
                return Some("user needs sudo, which is not in PATH; install sudo".into());
            }
            if let Err(error) = Account::of(user) {
                return Some(format!("{error}; correct user, or install sudo"));
            }
        }
        let name = match task.argv {
            [_, _, line] if is_shell(task) => first_word(line)?,
            [name, ..] => name,
            [] => return None,
        };
        if name.is_empty() {
            return Some("the program's name is empty; write a program or a path".into());
        }
        let is_own_user = task.user.is_none();
        let why = if name.contains('/') {
            // A relative path depends on the directory in which the agent is started.
            let is_whole = name.starts_with('/');
            program(Path::new(name), is_own_user).filter(|_| is_whole)
        } else {
            match find(name, self.path_of(task)) {
                Some(file) => program(&file, is_own_user),
                // sudo may use another PATH.
                None if !is_own_user => None,
                None => Some("not found in PATH; install it, or write its whole path"),
            }
        };
        Some(format!("{}: {}", escaped(name), why?))
    }
}

/// The program that a shell command line starts with; `None` if it is a builtin or cannot be
/// determined.
fn first_word(line: &str) -> Option<&str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._+@:,=-".contains(c);
    for word in line.split_ascii_whitespace() {
        let end = word.find([';', '|', '&']).unwrap_or(word.len());
        let (word, _) = word.split_at(end);
        let is_settled =
            word.is_empty() || !word.chars().all(is_plain) || word.starts_with("PATH=");
        if is_settled || BUILTIN.split(' ').any(|builtin| builtin == word) {
            return None;
        }
        // Variables may be assigned before the program.
        if !word.contains('=') {
            return Some(word);
        }
    }
    None
}

/// Why `file` cannot be executed by this process's user; if `is_own_user` is false, by any user.
fn program(file: &Path, is_own_user: bool) -> Option<&'static str> {
    let status = match fs::metadata(file) {
        Ok(status) => status,
        Err(error) if is_absent(&error) => {
            return Some("no such file; install it, or correct its path");
        }
        Err(_) => return None,
    };
    if status.is_dir() {
        return Some("is a directory; write the path of a program");
    }
    let may_execute = if is_own_user {
        may_execute(file)
    } else {
        status.permissions().mode() & EXECUTE != 0
    };
    if !may_execute {
        return Some("the permission to execute it is missing; chmod a+rx it");
    }
    if !status.is_file() {
        return None;
    }
    let interpreter = interpreter(file)?;
    let is_missing = interpreter.starts_with('/')
        && fs::metadata(&interpreter).is_err_and(|error| is_absent(&error));
    is_missing.then(|| {
        if interpreter.ends_with('\r') {
            "its lines end with CRLF; end them with LF"
        } else {
            "the interpreter in its first line does not exist; install it, or correct the line"
        }
    })
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// The interpreter named in the first line of a script.
fn interpreter(file: &Path) -> Option<String> {
    let mut options = OpenOptions::new();
    // The file may have been replaced by a FIFO since it was checked.
    let script = options.read(true).custom_flags(libc::O_NONBLOCK).open(file);
    let mut head = Vec::new();
    script.ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    let command = head
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let words = str::from_utf8(command)
        .ok()?
        .trim_start_matches([' ', '\t']);
    words.split([' ', '\t']).next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::Permissions;

    use super::super::environment::Environment;
    use super::*;

    #[test]
    fn commands_that_cannot_be_started_are_reported_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let at = dir.path().display().to_string();
        let write = |name: &str, text: &str, mode| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        };
        write("good", "#!/bin/sh\n", 0o755);
        write("plain", "", 0o644);
        write("crlf", "#! /bin/sh\r\n", 0o755);
        write("lost", "#!/nowhere/perl -w\n", 0o755);
        fs::create_dir(dir.path().join("inner")).unwrap();
        let missing = "not found in PATH";
        // (why this row exists, the command for the shell, part of the message; empty: no message)
        let shell = [
            ("in PATH", "good -x | cat", ""),
            ("an operator at the word", "good;cat", ""),
            ("by its path", "@/good", ""),
            ("a variable before it", "A=1 B=2 good", ""),
            ("not in PATH", "check-dsk -w 1", missing),
            ("not in PATH, behind a variable", "A=1 gone", missing),
            ("before an operator", "gone|cat", missing),
            ("no such file", "@/gone", "no such file"),
            ("a file as a directory", "@/good/gone", "no such file"),
            ("a directory", "@/inner", "is a directory"),
            (
                "not executable",
                "@/plain",
                "the permission to execute it is missing",
            ),
            ("not executable, in PATH", "plain", missing),
            (
                "a script of another system",
                "@/crlf",
                "its lines end with CRLF",
            ),
            (
                "a missing interpreter",
                "@/lost",
                "the interpreter in its first line does not exist",
            ),
            ("of the shell", "cd /nowhere && gone", ""),
            ("a condition", "if gone; then gone; fi", ""),
            ("a test", "[ -e /x ]", ""),
            ("a variable as the program", "$GONE", ""),
            ("in quotes", "'/gone there/x'", ""),
            ("a group", "(gone)", ""),
            ("another PATH", "PATH=/x gone", ""),
            ("redirected first", "2>/dev/null gone", ""),
            ("in the agent's directory", "./gone", ""),
            ("below the agent's directory", "a/gone", ""),
            ("nothing", "", ""),
            ("a remark", "# gone", ""),
        ];
        let setting = Setting {
            environment: Environment::of(vec![("PATH".into(), at.clone().into())]),
            is_root: false,
            has_pidfd: false,
        };
        let check = |why: &str, task: &Task<'_>, expected: &str| {
            let said = setting.probe(task);
            assert_eq!(said.is_none(), expected.is_empty(), "{why}: {said:?}");
            let said = said.unwrap_or_default();
            assert!(said.contains(expected), "{why}: {said}");
        };
        fn plain(argv: &[String]) -> Task<'_> {
            Task {
                argv,
                user: None,
                env: &[],
            }
        }
        for (why, line, expected) in shell {
            let argv = ["sh", "-c", &line.replace('@', &at)].map(str::to_owned);
            check(why, &plain(&argv), expected);
        }
        let lists: [(_, &[&str], _); 5] = [
            ("a list", &["good", "-x"], ""),
            ("a list, not in PATH", &["gone"], missing),
            ("nothing is cut off in a list", &["good;cat"], missing),
            ("an empty name", &["", "x"], "the program's name is empty"),
            ("a list is no shell", &["cd", "/"], missing),
        ];
        for (why, words, expected) in lists {
            let argv: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            check(why, &plain(&argv), expected);
        }
        // The plugin's own PATH applies to a program started by the shell only; sudo may use
        // another.
        let argv = ["sh", "-c", "good"].map(str::to_owned);
        let list = ["good".to_owned()];
        let env = [("PATH", Some(OsStr::new("/nowhere")))];
        let with = |argv, user| Task {
            argv,
            user,
            env: &env,
        };
        check("its own PATH", &with(&argv, None), missing);
        check("its own PATH, a list", &with(&list, None), "");
        check("no sudo", &with(&argv, Some("root")), "user needs sudo");
        write("sudo", "", 0o755);
        let setting = |is_root| Setting {
            environment: setting.environment.clone(),
            is_root,
            has_pidfd: false,
        };
        let gone = ["sh", "-c", "gone"].map(str::to_owned);
        assert_eq!(setting(false).probe(&with(&gone, Some("x"))), None);
        fs::remove_file(dir.path().join("sudo")).unwrap();
        let said = setting(true).probe(&with(&argv, Some("no such user")));
        assert!(said.is_some_and(|said| said.contains("no such user")));
        assert_eq!(setting(true).probe(&with(&gone, Some("root"))), None);
    }
}
