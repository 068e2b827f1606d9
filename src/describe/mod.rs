//! The description of the host, one file per part.
//!
//! Files are read below a [`Root`]; system calls are made through [`Calls`]. No command is run.

mod block;
pub(crate) mod cloud;
mod cpu;
pub(crate) mod describer;
mod filesystem;
mod interface;
mod kernel;
mod links;
mod memory;

use std::error::Error;
use std::{fmt, io};

use crate::base::{self, Failures};
use crate::config::Config;
use crate::parse::ParseError;
use crate::sys::fsstat::FsStats;
use crate::sys::netif::Link;
use crate::sys::root::{FileError, Root};
use crate::sys::uname::Uname;
use crate::wire::host::{Check, Cloud, HostParam, Meta};

/// System calls for the description. Each is made at most once per description.
pub(crate) struct Calls {
    pub(crate) uname: Call<Uname>,
    /// Used if the host's network namespace is that of this process.
    pub(crate) links: Call<Vec<Link>>,
    pub(crate) stats: FsStats,
}

/// A system call.
pub(crate) type Call<T> = Box<dyn Fn() -> io::Result<T> + Send>;

/// Identification of the agent.
pub(crate) struct Agent<'a> {
    /// As in the User-Agent header.
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    /// The commit from which it was built.
    pub(crate) revision: &'a str,
}

/// The cloud in which the host runs, if it is a supported one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) cloud: Option<Cloud>,
    /// `Some("")` counts as `None`.
    pub(crate) custom_identifier: Option<String>,
}

/// Describes the host at the time of the call.
///
/// Fails if the host name or the interfaces cannot be determined. Any other part that fails is left
/// out and added to `failures`.
pub(crate) fn host(
    root: &Root,
    calls: &mut Calls,
    config: &Config,
    agent: &Agent<'_>,
    place: Place,
    failures: &mut Failures,
) -> Result<HostParam, DescribeError> {
    let uname = (calls.uname)().map_err(DescribeError::Name)?;
    let links = if root.is_elsewhere() {
        let links = links::links(root, failures);
        part("interfaces", links, failures).unwrap_or_default()
    } else {
        (calls.links)().map_err(DescribeError::Interfaces)?
    };
    let cpus = cpu::cpus(root, failures);
    let filesystems = filesystem::filesystems(root, &mut calls.stats, failures);
    let meta = Meta {
        agent_revision: agent.revision.to_owned(),
        agent_version: agent.version.to_owned(),
        agent_name: agent.name.to_owned(),
        kernel: Some(kernel::kernel(root, &uname, failures)),
        cpu: part("cpu", cpus, failures).filter(|cpus| !cpus.is_empty()),
        memory: part("memory", memory::memory(root), failures)
            .filter(|memory| !memory.0.is_empty()),
        block_device: part("block_device", block::devices(root), failures)
            .filter(|all| !all.is_empty()),
        filesystem: part("filesystem", filesystems, failures).filter(|all| !all.is_empty()),
        cloud: place.cloud,
    };
    let is_given = |text: &String| !text.is_empty();
    Ok(HostParam {
        name: uname.nodename,
        display_name: config.display_name.clone().filter(is_given),
        memo: config.memo.clone(),
        meta,
        interfaces: Some(interface::interfaces(links)).filter(|all| !all.is_empty()),
        role_fullnames: config.roles.clone(),
        checks: checks(config),
        custom_identifier: config
            .custom_identifier
            .clone()
            .or(place.custom_identifier)
            .filter(is_given),
    })
}

/// The checks of this host, without those that report for another host.
fn checks(config: &Config) -> Vec<Check> {
    let all = config.check_plugins.iter();
    let own = all.filter(|(_, plugin)| plugin.custom_identifier.is_none());
    own.map(|(name, plugin)| Check {
        name: name.clone(),
        memo: plugin.memo.clone(),
    })
    .collect()
}

/// One part of the description; `None` if it failed.
fn part<T>(
    name: &'static str,
    part: Result<T, DescribeError>,
    failures: &mut Failures,
) -> Option<T> {
    part.map_err(|error| failures.push((name, base::report(&error))))
        .ok()
}

/// Reasons why the host, or a part of it, could not be described.
#[derive(Debug)]
pub(crate) enum DescribeError {
    /// The system call for the host's name failed.
    Name(io::Error),
    /// The interfaces could not be listed.
    Interfaces(io::Error),
    /// A file could not be read.
    Read(FileError),
    /// A file does not have the documented format.
    Format(ParseError),
}

impl fmt::Display for DescribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DescribeError::Name(_) => "cannot find out the host name",
            DescribeError::Interfaces(_) => "cannot list the network interfaces",
            DescribeError::Read(_) => "cannot read",
            DescribeError::Format(_) => "cannot understand",
        })
    }
}

impl Error for DescribeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DescribeError::Name(error) | DescribeError::Interfaces(error) => Some(error),
            DescribeError::Read(error) => Some(error),
            DescribeError::Format(error) => Some(error),
        }
    }
}

impl From<FileError> for DescribeError {
    fn from(error: FileError) -> DescribeError {
        DescribeError::Read(error)
    }
}

impl From<ParseError> for DescribeError {
    fn from(error: ParseError) -> DescribeError {
        DescribeError::Format(error)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;
    use crate::config::{CheckPlugin, Command};
    use crate::sys::fsstat::Usage;

    const PI_4: &str = "tests/fixtures/pi-4/t0";
    const AGENT: Agent<'_> = Agent {
        name: "mackerel-agent/0.1.0 (Revision 2f531c6)",
        version: "0.1.0",
        revision: "2f531c6",
    };

    fn uname() -> io::Result<Uname> {
        Ok(Uname {
            sysname: "Linux".to_owned(),
            nodename: "kitchen".to_owned(),
            release: "6.12.25+rpt-rpi-v8".to_owned(),
            version: "#1 SMP PREEMPT Debian 1:6.12.25-1+rpt1 (2025-04-30)".to_owned(),
            machine: "aarch64".to_owned(),
            domainname: String::new(),
        })
    }

    fn links() -> io::Result<Vec<Link>> {
        let link = |name: &str, mac: &[u8], ip: [u8; 4]| Link {
            name: name.to_owned(),
            mac: mac.to_vec(),
            ipv4: vec![Ipv4Addr::from(ip)],
            ipv6: Vec::new(),
        };
        Ok(vec![
            link("lo", &[0; 6], [127, 0, 0, 1]),
            link("eth0", &[2, 0, 0, 0, 0, 1], [192, 0, 2, 10]),
        ])
    }

    fn calls() -> Calls {
        let usage = || Usage::new(1024, 30_000_000, 27_000_000, 26_000_000);
        Calls {
            uname: Box::new(uname),
            links: Box::new(links),
            stats: FsStats::answering(move |_| Ok(usage())),
        }
    }

    fn config(
        roles: &[&str],
        display_name: Option<&str>,
        checks: &[(&str, Option<&str>)],
    ) -> Config {
        let plugin = |identifier: Option<&str>| CheckPlugin {
            command: Command {
                argv: vec!["true".to_owned()],
                user: None,
                env: Vec::new(),
                timeout: Duration::from_secs(30),
            },
            custom_identifier: identifier.map(str::to_owned),
            check_interval: Duration::from_secs(60),
            notification_interval: None,
            max_check_attempts: None,
            prevent_alert_auto_close: false,
            action: None,
            memo: "ask the cook".to_owned(),
        };
        let checks = checks.iter();
        let checks = checks.map(|(name, identifier)| ((*name).to_owned(), plugin(*identifier)));
        Config {
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            display_name: display_name.map(str::to_owned),
            check_plugins: checks.collect(),
            ..Config::default()
        }
    }

    #[test]
    fn describes_a_whole_host() {
        let checks = [("oven", None), ("elsewhere", Some("other.example"))];
        let config = config(&["Home:kitchen"], Some("Kitchen Pi"), &checks);
        let mut failures = Failures::new();
        let host = host(
            &Root::at(PI_4),
            &mut calls(),
            &config,
            &AGENT,
            Place::default(),
            &mut failures,
        )
        .unwrap();
        assert_eq!(failures, []);
        let golden = include_str!("../../tests/golden/host-pi-4.json");
        let json = serde_json::to_string_pretty(&host).unwrap();
        assert_eq!(json, golden.trim_end());
    }

    #[test]
    fn parts_that_fail_are_left_out() {
        let mut calls = Calls {
            links: Box::new(|| Ok(Vec::new())),
            ..calls()
        };
        let place = Place {
            cloud: None,
            custom_identifier: Some(String::new()),
        };
        let config = config(&[], Some(""), &[]);
        let mut failures = Failures::new();
        let root = Root::at("/nowhere");
        let host = host(&root, &mut calls, &config, &AGENT, place, &mut failures).unwrap();
        let names: Vec<_> = failures.iter().map(|(part, _)| *part).collect();
        assert_eq!(names, ["cpu", "memory", "filesystem"]);
        let golden = include_str!("../../tests/golden/host-nothing-found-out.json");
        let json = serde_json::to_string_pretty(&host).unwrap();
        assert_eq!(json, golden.trim_end());
    }

    #[test]
    fn description_fails_without_a_name_or_interfaces() {
        let nameless = Calls {
            uname: Box::new(|| Err(io::ErrorKind::Unsupported.into())),
            ..calls()
        };
        let linkless = Calls {
            links: Box::new(|| Err(io::ErrorKind::PermissionDenied.into())),
            ..calls()
        };
        let table = [
            (nameless, "cannot find out the host name: unsupported"),
            (
                linkless,
                "cannot list the network interfaces: permission denied",
            ),
        ];
        for (mut calls, expected) in table {
            let config = config(&[], None, &[]);
            let root = Root::at(PI_4);
            let (place, failures) = (Place::default(), &mut Failures::new());
            let error = host(&root, &mut calls, &config, &AGENT, place, failures).unwrap_err();
            assert_eq!(base::report(&error), expected);
        }
    }
}
