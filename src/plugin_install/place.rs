//! From an archive to files below `bin`: nothing is placed unless all of it is right.

use std::io::Read;

use super::archive::{Content, Entry, Kind, unpack};
use super::machine::{Fit, Machine, trial};
use crate::base::fault::Fault;
use crate::parse::plugin_target::is_plugin;
use crate::sys::digest::Sha256;
use crate::sys::log::escaped;
use crate::sys::signal::Signals;
use crate::sys::staged::{Directory, Staged};

/// Maximum number of bytes of a file.
const SIZE: u64 = 64 << 20;
/// Bytes that are unpacked at a time.
const CHUNK: usize = 16 << 10;

/// What is done with an archive.
pub(super) struct Order<'a> {
    pub(super) machine: &'static Machine,
    /// Whether `machine` is the one that this program runs on.
    pub(super) is_own: bool,
    /// Whether files that exist are replaced. Otherwise they are skipped.
    pub(super) overwrite: bool,
    /// The only files that are installed, each with its digest; all plugins if `None`.
    pub(super) known: Option<&'a [(String, String)]>,
}

/// The plugins of an archive, not yet in their places.
#[derive(Default)]
pub(super) struct Plugins<'d> {
    pub(super) staged: Vec<Staged<'d>>,
    /// Name and SHA-256 of each, in the same order.
    pub(super) files: Vec<(String, String)>,
    /// The names of those that exist and are not replaced.
    pub(super) skipped: Vec<String>,
    /// The names of those that nobody may execute.
    inert: Vec<String>,
}

/// Writes the plugins of an archive to temporary files in `bin`.
///
/// Fails if the archive is damaged, contains something dangerous, or has no plugin for the machine,
/// and if one of `signals` comes.
pub(super) fn stage<'d>(
    archive: &[u8],
    bin: &'d Directory,
    order: &Order<'_>,
    signals: &Signals,
) -> Result<Plugins<'d>, Fault> {
    let mut plugins = Plugins::default();
    unpack(archive, &mut |entry| {
        let path = String::from_utf8_lossy(entry.name).into_owned();
        let added = plugins.add(entry, bin, order, signals);
        Ok(added.map_err(|why| format!("{}: {why}", escaped(&path)))?)
    })?;
    if let Some(known) = order.known
        && known.len() != plugins.files.len()
    {
        return Err("a file of plugins.lock is missing".into());
    }
    if plugins.files.is_empty() && plugins.skipped.is_empty() {
        let mut why = "no executable named check-* or mackerel-plugin-*".to_owned();
        for name in &plugins.inert {
            why.push_str("; not executable: ");
            why.push_str(name);
        }
        return Err(why.into());
    }
    Ok(plugins)
}

impl<'d> Plugins<'d> {
    fn add(
        &mut self,
        entry: Entry<'_, '_>,
        bin: &'d Directory,
        order: &Order<'_>,
        signals: &Signals,
    ) -> Result<(), Fault> {
        let mut parts = entry.name.split(|byte| *byte == b'/');
        if entry.name.starts_with(b"/") || parts.clone().any(|part| part == b"..") {
            return Err("the path leads out of the archive; the archive is refused".into());
        }
        let name = parts.next_back().and_then(|name| str::from_utf8(name).ok());
        let Some(name) = name.filter(|name| is_plugin(name)) else {
            return Ok(());
        };
        let name = name.to_owned();
        match entry.kind {
            Kind::File if entry.is_executable => {}
            Kind::File => {
                self.inert.push(name);
                return Ok(());
            }
            Kind::Directory => return Ok(()),
            Kind::Other => {
                return Err("no plain file, but a link, a device, or encrypted; \
                            the archive is refused"
                    .into());
            }
        }
        let digest = match order.known {
            None => None,
            Some(known) => match known.iter().find(|(known, _)| *known == name) {
                Some((_, digest)) => Some(digest),
                None => return Ok(()),
            },
        };
        let is_again = self.files.iter().any(|(other, _)| *other == name);
        if is_again || self.skipped.contains(&name) {
            return Err("the archive has two files of this name".into());
        }
        match bin.status(&name) {
            Some(there) if there.is_dir() => return Err("a directory has its name".into()),
            Some(_) if !order.overwrite => {
                self.skipped.push(name);
                return Ok(());
            }
            _ => {}
        }
        let mut staged = bin.stage(&name)?;
        let sha256 = copy(entry.content, &mut staged, signals)?;
        if digest.is_some_and(|digest| *digest != sha256) {
            return Err(format!("its SHA-256 is {sha256}, not that of plugins.lock").into());
        }
        let read = |offset, length| staged.read_at(offset, length);
        let fit = order.machine.fits(&read)?;
        staged.finish(0o755)?;
        // A program of another architecture never gets here. 700 bytes less of amd64.
        if cfg!(target_arch = "arm") && fit == Fit::Unknown && order.is_own {
            trial(&staged.path())?;
        }
        self.staged.push(staged);
        self.files.push((name, sha256));
        Ok(())
    }
}

/// Copies a content and returns its SHA-256.
fn copy(
    content: &mut Content<'_>,
    to: &mut Staged<'_>,
    signals: &Signals,
) -> Result<String, Fault> {
    let (mut digest, mut left) = (Sha256::new(), SIZE);
    let mut chunk = vec![0; CHUNK];
    loop {
        if signals.is_told_to_stop() {
            return Err("interrupted".into());
        }
        let length = content.read(&mut chunk)?;
        let bytes = chunk.get(..length).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(digest.hex());
        }
        left = left
            .checked_sub(length as u64)
            .ok_or("unpacks to more than 64 MiB")?;
        digest.update(bytes);
        to.write(bytes)?;
    }
}

/// The SHA-256 of a file in a directory; `None` if the file does not exist.
pub(super) fn sha256(bin: &Directory, name: &str) -> Result<Option<String>, Fault> {
    let Some(mut file) = bin.file(name)? else {
        return Ok(None);
    };
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = file.read(&mut chunk);
        let length =
            length.map_err(|error| format!("read {}: {error}", bin.path(name).display()))?;
        if length == 0 {
            return Ok(Some(digest.hex()));
        }
        digest.update(chunk.get(..length).unwrap_or_default());
    }
}
