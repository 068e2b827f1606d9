//! Files with the content of accepted requests, for programs that compare it: `--record`.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Writes each accepted request into a file of its own.
///
/// The name is the last segment of the path and a number that counts all files of this recorder,
/// e.g. `tsdb-00007`. A file has its name once it is whole.
pub struct Recorder {
    directory: PathBuf,
    count: AtomicUsize,
}

impl Recorder {
    /// Writes into a directory that exists.
    pub fn new(directory: PathBuf) -> Recorder {
        Recorder {
            directory,
            count: AtomicUsize::new(0),
        }
    }

    /// Writes the content of a request to `path`. A failure is printed; the server goes on.
    pub fn keep(&self, path: &str, content: &[u8]) {
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        let path = path.split('?').next().unwrap_or_default();
        let last = path.rsplit('/').next().unwrap_or_default();
        let name = format!("{last}-{number:05}");
        let (part, whole) = (
            self.directory.join(format!(".{name}")),
            self.directory.join(&name),
        );
        let written = fs::write(&part, content).and_then(|()| fs::rename(&part, &whole));
        if let Err(error) = written {
            eprintln!("fake-server: write {}: {error}", whole.display());
        }
    }
}
