//! Reads the host's files: below `/` or `HOST_ROOT`, in tests below a fixture directory.

mod digest;
mod places;

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use crate::base::host_paths::HostPaths;

pub(crate) use digest::digest;
pub(crate) use places::Places;
pub(in crate::sys) use places::own;

/// Bytes read of one file. No file that is read here is larger; longer tables are cut.
const LIMIT: usize = 4 << 20;
/// Bytes read of a table that is read line by line. A router may have a million routes.
const LONGEST: usize = 256 << 20;
/// Bytes of a line of such a table.
const LINE: usize = 16 << 10;
/// Mount tables of a process. The second has fewer fields; old kernels have no other.
const MOUNTS: [&str; 2] = ["mountinfo", "mounts"];
/// Bytes of the first buffer: kernels write files of `/proc` by pages.
const STEP: usize = 4096;
/// Files of each round that are one record or have short ones. The kernel returns less than was
/// asked for at their end, or where the next record does not fit into a page. `/proc/diskstats` is
/// not among them: there a disk and all its partitions are one record, which may have many pages.
const SHORT_LINES: [&str; 4] = [
    "/proc/loadavg",
    "/proc/stat",
    "/proc/meminfo",
    "/proc/net/dev",
];
/// Bytes that no line of these files has, if it is not the whole record.
const SHORT_LINE: usize = 1 << 10;

/// The host's trees, and which process's network and mounts count as the host's.
#[derive(Clone)]
pub(crate) struct Root {
    places: Places,
    /// Whether the network is that of the host's first process, not that of this one.
    is_network_of_init: bool,
    /// Whether the mounts are those of the host's first process, not those of this one.
    are_mounts_of_init: bool,
}

/// The first [`LIMIT`] bytes of a kernel's table, and an error if it is longer.
type Table<T> = (T, Option<FileError>);

impl Root {
    /// The trees of `places`, and `/` for those that are not set.
    ///
    /// If `/proc` is not this process's own, network and mounts are those of process 1 there.
    /// Mounts are so only if the host's root directory is set, so that their sizes can be asked. If
    /// process 1 is hidden (`hidepid`), this process's own mounts below the host's root directory
    /// count.
    pub(crate) fn of(places: &HostPaths) -> Root {
        let mut root = Root::with(Places::of(places));
        if root.path("/proc") != Path::new("/proc") {
            // `/proc/net` as a link leads to the network of the process that follows it.
            let net = root
                .places
                .open(Path::new("/proc/net"), libc::O_PATH | libc::O_NOFOLLOW);
            let net = net.and_then(|net| net.metadata());
            let links_to_own = net.is_ok_and(|net| net.is_symlink());
            root.is_network_of_init = links_to_own || root.exists("/proc/1/net");
            let is_init_seen = MOUNTS
                .iter()
                .any(|file| root.exists(Path::new("/proc/1").join(file)));
            root.are_mounts_of_init = !root.places.is_own() && is_init_seen;
        }
        root
    }

    /// The same trees with the mounts of the host's first process, among which are none that the
    /// sandbox of a service has made or changed. If that process is hidden, nothing changes.
    pub(crate) fn with_mounts_of_init(mut self) -> Root {
        let is_own = self.places.is_own() && self.path("/proc") == Path::new("/proc");
        let can_be_read = || self.places.open("/proc/1/mountinfo".as_ref(), 0).is_ok();
        self.are_mounts_of_init |= is_own && can_be_read();
        self
    }

    /// The files of this process, whatever the settings are.
    pub(crate) fn own() -> Root {
        Root::with(Places::at(PathBuf::from("/")))
    }

    /// The tree below `top`, with the network and mounts of `/proc/self` in it.
    #[cfg(test)]
    pub(crate) fn at(top: impl Into<PathBuf>) -> Root {
        Root::with(Places::at(top.into()))
    }

    fn with(places: Places) -> Root {
        Root {
            places,
            is_network_of_init: false,
            are_mounts_of_init: false,
        }
    }

    /// The directory with the files of the host's network.
    pub(crate) fn network(&self) -> &'static str {
        match self.is_network_of_init {
            true => "/proc/1/net",
            false => "/proc/net",
        }
    }

    /// Whether the host's network is another one than this process's, so that only its files count.
    pub(crate) fn is_elsewhere(&self) -> bool {
        self.is_network_of_init
    }

    /// The table of the host's mounts, as `mountinfo` or `mounts`, read into `buffer`.
    pub(crate) fn mounts<'b>(&self, buffer: &'b mut Vec<u8>) -> Result<Table<&'b [u8]>, FileError> {
        let (path, file) = self.open_mounts();
        self.whole_lines(&path, file, buffer)
    }

    /// The [`digest`] of [`Root::mounts`]. It is read page by page, because a host with many
    /// containers has a table of hundreds of kilobytes, which would stay in memory as `buffer`.
    pub(crate) fn mounts_digest(&self, buffer: &mut Vec<u8>) -> Result<Table<u64>, FileError> {
        let (path, file) = self.open_mounts();
        if buffer.len() < STEP {
            buffer.resize(STEP, 0);
        }
        let read = file.and_then(|file| digest::of_file(file, &mut buffer[..STEP]));
        let (digest, is_whole) = read.map_err(|error| self.unread(&path, error))?;
        Ok((digest, self.too_long(&path, is_whole)))
    }

    fn open_mounts(&self) -> (PathBuf, io::Result<File>) {
        let process = match self.are_mounts_of_init {
            true => "/proc/1",
            false => "/proc/self",
        };
        let [long, short] = MOUNTS.map(|file| Path::new(process).join(file));
        match self.places.open(&long, 0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let file = self.places.open(&short, 0);
                (short, file)
            }
            opened => (long, opened),
        }
    }

    /// The mount table of this process, in which the host's mounts lie below [`Root::path`] of `/`;
    /// `None` if [`Root::mounts`] returns the same table, or if it cannot be read.
    pub(crate) fn own_mounts(&self) -> Option<Vec<u8>> {
        if !self.are_mounts_of_init {
            return None;
        }
        let mut table = Vec::new();
        let read = Root::own().table_of("/proc/self/mountinfo".as_ref(), &mut table);
        let length = read.ok()?.0.len();
        table.truncate(length);
        Some(table)
    }

    /// This process's path of the host's `path`, if no symbolic link is on the way. Use it to show
    /// and compare paths; the other methods resolve links.
    pub(crate) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.places.path(path.as_ref())
    }

    /// The host's trees and their paths.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// The content of a file, read into `buffer`, which is overwritten. `path` is the host's, e.g.
    /// `/proc/stat`.
    ///
    /// Fails if the file cannot be read or holds more than [`LIMIT`].
    pub(crate) fn read<'b>(
        &self,
        path: impl AsRef<Path>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], FileError> {
        self.read_path(path.as_ref(), buffer)
    }

    // What the methods do is apart from their conversion of paths, so that it exists once.
    fn read_path<'b>(&self, path: &Path, buffer: &'b mut Vec<u8>) -> Result<&'b [u8], FileError> {
        let read = self.places.open(path, 0);
        let read = read.and_then(|file| whole(fill_up(file, has_short_lines(path), buffer)?));
        let length = read.map_err(|source| FileError::new("read", &self.path(path), source))?;
        Ok(&buffer[..length])
    }

    /// The content of a file as text; bytes that are not UTF-8 become U+FFFD. Fails as
    /// [`Root::read`].
    pub(crate) fn text<'b>(
        &self,
        path: impl AsRef<Path>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Cow<'b, str>, FileError> {
        Ok(text(self.read_path(path.as_ref(), buffer)?))
    }

    /// The content of a table as text, like [`Root::text`]. Of one longer than [`LIMIT`], the lines
    /// that fit, and an error beside them.
    pub(crate) fn table<'b>(
        &self,
        path: impl AsRef<Path>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Table<Cow<'b, str>>, FileError> {
        let (lines, cut) = self.table_of(path.as_ref(), buffer)?;
        Ok((text(lines), cut))
    }

    fn table_of<'b>(
        &self,
        path: &Path,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Table<&'b [u8]>, FileError> {
        self.whole_lines(path, self.places.open(path, 0), buffer)
    }

    fn whole_lines<'b>(
        &self,
        path: &Path,
        file: io::Result<File>,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Table<&'b [u8]>, FileError> {
        let read = file.and_then(|file| fill_up(file, has_short_lines(path), buffer));
        let (length, is_whole) = read.map_err(|error| self.unread(path, error))?;
        let read = &buffer[..length];
        let cut = self.too_long(path, is_whole);
        let end = match cut {
            None => length,
            Some(_) => read.iter().rposition(|byte| *byte == b'\n').unwrap_or(0),
        };
        Ok((&read[..end], cut))
    }

    /// The error of a table of more than [`LIMIT`] bytes.
    fn too_long(&self, path: &Path, is_whole: bool) -> Option<FileError> {
        let why = "too long; only its first 4 MiB are used";
        let why = || io::Error::new(io::ErrorKind::FileTooLarge, why);
        (!is_whole).then(|| self.unread(path, why()))
    }

    fn unread(&self, path: &Path, source: io::Error) -> FileError {
        FileError::new("read", &self.path(path), source)
    }

    /// Calls `each` with every line of a kernel's table of up to [`LONGEST`] bytes.
    ///
    /// Fails if the table cannot be read or holds more than [`LONGEST`].
    pub(crate) fn each_line(
        &self,
        path: &str,
        each: &mut dyn FnMut(&str),
    ) -> Result<(), FileError> {
        let path = Path::new(path);
        let mut read = || {
            let mut file = BufReader::with_capacity(LINE, self.places.open(path, 0)?);
            let (mut line, mut ahead) = (Vec::new(), LONGEST);
            loop {
                line.clear();
                let length = (&mut file).take(LINE as u64).read_until(b'\n', &mut line)?;
                ahead = ahead
                    .checked_sub(length)
                    .ok_or(io::ErrorKind::FileTooLarge)?;
                if length == 0 {
                    return Ok(());
                }
                each(&text(&line));
            }
        };
        read().map_err(|source| FileError::new("read", &self.path(path), source))
    }

    /// The content of a file as text; `None` if there is no such file.
    pub(crate) fn text_if_present(
        &self,
        path: impl AsRef<Path>,
    ) -> Result<Option<String>, FileError> {
        let mut buffer = Vec::new();
        absent_is_none(self.text(path, &mut buffer).map(Cow::into_owned))
    }

    /// The names in a directory, in no order; `None` if there is no such directory.
    pub(crate) fn names(&self, path: impl AsRef<Path>) -> Result<Option<Vec<OsString>>, FileError> {
        absent_is_none(self.entries(path.as_ref(), &|_| true))
    }

    /// The names of the directories in a directory, in no order; none if it does not exist.
    pub(crate) fn directories(&self, path: impl AsRef<Path>) -> Vec<OsString> {
        // The entry holds the kind: no system call.
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        self.entries(path.as_ref(), &is_directory)
            .unwrap_or_default()
    }

    /// The names of all else in a directory, links to directories included.
    pub(crate) fn files(&self, path: &Path) -> Vec<OsString> {
        let is_other = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_dir());
        self.entries(path, &is_other).unwrap_or_default()
    }

    /// The number of entries in a directory.
    pub(crate) fn count(&self, path: impl AsRef<Path>) -> Result<u64, FileError> {
        let count = Cell::new(0);
        let pass_over = |_: &fs::DirEntry| {
            count.set(count.get() + 1);
            false
        };
        self.entries(path.as_ref(), &pass_over)?;
        Ok(count.get())
    }

    fn entries(
        &self,
        path: &Path,
        is_wanted: &dyn Fn(&fs::DirEntry) -> bool,
    ) -> Result<Vec<OsString>, FileError> {
        let list = |directory: &Path| {
            let mut names = Vec::new();
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if is_wanted(&entry) {
                    names.push(entry.file_name());
                }
            }
            Ok(names)
        };
        let names = self.places.with_path(path, list);
        names.map_err(|source| FileError::new("list", &self.path(path), source))
    }

    /// Opens a regular file for reading, which never blocks. Fails for anything else.
    pub(crate) fn open(&self, path: &Path) -> Result<(File, Metadata), FileError> {
        let error = |verb, source| FileError::new(verb, &self.shown(path), source);
        let file = self.places.open(path, libc::O_NONBLOCK);
        let file = file.map_err(|source| error("open", source))?;
        let metadata = file.metadata().map_err(|source| error("stat", source))?;
        let why = match metadata.is_file() {
            true => return Ok((file, metadata)),
            false if metadata.is_dir() => io::Error::from_raw_os_error(libc::EISDIR),
            false => io::Error::other("not a regular file"),
        };
        Err(error("read", why))
    }

    /// Metadata of a file or a directory, links resolved.
    pub(crate) fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, FileError> {
        self.metadata_of(path.as_ref())
    }

    fn metadata_of(&self, path: &Path) -> Result<Metadata, FileError> {
        let metadata = self.places.metadata(path);
        metadata.map_err(|source| FileError::new("stat", &self.shown(path), source))
    }

    /// [`Root::path`], and a relative path as it is.
    fn shown(&self, path: &Path) -> PathBuf {
        match path.is_absolute() {
            true => self.path(path),
            false => path.to_owned(),
        }
    }

    /// Whether the host has a file or a directory at `path`.
    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.places.metadata(path.as_ref()).is_ok()
    }

    /// The host's path that `path` leads to once links are resolved; `None` if that does not exist.
    pub(crate) fn real(&self, path: impl AsRef<Path>) -> Option<PathBuf> {
        self.places.real(path.as_ref()).ok()
    }

    /// Bytes of a file, links resolved; `None` if it does not exist or is no regular file.
    pub(crate) fn size(&self, path: impl AsRef<Path>) -> Option<u64> {
        let metadata = self.places.metadata(path.as_ref()).ok()?;
        metadata.is_file().then_some(metadata.len())
    }
}

/// Bytes as text. The check for UTF-8 is the faster way, and nearly always enough.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// Reads a file into `buffer` and returns its length. Fails if it is longer than [`LIMIT`].
pub(super) fn fill(file: File, buffer: &mut Vec<u8>) -> io::Result<usize> {
    whole(fill_up(file, false, buffer)?)
}

/// The length of a file that has been read to its end.
fn whole((length, is_whole): (usize, bool)) -> io::Result<usize> {
    match is_whole {
        true => Ok(length),
        false => Err(io::ErrorKind::FileTooLarge.into()),
    }
}

fn has_short_lines(path: &Path) -> bool {
    SHORT_LINES.iter().any(|short| path == Path::new(short))
}

/// Reads up to [`LIMIT`] bytes; returns their number and whether the file has no more. Kernel files
/// report a size of 0, so the file is read to its end: until nothing comes, or where no other line
/// can follow. `buffer` keeps its length for the next file.
fn fill_up(
    mut file: File,
    has_short_lines: bool,
    buffer: &mut Vec<u8>,
) -> io::Result<(usize, bool)> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= LIMIT {
                return Ok((length, false));
            }
            buffer.resize((length * 2).clamp(STEP, LIMIT), 0);
        }
        match file.read(&mut buffer[length..]) {
            Ok(0) => return Ok((length, true)),
            Ok(more) => {
                length += more;
                if has_short_lines && length < buffer.len() && more + SHORT_LINE <= STEP {
                    return Ok((length, true));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// `None` in place of the error of a file that does not exist.
pub(crate) fn absent_is_none<T>(read: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match read {
        Err(error) if error.is_absent() => Ok(None),
        other => other.map(Some),
    }
}

/// An error of a file operation: verb, path and cause.
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

    /// Whether the file does not exist.
    pub(crate) fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }

    /// Whether the device that the file describes was removed while the file was read.
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
    use std::io::Write;

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
    fn a_read_that_leaves_room_for_a_line_is_the_last_one_of_short_lines() {
        // (why this row exists, bytes, whether lines are short, whether the end has to be read)
        let table = [
            ("the usual file", 1_000, true, false),
            ("a page and a little", 4_196, true, false),
            ("room for no other line", 3_500, true, true),
            ("lines of any length", 1_000, false, true),
        ];
        for (why, length, has_short_lines, reads_end) in table {
            let (reader, mut writer) = io::pipe().unwrap();
            let mut buffer = Vec::new();
            let thread = std::thread::spawn(move || {
                let file = File::from(std::os::fd::OwnedFd::from(reader));
                fill_up(file, has_short_lines, &mut buffer).unwrap()
            });
            writer.write_all(&vec![b'.'; length]).unwrap();
            // A pipe that stays open has no end to read.
            if reads_end {
                drop(writer);
            }
            assert_eq!(thread.join().unwrap(), (length, true), "{why}");
        }
    }

    #[test]
    fn a_disk_with_many_partitions_does_not_end_the_table_of_disks() {
        // The kernel ends a read before a record that does not fit into the rest of a page. A
        // datagram ends one, too; an empty one is the end.
        let (reader, writer) = std::os::unix::net::UnixDatagram::pair().unwrap();
        for record in [1_262, 2_800, 0] {
            writer.send(&vec![b'.'; record]).unwrap();
        }
        let file = File::from(std::os::fd::OwnedFd::from(reader));
        let has_short_lines = has_short_lines(Path::new("/proc/diskstats"));
        let read = fill_up(file, has_short_lines, &mut Vec::new()).unwrap();
        assert_eq!(read, (4_062, true));
    }

    #[test]
    fn a_large_mount_table_is_compared_without_room_for_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proc/self/mountinfo");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let root = Root::at(directory.path());
        let line = "99 20 0:9 / /run/netns/x rw - nsfs nsfs rw\n";
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        for end in ["", "x", "y"] {
            let table = [&line.repeat(10_000), end].concat();
            fs::write(&path, &table).unwrap();
            let (found, cut) = root.mounts_digest(&mut buffer).unwrap();
            assert!(cut.is_none() && buffer.len() == STEP);
            assert_eq!(found, digest(table.as_bytes()));
            assert!(!seen.contains(&found), "a table that ends with {end:?}");
            seen.push(found);
        }
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

    /// A host's tree in `host`, and beside it a file that no path of the host may lead to.
    fn linked() -> tempfile::TempDir {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path();
        for path in [
            "host/usr/lib",
            "host/etc/deep/er",
            "host/proc/1/net",
            "host/var",
            "out",
        ] {
            fs::create_dir_all(top.join(path)).unwrap();
        }
        fs::write(top.join("host/usr/lib/os-release"), "inside").unwrap();
        fs::write(top.join("host/etc/plain"), "plain").unwrap();
        fs::write(top.join("host/proc/1/net/dev"), "traffic").unwrap();
        fs::write(top.join("out/secret"), "outside").unwrap();
        let links = [
            ("etc/os-release", "/usr/lib/os-release"),
            ("etc/relative", "../usr/lib/os-release"),
            ("etc/dots", "../../../../../../../../usr/lib/os-release"),
            ("etc/out", "../../out/secret"),
            ("etc/passwd", "/etc/passwd"),
            ("etc/loop", "loop"),
            ("etc/loop1", "/etc/loop2"),
            ("etc/loop2", "loop1"),
            ("etc/nowhere", "/usr/lib/none"),
            ("etc/chain", "/etc/deep/er/chain"),
            ("etc/deep/er/chain", "../../../etc/os-release"),
            ("etc/through-file", "plain/none"),
            ("lib", "usr/lib"),
            ("abs-lib", "/usr/lib"),
            ("var/run", "/run"),
            ("root", "/"),
            ("proc/self", "1"),
            ("proc/net", "self/net"),
            ("proc/1/root", "/"),
            ("etc/into-proc", "/proc/net/dev"),
        ];
        for (at, target) in links {
            symlink(target, top.join("host").join(at)).unwrap();
        }
        symlink(top.join("out/secret"), top.join("host/etc/absolute")).unwrap();
        directory
    }

    #[test]
    fn links_are_resolved_inside_the_root() {
        let directory = linked();
        let host = directory.path().join("host");
        // (path, content; `None` if it does not exist)
        let table = [
            ("/etc/plain", Some("plain")),
            ("/etc/../etc/./plain", Some("plain")),
            ("/etc/os-release", Some("inside")),
            ("/etc/relative", Some("inside")),
            ("/etc/dots", Some("inside")),
            ("/etc/chain", Some("inside")),
            ("/lib/os-release", Some("inside")),
            ("/abs-lib/os-release", Some("inside")),
            ("/root/root/etc/os-release", Some("inside")),
            ("/proc/net/dev", Some("traffic")),
            ("/proc/self/net/dev", Some("traffic")),
            ("/etc/into-proc", Some("traffic")),
            ("/proc/1/root/etc/plain", Some("plain")),
            ("/../../out/secret", None),
            ("/etc/out", None),
            ("/etc/absolute", None),
            ("/etc/passwd", None),
            ("/etc/nowhere", None),
            ("/etc/loop", None),
            ("/etc/loop1", None),
            ("/etc/through-file", None),
            ("/var/run/secret", None),
            ("/none/plain", None),
        ];
        for root in branches(&HostPaths {
            root: Some(host.clone()),
            ..HostPaths::default()
        }) {
            for (path, expected) in &table {
                let mut buffer = Vec::new();
                let text = root.text(path, &mut buffer).ok();
                assert_eq!(text.as_deref(), *expected, "{path}");
            }
        }
    }

    #[test]
    fn directories_and_sizes_are_those_inside_the_root() {
        let directory = linked();
        for root in branches(&HostPaths {
            root: Some(directory.path().join("host")),
            ..HostPaths::default()
        }) {
            let names = |path: &str| root.names(path).unwrap();
            assert_eq!(names("/abs-lib").unwrap(), ["os-release"]);
            assert_eq!(names("/proc/net").unwrap(), ["dev"]);
            assert!(names("/var/run").is_none(), "the agent's own is there");
            assert_eq!(root.size("/etc/os-release"), Some(6));
            assert_eq!(root.size("/etc/out"), None);
            assert_eq!(root.size("/etc/passwd"), None);
            assert_eq!(root.size("/abs-lib"), None);
        }
    }

    #[test]
    fn a_moved_tree_leads_to_the_others_and_not_to_the_agents_own() {
        let directory = linked();
        let host = directory.path().join("host");
        // (why this row exists, root, etc and proc set, path, content)
        let table = [
            ("etc alone", false, true, false, "/etc/plain", Some("plain")),
            (
                "a link out of etc, and nothing known there",
                false,
                true,
                false,
                "/etc/os-release",
                None,
            ),
            (
                "the same, relative",
                false,
                true,
                false,
                "/etc/relative",
                None,
            ),
            (
                "a link within etc, as the host writes it",
                false,
                true,
                false,
                "/etc/within",
                Some("plain"),
            ),
            (
                "a link to the agent's own file of that name",
                false,
                true,
                false,
                "/etc/passwd",
                None,
            ),
            (
                "a link out of etc into the root",
                true,
                true,
                false,
                "/etc/os-release",
                Some("inside"),
            ),
            (
                "the same, relative",
                true,
                true,
                false,
                "/etc/relative",
                Some("inside"),
            ),
            (
                "a link out of etc into proc",
                false,
                true,
                true,
                "/etc/into-proc",
                Some("traffic"),
            ),
            (
                "links in proc alone",
                false,
                false,
                true,
                "/proc/net/dev",
                Some("traffic"),
            ),
            ("a link loop", true, true, false, "/etc/loop1", None),
        ];
        std::os::unix::fs::symlink("/etc/plain", host.join("etc/within")).unwrap();
        for (why, root, etc, proc, path, expected) in table {
            let place = |is_moved: bool, at: &str| is_moved.then(|| host.join(at));
            for root in branches(&HostPaths {
                root: place(root, ""),
                etc: place(etc, "etc"),
                proc: place(proc, "proc"),
                sys: None,
            }) {
                let mut buffer = Vec::new();
                let text = root.text(path, &mut buffer).ok();
                assert_eq!(text.as_deref(), expected, "{why}");
            }
        }
    }

    /// The same trees, with paths resolved by openat2 and without it.
    fn branches(trees: &HostPaths) -> [Root; 2] {
        let root = Root::of(trees);
        let by_hand = Root {
            places: root.places.clone().without_openat2(),
            ..root.clone()
        };
        [root, by_hand]
    }

    #[test]
    fn moved_trees_are_found_where_they_are() {
        let root = Root::of(&HostPaths {
            root: Some("/host".into()),
            proc: Some("/host-proc".into()),
            ..HostPaths::default()
        });
        assert_eq!(root.path("/proc/stat"), Path::new("/host-proc/stat"));
        assert_eq!(root.path("/procedure"), Path::new("/host/procedure"));
        assert_eq!(
            root.path("/etc/os-release"),
            Path::new("/host/etc/os-release")
        );
    }
}
