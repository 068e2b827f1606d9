//! The owner of the agent's state. Root changes to that user before it uses the state.

use std::path::Path;

use crate::base;
use crate::sys::tree::Tree;
use crate::sys::user;

/// Changes to the user who owns the directory `root`, if this process is root and the owner is not.
/// Returns that user's id if it has changed.
///
/// Must be called before any thread is started. Fails with the text for the user if the user cannot
/// be changed.
pub(crate) fn become_owner(root: &Path) -> Result<Option<u32>, String> {
    if !user::is_root() {
        return Ok(None);
    }
    let tree = Tree::at(Path::new("/"));
    let owner = match root.to_str() {
        Some(path) => tree.owner(path).map_err(|error| base::report(&error))?,
        None => None,
    };
    let Some(owner) = owner.filter(|owner| owner.uid != 0) else {
        return Ok(None);
    };
    match user::become_owner(owner) {
        Ok(()) => Ok(Some(owner.uid)),
        Err(error) => Err(format!(
            "{} belongs to the user {}, and this process cannot become that user: {error}",
            root.display(),
            owner.uid
        )),
    }
}
