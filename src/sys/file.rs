//! Files of the agent's own surroundings, as opposed to those of the host that it watches: its
//! configuration lies where this process sees it, wherever `HOST_ETC` points.

use std::fs::File;
use std::path::Path;

use super::root::{FileError, fill};

/// Reads a whole file.
///
/// Fails if it cannot be read or is larger than any file of the host may be.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    let length = File::open(path).and_then(|file| fill(file, &mut bytes));
    bytes.truncate(length.map_err(|source| FileError::new("read", path, source))?);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;

    #[test]
    fn reads_all_of_a_file_and_nothing_without_end() {
        let text = read(Path::new("tests/fixtures/config/unknown-keys.conf")).unwrap();
        assert!(text.starts_with(b"apikey") && text.ends_with(b"\n"));
        let error = read(Path::new("/dev/zero")).unwrap_err();
        assert!(base::report(&error).starts_with("read /dev/zero: file too large"));
        let error = read(Path::new("/nowhere")).unwrap_err();
        assert!(base::report(&error).starts_with("read /nowhere: No such file"));
    }
}
