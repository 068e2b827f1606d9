//! What the main thread, the one that posts, the one that takes signals and those of plugins tell
//! each other.

use crate::base::clock::{Moment, Stamp};
use crate::base::values::Values;
use crate::config::Config;
use crate::deliver::api::Api;
use crate::deliver::spool::Destination;
use crate::describe::Place;
use crate::parse::plugin::meta::Graph;
use crate::wire::check::Report;

/// What a look brought; the text says why it brought nothing.
pub(crate) type CloudAnswer = Result<Place, String>;

/// What the poster is told.
pub(crate) enum PosterCommand {
    /// Post these values, measured at this time, of the host that they belong to.
    Round(Stamp, Destination, Values),
    /// Report what a check has found, at once if it is urgent.
    Report {
        destination: Option<String>,
        report: Report,
        is_urgent: bool,
    },
    /// Send the document that this namespace holds now, unless the server has it.
    Metadata(String, String),
    /// Define these graphs, all of one plugin.
    Graphs(Vec<Graph>),
    /// What the host waits for before it is registered is there.
    Begin,
    /// Send the host's description.
    Describe,
    /// Speak to the API like this from now on, and go by this configuration otherwise.
    Configure(Api, Box<Config>),
    /// This is where the host runs.
    Placed(CloudAnswer),
    /// Say [`PosterEvent::Alive`].
    Answer,
    /// Deliver what waits until then, and end.
    Stop(Moment),
}

/// What the poster tells of itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PosterEvent {
    /// It has been asked to say so.
    Alive,
    /// The server knows this host.
    Registered { id: String, name: String },
    /// It cannot register, or post, and this is why.
    Failing(String),
    /// It can again.
    Working,
    /// The server has taken values once more: told where somebody may ask.
    Posted,
}

/// How the poster ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing is left to be delivered.
    Delivered,
    /// So much is, and the time is up.
    Undelivered { values: usize, reports: usize },
    /// The server refuses this host; the text says why and what to do.
    Refused(String),
}
