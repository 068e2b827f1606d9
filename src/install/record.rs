//! The record of the previous state, and copies of the files that were replaced, so that they can
//! be restored. Kept in a directory of root, because the agent's user must not choose what root
//! runs.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::account;
use super::command::Commands;
use super::layout::{self, Kind};
use super::step::{Owner, Step, host_id};
use crate::base;
use crate::base::url::percent_decoded;
use crate::install::layout::{HOME, WRITTEN};
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// The mode bits that are restored: no set-user-id, set-group-id or sticky bit.
const MODE: u32 = 0o777;
/// The mode of an edited configuration that is kept: it holds the API key.
const KEPT_MODE: u32 = 0o600;

/// The previous state.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Record {
    /// Paths and what they were, in the order in which they were changed.
    was: Vec<(String, Was)>,
    /// Whether the agent's user did not exist.
    pub(super) had_no_account: bool,
    /// Whether an agent was running.
    pub(super) was_running: bool,
}

/// What existed at a path.
#[derive(Clone, Debug, PartialEq)]
enum Was {
    Nothing,
    Link(String),
    /// A file of which a copy was made.
    Copied(Access),
    /// A file or directory that keeps its content.
    Kept(Access),
}

impl Record {
    /// The state of the tree at the paths that `steps` and the agent are going to change.
    pub(super) fn of(tree: &Tree, steps: &[Step], traces: &[&str], was_running: bool) -> Record {
        let is_kept =
            |step: &Step| matches!(step, Step::Own(..) | Step::Id(..) | Step::Directory(..));
        let changed = steps
            .iter()
            .filter_map(|step| Some((step.path()?, is_kept(step))));
        let traces = traces.iter().map(|path| (*path, true));
        let mut all: Vec<(String, Was)> = Vec::new();
        for (path, is_kept) in changed.chain(traces) {
            let access = |access: Access| Access {
                mode: access.mode & MODE,
                ..access
            };
            let was = match tree.there(path) {
                There::Nothing => Was::Nothing,
                // A link in the place of a directory is kept.
                There::Link(_) if is_kept => continue,
                There::Link(target) => Was::Link(target),
                There::File(is) if !is_kept => Was::Copied(access(is)),
                There::Directory(is) | There::File(is) => Was::Kept(access(is)),
            };
            if !all.iter().any(|(known, _)| known == path) {
                all.push((path.to_owned(), was));
            }
        }
        Record {
            was: all,
            had_no_account: account::find(tree).is_none(),
            was_running,
        }
    }

    /// Adds the paths of a later record that are not in this one.
    pub(super) fn extend(&mut self, later: &Record) -> &mut Record {
        for (path, was) in &later.was {
            if !self.was.iter().any(|(known, _)| known == path) {
                // Files there were made by an earlier `install`: anything older is in this record
                // already.
                let was = match was {
                    Was::Copied(_) => Was::Nothing,
                    was => was.clone(),
                };
                self.was.push((path.clone(), was));
            }
        }
        self
    }

    /// Copies the files that are about to be replaced below `home`, then writes the record.
    pub(super) fn save(&self, tree: &Tree, home: &str) -> Result<(), String> {
        let save = || {
            for (path, was) in &self.was {
                let copy = format!("{home}{path}");
                if let Was::Copied(access) = was
                    && !tree.has(&copy)
                {
                    let mode = access.mode & 0o700;
                    tree.copy_inside(path, &copy, root(mode))?;
                }
            }
            tree.write(&list(home), self.text().as_bytes(), root(0o600))?;
            // The unit, which is not root, looks whether there is a record of a run: the host is not
            // retired by the restart of an upgrade.
            tree.directory(HOME, root(0o711))
        };
        save().map_err(|error| base::report(&error))
    }

    /// The record below `home`; `None` if there is none.
    ///
    /// Fails if users other than root can have written it, and if it has a line that `install` does
    /// not write.
    pub(super) fn load(tree: &Tree, home: &str) -> Result<Option<Record>, String> {
        let path = list(home);
        if !tree.has(&path) {
            return Ok(None);
        }
        if !tree.is_protected(&path) {
            return Err(format!(
                "{path}: others than root may write it, or a directory above it; look at it, and end \
                 that with chown root and chmod go-w"
            ));
        }
        let bytes = tree.read(&path).map_err(|error| base::report(&error))?;
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        Record::read(&text).map(Some).map_err(|line| {
            format!(
                "{path}:{line}: no line of install; remove by hand what install has made, and \
                 {HOME}"
            )
        })
    }

    /// The steps that restore the previous state, the last change first.
    pub(super) fn undo(&self, tree: &Tree, home: &str, how: Undo) -> Vec<Step> {
        let mut steps = Vec::new();
        for (path, was) in self.was.iter().rev() {
            let path = path.clone();
            let kind = layout::kind(&path);
            let is_replaced = matches!(was, Was::Copied(_) | Was::Link(_));
            steps.push(match was {
                Was::Nothing | Was::Copied(_)
                    if kind == Some(Kind::Conf)
                        && how == Undo::Remove
                        && !tree.is_copy(&tree.path(WRITTEN), &path) =>
                {
                    Step::Own(path, KEPT_MODE, Owner::Numbers(0, 0))
                }
                _ if is_replaced
                    && how != Undo::Back
                    && (kind != Some(Kind::Conf) || how == Undo::Purge) =>
                {
                    Step::Remove(path)
                }
                Was::Copied(access) => Step::Copy(
                    tree.path(&format!("{home}{path}")),
                    path,
                    access.mode,
                    Owner::Numbers(access.uid, access.gid),
                ),
                Was::Link(target) => Step::Link(path, target.clone()),
                Was::Kept(Access { mode, uid, gid }) => {
                    let owner = Owner::Numbers(*uid, *gid);
                    if kind != Some(Kind::Id) {
                        Step::Own(path, *mode, owner)
                    } else if host_id(tree, &path).is_ok() {
                        Step::Id(path.clone(), path, *mode, owner)
                    } else {
                        Step::Remove(path)
                    }
                }
                Was::Nothing if kind == Some(Kind::Own) => Step::RemoveAll(path),
                Was::Nothing => Step::Remove(path),
            });
        }
        if self.had_no_account {
            steps.push(Step::NoAccount);
        }
        steps
    }

    /// Whether a file existed at `path` and was replaced.
    pub(super) fn has_replaced(&self, path: &str) -> bool {
        let is = |(known, was): &(String, Was)| known == path && matches!(was, Was::Copied(_));
        self.was.iter().any(is)
    }

    /// Whether `install` wrote the file at `path`.
    pub(super) fn has_made(&self, path: &str) -> bool {
        let is = |(known, was): &(String, Was)| {
            known == path && matches!(was, Was::Copied(_) | Was::Nothing)
        };
        self.was.iter().any(is)
    }

    /// The record's text: one line per path, with words separated by blanks. Blanks and newlines in
    /// a path are encoded.
    fn text(&self) -> String {
        let mut text = String::new();
        let states = [
            (self.had_no_account, "no-account\n"),
            (self.was_running, "running\n"),
        ];
        text.extend(states.iter().filter(|(is, _)| *is).map(|(_, line)| *line));
        for (path, was) in &self.was {
            let access = |to: &Access| format!("{:o} {} {} ", to.mode, to.uid, to.gid);
            let (kind, rest) = match was {
                Was::Nothing => ("nothing ", String::new()),
                Was::Link(target) => ("link ", word(target) + " "),
                Was::Copied(to) => ("copied ", access(to)),
                Was::Kept(to) => ("kept ", access(to)),
            };
            text.extend([kind, &rest, &word(path), "\n"]);
        }
        text
    }

    /// Parses the text of a record. Fails with the number of the first line that [`Record::text`]
    /// would not write.
    pub(super) fn read(text: &str) -> Result<Record, usize> {
        let mut record = Record::default();
        for (at, line) in text.split_terminator('\n').enumerate() {
            record.read_line(line).ok_or(at + 1)?;
        }
        if record.text() == text {
            Ok(record)
        } else {
            Err(1)
        }
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let mut access = || {
            Some(Access {
                mode: u32::from_str_radix(words.next()?, 8).ok()?,
                uid: words.next()?.parse().ok()?,
                gid: words.next()?.parse().ok()?,
            })
        };
        let was = match kind {
            "no-account" => {
                self.had_no_account = true;
                return words.next().is_none().then_some(());
            }
            "running" => {
                self.was_running = true;
                return words.next().is_none().then_some(());
            }
            "nothing" => Was::Nothing,
            "copied" => Was::Copied(access()?),
            "kept" => Was::Kept(access()?),
            "link" => Was::Link(percent_decoded(words.next()?)?),
            _ => return None,
        };
        let path = percent_decoded(words.next()?)?;
        let is_known = self.was.iter().any(|(known, _)| *known == path);
        let is_ours = words.next().is_none() && !is_known && is_ours(&path, &was);
        is_ours.then(|| self.was.push((path, was)))
    }
}

/// Whether `install` can have found `was` at `path` and changed it.
fn is_ours(path: &str, was: &Was) -> bool {
    let is_plain = |access: &Access| access.mode & !MODE == 0;
    match (layout::kind(path), was) {
        (Some(Kind::Own | Kind::Id | Kind::Conf | Kind::Above | Kind::Part), Was::Nothing) => true,
        (Some(Kind::Own | Kind::Id | Kind::Conf | Kind::Above), Was::Kept(access)) => {
            is_plain(access)
        }
        (Some(Kind::Part | Kind::Conf), Was::Copied(access)) => is_plain(access),
        (Some(Kind::Part | Kind::Conf), Was::Link(_)) => true,
        // A file of root that was made readable for the agent's group.
        (None, Was::Kept(access)) => {
            let mut names = path.split('/');
            let is_path =
                names.next() == Some("") && names.all(|name| !matches!(name, "" | "." | ".."));
            is_path && is_plain(access) && access.uid == 0
        }
        _ => false,
    }
}

/// A text with blanks, control characters and percent signs percent-encoded.
fn word(text: &str) -> String {
    const BLANK: &AsciiSet = &CONTROLS.add(b' ').add(b'%');
    utf8_percent_encode(text, BLANK).to_string()
}

/// How much is undone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Undo {
    /// Everything is restored.
    Back,
    /// Replaced files are removed, and so is the configuration unless it was edited.
    Remove,
    /// The configuration is removed in any case.
    Purge,
}

/// Applies `steps`, as many as possible. Returns the errors of the others.
pub(super) fn restore(steps: &[Step], tree: &Tree, commands: &Commands) -> Vec<String> {
    let mut errors = Vec::new();
    for step in steps {
        if !step.is_done(tree)
            && let Err(error) = step.take(tree, commands)
        {
            errors.push(error);
        }
    }
    errors
}

/// The path of the record in `home`.
pub(super) fn list(home: &str) -> String {
    format!("{home}.list")
}

/// Of root, with this mode.
pub(super) fn root(mode: u32) -> Access {
    Access {
        mode,
        uid: 0,
        gid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// Paths of the layout, and a file of the configuration that was made readable.
    const PATHS: [&str; 4] = [
        "/etc/init.d/mackerel-agent",
        "/etc/rc3.d/S95mackerel-agent",
        "/usr/bin/mackerel-agent",
        "/etc/mackerel-agent/d d",
    ];

    fn sample() -> Record {
        let access = |mode| Access {
            mode,
            uid: 0,
            gid: 999,
        };
        let was = [
            Was::Nothing,
            Was::Link("../b c\n%".to_owned()),
            Was::Copied(access(0o755)),
            Was::Kept(access(0o640)),
        ];
        Record {
            was: PATHS.map(str::to_owned).into_iter().zip(was).collect(),
            had_no_account: true,
            was_running: true,
        }
    }

    #[test]
    fn record_is_read_as_it_was_written() {
        let text = "no-account\nrunning\nnothing /etc/init.d/mackerel-agent\n\
                    link ../b%20c%0A%25 /etc/rc3.d/S95mackerel-agent\n\
                    copied 755 0 999 /usr/bin/mackerel-agent\n\
                    kept 640 0 999 /etc/mackerel-agent/d%20d\n";
        assert_eq!(sample().text(), text);
        assert_eq!(Record::read(text), Ok(sample()));
        assert_eq!(Record::read(""), Ok(Record::default()));
        crate::parse::survives_damage(text, |text| drop(Record::read(text)));
    }

    #[test]
    fn record_says_nothing_that_install_does_not() {
        // (why this row exists, lines, the number of the first that is refused)
        let table = [
            ("an unknown kind", "odd /etc/init.d/mackerel-agent\n", 1),
            ("no path", "running\nnothing\n", 2),
            ("no target", "link /etc/rc3.d/S95mackerel-agent\n", 1),
            (
                "a mode that is no number",
                "kept 8 0 0 /etc/mackerel-agent\n",
                1,
            ),
            ("a path of others", "nothing /etc/passwd\n", 1),
            (
                "others' file that would be written",
                "copied 644 0 0 /etc/passwd\n",
                1,
            ),
            (
                "others' file that would be a link",
                "link /tmp/x /etc/ld.so.preload\n",
                1,
            ),
            (
                "others' file that would be given away",
                "kept 640 900 900 /etc/shadow\n",
                1,
            ),
            (
                "a set-user-id program",
                "copied 4755 0 0 /usr/bin/mackerel-agent\n",
                1,
            ),
            (
                "a set-group-id directory",
                "kept 2755 0 0 /etc/mackerel-agent\n",
                1,
            ),
            (
                "a sticky directory",
                "kept 1777 0 0 /var/lib/mackerel-agent\n",
                1,
            ),
            (
                "a link in the place of the state",
                "link /etc /var/lib/mackerel-agent\n",
                1,
            ),
            (
                "a link in the place of the id",
                "link /etc/shadow /var/lib/mackerel-agent/id\n",
                1,
            ),
            (
                "a copy of what the user writes",
                "copied 644 0 0 /var/lib/mackerel-agent/id\n",
                1,
            ),
            (
                "a way up",
                "kept 640 0 0 /etc/mackerel-agent/../shadow\n",
                1,
            ),
            ("not from the root on", "kept 640 0 0 etc/shadow\n", 1),
            ("a second word", "nothing /usr/bin/mackerel-agent x\n", 1),
            ("a word too many", "running x\n", 1),
            (
                "a path twice",
                "nothing /usr/bin/mackerel-agent\nnothing /usr/bin/mackerel-agent\n",
                2,
            ),
            (
                "a control character",
                "kept 640 0 0 /etc/mackerel-agent/a\rb\n",
                1,
            ),
            (
                "more encoded than needed",
                "nothing /usr/bin/mackerel%2dagent\n",
                1,
            ),
            ("no end of the line", "running", 1),
            ("an empty line", "\nrunning\n", 1),
        ];
        for (why, text, line) in table {
            assert_eq!(Record::read(text), Err(line), "{why}");
        }
    }

    #[test]
    fn record_that_others_can_write_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let list = dir.path().join("home.list");
        for (mode, is_read) in [(0o600, true), (0o644, true), (0o666, false), (0o602, false)] {
            fs::write(&list, "running\n").unwrap();
            fs::set_permissions(&list, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Record::load(&tree, "/home").is_ok(), is_read, "{mode:o}");
        }
        fs::write(&list, "odd\n").unwrap();
        fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
        let error = Record::load(&tree, "/home").unwrap_err();
        assert!(
            error.starts_with("/home.list:1: no line of install"),
            "{error}"
        );
    }

    #[test]
    fn record_of_odd_files_has_no_set_id_bits_and_no_links_of_the_user() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let id = "/var/lib/mackerel-agent/id";
        let at = tree.path(id);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let step = [Step::Id(id.to_owned(), id.to_owned(), 0o644, Owner::User)];
        std::os::unix::fs::symlink("x y\nkept 4755 0 0 /bin/sh\nnothing", &at).unwrap();
        assert_eq!(Record::of(&tree, &step, &[], false).was, []);
        fs::remove_file(&at).unwrap();
        fs::write(&at, "3aBcDeFgHiJ").unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o4755)).unwrap();
        let record = Record::of(&tree, &step, &[], false);
        assert!(record.text().contains("\nkept 755 "), "{}", record.text());
    }

    #[test]
    fn record_undo_restores_or_removes_in_reverse_order() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let remove = |path: &str| Step::Remove(path.to_owned());
        let [script, link, program, conf] = PATHS;
        let own = Step::Own(conf.to_owned(), 0o640, Owner::Numbers(0, 999));
        let copy = Step::Copy(
            dir.path().join("home/usr/bin/mackerel-agent"),
            program.to_owned(),
            0o755,
            Owner::Numbers(0, 999),
        );
        let link_step = Step::Link(link.to_owned(), "../b c\n%".to_owned());
        let given_back = [own, copy, link_step, remove(script), Step::NoAccount];
        assert_eq!(sample().undo(&tree, "/home", Undo::Back), given_back);
        let removed = sample().undo(&tree, "/home", Undo::Remove);
        assert_eq!(removed[1..4], [program, link, script].map(remove));
        assert!(sample().has_replaced(program) && !sample().has_replaced(conf));
    }

    #[test]
    fn record_extended_gets_only_new_paths() {
        let mut first = sample();
        let later = Record {
            was: [(PATHS[0], "/x"), ("/etc/rc4.d/S95mackerel-agent", "/y")]
                .map(|(path, to)| (path.to_owned(), Was::Link(to.to_owned())))
                .into(),
            ..Record::default()
        };
        first.extend(&later);
        assert_eq!(first.was[..4], sample().was);
        assert_eq!(first.was[4..], later.was[1..]);
        assert!(first.had_no_account && first.was_running);
    }

    #[test]
    fn record_undo_restores_the_tree() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let path = |name: &str| dir.path().join(name);
        fs::create_dir_all(path("etc/init.d")).unwrap();
        fs::write(path("etc/init.d/mackerel-agent"), "old").unwrap();
        let commands = Commands::new().unwrap();
        let owner = match tree.there("/etc/init.d/mackerel-agent") {
            There::File(access) => Owner::Numbers(access.uid, access.gid),
            other => panic!("{other:?}"),
        };
        let file = |path: &str| Step::File(path.to_owned(), b"new"[..].into(), 0o600, owner);
        let directory = Step::Directory("/etc/rc3.d".to_owned(), 0o755, owner);
        let new = "/etc/rc3.d/S95mackerel-agent";
        let steps = [directory, file(new), file("/etc/init.d/mackerel-agent")];
        let trace = "/var/log/mackerel-agent.log";
        let record = Record::of(&tree, &steps, &[trace], false);
        record.save(&tree, "/home").unwrap();
        for step in &steps {
            assert!(!step.is_done(&tree));
            step.take(&tree, &commands).unwrap();
            assert!(step.is_done(&tree));
        }
        fs::create_dir_all(path("var/log/mackerel-agent.log/deep")).unwrap();
        let record = Record::load(&tree, "/home").unwrap().unwrap();
        let undo = record.undo(&tree, "/home", Undo::Back);
        assert_eq!(restore(&undo, &tree, &commands), [""; 0]);
        assert_eq!(fs::read(path("etc/init.d/mackerel-agent")).unwrap(), b"old");
        assert_eq!(fs::read_dir(path("etc")).unwrap().count(), 1);
        assert_eq!(fs::read_dir(path("var/log")).unwrap().count(), 0);
        assert_eq!(Record::load(&tree, "/nowhere"), Ok(None));
    }
}
