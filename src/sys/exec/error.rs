//! The error of a command that could not be started, worded as in the Go agent.

use std::error::Error;
use std::fmt;
use std::io;

/// How a C library ends its text of EMFILE: musl, and others.
const FULL: &str = if cfg!(target_env = "musl") {
    "no file descriptors available"
} else {
    "too many open files"
};

/// Why a command was not run. The text names the command.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct ExecError {
    /// The exit code a shell would give: 127 if the program does not exist, 126 if it may not be
    /// executed or is not a program, 125 otherwise.
    pub(crate) code: i32,
    what: String,
}

impl ExecError {
    const OTHER: i32 = 125;
    const NOT_A_PROGRAM: i32 = 126;
    const NOT_FOUND: i32 = 127;

    /// No directory of `PATH` holds an executable file of this name.
    pub(super) fn not_in_path(name: &str) -> ExecError {
        ExecError {
            code: ExecError::NOT_FOUND,
            what: format!("exec: {}: executable file not found in $PATH", quoted(name)),
        }
    }

    /// The kernel refused to execute the file `program`.
    pub(super) fn refused(program: &str, error: &io::Error) -> ExecError {
        let code = match error.raw_os_error() {
            Some(libc::EACCES | libc::EPERM | libc::ENOEXEC) => ExecError::NOT_A_PROGRAM,
            Some(libc::ENOENT) => ExecError::NOT_FOUND,
            _ => ExecError::OTHER,
        };
        ExecError {
            code,
            what: format!("fork/exec {program}: {}", reason(error)),
        }
    }

    /// The system call `call` failed.
    pub(super) fn system(call: &str, error: &io::Error) -> ExecError {
        ExecError::other(format!("{call}: {}", reason(error)))
    }

    /// The reason alone, as Go's programs print it.
    pub(crate) fn reason(&self) -> &str {
        &self.what
    }

    /// What the user can do about it, to be appended to the text; may be empty.
    pub(crate) fn remedy(&self) -> &'static str {
        match self.code {
            ExecError::NOT_FOUND if self.what.ends_with("$PATH") => {
                "; write its whole path, or add its directory to PATH"
            }
            ExecError::NOT_FOUND => {
                "; check the path, and the interpreter in the first line of a script"
            }
            ExecError::NOT_A_PROGRAM if self.what.ends_with("format error") => {
                "; it is no program for this machine, or a script without #! in its first line"
            }
            ExecError::NOT_A_PROGRAM => "; make it executable (chmod +x)",
            _ if self.what.ends_with("unavailable") => {
                "; raise the limit of processes (ulimit -u; TasksMax= of systemd)"
            }
            _ if self.what.ends_with(FULL) => {
                "; raise the limit of open files (ulimit -n; LimitNOFILE= of systemd)"
            }
            _ => "",
        }
    }

    /// Any other reason, with code 125.
    pub(super) fn other(what: impl Into<String>) -> ExecError {
        ExecError {
            code: ExecError::OTHER,
            what: what.into(),
        }
    }
}

/// The system's message, with its first letter in lower case and without the error number.
fn reason(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(at) = text.find(" (os error ") {
        text.truncate(at);
    }
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

/// The text in double quotes, with control characters escaped, so that it stays on one line.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            // Escaped as Go does it: the server receives it as a check's message.
            c if c.is_control() => quoted.extend(c.escape_default()),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code: {}, {}", self.code, self.what)
    }
}

impl Error for ExecError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exec_error_is_worded_as_in_the_go_agent() {
        let refused = |number| {
            let error = io::Error::from_raw_os_error(number);
            ExecError::refused("/x", &error).to_string()
        };
        let table = [
            (
                ExecError::not_in_path("x").to_string(),
                "exit code: 127, exec: \"x\": executable file not found in $PATH",
            ),
            (
                ExecError::not_in_path("é\"\\\n").to_string(),
                "exit code: 127, exec: \"é\\\"\\\\\\n\": executable file not found in $PATH",
            ),
            (
                refused(libc::ENOENT),
                "exit code: 127, fork/exec /x: no such file or directory",
            ),
            (
                refused(libc::EACCES),
                "exit code: 126, fork/exec /x: permission denied",
            ),
            (
                refused(libc::EPERM),
                "exit code: 126, fork/exec /x: operation not permitted",
            ),
            (
                refused(libc::ENOEXEC),
                "exit code: 126, fork/exec /x: exec format error",
            ),
            (
                refused(libc::E2BIG),
                "exit code: 125, fork/exec /x: argument list too long",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn exec_error_names_a_remedy() {
        let refused = |number| ExecError::refused("/x", &io::Error::from_raw_os_error(number));
        let table = [
            (ExecError::not_in_path("x"), "PATH"),
            (refused(libc::ENOENT), "interpreter"),
            (refused(libc::EACCES), "chmod +x"),
            (refused(libc::EPERM), "chmod +x"),
            (refused(libc::ENOEXEC), "#!"),
            (refused(libc::EAGAIN), "TasksMax"),
            (refused(libc::EMFILE), "LimitNOFILE"),
            (refused(libc::E2BIG), ""),
        ];
        for (error, word) in table {
            let remedy = error.remedy();
            assert!(
                remedy.contains(word) && remedy.is_empty() == word.is_empty(),
                "{error}"
            );
        }
    }
}
