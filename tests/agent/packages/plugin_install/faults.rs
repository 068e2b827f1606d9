//! What is wrong with an archive, a server or the disk: each is reported, and nothing is left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use fake_server::{Act, Answer, Rule};
use rustix::process::Signal;

use super::archive::{Row, elf, go_arm, tar_gz, zip};
use super::{Hub, PLUGIN, REPO, TOKEN, answer, asset, download, redirection, release};
use crate::sandbox::limit;

const GOOD: Row<'_> = ("check-good", 0o100_755, b"#!/bin/sh\n");

/// Installs an archive, of which a part is wrong, from a file. Nothing may be left.
fn refused(why: &str, archive: &[u8], words: &[&str], expected: &str) {
    let hub = Hub::start();
    fs::write(hub.sandbox.path("a.zip"), archive).unwrap();
    hub.fails(&[words, &["a.zip"]].concat(), expected);
    assert!(!hub.sandbox.path("prefix").exists(), "{why}");
    let names: Vec<_> = fs::read_dir(hub.sandbox.path(".")).unwrap().collect();
    assert_eq!(names.len(), 2, "{why}: the archive and the certificates");
}

#[test]
fn plugin_install_refuses_archives_that_lead_elsewhere() {
    let script = GOOD.2;
    // (why this row exists, entry that comes after a good one, part of the error)
    let table = [
        (
            "a path up",
            "../check-x",
            0o100_755,
            "../check-x: the path leads out of the archive",
        ),
        (
            "up and down",
            "a/../../check-x",
            0o100_755,
            "the path leads out of the archive",
        ),
        (
            "of another file",
            "../../etc/cron.d/x",
            0o100_644,
            "the path leads out of the archive",
        ),
        (
            "from the top",
            "/etc/check-x",
            0o100_755,
            "the path leads out of the archive",
        ),
        (
            "a link",
            "a/check-x",
            0o120_777,
            "a/check-x: no plain file, but a link",
        ),
        (
            "a hard link",
            "check-x",
            0o010_755,
            "check-x: no plain file, but a link",
        ),
        (
            "a device",
            "check-x",
            0o020_755,
            "check-x: no plain file, but a link",
        ),
        (
            "a second one",
            "other/check-good",
            0o100_755,
            "two files of this name",
        ),
    ];
    for (why, name, mode, expected) in table {
        refused(why, &tar_gz(&[GOOD, (name, mode, script)]), &[], expected);
        // rawzip writes no path that leads out: such a one is put in afterwards.
        let plain = name.replace("..", "__").replace("/etc", "_etc");
        let mut archive = zip(&[GOOD, (&plain, mode, script)]);
        let is_name = |at: &usize| archive[*at..].starts_with(plain.as_bytes());
        let places: Vec<_> = (0..archive.len() - plain.len()).filter(is_name).collect();
        for at in places {
            archive[at..at + name.len()].copy_from_slice(name.as_bytes());
        }
        refused(why, &archive, &[], expected);
    }
}

#[test]
fn plugin_install_refuses_what_is_too_large_or_does_not_run_here() {
    let zeros = vec![0; 65 << 20];
    let many: Vec<_> = (0..10_000).map(|number| format!("{number}")).collect();
    let mut rows = vec![GOOD];
    rows.extend(many.iter().map(|name| (&**name, 0o100_644, &b""[..])));
    let with = |content: &[u8]| zip(&[GOOD, ("check-x", 0o100_755, content)]);
    let four = [zeros.as_slice()].repeat(5);
    let names: Vec<_> = (0..5).map(|number| format!("{number}")).collect();
    let others = names.iter().zip(four);
    let mut large = vec![GOOD];
    large.extend(others.map(|(name, zeros)| (&**name, 0o100_644, zeros)));
    let wrong = "check-x: wrong architecture: it is for ";
    let none = "no executable named check-* or mackerel-plugin-*";
    // (why this row exists, archive, flags, part of the error)
    type Case<'a> = (&'a str, Vec<u8>, &'a [&'a str], String);
    let table: [Case<'_>; 12] = [
        (
            "a bomb",
            with(&zeros),
            &[],
            "check-x: unpacks to more than 64 MiB".into(),
        ),
        (
            "in other files",
            tar_gz(&large),
            &[],
            "unpacks to more than 256 MiB".into(),
        ),
        ("many", zip(&rows), &[], "more than 10,000 entries".into()),
        (
            "many in tar",
            tar_gz(&rows),
            &[],
            "more than 10,000 entries".into(),
        ),
        (
            "MIPS",
            with(&elf(8, false)),
            &[],
            format!("{wrong}ELF machine 8 (32 bits)"),
        ),
        (
            "a PC's",
            with(&elf(62, true)),
            &["-arch=armv6"],
            format!("{wrong}amd64 (64 bits), not"),
        ),
        (
            "a Pi 4's",
            with(&elf(183, true)),
            &["-arch=armv7"],
            format!("{wrong}arm64 (64 bits), not"),
        ),
        (
            "ARMv7 on ARMv6",
            with(&go_arm('7')),
            &["-arch=armv6"],
            format!("{wrong}ARMv7, and armv6"),
        ),
        (
            "a text",
            with(b"echo"),
            &[],
            "check-x: neither an ELF program nor a script".into(),
        ),
        (
            "nothing",
            zip(&[("README", 0o100_644, b"x")]),
            &[],
            none.into(),
        ),
        (
            "not executable",
            zip(&[("check-x", 0o100_644, b"x")]),
            &[],
            format!("{none}; not executable: check-x"),
        ),
        (
            "no archive",
            b"<!DOCTYPE html>".to_vec(),
            &[],
            "neither zip nor tar.gz".into(),
        ),
    ];
    for (why, archive, words, expected) in table {
        refused(why, &archive, words, &expected);
    }
    // What runs there is installed, though it does not run here.
    let hub = Hub::start();
    fs::write(hub.sandbox.path("a.zip"), with(&go_arm('6'))).unwrap();
    hub.said(&["-arch=armv6", "a.zip"]);
    assert_eq!(hub.installed().len(), 2);
    hub.fails(&["-arch=mips", "a.zip"], "-arch: mips; use one of amd64");
}

#[test]
fn plugin_install_changes_nothing_if_a_server_is_wrong() {
    /// What is asked for, the fault, which comes first, and the expected message.
    type Wrong = (&'static str, fn(&Hub), &'static str);
    fn file(hub: &Hub, act: Act) {
        hub.files.rule(Rule::on("/stored/*", act));
    }
    fn api(hub: &Hub, act: Act) {
        hub.api.rule(Rule::on("/repos/*", act));
    }
    const PINNED: &str = "Arthur1/check-debian-reboot-required@v1.0.0#sha256=\
                          0000000000000000000000000000000000000000000000000000000000000000";
    let table: &[Wrong] = &[
        (PINNED, |_| {}, "but the target says 000000"),
        (
            REPO,
            |hub| file(hub, answer(200, release("2"))),
            "but GitHub says",
        ),
        (
            REPO,
            |hub| {
                api(hub, answer(503, ""));
                let sums = format!("{}  {}\n", "1".repeat(64), asset());
                hub.github.rule(Rule::on("SHA256SUMS", answer(200, sums)));
            },
            "but SHA256SUMS says 1111",
        ),
        (
            REPO,
            |hub| file(hub, Act::Partial(Answer::new(200, release("1")))),
            "download https://127.0.0.1:",
        ),
        (REPO, |hub| file(hub, Act::Reset), "download https://"),
        (REPO, |hub| file(hub, answer(404, "")), ": status 404"),
        (
            REPO,
            |hub| file(hub, Act::Huge(65 << 20)),
            ": larger than 64 MiB",
        ),
        (
            REPO,
            |hub| {
                api(hub, answer(503, ""));
                file(hub, Act::Answer(Answer::portal()));
            },
            "neither zip nor tar.gz",
        ),
        (
            REPO,
            |hub| {
                hub.github.rule(Rule::on("latest", answer(404, "")));
                api(
                    hub,
                    answer(403, "{\"message\":\"API rate limit exceeded\"}"),
                );
            },
            "status 403: the limit of the API is reached; set GITHUB_TOKEN, or name a tag",
        ),
        (
            REPO,
            |hub| {
                hub.github.rule(Rule::on("latest", answer(404, "")));
                api(hub, answer(404, ""));
            },
            ": no release; https://",
        ),
        (
            "check-unknown",
            |_| {},
            "registry: download https://127.0.0.1:",
        ),
        (
            "check-odd",
            |hub| {
                let entry = answer(200, "{\"source\":\"../../etc\"}");
                hub.github.rule(Rule::on("/registry/*", entry));
            },
            "check-odd.json names no repository; use owner/repo",
        ),
        (
            REPO,
            |hub| {
                let plain = redirection("http://127.0.0.1:1/check.zip");
                hub.github
                    .rule(Rule::on(&download("v1.0.0", &asset()), plain));
            },
            "refusing redirect to a non-HTTPS URL",
        ),
        (
            REPO,
            |hub| hub.files.script("connect = unknown-ca"),
            "certificate",
        ),
        ("a b", |_| {}, "a b: use owner/repo[@tag]"),
    ];
    std::thread::scope(|scope| {
        for (target, wrong, expected) in table {
            scope.spawn(move || {
                let hub = Hub::start();
                wrong(&hub);
                hub.add_release("v1.0.0", &release("1"));
                hub.fails(&[target], expected);
                assert!(!hub.sandbox.path("prefix").exists(), "{expected}");
            });
        }
    });
}

#[test]
fn plugin_install_that_is_stopped_leaves_nothing() {
    let hub = Hub::start();
    hub.files.rule(Rule::on("/stored/*", Act::Hang));
    hub.add_release("v1.0.0", &release("1"));
    let words = hub.words(&[REPO]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let started = hub.sandbox.start_bare(&[], &words);
    hub.files
        .wait(limit(100), "request for the archive", |seen| {
            seen.requests.front().map(drop)
        });
    // The token is not in what other users can see of the process.
    let line = fs::read_to_string(format!("/proc/{}/cmdline", started.pid())).unwrap();
    assert!(!line.contains(TOKEN));
    started.signal(Signal::TERM);
    let finished = started.wait_exit(limit(100));
    assert_ne!(finished.code, Some(0));
    assert!(!hub.sandbox.path("prefix").exists());
}

#[test]
fn plugin_install_on_a_full_disk_leaves_nothing() {
    let hub = Hub::start();
    // No compression gets it below the size of the disk, once unpacked.
    let content = [b"#!/bin/sh\n".to_vec(), vec![b'#'; 1 << 20]].concat();
    let rows: [Row<'_>; 2] = [GOOD, ("check-x", 0o100_755, &content)];
    fs::write(hub.sandbox.path("a.zip"), zip(&rows)).unwrap();
    fs::create_dir(hub.sandbox.path("prefix")).unwrap();
    let at = hub.sandbox.path("prefix").display().to_string();
    let script = format!(
        "mount -t tmpfs -o size=256k none {at} && \"$@\"; echo code $? >&2; cd {at} && find . >&2"
    );
    let mut how = vec!["unshare", "--mount"];
    // Any user may have a namespace of users where the kernel lets it.
    let is_allowed = |how: &[&str]| {
        let tried = Command::new(how[0]).args(&how[1..]).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    if !is_allowed(&how) {
        how.extend(["--user", "--map-root-user"]);
    }
    require!(is_allowed(&how), "this machine allows no namespaces");
    how.extend(["sh", "-c", &script, "sh"]);
    let words = hub.words(&["a.zip"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let finished = hub.sandbox.start_bare(&how, &words).wait_exit(limit(100));
    let said = finished.stderr;
    assert!(
        said.contains("bin/check-x: No space left on device"),
        "{said}"
    );
    assert!(said.ends_with("code 1\n."), "{said}");
}

#[test]
fn plugin_install_refuses_a_directory_that_others_may_change() {
    let hub = Hub::start();
    fs::write(hub.sandbox.path("a.zip"), zip(&[GOOD])).unwrap();
    let top = hub.sandbox.path("prefix");
    fs::create_dir(&top).unwrap();
    fs::set_permissions(&top, fs::Permissions::from_mode(0o777)).unwrap();
    hub.fails(&["a.zip"], "other users may write to it or above it");
    fs::set_permissions(&top, fs::Permissions::from_mode(0o755)).unwrap();
    hub.said(&["a.zip"]);
    // What a process that was killed has left goes with the next one.
    let stale = hub.prefix().join("bin/.check-x.1.new");
    fs::write(&stale, "").unwrap();
    hub.said(&["a.zip"]);
    assert!(!stale.exists());
    // A directory of a plugin's name is not replaced, nor is it an obstacle for others.
    fs::create_dir(hub.prefix().join("bin").join(PLUGIN)).unwrap();
    fs::write(hub.sandbox.path("b.zip"), release("1")).unwrap();
    hub.fails(&["-overwrite", "b.zip"], "a directory has its name");
}
