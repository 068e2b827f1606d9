//! Layer 1: the configuration file's text, turned into a [`Config`] that is complete, checked and
//! ready to use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::pattern::Pattern;

/// What the agent is to do. Nothing in it is a default still to be applied: an `Option` that is
/// `None` is a thing that is not to be done.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Scheme, user information, host and port of the API, without a trailing slash.
    pub(crate) apibase: String,
    /// Never logged. Empty if no source gave one.
    pub(crate) apikey: String,
    /// Directory of the agent's state, among it the file `id`.
    pub(crate) root: PathBuf,
    pub(crate) pidfile: PathBuf,
    /// `Service:role`, checked.
    pub(crate) roles: Vec<String>,
    pub(crate) verbose: bool,
    pub(crate) silent: bool,
    /// Whether the agent reports its own memory and CPU.
    pub(crate) diagnostic: bool,
    pub(crate) display_name: Option<String>,
    /// Whether every request opens a connection of its own.
    pub(crate) disable_http_keep_alive: bool,
    /// As written in the file; `direct` is not an address.
    pub(crate) http_proxy: Option<String>,
    /// As written in the file; `direct` is not an address.
    pub(crate) https_proxy: Option<String>,
    pub(crate) cloud_platform: CloudPlatform,
    /// Status that the host is given when the agent starts and stops.
    pub(crate) host_status: HostStatus,
    pub(crate) filesystems: Filesystems,
    /// Matched against the device's name as a metric segment.
    pub(crate) disks_ignore: Option<Pattern>,
    /// Matched against the interface's name as a metric segment.
    pub(crate) interfaces_ignore: Option<Pattern>,
    pub(crate) metric_plugins: BTreeMap<String, MetricPlugin>,
    pub(crate) check_plugins: BTreeMap<String, CheckPlugin>,
    pub(crate) metadata_plugins: BTreeMap<String, MetadataPlugin>,
}

/// Which cloud's metadata service is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum CloudPlatform {
    /// The one that the host seems to be in.
    #[default]
    Auto,
    None,
    Ec2,
    Gce,
    AzureVm,
}

/// `working`, `standby`, `maintenance` or `poweroff`; the server checks the word.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostStatus {
    pub(crate) on_start: Option<String>,
    pub(crate) on_stop: Option<String>,
}

/// Which filesystems are reported, under which name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filesystems {
    /// Matched against the whole device name, e.g. `/dev/sda1`.
    pub(crate) ignore: Option<Pattern>,
    /// Whether metrics of filesystems and disks are named after the mount point.
    pub(crate) use_mountpoint: bool,
}

/// A command of the configuration and how it is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Command {
    /// Program and arguments; `sh -c TEXT` for a command given as one string.
    pub(crate) argv: Vec<String>,
    /// Whom it runs as, if not as the agent.
    pub(crate) user: Option<String>,
    /// Added to the agent's environment; later wins.
    pub(crate) env: Vec<(String, String)>,
    /// Time until it is ended. A negative number in the file is zero here.
    pub(crate) timeout: Duration,
}

/// `[plugin.metrics.NAME]`
#[derive(Clone, Debug)]
pub(crate) struct MetricPlugin {
    pub(crate) command: Command,
    /// The host whose metrics these are, if not this one.
    pub(crate) custom_identifier: Option<String>,
    /// Matched against a key without its `custom.` prefix.
    pub(crate) include_pattern: Option<Pattern>,
    /// Matched against a key without its `custom.` prefix.
    pub(crate) exclude_pattern: Option<Pattern>,
    pub(crate) use_plugin_timestamp: bool,
}

/// `[plugin.checks.NAME]`
#[derive(Clone, Debug)]
pub(crate) struct CheckPlugin {
    pub(crate) command: Command,
    /// The host whose check this is, if not this one.
    pub(crate) custom_identifier: Option<String>,
    /// Between two runs; within the bounds that the behaviour reference gives.
    pub(crate) check_interval: Duration,
    /// Minutes, as it is sent; `None` is not sent.
    pub(crate) notification_interval: Option<u32>,
    /// As it is sent; `None` is not sent.
    pub(crate) max_check_attempts: Option<u32>,
    pub(crate) prevent_alert_auto_close: bool,
    /// Run after every check.
    pub(crate) action: Option<Command>,
    /// Cut to what the API takes; empty if there is none.
    pub(crate) memo: String,
}

/// `[plugin.metadata.NAME]`
#[derive(Clone, Debug)]
pub(crate) struct MetadataPlugin {
    pub(crate) command: Command,
    pub(crate) execution_interval: Duration,
}
