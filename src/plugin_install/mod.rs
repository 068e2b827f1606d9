//! `mackerel-agent plugin-install`: check and metric plugins of others, from GitHub, a URL or a file.
//!
//! 1. `parse::plugin_target` reads an operand; `release` finds the tag, the URL of the archive and
//!    the digest published with it, and downloads the archive into memory.
//! 2. `place` writes the plugins of the archive (`archive`) to temporary files, once it has found
//!    that each runs on this machine (`machine`).
//! 3. The files get their names, and `plugins.lock` (`parse::plugin_lock`) records them.
//!
//! Whatever fails, and whichever signal comes, nothing is left of steps that came before it.

mod archive;
mod list;
mod machine;
mod place;
mod prefix;
mod release;

use std::env;
use std::path::Path;

use crate::base::fault::Fault;
use crate::base::url::without_secrets;
use crate::config::{Config, PluginSetup};
use crate::install;
use crate::parse::plugin_lock::{Entry, record};
use crate::parse::plugin_target::{self, From, Target};
use crate::settings::connection::proxies;
use crate::sys::digest::Sha256;
use crate::sys::file;
use crate::sys::signal::Signals;

use self::machine::Machine;
use self::place::{Order, sha256, stage};
use self::prefix::{LOCK, Prefix};
use self::release::{ARCHIVE, Hub};

/// The base URLs, unless flags give others.
const GITHUB: &str = "https://github.com";
const API: &str = "https://api.github.com";
const REGISTRY: &str =
    "https://raw.githubusercontent.com/mackerelio/plugin-registry/master/plugins";

/// Installs, lists or removes plugins. Returns the text for the user on failure. Nothing has changed
/// then, but for the targets before the one that failed.
pub(crate) fn plugin_install(setup: &PluginSetup) -> Result<(), String> {
    Ok(run(setup)?)
}

fn run(setup: &PluginSetup) -> Result<(), Fault> {
    let machine = match &setup.arch {
        Some(name) => Machine::named(name)?,
        None => Machine::own()?,
    };
    let base = |flag: &Option<String>, default: &str| {
        let url = flag.as_deref().unwrap_or(default);
        url.trim_end_matches('/').to_owned()
    };
    let installer = Installer {
        setup,
        machine,
        is_own: Machine::own().is_ok_and(|own| own == machine),
        hub: Hub {
            github: base(&setup.github_url, GITHUB),
            api: base(&setup.api_url, API),
            registry: base(&setup.registry_url, REGISTRY),
            proxy: proxies(&Config::default()),
            login: Hub::login(&|name| env::var(name).ok()),
        },
    };
    let others = [setup.list, setup.remove.is_some(), setup.lock.is_some()];
    let count = others.iter().filter(|is_given| **is_given).count();
    if count > 1 || count == 1 && (!setup.targets.is_empty() || setup.upgrade) {
        return Err("-list, -remove and -lock exclude each other, targets and -upgrade".into());
    }
    if setup.list {
        return list::list(setup);
    }
    if let Some(name) = &setup.remove {
        return list::remove(setup, name);
    }
    let mut targets = Vec::new();
    for text in &setup.targets {
        targets.push(plugin_target::parse(text)?);
    }
    if targets.is_empty() {
        return installer.recorded();
    }
    for target in targets {
        installer.install(target)?;
    }
    Ok(())
}

/// Prints a line of these parts for the user.
#[inline(never)]
fn say(parts: &[&str]) -> Result<(), Fault> {
    Ok(install::say(&parts.concat())?)
}

/// Where an archive comes from, and what it is to be.
struct Origin<'a> {
    /// The entry of `plugins.lock` without files, and without a digest.
    entry: Entry,
    /// Digests that the archive must have, and who says so.
    digests: Vec<(String, &'static str)>,
    /// The only files that are installed; all if `None`.
    known: Option<&'a [(String, String)]>,
}

struct Installer<'a> {
    setup: &'a PluginSetup,
    machine: &'static Machine,
    is_own: bool,
    hub: Hub,
}

impl Installer<'_> {
    fn install(&self, target: Target) -> Result<(), Fault> {
        let mut origin = Origin {
            entry: Entry::default(),
            digests: Vec::new(),
            known: None,
        };
        let entry = &mut origin.entry;
        let repository = match target.from {
            From::Repository(repository) => repository,
            From::Registry(name) => self.hub.registered(&name)?,
            From::Url(url) => {
                entry.url = url;
                String::new()
            }
            From::File(path) => {
                let path =
                    std::path::absolute(&path).map_err(|error| format!("{path}: {error}"))?;
                entry.url = format!("file://{}", path.display());
                String::new()
            }
        };
        entry.source.clone_from(&entry.url);
        let mut name = String::new();
        if !repository.is_empty() {
            entry.tag = target.tag;
            if entry.tag.is_empty() {
                entry.tag = self.hub.latest(&repository)?;
            }
            let (_, project) = repository.split_once('/').unwrap_or_default();
            name = format!("{project}_linux_{}.zip", self.machine.go);
            entry.url = self.hub.file(&repository, &entry.tag, &name);
            entry.source.clone_from(&repository);
        }
        let entries = match Prefix::open(self.setup)? {
            Some(prefix) => prefix.entries()?,
            None => Vec::new(),
        };
        let old = entries.iter().find(|old| old.source == entry.source);
        if let Some(old) = old.filter(|old| old.tag == entry.tag && !entry.tag.is_empty()) {
            if self.setup.upgrade {
                return say(&[&entry.source, " ", &entry.tag, " is current"]);
            }
            // The release of a tag is not to change. Archives of other machines are others.
            if old.url == entry.url {
                origin.digests.push((old.sha256.clone(), LOCK));
            }
        }
        if !target.sha256.is_empty() {
            origin.digests.push((target.sha256, "the target"));
        } else if !repository.is_empty() {
            let published = self.hub.published(&repository, &origin.entry.tag, &name);
            origin.digests.extend(published);
        }
        self.place(origin, self.setup.overwrite || self.setup.upgrade)
    }

    /// Installs what a lock file records; with `-upgrade`, the newest releases of it.
    fn recorded(&self) -> Result<(), Fault> {
        let entries = match &self.setup.lock {
            Some(path) => {
                let bytes = file::read(path).map_err(|error| Fault::of(&error))?;
                prefix::parse(path, &bytes)?
            }
            None => match Prefix::open(self.setup)? {
                Some(prefix) => prefix.entries()?,
                None => Vec::new(),
            },
        };
        if entries.is_empty() {
            return Err(format!(
                "nothing to install: {LOCK} has no entry; name a target: owner/repo[@tag], \
                 name[@tag], a URL or a path"
            )
            .into());
        }
        for mut entry in entries {
            if self.setup.upgrade {
                if plugin_target::is_repository(&entry.source) {
                    self.install(Target {
                        from: From::Repository(entry.source),
                        tag: String::new(),
                        sha256: String::new(),
                    })?;
                }
            } else if !self.is_installed(&entry)? {
                let known = std::mem::take(&mut entry.files);
                let origin = Origin {
                    digests: vec![(entry.sha256.clone(), LOCK)],
                    entry,
                    known: Some(&known),
                };
                self.place(origin, true)?;
            }
        }
        Ok(())
    }

    /// Whether all files of an entry are there as they were recorded.
    ///
    /// Fails for a file with another content, unless it is to be replaced.
    fn is_installed(&self, entry: &Entry) -> Result<bool, Fault> {
        let Some(prefix) = Prefix::open(self.setup)? else {
            return Ok(false);
        };
        for (name, digest) in &entry.files {
            match sha256(&prefix.bin, name)? {
                Some(found) if found == *digest => {}
                Some(_) if !self.setup.overwrite => {
                    let path = prefix.bin.path(name);
                    let path = path.display();
                    return Err(
                        format!("{path}: not the file of {LOCK}; -overwrite replaces it").into(),
                    );
                }
                _ => return Ok(false),
            }
        }
        say(&[&entry.source, " ", &entry.tag, " is installed"])?;
        Ok(true)
    }

    /// Downloads an archive, installs its plugins and records them.
    fn place(&self, origin: Origin<'_>, overwrite: bool) -> Result<(), Fault> {
        let mut entry = origin.entry;
        let path = entry.url.strip_prefix("file://");
        // A query may hold a signature.
        let url = path.map_or_else(|| without_secrets(&entry.url), str::to_owned);
        say(&["download ", &url])?;
        let archive = match path {
            Some(path) => {
                let read = file::read_up_to(Path::new(path), ARCHIVE);
                read.map_err(|error| Fault::of(&error))?
            }
            None => self.hub.archive(&entry.url)?,
        };
        let mut digest = Sha256::new();
        digest.update(&archive);
        entry.sha256 = digest.hex();
        for (digest, by) in &origin.digests {
            if *digest != entry.sha256 {
                return Err(format!(
                    "{url}: its SHA-256 is {}, but {by} says {digest}; nothing is installed",
                    entry.sha256
                )
                .into());
            }
        }
        if origin.digests.is_empty() {
            let digest = &entry.sha256;
            say(&[
                "no digest is published for it; #sha256=",
                digest,
                " pins it",
            ])?;
        }
        // From here on, signals stay pending until there are no temporary files.
        let signals = Signals::take();
        let order = Order {
            machine: self.machine,
            is_own: self.is_own,
            overwrite,
            known: origin.known,
        };
        let placed = self.place_files(&archive, &order, entry, &signals);
        signals.release();
        let lines = placed.map_err(|why| format!("{url}: {why}; nothing is installed"))?;
        say(&[lines.trim_end()])
    }

    /// Puts the plugins of an archive into their places, or none of them. Returns lines about them.
    fn place_files(
        &self,
        archive: &[u8],
        order: &Order<'_>,
        mut entry: Entry,
        signals: &Signals,
    ) -> Result<String, Fault> {
        let prefix = Prefix::create(self.setup)?;
        let mut lines = String::new();
        let plugins = stage(archive, &prefix.bin, order, signals)?;
        for name in &plugins.skipped {
            lines.push_str(&prefix.bin.path(name).to_string_lossy());
            lines.push_str(" exists and is skipped; -overwrite replaces it\n");
        }
        let mut entries = prefix.entries()?;
        // The tag of this archive would be recorded for plugins of that one.
        let is_other = |old: &Entry| old.source == entry.source && old.sha256 != entry.sha256;
        let is_mixed = !plugins.skipped.is_empty() && entries.iter().any(is_other);
        if is_mixed {
            lines.push_str(
                "nothing is installed: plugins.lock has another archive of this source; -upgrade \
                 or -overwrite replaces its plugins\n",
            );
        }
        if is_mixed || plugins.files.is_empty() {
            return Ok(lines);
        }
        for (name, digest) in &plugins.files {
            lines.push_str(&prefix.bin.path(name).to_string_lossy());
            lines.push_str(" is installed (SHA-256 ");
            lines.push_str(digest);
            lines.push_str(")\n");
        }
        // What was installed from this archive before, and skipped now, stays recorded.
        if let Some(old) = entries.iter().find(|old| old.sha256 == entry.sha256) {
            for (name, digest) in &old.files {
                if plugins.skipped.contains(name) {
                    entry.files.push((name.clone(), digest.clone()));
                }
            }
        }
        entry.files.extend(plugins.files);
        record(&mut entries, entry);
        let lock = prefix.stage(&entries)?;
        for staged in plugins.staged {
            staged.commit()?;
        }
        lock.commit()?;
        prefix.sync();
        Ok(lines)
    }
}
