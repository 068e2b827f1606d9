//! Runs applets on trees of files, for their tests.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::Host;
use super::list::find;
use super::run::{Printed, perform};
use crate::base::clock::{Clock, Moment};
use crate::parse::plugin::meta;
use crate::sys::root::Root;

/// The wall clock of the tests, in seconds since the epoch.
pub(super) const NOW: u64 = 1_700_000_000;

/// A clock that stands still.
struct Still(Duration);

impl Clock for Still {
    fn wall(&self) -> Duration {
        self.0
    }

    fn moment(&self) -> Moment {
        Moment(self.0)
    }
}

/// The files of a host, and what its applets see beside them.
pub(super) struct Tree {
    /// Removed when the tree is dropped. `None` for a recorded host.
    directory: tempfile::TempDir,
    top: PathBuf,
    /// Wall clock time.
    pub(super) now: Duration,
    pub(super) variables: HashMap<&'static str, OsString>,
}

impl Tree {
    /// A host with these files: paths without the first slash, and contents.
    pub(super) fn new(files: &[(&str, &str)]) -> Tree {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().join("host");
        fs::create_dir(&top).unwrap();
        let tree = Tree::of(directory, top);
        for (path, content) in files {
            tree.write(path, content);
        }
        tree
    }

    /// The recorded host of this path below `tests/fixtures`, e.g. `pi-4/t0`.
    pub(super) fn recorded(host: &str) -> Tree {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(host);
        assert!(top.is_dir(), "{}", top.display());
        Tree::of(tempfile::tempdir().unwrap(), top)
    }

    fn of(directory: tempfile::TempDir, top: PathBuf) -> Tree {
        let work = directory.path().join("work");
        fs::create_dir(&work).unwrap();
        Tree {
            directory,
            top,
            now: Duration::from_secs(NOW),
            variables: HashMap::from([("MACKEREL_PLUGIN_WORKDIR", work.into())]),
        }
    }

    /// Writes a file of the host.
    pub(super) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// Where a file of the host really is.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.top.join(path)
    }

    /// The directory for files of applets.
    pub(super) fn work_directory(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    /// Runs the applet with these arguments, separated by blanks.
    pub(super) fn run(&self, name: &str, arguments: &str) -> Printed {
        let words: Vec<_> = arguments.split_whitespace().collect();
        self.run_words(name, &words)
    }

    /// Runs the applet with these arguments.
    pub(super) fn run_words(&self, name: &str, arguments: &[&str]) -> Printed {
        let words: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let applet = find(name.as_ref()).unwrap_or_else(|| panic!("{name} is no applet"));
        let mut printed = Printed::default();
        self.with_host(&mut |host| printed = perform(applet, &words, host));
        for state in printed.state.drain(..) {
            state.replace().unwrap();
        }
        printed
    }

    /// Calls `call` with the host as applets see it.
    pub(super) fn with_host(&self, call: &mut dyn FnMut(&Host<'_>)) {
        call(&Host {
            root: Root::at(&self.top),
            clock: &Still(self.now),
            variable: &|name| self.variables.get(name).cloned(),
        });
    }

    /// The same host.
    pub(super) fn again(&self) -> Tree {
        Tree::of(tempfile::tempdir().unwrap(), self.top.clone())
    }

    /// The host `seconds` after `self`, with the state files of its applets.
    pub(super) fn later(&self, mut tree: Tree, seconds: u64) -> Tree {
        tree.now = self.now + Duration::from_secs(seconds);
        let variables = self.variables.clone();
        tree.variables.extend(variables);
        tree
    }

    /// The names of the graphs, and of their metrics, that a metric plugin defines.
    pub(super) fn graphs(&self, name: &str, arguments: &str) -> (Vec<String>, Vec<String>) {
        let words: Vec<OsString> = arguments.split_whitespace().map(OsString::from).collect();
        let host = Host {
            root: Root::at(&self.top),
            clock: &Still(self.now),
            variable: &|name| match name {
                "MACKEREL_AGENT_PLUGIN_META" => Some("1".into()),
                name => self.variables.get(name).cloned(),
            },
        };
        let applet = find(name.as_ref()).unwrap_or_else(|| panic!("{name} is no applet"));
        let printed = perform(applet, &words, &host);
        let graphs = meta::graphs(&printed.output).unwrap();
        let metrics = graphs.iter().flat_map(|graph| &graph.metrics);
        let metrics = metrics.map(|metric| metric.name.clone()).collect();
        (
            graphs.iter().map(|graph| graph.name.clone()).collect(),
            metrics,
        )
    }
}

/// What an applet prints that has this exit code and output.
pub(super) fn said(code: u8, output: &str) -> Printed {
    Printed {
        output: output.to_owned(),
        error: String::new(),
        code,
        state: Vec::new(),
    }
}
