//! Settings for containers: which containers are measured, where the host id is kept, and the
//! readiness probe.

use std::path::PathBuf;
use std::time::Duration;

use super::item::Item;
use crate::base::pattern::Pattern;
use crate::base::url::{Url, host_and_port};

/// The section `[container]`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) metrics: Scope,
    /// Name of the agent's own container; `None`: its host name.
    pub(crate) name: Option<String>,
    /// Containers with a matching name are not measured.
    pub(crate) ignore: Option<Pattern>,
    /// Whether throttling, out-of-memory kills and pressure are reported too.
    pub(crate) details: bool,
    /// Where the host's cgroups are mounted; `None`: where this process's own are.
    pub(crate) cgroup: Option<PathBuf>,
    /// UID of the pod of this process, if the kernel's files do not show it.
    pub(crate) pod_uid: Option<String>,
    /// Id of the ECS task of this process. Not a setting: `settings/resolve.rs` looks it up.
    pub(crate) task: Option<String>,
}

/// Which containers are measured.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Scope {
    #[default]
    None,
    /// The containers of this process's pod if they are visible, or else its own container.
    Auto,
    /// The container of this process.
    Own,
    /// The containers of this process's pod.
    Pod,
    /// All containers of the host.
    All,
}

impl Scope {
    /// Whether the container or the pod is monitored instead of the host.
    pub(crate) fn is_narrow(self) -> bool {
        matches!(self, Scope::Auto | Scope::Own | Scope::Pod)
    }
}

/// Where the id of this host is kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum IdStore {
    #[default]
    File,
    /// Only in the memory of this process.
    Memory,
}

/// The section `[readiness_probe]`: what has to be ready before the host is registered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Readiness {
    /// Program and arguments of a command that has to end with 0; empty if none is configured.
    pub(crate) exec: Vec<String>,
    /// A URL that has to answer with a status from 200 to 399.
    pub(crate) http: Option<String>,
    /// A host and a port that have to accept a connection.
    pub(crate) tcp: Option<String>,
    pub(crate) initial_delay: Duration,
    pub(crate) period: Duration,
    pub(crate) timeout: Duration,
}

impl Default for Readiness {
    fn default() -> Readiness {
        Readiness {
            exec: Vec::new(),
            http: None,
            tcp: None,
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
        }
    }
}

impl Readiness {
    /// Whether a command, a URL or a port is configured.
    pub(crate) fn is_given(&self) -> bool {
        !self.exec.is_empty() || self.http.is_some() || self.tcp.is_some()
    }
}

/// The scope of that name. An empty text is `none`.
pub(crate) fn scope(item: Item<'_>) -> Result<Scope, String> {
    Ok(match item.string()? {
        "" | "none" => Scope::None,
        "auto" => Scope::Auto,
        "own" => Scope::Own,
        "pod" => Scope::Pod,
        "all" => Scope::All,
        other => {
            return Err(format!(
                "no containers are called \"{other}\"; write none, auto, own, pod or all"
            ));
        }
    })
}

/// The store of that name for the host id. An empty text is `file`.
pub(crate) fn id_store(item: Item<'_>) -> Result<IdStore, String> {
    match item.string()? {
        "" | "file" => Ok(IdStore::File),
        "memory" => Ok(IdStore::Memory),
        other => Err(format!(
            "no id is kept in \"{other}\"; write file or memory"
        )),
    }
}

/// The URL of a readiness probe; `None` if `text` is empty. Fails if it is no `http` URL.
pub(crate) fn http(text: &str) -> Result<Option<String>, String> {
    match Url::parse(text) {
        _ if text.is_empty() => Ok(None),
        Ok(url) if url.scheme() == "http" => Ok(Some(text.to_owned())),
        _ => Err("not a URL that begins with http://; ask others by exec or tcp".to_owned()),
    }
}

/// `text`, which has to be a host and a port; `None` if it is empty.
pub(crate) fn tcp(text: &str) -> Result<Option<String>, String> {
    match host_and_port(text) {
        _ if text.is_empty() => Ok(None),
        Some((_, Some(_))) => Ok(Some(text.to_owned())),
        _ => Err("no host and port; write host:port".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn read(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        match config.read(text.as_bytes()) {
            Ok(_) => Ok(config),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn container_settings_are_stored() {
        let config = read(
            "memo = 'm'\nhost_id_store = 'memory'\ncustom_identifier = 'auto'\n\
             auto_retirement = true\nhealth = true\n[container]\nmetrics = 'pod'\nname = 'n'\n\
             ignore = '^x'\ndetails = true\npod_uid = 'u'\ncgroup = '/c'\n[readiness_probe]\nexec = ['a', 'b']\n\
             http = 'http://h:1/p'\ntcp = '[::1]:80'\ninitial_delay_seconds = 3\n\
             period_seconds = 4\ntimeout_seconds = 5\n",
        );
        let config = config.unwrap();
        assert_eq!(config.memo.as_deref(), Some("m"));
        assert_eq!(config.host_id_store, IdStore::Memory);
        assert_eq!(config.custom_identifier.as_deref(), Some("auto"));
        assert!(config.auto_retirement && config.health);
        let container = config.container;
        assert_eq!(container.metrics, Scope::Pod);
        assert_eq!(container.name.as_deref(), Some("n"));
        assert_eq!(container.pod_uid.as_deref(), Some("u"));
        assert!(container.details && container.ignore.unwrap().matches("xy"));
        assert_eq!(container.cgroup, Some(PathBuf::from("/c")));
        let readiness = config.readiness;
        assert!(readiness.is_given());
        assert_eq!(readiness.exec, ["a", "b"]);
        assert_eq!(readiness.http.as_deref(), Some("http://h:1/p"));
        assert_eq!(readiness.tcp.as_deref(), Some("[::1]:80"));
        let times = [readiness.initial_delay, readiness.period, readiness.timeout];
        assert_eq!(times, [3, 4, 5].map(Duration::from_secs));
    }

    #[test]
    fn container_settings_that_are_wrong_are_reported_with_a_remedy() {
        // (text, end of the message)
        let table = [
            (
                "container.metrics = 'some'",
                "write none, auto, own, pod or all",
            ),
            ("host_id_store = 'disk'", "write file or memory"),
            (
                "readiness_probe.http = 'https://h'",
                "ask others by exec or tcp",
            ),
            (
                "readiness_probe.http = 'http://'",
                "ask others by exec or tcp",
            ),
            ("readiness_probe.tcp = 'h'", "write host:port"),
            ("readiness_probe.tcp = '::1:80'", "write host:port"),
            (
                "readiness_probe.period_seconds = 0",
                "seconds from 1 to 3600",
            ),
            ("readiness_probe.exec = 1", "[\"program\", \"argument\"]"),
        ];
        for (text, expected) in table {
            let said = read(text).unwrap_err();
            assert!(said.ends_with(expected), "{text}: {said}");
        }
        assert!(
            !read("[readiness_probe]\nhttp = ''\ntcp = ''")
                .unwrap()
                .readiness
                .is_given()
        );
    }
}
