//! Namespaces with their files, with a clock that the test advances.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::base;

fn moment(seconds: u64) -> Moment {
    Moment(Duration::from_secs(seconds))
}

/// One namespace, `a`, and its file.
struct Rig {
    dir: TempDir,
    metadata: Metadata,
}

impl Rig {
    fn new() -> Rig {
        Rig::in_dir(tempfile::tempdir().unwrap())
    }

    fn in_dir(dir: TempDir) -> Rig {
        let mut metadata = Metadata::new(moment(0));
        let cache = CacheFile::at(dir.path().join("a"));
        metadata.add("a", cache, false).unwrap();
        Rig { dir, metadata }
    }

    /// Kills the agent and starts it again.
    fn restart(self) -> Rig {
        Rig::in_dir(self.dir)
    }

    fn print(&mut self, stdout: &str, now: u64) {
        let document = document(stdout.as_bytes()).unwrap();
        self.metadata.take("a", document, moment(now)).unwrap();
    }

    /// The document that is sent at this second, if any. The request ends with `sent`.
    fn send(&mut self, now: u64, sent: Sent) -> Option<String> {
        let (name, document) = self.metadata.next(moment(now))?;
        assert_eq!(name, "a");
        let document = document.to_owned();
        self.metadata.done("a", sent, moment(now)).unwrap();
        Some(document)
    }

    fn due(&self) -> Option<u64> {
        self.metadata.due().map(|due| due.0.as_secs())
    }

    fn file(&self) -> Option<String> {
        fs::read(self.dir.path().join("a"))
            .ok()
            .map(|bytes| String::from_utf8(bytes).unwrap())
    }
}

const LATER: Sent = Sent::Later(Duration::ZERO);

#[test]
fn cache_file_is_in_the_directory_of_the_environment() {
    type Variables = &'static [(&'static str, &'static str)];
    // (why this row exists, of the plugin, of the agent, path)
    let table: [(_, Variables, Variables, _); 6] = [
        ("nobody says", &[], &[], "/root/mackerel-metadata/n"),
        (
            "a directory that others may share is none",
            &[],
            &[("TMPDIR", "/t")],
            "/root/mackerel-metadata/n",
        ),
        (
            "plugins' files",
            &[("A", "/x")],
            &[("TMPDIR", "/t"), (WORKDIR, "/w")],
            "/w/mackerel-metadata/n",
        ),
        (
            "this plugin's files",
            &[(WORKDIR, "/p")],
            &[(WORKDIR, "/w")],
            "/p/mackerel-plugin-metadata-n",
        ),
        (
            "the later one",
            &[(WORKDIR, "/q"), (WORKDIR, "/p")],
            &[],
            "/p/mackerel-plugin-metadata-n",
        ),
        (
            "empty is none",
            &[(WORKDIR, "")],
            &[("TMPDIR", ""), (WORKDIR, "")],
            "/root/mackerel-metadata/n",
        ),
    ];
    for (why, plugin, agent, expected) in table {
        let plugin: Vec<_> = plugin
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let agent = |wanted: &str| {
            let found = agent.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| OsString::from(value))
        };
        assert_eq!(
            cache_path("n", &plugin, agent, Path::new("/root")),
            PathBuf::from(expected),
            "{why}"
        );
    }
}

#[test]
fn document_is_sent_only_if_it_has_changed() {
    // (what the server has, what the plugin prints, whether it is sent)
    let table = [
        ("{}", "{}", false),
        (
            "{\"a\":[1,2],\"b\":1}",
            " { \"b\": 1.0, \"a\": [ 1, 2 ] }\n",
            false,
        ),
        ("[]", "{}", true),
        ("[1,2]", "[2,1]", true),
        ("1", "\"1\"", true),
        ("{}", "null", true),
    ];
    for (before, after, is_sent) in table {
        let mut rig = Rig::new();
        rig.print(before, 10);
        rig.send(60, Sent::Accepted).unwrap();
        rig.print(after, 610);
        assert_eq!(rig.due().is_some(), is_sent, "{before} {after}");
        // The result is the same whether the agent remembers or reads its file.
        let mut rig = Rig::new();
        rig.print(before, 10);
        rig.send(60, Sent::Accepted).unwrap();
        let mut rig = rig.restart();
        rig.print(after, 10);
        assert_eq!(rig.due().is_some(), is_sent, "{before} {after}");
    }
}

#[test]
fn null_is_not_sent_first() {
    let mut rig = Rig::new();
    rig.print("null", 10);
    assert_eq!(rig.due(), None);
    rig.print("{}", 610);
    assert_eq!(rig.send(660, Sent::Accepted).unwrap(), "{}");
    rig.print("null", 1_210);
    assert_eq!(rig.send(1_260, Sent::Accepted).unwrap(), "null");
    assert_eq!(rig.file().unwrap(), "null");
}

#[test]
fn changes_are_sent_in_rounds() {
    let mut rig = Rig::new();
    for (printed, due) in [(10, 60), (60, 120), (119, 120), (605, 660)] {
        rig.print(&printed.to_string(), printed);
        assert_eq!(rig.due(), Some(due));
        assert_eq!(rig.send(due - 1, Sent::Accepted), None);
        assert_eq!(rig.send(due, Sent::Accepted).unwrap(), printed.to_string());
        assert_eq!(rig.due(), None);
    }
}

#[test]
fn newest_document_is_sent() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    rig.print("2", 20);
    assert_eq!(rig.send(60, LATER).unwrap(), "2");
    rig.print("3", 90);
    assert_eq!(rig.send(120, Sent::Accepted).unwrap(), "3");
    assert_eq!(rig.due(), None);
}

#[test]
fn document_is_sent_again_after_a_temporary_failure() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    let asked = |seconds| Sent::Later(Duration::from_secs(seconds));
    for (at, sent) in [
        (60, LATER),
        (120, asked(30)),
        (180, asked(90)),
        (270, asked(1 << 40)),
    ] {
        assert_eq!(rig.due(), Some(at));
        assert_eq!(rig.send(at, sent).unwrap(), "1");
    }
    assert_eq!(rig.due(), Some(270 + 3_600));
}

#[test]
fn document_that_was_rejected_is_sent_after_the_next_run() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    assert_eq!(rig.send(60, Sent::Refused).unwrap(), "1");
    assert_eq!((rig.due(), rig.file()), (None, None));
    rig.print("1", 610);
    assert_eq!(rig.send(660, Sent::Accepted).unwrap(), "1");
}

#[test]
fn cache_file_exists_while_the_servers_document_is_known() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    assert_eq!(rig.file(), None);
    rig.send(60, Sent::Accepted).unwrap();
    assert_eq!(rig.file().as_deref(), Some("1"));
    // A request whose answer got lost may have succeeded.
    rig.print("2", 610);
    rig.send(660, LATER).unwrap();
    assert_eq!(rig.file(), None);
    rig.print("1", 665);
    assert_eq!(rig.send(720, Sent::Accepted).unwrap(), "1");
    assert_eq!(rig.file().as_deref(), Some("1"));
    rig.print("2", 1_210);
    rig.send(1_260, Sent::Refused).unwrap();
    assert_eq!(rig.file(), None);
}

#[test]
fn a_change_that_was_not_sent_is_sent_by_the_next_agent() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    rig.send(60, Sent::Accepted).unwrap();
    rig.print("2", 610);
    let mut rig = rig.restart();
    rig.print("2", 10);
    assert_eq!(rig.send(60, LATER).unwrap(), "2");
    let mut rig = rig.restart();
    rig.print("2", 10);
    assert_eq!(rig.send(60, Sent::Accepted).unwrap(), "2");
    let mut rig = rig.restart();
    rig.print("2", 10);
    assert_eq!(rig.due(), None);
}

#[test]
fn cache_file_without_a_document_is_ignored() {
    for content in ["", "{\"a\":", "1 2"] {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), content).unwrap();
        let mut rig = Rig::in_dir(dir);
        rig.print("1", 10);
        assert_eq!(rig.send(60, Sent::Accepted).unwrap(), "1");
        assert_eq!(rig.file().unwrap(), "1");
    }
}

#[test]
fn cache_file_that_cannot_be_used_is_reported_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let mut metadata = Metadata::new(moment(0));
    let cache = CacheFile::at(file.join("a"));
    metadata.add("a", cache, false).unwrap();
    let take = |metadata: &mut Metadata| metadata.take("a", "1".to_owned(), moment(10));
    let error = take(&mut metadata).unwrap_err();
    assert!(base::report(&error).contains("/file/a: Not a directory"));
    assert_eq!(metadata.next(moment(60)), Some(("a", "1")));
    assert!(metadata.done("a", Sent::Accepted, moment(60)).is_err());
    // It is reported once, and sent once.
    take(&mut metadata).unwrap();
    assert_eq!(metadata.due(), None);
}

#[test]
fn cache_file_of_another_host_counts_for_nothing_even_if_it_cannot_be_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (file, directory) = (dir.path().join("a"), dir.path().join("b"));
    fs::write(&file, "1").unwrap();
    fs::create_dir(&directory).unwrap();
    let mut metadata = Metadata::new(moment(0));
    let mut add = |name: &str| {
        let cache = CacheFile::at(dir.path().join(name));
        let added = metadata.add(name, cache, true);
        metadata.take(name, "1".to_owned(), moment(10)).unwrap();
        added
    };
    add("a").unwrap();
    assert!(!file.exists());
    assert!(add("b").is_err());
    assert_eq!(metadata.next(moment(60)), Some(("a", "1")));
    metadata.done("a", Sent::Accepted, moment(60)).unwrap();
    assert_eq!(metadata.next(moment(60)), Some(("b", "1")));
    // It is added again with each configuration.
    let cache = CacheFile::at(file.clone());
    metadata.add("a", cache, true).unwrap();
    assert!(file.exists());
}

#[test]
fn a_namespace_that_fails_delays_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let mut metadata = Metadata::new(moment(0));
    for name in ["a", "b"] {
        let cache = CacheFile::at(dir.path().join(name));
        metadata.add(name, cache, false).unwrap();
        metadata.take(name, "1".to_owned(), moment(10)).unwrap();
    }
    metadata
        .take("unknown", "1".to_owned(), moment(10))
        .unwrap();
    assert_eq!(metadata.next(moment(60)), Some(("a", "1")));
    metadata.done("a", LATER, moment(60)).unwrap();
    assert_eq!(metadata.next(moment(60)), Some(("b", "1")));
    metadata.done("b", Sent::Accepted, moment(60)).unwrap();
    assert_eq!(metadata.next(moment(60)), None);
    assert_eq!(metadata.due(), Some(moment(120)));
}

#[test]
fn stop_sends_documents_at_once() {
    let mut rig = Rig::new();
    rig.print("1", 10);
    rig.metadata.end(moment(20));
    assert_eq!(rig.send(20, LATER).unwrap(), "1");
    assert_eq!(rig.send(21, Sent::Accepted).unwrap(), "1");
    rig.print("2", 22);
    assert_eq!(rig.send(22, Sent::Accepted).unwrap(), "2");
    assert_eq!(rig.due(), None);
}
