//! The tags of log lines: the Go agent's names for the modules that write them.

use crate::sys::log::Tags;

/// The module path of a log line, and the Go agent's name for that module.
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
