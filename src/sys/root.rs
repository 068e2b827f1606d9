//! The host's files: below `/` in production, below a fixture directory in tests.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use crate::base::trees::Trees;

/// Bytes. More than any file read here holds; what is larger is refused.
const LIMIT: usize = 4 << 20;
/// The tables of a process's mounts. The second is for kernels that lack the first, and says less.
const MOUNTS: [&str; 2] = ["mountinfo", "mounts"];
/// Bytes by which a buffer grows when a file does not fit: one page-cache page of kernel text.
const STEP: usize = 4096;

/// The trees that stand for the host, and whose view of it their process files give.
pub(crate) struct Root {
    top: PathBuf,
    moved: Vec<(&'static str, PathBuf)>,
    /// Whether the network is that of the host's first process, not that of this one.
    is_network_of_init: bool,
    /// Whether the mounts are those of the host's first process, not those of this one.
    are_mounts_of_init: bool,
}

impl Root {
    /// The trees of `places`, and `/` for what they do not name.
    ///
    /// Where `/proc` is another one than this process's, the first process of that one tells of the
    /// network, and of the mounts if their sizes can be asked for. It does not where it cannot be
    /// seen (`hidepid`); then this process's own mounts below the host's root directory count.
    pub(crate) fn of(places: &Trees) -> Root {
        let moved = [
            ("/proc", &places.proc),
            ("/sys", &places.sys),
            ("/etc", &places.etc),
        ];
        let moved = moved.into_iter();
        let mut root = Root {
            top: places.root.clone().unwrap_or_else(|| PathBuf::from("/")),
            moved: moved
                .filter_map(|(at, place)| Some((at, place.clone()?)))
                .collect(),
            is_network_of_init: false,
            are_mounts_of_init: false,
        };
        if root.path("/proc") != Path::new("/proc") {
            // A link leads to this process's network: what is missing then is not to be had there.
            let links_to_own = root.path("/proc/net").is_symlink();
            root.is_network_of_init = links_to_own || root.path("/proc/1/net").exists();
            let is_init_seen = MOUNTS
                .iter()
                .any(|file| root.path("/proc/1").join(file).exists());
            root.are_mounts_of_init = root.top != Path::new("/") && is_init_seen;
        }
        root
    }

    /// The whole tree below `top`, as if this process were one of its host.
    #[cfg(test)]
    pub(crate) fn at(top: impl Into<PathBuf>) -> Root {
        Root {
            top: top.into(),
            moved: Vec::new(),
            is_network_of_init: false,
            are_mounts_of_init: false,
        }
    }

    /// The directory whose files tell of the host's network.
    pub(crate) fn network(&self) -> &'static str {
        match self.is_network_of_init {
            true => "/proc/1/net",
            false => "/proc/net",
        }
    }

    /// Whether only files, and no system call, tell of the host's network.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.is_network_of_init
    }

    /// Reads the table of the host's mounts, in either of the kernel's forms, into `buffer`.
    pub(crate) fn mounts<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], FileError> {
        let process = match self.are_mounts_of_init {
            true => "/proc/1",
            false => "/proc/self",
        };
        let [long, short] = MOUNTS.map(|file| self.path(Path::new(process).join(file)));
        let (at, file) = match File::open(&long) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = File::open(&short);
                (short, file)
            }
            opened => (long, opened),
        };
        let read = file.and_then(|file| fill(file, buffer));
        let length = read.map_err(|source| FileError::new("read", &at, source))?;
        Ok(&buffer[..length])
    }

    /// The mounts of this process, among which the host's are found below [`Root::path`] of `/`;
    /// `None` if [`Root::mounts`] are its own, or if it cannot be found out.
    pub(crate) fn own_mounts(&self) -> Option<Vec<u8>> {
        let mut table = Vec::new();
        let read = || File::open("/proc/self/mountinfo").and_then(|file| fill(file, &mut table));
        let length = self.are_mounts_of_init.then(read)?.ok()?;
        table.truncate(length);
        Some(table)
    }

    /// Where `path`, as the host knows it, is for this process.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        for (at, moved) in &self.moved {
            if let Ok(rest) = path.strip_prefix(at) {
                return moved.join(rest);
            }
        }
        self.top.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Reads a whole file, given by its path on the host, e.g. `/proc/stat`, into `buffer`, whose
    /// former content is lost and whose memory is used again.
    ///
    /// Fails if the file cannot be read or holds more than [`LIMIT`].
    pub(crate) fn read<'b>(
        &self,
        path: impl AsRef<Path>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], FileError> {
        let at = self.path(path);
        let read = File::open(&at).and_then(|file| fill(file, buffer));
        let length = read.map_err(|source| FileError::new("read", &at, source))?;
        Ok(&buffer[..length])
    }

    /// Like [`Root::read`], as text: bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn text<'b>(
        &self,
        path: impl AsRef<Path>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Cow<'b, str>, FileError> {
        let bytes = self.read(path, buffer)?;
        // Nearly always it is UTF-8, and that is found out many bytes at a time.
        Ok(match str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => String::from_utf8_lossy(bytes),
        })
    }

    /// Like [`Root::text`], but `None` where the host lacks the file.
    pub(crate) fn text_if_present(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Option<String>, FileError> {
        let mut buffer = Vec::new();
        absent_is_none(self.text(path, &mut buffer).map(Cow::into_owned))
    }

    /// The names in a directory, in no order; `None` where the host lacks the directory.
    pub(crate) fn names(&self, path: impl AsRef<Path>) -> Result<Option<Vec<OsString>>, FileError> {
        let at = self.path(path);
        let names = fs::read_dir(&at)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect())
            .map_err(|source| FileError::new("list", &at, source));
        absent_is_none(names)
    }

    /// The names of the directories in a directory of this process, in no order.
    pub(crate) fn directories(at: &Path) -> io::Result<Vec<OsString>> {
        let entries = fs::read_dir(at)?.filter_map(Result::ok);
        // The kind is read together with the name.
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        Ok(entries
            .filter(is_directory)
            .map(|entry| entry.file_name())
            .collect())
    }

    /// Bytes of the file itself, or of what a symbolic link leads to; `None` where the host lacks
    /// it or it is no regular file.
    pub(crate) fn size(&self, path: impl AsRef<Path>) -> Option<u64> {
        let metadata = fs::metadata(self.path(path)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }
}

/// Reads to the end and returns the length. Kernel files report a size of 0, so only reading
/// tells; `buffer` keeps its length, and with it its memory, for the next file.
pub(super) fn fill(mut file: File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= LIMIT {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            buffer.resize((length * 2).clamp(STEP, LIMIT), 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok(length),
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Tells a file that the host lacks, `None`, from one that it has and that cannot be read.
pub(crate) fn absent_is_none<T>(read: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match read {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

/// A file operation that failed: what was tried, on which file, and why.
#[derive(Debug)]
pub(crate) struct FileError {
    /// A verb in the infinitive: `read`, `write`, `rename`.
    verb: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    pub(super) fn new(verb: &'static str, path: &Path, source: io::Error) -> FileError {
        FileError {
            verb,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the host lacks the file.
    pub(crate) fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether what the file is about went away while it was read.
    pub(crate) fn is_gone(&self) -> bool {
        self.source.raw_os_error() == Some(libc::ENODEV)
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.path.display())
    }
}

impl error::Error for FileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn an_error_names_the_file_and_the_cause() {
        let error = Root::at("/nowhere")
            .read("/proc/stat", &mut Vec::new())
            .unwrap_err();
        assert_eq!(
            base::report(&error),
            "read /nowhere/proc/stat: No such file or directory (os error 2)"
        );
    }

    #[test]
    fn a_file_without_end_is_refused_and_not_cut() {
        let error = Root::at("/")
            .read("/dev/zero", &mut Vec::new())
            .unwrap_err();
        assert!(base::report(&error).starts_with("read /dev/zero: file too large"));
    }

    #[test]
    fn a_shorter_file_after_a_longer_one_has_no_rest_of_it() {
        let mut buffer = b"a long line that was there before".to_vec();
        let text = Root::at("tests/fixtures/two-core/t0")
            .read("/proc/loadavg", &mut buffer)
            .unwrap()
            .to_vec();
        assert!(text.ends_with(b"\n") && !text.ends_with(b"before"));
    }

    #[test]
    fn moved_trees_are_found_where_they_are() {
        let root = Root::of(&Trees {
            root: Some("/host".into()),
            proc: Some("/host-proc".into()),
            ..Trees::default()
        });
        assert_eq!(root.path("/proc/stat"), Path::new("/host-proc/stat"));
        assert_eq!(root.path("/procedure"), Path::new("/host/procedure"));
        assert_eq!(
            root.path("/etc/os-release"),
            Path::new("/host/etc/os-release")
        );
    }
}
