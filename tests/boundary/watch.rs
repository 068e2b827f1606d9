//! The content of a tree, and changes in it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::ground::{SECRET, USER};

/// The largest file whose content is read. Larger ones are sparse.
const SIZE: u64 = 1 << 20;

/// A file: kind, mode, owner, group, content or target.
type Entry = (&'static str, u32, u32, u32, Vec<u8>);

pub(crate) struct Watch(BTreeMap<PathBuf, Entry>);

/// The content of a file. A FIFO may have replaced it by now.
fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut options = File::options();
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let mut content = Vec::new();
    let file = options.read(true).custom_flags(flags).open(path)?;
    file.take(SIZE).read_to_end(&mut content)?;
    Ok(content)
}

impl Watch {
    /// All files below `top`, without mounted filesystems.
    pub(crate) fn of(top: &Path) -> Watch {
        let mut found = BTreeMap::new();
        let device = fs::metadata(top).unwrap().dev();
        let mut left = vec![top.to_owned()];
        while let Some(path) = left.pop() {
            let Ok(status) = fs::symlink_metadata(&path) else {
                continue;
            };
            if status.dev() != device {
                continue;
            }
            let kind = status.file_type();
            let (kind, content) = match kind {
                kind if kind.is_symlink() => {
                    let target = fs::read_link(&path).unwrap_or_default();
                    ("link", target.as_os_str().as_bytes().to_vec())
                }
                kind if kind.is_dir() => {
                    // A race or a deep tree may hide entries. The others are still compared.
                    let entries = fs::read_dir(&path).into_iter().flatten().flatten();
                    let depth = path.components().count();
                    left.extend(entries.map(|entry| entry.path()).filter(|_| depth < 40));
                    ("directory", Vec::new())
                }
                kind if kind.is_file() && status.len() <= SIZE => {
                    ("file", content(&path).unwrap_or_default())
                }
                kind if kind.is_file() => ("file", Vec::new()),
                kind if kind.is_fifo() => ("fifo", Vec::new()),
                _ => ("other", Vec::new()),
            };
            let mode = status.mode() & 0o7777;
            let path = path.strip_prefix(top).unwrap().to_owned();
            found.insert(path, (kind, mode, status.uid(), status.gid(), content));
        }
        Watch(found)
    }

    /// A change since `before` that is not allowed, if any.
    pub(crate) fn differs(&self, before: &Watch) -> Option<String> {
        let is_ours = |path: &Path| {
            path.as_os_str()
                .as_bytes()
                .windows(14)
                .any(|w| w == b"mackerel-agent")
        };
        for (path, was) in &before.0 {
            let shown = path.display();
            match self.0.get(path) {
                _ if is_ours(path) => {}
                Some(is) if is == was => {}
                // A directory that was made for a file which has been removed.
                None if was.0 == "directory" && was.2 == 0 && path.starts_with("etc/systemd") => {}
                None => return Some(format!("{shown} is gone")),
                Some(is) if is.4 != was.4 => return Some(format!("{shown} has other content")),
                Some(is) => {
                    let [is, was] = [is, was].map(|e| format!("{} {:o} {}:{}", e.0, e.1, e.2, e.3));
                    return Some(format!("{shown} was {was} and is {is}"));
                }
            }
        }
        for (path, (kind, mode, uid, gid, content)) in &self.0 {
            let shown = path.display();
            let old = before.0.get(path);
            let is_directory = *kind == "directory" && (*mode, *uid) == (0o755, 0);
            if old.is_none() && !is_ours(path) && !is_directory {
                return Some(format!("{shown} is new: {kind}"));
            }
            let is_set_id = *kind == "file" && mode & 0o6000 != 0 && *uid == 0;
            if is_set_id && old.is_none_or(|old| (old.1, old.2) != (*mode, *uid)) {
                return Some(format!("{shown} is a set-id program of root's"));
            }
            let is_readable = mode & 0o004 != 0
                || (*uid == USER && mode & 0o400 != 0)
                || (*gid == USER && mode & 0o040 != 0);
            let is_secret = content
                .windows(SECRET.len())
                .any(|w| w == SECRET.as_bytes());
            if *kind == "file" && is_readable && is_secret && *uid != USER {
                return Some(format!(
                    "{shown} has a secret that the agent's user can read"
                ));
            }
            if *kind == "file" && is_secret && *uid == USER && old.is_none_or(|old| old.2 != USER) {
                return Some(format!(
                    "{shown} has a secret and belongs to the agent's user"
                ));
            }
            let is_roots_place = path.starts_with("usr") || path.starts_with("etc/init.d");
            if is_roots_place && *uid == USER {
                return Some(format!("{shown} belongs to the agent's user"));
            }
        }
        None
    }
}
