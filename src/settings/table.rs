//! The settings of the agent, each with everything that depends on it. The order is that of the
//! documentation and the sample.
//!
//! To add a setting, add a field with its default to [`Config`], and a row here. `make docs` then
//! updates the documentation and the sample.

pub(super) mod outputs;
pub(super) mod plugin;

use super::command::argv;
use super::kind::{Kind, store, swap};
use super::row::{Restart, Row, Section, section};
use crate::config::apibase::apibase;
use crate::config::container;
use crate::config::item::Item;
use crate::config::{CloudPlatform, Config, Include, PIDFILE, ROOT, Secret};

/// A row of this table.
const fn row(key: &'static str, kind: Kind<Config>) -> Row<Config> {
    Row::new(key, kind)
}

/// All sections. The first one is the top of the file; tables that may be repeated
/// are in [`plugin`](mod@plugin) and [`outputs`].
pub(super) static SECTIONS: &[Section<Config>] = &[
    section("", TOP, ""),
    section(
        "host_status",
        HOST_STATUS,
        "Status of the host on Mackerel: working, standby, maintenance or poweroff.",
    ),
    section(
        "filesystems",
        FILESYSTEMS,
        "What is not reported, as regular expressions. They match anywhere unless anchored.",
    ),
    section("disks", DISKS, ""),
    section("interfaces", INTERFACES, ""),
    section(
        "spool",
        SPOOL,
        "The file spool below root, which keeps what could not be posted. Nothing is written while \
         posting works.",
    ),
    section("container", CONTAINER, "Container metrics."),
    section(
        "readiness_probe",
        READINESS_PROBE,
        "The host is registered only after all of these have succeeded.",
    ),
];

/// The top of the file.
pub(super) const TOP: &[Row<Config>] = &[
    row(
        "apikey",
        Kind::Own(
            |c, v| store(&mut c.apikey, Secret::new(v.string()?)),
            None,
        ),
    )
    .default("\"\"")
    .example("\"KEY\"")
    .values("text")
    .flag(&["apikey"], |_, _| Ok(()))
    .about("API key of your organization, with write permission.")
    .more(
        "The key may also be in `apikey_file`, in the systemd credential `apikey`, or in the \
         variable. The last of these that is set wins. Only the agent's user should be able to read \
         the file that holds it. The flag is deprecated, because other users of the host may see it.",
    ),
    row("apikey_file", Kind::File(|c| &mut c.apikey_file))
        .example("\"/etc/mackerel-agent/apikey\"")
        .about("File that holds the API key in place of apikey."),
    row("roles", Kind::Texts(|c| &mut c.roles))
        .example("[\"My-Service:app\", \"Another-Service:db\"]")
        .flag(&["role"], |c, f| over(&mut c.roles, f.roles.as_ref()))
        .about("Roles of this host, each Service:role. Roles are added to a host, never removed."),
    row("display_name", Kind::Text(|c| &mut c.display_name))
        .example("\"web server 1\"")
        .about("Name of the host on Mackerel, if not its host name."),
    row("memo", Kind::Text(|c| &mut c.memo))
        .example("\"behind the door\"")
        .about("Memo of the host on Mackerel."),
    row(
        "apibase",
        Kind::Own(
            |c, v| store(&mut c.apibase, apibase(v.string()?)?),
            Some(|one, other| swap(&mut one.apibase, &mut other.apibase)),
        ),
    )
    .default("\"https://api.mackerelio.com\"")
    .example("\"http://mackerel.example:8080\"")
    .values("URL of an HTTP or HTTPS server")
    .restart(Restart::Key)
    .flag(&["apibase"], |c, f| {
        if let Some(address) = &f.apibase {
            c.apibase = apibase(address).map_err(|why| format!("-apibase: {why}"))?;
        }
        Ok(())
    })
    .about("Address of the API."),
    row("root", Kind::PathOr(|c| &mut c.root, &ROOT))
        .default("\"/var/lib/mackerel-agent\"")
        .example("\"/srv/mackerel-agent\"")
        .restart(Restart::Key)
        .flag(&["root"], |c, f| over(&mut c.root, f.root.as_ref()))
        .about(
            "Directory of the agent's state, which holds the id of this host. Without that file the \
             host is registered as a new one.",
        ),
    row("pidfile", Kind::PathOr(|c| &mut c.pidfile, &PIDFILE))
        .default("\"/var/run/mackerel-agent.pid\"")
        .example("\"/run/agent.pid\"")
        .restart(Restart::Key)
        .flag(&["pidfile"], |c, f| {
            over(&mut c.pidfile, f.pidfile.as_ref())
        })
        .about("File that holds the agent's process id."),
    row("host_root", Kind::Path(|c| &mut c.host.root))
        .example("\"/host\"")
        .restart(Restart::HostPaths)
        .flag(&["host-root"], |c, f| {
            over_some(&mut c.host.root, f.host.root.as_ref())
        })
        .about("Where the watched host's / is mounted, for an agent in a container.")
        .more("The variable `HOST_ROOT` wins over the file."),
    row("host_proc", Kind::Path(|c| &mut c.host.proc))
        .example("\"/host/proc\"")
        .restart(Restart::HostPaths)
        .flag(&["host-proc"], |c, f| {
            over_some(&mut c.host.proc, f.host.proc.as_ref())
        })
        .about("The host's /proc, if not below host_root.")
        .more("The variable `HOST_PROC` wins over the file."),
    row("host_sys", Kind::Path(|c| &mut c.host.sys))
        .example("\"/host/sys\"")
        .restart(Restart::HostPaths)
        .flag(&["host-sys"], |c, f| {
            over_some(&mut c.host.sys, f.host.sys.as_ref())
        })
        .about("The host's /sys, if not below host_root.")
        .more("The variable `HOST_SYS` wins over the file."),
    row("host_etc", Kind::Path(|c| &mut c.host.etc))
        .example("\"/host/etc\"")
        .restart(Restart::HostPaths)
        .flag(&["host-etc"], |c, f| {
            over_some(&mut c.host.etc, f.host.etc.as_ref())
        })
        .about("The host's /etc, if not below host_root.")
        .more("The variable `HOST_ETC` wins over the file."),
    row("http_proxy", Kind::Text(|c| &mut c.http_proxy))
        .example("\"http://proxy.example:3128\"")
        .restart(Restart::Key)
        .about("Proxy for HTTP, or \"direct\". It serves HTTPS too, unless https_proxy is set."),
    row("https_proxy", Kind::Text(|c| &mut c.https_proxy))
        .example("\"direct\"")
        .restart(Restart::Key)
        .about("Proxy for HTTPS, or \"direct\" for none."),
    row("ca_file", Kind::File(|c| &mut c.ca_file))
        .example("\"/etc/mackerel-agent/ca.pem\"")
        .about(
            "Certificates, in PEM, to trust besides the public authorities: of a private authority, a \
             proxy that inspects TLS, or a server.",
        ),
    row(
        "disable_http_keep_alive",
        Kind::Bool(|c| &mut c.disable_http_keep_alive),
    )
    .about("Open a new connection for each request."),
    row("autoshutdown", Kind::Bool(|c| &mut c.autoshutdown))
        .restart(Restart::Key)
        .flag(&["private-autoshutdown"], |c, f| {
            over(&mut c.autoshutdown, f.autoshutdown.as_ref())
        })
        .internal()
        .about("End when the program file has been replaced."),
    row(
        "host_id_store",
        Kind::Own(
            |c, v| store(&mut c.host_id_store, container::id_store(v)?),
            Some(|one, other| swap(&mut one.host_id_store, &mut other.host_id_store)),
        ),
    )
    .default("\"file\"")
    .example("\"memory\"")
    .values("file or memory")
    .restart(Restart::Key)
    .about(
        "Where the id of this host is kept: file or memory. With memory the host is found by its \
         custom_identifier.",
    ),
    row(
        "custom_identifier",
        Kind::Text(|c| &mut c.custom_identifier),
    )
    .example("\"auto\"")
    .restart(Restart::Key)
    .about(
        "Text by which the host is found when its id is lost, or auto: that of the pod, task or \
         container.",
    ),
    row("auto_retirement", Kind::Bool(|c| &mut c.auto_retirement))
        .other_variable(&"auto_retirement")
        .about("Retire the host when the agent is stopped by TERM or INT."),
    row("health", Kind::Bool(|c| &mut c.health))
        .restart(Restart::Key)
        .default("true")
        .example("false")
        .about("Answer \"mackerel-agent health\" and \"mackerel-agent status\".")
        .more(
            "The agent listens on the socket `agent.socket` in `root`, and answers root and its own \
             user. The commands `live`, `logs` and `top` need it, too.",
        ),
    row("verbose", Kind::Bool(|c| &mut c.verbose))
        .flag(&["v", "verbose"], |c, f| {
            over(&mut c.verbose, f.verbose.as_ref())
        })
        .about("Log what is done each minute."),
    row("silent", Kind::Bool(|c| &mut c.silent)).about("Log nothing but errors."),
    row("diagnostic", Kind::Bool(|c| &mut c.diagnostic))
        .flag(&["diagnostic"], |c, f| {
            over(&mut c.diagnostic, f.diagnostic.as_ref())
        })
        .about("Report the agent's own memory and CPU."),
    row(
        "cloud_platform",
        Kind::Own(
            |c, v| store(&mut c.cloud_platform, platform(v)?),
            None,
        ),
    )
    .default("\"auto\"")
    .example("\"none\"")
    .values("auto, none, ec2, gce or azurevm")
    .about("Cloud whose metadata is read: auto, none, ec2, gce or azurevm."),
    row("mackerel", Kind::Bool(|c| &mut c.mackerel))
        .default("true")
        .example("false")
        .restart(Restart::Key)
        .about("Whether anything is sent to Mackerel's API.")
        .more("It is off too if there is no API key, and `[[otlp]]` or `listen` is set."),
    row(
        "listen",
        Kind::Own(
            |c, v| store(&mut c.listen, outputs::listen(v)?),
            Some(|one, other| swap(&mut one.listen, &mut other.listen)),
        ),
    )
    .example("\"127.0.0.1:9100\"")
    .values("address and port, or path of a unix socket")
    .restart(Restart::Key)
    .about("Where /metrics and the live page are served. A public address needs listen_token_file, and has no page."),
    row("listen_hosts", Kind::Texts(|c| &mut c.listen_hosts))
        .example("[\"metrics.example\"]")
        .restart(Restart::Key)
        .about("Names of this host in requests, besides its own, localhost and addresses."),
    row(
        "listen_token_file",
        Kind::Own(
            |c, v| store(&mut c.listen_token_file, v.named()?),
            Some(outputs::swap_token),
        ),
    )
    .example("\"/etc/mackerel-agent/token\"")
    .values("path")
    .restart(Restart::Key)
    .about("File that holds the bearer token that requests have to contain.")
    .more("It is read for each request."),
    row(
        "include",
        Kind::Own(|c, v| store(&mut c.include, include(v)?), None),
    )
    .other_variable(&"include")
    .example("\"/etc/mackerel-agent/conf.d/*.conf\"")
    .values("path with `*`, `?` and `[...]`")
    .about(
        "Further files, which are read after this one and win over it. This line, like all above, \
         has to stay before the first line in brackets.",
    ),
    row(
        "conffile",
        Kind::Own(|_, v| v.string().map(drop), None),
    )
    .no_variable()
    .values("text")
    .internal()
    .about("Without effect: the command line alone says where the file is."),
];

/// The valid statuses of a host.
const STATUS: [&str; 4] = ["working", "standby", "maintenance", "poweroff"];

const HOST_STATUS: &[Row<Config>] = &[
    row(
        "on_start",
        Kind::Word(|c| &mut c.host_status.on_start, &STATUS),
    )
    .example("\"working\"")
    .about("Status after the start of the agent."),
    row(
        "on_stop",
        Kind::Word(|c| &mut c.host_status.on_stop, &STATUS),
    )
    .example("\"poweroff\"")
    .about("Status after its end."),
];

const FILESYSTEMS: &[Row<Config>] = &[
    row("ignore", Kind::Pattern(|c| &mut c.filesystems.ignore))
        .example("\"^/dev/loop\"")
        .about("Filesystems left out, by device name such as /dev/sda1."),
    row(
        "use_mountpoint",
        Kind::Bool(|c| &mut c.filesystems.use_mountpoint),
    )
    .about("Name the metrics of filesystems and disks after the mount point."),
];

const DISKS: &[Row<Config>] = &[row("ignore", Kind::Pattern(|c| &mut c.disks_ignore))
    .example("\"^(sr|fd)[0-9]\"")
    .about("Disks left out, by name in the metric.")];

const INTERFACES: &[Row<Config>] = &[
    row("ignore", Kind::Pattern(|c| &mut c.interfaces_ignore))
        .example("\"^docker\"")
        .about("Network interfaces left out, by name in the metric."),
    row("use_adapter", Kind::Own(|_, v| v.boolean().map(drop), None))
        .no_variable()
        .values("true or false")
        .internal()
        .about("Without effect: for Windows."),
];

const SPOOL: &[Row<Config>] = &[
    row("on_disk", Kind::Bool(|c| &mut c.spool.on_disk))
        .default("true")
        .example("false")
        .restart(Restart::Section)
        .about("Keep it in a file."),
    // While posting works, a round waits for up to a minute, and nothing may be written then.
    row(
        "window",
        Kind::MinutesWithin(|c| &mut c.spool.window, (2, 60)),
    )
    .default("\"5m\"")
    .example("\"10m\"")
    .restart(Restart::Section)
    .about(
        "Time after which it is written, 2 to 60 minutes. As much may be lost at a power failure.",
    ),
];

const CONTAINER: &[Row<Config>] = &[
    row(
        "metrics",
        Kind::Own(
            |c, v| store(&mut c.container.metrics, container::scope(v)?),
            Some(|one, other| swap(&mut one.container.metrics, &mut other.container.metrics)),
        ),
    )
    .default("\"none\"")
    .example("\"own\"")
    .values("none, own, pod, all or auto")
    .restart(Restart::Key)
    .about("Containers to measure: none, own, pod, all, or auto.")
    .more(
        "`auto` is `pod` where `cgroup` is set, and `own` elsewhere. It is the default where there \
         is no configuration file.",
    ),
    row("name", Kind::Text(|c| &mut c.container.name))
        .example("\"app\"")
        .about("Name of the agent's own container, if not its host name."),
    row("ignore", Kind::Pattern(|c| &mut c.container.ignore))
        .other_variable(&"MACKEREL_IGNORE_CONTAINER")
        .example("\"^pause\"")
        .about("Containers left out, by name."),
    row("pod_uid", Kind::Text(|c| &mut c.container.pod_uid))
        .other_variable(&"MACKEREL_KUBERNETES_POD_UID")
        .example("\"2c48913c-b29f-11e7-9350-020968147796\"")
        .about("UID of the agent's pod, if the kernel's files do not show it."),
    row("cgroup", Kind::Path(|c| &mut c.container.cgroup))
        .example("\"/host/sys/fs/cgroup\"")
        .about("Where the host's cgroups are mounted. pod and all need it."),
    row("details", Kind::Bool(|c| &mut c.container.details))
        .about("Report throttling, out-of-memory kills and pressure too."),
];

/// Seconds of an hour.
const HOUR: u32 = 60 * 60;

const READINESS_PROBE: &[Row<Config>] = &[
    row(
        "exec",
        Kind::Own(
            |c, v| {
                let wrong = |_| "write a command, or a list such as [\"program\", \"argument\"]";
                store(&mut c.readiness.exec, argv(v).map_err(wrong)?)
            },
            Some(|one, other| swap(&mut one.readiness.exec, &mut other.readiness.exec)),
        ),
    )
    .example("\"test -e /run/ready\"")
    .values("command, or list of program and arguments")
    .restart(Restart::Section)
    .about("Command that has to end with 0."),
    row(
        "http",
        Kind::Own(
            |c, v| store(&mut c.readiness.http, container::http(v.string()?)?),
            Some(|one, other| swap(&mut one.readiness.http, &mut other.readiness.http)),
        ),
    )
    .example("\"http://localhost/ready\"")
    .values("URL that begins with `http://`")
    .restart(Restart::Section)
    .about("URL that has to answer with 200 to 399."),
    row(
        "tcp",
        Kind::Own(
            |c, v| store(&mut c.readiness.tcp, container::tcp(v.string()?)?),
            Some(|one, other| swap(&mut one.readiness.tcp, &mut other.readiness.tcp)),
        ),
    )
    .example("\"localhost:80\"")
    .values("host:port")
    .restart(Restart::Section)
    .about("Host and port that have to accept a connection."),
    row(
        "initial_delay_seconds",
        Kind::Seconds(|c| &mut c.readiness.initial_delay, (0, HOUR)),
    )
    .default("0")
    .example("7")
    .restart(Restart::Section)
    .about("Seconds before the first attempt."),
    row(
        "period_seconds",
        Kind::Seconds(|c| &mut c.readiness.period, (1, HOUR)),
    )
    .default("10")
    .example("7")
    .restart(Restart::Section)
    .about("Seconds between two attempts."),
    row(
        "timeout_seconds",
        Kind::Seconds(|c| &mut c.readiness.timeout, (1, HOUR)),
    )
    .default("1")
    .example("7")
    .restart(Restart::Section)
    .about("Seconds until an attempt has failed."),
];

/// Stores the value of a flag, if the flag is given.
fn over<V: Clone>(at: &mut V, given: Option<&V>) -> Result<(), String> {
    if let Some(given) = given {
        at.clone_from(given);
    }
    Ok(())
}

/// Like [`over`], for a setting that may be unset.
fn over_some<V: Clone>(at: &mut Option<V>, given: Option<&V>) -> Result<(), String> {
    if given.is_some() {
        *at = given.cloned();
    }
    Ok(())
}

/// The files to be read after this one; `None` if the pattern is empty.
fn include(item: Item<'_>) -> Result<Option<Include>, String> {
    let pattern = item.string()?.to_owned();
    let line = item.line;
    Ok(Some(Include { pattern, line }).filter(|include| !include.pattern.is_empty()))
}

/// The cloud platform of that name. An empty name is `auto`.
fn platform(item: Item<'_>) -> Result<CloudPlatform, String> {
    let name = item.text()?;
    Ok(match &*name {
        "" | "auto" => CloudPlatform::Auto,
        "none" => CloudPlatform::None,
        "ec2" => CloudPlatform::Ec2,
        "gce" => CloudPlatform::Gce,
        "azurevm" => CloudPlatform::AzureVm,
        _ => {
            let remedy = "write auto, none, ec2, gce or azurevm";
            return Err(format!("failed to parse \"{name}\"; {remedy}"));
        }
    })
}
