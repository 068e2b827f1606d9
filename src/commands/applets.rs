//! `mackerel-agent applets`: lists the built-in checks and metric plugins, or makes links for them.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::applets::APPLETS;
use crate::config::Flags;
use crate::sys::executable::Executable;

/// The column at which descriptions begin.
const COLUMN: usize = 31;

/// Lists the applets, or makes links to this program in a directory. Fails with the text for the
/// user.
pub(crate) fn applets(flags: &Flags) -> Result<(), String> {
    if let Some(directory) = &flags.links {
        return install(directory);
    }
    let mut text = String::new();
    for applet in APPLETS {
        text.push_str(applet.name);
        for _ in applet.name.len()..COLUMN {
            text.push(' ');
        }
        text.extend([&*applet.about(), "\n"]);
    }
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("applets: cannot write: {error}"))
}

/// Makes a link for each applet in `directory`, which is made if it does not exist. A link that is
/// there is replaced; a file is not, and is an error once all others are done.
fn install(directory: &Path) -> Result<(), String> {
    let shown = directory.display();
    let failed = |what: &str, error: io::Error| format!("applets: {shown}: {what}: {error}");
    let own = Executable::own().map_err(|error| failed("this program's file", error))?;
    let own = fs::canonicalize(own.path()).map_err(|error| failed("this program's file", error))?;
    fs::create_dir_all(directory).map_err(|error| failed("cannot make it", error))?;
    let mut kept = String::new();
    for applet in APPLETS {
        let link = directory.join(applet.name);
        match fs::symlink_metadata(&link) {
            Ok(found) if !found.is_symlink() => {
                kept.extend([" ", applet.name]);
                continue;
            }
            _ => {}
        }
        // Replaced by a rename, so that the name is there at every moment.
        let new = directory.join([".", applet.name, ".new"].concat());
        drop(fs::remove_file(&new));
        let made = symlink(&own, &new).and_then(|()| fs::rename(&new, &link));
        if let Err(error) = made {
            drop(fs::remove_file(&new));
            return Err(failed(applet.name, error));
        }
    }
    if kept.is_empty() {
        return Ok(());
    }
    Err(format!(
        "applets: {shown}: kept, since these are no links:{kept}; remove them first"
    ))
}
