//! What an agent needs of its host: the clock, the state directory, the programs and users of
//! plugins, and the address of the listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::report::Report;
use super::run::run;
use super::secrets::commands;
use super::verdict::{State, Verdict};
use crate::base;
use crate::base::clock::{Clock, Unix};
use crate::base::host_paths::HostPaths;
use crate::base::program;
use crate::config::{IdStore, Listen};
use crate::settings::configtest;
use crate::settings::resolve::ConfigReport;
use crate::sys::boot::is_synchronised;
use crate::sys::fsstat::{FsStats, Point, Reply};
use crate::sys::port;
use crate::sys::root::Root;
use crate::sys::state::State as Files;

/// Bytes below which a disk counts as full. A spool of some hours takes as much.
const LEAST: u64 = 1 << 20;
/// How to correct the clock.
const SET_CLOCK: &str = "start a time service (systemd-timesyncd, chrony or ntpd); date -s sets \
                         the clock once";

/// Adds the steps. `holder` is the process that uses the state directory.
pub(super) fn look(report: &mut Report, survey: &ConfigReport, holder: Option<u32>) {
    let config = &survey.config;
    let now = report.clock().unix();
    report.add("clock", of_clock(now, is_synchronised()));
    let since = report.begin("state directory");
    let verdict = if config.host_id_store == IdStore::Memory {
        Verdict::new(State::Skipped, "host_id_store = \"memory\"".to_owned(), "")
    } else {
        state_directory(&config.root)
    };
    report.end("state directory", since, verdict);
    let since = report.begin("plugins");
    let verdict = plugins(survey);
    report.end("plugins", since, verdict);
    if let Some(listen) = &config.listen {
        let since = report.begin("listener");
        let found = match &listen.value {
            Listen::Tcp(address) => port::is_free(*address),
            Listen::Unix(path) => port::is_free_path(path),
        };
        let place = match &listen.value {
            Listen::Tcp(address) => address.to_string(),
            Listen::Unix(path) => path.display().to_string(),
        };
        let found = found.map_err(|error| error.to_string());
        report.end(
            "listener",
            since,
            of_listener(&place, found, holder.is_some()),
        );
    }
}

/// Whether the clock can be right.
fn of_clock(now: Unix, is_synchronised: bool) -> Verdict {
    let day = now.day();
    if now < program::COMMITTED {
        return Verdict::new(
            State::Fail,
            format!(
                "the clock says {day}, which is before this program was made: certificates cannot \
                 be checked"
            ),
            SET_CLOCK,
        );
    }
    if is_synchronised {
        Verdict::ok([&day, ", synchronized"].concat())
    } else {
        let detail = [
            &day,
            ", not synchronized as far as the kernel reports; the agent compares it with the server's",
        ];
        Verdict::new(State::Warn, detail.concat(), SET_CLOCK)
    }
}

/// The directory of the agent's files: whether it can be written, and its free space.
fn state_directory(root: &Path) -> Verdict {
    let point: Arc<[Point]> = [Point::from(PathBuf::from(root))].into();
    let replies = FsStats::new(&Root::of(&HostPaths::default())).replies(&point);
    let space = match replies.first() {
        Some(Reply::Usage(usage)) => {
            let has_files = usage.files == 0 || usage.files_free > 0;
            Some((usage.available_bytes, has_files))
        }
        _ => None,
    };
    let checked = Files::at(root).check();
    let is_absent = checked.as_ref().is_err_and(|error| error.is_absent());
    let error = checked.err().map(|error| base::report(&error));
    of_directory(&root.display().to_string(), is_absent, error, space)
}

/// `space`: free bytes, and whether files can be created.
fn of_directory(
    root: &str,
    is_absent: bool,
    error: Option<String>,
    space: Option<(u64, bool)>,
) -> Verdict {
    if is_absent {
        return Verdict::new(
            State::Warn,
            [root, " does not exist; the agent creates it at its start"].concat(),
            "if the agent has run before, correct root or -root",
        );
    }
    if let Some(error) = error {
        let remedy = if error.contains("Read-only") {
            "mount the file system read-write (mount -o remount,rw), or name another directory \
             with root"
        } else {
            "give it to the agent's user with chown, or name another directory with root"
        };
        return Verdict::new(State::Fail, error, remedy);
    }
    match space {
        Some((free, true)) if free >= LEAST => {
            let free = (free >> 20).to_string();
            Verdict::ok([root, ": writable, ", &free, " MiB free"].concat())
        }
        Some((free, has_files)) => {
            let what = if has_files {
                "bytes free: "
            } else {
                "no inode free; bytes free: "
            };
            Verdict::new(
                State::Fail,
                format!("{root}: the disk is full, {what}{free}"),
                "free space: values that cannot be sent at once are lost at a restart",
            )
        }
        None => Verdict::ok([root, ": writable"].concat()),
    }
}

/// Whether the commands of plugins can be started.
fn plugins(survey: &ConfigReport) -> Verdict {
    let all = commands(&survey.config);
    let mut doubts = configtest::commands(survey);
    let mut users: Vec<&String> = all
        .iter()
        .filter_map(|command| command.user.as_ref())
        .collect();
    users.sort_unstable();
    users.dedup();
    for user in users {
        // It asks LDAP and the like, too.
        if run(&["id", "-u", user]).is_some_and(|(code, _)| code != 0) {
            doubts.push(format!(
                "user {user}: no such user; create it, or correct user"
            ));
        }
    }
    of_commands(all.len(), &doubts)
}

fn of_commands(count: usize, doubts: &[String]) -> Verdict {
    match doubts {
        [] if count == 0 => Verdict::new(State::Skipped, "none is configured".to_owned(), ""),
        [] => Verdict::ok(format!("commands that can be started: {count}")),
        [doubt] => Verdict::of(State::Fail, doubt, "correct it"),
        doubts => Verdict::new(
            State::Fail,
            doubts.join("\n"),
            "mackerel-agent check NAME and mackerel-agent plugin NAME run one of them",
        ),
    }
}

/// Whether the listener's address is free, or used by the agent.
fn of_listener(place: &str, is_free: Result<bool, String>, runs: bool) -> Verdict {
    let (state, what, remedy) = match (is_free, runs) {
        (Ok(true), false) => (State::Ok, "free".to_owned(), ""),
        (Ok(false), true) => (State::Ok, "used, and an agent runs".to_owned(), ""),
        (Ok(true), true) => (
            State::Warn,
            "an agent runs, but nothing listens there".to_owned(),
            "restart the agent, if listen is new; its log says why it cannot listen",
        ),
        (Ok(false), false) => (
            State::Fail,
            "used by another program".to_owned(),
            "ss -ltnp names it; end it, or write another address into listen",
        ),
        (Err(why), _) => (
            State::Fail,
            why,
            "write an address of this host into listen; ip address lists them",
        ),
    };
    Verdict::new(state, [place, ": ", &what].concat(), remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnose_clock_of_1970_fails() {
        // (clock, whether it is synchronised, verdict)
        let day = program::COMMITTED.day();
        let table = [
            (
                Unix(0),
                true,
                "FAIL: the clock says 1970-01-01, which is before this program was made: \
                 certificates cannot be checked -> start a time service (systemd-timesyncd, chrony \
                 or ntpd); date -s sets the clock once"
                    .to_owned(),
            ),
            (program::COMMITTED, true, format!("ok: {day}, synchronized")),
            (
                program::COMMITTED,
                false,
                format!(
                    "warn: {day}, not synchronized as far as the kernel reports; the agent compares \
                     it with the server's -> {SET_CLOCK}"
                ),
            ),
        ];
        for (now, is_synchronised, expected) in table {
            assert_eq!(of_clock(now, is_synchronised).shown(), expected);
        }
    }

    #[test]
    fn diagnose_state_directory_has_to_be_writable_with_free_space() {
        let full = "free space: values that cannot be sent at once are lost at a restart";
        let denied = "write to /r: Permission denied (os error 13)";
        let fixed = "write to /r: Read-only file system (os error 30)";
        // (whether it is absent, error, free bytes and whether inodes are free, verdict)
        let table = [
            (false, None, Some((5 << 20, true)), "ok: /r: writable, 5 MiB free".to_owned()),
            (false, None, None, "ok: /r: writable".to_owned()),
            (
                false,
                None,
                Some((LEAST - 1, true)),
                format!("FAIL: /r: the disk is full, bytes free: 1048575 -> {full}"),
            ),
            (
                false,
                None,
                Some((LEAST, false)),
                format!("FAIL: /r: the disk is full, no inode free; bytes free: 1048576 -> {full}"),
            ),
            (
                true,
                Some("write to /r: No such file"),
                None,
                "warn: /r does not exist; the agent creates it at its start -> if the agent has run \
                 before, correct root or -root"
                    .to_owned(),
            ),
            (
                false,
                Some(denied),
                None,
                format!(
                    "FAIL: {denied} -> give it to the agent's user with chown, or name another \
                     directory with root"
                ),
            ),
            (
                false,
                Some(fixed),
                Some((0, true)),
                format!(
                    "FAIL: {fixed} -> mount the file system read-write (mount -o remount,rw), or \
                     name another directory with root"
                ),
            ),
        ];
        for (is_absent, error, space, expected) in table {
            let found = of_directory("/r", is_absent, error.map(str::to_owned), space);
            assert_eq!(found.shown(), expected);
        }
    }

    #[test]
    fn diagnose_plugins_fail_if_one_cannot_be_started() {
        // (commands, doubts, verdict)
        let table: [(usize, &[&str], &str); 4] = [
            (0, &[], "skipped: none is configured"),
            (2, &[], "ok: commands that can be started: 2"),
            (
                2,
                &["a: no such file; install it"],
                "FAIL: a: no such file -> install it",
            ),
            (
                2,
                &["a; b", "c; d"],
                "FAIL: a; b\nc; d -> mackerel-agent check NAME and mackerel-agent plugin NAME run \
                 one of them",
            ),
        ];
        for (count, doubts, expected) in table {
            let doubts: Vec<String> = doubts.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(of_commands(count, &doubts).shown(), expected);
        }
    }

    #[test]
    fn diagnose_listener_is_free_or_the_agent_s() {
        // (whether it is free, whether an agent runs, verdict)
        let table = [
            (Ok(true), false, "ok: a:1: free"),
            (Ok(false), true, "ok: a:1: used, and an agent runs"),
            (
                Ok(true),
                true,
                "warn: a:1: an agent runs, but nothing listens there -> restart the agent, if \
                 listen is new; its log says why it cannot listen",
            ),
            (
                Ok(false),
                false,
                "FAIL: a:1: used by another program -> ss -ltnp names it; end it, or write another \
                 address into listen",
            ),
            (
                Err("no such address".to_owned()),
                true,
                "FAIL: a:1: no such address -> write an address of this host into listen; ip \
                 address lists them",
            ),
        ];
        for (is_free, runs, expected) in table {
            assert_eq!(of_listener("a:1", is_free, runs).shown(), expected);
        }
    }
}
