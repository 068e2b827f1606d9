//! What an agent needs of its host: a configuration, the clock, the state directory, the programs
//! and users of plugins, and the address of the listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::report::{Report, State, Verdict, verdict};
use super::secrets::commands;
use crate::applets::built_in;
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::base::host_paths::HostPaths;
use crate::base::program;
use crate::commands::host_command::run;
use crate::config::{IdStore, Listen};
use crate::settings::configtest;
use crate::settings::resolve::ConfigReport;
use crate::sys::boot::is_synchronised;
use crate::sys::fsstat::{FsStats, Point, Reply};
use crate::sys::http::probe;
use crate::sys::root::Root;
use crate::sys::state::State as Files;

/// Bytes below which a disk counts as full. A spool of some hours takes as much.
const LEAST: u64 = 1 << 20;
/// Time for a connection to the listener.
const CONNECT: Duration = Duration::from_secs(2);
/// How to correct the clock.
pub(super) const SET_CLOCK: &str =
    "start a time service (systemd-timesyncd, chrony or ntpd); date -s sets the clock once";

/// Adds the steps. `holder` is the process that uses the state directory.
pub(super) fn look(report: &mut Report, survey: &ConfigReport, holder: Option<u32>) {
    let config = &survey.config;
    report.add("clock", of_clock(report.clock().unix(), is_synchronised()));
    if config.host_id_store == IdStore::File {
        report.add("state directory", state_directory(&config.root));
    }
    let all = commands(config);
    if !all.is_empty() {
        let mut doubts = configtest::commands(survey, built_in);
        for user in all.iter().filter_map(|command| command.user.as_deref()) {
            // It asks LDAP and the like, too.
            if run(&["id", "-u", user]).is_some_and(|(code, _)| code != 0) {
                doubts.push(["user ", user, ": no such user; create it, or correct user"].concat());
            }
        }
        report.add("plugins", of_doubts(&doubts));
    }
    if let Some(listen) = &config.listen
        && let Listen::Tcp(address) = listen.value
    {
        let place = address.to_string();
        let is_used = probe::connect(&place, CONNECT).is_ok();
        report.add("listener", of_listener(&place, is_used, holder.is_some()));
    }
}

/// What is wrong with the configuration, and where the key is from.
pub(super) fn of_configuration(survey: &ConfigReport, conf: &Path) -> Verdict {
    let text = configtest::verdict(survey, false);
    if text.is_empty() {
        let path = conf.display().to_string();
        return verdict(State::Ok, &[&path, ", key from ", &survey.key_source]);
    }
    if survey.problems.is_empty() {
        return (State::Warn, text);
    }
    let remedy = if text.contains("Permission denied") {
        "\nrun diagnose as root; if root runs it, the agent's user may not read the file: chgrp \
         mackerel-agent FILE; chmod g+r FILE"
    } else {
        "\ncorrect it; mackerel-agent configtest checks it again"
    };
    verdict(State::Fail, &[&text, remedy])
}

/// Whether the clock can be right.
fn of_clock(now: Unix, is_synchronised: bool) -> Verdict {
    let day = now.day();
    let (state, what, remedy) = if now < program::COMMITTED {
        let what = ", which is before this program was made: certificates cannot be checked; ";
        (State::Fail, what, SET_CLOCK)
    } else if is_synchronised {
        (State::Ok, ", synchronized", "")
    } else {
        (
            State::Warn,
            ", not synchronized as far as the kernel reports; ",
            SET_CLOCK,
        )
    };
    verdict(state, &[&day, what, remedy])
}

/// The directory of the agent's files: whether it can be written, and its free space.
fn state_directory(root: &Path) -> Verdict {
    let point: Arc<[Point]> = [Point::from(PathBuf::from(root))].into();
    let replies = FsStats::new(&Root::of(&HostPaths::default())).replies(&point);
    let space = match replies.first() {
        Some(Reply::Usage(usage)) if usage.files > 0 && usage.files_free == 0 => Some(0),
        Some(Reply::Usage(usage)) => Some(usage.available_bytes),
        _ => None,
    };
    let error = Files::at(root).check().err();
    let is_absent = error.as_ref().is_some_and(|error| error.is_absent());
    let error = error.map(|error| base::report(&error));
    of_directory(&root.display().to_string(), is_absent, error, space)
}

/// `space`: free bytes; 0 if no file can be created. `None` if it is not known.
fn of_directory(root: &str, is_absent: bool, error: Option<String>, space: Option<u64>) -> Verdict {
    let free = space.unwrap_or(LEAST).to_string();
    let (state, what, remedy) = match &error {
        _ if is_absent => (
            State::Warn,
            root,
            " does not exist; the agent creates it at its start, or -root names another",
        ),
        Some(error) => (
            State::Fail,
            &**error,
            "; give it to the agent's user (chown), mount it read-write (mount -o remount,rw), or \
             name another directory with root",
        ),
        None if space.is_some_and(|free| free < LEAST) => (
            State::Fail,
            root,
            ": the disk is full; free space: what cannot be sent at once is lost at a restart",
        ),
        None => (State::Ok, root, ": writable"),
    };
    verdict(state, &[what, remedy, " (bytes free: ", &free, ")"])
}

/// Whether the commands of plugins can be started.
fn of_doubts(doubts: &[String]) -> Verdict {
    match doubts {
        [] => verdict(State::Ok, &["all commands can be started"]),
        doubts => (State::Fail, doubts.join("\n")),
    }
}

/// Whether the listener's address is free, or used by the agent.
fn of_listener(place: &str, is_used: bool, runs: bool) -> Verdict {
    let (state, what) = match (is_used, runs) {
        (false, false) => (State::Ok, " is free"),
        (true, true) => (State::Ok, " is used, and an agent runs"),
        (false, true) => (
            State::Warn,
            ": an agent runs, but nothing listens there; its log says why",
        ),
        (true, false) => (
            State::Fail,
            ": used by another program; end it (ss -ltnp names it), or write another address into \
             listen",
        ),
    };
    verdict(state, &[place, what])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnose_configuration_fails_by_its_problems_alone() {
        // (problems, mistakes, verdict)
        type Texts = &'static [&'static str];
        let table: [(Texts, Texts, State, &str); 4] = [
            (&[], &[], State::Ok, "/a.conf, key from apikey"),
            (&[], &["a; b"], State::Warn, "[WARNING] a; b\n"),
            (
                &["a"],
                &[],
                State::Fail,
                "[CRITICAL] failed to test config: a\ncorrect it; mackerel-agent configtest checks \
                 it again",
            ),
            (
                &["read /a.conf: Permission denied"],
                &[],
                State::Fail,
                "[CRITICAL] failed to test config: read /a.conf: Permission denied\nrun diagnose as \
                 root; if root runs it, the agent's user may not read the file: chgrp \
                 mackerel-agent FILE; chmod g+r FILE",
            ),
        ];
        let texts = |texts: Texts| texts.iter().map(|text| (*text).to_owned()).collect();
        for (problems, mistakes, state, text) in table {
            let survey = ConfigReport {
                problems: texts(problems),
                mistakes: texts(mistakes),
                key_source: "apikey".to_owned(),
                ..ConfigReport::default()
            };
            let found = of_configuration(&survey, Path::new("/a.conf"));
            assert_eq!(found, (state, text.to_owned()));
        }
    }

    #[test]
    fn diagnose_clock_of_1970_fails() {
        let day = program::COMMITTED.day();
        // (clock, whether it is synchronised, verdict)
        let table = [
            (
                Unix(0),
                true,
                State::Fail,
                "1970-01-01, which is before this program was made: certificates cannot be checked; \
                 start a time service (systemd-timesyncd, chrony or ntpd); date -s sets the clock \
                 once"
                    .to_owned(),
            ),
            (program::COMMITTED, true, State::Ok, format!("{day}, synchronized")),
            (
                program::COMMITTED,
                false,
                State::Warn,
                format!("{day}, not synchronized as far as the kernel reports; {SET_CLOCK}"),
            ),
        ];
        for (now, is_synchronised, state, text) in table {
            assert_eq!(of_clock(now, is_synchronised), (state, text));
        }
    }

    #[test]
    fn diagnose_state_directory_has_to_be_writable_with_free_space() {
        let denied = "write to /r: Permission denied (os error 13)";
        // (whether it is absent, error, free bytes, verdict)
        let table = [
            (false, None, Some(5 << 20), State::Ok, "/r: writable"),
            (false, None, None, State::Ok, "/r: writable"),
            (
                false,
                None,
                Some(LEAST - 1),
                State::Fail,
                "/r: the disk is full; free space: ",
            ),
            (
                false,
                None,
                Some(0),
                State::Fail,
                "/r: the disk is full; free space: ",
            ),
            (
                true,
                Some("No such file"),
                None,
                State::Warn,
                "/r does not exist; the agent creates",
            ),
            (
                false,
                Some(denied),
                Some(0),
                State::Fail,
                "write to /r: Permission denied (os error 13); give it to the agent's user (chown)",
            ),
        ];
        for (is_absent, error, space, state, text) in table {
            let found = of_directory("/r", is_absent, error.map(str::to_owned), space);
            assert!(found.0 == state && found.1.starts_with(text), "{found:?}");
        }
    }

    #[test]
    fn diagnose_listener_is_free_or_the_agent_s() {
        // (whether it is used, whether an agent runs, verdict)
        let table = [
            (false, false, State::Ok, "a:1 is free"),
            (true, true, State::Ok, "a:1 is used, and an agent runs"),
            (
                false,
                true,
                State::Warn,
                "a:1: an agent runs, but nothing listens there; its log says why",
            ),
            (
                true,
                false,
                State::Fail,
                "a:1: used by another program; end it (ss -ltnp names it), or write another address \
                 into listen",
            ),
        ];
        for (is_used, runs, state, text) in table {
            assert_eq!(of_listener("a:1", is_used, runs), (state, text.to_owned()));
        }
    }
}
