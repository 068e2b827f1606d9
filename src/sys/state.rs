//! The agent's own files below its root directory.

use std::ffi::CString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use super::file;
use super::root::FileError;

/// Bytes. A host id has 11; what is longer is none.
const ID_LIMIT: u64 = 1024;
/// The id is no secret.
const ID_MODE: u32 = 0o666;

/// The directory in which the agent keeps what has to outlive it.
pub(crate) struct State {
    root: PathBuf,
    /// Whether the host's id is kept.
    keeps_id: bool,
}

impl State {
    /// The directory at `root`, which need not exist yet.
    pub(crate) fn at(root: impl Into<PathBuf>) -> State {
        State {
            root: root.into(),
            keeps_id: true,
        }
    }

    /// The same, but the host's id is neither read nor kept there.
    pub(crate) fn forgetful(root: impl Into<PathBuf>) -> State {
        State {
            root: root.into(),
            keeps_id: false,
        }
    }

    /// Where the host's id is kept.
    pub(crate) fn id_path(&self) -> PathBuf {
        self.root.join("id")
    }

    /// The host's id; `None` if there is no file for it or nothing in it.
    ///
    /// Line ends at its end are not part of it. Fails if the file is there and cannot be read.
    pub(crate) fn host_id(&self) -> Result<Option<String>, FileError> {
        let text = self.text()?;
        let id = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
        Ok(id.filter(|id| !id.is_empty()))
    }

    /// What the file of the host's id holds.
    fn text(&self) -> Result<Option<String>, FileError> {
        if !self.keeps_id {
            return Ok(None);
        }
        let path = self.id_path();
        let mut text = String::new();
        let mut options = OpenOptions::new();
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = options.read(true).custom_flags(flags).open(&path);
        match file.and_then(|file| file.take(ID_LIMIT).read_to_string(&mut text)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::new("read", &path, error)),
            Ok(_) => Ok(Some(text)),
        }
    }

    /// Keeps the host's id, without a line end. The file is replaced as a whole and is on the disk
    /// when this returns; a file that is so already is left alone.
    pub(crate) fn save_host_id(&self, id: &str) -> Result<(), FileError> {
        if !self.keeps_id || self.text().is_ok_and(|kept| kept.as_deref() == Some(id)) {
            return Ok(());
        }
        self.prepare()?;
        file::replace(&self.id_path(), id.as_bytes(), ID_MODE)
    }

    /// Forgets the host's id: the next agent to start registers a new host.
    pub(crate) fn forget_host_id(&self) -> Result<(), FileError> {
        if !self.keeps_id {
            return Ok(());
        }
        let path = self.id_path();
        fs::remove_file(&path).map_err(|error| FileError::new("remove", &path, error))
    }

    /// Makes sure that the host's id can be kept: creates the directory if it is missing.
    pub(crate) fn prepare(&self) -> Result<(), FileError> {
        if !self.keeps_id {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(&self.root)
            .map_err(|error| FileError::new("create", &self.root, error))?;
        let path = CString::new(self.root.as_os_str().as_bytes())
            .map_err(|error| FileError::new("write to", &self.root, error.into()))?;
        // SAFETY: `path` is a string that ends in NUL and outlives the call.
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
    fn an_id_is_what_stands_before_the_line_ends() {
        let dir = tempfile::tempdir().unwrap();
        // (why this row exists, content, id)
        let table = [
            ("as the agent writes it", "3aBcDeFgHiJ", Some("3aBcDeFgHiJ")),
            (
                "as an editor leaves it",
                "3aBcDeFgHiJ\r\n\n",
                Some("3aBcDeFgHiJ"),
            ),
            ("spaces are kept", " 3aB ", Some(" 3aB ")),
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
    fn an_id_is_kept_below_a_root_that_did_not_exist() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::at(dir.path().join("var/lib"));
        assert_eq!(state.host_id().unwrap(), None);
        state.save_host_id("3aBcDeFgHiJ").unwrap();
        assert_eq!(fs::read(state.id_path()).unwrap(), b"3aBcDeFgHiJ");
        assert_eq!(fs::read_dir(dir.path().join("var/lib")).unwrap().count(), 1);
    }

    #[test]
    fn a_root_that_cannot_be_a_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = State::at(&file).prepare().unwrap_err();
        let expected = format!("create {}: File exists", file.display());
        assert!(base::report(&error).starts_with(&expected));
    }
}
