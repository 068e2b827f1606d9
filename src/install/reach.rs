//! Checks whether the agent's user can read the files named in the configuration, and plans the
//! changes needed. An agent that ran as root could read all of them. An unreadable file prevents
//! the start, and files in a directory that cannot be listed are ignored silently.

use super::account;
use super::layout::NAME;
use super::step::{Owner, Step};
use crate::base;
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// Permission bit of a file: it can be read.
const READ: u32 = 4;
/// Permission bit of a directory: its files can be reached.
const ENTER: u32 = 1;
/// The directory of the agent's configuration.
pub(super) const DIRECTORY: &str = "/etc/mackerel-agent";
/// The end of the line about a path whose owner is not changed.
const LEFT: &str = " has no right to it; give it to the group mackerel-agent, or give -as-root";
/// The end of the line about a name that is not followed.
const BARRED: &str = "; rights to it stay as they are; name the file itself";
const ANYBODYS: Access = Access {
    mode: 0o777,
    uid: 0,
    gid: 0,
};

/// A path that the configuration needs.
pub(super) struct Named {
    /// The path in the tree.
    pub(super) path: String,
    /// Whether it was found by a pattern, so that its directory must be listable.
    pub(super) is_found: bool,
}

/// The steps that let the agent's user read `named`; none unless `is_roots`. Also a line for the
/// user about each path whose owner must not be changed, and about each name that leads through a
/// link of another user.
pub(super) fn reach(tree: &Tree, named: &[Named], is_roots: bool) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    let ids = account::find(tree);
    for named in named {
        let real = tree.real(&named.path).unwrap_or_else(|error| {
            left.push(base::report(&error) + BARRED);
            None
        });
        for path in [Some(&named.path), real.as_ref()].into_iter().flatten() {
            // From the file up to the top: `/a/b`, `/a`.
            let mut part = path.as_str();
            let mut is_listed = false;
            while !part.is_empty() {
                let (access, need) = match tree.there(part) {
                    There::File(access) => (access, READ),
                    There::Directory(access) if is_listed => (access, READ | ENTER),
                    There::Directory(access) => (access, ENTER),
                    // A link needs no permission; its target is checked as well.
                    There::Nothing | There::Link(_) => (ANYBODYS, 0),
                };
                let bits = if need == READ { READ } else { READ | ENTER };
                let is_fine = may(access, need, ids);
                let may_give = || {
                    is_roots
                        && is_ours_to_give(part, access, need == READ, ids)
                        && tree.is_fixed(part)
                };
                if !is_fine && may_give() {
                    let step = Step::Own(part.to_owned(), access.mode | bits << 3, Owner::Group);
                    if !steps.contains(&step) {
                        steps.push(step);
                    }
                } else if !is_fine {
                    let line = [
                        part,
                        ": the configuration needs it, and the user ",
                        NAME,
                        LEFT,
                    ]
                    .concat();
                    if !left.contains(&line) {
                        left.push(line);
                    }
                }
                is_listed = named.is_found && part.len() == path.len();
                part = part.rfind('/').map_or("", |end| &part[..end]);
            }
        }
    }
    (steps, left)
}

/// Whether the user with these ids, if it exists already, has all permissions in `need`.
fn may(access: Access, need: u32, ids: Option<(u32, u32)>) -> bool {
    let has = |shift: u32| access.mode >> shift & need == need;
    has(0)
        || ids.is_some_and(|(uid, gid)| {
            (access.uid == uid && has(6)) || (access.gid == gid && has(3))
        })
}

/// Whether the group can be changed to the agent's without loss of permissions. The path must
/// belong to root alone; a directory must also be one of the agent's.
fn is_ours_to_give(path: &str, access: Access, is_file: bool, ids: Option<(u32, u32)>) -> bool {
    let inside = path.strip_prefix(DIRECTORY);
    let is_inside = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_of_group = access.gid == 0 || ids.is_some_and(|(_, gid)| access.gid == gid);
    access.uid == 0 && is_of_group && (is_inside || is_file)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use super::*;

    fn access(mode: u32, uid: u32, gid: u32) -> Access {
        Access { mode, uid, gid }
    }

    #[test]
    fn reach_uses_the_permissions_of_owner_group_and_others() {
        // (permissions, what is needed, whether a new user has it, whether 5:6 has it)
        let table = [
            (access(0o644, 0, 0), READ, true, true),
            (access(0o640, 0, 0), READ, false, false),
            (access(0o640, 0, 6), READ, false, true),
            (access(0o600, 0, 6), READ, false, false),
            (access(0o600, 5, 0), READ, false, true),
            (access(0o711, 0, 0), ENTER, true, true),
            (access(0o711, 0, 0), READ | ENTER, false, false),
            (access(0o750, 0, 6), READ | ENTER, false, true),
        ];
        for (access, need, is_new, is_known) in table {
            assert_eq!(may(access, need, None), is_new, "{access:?}");
            assert_eq!(may(access, need, Some((5, 6))), is_known, "{access:?}");
        }
    }

    #[test]
    fn reach_changes_the_group_only_of_roots_own_files() {
        // (path, permissions, whether the group is changed)
        let table = [
            (
                "/etc/mackerel-agent/conf.d/a.conf",
                access(0o600, 0, 0),
                true,
            ),
            ("/etc/mackerel-agent/conf.d", access(0o700, 0, 0), true),
            ("/etc/mackerel-agent/a", access(0o600, 0, 6), true),
            ("/etc/mackerel-agent/a", access(0o640, 0, 4), false),
            ("/etc/mackerel-agent/a", access(0o600, 1000, 0), false),
            ("/srv/a.conf", access(0o600, 0, 0), true),
            ("/root", access(0o700, 0, 0), false),
            ("/etc/mackerel-agent.d", access(0o700, 0, 0), false),
        ];
        for (path, access, expected) in table {
            let is_file = access.mode & 0o100 == 0;
            let is = is_ours_to_give(path, access, is_file, Some((5, 6)));
            assert_eq!(is, expected, "{path} {access:?}");
        }
    }

    #[test]
    fn reach_follows_no_link_of_another_user() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (name, mode) in [("", 0o755), ("etc", 0o755), ("others", 0o755)] {
            fs::create_dir_all(at(name)).unwrap();
            fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
        }
        fs::write(at("etc/secret"), "secret").unwrap();
        fs::set_permissions(at("etc/secret"), Permissions::from_mode(0o600)).unwrap();
        symlink("secret", at("etc/link")).unwrap();
        symlink("../etc/secret", at("others/key")).unwrap();
        symlink("../etc", at("others/etc")).unwrap();
        symlink("../others/key", at("etc/to-others")).unwrap();
        fake_server::require!(
            chown(at("others"), Some(4242), Some(4242)).is_ok(),
            "only root can give a directory away"
        );
        let secret: &[&str] = &["/etc/secret"];
        // (why this row exists, the name in the configuration, what is given away, lines for the
        // user)
        let table: [(&str, &str, &[&str], usize); 6] = [
            ("a file", "/etc/secret", secret, 0),
            ("a link of root's", "/etc/link", secret, 0),
            ("a link in another user's directory", "/others/key", &[], 1),
            ("a directory that is such", "/others/etc/secret", &[], 1),
            ("by a link of root's", "/etc/to-others", &[], 1),
            ("a file that is missing", "/others/none", &[], 0),
        ];
        for (why, path, expected, lines) in table {
            let named = Named {
                path: path.to_owned(),
                is_found: false,
            };
            let (steps, left) = reach(&Tree::at(dir.path()), &[named], true);
            let given: Vec<_> = steps.iter().filter_map(Step::path).collect();
            assert_eq!(given, expected, "{why}");
            assert_eq!(left.len(), lines, "{why}: {left:?}");
        }
    }
}
