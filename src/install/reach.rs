//! Whether the agent's user can read what the configuration names, and what makes it so. An agent
//! that was root could read everything; a file that its user cannot read keeps it from starting,
//! and a directory that it cannot list hides its files without a word.

use super::account;
use super::layout::NAME;
use super::step::{Owner, Step};
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// Of a file: it can be read.
const READ: u32 = 4;
/// Of a directory: what is in it can be reached.
const ENTER: u32 = 1;
/// Where the agent's own configuration is.
pub(super) const DIRECTORY: &str = "/etc/mackerel-agent";
/// What is to be done about what is not given away.
const LEFT: &str = " has no right to it; give it to the group mackerel-agent, or give -as-root";
const ANYBODYS: Access = Access {
    mode: 0o777,
    uid: 0,
    gid: 0,
};

/// What the configuration needs.
pub(super) struct Named {
    /// In the tree.
    pub(super) path: String,
    /// Whether it was found by a pattern, so that its directory has to be listed.
    pub(super) is_found: bool,
}

/// What it takes that the agent's user can read `named`: the steps, none unless `is_roots`, and a line
/// for the user about each thing that has to be left to whom it belongs.
pub(super) fn reach(tree: &Tree, named: &[Named], is_roots: bool) -> (Vec<Step>, Vec<String>) {
    let (mut steps, mut left) = (Vec::new(), Vec::new());
    let ids = account::find(tree);
    for named in named {
        let real = tree.real(&named.path);
        for path in [Some(&named.path), real.as_ref()].into_iter().flatten() {
            // From the file to the top: `/a/b`, `/a`.
            let mut part = path.as_str();
            let mut is_listed = false;
            while !part.is_empty() {
                let (access, need) = match tree.there(part) {
                    There::File(access) => (access, READ),
                    There::Directory(access) if is_listed => (access, READ | ENTER),
                    There::Directory(access) => (access, ENTER),
                    // It can be anybody's; where it leads to is looked at as well.
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
                    ];
                    let line = line.concat();
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

/// Whether the user with these numbers, if there is one already, has all rights of `need`.
fn may(access: Access, need: u32, ids: Option<(u32, u32)>) -> bool {
    let has = |shift: u32| access.mode >> shift & need == need;
    has(0)
        || ids.is_some_and(|(uid, gid)| {
            (access.uid == uid && has(6)) || (access.gid == gid && has(3))
        })
}

/// Whether nobody loses a right if the group becomes the agent's: it is root's alone, and, if it is no
/// file, one of the agent's directories.
fn is_ours_to_give(path: &str, access: Access, is_file: bool, ids: Option<(u32, u32)>) -> bool {
    let inside = path.strip_prefix(DIRECTORY);
    let is_inside = inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_of_group = access.gid == 0 || ids.is_some_and(|(_, gid)| access.gid == gid);
    access.uid == 0 && is_of_group && (is_inside || is_file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(mode: u32, uid: u32, gid: u32) -> Access {
        Access { mode, uid, gid }
    }

    #[test]
    fn rights_come_from_the_owner_the_group_or_for_all() {
        // (what it is, what is needed, whether a new user has it, whether 5:6 has it)
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
    fn only_what_is_roots_alone_is_given_away() {
        // (path, what it is, whether it is given)
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
}
