//! The messages between the main thread, the poster's thread, the signal thread and the threads of
//! plugins.

use std::sync::Arc;

use crate::base::clock::{Moment, Stamp};
use crate::base::values::Values;
use crate::config::Config;
use crate::deliver::api::Api;
use crate::deliver::spool::Destination;
use crate::describe::Place;
use crate::parse::plugin::meta::Graph;
use crate::wire::check::Report;

/// The result of a cloud look-up, or why it had none.
pub(crate) type CloudAnswer = Result<Place, String>;

/// Commands to the poster.
pub(crate) enum PosterCommand {
    /// Post these values, which were measured at this time for this host.
    Round(Stamp, Destination, Arc<Values>),
    /// Send the report of a check that began at this time, at once if it is urgent.
    Report {
        destination: Option<String>,
        report: Report,
        began: Stamp,
        is_urgent: bool,
    },
    /// Send this document of this namespace, unless the server has it.
    Metadata(String, String),
    /// Define these graphs, all of one plugin.
    Graphs(Vec<Graph>),
    /// Begin the registration. Everything that has to be ready before it is ready.
    Begin,
    /// Send the host's description.
    Describe,
    /// Use this API and this configuration from now on.
    Configure(Api, Box<Config>),
    /// The cloud look-up has ended with this result.
    Placed(CloudAnswer),
    /// Answer with [`PosterEvent::Alive`].
    Answer,
    /// Deliver what waits until this time, and end.
    Stop(Moment),
}

/// Events from the poster.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum PosterEvent {
    /// The answer to [`PosterCommand::Answer`].
    Alive,
    /// The host is registered.
    Registered { id: String, name: String },
    /// Registration or posting fails, for this reason.
    Failing(String),
    /// It works again.
    Working,
    /// The time is known: the host started at this Unix time. Sent only if there are other
    /// destinations that need it.
    Trusted(u64),
    /// The server has accepted values again. Sent only if somebody may ask when.
    Posted,
}

/// How the poster ended.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing is left to be delivered.
    Delivered,
    /// This much is left, and the time is over.
    Undelivered { values: usize, reports: usize },
    /// The server refuses this host. The text gives the reason and the remedy.
    Refused(String),
}
