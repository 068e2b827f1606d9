//! Where readings go besides Mackerel's API: OTLP destinations, further organisations, and the
//! listener.

use std::fmt;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::name_map::NameMap;

use super::{Config, HostStatus, NamedFile, Secret};

/// The default time limit of one export.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The place where a value is configured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// The configuration file or the environment variable. The reader of the file sets it, and
    /// until then it is empty.
    pub(crate) by: PathBuf,
    /// Counted from 1; 0 for an environment variable.
    pub(crate) line: usize,
}

impl PartialEq for Place {
    /// Always true, so that a value that has only moved in its file counts as unchanged.
    fn eq(&self, _: &Place) -> bool {
        true
    }
}

/// Writes a place. `by` and `line` are those of [`Place`].
pub(super) fn show(by: &Path, line: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&by.display(), f)?;
    if line == 0 {
        return Ok(());
    }
    write!(f, ":{line}")
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(&self.by, self.line, f)
    }
}

/// A value, and the place where it is configured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A table `[[otlp]]`: a destination of metrics over OTLP.
#[derive(Clone, Debug)]
pub(crate) struct Otlp {
    /// `host:port` for gRPC, a URL with its path for HTTP.
    pub(crate) endpoint: String,
    pub(crate) protocol: OtlpProtocol,
    /// The names are in lower case, and each occurs once. `settings/resolve.rs` adds those of
    /// `headers_file`, and the API key for Mackerel's endpoint.
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) headers_file: Option<NamedFile>,
    /// Resource attributes, each key once. They replace the agent's own of the same key.
    pub(crate) resource: Vec<(String, String)>,
    /// Whether CPU time is sent for each CPU.
    pub(crate) per_cpu: bool,
    /// Whether gRPC is spoken without TLS. For HTTP the scheme of the URL says it.
    pub(crate) insecure: bool,
    /// Certificates, in PEM, to trust besides those built in.
    pub(crate) ca_file: Option<NamedFile>,
    /// The extra metrics.
    pub(crate) metrics: Families,
    /// Time limit of one export, 1 to 60 seconds.
    pub(crate) timeout: Duration,
    /// Whether the states of checks are sent.
    pub(crate) checks: bool,
    pub(crate) place: Place,
}

impl Default for Otlp {
    fn default() -> Otlp {
        Otlp {
            endpoint: String::new(),
            protocol: OtlpProtocol::default(),
            headers: Vec::new(),
            headers_file: None,
            resource: Vec::new(),
            per_cpu: false,
            insecure: false,
            ca_file: None,
            metrics: Families::default(),
            timeout: TIMEOUT,
            checks: false,
            place: Place::default(),
        }
    }
}

impl PartialEq for Otlp {
    /// Whether both describe the same exporter. Places do not count, and `headers_file` only by
    /// the headers that were read from it.
    fn eq(&self, other: &Otlp) -> bool {
        let Otlp {
            endpoint,
            protocol,
            headers,
            headers_file: _,
            resource,
            per_cpu,
            insecure,
            ca_file,
            metrics,
            timeout,
            checks,
            place: _,
        } = self;
        *endpoint == other.endpoint
            && *protocol == other.protocol
            && *headers == other.headers
            && *resource == other.resource
            && (*per_cpu, *insecure) == (other.per_cpu, other.insecure)
            && is_same_file(ca_file, &other.ca_file)
            && *metrics == other.metrics
            && *timeout == other.timeout
            && *checks == other.checks
    }
}

/// How OTLP is transported.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum OtlpProtocol {
    #[default]
    Grpc,
    /// `http/protobuf`.
    Http,
}

/// A set of the metrics that an OTLP destination receives only on request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Families(u16);

/// The names of all families, without `system.`, as messages list them. The position of a name is
/// its bit.
const FAMILIES: &str = "disk.io_time, disk.operation_time, disk.weighted_io_time, \
                        disk.pending_operations, disk.merged, network.packets, network.errors, \
                        network.dropped, filesystem.inodes, paging.faults, paging.operations";

#[allow(
    dead_code,
    reason = "only the renderer of OTLP asks for single families"
)]
impl Families {
    pub(crate) const DISK_IO_TIME: Families = Families(1);
    pub(crate) const DISK_OPERATION_TIME: Families = Families(1 << 1);
    pub(crate) const DISK_WEIGHTED_IO_TIME: Families = Families(1 << 2);
    pub(crate) const DISK_PENDING_OPERATIONS: Families = Families(1 << 3);
    pub(crate) const DISK_MERGED: Families = Families(1 << 4);
    pub(crate) const NETWORK_PACKETS: Families = Families(1 << 5);
    pub(crate) const NETWORK_ERRORS: Families = Families(1 << 6);
    pub(crate) const NETWORK_DROPPED: Families = Families(1 << 7);
    pub(crate) const FILESYSTEM_INODES: Families = Families(1 << 8);
    pub(crate) const PAGING_FAULTS: Families = Families(1 << 9);
    pub(crate) const PAGING_OPERATIONS: Families = Families(1 << 10);

    /// The family `name`, which may begin with `system.`. Fails with the list of names.
    pub(crate) fn named(name: &str) -> Result<Families, String> {
        let short = name.strip_prefix("system.").unwrap_or(name);
        match FAMILIES.split(", ").position(|family| family == short) {
            Some(at) => Ok(Families(1 << at)),
            None => Err(["unknown metric; write ", FAMILIES].concat()),
        }
    }

    /// Whether all families of `other` are in this set.
    pub(crate) fn contains(self, other: Families) -> bool {
        self.0 & other.0 == other.0
    }

    /// The families of both sets.
    pub(crate) fn with(self, other: Families) -> Families {
        Families(self.0 | other.0)
    }
}

/// A table `[[organization]]`: a further organisation of Mackerel that receives everything.
#[derive(Clone, Debug)]
pub(crate) struct Organization {
    /// 1 to 32 characters of a-z, 0-9, `-` and `_`. No other organisation has it.
    pub(crate) name: String,
    /// As written in the file; `settings/resolve.rs` replaces it by the key of `apikey_file`.
    pub(crate) apikey: Secret,
    pub(crate) apikey_file: Option<NamedFile>,
    /// `None`: that of the top of the file. The same applies to the other options.
    pub(crate) apibase: Option<String>,
    /// Each `Service:role` of this organisation. Those of the top of the file are not added.
    pub(crate) roles: Vec<String>,
    pub(crate) display_name: Option<String>,
    pub(crate) memo: Option<String>,
    pub(crate) host_status: HostStatus,
    /// Whether the reports of checks are sent.
    pub(crate) checks: bool,
    pub(crate) place: Place,
}

/// The optional texts of an organisation.
const TEXTS: [fn(&Organization) -> &Option<String>; 5] = [
    |o| &o.apibase,
    |o| &o.display_name,
    |o| &o.memo,
    |o| &o.host_status.on_start,
    |o| &o.host_status.on_stop,
];

impl PartialEq for Organization {
    /// Whether both describe the same poster. Places do not count, and `apikey_file` only by the
    /// key that was read from it.
    fn eq(&self, other: &Organization) -> bool {
        self.name == other.name
            && self.apikey == other.apikey
            && self.roles == other.roles
            && self.checks == other.checks
            && TEXTS.iter().all(|text| text(self) == text(other))
    }
}

impl Default for Organization {
    fn default() -> Organization {
        Organization {
            name: String::new(),
            apikey: Secret::default(),
            apikey_file: None,
            apibase: None,
            roles: Vec::new(),
            display_name: None,
            memo: None,
            host_status: HostStatus::default(),
            checks: true,
            place: Place::default(),
        }
    }
}

/// Where the listener accepts connections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Listen {
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

/// Stores `by`, unless another name is stored.
fn name(at: &mut PathBuf, by: &Path) {
    if at.as_os_str().is_empty() {
        by.clone_into(at);
    }
}

fn name_file(named: &mut Option<NamedFile>, by: &Path) {
    if let Some(named) = named {
        name(&mut named.by, by);
    }
}

/// Whether both settings name the same file, or none.
pub(crate) fn is_same_file(one: &Option<NamedFile>, other: &Option<NamedFile>) -> bool {
    let (one, other) = (path_of(one), path_of(other));
    one.map(Path::as_os_str) == other.map(Path::as_os_str)
}

/// The path of the file, if one is named.
pub(crate) fn path_of(named: &Option<NamedFile>) -> Option<&Path> {
    named.as_ref().map(|named| named.path.as_path())
}

impl Config {
    /// Names the file or variable `by` in all places that do not name one yet.
    pub(crate) fn name_places(&mut self, by: &Path) {
        name_file(&mut self.apikey_file, by);
        name_file(&mut self.ca_file, by);
        name_file(&mut self.listen_token_file, by);
        for otlp in &mut self.otlp {
            name(&mut otlp.place.by, by);
            name_file(&mut otlp.headers_file, by);
            name_file(&mut otlp.ca_file, by);
        }
        for organization in &mut self.organizations {
            name(&mut organization.place.by, by);
            name_file(&mut organization.apikey_file, by);
        }
        if let Some(listen) = &mut self.listen {
            name(&mut listen.place.by, by);
        }
    }

    /// The configuration of `organization`, for its poster: its own key, roles and server, and what
    /// else it sets in place of the settings at the top of the file.
    pub(crate) fn for_organization(&self, organization: &Organization) -> Config {
        let mut config = self.clone();
        // These are served once only.
        config.otlp = Vec::new();
        config.organizations = Vec::new();
        config.listen = None;
        config.mackerel = true;
        config.organization = Some(organization.name.clone());
        config.apikey = organization.apikey.clone();
        config.apikey_file = organization.apikey_file.clone();
        config.roles = organization.roles.clone();
        if !organization.checks {
            config.check_plugins = NameMap::new();
        }
        if let Some(apibase) = &organization.apibase {
            config.apibase.clone_from(apibase);
        }
        let status = &organization.host_status;
        for (own, top) in [
            (&organization.display_name, &mut config.display_name),
            (&organization.memo, &mut config.memo),
            (&status.on_start, &mut config.host_status.on_start),
            (&status.on_stop, &mut config.host_status.on_stop),
        ] {
            if own.is_some() {
                top.clone_from(own);
            }
        }
        config
    }

    /// The name of a file of the agent's state: `name`, or `name.ORGANIZATION` if this is the
    /// configuration of an organisation.
    #[allow(
        dead_code,
        reason = "only the posters of organisations have such files"
    )]
    pub(crate) fn state_name(&self, name: &str) -> String {
        match &self.organization {
            Some(organization) => [name, ".", organization].concat(),
            None => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_names_of_their_constants() {
        let table = [
            ("disk.io_time", Families::DISK_IO_TIME),
            ("disk.operation_time", Families::DISK_OPERATION_TIME),
            ("disk.weighted_io_time", Families::DISK_WEIGHTED_IO_TIME),
            ("disk.pending_operations", Families::DISK_PENDING_OPERATIONS),
            ("disk.merged", Families::DISK_MERGED),
            ("network.packets", Families::NETWORK_PACKETS),
            ("network.errors", Families::NETWORK_ERRORS),
            ("network.dropped", Families::NETWORK_DROPPED),
            ("filesystem.inodes", Families::FILESYSTEM_INODES),
            ("paging.faults", Families::PAGING_FAULTS),
            ("paging.operations", Families::PAGING_OPERATIONS),
        ];
        assert_eq!(table.len(), FAMILIES.split(", ").count());
        let mut all = Families::default();
        for (name, family) in table {
            assert_eq!(Families::named(name), Ok(family));
            assert_eq!(Families::named(&format!("system.{name}")), Ok(family));
            assert!(!all.contains(family), "{name}");
            all = all.with(family);
            assert!(all.contains(family), "{name}");
        }
        assert_eq!(
            Families::named("disk.iotime").unwrap_err(),
            "unknown metric; write disk.io_time, disk.operation_time, \
             disk.weighted_io_time, disk.pending_operations, disk.merged, network.packets, \
             network.errors, network.dropped, filesystem.inodes, paging.faults, paging.operations"
        );
    }
}
