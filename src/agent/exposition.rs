//! The listeners: their thread, what main hands over to it, and when it listens.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use super::event::Event;
use crate::base;
use crate::base::channel::{Receiver, Sender, channel};
use crate::base::clock::{Clock, HostClock, Moment};
use crate::base::values::Values;
use crate::config::outputs::Placed;
use crate::config::{Config, Listen, NamedFile, Secret};
use crate::listen::Routes;
use crate::measure::live::Live;
use crate::measure::scrape::Scraper;
use crate::parse::process;
use crate::plugins::plugin_schedule::Id;
use crate::render::prometheus::{self, AgentState, Exposition};
use crate::settings::key;
use crate::sys::fsstat::FsStats;
use crate::sys::log;
use crate::sys::log_once::LogOnce;
use crate::sys::root::Root;
use crate::sys::server::{Bind, Door, Listener, Place, SocketPath, Via};

/// Time limit for the main thread's answer. The main thread does nothing that takes long.
const LIMIT: Duration = Duration::from_secs(3);
/// Time for which the values of a plugin are served after its run.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// Prefix of the names of plugins' values.
const CUSTOM: &str = "custom.";

/// The last values of each metric plugin.
#[derive(Default)]
pub(super) struct Latest(Vec<(Id, Moment, Arc<Values>)>);

impl Latest {
    /// Adds values of the run of the plugin `id` that ended at `now`, in place of those of earlier
    /// runs.
    pub(super) fn put(&mut self, id: Id, now: Moment, values: &Arc<Values>) {
        self.0
            .retain(|(known, then, _)| *then == now || (*known != id && now.since(*then) <= FRESH));
        self.0.push((id, now, Arc::clone(values)));
    }

    /// Removes the values of the plugins that are not `wanted` any more.
    pub(super) fn keep(&mut self, mut wanted: impl FnMut(Id) -> bool) {
        self.0.retain(|(id, ..)| wanted(*id));
    }

    /// The values without `custom.`, each name once, sorted. Of two plugins' values of one name, the
    /// later one counts.
    pub(super) fn values(&self, now: Moment) -> Vec<(String, f64)> {
        let mut all: Vec<(String, f64)> = Vec::new();
        for (_, then, values) in self.0.iter().rev() {
            if now.since(*then) > FRESH {
                continue;
            }
            for (name, value) in values.iter() {
                let name = name.strip_prefix(CUSTOM).unwrap_or(name);
                all.push((name.to_owned(), value));
            }
        }
        // Sorted once: a plugin may print 20,000 names in any order, and the main thread waits. The
        // sort is stable, so that the latest value of a name stays the first.
        all.sort_by(|(one, _), (other, _)| one.cmp(other));
        all.dedup_by(|(one, _), (other, _)| one == other);
        all
    }
}

/// The file of the listener's socket, which is removed when this is dropped.
pub(super) struct SocketFile(Receiver<SocketPath>);

impl Drop for SocketFile {
    fn drop(&mut self) {
        while self.0.try_recv().is_ok() {}
    }
}

/// Serves the agent's own `socket` and the listener of the configuration in a thread of their own, if
/// there is any of them. What only main has is asked for by `tell`.
///
/// The address of `listen` may not be there yet, so that listening is tried again and again. Fails if
/// the thread cannot be started and `listen` is set; without `listen` that is logged.
pub(super) fn serve(
    config: &Config,
    socket: Option<UnixListener>,
    root: Root,
    stats: FsStats,
    clock: HostClock,
    tell: Sender<Event>,
) -> Result<Option<SocketFile>, String> {
    let (files, file) = channel();
    let own = socket.map(|socket| Door::bound(Via::Agent, Listener::Unix(socket)));
    let listen = config.listen.clone();
    let is_public = listen.as_ref().is_some_and(|listen| match listen.value {
        Listen::Tcp(address) => !address.ip().is_loopback(),
        Listen::Unix(_) => false,
    });
    let listen = listen.map(|listen| Door::binding(Via::Listen, binder(listen, files)));
    let mut doors = Vec::new();
    doors.extend(own);
    doors.extend(listen);
    if doors.is_empty() {
        return Ok(None);
    }
    let token_file = config.listen_token_file.clone();
    let token = move || token_file.as_ref().map(token).transpose();
    let live = Live::new(config, root.clone(), stats.beside());
    let mut scraper = Scraper::new(root.clone().with_mounts_of_init(), stats);
    let main = tell.clone();
    let expose = move || {
        let mut out = Exposition::default();
        scraper.expose(clock.wall(), &mut out);
        let state = answer(&tell, Event::Exposition).unwrap_or_default();
        let state = with_resources(state, &root);
        prometheus::agent(&state, &mut out);
        prometheus::custom(&state.custom, &mut out);
        out.into_text()
    };
    let ask = move |question| answer(&main, |to| Event::Question(question, to));
    let (token, expose, ask) = (Box::new(token), Box::new(expose), Box::new(ask));
    let routes = Routes::of(config, token, expose, ask, Box::new(live));
    match routes.public(is_public).serve(doors, clock) {
        Ok(()) => Ok(Some(SocketFile(file))),
        Err(error) if config.listen.is_none() => {
            log::warn!(
                "the agent's socket: cannot start a thread: {error}; `mackerel-agent health` and \
                 `status` will not be answered"
            );
            Ok(None)
        }
        Err(error) => Err(format!("listen: cannot start a thread: {error}")),
    }
}

/// Main's answer to a question; `None` if main does not answer, because it ends or hangs.
fn answer<T>(tell: &Sender<Event>, event: impl FnOnce(Sender<T>) -> Event) -> Option<T> {
    let (answer, heard) = channel();
    tell.send(event(answer)).ok()?;
    heard.recv_timeout(LIMIT).ok()
}

/// The same state, with what the kernel says of this process.
fn with_resources(state: AgentState, root: &Root) -> AgentState {
    let mut buffer = Vec::new();
    let stat = root.text("/proc/self/stat", &mut buffer);
    let cpu_ticks = stat.ok().and_then(|text| process::cpu_ticks(&text).ok());
    let status = root.text("/proc/self/status", &mut buffer);
    let resident = status.ok().and_then(|text| process::status(&text).resident);
    AgentState {
        cpu_ticks: cpu_ticks.unwrap_or_default(),
        resident_bytes: resident.unwrap_or_default(),
        ..state
    }
}

/// The token in the file. Read for each request, so that it can be replaced at any time. Fails
/// with the place of the setting, the file and the reason.
fn token(named: &NamedFile) -> Result<Secret, String> {
    let source = format!("{named}: {}", named.path.display());
    let token = key::of_file(&source, &named.path, &key::TOKEN_WORDS);
    token.map_err(|error| base::report(&error))
}

/// Returns what listens, once that is possible. The file of a Unix socket goes to `files`.
fn binder(listen: Placed<Listen>, files: Sender<SocketPath>) -> Bind {
    let place = match &listen.value {
        Listen::Tcp(address) => Place::Tcp(*address),
        Listen::Unix(path) => Place::Unix(path.clone()),
    };
    let shown = match &listen.value {
        Listen::Tcp(address) if address.ip().is_loopback() => {
            format!("http://{address}/ and /metrics")
        }
        Listen::Tcp(address) => format!("http://{address}/metrics"),
        Listen::Unix(path) => format!("/ and /metrics on the socket {}", path.display()),
    };
    let mut log = LogOnce::default();
    Box::new(move || match Listener::bind(&place) {
        Ok((listener, file)) => {
            log::info!("listen: serving {shown}");
            if let Some(file) = file {
                drop(files.send(file));
            }
            Some(listener)
        }
        Err(error) => {
            let (by, remedy) = (&listen.place, remedy(&listen.value, error.kind()));
            log.failed(format!(
                "{by}: listen: cannot serve {shown}: {error}; {remedy}; this is tried again every minute"
            ));
            None
        }
    })
}

/// What ends an error of this kind.
fn remedy(listen: &Listen, kind: std::io::ErrorKind) -> &'static str {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match (listen, kind) {
        (Listen::Tcp(_), AddrInUse) => {
            "another program uses the port: end it, or write another port"
        }
        (Listen::Unix(_), AddrInUse) => {
            "another program or file has the path: remove it, or write another path"
        }
        (Listen::Tcp(_), AddrNotAvailable) => "no interface of this host has the address",
        (Listen::Tcp(_), PermissionDenied) => "write a port above 1023",
        (Listen::Tcp(_), _) => "write another address",
        (Listen::Unix(_), _) => {
            "write a path in a directory in which the agent's user may create files"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_values_are_those_of_each_plugins_last_run() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let values = |all: &[(&str, f64)]| {
            let mut values = Values::default();
            for (name, value) in all {
                values.put(*name, *value);
            }
            Arc::new(values)
        };
        let ids = Id::two();
        let mut latest = Latest::default();
        latest.put(
            ids[0],
            at(0),
            &values(&[("custom.b", 1.0), ("custom.gone", 2.0)]),
        );
        latest.put(
            ids[1],
            at(10),
            &values(&[("custom.a", 3.0), ("custom.b", 4.0)]),
        );
        latest.put(ids[0], at(60), &values(&[("custom.b", 5.0)]));
        let of = |all: &[(&str, f64)]| -> Vec<(String, f64)> {
            all.iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect()
        };
        assert_eq!(latest.values(at(60)), of(&[("a", 3.0), ("b", 5.0)]));
        assert_eq!(latest.values(at(320)), of(&[("b", 5.0)]), "one is too old");
        latest.keep(|id| id == ids[1]);
        assert_eq!(latest.values(at(60)), of(&[("a", 3.0), ("b", 4.0)]));
    }
}
