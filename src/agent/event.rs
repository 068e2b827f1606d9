//! What wakes the main thread.

use crate::base::channel::Sender;
use crate::deliver::message::{News, Outcome};
use crate::plugins::roster::Id;
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
