//! What was there before, kept beside copies of the files that were replaced, so that it can be put
//! back: in a directory of root's own, since the agent's user is not to choose what root runs.

use super::account;
use super::command::Commands;
use super::step::{Owner, Step};
use crate::base;
use crate::sys::file::Access;
use crate::sys::tree::{There, Tree};

/// What `install` found on its first run, and what it keeps besides.
pub(super) const HOME: &str = "/usr/lib/mackerel-agent";
/// Of the first run: until the agent is uninstalled.
pub(super) const FIRST: &str = "/usr/lib/mackerel-agent/first";
/// Of one run: until it has succeeded.
pub(super) const RUN: &str = "/usr/lib/mackerel-agent/run";

/// What was there before.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Record {
    /// In the order in which they were changed.
    was: Vec<(String, Was)>,
    /// Whether there was no user for the agent.
    pub(super) had_no_account: bool,
    /// Whether an agent was running.
    pub(super) was_running: bool,
}

/// What was at a path.
#[derive(Clone, Debug, PartialEq)]
enum Was {
    Nothing,
    Link(String),
    /// A file, of which there is a copy.
    Copied(Access),
    /// A file or directory that keeps its content.
    Kept(Access),
}

impl Record {
    /// What the tree is like where `steps` and the agent are to change it.
    pub(super) fn of(tree: &Tree, steps: &[Step], traces: &[&str], was_running: bool) -> Record {
        let is_kept = |step: &Step| matches!(step, Step::Own(..));
        let changed = steps
            .iter()
            .filter_map(|step| Some((step.path()?, is_kept(step))));
        let traces = traces.iter().map(|path| (*path, true));
        let was = changed.chain(traces).map(|(path, is_kept)| {
            let was = match tree.there(path) {
                There::Nothing => Was::Nothing,
                There::Link(target) => Was::Link(target),
                There::File(access) if !is_kept => Was::Copied(access),
                There::Directory(access) | There::File(access) => Was::Kept(access),
            };
            (path.to_owned(), was)
        });
        Record {
            was: was.collect(),
            had_no_account: account::find(tree).is_none(),
            was_running,
        }
    }

    /// Takes over from a later record what this one does not know.
    pub(super) fn extend(&mut self, later: &Record) -> &mut Record {
        for (path, was) in &later.was {
            if !self.was.iter().any(|(known, _)| known == path) {
                // Nothing of it is older than `install`, or it would have been changed before.
                let was = match was {
                    Was::Copied(_) => Was::Nothing,
                    was => was.clone(),
                };
                self.was.push((path.clone(), was));
            }
        }
        self
    }

    /// Copies what is about to be replaced, and then writes itself, below `home`.
    pub(super) fn save(&self, tree: &Tree, home: &str) -> Result<(), String> {
        let save = || {
            for (path, was) in &self.was {
                let copy = format!("{home}{path}");
                if let Was::Copied(access) = was
                    && !tree.has(&copy)
                {
                    let mode = access.mode & 0o700;
                    tree.copy(&tree.path(path), &copy, root(mode))?;
                }
            }
            tree.write(&list(home), self.text().as_bytes(), root(0o600))
        };
        save().map_err(|error| base::report(&error))
    }

    /// The record below `home`; `None` if there is none.
    pub(super) fn load(tree: &Tree, home: &str) -> Result<Option<Record>, String> {
        let path = list(home);
        let text = tree.read(&path).map_err(|error| base::report(&error))?;
        text.map(|text| {
            let text = String::from_utf8_lossy(&text);
            Record::read(&text).ok_or_else(|| format!("{path} is damaged"))
        })
        .transpose()
    }

    /// The steps that bring back what was there, the last change first.
    ///
    /// Unless `is_given_back`, files and links that were replaced are removed instead.
    pub(super) fn undo(&self, tree: &Tree, home: &str, is_given_back: bool) -> Vec<Step> {
        let mut steps = Vec::new();
        for (path, was) in self.was.iter().rev() {
            steps.push(match was {
                Was::Copied(access) if is_given_back => Step::Copy(
                    tree.path(&format!("{home}{path}")),
                    path.clone(),
                    access.mode,
                    Owner::Numbers(access.uid, access.gid),
                ),
                Was::Link(target) if is_given_back => Step::Link(path.clone(), target.clone()),
                Was::Kept(Access { mode, uid, gid }) => {
                    Step::Own(path.clone(), *mode, Owner::Numbers(*uid, *gid))
                }
                Was::Nothing | Was::Copied(_) | Was::Link(_) => Step::Remove(path.clone()),
            });
        }
        if self.had_no_account {
            steps.push(Step::NoAccount);
        }
        steps
    }

    /// Whether the file at `path` was there, and replaced.
    pub(super) fn has_replaced(&self, path: &str) -> bool {
        let is = |(known, was): &(String, Was)| known == path && matches!(was, Was::Copied(_));
        self.was.iter().any(is)
    }

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
                // One of the program's own, which has no blank.
                Was::Link(target) => ("link ", format!("{target} ")),
                Was::Copied(to) => ("copied ", access(to)),
                Was::Kept(to) => ("kept ", access(to)),
            };
            text.extend([kind, &rest, path, "\n"]);
        }
        text
    }

    pub(super) fn read(text: &str) -> Option<Record> {
        let mut record = Record::default();
        for line in text.lines() {
            match line {
                "no-account" => record.had_no_account = true,
                "running" => record.was_running = true,
                _ => {
                    // The path comes last, since it may have blanks in it.
                    let (kind, mut rest) = line.split_once(' ')?;
                    let mut word = || {
                        let (word, after) = rest.split_once(' ')?;
                        rest = after;
                        Some(word)
                    };
                    let mut access = || {
                        Some(Access {
                            mode: u32::from_str_radix(word()?, 8).ok()?,
                            uid: word()?.parse().ok()?,
                            gid: word()?.parse().ok()?,
                        })
                    };
                    let was = match kind {
                        "nothing" => Was::Nothing,
                        "copied" => Was::Copied(access()?),
                        "kept" => Was::Kept(access()?),
                        "link" => Was::Link(word()?.to_owned()),
                        _ => return None,
                    };
                    record.was.push((rest.to_owned(), was));
                }
            }
        }
        Some(record)
    }
}

/// Takes the steps of `undo`, as many as can be taken. Returns what could not be.
pub(super) fn put_back(steps: &[Step], tree: &Tree, commands: &Commands) -> Vec<String> {
    let left = steps.iter().filter(|step| !step.is_done(tree));
    let taken = left.map(|step| step.take(tree, commands));
    taken.filter_map(Result::err).collect()
}

fn list(home: &str) -> String {
    format!("{home}.list")
}

fn root(mode: u32) -> Access {
    Access {
        mode,
        uid: 0,
        gid: 0,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn sample() -> Record {
        let access = |mode| Access {
            mode,
            uid: 0,
            gid: 999,
        };
        let was = [
            ("/etc/a", Was::Nothing),
            ("/etc/b", Was::Link("../b".to_owned())),
            ("/etc/c", Was::Copied(access(0o755))),
            ("/etc/d d", Was::Kept(access(0o640))),
        ];
        Record {
            was: was.map(|(path, was)| (path.to_owned(), was)).into(),
            had_no_account: true,
            was_running: true,
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let text = "no-account\nrunning\nnothing /etc/a\nlink ../b /etc/b\n\
                    copied 755 0 999 /etc/c\nkept 640 0 999 /etc/d d\n";
        assert_eq!(sample().text(), text);
        assert_eq!(Record::read(text), Some(sample()));
        assert_eq!(Record::read(""), Some(Record::default()));
        for broken in ["odd /etc/a", "link /etc/b", "kept 8 0 0 /etc/d", "nothing"] {
            assert_eq!(Record::read(broken), None, "{broken}");
        }
        crate::parse::survives_damage(text, |text| drop(Record::read(text)));
    }

    #[test]
    fn what_was_replaced_is_given_back_or_removed_last_change_first() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let remove = |path: &str| Step::Remove(path.to_owned());
        let own = Step::Own("/etc/d d".to_owned(), 0o640, Owner::Numbers(0, 999));
        let copy = Step::Copy(
            dir.path().join("home/etc/c"),
            "/etc/c".to_owned(),
            0o755,
            Owner::Numbers(0, 999),
        );
        let link = Step::Link("/etc/b".to_owned(), "../b".to_owned());
        let given_back = [own, copy, link, remove("/etc/a"), Step::NoAccount];
        assert_eq!(sample().undo(&tree, "/home", true), given_back);
        let removed = sample().undo(&tree, "/home", false);
        assert_eq!(removed[1..4], ["/etc/c", "/etc/b", "/etc/a"].map(remove));
        assert!(sample().has_replaced("/etc/c") && !sample().has_replaced("/etc/d d"));
    }

    #[test]
    fn a_later_record_adds_only_what_is_new() {
        let mut first = sample();
        let later = Record {
            was: [("/etc/a", "/x"), ("/etc/e", "/y")]
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
    fn the_tree_is_as_it_was_after_an_undo() {
        let dir = tempfile::tempdir().unwrap();
        let tree = Tree::at(dir.path());
        let path = |name: &str| dir.path().join(name);
        fs::create_dir(path("etc")).unwrap();
        fs::write(path("etc/old"), "old").unwrap();
        let commands = Commands::new().unwrap();
        let owner = match tree.there("/etc/old") {
            There::File(access) => Owner::Numbers(access.uid, access.gid),
            other => panic!("{other:?}"),
        };
        let file = |path: &str| Step::File(path.to_owned(), b"new"[..].into(), 0o600, owner);
        let directory = Step::Directory("/etc/some".to_owned(), 0o755, owner);
        let steps = [directory, file("/etc/some/new"), file("/etc/old")];
        let record = Record::of(&tree, &steps, &["/etc/trace"], false);
        record.save(&tree, "/home").unwrap();
        for step in &steps {
            assert!(!step.is_done(&tree));
            step.take(&tree, &commands).unwrap();
            assert!(step.is_done(&tree));
        }
        fs::write(path("etc/trace"), "").unwrap();
        let record = Record::load(&tree, "/home").unwrap().unwrap();
        let undo = record.undo(&tree, "/home", true);
        assert_eq!(put_back(&undo, &tree, &commands), [""; 0]);
        assert_eq!(fs::read(path("etc/old")).unwrap(), b"old");
        assert_eq!(fs::read_dir(path("etc")).unwrap().count(), 1);
        assert_eq!(Record::load(&tree, "/nowhere"), Ok(None));
    }
}
