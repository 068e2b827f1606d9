//! `mackerel-agent once`: prints one round instead of posting it.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use crate::base;
use crate::base::channel::{Receiver, channel};
use crate::base::clock::{Clock, HostClock, Unix, pause};
use crate::base::name_map::NameMap;
use crate::base::values::Values;
use crate::config::{Config, Flags};
use crate::deliver::cloud_lookup;
use crate::describe::Place;
use crate::describe::describer::describer;
use crate::measure::Measure;
use crate::plugins::run_threads::STACK;
use crate::plugins::runner::METRICS;
use crate::plugins::work::{PluginEvent, Work, perform};
use crate::settings::apply::export;
use crate::settings::resolve::{defaults, resolve};
use crate::sys::exec::{self, StopSign};
use crate::sys::fsstat::FsStats;
use crate::sys::localtime;
use crate::sys::log;
use crate::sys::root::Root;
use crate::sys::signal;
use crate::sys::thread;
use crate::wire::once::{HostValues, Once, Point, Round};

/// Time that the rates cover.
const SPAN: Duration = Duration::from_secs(1);

/// Measures for [`SPAN`] and prints the host and its metrics as one line of JSON.
///
/// If the configuration is invalid, logs a warning and uses the defaults. Fails with the text for
/// the user if the host cannot be described or the line cannot be printed.
pub(crate) fn once(flags: &Flags) -> Result<(), String> {
    log::install();
    let config = resolve(flags).unwrap_or_else(|why| {
        log::warn!("failed to load config (but `once` must not required conf): {why}");
        defaults(flags)
    });
    export(&config);
    let clock = HostClock::new();
    let root = Root::of(&config.host);
    let stats = FsStats::new(&root);
    let mut measure = Measure::new(&config, root, stats.beside());
    let place = cloud_lookup::at_once(&config).unwrap_or_else(|why| {
        log::warn!("{why}");
        Place::default()
    });
    let host = describer(&config, stats)(&config, place).map_err(|error| base::report(&error))?;
    let (plugins, sign) = start_plugins(&config, clock)?;
    measure.sample(clock.moment());
    let created = clock.wall();
    pause(SPAN);
    let own = measure.sample(clock.moment());
    let mut rounds = vec![(None, None, own)];
    // The channel closes when the last plugin ends.
    while let Ok(measured) = plugins.recv() {
        rounds.extend(measured);
    }
    if sign.is_on() {
        return Err("interrupted".to_owned());
    }
    let line = Once {
        host,
        metrics: Round {
            created: localtime::rfc3339(created),
            values: grouped(&rounds),
        },
    };
    let line = serde_json::to_string(&line).map_err(|error| error.to_string())?;
    let line = log::escaped_json(&line) + "\n";
    io::stdout()
        .write_all(line.as_bytes())
        .map_err(|error| format!("cannot print: {error}"))
}

/// The host (`None` for this one), the values' own time if they have one, and the values.
type Measured = (Option<String>, Option<u64>, Values);

/// Runs all metric plugins at once. Their values come through the channel; their troubles are
/// logged. A signal ends them, and sets the sign.
fn start_plugins(
    config: &Config,
    clock: HostClock,
) -> Result<(Receiver<Vec<Measured>>, StopSign), String> {
    let (tell, measured) = channel();
    let (stop, sign) = exec::stop().map_err(|error| format!("cannot open a pipe: {error}"))?;
    // The first signal ends the thread that waits for it, which drops `stop`.
    signal::watch(false, move |_| {
        let _held = &stop;
        false
    })
    .map_err(|error| format!("cannot start the thread that waits for signals: {error}"))?;
    let now = clock.unix();
    for (name, plugin) in &config.metric_plugins {
        let (name, plugin, tell) = (name.clone(), Arc::new(plugin.clone()), tell.clone());
        let sign = sign.clone();
        let work = Work::Values(Arc::clone(&plugin), now);
        let run = move || {
            perform(&work, &clock, &sign, &|told| {
                let PluginEvent::Values(rounds, _, words) = told else {
                    return;
                };
                if let Some(trouble) = words.trouble {
                    log::warn!(tag: METRICS, "plugin.metrics.{name}: {trouble}");
                }
                let of = |(time, values)| {
                    let time = plugin.use_plugin_timestamp.then_some(time);
                    (
                        plugin.custom_identifier.clone(),
                        time.map(|time: Unix| time.0),
                        values,
                    )
                };
                drop(tell.send(rounds.into_iter().map(of).collect()));
            });
        };
        thread::start("plugin", STACK, run)
            .map_err(|error| format!("cannot start a thread: {error}"))?;
    }
    Ok((measured, sign))
}

/// The values grouped by host.
fn grouped(measured: &[Measured]) -> Vec<HostValues<'_>> {
    let mut groups: Vec<HostValues<'_>> = Vec::new();
    for (identifier, time, values) in measured {
        let identifier = identifier.as_deref();
        let at = groups
            .iter()
            .position(|group| group.custom_identifier == identifier)
            .unwrap_or_else(|| {
                groups.push(HostValues {
                    values: NameMap::new(),
                    custom_identifier: identifier,
                });
                groups.len() - 1
            });
        if let Some(group) = groups.get_mut(at) {
            for (name, value) in values.iter() {
                let point = Point { time: *time, value };
                group.values.insert(name.to_owned(), point);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vector 39.
    #[test]
    fn values_of_one_host_are_one_group() {
        let values = |name: &str| {
            let mut values = Values::default();
            values.put(name, 1.0);
            values
        };
        let to = |name: &str| Some(name.to_owned());
        let measured = [
            (None, None, values("loadavg1")),
            (to("x"), None, values("custom.a")),
            (None, Some(60), values("custom.b")),
            (to("y"), None, values("custom.c")),
            (to("x"), None, values("custom.d")),
        ];
        let groups = grouped(&measured);
        let shown: Vec<_> = groups
            .iter()
            .map(|group| {
                let names: Vec<&str> = group.values.keys().map(String::as_str).collect();
                (group.custom_identifier, names)
            })
            .collect();
        let expected = [
            (None, vec!["custom.b", "loadavg1"]),
            (Some("x"), vec!["custom.a", "custom.d"]),
            (Some("y"), vec!["custom.c"]),
        ];
        assert_eq!(shown, expected);
        assert_eq!(groups[0].values["custom.b"].time, Some(60));
    }
}
