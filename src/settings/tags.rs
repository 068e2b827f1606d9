//! The tags of log lines: the Go agent's names of the parts that write them.

use crate::sys::log::Tags;

/// The Go agent's names of the parts that write to the log.
pub(crate) const TAGS: Tags = &[
    ("collect", "metrics"),
    ("describe", "spec"),
    ("sys::fsstat", "util.filesystem"),
    ("sys::pidfile", "pidfile"),
    ("plugins::metrics", "metrics.plugin"),
    ("plugins::checks", "checks"),
    ("plugins::metadata", "metadata"),
    ("settings::resolve", "config"),
    ("supervise::supervisor", "supervisor"),
    ("deliver::poster", "command"),
    ("deliver::registration", "command"),
    ("sys::log_once", "command"),
    ("", "main"),
];
