//! `mackerel-agent upgrade`: replaces the installed program by a newer release.
//!
//! A manifest is accepted only if it is signed with the key of releases and has not expired. An
//! older release is never installed, even if it is signed. A release that has failed on this host
//! is not tried again. The running agent reports a failure, and the success after it, as a check.

mod failures;

use std::path::Path;
use std::time::Duration;

use self::failures::{Cause, Failures};
use super::environment;
use super::fetch::{SLOW, SOON, fetch};
use super::host::{Failed, Host};
use super::layout::{self, FAILED, FIRST, PROGRAM, RUN};
use super::record::Record;
use super::say;
use super::step::{Owner, Step, host_id};
use crate::base;
use crate::base::clock::{Clock, HostClock, Unix, pause};
use crate::base::program;
use crate::base::text::fnv1a;
use crate::config::duration::minutes;
use crate::config::{Config, Setup};
use crate::parse::manifest::{self, Manifest, Version, hex};
use crate::sys::digest::{hex_of, is_sha256};
use crate::sys::file;
use crate::sys::signature::verify;
use crate::sys::tree::Tree;
use crate::wire::check::{CheckStatus, Report};

/// The URL of releases, if set in the build.
const RELEASES: Option<&str> = option_env!("MACKEREL_AGENT_RELEASES");
/// The public key of releases if set in the build: Ed25519, in hexadecimal digits.
const KEY: Option<&str> = option_env!("MACKEREL_AGENT_RELEASE_KEY");
/// Bytes of a public key.
const KEY_SIZE: usize = 32;
/// Seconds per day.
const DAY: u64 = 86_400;
/// The file name of a release's manifest.
const MANIFEST: &str = "manifest";
/// The path of the new program until it has been shown to run on this machine.
const NEW: &str = "/usr/lib/mackerel-agent/new";
/// The name of the check.
const CHECK: &str = "mackerel-agent-upgrade";
/// The id of the machine, and the size of its file.
const MACHINE: (&str, u64) = ("/etc/machine-id", 64);
/// The most minutes over which hosts are spread: a day.
const LONGEST_SPREAD: u32 = 24 * 60;
/// Requests to an agent that was just started, and may not answer yet.
const TRIES: u32 = 5;

/// Sends a report to the agent whose directory is the first argument, with this many requests at
/// most. Fails with the reason.
pub(crate) type Send = fn(&Path, &Report, u32) -> Result<(), String>;

/// How a look for a newer release ended.
enum Look {
    /// This version is installed, and nothing newer is wanted.
    Done(Version),
    /// The newest release has failed on this host before.
    Skipped(Version),
    /// Only the steps were printed.
    Rehearsed,
}

/// Why an upgrade failed.
struct Failure {
    cause: Cause,
    why: String,
    release: Option<(Version, String)>,
}

impl From<String> for Failure {
    fn from(why: String) -> Failure {
        Failure {
            cause: Cause::Host,
            why,
            release: None,
        }
    }
}

fn of_source(why: String) -> Failure {
    Failure {
        cause: Cause::Source,
        ..why.into()
    }
}

/// Replaces the installed program by a newer release and restarts the agent if it runs. Returns the
/// text for the user on failure; nothing is changed then but the record of failures.
pub(crate) fn upgrade(setup: &Setup, send: Send) -> Result<(), String> {
    let key = public_key(setup)?;
    let source = setup
        .from
        .as_deref()
        .or(RELEASES)
        .ok_or("no address of releases is built in: name a directory or a URL with -from")?;
    let spread = spread(setup.spread.as_deref())?;
    let host = Host::of(setup)?;
    let recorded = || {
        super::package::warning(&host)?;
        Record::load(&host.tree, FIRST)?.ok_or_else(|| {
            format!(
                "there is no {FIRST}.list: this host's agent is not one of mackerel-agent install; \
                 what a package has installed is upgraded with the package"
            )
        })
    };
    let mut first = recorded()?;
    let state = environment::state(&host);
    if spread > 0 {
        let delay = delay(&id(&host.tree, &state), spread);
        say(&format!(
            "this host begins {} s later (-spread)",
            delay.as_secs()
        ))?;
        if !setup.dry_run {
            pause(delay);
            // Somebody may have run `install` or `uninstall` meanwhile, or installed the package.
            first = recorded()?;
        }
    }
    if !setup.dry_run {
        // What an interrupted run has left would keep the service from retiring the host.
        host.forget(RUN)?;
    }
    let now = HostClock::new().unix();
    let known = host.tree.read(FAILED).unwrap_or_default();
    let mut failures = Failures::read(&String::from_utf8_lossy(&known.unwrap_or_default()));
    let looked = look(setup, &key, source, &host, first, now, &failures);
    if setup.dry_run {
        return looked.map(drop).map_err(|failure| failure.why);
    }
    let (report, result) = match looked {
        Ok(Look::Rehearsed) => (None, Ok(())),
        Ok(Look::Done(version)) => {
            failures.end(version);
            let ok = failures.reported.map(|_| CheckStatus::Ok);
            (ok.map(|ok| (ok, format!("{version} is installed"))), Ok(()))
        }
        Ok(Look::Skipped(version)) => {
            let is_reported = failures.reported == Some(CheckStatus::Critical);
            let text = || (CheckStatus::Critical, failed_before(version, &failures));
            ((!is_reported).then(text), Ok(()))
        }
        Err(Failure {
            cause,
            why,
            release,
        }) => {
            let status = failures.add(cause, release, now);
            (status.map(|status| (status, why.clone())), Err(why))
        }
    };
    // Before the report as well: the process may be ended while it waits for the agent.
    save(&host.tree, &failures);
    if let Some((status, message)) = report {
        let report = Report {
            name: CHECK.to_owned(),
            status,
            message,
            occurred_at: Unix(0),
            notification_interval: None,
            max_check_attempts: None,
        };
        let tries = if host.is_live() { TRIES } else { 1 };
        match send(&host.tree.path(&state), &report, tries) {
            Ok(()) => {
                failures.reported = (status != CheckStatus::Ok).then_some(status);
                save(&host.tree, &failures);
            }
            Err(why) => note(&format!("the check {CHECK} is not reported: {why}")),
        }
    }
    result
}

/// Looks for a newer release, and installs it.
fn look(
    setup: &Setup,
    key: &[u8; KEY_SIZE],
    source: &str,
    host: &Host,
    first: Record,
    now: Unix,
    failures: &Failures,
) -> Result<Look, Failure> {
    let installed = version_of(host, PROGRAM)?;
    let (config, mistake) = match super::conf::loaded(&host.tree) {
        Ok(loaded) => (super::conf::of_root(&host.tree, loaded), None),
        Err(why) => (Config::default(), Some(why)),
    };
    let file = fetch(source, MANIFEST, SOON, &config)?;
    let text = String::from_utf8_lossy(&file);
    let manifest = manifest::parse(&text).map_err(|error| base::report(&error))?;
    if !verify(key, manifest.signed.as_bytes(), &manifest.signature) {
        let why = "the manifest is not signed with the key of releases";
        return Err(of_source(why.to_owned()));
    }
    valid(&manifest, now)?;
    let version = manifest.version;
    if version == installed {
        say(&format!("{installed} is installed and is the newest"))?;
        return Ok(Look::Done(installed));
    }
    if version < installed {
        return Err(format!("the release is {version}, which is older than {installed}").into());
    }
    let days = setup.after.unwrap_or_default();
    if is_young(&manifest, days, now) {
        say(&format!(
            "{version} is of {} and is left until it is {days} days old (-after)",
            manifest.issued
        ))?;
        return Ok(Look::Done(installed));
    }
    let name = format!("mackerel-agent_linux_{}", program::TARGET);
    let digest = manifest
        .sha256(&name)
        .ok_or_else(|| of_source(format!("the release has no {name}")))?;
    let release = Some((version, hex_of(&digest)));
    if failures.release == release && !setup.force {
        say(&failed_before(version, failures))?;
        return Ok(Look::Skipped(version));
    }
    // With a mistake in it, neither program starts. A file that the sandbox of the upgrade's unit
    // keeps from this process may be readable for the agent.
    if let Some(why) = mistake
        && !why.contains("(os error ")
    {
        return Err(why.into());
    }
    say(&format!("upgrade {installed} to {version}"))?;
    let program = fetch(source, &name, SLOW, &config)?;
    if !is_sha256(&digest, &program) {
        return Err(of_source(format!(
            "{name} is not the file of the manifest: its SHA-256 is another"
        )));
    }
    if setup.dry_run {
        let to = PROGRAM.to_owned();
        let step = Step::File(to, program.into(), 0o755, Owner::Root);
        let verb = host.is_running().then_some("restart");
        host.rehearse(&[], &[step], &host.after(verb))?;
        return Ok(Look::Rehearsed);
    }

    let of_release = |why| Failure {
        cause: Cause::Release,
        why,
        release: release.clone(),
    };
    let new = Step::File(NEW.to_owned(), program.into(), 0o700, Owner::Root);
    let taken = new.take(&host.tree, &host.commands);
    let replaced = taken.map_err(Failure::from).and_then(|()| {
        let reported = version_of(host, NEW).map_err(of_release)?;
        if reported != version {
            return Err(of_release(format!(
                "the new program says that it is {reported}, not {version}"
            )));
        }
        let from = host.tree.path(NEW);
        let step = Step::Copy(from, PROGRAM.to_owned(), 0o755, Owner::Root);
        let changed = host.change(&[step], Some(first), false);
        changed.map_err(|Failed { why, is_of_program }| match is_of_program {
            true => of_release(why),
            false => why.into(),
        })
    });
    let removed = Step::Remove(NEW.to_owned()).take(&host.tree, &host.commands);
    replaced?;
    removed?;
    say(&format!("mackerel-agent {version} is installed"))?;
    Ok(Look::Done(version))
}

/// The text about a release that is not tried again.
fn failed_before(version: Version, failures: &Failures) -> String {
    let day = failures.since.unwrap_or_default().day();
    format!(
        "{version} failed on this host ({day}) and is not tried again; a newer one is, and \
         upgrade -force tries it once more"
    )
}

/// Writes the record of failures, or removes it if it has nothing to say.
fn save(tree: &Tree, failures: &Failures) {
    let text = failures.text();
    let saved = if text.is_empty() {
        tree.remove(FAILED, false)
    } else {
        tree.write(FAILED, text.as_bytes(), super::record::root(0o600))
    };
    if let Err(error) = saved {
        note(&base::report(&error));
    }
}

/// Prints what does not change the outcome.
fn note(why: &str) {
    // There is nothing to do if standard output is closed.
    drop(say(&["WARNING: ", why].concat()));
}

/// The minutes of `-spread`, at most [`LONGEST_SPREAD`].
fn spread(text: Option<&str>) -> Result<u32, String> {
    let spread =
        minutes(text.unwrap_or("0")).map_err(|why| format!("-spread: {why}; write e.g. 6h"))?;
    if spread > LONGEST_SPREAD {
        return Err("-spread: more than a day; write e.g. 6h".to_owned());
    }
    Ok(spread)
}

/// How long a host with this id waits, of `spread` minutes.
fn delay(id: &str, spread: u32) -> Duration {
    let seconds = u64::from(spread) * 60;
    Duration::from_secs(u64::from(fnv1a(id.as_bytes())) % seconds.max(1))
}

/// The id of the host; before it is registered, that of the machine.
fn id(tree: &Tree, state: &str) -> String {
    let machine = || {
        let bytes = tree.read_short(MACHINE.0, MACHINE.1).ok().flatten();
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    let id = host_id(tree, &layout::id(state)).ok().flatten();
    id.unwrap_or_else(machine)
}

/// Whether the release is younger than this number of days.
fn is_young(manifest: &Manifest<'_>, days: u32, now: Unix) -> bool {
    let newest = Unix(now.0.saturating_sub(u64::from(days) * DAY)).day();
    days > 0 && newest.as_str() < manifest.issued
}

/// Fails if the manifest is not valid at `now`. Otherwise an old manifest, served again and again,
/// could keep a host from newer releases.
fn valid(manifest: &Manifest<'_>, now: Unix) -> Result<(), String> {
    let (issued, expires, today) = (manifest.issued, manifest.expires, now.day());
    // Clocks may differ a little, but not by a day.
    if Unix(now.0 + DAY).day().as_str() < issued {
        return Err(format!(
            "clock: {today}; the manifest is of {issued}: set this host's clock, then upgrade again"
        ));
    }
    if today.as_str() > expires {
        return Err(format!(
            "manifest: expired on {expires}, and this host's clock says {today}; if the clock is right, the \
             source has only an old release: give a current one by -from, or ask who publishes it to sign it again"
        ));
    }
    Ok(())
}

/// The public key of releases: from the file in `setup`, else from the build.
fn public_key(setup: &Setup) -> Result<[u8; KEY_SIZE], String> {
    let (digits, place) = match (&setup.key, KEY) {
        (Some(path), _) => {
            let bytes = file::read(path).map_err(|error| base::report(&error))?;
            let digits = String::from_utf8_lossy(&bytes).into_owned();
            (digits, path.display().to_string())
        }
        (None, Some(digits)) => (digits.to_owned(), "the build".to_owned()),
        (None, None) => {
            return Err("no key of releases is built in: name its file with -key".to_owned());
        }
    };
    let key = hex(digits.trim()).and_then(|key| key.try_into().ok());
    key.ok_or_else(|| format!("the key of {place} is not of 64 hexadecimal digits"))
}

/// The version that the program at `path` reports, which shows that it runs on this machine.
fn version_of(host: &Host, path: &str) -> Result<Version, String> {
    let program = host.tree.path(path);
    let said = host
        .commands
        .output(&[&*program.to_string_lossy(), "version"])?;
    let version = Version::reported(&said);
    version.ok_or_else(|| format!("{} does not say which version it is", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A manifest that is valid for half a year.
    fn manifest() -> Manifest<'static> {
        Manifest {
            version: Version::parse("1.2.3").unwrap(),
            issued: "2026-11-28",
            expires: "2027-05-27",
            signed: "",
            signature: [0; 64],
        }
    }

    #[test]
    fn manifest_is_valid_from_its_issue_to_its_expiry() {
        let manifest = manifest();
        // (why this row exists, the clock of the host in seconds, part of the error)
        let table = [
            (
                "a board without a clock",
                0,
                "clock: 1970-01-01; the manifest is of 2026-11-28: set",
            ),
            (
                "two days before it was signed",
                1_795_651_200,
                "clock: 2026-11-26; ",
            ),
            ("a clock that is some hours late", 1_795_737_600, ""),
            ("the day of its issue", 1_795_824_000, ""),
            ("the last second of its last day", 1_811_462_399, ""),
            (
                "the next one",
                1_811_462_400,
                "manifest: expired on 2027-05-27, and this host's clock says 2027-05-28",
            ),
            (
                "years later",
                2_000_000_000,
                "manifest: expired on 2027-05-27",
            ),
            (
                "a clock that is wrong by 70 years",
                4_000_000_000,
                "this host's clock says 2096-10-02",
            ),
        ];
        for (why, now, expected) in table {
            let said = valid(&manifest, Unix(now)).err().unwrap_or_default();
            assert!(said.contains(expected), "{why}: {said}");
            assert_eq!(said.is_empty(), expected.is_empty(), "{why}: {said}");
        }
    }

    #[test]
    fn upgrade_begins_at_a_moment_of_the_hosts_own() {
        const HOSTS: usize = 10_000;
        // (why this row exists, the id of a host)
        type Ids = fn(usize) -> String;
        let table: [(&str, Ids); 3] = [
            ("ids of Mackerel", |host| {
                const DIGITS: &[u8] = b"123456789abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ";
                let digit = |place: u32| {
                    let at = host.wrapping_mul(2_654_435_761) >> (3 * place);
                    char::from(DIGITS[at % DIGITS.len()])
                };
                (0..11).map(digit).collect()
            }),
            ("ids in a row", |host| format!("host{host:04}")),
            ("ids of machines", |host| {
                format!(
                    "{:032x}\n",
                    (host as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15)
                )
            }),
        ];
        for (why, id) in table {
            let mut minutes = [0; 6 * 60];
            for host in 0..HOSTS {
                let delay = delay(&id(host), 6 * 60).as_secs();
                assert_eq!(delay, super::delay(&id(host), 6 * 60).as_secs(), "{why}");
                minutes[usize::try_from(delay).unwrap() / 60] += 1;
            }
            // 28 a minute on average; chance would give up to 48.
            let most = minutes.iter().max().unwrap();
            assert!(*most <= 55, "{why}: {most} in a minute");
        }
        assert_eq!(delay("", 0), Duration::ZERO);
    }

    #[test]
    fn upgrade_spread_is_a_duration_of_a_day_at_most() {
        // (flag, minutes, or part of the error)
        let table = [
            (None, Ok(0)),
            (Some("0"), Ok(0)),
            (Some("90m"), Ok(90)),
            (Some("6h"), Ok(360)),
            (Some("24h"), Ok(1_440)),
            (Some("25h"), Err("more than a day")),
            (Some("-1h"), Err("-spread: duration out of range")),
            (Some("night"), Err("write e.g. 6h")),
        ];
        for (flag, expected) in table {
            match (spread(flag), expected) {
                (Err(why), Err(part)) => assert!(why.contains(part), "{flag:?}: {why}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{flag:?}"),
            }
        }
    }

    #[test]
    fn upgrade_waits_for_releases_to_be_old_enough() {
        let manifest = manifest();
        // The first second of 2026-11-28.
        const BEGIN: u64 = 1_795_824_000;
        // (why this row exists, days, seconds from then, whether it is too young)
        let table = [
            ("no age is wanted", 0, 0, false),
            (
                "no age, and a clock that is late",
                0,
                -DAY.cast_signed(),
                false,
            ),
            ("its first day", 1, DAY.cast_signed() - 1, true),
            ("the next day", 1, DAY.cast_signed(), false),
            (
                "the last second of the third day",
                3,
                3 * DAY.cast_signed() - 1,
                true,
            ),
            ("three days later", 3, 3 * DAY.cast_signed(), false),
            ("more days than there are", u32::MAX, 0, true),
        ];
        for (why, days, from, expected) in table {
            let now = Unix(BEGIN.saturating_add_signed(from));
            assert_eq!(is_young(&manifest, days, now), expected, "{why}");
        }
    }
}
