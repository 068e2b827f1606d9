//! The directory that plugins are installed in: `bin` and `plugins.lock`.

use std::io::Read;
use std::path::Path;

use crate::base::fault::Fault;
use crate::config::PluginSetup;
use crate::parse::plugin_lock::{self, Entry};
use crate::sys::staged::{Directory, Staged};

/// Where plugins are installed, unless a flag says otherwise.
const DEFAULT: &str = "/opt/mackerel-agent/plugins";
/// The file that records what is installed.
pub(super) const LOCK: &str = "plugins.lock";
/// Maximum number of bytes of it.
const SIZE: u64 = 1 << 20;

/// The directories, open and locked.
pub(super) struct Prefix {
    // Dropped in this order: the outer one is removed only once the inner one is.
    pub(super) bin: Box<Directory>,
    top: Box<Directory>,
}

impl Prefix {
    /// The directories of `setup`; `None` if one of them does not exist.
    pub(super) fn open(setup: &PluginSetup) -> Result<Option<Prefix>, Fault> {
        let path = path(setup);
        let (top, bin) = (Directory::open(path)?, Directory::open(&path.join("bin"))?);
        Ok(top.zip(bin).map(|(top, bin)| Prefix { bin, top }))
    }

    /// The directories of `setup`, which are created. Those without a content in the end are
    /// removed.
    pub(super) fn create(setup: &PluginSetup) -> Result<Prefix, Fault> {
        let path = path(setup);
        let top = Directory::create(path)?;
        let bin = Directory::create(&path.join("bin"))?;
        Ok(Prefix { bin, top })
    }

    /// The entries of `plugins.lock`; none if it does not exist.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Fault> {
        let Some(file) = self.top.file(LOCK)? else {
            return Ok(Vec::new());
        };
        let (path, mut bytes) = (self.top.path(LOCK), Vec::new());
        let read = file.take(SIZE).read_to_end(&mut bytes);
        read.map_err(|error| format!("read {}: {error}", path.display()))?;
        parse(&path, &bytes)
    }

    /// Writes the new `plugins.lock`, which takes its place when it is committed.
    pub(super) fn stage(&self, entries: &[Entry]) -> Result<Staged<'_>, Fault> {
        let mut lock = self.top.stage(LOCK)?;
        lock.write(plugin_lock::text(entries).as_bytes())?;
        lock.finish(0o644)?;
        Ok(lock)
    }

    /// Writes what has been renamed and removed to the disk.
    pub(super) fn sync(&self) {
        self.bin.sync();
        self.top.sync();
    }
}

/// Parses a lock file. The error names it.
pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, Fault> {
    let entries = plugin_lock::parse(&String::from_utf8_lossy(bytes));
    Ok(entries.map_err(|why| format!("{}: {why}", path.display()))?)
}

fn path(setup: &PluginSetup) -> &Path {
    setup.prefix.as_deref().unwrap_or(Path::new(DEFAULT))
}
