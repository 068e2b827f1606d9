//! What wakes the main thread.

use std::sync::Arc;

use crate::base::channel::Sender;
use crate::deliver::message::{Outcome, PosterCommand, PosterEvent};
use crate::plugins::output::Output;
use crate::plugins::plugin_schedule::Id;
use crate::plugins::runner::Tell;
use crate::plugins::work::PluginEvent;
use crate::sys::signal::Signal;

/// What can wake the main thread before its time.
pub(crate) enum Event {
    Signal(Signal),
    /// A child has ended. It may be an orphan that only this process can reap.
    Child,
    /// Somebody asks how the agent is doing.
    Inquiry(Sender<String>),
    /// The host has been retired, or not, and this is why.
    Retired(Result<(), String>),
    PosterEvent(PosterEvent),
    /// A plugin's thread has something to tell.
    Plugin(Id, PluginEvent),
    /// The poster has nothing more to do.
    Ended(Outcome),
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
                is_urgent,
            } => PosterCommand::Report {
                destination,
                report,
                is_urgent,
            },
            Output::Metadata(name, document) => PosterCommand::Metadata(name, document),
            Output::Graphs(graphs) => PosterCommand::Graphs(graphs),
        }
    }
}

/// What sends the results of plugins to the main thread.
pub(crate) fn plugin_events(tell: Sender<Event>) -> Tell {
    // No thread receives them only if the process is ending already.
    Arc::new(move |id, told| drop(tell.send(Event::Plugin(id, told))))
}
