//! Runs programs of the host.

use std::time::Duration;

use super::finding::Failure;
use super::host::Host;
use crate::sys::exec::{End, Limits, Task, run, stop};

/// Time that a program may take at most. The agent allows a plugin 30 seconds.
pub(super) const TIME: Duration = Duration::from_secs(15);

/// What a program wrote to stdout, and how it ended.
pub(super) struct Ran {
    pub(super) text: String,
    pub(super) code: i32,
    /// The program's name, and what it wrote to stderr, or else its exit code.
    pub(super) said: String,
}

impl Ran {
    /// Runs a program that is searched in `PATH`, in the language C.
    ///
    /// Fails with the reason if it cannot be started, does not end within `limit`, or writes more
    /// than is kept. Fails in a container, where programs are not those of the host.
    pub(super) fn of(argv: &[&str], host: &Host<'_>, limit: Duration) -> Result<Ran, Failure> {
        let name = argv.first().copied().unwrap_or_default();
        let failed = |why: &str| Failure::unknown([name, ": ", why].concat());
        if host.root.path("/").as_os_str() != "/" {
            return Err(failed("cannot be run on the host from a container"));
        }
        let argv: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let task = Task {
            argv: &argv,
            user: None,
            env: &[("LC_ALL", Some("C".as_ref()))],
        };
        let (_stop, sign) = stop().map_err(|error| failed(&error.to_string()))?;
        let ran = run(&task, &Limits::of(limit), &sign);
        let ran = ran.map_err(|error| Failure::from(error.reason()))?;
        let End::Exited(code) = ran.end else {
            return Err(failed("command timed out"));
        };
        if ran.stdout.was_cut {
            return Err(failed("wrote more than 1 MiB"));
        }
        let text = String::from_utf8_lossy(&ran.stdout.bytes).into_owned();
        let said = String::from_utf8_lossy(&ran.stderr.bytes);
        let said = match said.trim() {
            "" => ["exit status ", &code.to_string()].concat(),
            said => said.to_owned(),
        };
        let said = [name, ": ", &said].concat();
        Ok(Ran { text, code, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::HostClock;
    use crate::sys::root::Root;

    #[test]
    fn command_output_that_is_cut_is_a_failure() {
        let host = Host {
            root: Root::own(),
            clock: &HostClock::new(),
            variable: &|_| None,
        };
        // (bytes, whether all of them are kept)
        for (bytes, is_whole) in [(0, true), (1 << 20, true), ((1 << 20) + 1, false)] {
            let script = format!("head -c {bytes} /dev/zero");
            match Ran::of(&["sh", "-c", &script], &host, TIME) {
                Ok(ran) => assert!(is_whole && ran.text.len() == bytes, "{bytes}"),
                Err(error) => {
                    assert!(!is_whole, "{bytes}: {}", error.why());
                    assert_eq!(error.why(), "sh: wrote more than 1 MiB");
                }
            }
        }
    }

    #[test]
    fn command_says_why_it_failed() {
        let host = Host {
            root: Root::own(),
            clock: &HostClock::new(),
            variable: &|_| None,
        };
        // (script, exit code, stdout, what it said)
        let table = [
            ("echo out; echo why >&2; exit 69", 69, "out\n", "sh: why"),
            ("echo why >&2", 0, "", "sh: why"),
            ("exit 3", 3, "", "sh: exit status 3"),
        ];
        for (script, code, text, said) in table {
            let ran = Ran::of(&["sh", "-c", script], &host, TIME).ok().unwrap();
            let found = (ran.code, &*ran.text, &*ran.said);
            assert_eq!(found, (code, text, said), "{script}");
        }
    }
}
