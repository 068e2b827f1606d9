//! The user that this process runs as.

use std::io;

use super::exec::groups_of;
use super::file::Access;

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Switches to the owner of a directory for good, with the groups of that user.
///
/// Must be called before any thread is started. Fails if this process lacks the permission. It is
/// still root then.
pub(crate) fn become_owner(of: Access) -> io::Result<()> {
    let mut groups = groups_of(of.uid);
    if !groups.contains(&of.gid) {
        groups.insert(0, of.gid);
    }
    // SAFETY: the pointer is to `groups.len()` groups.
    let has_groups = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } == 0;
    // SAFETY: setgid takes a plain integer.
    let has_group = has_groups && unsafe { libc::setgid(of.gid) } == 0;
    // SAFETY: setuid takes a plain integer.
    let has_user = has_group && unsafe { libc::setuid(of.uid) } == 0;
    if has_user {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Prevents programs from giving more rights to this process and its children: no set-user-id bit,
/// no sudo. The same as systemd's `NoNewPrivileges=`.
pub(crate) fn gain_nothing() {
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: this prctl takes plain integers. A kernel without it (before 3.5) cannot set this
    // limit for the service either.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) };
}
