//! What the main thread, the one that posts and the one that takes signals tell each other.

use crate::api::Api;
use crate::base::clock::{Moment, Unix};
use crate::collect::Values;
use crate::config::Config;
use crate::sys::signal::Signal;

/// What can wake the main thread before its time.
pub(super) enum Event {
    Signal(Signal),
    News(News),
    /// The poster has nothing more to do.
    Ended(Outcome),
}

/// What the poster is told.
pub(super) enum Order {
    /// Post these values, measured at this time.
    Round(Unix, Values),
    /// Send the host's description.
    Describe,
    /// Speak to the API like this from now on, and go by this configuration otherwise.
    Configure(Api, Box<Config>),
    /// Say [`News::Alive`].
    Answer,
    /// Deliver what waits until then, and end.
    Stop(Moment),
}

/// What the poster tells of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum News {
    /// It has been asked to say so.
    Alive,
    /// The server knows this host.
    Registered { id: String, name: String },
    /// It cannot register, or post, and this is why.
    Failing(String),
    /// It can again.
    Working,
}

/// How the poster ended.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// Nothing is left to be delivered.
    Delivered,
    /// So many values are, and the time is up.
    Undelivered(usize),
    /// The server refuses this host; the text says why and what to do.
    Refused(String),
}
