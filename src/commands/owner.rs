//! Whose the agent's state is: root becomes that user before it touches any of it.

use std::path::Path;

use crate::base;
use crate::sys::tree::Tree;
use crate::sys::user;

/// Becomes the user to whom the directory `root` belongs, if this process is root and that is another
/// user. Returns that user's number then.
///
/// To be called before any thread is started. Returns the text for the user if it cannot be done.
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
