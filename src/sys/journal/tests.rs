//! The journal on a scripted disk, and on a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::testing::{Mood, ScriptedDisk};
use super::*;
use crate::base;

/// The name of the file.
const NAME: &str = "spool";
const ROOT: &str = "/root";

fn open(disk: &ScriptedDisk) -> (Journal, Found) {
    Journal::open(Box::new(disk.clone()), Path::new(ROOT), NAME)
}

fn frames(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn texts(found: &Found) -> Vec<&str> {
    let frames = found.frames();
    frames
        .map(|frame| std::str::from_utf8(frame).unwrap())
        .collect()
}

/// Pseudo-random numbers that are the same in every run.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |limit| {
        state = state
            .wrapping_mul(0x5851_F42D_4C95_7F2D)
            .wrapping_add(0x1405_7B7E_F767_814F);
        usize::try_from(state >> 33).unwrap() % limit
    }
}

#[test]
fn journal_is_read_by_the_next_process() {
    let disk = ScriptedDisk::default();
    let (mut journal, found) = open(&disk);
    assert_eq!(
        (texts(&found).len(), journal.is_open(), journal.is_there()),
        (0, false, false)
    );
    assert!(journal.append(&frames(&["x"])).is_err());
    journal.replace(&frames(&["a", "b"])).unwrap();
    journal.append(&frames(&["c"])).unwrap();
    let (mut journal, found) = open(&disk);
    assert_eq!(texts(&found), ["a", "b", "c"]);
    assert!(found.notice.is_none() && journal.is_open());
    journal.append(&frames(&["d"])).unwrap();
    assert_eq!(texts(&open(&disk).1), ["a", "b", "c", "d"]);
    journal.replace(&frames(&["d"])).unwrap();
    assert_eq!(texts(&open(&disk).1), ["d"]);
    journal.clear().unwrap();
    assert_eq!(disk.names(), [""; 0]);
    journal.clear().unwrap();
}

#[test]
fn journal_open_and_clear_without_frames_change_nothing() {
    let disk = ScriptedDisk::default();
    let (mut journal, _) = open(&disk);
    journal.clear().unwrap();
    assert_eq!(disk.drive().touches, 0);
    disk.put(NAME, &{
        let mut file = Vec::new();
        frame::begin(&mut file);
        file
    });
    open(&disk);
    assert_eq!(disk.drive().touches, 0);
}

#[test]
fn journal_survives_a_loss_of_power() {
    for seed in 0..300 {
        let disk = ScriptedDisk::default();
        let mut random = numbers(seed);
        let (mut journal, _) = open(&disk);
        journal.replace(&frames(&["a"])).unwrap();
        journal.append(&frames(&["b"])).unwrap();
        let mut expected = vec!["a", "b"];
        if random(2) == 0 {
            journal.replace(&frames(&["c"])).unwrap();
            expected = vec!["c"];
        }
        disk.lose_power(&mut random);
        let (_, found) = open(&disk);
        assert_eq!(texts(&found), expected, "seed {seed}");
        assert!(found.notice.is_none(), "seed {seed}");
    }
}

/// Proves that the test above can fail.
#[test]
fn journal_without_sync_would_be_lost() {
    let lost = (0..300).any(|seed| {
        let disk = ScriptedDisk::default();
        disk.drive().is_deaf = true;
        let (mut journal, _) = open(&disk);
        journal.replace(&frames(&["a"])).unwrap();
        disk.lose_power(&mut numbers(seed));
        texts(&open(&disk).1) != ["a"]
    });
    assert!(lost);
}

#[test]
fn journal_is_unchanged_if_the_disk_fails() {
    // (what is wrong, words of the error)
    let table = [
        (Mood::Full(0), "no storage space"),
        (Mood::Full(3), "no storage space"),
        (Mood::ReadOnly, "read-only filesystem"),
        (Mood::Denied, "permission denied"),
        (Mood::Failing, "Input/output error"),
    ];
    for (mood, words) in table {
        let disk = ScriptedDisk::default();
        let (mut journal, _) = open(&disk);
        journal.replace(&frames(&["a"])).unwrap();
        disk.drive().mood = mood;
        for error in [
            journal.replace(&frames(&["other"])).unwrap_err(),
            journal.append(&frames(&["more"])).unwrap_err(),
        ] {
            let text = base::report(&error);
            assert!(
                text.contains("/root/spool: ") && text.contains(words),
                "{text}"
            );
        }
        disk.drive().mood = Mood::Well;
        let (_, found) = open(&disk);
        assert_eq!(texts(&found).first(), Some(&"a"), "{mood:?}");
        // The journal can still be appended to, or reports that it must be replaced.
        if journal.is_open() {
            journal.append(&frames(&["b"])).unwrap();
        } else {
            journal.replace(&frames(&["a", "b"])).unwrap();
        }
        assert_eq!(texts(&open(&disk).1), ["a", "b"], "{mood:?}");
        assert!(open(&disk).1.notice.is_none());
    }
}

#[test]
fn journal_deleted_by_others_is_written_anew() {
    for other in [None, Some(&b"short"[..])] {
        let disk = ScriptedDisk::default();
        let (mut journal, _) = open(&disk);
        journal.replace(&frames(&["a"])).unwrap();
        match other {
            None => disk.clone().remove(NAME).unwrap(),
            Some(bytes) => disk.put(NAME, bytes),
        }
        assert!(journal.append(&frames(&["b"])).is_err());
        assert!(!journal.is_open());
        journal.replace(&frames(&["a", "b"])).unwrap();
        assert_eq!(texts(&open(&disk).1), ["a", "b"]);
    }
}

#[test]
fn journal_damage_is_reported_and_bounded() {
    let disk = ScriptedDisk::default();
    let (mut journal, _) = open(&disk);
    journal
        .replace(&frames(&["first", "second", "third"]))
        .unwrap();
    let good = disk.get(NAME).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        disk.put(NAME, &bad);
        let (mut journal, found) = open(&disk);
        assert!(texts(&found).len() >= 2, "byte {at}");
        let text = found.notice.as_ref().unwrap().to_string();
        assert!(
            text.starts_with("/root/spool is damaged in 1 places: "),
            "{text}"
        );
        assert!(!journal.is_open() && journal.is_there());
        journal.replace(&frames(&["whole"])).unwrap();
        assert!(open(&disk).1.notice.is_none());
        disk.put(NAME, &good[..at]);
        drop(open(&disk));
    }
}

#[test]
fn journal_of_another_format_is_set_aside() {
    let disk = ScriptedDisk::default();
    for (other, name) in [&b"#!/bin/sh"[..], b"something else", b"third"]
        .into_iter()
        .zip(ASIDES)
    {
        let name = &[NAME, name].concat();
        disk.put(NAME, other);
        let (mut journal, found) = open(&disk);
        let text = found.notice.unwrap().to_string();
        let expected =
            format!("/root/spool cannot be used: nothing in it is whole; it is now /root/{name}");
        assert_eq!(text, expected);
        assert_eq!(disk.get(name).unwrap(), other);
        assert!(!journal.is_there());
        journal.replace(&frames(&["new"])).unwrap();
    }
    assert_eq!(disk.get("spool.set-aside").unwrap(), b"#!/bin/sh");
}

#[test]
fn journal_that_can_neither_be_read_nor_renamed_is_left_alone() {
    let disk = ScriptedDisk::default();
    disk.put(NAME, b"precious");
    disk.drive().mood = Mood::Denied;
    let (mut journal, found) = open(&disk);
    let text = found.notice.unwrap().to_string();
    assert!(
        text.contains("permission denied; it cannot be renamed either"),
        "{text}"
    );
    disk.drive().mood = Mood::Well;
    assert!(journal.replace(&frames(&["a"])).is_err());
    journal.clear().unwrap();
    assert_eq!(disk.get(NAME).unwrap(), b"precious");
}

#[test]
fn journal_above_the_limit_is_neither_written_nor_read() {
    let disk = ScriptedDisk::default();
    let (mut journal, _) = open(&disk);
    let half = vec![0; usize::try_from(LIMIT).unwrap() / 2];
    journal.replace(std::slice::from_ref(&half)).unwrap();
    assert!(journal.append(std::slice::from_ref(&half)).is_err());
    assert!(journal.is_open());
    assert!(journal.replace(&[half.clone(), half]).is_err());
    assert_eq!(open(&disk).1.frames().count(), 1);
    disk.put(NAME, &vec![0; usize::try_from(LIMIT).unwrap() + 1]);
    let text = open(&disk).1.notice.unwrap().to_string();
    assert!(text.contains("file too large"), "{text}");
}

#[test]
fn journal_frames_set_aside_are_in_a_separate_file() {
    let disk = ScriptedDisk::default();
    let (mut journal, _) = open(&disk);
    journal.replace(&frames(&["a"])).unwrap();
    let path = journal.set_aside(&frames(&["old"])).unwrap();
    assert_eq!(path, Path::new("/root/spool.set-aside"));
    assert_eq!(texts(&open(&disk).1), ["a"]);
    assert_eq!(disk.names(), ["spool", "spool.set-aside"]);
}

#[test]
fn journal_works_in_a_directory_of_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let open = || Journal::open(Box::new(Directory::at(dir.path())), dir.path(), NAME);
    let (mut journal, found) = open();
    assert!(found.notice.is_none());
    journal.replace(&frames(&["a", "b"])).unwrap();
    journal.append(&frames(&["c"])).unwrap();
    journal.replace(&frames(&["c"])).unwrap();
    journal.append(&frames(&["d"])).unwrap();
    assert_eq!(texts(&open().1), ["c", "d"]);
    let path = journal.path();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(fs::metadata(&path).unwrap().len(), journal.length());
    let mut torn = fs::read(&path).unwrap();
    torn.pop();
    fs::write(&path, &torn).unwrap();
    assert_eq!(texts(&open().1), ["c"]);
    assert!(journal.append(&frames(&["e"])).is_err());
    journal.clear().unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    let gone = dir.path().join("gone");
    let (mut journal, _) = Journal::open(Box::new(Directory::at(&gone)), &gone, NAME);
    let text = base::report(&journal.replace(&frames(&["a"])).unwrap_err());
    assert!(text.contains("gone/spool: No such file"), "{text}");
    assert!(!gone.exists());
}
