//! What has failed since the last upgrade that worked: which release is not tried again, and what
//! the agent has been sent. Kept in a file of root, beside the record of `install`.

use crate::base::clock::Unix;
use crate::parse::manifest::Version;
use crate::wire::check::CheckStatus;

/// Seconds after which failures that say nothing about a release are reported: three days.
const PATIENCE: u64 = 3 * 86_400;

/// What an upgrade failed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cause {
    /// The network, the disk, the clock and the like. It may work another day.
    Host,
    /// The server's files are not those that were signed. Nothing of them was started.
    Source,
    /// The release was signed, and its program does not work on this host.
    Release,
}

/// The failures since the last success.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Failures {
    /// The time of the first failure.
    pub(super) since: Option<Unix>,
    /// The status of the last report that the agent has accepted.
    pub(super) reported: Option<CheckStatus>,
    /// The release that does not work: its version, and the SHA-256 of its program in hexadecimal.
    pub(super) release: Option<(Version, String)>,
}

impl Failures {
    /// The failures in a file's text. Lines of another form are ignored.
    pub(super) fn read(text: &str) -> Failures {
        let mut failures = Failures::default();
        for line in text.lines() {
            let (name, value) = line.split_once(' ').unwrap_or_default();
            match name {
                "since" => failures.since = value.parse().ok().map(Unix),
                "reported" => failures.reported = CheckStatus::of_word(value),
                "release" => {
                    failures.release = value.split_once(' ').and_then(|(version, digest)| {
                        Some((Version::parse(version)?, digest.to_owned()))
                    });
                }
                _ => {}
            }
        }
        failures
    }

    /// The file's text; empty if there is nothing to keep.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        if let Some(Unix(since)) = self.since {
            text.push_str(&format!("since {since}\n"));
        }
        if let Some(status) = self.reported {
            text.extend(["reported ", status.word(), "\n"]);
        }
        if let Some((version, digest)) = &self.release {
            text.push_str(&format!("release {version} {digest}\n"));
        }
        text
    }

    /// Adds a failure at `now`. `release` is the one that was tried. Returns the status to be
    /// reported; `None` if the agent has it already, or if it is too early for one.
    pub(super) fn add(
        &mut self,
        cause: Cause,
        release: Option<(Version, String)>,
        now: Unix,
    ) -> Option<CheckStatus> {
        // A clock that was set back begins a new period.
        let since = self.since.filter(|since| *since <= now).unwrap_or(now);
        self.since = Some(since);
        match cause {
            Cause::Release => {
                self.since = Some(now);
                self.release = release;
                Some(CheckStatus::Critical)
            }
            Cause::Source => {
                (self.reported != Some(CheckStatus::Critical)).then_some(CheckStatus::Critical)
            }
            Cause::Host => (self.reported.is_none() && now.0 - since.0 >= PATIENCE)
                .then_some(CheckStatus::Warning),
        }
    }

    /// Forgets the failures after a look that worked, with `installed` as the program's version. A
    /// newer release that failed is kept: a server may offer it again.
    pub(super) fn end(&mut self, installed: Version) {
        self.since = None;
        if let Some((version, _)) = &self.release
            && *version <= installed
        {
            self.release = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;
    const BEGIN: u64 = 1_795_824_000;

    fn release(version: &str) -> Option<(Version, String)> {
        Some((Version::parse(version).unwrap(), "0a".repeat(32)))
    }

    #[test]
    fn upgrade_failures_are_reported_by_cause_and_age() {
        use CheckStatus::{Critical, Warning};
        // (why this row exists, the failures: day, cause, whether the agent accepts the report,
        // and the status that is reported)
        type Row = (
            &'static str,
            &'static [(u64, Cause, bool, Option<CheckStatus>)],
        );
        let table: [Row; 8] = [
            (
                "a server that is away over a weekend is nobody's alert",
                &[(0, Cause::Host, true, None), (2, Cause::Host, true, None)],
            ),
            (
                "after three days it is, once",
                &[
                    (0, Cause::Host, true, None),
                    (1, Cause::Host, true, None),
                    (3, Cause::Host, true, Some(Warning)),
                    (4, Cause::Host, true, None),
                ],
            ),
            (
                "a report that no agent has accepted is sent again",
                &[
                    (0, Cause::Host, true, None),
                    (3, Cause::Host, false, Some(Warning)),
                    (4, Cause::Host, true, Some(Warning)),
                    (5, Cause::Host, true, None),
                ],
            ),
            (
                "a signature that is wrong, once",
                &[
                    (0, Cause::Source, true, Some(Critical)),
                    (1, Cause::Source, true, None),
                ],
            ),
            (
                "what gets worse is reported",
                &[
                    (0, Cause::Host, true, None),
                    (3, Cause::Host, true, Some(Warning)),
                    (4, Cause::Source, true, Some(Critical)),
                ],
            ),
            (
                "each release that does not work",
                &[
                    (0, Cause::Release, true, Some(Critical)),
                    (1, Cause::Release, true, Some(Critical)),
                ],
            ),
            (
                "a server that is away does not hide that a release does not work",
                &[
                    (0, Cause::Release, true, Some(Critical)),
                    (9, Cause::Host, true, None),
                ],
            ),
            (
                "a clock that was wrong by years begins again",
                &[
                    (9_000, Cause::Host, true, None),
                    (0, Cause::Host, true, None),
                    (2, Cause::Host, true, None),
                    (3, Cause::Host, true, Some(Warning)),
                ],
            ),
        ];
        for (why, steps) in table {
            let mut failures = Failures::default();
            for (day, cause, accepts, expected) in steps {
                // The file is read and written between two runs.
                failures = Failures::read(&failures.text());
                let now = Unix(BEGIN + day * DAY);
                let reported = failures.add(*cause, release("2.0.0"), now);
                assert_eq!(reported, *expected, "{why}: day {day}");
                if *accepts {
                    failures.reported = reported.or(failures.reported);
                }
                let is_recorded = steps.iter().any(|step| step.1 == Cause::Release);
                assert_eq!(failures.release.is_some(), is_recorded, "{why}");
            }
        }
    }

    #[test]
    fn upgrade_failures_end_with_a_success() {
        // (why this row exists, version that is installed, whether the release is kept)
        let table = [
            ("a newer one is installed", "2.1.0", false),
            ("the same one was installed by hand", "2.0.0", false),
            ("the server has withdrawn it, for now", "1.9.0", true),
        ];
        for (why, installed, is_kept) in table {
            let mut failures = Failures::default();
            failures.add(Cause::Release, release("2.0.0"), Unix(BEGIN));
            failures.end(Version::parse(installed).unwrap());
            assert_eq!(failures.since, None, "{why}");
            assert_eq!(failures.release.is_some(), is_kept, "{why}");
            assert_eq!(failures.text().is_empty(), !is_kept, "{why}");
        }
    }

    #[test]
    fn upgrade_failures_are_read_as_written() {
        let digest = "0a".repeat(32);
        // (why this row exists, text, whether it is what is written)
        let table = [
            ("nothing has failed", String::new(), true),
            (
                "everything",
                format!("since 5\nreported CRITICAL\nrelease 2.0.0 {digest}\n"),
                true,
            ),
            ("a file that was cut", "since 5\nreported".to_owned(), false),
            (
                "another program's file",
                "since x\nreported FINE\nrelease 2\nelse\n\u{fffd}".to_owned(),
                false,
            ),
        ];
        for (why, text, is_written) in table {
            let found = Failures::read(&text);
            assert_eq!(found.text() == text, is_written, "{why}");
        }
        assert_eq!(Failures::read("since x\nrelease 2 \n"), Failures::default());
    }
}
