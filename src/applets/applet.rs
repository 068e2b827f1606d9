//! What an applet consists of.

use super::arguments::Arguments;
use super::finding::{Failure, Finding};
use super::host::Host;
use super::values::Values;
use crate::base::packed::unpack;

/// A built-in check or metric plugin.
pub(crate) struct Applet {
    /// The name of the official plugin, e.g. `check-disk`.
    pub(crate) name: &'static str,
    /// What it does, on the first line, and its flags (see [`Arguments`]); packed.
    pub(super) help: &'static [u8],
    pub(super) work: Work,
}

/// What an applet does.
pub(super) enum Work {
    /// A check: the word before the status in its output, and the check itself.
    Check(
        &'static str,
        fn(&Arguments, &Host<'_>) -> Result<Finding, Failure>,
    ),
    /// A metric plugin.
    Plugin(&'static Plugin),
}

/// A metric plugin.
pub(super) struct Plugin {
    pub(super) graphs: Graphs,
    /// Adds what it measures to the values.
    pub(super) measure: fn(&Arguments, &Host<'_>, &mut Values) -> Result<(), Failure>,
}

/// The graph definitions of a metric plugin, as JSON.
///
/// In it, `$` stands for the prefix of the metrics, and `&` for the prefix as a label, with a capital
/// first letter. The prefix is the value of the flag `metric-key-prefix`.
pub(super) enum Graphs {
    /// The same on every host; packed.
    Fixed(&'static [u8]),
    /// Made of the flags and the host.
    Made(fn(&Arguments, &Host<'_>) -> Result<String, Failure>),
}

impl Applet {
    /// The first line of the help: what the applet does.
    pub(crate) fn about(&self) -> String {
        let mut text = unpack(self.help);
        text.truncate(text.find('\n').unwrap_or(text.len()));
        text
    }

    /// The text of the help. It is never freed: a process runs one applet.
    pub(super) fn help(&self) -> &'static str {
        unpack(self.help).leak()
    }
}
