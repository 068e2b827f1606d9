//! `mackerel-agent upgrade`: replaces the installed program by a newer release.
//!
//! A manifest is accepted only if it is signed with the key of releases and has not expired. An
//! older release is never installed, even if it is signed.

use super::fetch::{SLOW, SOON, fetch};
use super::host::Host;
use super::layout::FIRST;
use super::layout::PROGRAM;
use super::record::Record;
use super::say;
use super::step::{Owner, Step};
use crate::base;
use crate::base::clock::{Clock, HostClock, Unix};
use crate::base::program;
use crate::config::Setup;
use crate::parse::manifest::{self, Manifest, Version, hex};
use crate::sys::digest::is_sha256;
use crate::sys::file;
use crate::sys::signature::verify;

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

/// Replaces the installed program by a newer release and restarts the agent. Returns the text for
/// the user on failure; nothing is changed then.
pub(crate) fn upgrade(setup: &Setup) -> Result<(), String> {
    let key = public_key(setup)?;
    let source =
        setup.from.as_deref().or(RELEASES).ok_or(
            "this build does not know where releases are: -from gives a directory or a URL",
        )?;
    let host = Host::of(setup)?;
    let first = Record::load(&host.tree, FIRST)?.ok_or_else(|| {
        format!(
            "there is no {FIRST}.list: this host's agent is not one of mackerel-agent install; \
             what a package has installed is upgraded with the package"
        )
    })?;
    let installed = version_of(&host, PROGRAM)?;

    let file = fetch(source, MANIFEST, SOON)?;
    let text = String::from_utf8_lossy(&file);
    let manifest = manifest::parse(&text).map_err(|error| base::report(&error))?;
    if !verify(&key, manifest.signed.as_bytes(), &manifest.signature) {
        return Err("the manifest is not signed with the key of releases".to_owned());
    }
    valid(&manifest, HostClock::new().unix())?;
    let version = manifest.version;
    if version == installed {
        return say(&format!("{installed} is installed and is the newest"));
    }
    if version < installed {
        return Err(format!(
            "the release is {version}, which is older than {installed}"
        ));
    }
    say(&format!("upgrade {installed} to {version}"))?;
    let program = program(source, &manifest)?;
    if setup.dry_run {
        let to = PROGRAM.to_owned();
        let step = Step::File(to, program.into(), 0o755, Owner::Root);
        return host.rehearse(&[], &[step], &host.after(Some("restart")));
    }

    let new = Step::File(NEW.to_owned(), program.into(), 0o700, Owner::Root);
    let replaced = new.take(&host.tree, &host.commands).and_then(|()| {
        let reported = version_of(&host, NEW)?;
        if reported != version {
            return Err(format!(
                "the new program says that it is {reported}, not {version}"
            ));
        }
        let from = host.tree.path(NEW);
        let step = Step::Copy(from, PROGRAM.to_owned(), 0o755, Owner::Root);
        host.change(&[step], Some(first))
    });
    let removed = Step::Remove(NEW.to_owned()).take(&host.tree, &host.commands);
    replaced.and(removed)?;
    say(&format!("mackerel-agent {version} is installed"))
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

/// This machine's program in the release.
fn program(source: &str, manifest: &Manifest<'_>) -> Result<Vec<u8>, String> {
    let name = format!("mackerel-agent_linux_{}", program::TARGET);
    let digest = manifest
        .sha256(&name)
        .ok_or_else(|| format!("the release has no {name}"))?;
    let program = fetch(source, &name, SLOW)?;
    if is_sha256(&digest, &program) {
        Ok(program)
    } else {
        Err(format!(
            "{name} is not the file of the manifest: its SHA-256 is another"
        ))
    }
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
            return Err(
                "this build does not know whose releases are: -key names a file".to_owned(),
            );
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

    #[test]
    fn manifest_is_valid_from_its_issue_to_its_expiry() {
        let manifest = Manifest {
            version: Version::parse("1.2.3").unwrap(),
            issued: "2026-11-28",
            expires: "2027-05-27",
            signed: "",
            signature: [0; 64],
        };
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
}
