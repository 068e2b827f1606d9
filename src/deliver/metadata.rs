//! The documents of metadata plugins: whether they have changed since the server accepted them, and
//! when they are sent. Time is an argument.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::backoff::{LONGEST_ASKED, STOPPING};
use crate::base::clock::Moment;
use crate::parse::plugin::document::document;
use crate::sys::cache::CacheFile;
use crate::sys::digest::{Digest, sha256};
use crate::sys::root::FileError;

/// Changed documents are sent once a minute, and so are those that were not accepted.
const ROUND: Duration = Duration::from_secs(60);
/// The environment variable with the directory in which plugins keep their files.
const WORKDIR: &str = "MACKEREL_PLUGIN_WORKDIR";
/// The document of a namespace that has never been sent.
const NOTHING: &str = "null";

/// The path of the file with the document that the server has of a namespace. The file is in the
/// directory of plugins' files, or below `root` if no such directory is set. It is not in `/tmp`,
/// where any user of the host could have created it beforehand. `plugin` is the environment that
/// the configuration adds; `agent` is the environment to which it is added.
pub(crate) fn cache_path(
    name: &str,
    plugin: &[(String, String)],
    agent: impl Fn(&str) -> Option<OsString>,
    root: &Path,
) -> PathBuf {
    let own = plugin.iter().rfind(|(name, _)| name == WORKDIR);
    if let Some((_, directory)) = own.filter(|(_, directory)| !directory.is_empty()) {
        return PathBuf::from(directory).join(format!("mackerel-plugin-metadata-{name}"));
    }
    agent(WORKDIR)
        .filter(|directory| !directory.is_empty())
        .map_or_else(|| root.to_owned(), PathBuf::from)
        .join("mackerel-metadata")
        .join(name)
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// The server has accepted the document.
    Accepted,
    /// The server rejects the document.
    Refused,
    /// The server may accept the document later, after this time at the earliest. It may also have
    /// accepted it, with the answer lost.
    Later(Duration),
}

/// The namespaces of this host, and their documents that are still to be sent.
pub(crate) struct Metadata {
    spaces: Vec<Space>,
    /// A time at which changed documents are sent. All other such times are whole rounds away.
    round: Moment,
    is_ending: bool,
}

/// One namespace.
struct Space {
    name: String,
    /// The document that the server has. The file exists only while that document is known.
    cache: CacheFile,
    is_read: bool,
    /// Digest of the document in [`Space::cache`], also if the file could not be written.
    known: Option<Digest>,
    waiting: Option<Waiting>,
}

/// A document to be sent.
struct Waiting {
    document: String,
    due: Moment,
}

impl Metadata {
    /// No namespaces. The rounds in which changes are sent begin at `now`.
    pub(crate) fn new(now: Moment) -> Metadata {
        Metadata {
            spaces: Vec::new(),
            round: now,
            is_ending: false,
        }
    }

    /// Adds a namespace, unless it exists already. The file of a new host is removed: it holds a
    /// document that the server has of another host.
    ///
    /// Fails if that file cannot be removed. It is then ignored.
    pub(crate) fn add(
        &mut self,
        name: &str,
        cache: CacheFile,
        is_new_host: bool,
    ) -> Result<(), FileError> {
        if self.spaces.iter().any(|space| space.name == name) {
            return Ok(());
        }
        let removed = if is_new_host { cache.remove() } else { Ok(()) };
        self.spaces.push(Space {
            name: name.to_owned(),
            cache,
            is_read: is_new_host,
            known: None,
            waiting: None,
        });
        removed
    }

    /// Adds a document to a namespace. It is sent unless the server has it already. It replaces a
    /// document that still waits.
    ///
    /// Fails if the file with the server's document cannot be read. The server is then assumed to
    /// have no document.
    pub(crate) fn take(
        &mut self,
        name: &str,
        document: String,
        now: Moment,
    ) -> Result<(), FileError> {
        let due = if self.is_ending {
            now
        } else {
            self.next_round(now)
        };
        let Some(space) = self.spaces.iter_mut().find(|space| space.name == name) else {
            return Ok(());
        };
        let read = space.read();
        let known = space.known.unwrap_or_else(|| sha256(NOTHING.as_bytes()));
        match &mut space.waiting {
            Some(waiting) => waiting.document = document,
            None if sha256(document.as_bytes()) == known => {}
            None => space.waiting = Some(Waiting { document, due }),
        }
        read
    }

    fn next_round(&self, now: Moment) -> Moment {
        let into = now.since(self.round).as_secs() % ROUND.as_secs();
        Moment(now.0 + ROUND - Duration::from_secs(into))
    }

    /// The namespace and the document of the next request; `None` if none is due.
    /// [`Metadata::done`] has to be called with its outcome before any other method.
    pub(crate) fn next(&self, now: Moment) -> Option<(&str, &str)> {
        let (space, waiting) = self.first()?;
        (waiting.due <= now).then_some((&space.name, &waiting.document))
    }

    /// The document that is due first.
    fn first(&self) -> Option<(&Space, &Waiting)> {
        let waiting = self
            .spaces
            .iter()
            .filter_map(|space| Some((space, space.waiting.as_ref()?)));
        waiting.min_by_key(|(_, waiting)| waiting.due)
    }

    /// Records how the request with the document of this namespace ended.
    ///
    /// Fails if the server's document cannot be saved. It is then sent again after the next start
    /// of the agent.
    pub(crate) fn done(&mut self, name: &str, sent: Sent, now: Moment) -> Result<(), FileError> {
        let round = self.next_round(now);
        let is_ending = self.is_ending;
        let Some(space) = self.spaces.iter_mut().find(|space| space.name == name) else {
            return Ok(());
        };
        match sent {
            Sent::Accepted => space.keep(),
            Sent::Refused => {
                space.waiting = None;
                space.forget()
            }
            Sent::Later(asked) => {
                if let Some(waiting) = &mut space.waiting {
                    let asked = Moment(now.0 + asked.min(LONGEST_ASKED));
                    waiting.due = if is_ending {
                        Moment(now.0 + STOPPING)
                    } else {
                        round.max(asked)
                    };
                }
                space.forget()
            }
        }
    }

    /// When [`Metadata::next`] has to be called next; `None` if nothing waits.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.first().map(|(_, waiting)| waiting.due)
    }

    /// Handles the stop of the agent: everything that waits is sent now.
    pub(crate) fn end(&mut self, now: Moment) {
        self.is_ending = true;
        let waiting = self.spaces.iter_mut().flat_map(|space| &mut space.waiting);
        waiting.for_each(|waiting| waiting.due = now);
    }
}

impl Space {
    /// Reads which document the server has, unless that has been done.
    fn read(&mut self) -> Result<(), FileError> {
        if self.is_read {
            return Ok(());
        }
        self.is_read = true;
        let kept = self.cache.load()?;
        // A file with other content, or one that was cut short, counts as no file.
        let kept = kept.and_then(|kept| document(&kept).ok());
        self.known = kept.map(|kept| sha256(kept.as_bytes()));
        Ok(())
    }

    /// Records that the server has the waiting document.
    fn keep(&mut self) -> Result<(), FileError> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        let kept = self.cache.save(waiting.document.as_bytes());
        self.known = Some(sha256(waiting.document.as_bytes()));
        kept
    }

    /// Records that the server's document is no longer known.
    fn forget(&mut self) -> Result<(), FileError> {
        match self.known.take() {
            Some(_) => self.cache.remove(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
