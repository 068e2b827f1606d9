//! What plugins yield for the server.

use std::sync::Arc;

use crate::base::clock::Stamp;
use crate::base::values::Values;
use crate::parse::plugin::meta::Graph;
use crate::wire::check::Report;

/// One thing to send. A host other than this one is named by its custom identifier.
pub(crate) enum Output {
    /// The values of one time.
    Round(Stamp, Option<Arc<str>>, Values),
    /// What a check has found, to be reported at once if it is urgent.
    Report {
        destination: Option<String>,
        report: Report,
        is_urgent: bool,
    },
    /// A namespace, and the document that it holds now.
    Metadata(String, String),
    /// The graph definitions of one plugin.
    Graphs(Vec<Graph>),
}
