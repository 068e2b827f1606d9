//! `hosts`: the description of a host, the API's answers about hosts, and a host's status. The
//! description is registered with POST /api/v0/hosts and updated with PUT /api/v0/hosts/ID.

use serde::{Serialize, Serializer};

use crate::base::json::{Json, JsonError};
use crate::base::name_map::NameMap;
use crate::base::text::is_host_id;

/// The body of POST hosts and of PUT hosts/ID.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HostParam {
    /// The host name.
    pub(crate) name: String,
    /// The name shown instead of it. PUT without it leaves the server's unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) display_name: Option<String>,
    /// A note about the host. PUT without it leaves the server's unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memo: Option<String>,
    pub(crate) meta: Meta,
    /// `None` is sent as `null`.
    pub(crate) interfaces: Option<Vec<Interface>>,
    /// `Service:role`. PUT adds these and removes none.
    pub(crate) role_fullnames: Vec<String>,
    /// Every check of this host. The server deletes the monitors of checks that are missing here.
    pub(crate) checks: Vec<Check>,
    /// Unique in the organisation. PUT without it clears the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) custom_identifier: Option<String>,
}

/// Properties of the host. A part is `None` if it is empty or could not be read.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Meta {
    /// The commit that the agent was built from.
    #[serde(rename = "agent-revision")]
    pub(crate) agent_revision: String,
    #[serde(rename = "agent-version")]
    pub(crate) agent_version: String,
    /// The same as in the header User-Agent.
    #[serde(rename = "agent-name")]
    pub(crate) agent_name: String,
    /// Attributes by device, e.g. `sda`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) block_device: Option<NameMap<Attributes>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cpu: Option<Vec<Cpu>>,
    /// By device, e.g. `/dev/sda1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filesystem: Option<NameMap<Filesystem>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kernel: Option<Kernel>,
    /// Amounts with their unit, e.g. `3884416kB`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cloud: Option<Cloud>,
}

/// An object of texts, in the order in which they were found; no name occurs twice. A map would
/// take thousands of bytes of code more.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Attributes(pub(crate) Vec<(&'static str, String)>);

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, text)| (name, text)))
    }
}

/// One logical CPU. The API requires text throughout. What is unknown is empty.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Cpu {
    /// e.g. `1024 KB`
    pub(crate) cache_size: String,
    pub(crate) core_id: String,
    /// Always `1`: each logical CPU is an entry of its own.
    pub(crate) cores: &'static str,
    pub(crate) family: String,
    /// Clock frequency in MHz; the highest one if the kernel reports it.
    pub(crate) mhz: String,
    pub(crate) model: String,
    pub(crate) model_name: String,
    pub(crate) physical_id: String,
    pub(crate) stepping: String,
    pub(crate) vendor_id: String,
}

/// Size and use of one filesystem, in KiB.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Filesystem {
    pub(crate) kb_size: u64,
    pub(crate) kb_used: u64,
    pub(crate) kb_available: u64,
    /// e.g. `91%`
    pub(crate) percent_used: String,
    /// The mount point.
    pub(crate) mount: String,
}

/// The kernel and the distribution.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Kernel {
    /// e.g. `x86_64`
    pub(crate) machine: String,
    /// `Linux`
    pub(crate) name: String,
    /// `GNU/Linux`
    pub(crate) os: String,
    /// e.g. `Debian`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) platform_name: String,
    /// e.g. `12.11`
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) platform_version: String,
    /// e.g. `6.1.0-37-amd64`
    pub(crate) release: String,
    /// e.g. `#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)`
    pub(crate) version: String,
}

/// What the cloud's metadata service returns.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Cloud {
    /// `ec2`, `gce` or `AzureVM`
    pub(crate) provider: &'static str,
    pub(crate) metadata: Attributes,
}

/// A network interface and its addresses.
#[derive(Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Interface {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ipv4_addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) ipv6_addresses: Vec<String>,
    /// Hexadecimal bytes with colons between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mac_address: Option<String>,
}

/// A check whose reports come from this host.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) memo: String,
}

/// A host as the server returns it, reduced to what the agent uses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Host {
    pub(crate) id: String,
    pub(crate) name: String,
    /// `working`, `standby`, `maintenance` or `poweroff`
    pub(crate) status: String,
    pub(crate) custom_identifier: Option<String>,
    /// Unix time; 0 if the server does not return it.
    pub(crate) created_at: u64,
}

/// The permanent id of a host, from the answer to POST hosts.
pub(crate) fn created(answer: &Json) -> Result<String, JsonError> {
    id(answer)
}

/// The host in the answer to GET hosts/ID.
pub(crate) fn got(answer: &Json) -> Result<Host, JsonError> {
    Host::read(answer.member("host").ok_or(NO_HOST)?)
}

/// The hosts in the answer to GET hosts?customIdentifier=…; empty if there is none.
pub(crate) fn found(answer: &Json) -> Result<Vec<Host>, JsonError> {
    match answer.member("hosts") {
        Some(Json::List(hosts)) => {
            let mut all = Vec::new();
            for host in hosts {
                all.push(Host::read(host)?);
            }
            Ok(all)
        }
        _ => Err(NO_HOST),
    }
}

const NO_ID: JsonError = JsonError::Lacking("there is no host's id in it");
const BAD_ID: JsonError =
    JsonError::Lacking("the host's id in it is not 1 to 64 of A-Z, a-z, 0-9, - and _");
const NO_HOST: JsonError = JsonError::Lacking("there is no host in it");
const NO_TEXT: JsonError = JsonError::Lacking("what should be a text in it is none");

impl Host {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is out of range becomes the nearest second"
    )]
    fn read(host: &Json) -> Result<Host, JsonError> {
        Ok(Host {
            id: id(host)?,
            name: text(host, "name")?.unwrap_or_default(),
            status: text(host, "status")?.unwrap_or_default(),
            custom_identifier: text(host, "customIdentifier")?,
            created_at: match host.member("createdAt") {
                Some(Json::Number(seconds)) => *seconds as u64,
                _ => 0,
            },
        })
    }
}

/// The id in an object. It is validated because it becomes part of paths and log lines.
fn id(object: &Json) -> Result<String, JsonError> {
    let id = text(object, "id")?.ok_or(NO_ID)?;
    if is_host_id(&id) { Ok(id) } else { Err(BAD_ID) }
}

fn text(object: &Json, name: &str) -> Result<Option<String>, JsonError> {
    match object.member(name) {
        None => Ok(None),
        Some(Json::Text(text)) => Ok(Some(text.clone())),
        Some(_) => Err(NO_TEXT),
    }
}

/// The body of POST hosts/ID/status.
#[derive(Debug, Serialize)]
pub(crate) struct HostStatus<'a> {
    /// `working`, `standby`, `maintenance` or `poweroff`
    pub(crate) status: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare() -> HostParam {
        let kernel = Kernel {
            machine: "x86_64".into(),
            name: "Linux".into(),
            os: "GNU/Linux".into(),
            platform_name: String::new(),
            platform_version: String::new(),
            release: "6.1.0-37-amd64".into(),
            version: "#1 SMP Debian 6.1.140-1 (2025-05-22)".into(),
        };
        HostParam {
            name: "(none)".into(),
            display_name: None,
            memo: None,
            meta: Meta {
                agent_revision: "2f531c6".into(),
                agent_version: "0.4.2".into(),
                agent_name: "mackerel-agent/0.4.2 (Revision 2f531c6)".into(),
                kernel: Some(kernel),
                ..Meta::default()
            },
            interfaces: None,
            role_fullnames: Vec::new(),
            checks: Vec::new(),
            custom_identifier: None,
        }
    }

    fn full() -> HostParam {
        let mut bare = bare();
        if let Some(kernel) = &mut bare.meta.kernel {
            kernel.platform_name = "Debian".into();
            kernel.platform_version = "12.11".into();
        }
        let cpu = Cpu {
            cache_size: "1024 KB".into(),
            core_id: "0".into(),
            cores: "1",
            family: "25".into(),
            mhz: "2596.118".into(),
            model: "17".into(),
            model_name: "AMD EPYC".into(),
            physical_id: "0".into(),
            stepping: "1".into(),
            vendor_id: "AuthenticAMD".into(),
        };
        let filesystem = Filesystem {
            kb_size: 19_734_388,
            kb_used: 16_868_164,
            kb_available: 1_863_772,
            percent_used: "91%".into(),
            mount: "/".into(),
        };
        let sda = [("size", "41943040"), ("removable", "0"), ("vendor", "ATA")];
        let memory = [("total", "441748kB"), ("free", "180928kB")];
        let attributes = |of: &[(&'static str, &str)]| {
            Attributes(
                of.iter()
                    .map(|(name, text)| (*name, (*text).into()))
                    .collect(),
            )
        };
        let check = |name: &str, memo: &str| Check {
            name: name.into(),
            memo: memo.into(),
        };
        HostParam {
            name: "web1.example".into(),
            display_name: Some("Web 1".into()),
            memo: None,
            meta: Meta {
                block_device: Some(NameMap::from_iter([
                    ("sda".into(), attributes(&sda)),
                    ("loop0".into(), attributes(&[])),
                ])),
                cpu: Some(vec![cpu]),
                filesystem: Some(NameMap::from_iter([("/dev/sda1".into(), filesystem)])),
                memory: Some(attributes(&memory)),
                cloud: Some(Cloud {
                    provider: "ec2",
                    metadata: attributes(&[("instance-id", "i-4f90d537")]),
                }),
                ..bare.meta
            },
            interfaces: Some(vec![
                Interface {
                    name: "eth0".into(),
                    ipv4_addresses: vec!["192.0.2.10".into()],
                    ipv6_addresses: vec!["2001:db8::1".into(), "fe80::1".into()],
                    mac_address: Some("02:00:00:00:00:01".into()),
                },
                Interface {
                    name: "tun0".into(),
                    ipv4_addresses: vec!["198.51.100.1".into()],
                    ipv6_addresses: Vec::new(),
                    mac_address: None,
                },
            ]),
            role_fullnames: vec!["Blog:web".into(), "Blog:db".into()],
            checks: vec![check("ssh", "ask the network group"), check("ntp", "")],
            custom_identifier: Some("i-4f90d537.ec2.amazonaws.com".into()),
        }
    }

    #[test]
    fn looks_like_the_documented_request() {
        let table = [
            (full(), include_str!("../../tests/golden/host.json")),
            (bare(), include_str!("../../tests/golden/host-bare.json")),
        ];
        for (param, golden) in table {
            let json = serde_json::to_string_pretty(&param).unwrap();
            assert_eq!(json, golden.trim_end());
        }
        let status = HostStatus { status: "working" };
        let json = serde_json::to_string(&status).unwrap();
        assert_eq!(json, r#"{"status":"working"}"#);
    }

    #[test]
    fn reads_the_documented_answers() {
        let read = |text| Json::parse(text).unwrap();
        let id = created(&read(r#"{"id":"2uN4pXgCcWh"}"#)).unwrap();
        assert_eq!(id, "2uN4pXgCcWh");

        let answer = include_str!("../../tests/golden/host-answer.json");
        let host = got(&read(answer)).unwrap();
        assert_eq!(host.name, "web1.example");
        assert_eq!(host.status, "working");
        let identifier = host.custom_identifier.as_deref();
        assert_eq!(identifier, Some("i-4f90d537.ec2.amazonaws.com"));

        let answer = include_str!("../../tests/golden/hosts-answer.json");
        let hosts = found(&read(answer)).unwrap();
        let ids: Vec<&str> = hosts.iter().map(|host| host.id.as_str()).collect();
        assert_eq!(ids, ["2uN4pXgCcWh", "3aBcDeFgHiJ"]);
    }

    #[test]
    fn an_answer_without_the_host_s_id_is_none() {
        let odd = r#"{"id":"a\u001b[31m"}"#;
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(900_000));
        for answer in [
            "{}",
            r#"{"id":null}"#,
            r#"{"id":7}"#,
            "[]",
            "null",
            r#"{"id":""}"#,
            r#"{"id":"../x"}"#,
            r#"{"id":"a\nb"}"#,
            odd,
            &long,
        ] {
            let answer = Json::parse(answer).unwrap();
            assert!(created(&answer).is_err(), "{answer}");
            assert!(Host::read(&answer).is_err(), "{answer}");
            assert!(got(&answer).is_err() && found(&answer).is_err(), "{answer}");
        }
        let without = Json::parse(r#"{"hosts":[{"id":"a"},{}]}"#).unwrap();
        assert!(found(&without).is_err());
    }
}
