//! What an applet may read: the host's files, the time, and the environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::finding::Failure;
use crate::base::clock::{Clock, Moment, Unix};
use crate::base::report;
use crate::parse::plugin::float;
use crate::sys::root::{FileError, Root};

/// The host as an applet sees it.
pub(super) struct Host<'h> {
    /// The host's files: those below `HOST_ROOT`, `HOST_PROC`, ... if these are set.
    pub(super) root: Root,
    pub(super) clock: &'h dyn Clock,
    /// Looks up an environment variable; empty ones are not set.
    pub(super) variable: &'h dyn Fn(&str) -> Option<OsString>,
}

impl Host<'_> {
    /// The content of a file of the host, at most 4 MiB. Fails with the path and the reason.
    pub(super) fn text(&self, path: &str) -> Result<String, Failure> {
        let mut buffer = Vec::new();
        match self.root.text(path, &mut buffer) {
            Ok(text) => Ok(text.into_owned()),
            Err(error) => Err(Failure::of(&error)),
        }
    }

    /// The names in a directory that begin with `begin`, in the order of their numbers; none if it
    /// cannot be listed.
    pub(super) fn names(&self, directory: &Path, begin: &str) -> Vec<String> {
        let mut sorted: Vec<String> = Vec::new();
        let names = self.root.names(directory).ok().flatten();
        for name in names.unwrap_or_default() {
            if let Ok(name) = name.into_string()
                && name.starts_with(begin)
            {
                let is_before = |one: &String| (one.len(), &**one) < (name.len(), &*name);
                let at = sorted.partition_point(is_before);
                sorted.insert(at, name);
            }
        }
        sorted
    }

    /// Seconds since the epoch by the wall clock.
    pub(super) fn now(&self) -> u64 {
        self.clock.unix().0
    }

    /// Seconds since boot, with two decimals, from `/proc/uptime`.
    pub(super) fn uptime(&self) -> Result<f64, Failure> {
        let text = self.text("/proc/uptime")?;
        let seconds = text.split(' ').next().and_then(float::parse);
        seconds.ok_or_else(|| "/proc/uptime: has no number of seconds".into())
    }

    /// Seconds since `start`.
    pub(super) fn seconds_since(&self, start: Moment) -> f64 {
        self.clock.moment().since(start).as_secs_f64()
    }

    /// Milliseconds until `end`; negative afterwards.
    pub(super) fn millis_until(&self, end: Unix) -> i64 {
        let now = i64::try_from(self.clock.wall().as_millis()).unwrap_or(i64::MAX);
        let end = i64::try_from(end.0.saturating_mul(1000)).unwrap_or(i64::MAX);
        end.saturating_sub(now)
    }

    /// The time limit that a flag sets, in seconds. 0 is none for the official plugins; here it is 10
    /// minutes, the longest that a plugin may take.
    pub(super) fn limit(seconds: f64) -> Duration {
        const LONGEST: Duration = Duration::from_secs(600);
        match duration(seconds) {
            Duration::ZERO => LONGEST,
            limit => limit.min(LONGEST),
        }
    }

    /// The directory for files that an applet keeps between two runs: `MACKEREL_PLUGIN_WORKDIR`, or
    /// the one for temporary files.
    pub(super) fn work_directory(&self) -> PathBuf {
        let directory = (self.variable)("MACKEREL_PLUGIN_WORKDIR");
        let directory = directory.or_else(|| (self.variable)("TMPDIR"));
        PathBuf::from(directory.unwrap_or_else(|| "/tmp".into()))
    }
}

/// A number of seconds; 0 for negative ones.
#[inline(never)]
pub(super) fn duration(seconds: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, at 584 years"
    )]
    Duration::from_nanos((seconds * 1e9) as u64)
}

/// UNKNOWN because of an error of a file.
pub(super) fn failed(error: &FileError) -> Failure {
    Failure::unknown(explained(report(error)))
}

/// The text of a file's error as Go's programs print it, e.g. `stat /a: no such file or directory`.
pub(super) fn explained(mut text: String) -> String {
    if let Some(end) = text.find(" (os error") {
        text.truncate(end);
    }
    if let Some((at, _)) = text.match_indices(": ").last()
        && let Some(first) = text.get_mut(at + 2..at + 3)
    {
        first.make_ascii_lowercase();
    }
    text
}
