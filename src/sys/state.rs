//! The agent's files below its root directory.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::file;
use super::nofollow;
use super::root::FileError;
use crate::base::text::is_host_id;

/// Maximum number of bytes read. A host id has at most 64; anything longer is refused.
const ID_LIMIT: u64 = 1024;
/// The error for a file that holds something else.
const NO_ID: &str = "what it holds is not a host id (1 to 64 of A-Z, a-z, 0-9, - and _); \
                     correct it, or delete the file to register a new host";
/// Readable by all users: the id is not secret.
const ID_MODE: u32 = 0o644;

/// The directory for the agent's persistent files.
pub(crate) struct State {
    root: PathBuf,
    /// The name of the file with the host id.
    id_name: String,
    /// Whether the host id is stored in a file.
    keeps_id: bool,
}

impl State {
    /// The directory at `root`, which need not exist yet.
    pub(crate) fn at(root: impl Into<PathBuf>) -> State {
        State {
            root: root.into(),
            id_name: "id".to_owned(),
            keeps_id: true,
        }
    }

    /// The same, with the host id in the file `id_name`.
    pub(crate) fn with_id_in(self, id_name: String) -> State {
        State { id_name, ..self }
    }

    /// The same, but the host id is neither read nor stored.
    pub(crate) fn forgetful(root: impl Into<PathBuf>) -> State {
        State {
            keeps_id: false,
            ..State::at(root)
        }
    }

    /// The path of the file with the host id.
    pub(crate) fn id_path(&self) -> PathBuf {
        self.root.join(&self.id_name)
    }

    /// The host id; `None` if its file is missing or empty.
    ///
    /// Trailing newlines are ignored. Fails if the file exists and cannot be read, or holds
    /// anything but a host id.
    pub(crate) fn host_id(&self) -> Result<Option<String>, FileError> {
        let text = self.text()?.unwrap_or_default();
        match text.trim_end_matches(['\r', '\n']) {
            "" => Ok(None),
            id if is_host_id(id) => Ok(Some(id.to_owned())),
            _ => {
                let why = io::Error::other(NO_ID);
                Err(FileError::new("use", &self.id_path(), why))
            }
        }
    }

    /// The content of the file with the host id; `None` if it is missing.
    fn text(&self) -> Result<Option<String>, FileError> {
        if !self.keeps_id {
            return Ok(None);
        }
        let path = self.id_path();
        let mut text = Vec::new();
        let file = nofollow::open(&path, OpenOptions::new().read(true));
        match file.and_then(|file| file.take(ID_LIMIT).read_to_end(&mut text)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path, error)),
            Ok(_) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
        }
    }

    /// Stores the host id, without a newline. The file is replaced atomically and is on the disk
    /// when this returns. A file with this content already is not written.
    pub(crate) fn save_host_id(&self, id: &str) -> Result<(), FileError> {
        if !self.keeps_id || self.text()?.as_deref() == Some(id) {
            return Ok(());
        }
        self.prepare()?;
        file::replace_own(&self.id_path(), id.as_bytes(), ID_MODE)
    }

    /// Removes the file with the host id: the next agent to start registers a new host.
    pub(crate) fn forget_host_id(&self) -> Result<(), FileError> {
        if !self.keeps_id {
            return Ok(());
        }
        let path = self.id_path();
        fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))
    }

    /// Checks that the host id can be stored. Creates the directory if it is missing.
    pub(crate) fn prepare(&self) -> Result<(), FileError> {
        if !self.keeps_id {
            return Ok(());
        }
        nofollow::create_directory(&self.root)
            .map_err(|error| FileError::new("create", &self.root, error))?;
        self.check()
    }

    /// Checks that files can be written to the directory. Changes nothing.
    pub(crate) fn check(&self) -> Result<(), FileError> {
        let path = CString::new(self.root.as_os_str().as_bytes())
            .map_err(|error| FileError::new("write to", &self.root, error.into()))?;
        // SAFETY: `path` is a NUL-terminated string that outlives the call.
        match unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) } {
            0 => Ok(()),
            _ => Err(FileError::new(
                "write to",
                &self.root,
                io::Error::last_os_error(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::base;

    #[test]
    fn host_id_ends_before_the_newlines() {
        let dir = tempfile::tempdir().unwrap();
        // (why this row exists, content, id)
        let table = [
            ("as the agent writes it", "3aBcDeFgHiJ", Some("3aBcDeFgHiJ")),
            (
                "as an editor leaves it",
                "3aBcDeFgHiJ\r\n\n",
                Some("3aBcDeFgHiJ"),
            ),
            ("nothing", "", None),
            ("nothing but a line end", "\n", None),
        ];
        for (why, content, id) in table {
            fs::write(dir.path().join("id"), content).unwrap();
            assert_eq!(
                State::at(dir.path()).host_id().unwrap().as_deref(),
                id,
                "{why}"
            );
        }
    }

    #[test]
    fn host_id_that_is_malformed_is_refused_with_its_file_and_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let long = [b'x'; 65];
        // (why this row exists, content)
        let table: [(&str, &[u8]); 8] = [
            ("spaces", b" 3aB "),
            ("a path", b"../../api/v0/x"),
            ("two lines", b"3aB\n3aC\n"),
            ("an escape sequence", b"3aB\x1b[31m"),
            ("no text", b"\xff\xfe"),
            ("NUL, as after a loss of power", b"\0\0\0\0"),
            ("too long", &long),
            ("longer than what is read", &[b'x'; 5_000]),
        ];
        for (why, content) in table {
            fs::write(dir.path().join("id"), content).unwrap();
            let error = State::at(dir.path()).host_id().unwrap_err();
            let expected = format!("use {}/id: what it holds", dir.path().display());
            let line = base::report(&error);
            assert!(
                line.starts_with(&expected) && line.contains("delete the file"),
                "{why}: {line}"
            );
        }
    }

    #[test]
    fn host_id_is_stored_below_a_root_that_did_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::at(dir.path().join("var/lib"));
        assert_eq!(state.host_id().unwrap(), None);
        state.save_host_id("3aBcDeFgHiJ").unwrap();
        assert_eq!(fs::read(state.id_path()).unwrap(), b"3aBcDeFgHiJ");
        assert_eq!(fs::read_dir(dir.path().join("var/lib")).unwrap().count(), 1);
    }

    #[test]
    fn state_error_names_a_root_that_is_not_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = State::at(&file).prepare().unwrap_err();
        let expected = format!("create {}: File exists", file.display());
        assert!(base::report(&error).starts_with(&expected));
    }
}
