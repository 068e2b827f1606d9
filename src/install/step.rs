//! The changes to a host, one step at a time. Each step can be repeated, and can tell whether it is
//! done already.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use super::account;
use super::command::Commands;
use crate::base;
use crate::base::text::is_host_id;
use crate::install::layout::NAME;
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// The owner that a file gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    Root,
    /// root, with the group of the agent's user.
    Group,
    /// The agent's user.
    User,
    /// The given user and group ids.
    Numbers(u32, u32),
}

/// One change. Paths are relative to the tree.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Creates the agent's user with this home directory.
    Account(&'static str),
    NoAccount,
    Directory(String, u32, Owner),
    /// A file with this content.
    File(String, Cow<'static, [u8]>, u32, Owner),
    /// Copies a file, which may be outside the tree.
    Copy(PathBuf, String, u32, Owner),
    /// Sets owner and mode of what exists.
    Own(String, u32, Owner),
    /// Reads the host id from the first file and writes it as a new file to the second path.
    Id(String, String, u32, Owner),
    /// Gives root's ids and spools in the state directory to the agent's user, as far as possible,
    /// while only root may write to that directory. They keep their modes.
    State(&'static str),
    /// A symbolic link, and its target.
    Link(String, String),
    /// Removes a file, a link, or an empty directory.
    Remove(String),
    /// Removes a directory with its content.
    RemoveAll(String),
}

/// Maximum size of the file of a host id: the id, and the newline that an editor leaves.
const ID_SIZE: u64 = 66;

/// The host id in the file at `path`; `None` if there is none.
///
/// Fails if it is not a file written by the agent, or holds anything else.
pub(super) fn host_id(tree: &Tree, path: &str) -> Result<Option<String>, String> {
    let bytes = tree
        .read_short(path, ID_SIZE)
        .map_err(|error| base::report(&error))?;
    let id = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap_or_default();
        let id = text.trim_end_matches(['\r', '\n']);
        if is_host_id(id) {
            Ok(id.to_owned())
        } else {
            Err(format!(
                "{path} holds no id of a host (1 to 64 letters, digits, - and _); remove it"
            ))
        }
    };
    bytes.map(id).transpose()
}

/// The paths of root's ids and spools in the directory `state`, and their modes. None if other users
/// may write to it.
fn of_root(tree: &Tree, state: &str) -> Vec<(String, u32)> {
    let mode = |path: &str| match tree.there(path) {
        There::File(access) if access.uid == 0 => Some(access.mode),
        _ => None,
    };
    let names = tree.names(state).into_iter().filter_map(|name| {
        let path = [state, "/", &name].concat();
        let is_state = match name.split('.').next() {
            Some("spool") => true,
            Some("id") => matches!(host_id(tree, &path), Ok(Some(_))),
            _ => false,
        };
        mode(&path).filter(|_| is_state).map(|mode| (path, mode))
    });
    names.collect()
}

impl Step {
    /// The path that the step changes.
    pub(super) fn path(&self) -> Option<&str> {
        match self {
            Step::Account(_) | Step::NoAccount | Step::State(_) => None,
            Step::Directory(path, ..)
            | Step::File(path, ..)
            | Step::Copy(_, path, ..)
            | Step::Own(path, ..)
            | Step::Id(_, path, ..)
            | Step::Link(path, _)
            | Step::Remove(path)
            | Step::RemoveAll(path) => Some(path),
        }
    }

    /// Whether nothing is left to do.
    pub(super) fn is_done(&self, tree: &Tree) -> bool {
        let is = |path: &str, mode, owner| match (tree.there(path), access(tree, mode, owner)) {
            (There::File(is) | There::Directory(is), Some(wanted)) => {
                is == wanted || (is.mode == wanted.mode && !tree.may_give())
            }
            _ => false,
        };
        match self {
            Step::Account(_) => account::find(tree).is_some(),
            Step::NoAccount => account::find(tree).is_none(),
            Step::State(state) => of_root(tree, state).is_empty(),
            Step::Directory(path, mode, owner) => is(path, *mode, *owner),
            Step::File(path, content, mode, owner) => {
                is(path, *mode, *owner)
                    && matches!(tree.read(path), Ok(Some(there)) if there == **content)
            }
            Step::Copy(from, path, mode, owner) => {
                is(path, *mode, *owner) && tree.is_copy(from, path)
            }
            // A link's target is another file, which is left alone.
            Step::Own(path, mode, owner) => match tree.there(path) {
                There::Nothing | There::Link(_) => true,
                _ => is(path, *mode, *owner),
            },
            Step::Id(from, path, mode, owner) => {
                is(path, *mode, *owner)
                    && (from == path || host_id(tree, from).ok() == host_id(tree, path).ok())
            }
            Step::Link(path, target) => {
                matches!(tree.there(path), There::Link(to) if to == *target)
            }
            Step::Remove(path) | Step::RemoveAll(path) => !tree.has(path),
        }
    }

    /// Applies the step.
    pub(super) fn take(&self, tree: &Tree, commands: &Commands) -> Result<(), String> {
        let to = |mode, owner| {
            access(tree, mode, owner).ok_or_else(|| format!("there is no user {NAME}"))
        };
        match self {
            Step::Account(home) => return account::make(tree, commands, home),
            Step::NoAccount => return account::remove(tree, commands),
            Step::State(state) => {
                for (path, mode) in of_root(tree, state) {
                    // The agent sets what it cannot read aside.
                    drop(tree.own(&path, to(mode, Owner::User)?));
                }
                return Ok(());
            }
            Step::Directory(path, mode, owner) => tree.directory(path, to(*mode, *owner)?),
            Step::File(path, content, mode, owner) => tree.write(path, content, to(*mode, *owner)?),
            Step::Copy(from, path, mode, owner) => tree.copy(from, path, to(*mode, *owner)?),
            Step::Own(path, mode, owner) => tree.own(path, to(*mode, *owner)?),
            Step::Id(from, path, mode, owner) => match host_id(tree, from)? {
                Some(id) => tree.write(path, id.as_bytes(), to(*mode, *owner)?),
                None => Ok(()),
            },
            Step::Link(path, target) => tree.link(path, target),
            Step::Remove(path) => tree.remove(path, false),
            Step::RemoveAll(path) => tree.remove(path, true),
        }
        .map_err(|error| base::report(&error))
    }
}

/// The mode and ids for `owner` in this tree; `None` if there is no such user yet.
fn access(tree: &Tree, mode: u32, owner: Owner) -> Option<Access> {
    let (uid, gid) = match owner {
        Owner::Root => (0, 0),
        Owner::Group => (0, account::find(tree)?.1),
        Owner::User => account::find(tree)?,
        Owner::Numbers(uid, gid) => (uid, gid),
    };
    Some(Access { mode, uid, gid })
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Root => f.write_str("root:root"),
            Owner::Group => f.write_str("root:mackerel-agent"),
            Owner::User => f.write_str("mackerel-agent:mackerel-agent"),
            Owner::Numbers(uid, gid) => write!(f, "{uid}:{gid}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, path, mode, owner) = match self {
            Step::Account(_) => return write!(f, "create the user {NAME}"),
            Step::NoAccount => return write!(f, "remove the user {NAME}"),
            Step::State(path) => return write!(f, "give away ids and spools in {path}"),
            Step::Link(path, target) => return write!(f, "link {path} to {target}"),
            Step::Remove(path) => return write!(f, "remove {path}"),
            Step::RemoveAll(path) => return write!(f, "remove {path} and what is in it"),
            Step::Directory(path, mode, owner) => ("directory", path, mode, owner),
            Step::File(path, _, mode, owner)
            | Step::Copy(_, path, mode, owner)
            | Step::Id(_, path, mode, owner) => ("write", path, mode, owner),
            Step::Own(path, mode, owner) => ("give away", path, mode, owner),
        };
        write!(f, "{verb} {path} ({mode:04o} {owner})")
    }
}
