//! Results of plugins that go to the server.

use std::sync::Arc;

use crate::base::clock::Stamp;
use crate::base::values::Values;
use crate::parse::plugin::meta::Graph;
use crate::wire::check::Report;

/// One result to send. A host other than this one is named by its custom identifier.
#[derive(Clone)]
pub(crate) enum Output {
    /// The values of one time.
    Round(Stamp, Option<Arc<str>>, Arc<Values>),
    /// The report of a check that began at this time. An urgent one is sent at once.
    Report {
        destination: Option<String>,
        report: Report,
        began: Stamp,
        is_urgent: bool,
    },
    /// A metadata namespace and its document.
    Metadata(String, String),
    /// The graph definitions of one plugin.
    Graphs(Vec<Graph>),
}
