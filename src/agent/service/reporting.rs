//! What the main thread says of itself to `mackerel-agent status`.

use std::time::Duration;

use super::{Agent, ROUND};
use crate::base::clock::{Clock, Moment, Stamp};
use crate::base::program;
use crate::base::url::without_secrets;
use crate::config::{Config, Listen};
use crate::deliver::clock_trust::is_plausible;
use crate::parse::process;
use crate::plugins::plugin_state::PluginState;
use crate::render::status::{ClockStatus, PluginStatus, Resources, StatusReport};
use crate::sys::fsstat::FsStats;
use crate::sys::log::excerpt;
use crate::sys::root::Root;
use crate::sys::uname::uname;

/// Characters of a check's message.
const MESSAGE: usize = 300;

impl Agent<'_> {
    /// The report.
    pub(super) fn report(&self, clock: &dyn Clock) -> StatusReport {
        let (now, stamp) = (clock.moment(), clock.stamp());
        let mut destinations = Vec::new();
        self.destinations
            .add_statuses(&self.config, now, &mut destinations);
        self.exporters.add_statuses(now, &mut destinations);
        let host_id = destinations.iter().find_map(|one| one.host_id.clone());
        let name = self.destinations.host_name().map(str::to_owned);
        let name = name.or_else(|| uname().ok().map(|uname| uname.nodename));
        let rest = ROUND - stamp.wall.0 % ROUND;
        let next_round = Moment(now.0 + Duration::from_secs(rest));
        let plugins = self.plugins.states(next_round);
        let server = without_secrets(&self.config.apibase);
        StatusReport {
            time: stamp.wall.0,
            host_name: name.unwrap_or_default(),
            host_id,
            server: self.config.mackerel.then_some(server),
            version: program::VERSION,
            revision: program::REVISION,
            pid: std::process::id(),
            uptime: self.started.map_or(0, |then| now.since(then).as_secs()),
            measured_ago: self.last_round.map(|(_, then)| now.since(then).as_secs()),
            destinations,
            plugins: plugins.map(|state| plugin(&state, now)).collect(),
            clock: self.clock_status(stamp, clock.is_synchronised()),
            listener: listener(&self.config),
            hanging: self.hanging(),
            resources: resources(),
        }
    }

    /// The mount points that do not answer.
    fn hanging(&self) -> Vec<String> {
        let paths = self.mounts.as_ref().map(FsStats::hanging_paths);
        let paths = paths.unwrap_or_default();
        paths
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    /// What confirms or contradicts the wall clock of `stamp`, which is now.
    fn clock_status(&self, stamp: Stamp, is_synchronised: bool) -> ClockStatus {
        if is_synchronised && is_plausible(stamp.wall) {
            return ClockStatus {
                state: "confirmed",
                source: Some("ntp"),
                ahead: 0,
            };
        }
        let time = self.destinations.time(stamp);
        let Some(time) = time.or_else(|| self.exporters.time(stamp)) else {
            return ClockStatus {
                state: "unconfirmed",
                ..ClockStatus::default()
            };
        };
        ClockStatus {
            state: if time == stamp.wall {
                "confirmed"
            } else {
                "wrong"
            },
            source: Some("server"),
            ahead: stamp.wall.0.cast_signed() - time.0.cast_signed(),
        }
    }
}

fn plugin(state: &PluginState<'_>, now: Moment) -> PluginStatus {
    let last = state.last;
    let error = last.and_then(|last| last.trouble.clone());
    let (status, message) = match state.finding {
        Some((status, message)) => (Some(status.word()), message.trim_end()),
        None => (
            last.map(|_| if error.is_some() { "failing" } else { "ok" }),
            "",
        ),
    };
    PluginStatus {
        kind: state.kind,
        name: state.name.to_owned(),
        last_run_ago: last.map(|last| now.since(last.began).as_secs()),
        duration_ms: last.map(|last| u64::try_from(last.took.as_millis()).unwrap_or(u64::MAX)),
        exit_code: last.and_then(|last| last.code).map(i64::from),
        status,
        message: excerpt(message, MESSAGE),
        error,
        next_run: state.next.map(|next| next.since(now).as_secs()),
        is_running: state.is_running,
    }
}

/// What this process uses, according to the kernel.
fn resources() -> Resources {
    let root = Root::own();
    let mut buffer = Vec::new();
    let stat = root.text("/proc/self/stat", &mut buffer);
    let cpu_ticks = stat.ok().and_then(|text| process::cpu_ticks(&text).ok());
    let status = root.text("/proc/self/status", &mut buffer);
    let status = status.ok().map(|text| process::status(&text));
    let descriptors = root.names("/proc/self/fd").ok().flatten();
    Resources {
        resident_bytes: status.as_ref().and_then(|status| status.resident),
        cpu_ticks,
        threads: status.as_ref().and_then(|status| status.threads),
        descriptors: descriptors.map(|names| names.len() as u64),
    }
}

/// Where the listener is.
fn listener(config: &Config) -> Option<String> {
    config.listen.as_ref().map(|listen| match &listen.value {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(path) => path.display().to_string(),
    })
}
