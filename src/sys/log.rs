//! The backend of the `log` crate: lines on stderr as the Go agent writes them,
//! `2006/01/02 15:04:05 LEVEL <tag> message`, in local time.

use std::fmt;
use std::io::{Write, stderr};
use std::sync::OnceLock;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::localtime::LocalTime;
use crate::base::clock::{Clock, HostClock};

/// Modules of this program that write under another name than their own, the longest path first.
pub(crate) type Tags = &'static [(&'static str, &'static str)];

struct Stderr {
    clock: HostClock,
    tags: Tags,
}

static STDERR: OnceLock<Stderr> = OnceLock::new();

/// Sends every record of this program, and of no other crate, to stderr from now on: what a
/// network crate says about a request may hold its headers, and with them the API key.
pub(crate) fn install(tags: Tags) {
    let backend = STDERR.get_or_init(|| Stderr {
        clock: HostClock::new(),
        tags,
    });
    // A second call finds the first one's logger in place, which serves as well.
    drop(log::set_logger(backend));
    log::set_max_level(LevelFilter::Info);
}

/// Everything from DEBUG on if `verbose`, else ERROR alone if `silent`, else from INFO on.
pub(crate) fn set_level(verbose: bool, silent: bool) {
    log::set_max_level(match (verbose, silent) {
        (true, _) => LevelFilter::Debug,
        (false, true) => LevelFilter::Error,
        (false, false) => LevelFilter::Info,
    });
}

/// Writes a line at DEBUG, which is seen if the configuration is verbose.
///
/// Not `log::debug!`: the release is built without it, and so without what ureq says about every
/// step of a request (9 kB).
pub(crate) fn debug(tag: &str, text: fmt::Arguments<'_>) {
    if log::max_level() >= LevelFilter::Debug
        && let Some(backend) = STDERR.get()
    {
        backend.write("DEBUG", tag, text);
    }
}

impl Stderr {
    fn write(&self, level: &str, tag: &str, text: fmt::Arguments<'_>) {
        let time = LocalTime::of(self.clock.unix());
        let line = line(&time, level, tag, text);
        // Nobody can be told that stderr is gone.
        drop(stderr().lock().write_all(line.as_bytes()));
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        own(metadata.target()).is_some()
    }

    fn log(&self, record: &Record<'_>) {
        let Some(module) = own(record.target()) else {
            return;
        };
        let level = match record.level() {
            Level::Error => "ERROR",
            Level::Warn => "WARNING",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        };
        self.write(level, tag(self.tags, module), *record.args());
    }

    fn flush(&self) {}
}

/// The path of a module of this program below its root; `None` for other crates.
fn own(target: &str) -> Option<&str> {
    let rest = target.strip_prefix("mackerel_agent")?;
    match rest.is_empty() {
        true => Some(rest),
        false => rest.strip_prefix("::"),
    }
}

fn tag(tags: Tags, module: &str) -> &str {
    let listed = tags.iter().find(|(path, _)| module.starts_with(path));
    listed.map_or_else(
        || module.rsplit("::").next().unwrap_or(module),
        |(_, tag)| tag,
    )
}

fn line(time: &LocalTime, level: &str, tag: &str, text: fmt::Arguments<'_>) -> String {
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02} {level} <{tag}> {text}\n",
        time.year, time.month, time.day, time.hour, time.minute, time.second,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_like_the_go_agents() {
        let time = LocalTime {
            year: 2026,
            month: 1,
            day: 2,
            hour: 15,
            minute: 4,
            second: 5,
            offset_minutes: 540,
        };
        assert_eq!(
            line(&time, "WARNING", "main", format_args!("all is lost")),
            "2026/01/02 15:04:05 WARNING <main> all is lost\n"
        );
    }

    #[test]
    fn only_this_programs_records_are_written_under_their_tags() {
        let tags = &[("collect::cpu", "metrics.cpu"), ("collect", "metrics")];
        // (target, tag)
        let table = [
            ("mackerel_agent::collect::cpu", Some("metrics.cpu")),
            ("mackerel_agent::collect", Some("metrics")),
            ("mackerel_agent::run::poster", Some("poster")),
            ("mackerel_agent", Some("")),
            ("mackerel_agents::run", None),
            ("ureq::run", None),
        ];
        for (target, expected) in table {
            assert_eq!(
                own(target).map(|module| tag(tags, module)),
                expected,
                "{target}"
            );
        }
    }
}
