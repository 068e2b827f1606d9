//! A mount point: its path, and how its filesystem is asked below another root directory.
//!
//! Resolving a path inside that root takes three system calls for each mount. One call with the
//! plain path is enough while no symbolic link is on the way, and the kernel's table has no mount
//! point below a link. But a user may replace a directory above it by a link at any time. So the
//! plain path is asked first. Its answer counts if it comes from the filesystem that was found
//! inside the root the last time; otherwise the path is resolved inside the root again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Answer;
use super::usage::{self, Stat};
use crate::sys::root::Places;

/// A path to ask, and the filesystem that it led to.
pub(crate) struct Point {
    path: PathBuf,
    /// The number of the filesystem found inside the root the last time; 0 if it has no number, and
    /// before the first time.
    inside: AtomicUsize,
}

impl From<PathBuf> for Point {
    fn from(path: PathBuf) -> Point {
        let inside = AtomicUsize::new(0);
        Point { path, inside }
    }
}

impl Point {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The usage of the filesystem at this path, one that [`Places::path`] returns. May never
    /// return.
    pub(super) fn ask(&self, places: &Places) -> Answer {
        let plain = || usage::statvfs(&self.path);
        let inside = || {
            let Some(path) = places.inside(&self.path) else {
                return plain();
            };
            match usage::fstatvfs(&places.open(&path, libc::O_PATH)?) {
                Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
                    places.with_path(&path, usage::statvfs)
                }
                answer => answer,
            }
        };
        Ok(self.ask_by(plain, inside)?.usage)
    }

    /// The answer for the plain path if it counts, otherwise the one inside the root.
    fn ask_by(
        &self,
        plain: impl Fn() -> io::Result<Stat>,
        inside: impl Fn() -> io::Result<Stat>,
    ) -> io::Result<Stat> {
        let known = self.inside.load(Ordering::Relaxed);
        if known != 0
            && let Ok(stat) = plain()
            && stat.id == known
        {
            return Ok(stat);
        }
        let stat = inside()?;
        self.inside.store(stat.id, Ordering::Relaxed);
        Ok(stat)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::Usage;
    use super::*;

    #[test]
    fn plain_path_counts_only_if_it_leads_to_the_filesystem_inside_the_root() {
        /// Filesystems that the plain path and that inside the root lead to; "-" is an error.
        type Round = (&'static str, &'static str);
        // (why this row exists, rounds, ways asked, what is answered in the last round)
        let table: &[(&str, &[Round], &str, &str)] = &[
            ("first round", &[("8", "7")], "i", "7"),
            ("nothing changes", &[("7", "7"); 3], "ipp", "7"),
            (
                "a link leads out from the start",
                &[("8", "7"); 3],
                "ipipi",
                "7",
            ),
            (
                "replaced by a link out of the root",
                &[("7", "7"), ("8", "7")],
                "ipi",
                "7",
            ),
            (
                "replaced, and nothing inside",
                &[("7", "7"), ("8", "-")],
                "ipi",
                "-",
            ),
            (
                "and back again",
                &[("7", "7"), ("8", "-"), ("7", "7")],
                "ipip",
                "7",
            ),
            (
                "another disk",
                &[("7", "7"), ("8", "8"), ("8", "8")],
                "ipip",
                "8",
            ),
            (
                "no numbers to tell them apart",
                &[("0", "0"); 3],
                "iii",
                "0",
            ),
            (
                "replaced by one without number",
                &[("7", "7"), ("0", "7")],
                "ipi",
                "7",
            ),
            ("gone", &[("7", "7"), ("-", "-")], "ipi", "-"),
            (
                "only there later",
                &[("-", "-"), ("7", "7"), ("7", "7")],
                "iip",
                "7",
            ),
        ];
        for (why, rounds, expected_ways, expected) in table {
            let point = Point::from(PathBuf::from("/host/mnt"));
            let ways = RefCell::new(String::new());
            let answer = |way: &str, id: &str| {
                ways.borrow_mut().push_str(way);
                let usage = Usage::new(1, 2, 1, 1);
                let stat = id.parse().map(|id| Stat { id, usage });
                stat.map_err(|_| io::ErrorKind::NotFound.into())
            };
            let mut last = String::new();
            for (plain, inside) in *rounds {
                let found = point.ask_by(|| answer("p", plain), || answer("i", inside));
                last = found.map_or("-".to_owned(), |stat| stat.id.to_string());
            }
            assert_eq!(last, *expected, "{why}");
            assert_eq!(*ways.borrow(), *expected_ways, "{why}");
        }
    }

    #[test]
    fn mount_point_replaced_by_a_link_is_asked_inside_the_root() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("host");
        let out = "../../../../../../../../../../proc";
        // (why this row exists, mount point, what is replaced, by a link to)
        let table = [
            ("the mount point", "srv/data", "srv/data", "/proc"),
            ("a directory above it", "srv/task", "srv", "/proc/self"),
            ("by a relative link", "srv/data", "srv/data", out),
        ];
        for (why, path, replaced, target) in table {
            fs::create_dir_all(top.join(path)).unwrap();
            let places = [
                Places::at(top.clone()),
                Places::at(top.clone()).without_openat2(),
            ];
            let points = places.map(|places| (places, Point::from(top.join(path))));
            for (places, point) in &points {
                for _ in 0..2 {
                    assert!(point.ask(places).unwrap().is_some(), "{why}");
                }
            }
            fs::rename(top.join(replaced), top.join("aside")).unwrap();
            symlink(target, top.join(replaced)).unwrap();
            assert!(fs::metadata(top.join(path)).is_ok(), "{why}: leads out");
            for (places, point) in &points {
                let error = point.ask(places).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotFound, "{why}");
            }
            fs::remove_file(top.join(replaced)).unwrap();
            fs::rename(top.join("aside"), top.join(replaced)).unwrap();
        }
    }
}
