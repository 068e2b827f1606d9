//! The user that this process runs as.

use std::io;

use super::exec::groups_of;
use super::file::Access;

/// The group of nobody, which the kernel shows in place of groups that it cannot show.
const NOBODY: libc::gid_t = 65534;

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    // SAFETY: geteuid has no arguments and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// Switches to the owner of a directory, who is not root, for good, with the groups of that user.
///
/// Must be called before any thread is started. Fails if this process lacks the permission. It is
/// still root then.
pub(crate) fn become_owner(of: Access) -> io::Result<()> {
    let (gid, groups) = groups(groups_of(of.uid), of.gid);
    // SAFETY: the pointer is to `groups.len()` groups.
    let has_groups = unsafe { libc::setgroups(groups.len(), groups.as_ptr()) } == 0;
    // SAFETY: setgid takes a plain integer.
    let has_group = has_groups && unsafe { libc::setgid(gid) } == 0;
    // SAFETY: setuid takes a plain integer.
    let has_user = has_group && unsafe { libc::setuid(of.uid) } == 0;
    if has_user {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The group and all groups of a user for whom `listed` are found, the primary one first, and whose
/// directory has the group `gid`. If none are found, this is the only group, unless it is root's:
/// `mkdir` by root leaves that to a directory which is given to another user later.
fn groups(listed: Vec<libc::gid_t>, gid: libc::gid_t) -> (libc::gid_t, Vec<libc::gid_t>) {
    match listed.first() {
        Some(first) => (*first, listed),
        None if gid == 0 => (NOBODY, Vec::new()),
        None => (gid, vec![gid]),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_keeps_no_group_of_roots() {
        type Row = (&'static str, &'static [u32], u32, u32, &'static [u32]);
        // (why this row exists, groups that are listed, the directory's, the group, all groups)
        let table: [Row; 5] = [
            ("as listed", &[900, 4], 900, 900, &[900, 4]),
            ("a directory that root made", &[900, 4], 0, 900, &[900, 4]),
            ("a directory of another group", &[900], 4, 900, &[900]),
            ("a user who is not listed", &[], 900, 900, &[900]),
            ("and whose directory root made", &[], 0, NOBODY, &[]),
        ];
        for (why, listed, directory, group, all) in table {
            let expected = (group, all.to_vec());
            assert_eq!(groups(listed.to_vec(), directory), expected, "{why}");
        }
    }
}
