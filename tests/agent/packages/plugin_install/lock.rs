//! `plugins.lock`, upgrades and removal.

use std::fs;

use super::{Hub, PLUGIN, REPO, release, script, zip};

#[test]
fn plugin_install_upgrades_when_the_tag_changes() {
    let hub = Hub::start();
    hub.publish("v1.0.0", &release("1"));
    hub.said(&[REPO]);
    hub.said(&["-upgrade", REPO]);
    let before = hub.everything();
    for words in [&["-upgrade", REPO][..], &["-upgrade"]] {
        let said = hub.said(words);
        assert_eq!(said, format!("{REPO} v1.0.0 is current\n"));
        assert_eq!(hub.everything(), before);
    }
    for (tag, version, words) in [
        ("v1.1.0", "2", &["-upgrade"][..]),
        ("v1.2.0", "3", &["-upgrade", REPO]),
    ] {
        hub.publish(tag, &release(version));
        let said = hub.said(words);
        assert!(said.contains(&format!("/{tag}/")), "{said}");
        assert_eq!(hub.installed(), [(PLUGIN.to_owned(), script(version))]);
        assert_eq!(hub.lock().len(), 1);
        assert_eq!(hub.lock()[0]["tag"], tag);
    }
    // Without the flag, what exists is skipped, and the record stays as it was.
    hub.publish("v1.3.0", &release("4"));
    let before = hub.everything();
    let said = hub.said(&[REPO]);
    assert!(said.contains("exists and is skipped"), "{said}");
    assert_eq!(hub.everything(), before);
    // Nor is anything else of the new archive installed: the tag would be that of all.
    let (old, new) = (script("5"), script("6"));
    hub.publish(
        "v1.4.0",
        &zip(&[
            (PLUGIN, 0o100_755, old.as_bytes()),
            ("check-new", 0o100_755, new.as_bytes()),
        ]),
    );
    let said = hub.said(&[REPO]);
    assert!(said.contains("another archive of this source"), "{said}");
    assert_eq!(hub.everything(), before);
    hub.said(&["-upgrade", REPO]);
    let all = [(PLUGIN.to_owned(), old), ("check-new".to_owned(), new)];
    assert_eq!(hub.installed(), all);
    // One that is missing comes back beside those of the same archive.
    fs::remove_file(hub.prefix().join("bin/check-new")).unwrap();
    hub.said(&[REPO]);
    assert_eq!(hub.installed(), all);
    assert_eq!(hub.lock()[0]["files"].as_object().unwrap().len(), 2);
}

#[test]
fn plugin_install_verifies_what_the_lock_records() {
    let hub = Hub::start();
    hub.publish("v1.0.0", &release("1"));
    hub.said(&[REPO]);
    let lock = fs::read_to_string(hub.prefix().join("plugins.lock")).unwrap();
    let saved = hub.sandbox.write("saved.lock", &format!("# mine\n{lock}"));
    let saved = format!("-lock={}", saved.display());
    let before = hub.everything();

    // Nothing to do: nobody is asked.
    let asked = || hub.github.seen(|seen| seen.requests.len());
    let requests = asked();
    for words in [&[][..], &[&*saved]] {
        assert_eq!(hub.said(words), format!("{REPO} v1.0.0 is installed\n"));
    }
    assert_eq!((hub.everything(), asked()), (before.clone(), requests));

    // A file that is missing comes back, and one that has changed if that is wanted.
    let path = hub.prefix().join("bin").join(PLUGIN);
    fs::remove_file(&path).unwrap();
    assert!(hub.said(&["-list"]).ends_with("  missing\n"));
    hub.said(&[]);
    assert_eq!(hub.everything(), before);
    fs::write(&path, "#!/bin/sh\necho evil\n").unwrap();
    assert!(hub.said(&["-list"]).ends_with("  changed\n"));
    hub.fails(&[], "not the file of plugins.lock; -overwrite replaces it");
    hub.said(&["-overwrite"]);
    assert_eq!(hub.everything(), before);

    // On another host: the same files, and the same record.
    fs::remove_dir_all(hub.sandbox.path("prefix")).unwrap();
    hub.said(&[&saved]);
    assert_eq!(hub.everything(), before);

    // The release was replaced, with its digest: the lock tells.
    hub.publish("v1.0.0", &release("evil"));
    let expected = "but plugins.lock says";
    hub.fails(&["-overwrite", REPO], expected);
    fs::remove_dir_all(hub.sandbox.path("prefix")).unwrap();
    hub.fails(&[&saved], expected);

    // So does it if only the digest of a file is another.
    hub.publish("v1.0.0", &release("1"));
    let digest = super::sha256(script("1").as_bytes());
    let other = lock.replace(&digest, &super::sha256(b""));
    let other = hub.sandbox.write("other.lock", &other);
    let other = format!("-lock={}", other.display());
    hub.fails(&[&other], "not that of plugins.lock");
    let other = hub.sandbox.write(
        "other.lock",
        &lock.replace(&format!("\"{PLUGIN}\""), "\"check-x\""),
    );
    let other = format!("-lock={}", other.display());
    hub.fails(&[&other], "a file of plugins.lock is missing");
    hub.sandbox.write("other.lock", &format!("{lock}\n{lock}"));
    hub.fails(
        &[&other],
        "other.lock: line 3: its source has a line already",
    );
    hub.fails(&[], "nothing to install: plugins.lock has no entry");
}

#[test]
fn plugin_install_removes_plugins_and_their_records() {
    let hub = Hub::start();
    let rows: [super::archive::Row<'_>; 3] = [
        ("check-a", 0o100_755, b"#!/bin/sh\n"),
        ("check-b", 0o100_755, b"#!/bin/sh\n"),
        ("check-c", 0o100_755, b"#!/bin/sh\n"),
    ];
    fs::write(hub.sandbox.path("a.zip"), zip(&rows)).unwrap();
    let source = format!("file://{}", hub.sandbox.path("a.zip").display());
    hub.fails(&["-remove=check-a"], "check-a is not installed");
    hub.said(&["a.zip"]);
    let bin = hub.prefix().join("bin");
    fs::write(bin.join("check-own"), "#!/bin/sh\n").unwrap();
    fs::write(bin.join("other"), "").unwrap();
    let listed = hub.said(&["-list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(
        listed.ends_with("check-own  not in plugins.lock\n"),
        "{listed}"
    );
    let removed = hub.said(&["-remove", "check-b"]);
    assert_eq!(
        removed,
        format!("{} is removed\n", bin.join("check-b").display())
    );
    assert!(hub.lock()[0]["files"].get("check-b").is_none());
    assert!(hub.lock()[0]["files"].get("check-a").is_some());
    hub.said(&["-remove", "check-own"]);
    for name in ["check-b", "other", "../bin/check-a", ""] {
        hub.fails(&["-remove", name], "is not installed; -list shows what is");
    }
    hub.said(&["-remove", &source]);
    assert_eq!(
        fs::read_dir(&bin).unwrap().count(),
        1,
        "the one that is no plugin"
    );
    assert_eq!(hub.said(&["-list"]), "");
    assert!(hub.lock().is_empty());
    hub.fails(&["-list", "a.zip"], "exclude each other");
}
