//! The [`Config`], the types of its values, and the walk through the text of a file. The keys are in
//! the table of `settings`.

pub(crate) mod apibase;
mod characters;
pub(crate) mod container;
#[cfg(test)]
pub(crate) mod damage;
pub(crate) mod duration;
pub(crate) mod findings;
mod flags;
pub(crate) mod item;
pub(crate) mod key;
mod opening;
pub(crate) mod outputs;
mod spoolfile;
pub(crate) mod syntax;
pub(crate) mod unread;
pub(crate) mod walk;

use crate::base::name_map::NameMap;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use crate::base::host_paths::HostPaths;
use crate::base::pattern::Pattern;

pub(crate) use characters::doubt_key;
pub(crate) use container::{Container, IdStore, Readiness, Scope};
pub(crate) use findings::{ConfigError, Findings, Level, Warning};
pub(crate) use flags::{Flags, Job, PluginSetup, Setup};
pub(crate) use opening::opening;
pub(crate) use outputs::{Families, Listen, Organization, Otlp, OtlpProtocol, Place, Placed};
pub(crate) use spoolfile::SpoolFile;
pub(crate) use unread::UnknownKey;

/// The default path of the configuration file.
pub(crate) const CONFFILE: &str = "/etc/mackerel-agent/mackerel-agent.conf";
/// The default address of the API.
pub(crate) const APIBASE: &str = "https://api.mackerelio.com";
/// The default directory of the agent's state.
pub(crate) const ROOT: &str = "/var/lib/mackerel-agent";
/// The default path of the pid file.
pub(crate) const PIDFILE: &str = "/var/run/mackerel-agent.pid";

/// The configuration of the agent. Each field has its row in `settings/table.rs`. All defaults are
/// already applied: an `Option` that is `None` means that nothing is done.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Scheme, user information, host and port of the API, without a trailing slash.
    pub(crate) apibase: String,
    /// As written in the file; empty if the file has none.
    pub(crate) apikey: Secret,
    /// The file that holds the API key in place of `apikey`.
    pub(crate) apikey_file: Option<NamedFile>,
    /// Certificates, in PEM, to trust besides those built in.
    pub(crate) ca_file: Option<NamedFile>,
    /// Directory of the agent's state, which includes the file `id`.
    pub(crate) root: PathBuf,
    /// Empty if no pid file is written.
    pub(crate) pidfile: PathBuf,
    /// Where the monitored host's directories are mounted, if not at this process's own paths.
    pub(crate) host: HostPaths,
    /// Each `Service:role`; `Config::overlay` checks them.
    pub(crate) roles: Vec<String>,
    pub(crate) verbose: bool,
    pub(crate) silent: bool,
    /// Whether the agent reports its own memory and CPU.
    pub(crate) diagnostic: bool,
    pub(crate) display_name: Option<String>,
    /// The memo of this host on Mackerel.
    pub(crate) memo: Option<String>,
    /// Where the id of this host is kept.
    pub(crate) host_id_store: IdStore,
    /// The text by which this host is found when its id is lost; `auto`: that of its pod, task or
    /// container.
    pub(crate) custom_identifier: Option<String>,
    /// Whether the host is retired when the agent is stopped by TERM or INT.
    pub(crate) auto_retirement: bool,
    /// Whether `mackerel-agent health` is answered.
    pub(crate) health: bool,
    /// Which containers are measured.
    pub(crate) container: Container,
    /// What has to be ready before the host is registered.
    pub(crate) readiness: Readiness,
    /// Whether every request opens a new connection.
    pub(crate) disable_http_keep_alive: bool,
    /// As written in the file; `direct` is not an address.
    pub(crate) http_proxy: Option<String>,
    /// As written in the file; `direct` is not an address.
    pub(crate) https_proxy: Option<String>,
    pub(crate) cloud_platform: CloudPlatform,
    /// The files to be read after this one.
    pub(crate) include: Option<Include>,
    /// The statuses that are sent when the agent starts and stops.
    pub(crate) host_status: HostStatus,
    pub(crate) filesystems: Filesystems,
    /// Matched against the device's name in the metric.
    pub(crate) disks_ignore: Option<Pattern>,
    /// Matched against the interface's name in the metric.
    pub(crate) interfaces_ignore: Option<Pattern>,
    pub(crate) spool: SpoolFile,
    /// Whether Mackerel's API is used. `settings/resolve.rs` sets it to false where there is no API
    /// key and another output.
    pub(crate) mackerel: bool,
    /// Destinations of metrics over OTLP.
    pub(crate) otlp: Vec<Otlp>,
    /// The organisations besides the one of `apikey`.
    pub(crate) organizations: Vec<Organization>,
    /// The name of the organisation that this configuration is for; `None`: the one of `apikey`.
    /// Not a setting: [`Config::for_organization`] sets it.
    pub(crate) organization: Option<String>,
    /// Where `/metrics` is served; `None`: nowhere.
    pub(crate) listen: Option<Placed<Listen>>,
    /// Host names that requests to the listener may contain, besides the host's own.
    pub(crate) listen_hosts: Vec<String>,
    /// The file that holds the bearer token for the listener.
    pub(crate) listen_token_file: Option<NamedFile>,
    /// Whether the agent ends when its program file has been replaced.
    pub(crate) autoshutdown: bool,
    pub(crate) metric_plugins: NameMap<MetricPlugin>,
    pub(crate) check_plugins: NameMap<CheckPlugin>,
    pub(crate) metadata_plugins: NameMap<MetadataPlugin>,
}

impl Default for Config {
    /// The default values of all settings.
    fn default() -> Config {
        Config {
            apibase: APIBASE.to_owned(),
            apikey: Secret::default(),
            apikey_file: None,
            ca_file: None,
            root: PathBuf::from(ROOT),
            pidfile: PathBuf::from(PIDFILE),
            host: HostPaths::default(),
            roles: Vec::new(),
            verbose: false,
            silent: false,
            diagnostic: false,
            display_name: None,
            memo: None,
            host_id_store: IdStore::default(),
            custom_identifier: None,
            auto_retirement: false,
            health: true,
            container: Container::default(),
            readiness: Readiness::default(),
            disable_http_keep_alive: false,
            http_proxy: None,
            https_proxy: None,
            cloud_platform: CloudPlatform::default(),
            include: None,
            host_status: HostStatus::default(),
            filesystems: Filesystems::default(),
            disks_ignore: None,
            interfaces_ignore: None,
            spool: SpoolFile::default(),
            mackerel: true,
            otlp: Vec::new(),
            organizations: Vec::new(),
            organization: None,
            listen: None,
            listen_hosts: Vec::new(),
            listen_token_file: None,
            autoshutdown: false,
            metric_plugins: NameMap::new(),
            check_plugins: NameMap::new(),
            metadata_plugins: NameMap::new(),
        }
    }
}

impl Config {
    /// The default values, changed by `change`. (`..Config::default()` moves each field, which is
    /// more code.)
    pub(crate) fn default_but(change: impl FnOnce(&mut Config)) -> Config {
        let mut config = Config::default();
        change(&mut config);
        config
    }
}

/// A text that must not be shown. It has no `Display`, and its `Debug` does not contain it.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Secret(String);

impl Secret {
    /// The secret `text`.
    pub(crate) fn new(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A pattern of paths, and the line where it is configured.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Include {
    pub(crate) pattern: String,
    /// Counted from 1.
    pub(crate) line: usize,
}

/// The path of a file in the configuration, and the place where it is configured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct NamedFile {
    pub(crate) path: PathBuf,
    /// The configuration file or the environment variable that names it. The reader of the file
    /// sets it, and until then it is empty.
    pub(crate) by: PathBuf,
    /// Counted from 1; 0 for an environment variable.
    pub(crate) line: usize,
}

impl fmt::Display for NamedFile {
    /// Writes the place where the path is configured.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        outputs::show(&self.by, self.line, f)
    }
}

/// The cloud whose metadata service is queried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum CloudPlatform {
    /// The cloud that is detected on the host.
    #[default]
    Auto,
    None,
    Ec2,
    Gce,
    AzureVm,
}

/// The section `[host_status]`: each value is `working`, `standby`, `maintenance` or `poweroff`.
/// Another word gets a warning and is sent, because the server decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HostStatus {
    pub(crate) on_start: Option<String>,
    pub(crate) on_stop: Option<String>,
}

/// Which filesystems are reported, and under which name.
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
    /// The user that runs it; `None`: the agent's user.
    pub(crate) user: Option<String>,
    /// Variables that are added to the agent's environment. The last one of a name wins.
    pub(crate) env: Vec<(String, String)>,
    /// Time after which the command is terminated. A negative number in the file gives zero.
    pub(crate) timeout: Duration,
}

/// A table `[plugin.metrics.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetricPlugin {
    pub(crate) command: Command,
    /// Custom identifier of the host that the metrics belong to; `None`: this host.
    pub(crate) custom_identifier: Option<String>,
    /// Matched against a metric name without its prefix `custom.`.
    pub(crate) include_pattern: Option<Pattern>,
    /// Matched against a metric name without its prefix `custom.`.
    pub(crate) exclude_pattern: Option<Pattern>,
    pub(crate) use_plugin_timestamp: bool,
}

/// A table `[plugin.checks.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CheckPlugin {
    pub(crate) command: Command,
    /// Custom identifier of the host that the check belongs to; `None`: this host.
    pub(crate) custom_identifier: Option<String>,
    /// Time between two runs, within the bounds of the behaviour reference.
    pub(crate) check_interval: Duration,
    /// In minutes, as sent to the server; `None`: not sent.
    pub(crate) notification_interval: Option<u32>,
    /// As sent to the server; `None`: not sent.
    pub(crate) max_check_attempts: Option<u32>,
    pub(crate) prevent_alert_auto_close: bool,
    /// Command that is run after every check.
    pub(crate) action: Option<Command>,
    /// Cut to the length that the API accepts; empty if there is none.
    pub(crate) memo: String,
}

/// A table `[plugin.metadata.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MetadataPlugin {
    pub(crate) command: Command,
    pub(crate) execution_interval: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../packaging/mackerel-agent.conf");
    /// Container images replace this line by one that includes files.
    const MARK: &str = "# Configuration for Custom Metrics Plugins";

    fn read(text: &str) -> Config {
        let mut config = Config::default();
        let found = config.read(text.as_bytes());
        let found = found.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.unread.report(), []);
        assert_eq!(found.warnings, []);
        config
    }

    /// The sample with all settings that it shows uncommented.
    fn uncommented() -> String {
        let setting = |line: &&str| {
            let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
            line.starts_with('[') || (rest.starts_with("= ") && !key.contains('"'))
        };
        let lines = SAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(shown) if setting(&shown) => shown,
            _ => line,
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_sample_changes_nothing_as_it_is() {
        assert_eq!(
            format!("{:?}", read(SAMPLE)),
            format!("{:?}", Config::default())
        );
    }

    #[test]
    fn the_sample_shows_the_defaults() {
        let (shown, default) = (read(&uncommented()), Config::default());
        assert_eq!(shown.apibase, default.apibase);
        assert_eq!(shown.apikey, default.apikey);
        assert_eq!(shown.root, default.root);
        assert_eq!(shown.pidfile, default.pidfile);
        assert_eq!(shown.cloud_platform, default.cloud_platform);
        assert_eq!(shown.spool, default.spool);
        let switches = |c: &Config| {
            let sent = (
                c.diagnostic,
                c.disable_http_keep_alive,
                c.filesystems.use_mountpoint,
            );
            (c.verbose, c.silent, sent)
        };
        assert_eq!(switches(&shown), switches(&default));
        // Ensures that the examples are uncommented too. Otherwise the test would compare defaults.
        assert_eq!(shown.roles.len(), 2);
        assert_eq!(
            shown.http_proxy.as_deref(),
            Some("http://proxy.example:3128")
        );
        assert_eq!(
            shown.include.unwrap().pattern,
            "/etc/mackerel-agent/conf.d/*.conf"
        );
        assert!(shown.apikey_file.is_some() && shown.ca_file.is_some());
        assert!(shown.disks_ignore.unwrap().matches("sr0"));
        assert!(shown.interfaces_ignore.is_some() && shown.filesystems.ignore.is_some());
        assert_eq!(shown.host_status.on_stop.as_deref(), Some("poweroff"));
        assert_eq!(
            shown.metric_plugins["uptime"].command.timeout,
            Duration::from_secs(30)
        );
        assert_eq!(shown.check_plugins["ssh"].notification_interval, Some(60));
        let every = shown.metadata_plugins["release"].execution_interval;
        assert_eq!(every, Duration::from_secs(600));
    }

    #[test]
    fn the_sample_has_a_line_to_be_replaced_by_an_include() {
        for text in [SAMPLE.to_owned(), uncommented().replace("\ninclude", "\n#")] {
            assert_eq!(text.lines().filter(|line| *line == MARK).count(), 1);
            let config = read(&text.replace(MARK, "include = \"/here/*\""));
            assert_eq!(config.include.unwrap().pattern, "/here/*");
        }
    }

    #[test]
    fn a_secret_does_not_show() {
        let config = read("apikey = 'SECRET-KEY'");
        assert_eq!(&*config.apikey, "SECRET-KEY");
        assert!(!format!("{config:?}{:?}", config.apikey).contains("SECRET"));
    }
}
