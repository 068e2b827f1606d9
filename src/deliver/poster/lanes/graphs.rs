//! Sends graph definitions of plugins. Those that arrive within a few seconds go in one request.

use std::time::Duration;

use crate::base;
use crate::base::backoff::Backoff;
use crate::base::clock::{Clock, Moment};
use crate::deliver::api::Api;
use crate::deliver::poster::lane::{Context, Lane, Step, asked_pause};
use crate::parse::plugin::meta::Graph;
use crate::sys::log;
use crate::sys::log_once::LogOnce;

/// Maximum number of bytes of definitions that wait for the server. A single plugin has up to 256
/// KiB.
const WAITING: usize = 1 << 20;
/// Pause between the first definition and the request, so that those of other plugins accumulate.
const GATHER: Duration = Duration::from_secs(5);
/// Longest pause between two attempts.
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// The definitions that wait, and the state of sending them.
pub(crate) struct GraphsLane {
    /// One list of definitions for each plugin.
    waiting: Vec<Vec<Graph>>,
    due: Option<Moment>,
    /// Whether each plugin's definitions go in a request of their own, because the server rejects
    /// some.
    is_divided: bool,
    backoff: Backoff,
    log: LogOnce,
}

impl Default for GraphsLane {
    fn default() -> GraphsLane {
        GraphsLane {
            waiting: Vec::new(),
            due: None,
            is_divided: false,
            backoff: Backoff::up_to(PAUSE),
            log: LogOnce::default(),
        }
    }
}

impl GraphsLane {
    /// Adds the definitions of one plugin, unless too many wait already.
    pub(crate) fn push(&mut self, graphs: Vec<Graph>, now: Moment) {
        let held = self.waiting.iter().chain([&graphs]).flatten();
        if held.map(Graph::bytes).sum::<usize>() > WAITING {
            let name = graphs.first().map(|graph| graph.name.as_str());
            log::error!(
                "graph {}: not defined, because more than 1 MiB of definitions wait for the server; restart the agent when it can be reached",
                name.unwrap_or_default()
            );
            return;
        }
        self.waiting.push(graphs);
        self.due.get_or_insert(Moment(now.0 + GATHER));
    }
}

impl Lane for GraphsLane {
    fn due(&self, _: &Context) -> Option<Moment> {
        self.due
    }

    fn step(&mut self, context: &mut Context, api: &mut Api, clock: &dyn Clock) -> Step {
        let plugins = if self.is_divided { 1 } else { usize::MAX };
        let graphs: Vec<&Graph> = self.waiting.iter().take(plugins).flatten().collect();
        if graphs.is_empty() {
            self.due = None;
            return Step::Idle;
        }
        let step = match api.create_graph_defs(&graphs) {
            Ok(()) => {
                self.log.succeeded(|| "graphs are defined".to_owned());
                Step::Sent
            }
            Err(error) if !error.condemns_content() => {
                let pause = self.backoff.failed(asked_pause(&error), (context.random)());
                self.due = Some(Moment(clock.moment().0 + pause));
                let why = base::report(&error);
                self.log.failed(format!("{why}; this is tried again"));
                return Step::Later;
            }
            // Only one of many may be wrong.
            Err(_) if !self.is_divided && self.waiting.len() > 1 => {
                self.is_divided = true;
                return Step::Refused;
            }
            Err(error) => {
                let names: Vec<&str> = graphs.iter().map(|graph| graph.name.as_str()).collect();
                let (names, why) = (names.join(", "), base::report(&error));
                log::error!("graphs {names} not defined: {why}");
                Step::Refused
            }
        };
        self.backoff.succeeded();
        if self.is_divided {
            self.waiting.remove(0);
        } else {
            self.waiting.clear();
        }
        let is_left = !self.waiting.is_empty();
        self.is_divided &= is_left;
        self.due = is_left.then_some(clock.moment());
        step
    }

    fn stop(&mut self, _: Moment) {
        self.due = None;
    }
}
