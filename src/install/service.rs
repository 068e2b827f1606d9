//! The service managers that are known: where their files lie, and how they are told.

use std::path::Path;

use crate::sys::tree::Tree;

/// The script of all but systemd.
const SCRIPT: &str = "/etc/init.d/mackerel-agent";
const UNIT: &str = "/etc/systemd/system/mackerel-agent.service";
/// What it is read from by all but systemd, which has a drop-in.
const AS_ROOT: &str = "/etc/mackerel-agent/run-as-root";
/// The log of those that have none.
const LOG: &str = "/var/log/mackerel-agent.log";

/// Who starts the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Service {
    Systemd,
    Openrc,
    Procd,
    Sysv,
}

/// All of them.
pub(super) const SERVICES: [Service; 4] = [
    Service::Systemd,
    Service::Openrc,
    Service::Procd,
    Service::Sysv,
];

/// What upgrades the agent daily, if somebody has put it there.
pub(super) const TIMER: &str = "/etc/systemd/system/mackerel-agent-upgrade.timer";
/// And what belongs to it.
pub(super) const OF_TIMER: [&str; 3] = [
    "/etc/systemd/system/timers.target.wants/mackerel-agent-upgrade.timer",
    "/etc/systemd/system/mackerel-agent-upgrade.service",
    TIMER,
];

/// A file of a service: path, content, mode.
pub(super) type Part = (&'static str, &'static str, u32);

/// What lets systemd 254 and later wait longer and longer.
pub(super) const RESTART_STEPS: Part = (
    "/etc/systemd/system/mackerel-agent.service.d/restart-steps.conf",
    include_str!("../../packaging/systemd/restart-steps.conf"),
    0o644,
);

impl Service {
    /// The one of this tree.
    ///
    /// Fails if there is none that is known.
    pub(super) fn of(tree: &Tree) -> Result<Service, &'static str> {
        // (file, whose it is), those that run before those that are merely there
        let table = [
            ("/run/systemd/system", Service::Systemd),
            ("/sbin/procd", Service::Procd),
            ("/sbin/openrc-run", Service::Openrc),
            ("/usr/sbin/openrc-run", Service::Openrc),
            ("/bin/systemctl", Service::Systemd),
            ("/usr/bin/systemctl", Service::Systemd),
            ("/etc/init.d", Service::Sysv),
        ];
        let found = table.iter().find(|(path, _)| tree.has(path));
        found.map(|(_, service)| *service).ok_or(
            "there is neither systemd nor OpenRC, procd or /etc/init.d; \
             have mackerel-agent supervise started by what is there",
        )
    }

    /// Whether it can start anything: whether it runs, and on this host.
    pub(super) fn is_live(self, tree: &Tree) -> bool {
        tree.is_host()
            && match self {
                Service::Systemd => tree.has("/run/systemd/system"),
                Service::Openrc => tree.has("/run/openrc"),
                Service::Procd => tree.has("/var/run/ubus") || tree.has("/var/run/ubus.sock"),
                Service::Sysv => true,
            }
    }

    /// What it reads.
    pub(super) fn script(self) -> Part {
        match self {
            Service::Systemd => (
                UNIT,
                include_str!("../../packaging/systemd/mackerel-agent.service"),
                0o644,
            ),
            Service::Openrc => (
                SCRIPT,
                include_str!("../../packaging/openrc/mackerel-agent"),
                0o755,
            ),
            Service::Procd => (
                SCRIPT,
                include_str!("../../packaging/procd/mackerel-agent"),
                0o755,
            ),
            Service::Sysv => (
                SCRIPT,
                include_str!("../../packaging/sysv/mackerel-agent"),
                0o755,
            ),
        }
    }

    /// What makes the agent root.
    pub(super) fn as_root(self) -> Part {
        match self {
            Service::Systemd => (
                "/etc/systemd/system/mackerel-agent.service.d/plugins-as-root.conf",
                include_str!("../../packaging/systemd/plugins-as-root.conf"),
                0o644,
            ),
            _ => (AS_ROOT, "", 0o644),
        }
    }

    /// The symbolic links, with what they lead to, that have it start the agent with the host.
    pub(super) fn links(self, tree: &Tree) -> Vec<(String, &'static str)> {
        match self {
            Service::Systemd => vec![(
                "/etc/systemd/system/multi-user.target.wants/mackerel-agent.service".to_owned(),
                UNIT,
            )],
            Service::Openrc => vec![("/etc/runlevels/default/mackerel-agent".to_owned(), SCRIPT)],
            Service::Procd => ["S95", "K10"]
                .map(|when| {
                    (
                        format!("/etc/rc.d/{when}mackerel-agent"),
                        "../init.d/mackerel-agent",
                    )
                })
                .into(),
            Service::Sysv => levels(tree.has("/etc/rc.d/init.d")),
        }
    }

    /// The same on all kinds of hosts.
    pub(super) fn all_links(self) -> Vec<(String, &'static str)> {
        match self {
            Service::Sysv => [levels(true), levels(false)].concat(),
            other => other.links(&Tree::at(Path::new("/nowhere"))),
        }
    }

    /// Where the agent keeps its state.
    pub(super) fn state(self) -> &'static str {
        match self {
            // /var is a file system in memory there.
            Service::Procd => "/etc/mackerel-agent/state",
            _ => "/var/lib/mackerel-agent",
        }
    }

    /// The files with its variables, those that win last.
    pub(super) fn environment(self) -> &'static [&'static str] {
        match self {
            Service::Systemd | Service::Sysv => &[
                "/etc/default/mackerel-agent",
                "/etc/sysconfig/mackerel-agent",
            ],
            Service::Openrc => &["/etc/conf.d/mackerel-agent"],
            Service::Procd => &[],
        }
    }

    /// What comes into being when the agent runs, the state aside; first where plugins keep files.
    pub(super) fn traces(self) -> &'static [&'static str] {
        match self {
            Service::Systemd => &["/var/cache/mackerel-agent"],
            Service::Openrc => &["/var/cache/mackerel-agent", LOG],
            Service::Procd => &["/var/run/mackerel-agent"],
            Service::Sysv => &[
                "/var/cache/mackerel-agent",
                LOG,
                "/var/run/mackerel-agent.pid",
            ],
        }
    }

    /// The command that does `verb` with the agent: `start`, `stop`, `restart`.
    pub(super) fn command(self, verb: &'static str) -> Vec<&'static str> {
        match self {
            Service::Systemd => vec!["systemctl", verb, "mackerel-agent"],
            _ => vec![SCRIPT, verb],
        }
    }

    /// The command after which it knows its files.
    pub(super) fn reload(self) -> Option<&'static [&'static str]> {
        match self {
            Service::Systemd => Some(&["systemctl", "daemon-reload"]),
            _ => None,
        }
    }

    /// The command that prints the agent's last words.
    pub(super) fn log(self) -> &'static [&'static str] {
        match self {
            Service::Systemd => &[
                "journalctl",
                "-q",
                "-u",
                "mackerel-agent",
                "-n",
                "5",
                "-o",
                "cat",
                "--no-pager",
            ],
            Service::Procd => &["logread", "-l", "5", "-e", "mackerel-agent"],
            _ => &["tail", "-n", "5", LOG],
        }
    }
}

/// The links of init scripts; `is_red_hat`: where the runlevels are as there.
fn levels(is_red_hat: bool) -> Vec<(String, &'static str)> {
    let (above, target) = match is_red_hat {
        true => ("/etc/rc.d", "../../init.d/mackerel-agent"),
        false => ("/etc", "../init.d/mackerel-agent"),
    };
    let levels = ["K05", "K05", "S95", "S95", "S95", "S95", "K05"];
    let link = |(level, when)| format!("{above}/rc{level}.d/{when}mackerel-agent");
    let links = levels.into_iter().enumerate().map(link);
    links.map(|path| (path, target)).collect()
}
