//! Layer 3: what metadata plugins print, whether it has changed since the server took it, and when
//! it is sent. Time is an argument.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::backoff::{LONGEST_ASKED, STOPPING};
use crate::base::clock::Moment;
use crate::parse::plugin::document::document;
use crate::sys::cache::CacheFile;
use crate::sys::digest::{Digest, sha256};
use crate::sys::root::FileError;

/// What has changed is sent once a minute, and what was not taken is sent again.
const ROUND: Duration = Duration::from_secs(60);
/// The directory in which plugins keep their files.
const WORKDIR: &str = "MACKEREL_PLUGIN_WORKDIR";
/// What a namespace holds that has never been sent.
const NOTHING: &str = "null";

/// The file that keeps what the server has of a namespace: in the directory of plugins' files, or,
/// where none is given, below `root`. Not in `/tmp`, where every user of the host may have prepared
/// it. `plugin` is the environment that the configuration adds, `agent` the one that it is added to.
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
    let directory = agent(WORKDIR).filter(|directory| !directory.is_empty());
    let directory = directory.map_or_else(|| root.to_owned(), PathBuf::from);
    directory.join("mackerel-metadata").join(name)
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// The server has the document.
    Accepted,
    /// The server will not have it.
    Refused,
    /// The server may have it later, and not before this time has passed; or it has it already and
    /// could not say so.
    Later(Duration),
}

/// The namespaces of this host, and what of them is still to be sent.
pub(crate) struct Metadata {
    spaces: Vec<Space>,
    /// A moment at which what has changed is sent; the others are whole rounds away.
    round: Moment,
    is_ending: bool,
}

/// One namespace.
struct Space {
    name: String,
    /// There as long as it is known what the server has, and holds that.
    cache: CacheFile,
    is_read: bool,
    /// Digest of what [`Space::cache`] holds, or would if it could be written.
    known: Option<Digest>,
    waiting: Option<Waiting>,
}

/// A document to be sent.
struct Waiting {
    document: String,
    due: Moment,
}

impl Metadata {
    /// No namespace yet; what changes is sent in rounds that begin now.
    pub(crate) fn new(now: Moment) -> Metadata {
        Metadata {
            spaces: Vec::new(),
            round: now,
            is_ending: false,
        }
    }

    /// Adds a namespace, unless it is there already.
    pub(crate) fn add(&mut self, name: &str, cache: CacheFile) {
        if self.spaces.iter().any(|space| space.name == name) {
            return;
        }
        self.spaces.push(Space {
            name: name.to_owned(),
            cache,
            is_read: false,
            known: None,
            waiting: None,
        });
    }

    /// Takes a document for a namespace. It will be sent unless the server has it already; one that
    /// is waiting still makes room for it.
    ///
    /// Fails if it cannot be read what the server has, which is then taken for nothing.
    pub(crate) fn take(
        &mut self,
        name: &str,
        document: String,
        now: Moment,
    ) -> Result<(), FileError> {
        let due = match self.is_ending {
            true => now,
            false => self.next_round(now),
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

    /// The namespace and the document of the next request, if one is due. [`Metadata::done`] has to
    /// be told how it ended before anything else.
    pub(crate) fn next(&self, now: Moment) -> Option<(&str, &str)> {
        let (space, waiting) = self.first()?;
        (waiting.due <= now).then_some((&space.name, &waiting.document))
    }

    /// What is due first.
    fn first(&self) -> Option<(&Space, &Waiting)> {
        let waiting = self
            .spaces
            .iter()
            .filter_map(|space| Some((space, space.waiting.as_ref()?)));
        waiting.min_by_key(|(_, waiting)| waiting.due)
    }

    /// Notes how the request with the document of this namespace ended.
    ///
    /// Fails if it cannot be kept what the server has; it will be sent again after the agent has
    /// started again.
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
                    waiting.due = match is_ending {
                        true => Moment(now.0 + STOPPING),
                        false => round.max(asked),
                    };
                }
                space.forget()
            }
        }
    }

    /// When [`Metadata::next`] has to be asked again; `None` if nothing waits.
    pub(crate) fn due(&self) -> Option<Moment> {
        self.first().map(|(_, waiting)| waiting.due)
    }

    /// The agent is about to end: whatever waits is sent now.
    pub(crate) fn end(&mut self, now: Moment) {
        self.is_ending = true;
        let waiting = self.spaces.iter_mut().flat_map(|space| &mut space.waiting);
        waiting.for_each(|waiting| waiting.due = now);
    }
}

impl Space {
    /// Finds out what the server has, if that has not been done.
    fn read(&mut self) -> Result<(), FileError> {
        if self.is_read {
            return Ok(());
        }
        self.is_read = true;
        let kept = self.cache.load()?;
        // A file that holds something else, or was cut short, says nothing.
        let kept = kept.and_then(|kept| document(&kept).ok());
        self.known = kept.map(|kept| sha256(kept.as_bytes()));
        Ok(())
    }

    /// The server has what waits.
    fn keep(&mut self) -> Result<(), FileError> {
        let Some(waiting) = self.waiting.take() else {
            return Ok(());
        };
        let kept = self.cache.save(waiting.document.as_bytes());
        self.known = Some(sha256(waiting.document.as_bytes()));
        kept
    }

    /// It is not known any more what the server has.
    fn forget(&mut self) -> Result<(), FileError> {
        match self.known.take() {
            Some(_) => self.cache.remove(),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
