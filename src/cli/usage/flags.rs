//! The flags of all commands.

use std::path::PathBuf;

use super::{COMMON, Group, HEALTH, INIT, INSTALL, RETIRE, SETUP, UNINSTALL, UPGRADE};
use crate::config::{self, Flags, Secret};

/// A flag: its name, what it is for, and where its value goes.
#[derive(Debug)]
pub(in crate::cli) struct Flag {
    pub(in crate::cli) name: &'static str,
    /// What applies if it is not given; empty if that is nothing.
    pub(super) default: &'static str,
    pub(super) about: &'static str,
    /// The commands that take it.
    pub(super) of: Group,
    pub(in crate::cli) value: Value,
}

/// What a flag takes.
#[derive(Debug)]
pub(in crate::cli) enum Value {
    /// Nothing, or `=true` or `=false`.
    Switch(fn(&mut Flags, bool)),
    Path(fn(&mut Flags, PathBuf)),
    Text(fn(&mut Flags, &str)),
}

/// All flags, sorted by name.
pub(super) static FLAGS: &[Flag] = &[
    Flag {
        name: "apibase",
        default: config::APIBASE,
        about: "address of the API, over the configuration's",
        of: COMMON,
        value: Value::Text(|flags, text| flags.apibase = Some(text.to_owned())),
    },
    Flag {
        name: "apibase",
        default: "",
        about: "address of the API, to be written as well",
        of: INIT,
        value: Value::Text(|flags, text| flags.apibase = Some(text.to_owned())),
    },
    Flag {
        name: APIKEY,
        default: "",
        about: "(DEPRECATED: other users of the host may see it) API key, over all others; use \
                apikey or apikey_file in the configuration, or MACKEREL_APIKEY in the environment",
        of: COMMON,
        value: Value::Text(|flags, text| flags.apikey = Some(Secret::new(text))),
    },
    Flag {
        name: APIKEY,
        default: "",
        about: "API key to be written (required)",
        of: INIT,
        value: Value::Text(|flags, text| flags.apikey = Some(Secret::new(text))),
    },
    Flag {
        name: "apikey-file",
        default: "",
        about: "file that holds the API key; without it, MACKEREL_APIKEY in the environment",
        of: INSTALL,
        value: Value::Path(|flags, path| flags.setup.apikey_file = Some(path)),
    },
    Flag {
        name: "as-root",
        default: "",
        about: "run as root and without a sandbox, for plugins that need it; -as-root=false ends that",
        of: INSTALL,
        value: Value::Switch(|flags, on| flags.setup.as_root = Some(on)),
    },
    Flag {
        name: "child",
        default: "",
        about: "(internal use) this is the child of a supervisor",
        of: COMMON,
        value: Value::Switch(|flags, on| flags.child = on),
    },
    Flag {
        name: "conf",
        default: config::CONFFILE,
        about: "configuration file; other flags win over what it says",
        of: COMMON | INIT,
        value: Value::Path(|flags, path| flags.conf = path),
    },
    Flag {
        name: "diagnostic",
        default: "",
        about: "report the agent's own memory and CPU too",
        of: COMMON,
        value: Value::Switch(|flags, on| flags.diagnostic = Some(on)),
    },
    Flag {
        name: "dry-run",
        default: "",
        about: "say what would be done, and do nothing",
        of: SETUP,
        value: Value::Switch(|flags, on| flags.setup.dry_run = on),
    },
    Flag {
        name: "force",
        default: "",
        about: "do not ask",
        of: RETIRE,
        value: Value::Switch(|flags, on| flags.force = on),
    },
    Flag {
        name: "from",
        default: "",
        about: "directory or URL of the release",
        of: UPGRADE,
        value: Value::Text(|flags, text| flags.setup.from = Some(text.to_owned())),
    },
    Flag {
        name: "host-etc",
        default: "",
        about: "where the watched host's /etc is for the agent, over HOST_ETC and host_etc",
        of: COMMON,
        value: Value::Path(|flags, path| flags.host.etc = Some(path)),
    },
    Flag {
        name: "host-proc",
        default: "",
        about: "where the watched host's /proc is for the agent, over HOST_PROC and host_proc",
        of: COMMON,
        value: Value::Path(|flags, path| flags.host.proc = Some(path)),
    },
    Flag {
        name: "host-root",
        default: "",
        about: "where the watched host's / is for the agent, over HOST_ROOT and host_root",
        of: COMMON,
        value: Value::Path(|flags, path| flags.host.root = Some(path)),
    },
    Flag {
        name: "host-sys",
        default: "",
        about: "where the watched host's /sys is for the agent, over HOST_SYS and host_sys",
        of: COMMON,
        value: Value::Path(|flags, path| flags.host.sys = Some(path)),
    },
    Flag {
        name: "key",
        default: "",
        about: "file that holds the public key of releases, 64 hexadecimal digits",
        of: UPGRADE,
        value: Value::Path(|flags, path| flags.setup.key = Some(path)),
    },
    Flag {
        name: "live",
        default: "",
        about: "it is enough that the agent measures, whether or not the server takes what it posts",
        of: HEALTH,
        value: Value::Switch(|flags, on| flags.live = on),
    },
    Flag {
        name: "pidfile",
        default: config::PIDFILE,
        about: "file that holds the agent's process id",
        of: COMMON,
        value: Value::Path(|flags, path| flags.pidfile = Some(path)),
    },
    Flag {
        name: "prefix",
        default: "/",
        about: "directory to be taken for the host's root directory, where nothing is started",
        of: SETUP,
        value: Value::Path(|flags, path| flags.setup.prefix = Some(path)),
    },
    Flag {
        name: "private-autoshutdown",
        default: "",
        about: "(internal use) end when the program file is replaced",
        of: COMMON,
        value: Value::Switch(|flags, on| flags.autoshutdown = Some(on)),
    },
    Flag {
        name: "purge",
        default: "",
        about: "remove the configuration even if it has been edited",
        of: UNINSTALL,
        value: Value::Switch(|flags, on| flags.setup.purge = on),
    },
    Flag {
        name: "restore",
        default: "",
        about: "hand back to the agent that was there before; -restore=false removes it as well",
        of: UNINSTALL,
        value: Value::Switch(|flags, on| flags.setup.restore = Some(on)),
    },
    Flag {
        name: "role",
        default: "",
        about: "Service:role of this host, or several with commas between them; may be repeated, \
                and replaces the configuration's",
        of: COMMON,
        value: Value::Text(|flags, text| {
            let roles = flags.roles.get_or_insert_default();
            roles.extend(text.split(',').map(str::to_owned));
        }),
    },
    Flag {
        name: "root",
        default: config::ROOT,
        about: "directory of the agent's state",
        of: COMMON,
        value: Value::Path(|flags, path| flags.root = Some(path)),
    },
    Flag {
        name: "v",
        default: "",
        about: "the same as -verbose",
        of: COMMON,
        value: Value::Switch(|flags, on| flags.verbose = Some(on)),
    },
    Flag {
        name: "verbose",
        default: "",
        about: "log what is done each minute",
        of: COMMON,
        value: Value::Switch(|flags, on| flags.verbose = Some(on)),
    },
];

/// The flag whose value nobody is to see.
pub(in crate::cli) const APIKEY: &str = "apikey";
