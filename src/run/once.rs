//! `mackerel-agent once`: one round, printed instead of posted.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::measure::Measure;
use super::resolve::{defaults, resolve};
use super::{TAGS, describer, export};
use crate::base;
use crate::base::clock::{Clock, HostClock, pause};
use crate::config::Flags;
use crate::sys::fsstat::FsStats;
use crate::sys::localtime;
use crate::sys::log as backend;
use crate::sys::root::Root;
use crate::wire::once::{Group, Once, Point, Round};

/// What the rates cover.
const SPAN: Duration = Duration::from_secs(1);

/// Measures for [`SPAN`] and prints the host and its metrics as one line of JSON. A configuration
/// that cannot be used is told of, and the defaults are used instead. Returns the text for the
/// user if the host cannot be described, or the line not be printed.
pub(crate) fn once(flags: &Flags) -> Result<(), String> {
    backend::install(TAGS);
    let config = resolve(flags).unwrap_or_else(|why| {
        log::warn!("failed to load config (but `once` must not required conf): {why}");
        defaults(flags)
    });
    export(&config);
    let clock = HostClock::new();
    let stats = FsStats::new();
    let mut measure = Measure::new(&config, Root::of(&config.host), stats.beside());
    let host = describer(&config, stats)(&config).map_err(|error| base::report(&error))?;
    measure.sample(clock.moment());
    let created = clock.wall();
    pause(SPAN);
    let values = measure.sample(clock.moment());
    let point = |value| Point { time: None, value };
    let values: BTreeMap<&str, Point> = values
        .iter()
        .map(|(name, value)| (name, point(value)))
        .collect();
    let line = Once {
        host,
        metrics: Round {
            created: localtime::rfc3339(created),
            values: vec![Group {
                values,
                custom_identifier: None,
            }],
        },
    };
    let mut line = serde_json::to_string(&line).map_err(|error| error.to_string())?;
    line.push('\n');
    io::stdout()
        .write_all(line.as_bytes())
        .map_err(|error| format!("cannot print: {error}"))
}
