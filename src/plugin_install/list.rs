//! Lists and removes installed plugins.

use std::mem;

use super::place::sha256;
use super::prefix::{LOCK, Prefix};
use super::say;
use crate::base::fault::Fault;
use crate::config::PluginSetup;
use crate::parse::plugin_lock::Entry;
use crate::parse::plugin_target::is_plugin;
use crate::sys::signal::Signals;

/// Prints a line for each plugin: its name, source, tag and state.
pub(super) fn list(setup: &PluginSetup) -> Result<(), Fault> {
    let Some(prefix) = Prefix::open(setup)? else {
        return Ok(());
    };
    let entries = prefix.entries()?;
    let mut left = prefix.bin.names()?;
    for entry in &entries {
        for (name, digest) in &entry.files {
            if let Some(at) = left.iter().position(|other| other == name) {
                left.remove(at);
            }
            let state = match sha256(&prefix.bin, name) {
                Ok(Some(found)) if found == *digest => "installed",
                Ok(None) => "missing",
                _ => "changed",
            };
            say(&[name, "  ", &entry.source, " ", &entry.tag, "  ", state])?;
        }
    }
    for name in left {
        if is_plugin(&name) {
            say(&[&name, "  not in ", LOCK])?;
        }
    }
    Ok(())
}

/// Removes the plugin `name`, or all plugins of the source `name`, and what is recorded of them.
pub(super) fn remove(setup: &PluginSetup, name: &str) -> Result<(), Fault> {
    let absent = || format!("-remove: {name} is not installed; -list shows what is");
    let prefix = Prefix::open(setup)?.ok_or_else(absent)?;
    let mut entries = prefix.entries()?;
    let mut names = Vec::new();
    if is_plugin(name) && prefix.bin.status(name).is_some() {
        names.push(name.to_owned());
    }
    for entry in &mut entries {
        let is_whole = entry.source == name;
        for (file, digest) in mem::take(&mut entry.files) {
            if !is_whole && file != name {
                entry.files.push((file, digest));
            } else if !names.contains(&file) {
                names.push(file);
            }
        }
    }
    if names.is_empty() {
        return Err(absent().into());
    }
    let signals = Signals::take();
    let removed = take(&prefix, &entries, &names);
    signals.release();
    removed?;
    for name in names {
        say(&[&prefix.bin.path(&name).to_string_lossy(), " is removed"])?;
    }
    Ok(())
}

/// Removes files, and records the entries.
fn take(prefix: &Prefix, entries: &[Entry], names: &[String]) -> Result<(), Fault> {
    let lock = prefix.stage(entries)?;
    for name in names {
        prefix.bin.remove(name)?;
    }
    lock.commit()?;
    prefix.sync();
    Ok(())
}
