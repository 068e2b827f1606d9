//! The file's own shape: its keys at the top level and in its sections.

use std::borrow::Cow;
use std::path::PathBuf;

use toml::Spanned;

use super::apibase::apibase;
use super::container::{CONTAINER, READINESS, id_store};
use super::item::Item;
use super::plugin::plugins;
use super::spoolfile::SPOOL;
use super::syntax;
use super::walk::{Key, Keys, Walk, store};
use super::{CloudPlatform, Config, ConfigError, Findings, Include, PIDFILE, ROOT, Secret};

pub(super) const TOP: &Keys<Config> = &[
    (
        "apibase",
        Key::Value(|c, v| store(&mut c.apibase, apibase(v.string()?)?)),
    ),
    (
        "apikey",
        Key::Value(|c, v| store(&mut c.apikey, Secret::new(v.string()?))),
    ),
    (
        "apikey_file",
        Key::Value(|c, v| store(&mut c.apikey_file, v.named()?)),
    ),
    (
        "ca_file",
        Key::Value(|c, v| store(&mut c.ca_file, v.named()?)),
    ),
    (
        "root",
        Key::Value(|c, v| store(&mut c.root, path(v, ROOT)?)),
    ),
    (
        "pidfile",
        Key::Value(|c, v| store(&mut c.pidfile, path(v, PIDFILE)?)),
    ),
    ("host_root", Key::Place(|c| &mut c.host.root)),
    ("host_proc", Key::Place(|c| &mut c.host.proc)),
    ("host_sys", Key::Place(|c| &mut c.host.sys)),
    ("host_etc", Key::Place(|c| &mut c.host.etc)),
    // The command line alone says where the file is.
    ("conffile", Key::Value(|_, v| v.string().map(drop))),
    ("roles", Key::List(|c| &mut c.roles)),
    ("verbose", Key::Flag(|c| &mut c.verbose)),
    ("silent", Key::Flag(|c| &mut c.silent)),
    ("diagnostic", Key::Flag(|c| &mut c.diagnostic)),
    ("autoshutdown", Key::Flag(|c| &mut c.autoshutdown)),
    ("display_name", Key::Text(|c| &mut c.display_name)),
    ("memo", Key::Text(|c| &mut c.memo)),
    (
        "host_id_store",
        Key::Value(|c, v| store(&mut c.host_id_store, id_store(v)?)),
    ),
    ("custom_identifier", Key::Text(|c| &mut c.custom_identifier)),
    ("auto_retirement", Key::Flag(|c| &mut c.auto_retirement)),
    ("health", Key::Flag(|c| &mut c.health)),
    (
        "disable_http_keep_alive",
        Key::Flag(|c| &mut c.disable_http_keep_alive),
    ),
    ("http_proxy", Key::Text(|c| &mut c.http_proxy)),
    ("https_proxy", Key::Text(|c| &mut c.https_proxy)),
    (
        "cloud_platform",
        Key::Value(|c, v| store(&mut c.cloud_platform, platform(v)?)),
    ),
    (
        "include",
        Key::Value(|c, v| store(&mut c.include, include(v)?)),
    ),
    (
        "host_status",
        Key::Section(HOST_STATUS, |walk, c, v| {
            walk.section(c, HOST_STATUS, v, "HostStatus")
        }),
    ),
    (
        "filesystems",
        Key::Section(FILESYSTEMS, |walk, c, v| {
            walk.section(c, FILESYSTEMS, v, "Filesystems")
        }),
    ),
    (
        "disks",
        Key::Section(DISKS, |walk, c, v| walk.section(c, DISKS, v, "Disks")),
    ),
    (
        "interfaces",
        Key::Section(INTERFACES, |walk, c, v| {
            walk.section(c, INTERFACES, v, "Interfaces")
        }),
    ),
    (
        "spool",
        Key::Section(SPOOL, |walk, c, v| walk.section(c, SPOOL, v, "Spool")),
    ),
    (
        "container",
        Key::Section(CONTAINER, |walk, c, v| {
            walk.section(c, CONTAINER, v, "Container")
        }),
    ),
    (
        "readiness_probe",
        Key::Section(READINESS, |walk, c, v| {
            walk.section(c, READINESS, v, "ReadinessProbe")
        }),
    ),
    ("plugin", Key::Inside(plugins)),
];

/// The sections that hold settings by themselves.
pub(super) fn sections() -> impl Iterator<Item = (&'static str, &'static Keys<Config>)> {
    TOP.iter().filter_map(|(name, key)| match key {
        Key::Section(keys, _) => Some((*name, *keys)),
        _ => None,
    })
}

/// The status of a host.
const STATUS: &[&str] = &["working", "standby", "maintenance", "poweroff"];

const HOST_STATUS: &Keys<Config> = &[
    (
        "on_start",
        Key::Word(|c| &mut c.host_status.on_start, STATUS),
    ),
    ("on_stop", Key::Word(|c| &mut c.host_status.on_stop, STATUS)),
];

const FILESYSTEMS: &Keys<Config> = &[
    ("ignore", Key::Pattern(|c| &mut c.filesystems.ignore)),
    (
        "use_mountpoint",
        Key::Flag(|c| &mut c.filesystems.use_mountpoint),
    ),
];

const DISKS: &Keys<Config> = &[("ignore", Key::Pattern(|c| &mut c.disks_ignore))];

const INTERFACES: &Keys<Config> = &[
    ("ignore", Key::Pattern(|c| &mut c.interfaces_ignore)),
    // For Windows, and so without effect.
    ("use_adapter", Key::Value(|_, v| v.boolean().map(drop))),
];

impl Config {
    /// Reads a file's text over this configuration: what the file does not mention stays, sections
    /// merge key by key, a plugin replaces the one of the same kind and name, and so do the roles.
    ///
    /// Fails with everything that is wrong at once, but for what a mistake hides that takes in the
    /// lines below it. What is right has been read even then.
    pub(crate) fn read(&mut self, text: &[u8]) -> Result<Findings, ConfigError> {
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        let text = std::str::from_utf8(text).map_err(|error| {
            let before = text.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let mut wrong = ConfigError::default();
            let why = "invalid UTF-8; save the file in UTF-8";
            wrong.add(line, format!("toml: line {line}: {why}"));
            wrong.found.names_apikey = true;
            wrong
        })?;
        // Line ends occur within texts of several lines, which are to mean the same everywhere.
        let text = match text.contains('\r') {
            true => Cow::Owned(text.replace("\r\n", "\n")),
            false => Cow::Borrowed(text),
        };
        let mut walk = Walk::new(&text);
        let (table, errors) = syntax::parse(&text);
        errors.iter().for_each(|error| walk.no_toml(error));
        let table = table.as_ref().map(Spanned::get_ref);
        walk.names_apikey(!errors.is_empty());
        if let Some(table) = table {
            let mut keys = table.keys();
            if keys.any(|key| key.get_ref().eq_ignore_ascii_case("apikey")) {
                walk.names_apikey(true);
            }
            walk.table(self, TOP, table);
        }
        walk.finish()
    }
}

fn path(item: Item<'_>, default: &str) -> Result<PathBuf, String> {
    let text = item.string()?;
    Ok(PathBuf::from(if text.is_empty() { default } else { text }))
}

fn include(item: Item<'_>) -> Result<Option<Include>, String> {
    let pattern = item.string()?.to_owned();
    let line = item.line;
    Ok(Some(Include { pattern, line }).filter(|include| !include.pattern.is_empty()))
}

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

#[cfg(test)]
mod tests;
