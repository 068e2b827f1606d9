//! Filesystems that return an error: the log has one line when that begins, one when it ends.

use std::io;
use std::path::{Path, PathBuf};

use super::Answer;
use crate::sys::log;

/// Paths that failed in the latest round.
#[derive(Default)]
pub(super) struct Failing(Vec<PathBuf>);

impl Failing {
    /// Compares a round's answers with the last round's, and logs changes.
    pub(super) fn note<'a>(&mut self, answers: impl Iterator<Item = (&'a Path, &'a Answer)>) {
        let mut failing: Vec<PathBuf> = Vec::new();
        for (path, answer) in answers {
            let Err(error) = answer else { continue };
            // No fault: unmounted meanwhile, or mounted for one user alone (FUSE).
            let (gone, forbidden) = (io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied);
            if error.kind() == gone || error.kind() == forbidden {
                continue;
            }
            if !self.0.iter().any(|known| known == path) {
                log::warn!("filesystem {}: {error}", path.display());
            }
            failing.push(path.to_owned());
        }
        for path in self.0.iter().filter(|path| !failing.contains(path)) {
            log::info!("filesystem {} fails no more", path.display());
        }
        self.0 = failing;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_fails_is_remembered_while_it_does() {
        let mut failing = Failing::default();
        let answer = |path: &str, kind: Option<io::ErrorKind>| {
            let answer = kind.map_or(Ok(None), |kind| Err(kind.into()));
            (PathBuf::from(path), answer)
        };
        let note = |failing: &mut Failing, answers: &[(PathBuf, Answer)]| {
            failing.note(
                answers
                    .iter()
                    .map(|(path, answer)| (path.as_path(), answer)),
            );
        };
        for _ in 0..2 {
            note(
                &mut failing,
                &[
                    answer("well", None),
                    answer("broken", Some(io::ErrorKind::NotConnected)),
                    answer("gone", Some(io::ErrorKind::NotFound)),
                    answer("forbidden", Some(io::ErrorKind::PermissionDenied)),
                ],
            );
            assert_eq!(failing.0, [PathBuf::from("broken")]);
        }
        note(&mut failing, &[answer("broken", None)]);
        assert!(failing.0.is_empty());
    }
}
