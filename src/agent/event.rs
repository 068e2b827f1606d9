//! Events of the main thread.

use std::sync::Arc;

use crate::base::channel::Sender;
use crate::deliver::message::{Outcome, PosterCommand, PosterEvent};
use crate::deliver::otlp::OtlpEvent;
use crate::listen::Question;
use crate::plugins::output::Output;
use crate::plugins::plugin_schedule::Id;
use crate::plugins::runner::Tell;
use crate::plugins::work::PluginEvent;
use crate::render::prometheus::AgentState;
use crate::sys::signal::Signal;

/// An event that wakes the main thread before its next job is due.
pub(crate) enum Event {
    Signal(Signal),
    /// A child has ended. It may be an orphan that only this process can reap.
    Child,
    /// A question of a client of the listener. The answer goes to this sender.
    Question(Question, Sender<String>),
    /// A question for what an exposition says of the agent. The answer goes to this sender.
    Exposition(Sender<AgentState>),
    /// The result of retiring the host of this destination: the error if it failed.
    Retired(usize, Result<(), String>),
    /// An event of the poster of this destination.
    Poster(usize, PosterEvent),
    /// An event of the exporter of this number.
    Otlp(usize, OtlpEvent),
    /// A result from a plugin's thread.
    Plugin(Id, PluginEvent),
    /// The thread of this destination's poster has ended.
    Ended(usize, Outcome),
}

impl From<Output> for PosterCommand {
    fn from(output: Output) -> PosterCommand {
        match output {
            Output::Round(stamp, destination, values) => {
                PosterCommand::Round(stamp, destination, values)
            }
            Output::Report {
                destination,
                report,
                began,
                is_urgent,
            } => PosterCommand::Report {
                destination,
                report,
                began,
                is_urgent,
            },
            Output::Metadata(name, document) => PosterCommand::Metadata(name, document),
            Output::Graphs(graphs) => PosterCommand::Graphs(graphs),
        }
    }
}

/// A function that sends the results of plugins to the main thread.
pub(crate) fn plugin_events(tell: Sender<Event>) -> Tell {
    // Sending fails only while the process ends.
    Arc::new(move |id, told| drop(tell.send(Event::Plugin(id, told))))
}
