//! What wakes the main thread.

use std::sync::Arc;

use crate::base::channel::Sender;
use crate::deliver::message::{News, Order, Outcome};
use crate::plugins::output::Output;
use crate::plugins::roster::Id;
use crate::plugins::runner::Tell;
use crate::plugins::work::Told;
use crate::sys::signal::Signal;

/// What can wake the main thread before its time.
pub(crate) enum Event {
    Signal(Signal),
    /// A child has ended, of which this process may be the only one left to take leave.
    Child,
    /// Somebody asks how the agent is doing.
    Inquiry(Sender<String>),
    /// The host has been retired, or not, and this is why.
    Retired(Result<(), String>),
    News(News),
    /// A plugin's thread has something to tell.
    Plugin(Id, Told),
    /// The poster has nothing more to do.
    Ended(Outcome),
}

impl From<Output> for Order {
    fn from(output: Output) -> Order {
        match output {
            Output::Round(stamp, destination, values) => Order::Round(stamp, destination, values),
            Output::Report {
                destination,
                report,
                is_urgent,
            } => Order::Report {
                destination,
                report,
                is_urgent,
            },
            Output::Metadata(name, document) => Order::Metadata(name, document),
            Output::Graphs(graphs) => Order::Graphs(graphs),
        }
    }
}

/// What sends the results of plugins to the main thread.
pub(crate) fn plugin_events(tell: Sender<Event>) -> Tell {
    // No thread receives them only if the process is ending already.
    Arc::new(move |id, told| drop(tell.send(Event::Plugin(id, told))))
}
