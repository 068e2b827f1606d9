//! `mackerel-agent supervise`, as the packages start it, on real processes.

use std::fs;

use rustix::process::Pid;

use crate::process::{Agent, Signal, has_level};
use crate::process_tree::{children, is_alive, is_root, poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::{FakeServer, KEY};

const TSDB: &str = "/api/v0/tsdb";

/// Waits until values have been posted by `count` children: by then the last one has everything in
/// place.
///
/// Values follow the start at once, and then a minute later.
#[track_caller]
fn posted(fake_server: &FakeServer, count: usize) {
    fake_server.wait(limit(15), "values", |seen| {
        let posts = seen
            .to("POST", TSDB)
            .filter(|request| request.status == Some(200));
        (posts.count() >= count).then_some(())
    });
}

fn kill(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// The line of the supervisor about its pause number `number`, counted from 1.
#[track_caller]
fn nth_pause(agent: &mut Agent<'_>, number: usize) -> String {
    let count = std::cell::Cell::new(0);
    agent.wait_line(limit(5), "pause", |line| {
        let is_pause = line.contains("starting it again within");
        count.set(count.get() + usize::from(is_pause));
        is_pause && count.get() == number
    })
}

/// Starts a supervisor as the packages' unit does, and waits until its child has posted.
#[track_caller]
fn start<'a>(sandbox: &'a Sandbox, fake_server: &FakeServer, flags: &[&str]) -> (Agent<'a>, i32) {
    let agent = sandbox.start_with(&["supervise"], flags);
    posted(fake_server, 1);
    let child = agent.only_child(limit(5));
    (agent, child)
}

#[test]
fn the_child_is_this_program_with_the_same_flags() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let root = sandbox.path("elsewhere").display().to_string();
    let flags = ["--root", &root, "-apibase", &fake_server.base(), "-v=false"];
    let (agent, child) = start(&sandbox, &fake_server, &flags);

    let own = text(agent.pid(), "cmdline");
    let expected = own.trim_end().replace(" supervise ", " ") + " -child ";
    assert_eq!(text(child, "cmdline"), expected);
    assert!(text(child, "comm").starts_with("mackerel-agent"));
    assert!(sandbox.path("elsewhere/id").exists());
    // The supervisor's pid. The child has no pid file.
    let pid = fs::read_to_string(sandbox.pidfile()).unwrap();
    assert_eq!(pid, agent.pid().to_string());
    require!(
        is_root(),
        "only root reads the environment of another process"
    );
    // Plugins inherit the child's environment.
    let environ = text(child, "environ");
    for word in [
        "PATH=/sbin:/usr/sbin:/bin:/usr/bin:",
        ":/opt/mackerel-agent/plugins/bin:/usr/lib/mackerel-agent/applets ",
        "LANG=C ",
        "LC_ALL=C ",
    ] {
        assert!(environ.contains(word), "{word} in {environ}");
    }
    assert_eq!(environ.matches("plugins/bin").count(), 1, "{environ}");
    assert_eq!(
        fs::read_link(format!("/proc/{child}/fd/0")).unwrap(),
        fs::canonicalize("/dev/null").unwrap()
    );
    // A supervisor has one thread.
    let threads = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    assert_eq!(threads.count(), 1);
}

#[test]
fn each_signal_to_end_ends_both_in_good_order() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    for (signal, name) in [
        (Signal::TERM, "'terminated'"),
        (Signal::INT, "'interrupt'"),
        (Signal::QUIT, "'quit'"),
    ] {
        for is_to_both in [false, true] {
            let fake_server = FakeServer::http();
            let sandbox = Sandbox::of(&fake_server);
            let more = "[host_status]\non_start = \"working\"\non_stop = \"poweroff\"\n";
            sandbox.configure(&fake_server.base(), more);
            let (agent, child) = start(&sandbox, &fake_server, &[]);
            if is_to_both {
                // systemd signals the whole unit.
                kill(child, signal);
            }
            agent.signal(signal);
            let finished = agent.wait_exit(limit(10));
            assert_eq!(finished.code, Some(0), "{}", finished.stderr);
            assert!(finished.stderr.contains(name), "{}", finished.stderr);
            assert!(!sandbox.pidfile().exists());
            assert!(!is_alive(child));
            let status = fake_server.seen(|seen| seen.model.only_host().status.clone());
            assert_eq!(status, "poweroff");
        }
    }
}

#[test]
fn supervise_can_be_ended_as_soon_as_it_has_started() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let agent = sandbox.start_with(&["supervise"], &[]);
    let child = agent.only_child(limit(5));
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(10));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(!is_alive(child));
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn a_second_signal_is_handed_on_too() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    // Without a spool: values in a spool are not waited for.
    sandbox.configure(&fake_server.base(), "[spool]\non_disk = false\n");
    fake_server.script("tsdb = 500");
    let agent = sandbox.start_with(&["supervise"], &[]);
    let tries = |count| {
        fake_server.wait(limit(15), "another try", |seen| {
            (seen.to("POST", TSDB).count() >= count).then_some(())
        });
    };
    tries(1);
    agent.signal(Signal::TERM);
    // Tries are a second apart. Signals within a second are one request to stop.
    tries(4);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("force return"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.ends_with("exit status 1"),
        "{}",
        finished.stderr
    );
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn hup_starts_a_child_with_another_configuration() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let (mut agent, first) = start(&sandbox, &fake_server, &[]);
    for (more, words) in [
        ("display_name = 1\n", "line 6"),
        ("display_nam = \"a\"\n", "display_nam is unexpected key"),
        ("[plugin.metrics.m]\nuser = \"u\"\n", "plugin.metrics.m"),
    ] {
        sandbox.configure(&fake_server.base(), more);
        agent.signal(Signal::HUP);
        let line = agent.wait_line(limit(5), words, |line| line.contains(words));
        assert!(has_level(&line, "WARNING"), "{line}");
        let start = " <supervisor> failed to reload: configtest failed: ";
        assert!(line.contains(start), "{line}");
        assert_eq!(agent.only_child(limit(5)), first);
    }
    sandbox.configure(&fake_server.base(), "display_name = \"new\"\n");
    agent.signal(Signal::HUP);
    let second = agent.next_child(limit(10), first);
    let line = agent.wait_line(limit(5), "end", |line| line.contains("has ended"));
    assert!(has_level(&line, "INFO"), "{line}");
    posted(&fake_server, 2);
    fake_server.wait(limit(10), "new name", |seen| {
        let put = format!("/api/v0/hosts/{}", seen.model.only_host().id);
        let is_new = seen.to("PUT", &put).last()?.json()["displayName"] == "new";
        is_new.then_some(())
    });
    assert_eq!(agent.only_child(limit(5)), second);
    let pid = fs::read_to_string(sandbox.pidfile()).unwrap();
    assert_eq!(pid, agent.pid().to_string());
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(10)).code, Some(0));
}

#[test]
fn a_child_that_is_killed_young_is_started_again_after_a_pause() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let (mut agent, mut child) = start(&sandbox, &fake_server, &[]);
    // The second pause is one to two seconds long, and one in a thousand is just one.
    for (number, pauses) in [(2, &["1 s"][..]), (3, &["1 s", "2 s"])] {
        kill(child, Signal::KILL);
        let line = nth_pause(&mut agent, number - 1);
        let words =
            "WARNING <supervisor> the agent has ended: signal: killed; starting it again within ";
        let pause = line.split_once(words).map(|(_, pause)| pause);
        assert!(pause.is_some_and(|pause| pauses.contains(&pause)), "{line}");
        child = agent.next_child(limit(10), child);
        posted(&fake_server, number);
    }
    agent.assert_running();
    assert!(sandbox.pidfile().exists());
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(10)).code, Some(0));
}

#[test]
fn a_stop_does_not_wait_for_a_pause() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let (mut agent, child) = start(&sandbox, &fake_server, &[]);
    kill(child, Signal::KILL);
    let second = agent.next_child(limit(10), child);
    kill(second, Signal::KILL);
    nth_pause(&mut agent, 2);
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(5));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.ends_with("signal: killed"),
        "{}",
        finished.stderr
    );
    assert!(!sandbox.pidfile().exists());
}

/// Another start would not help.
#[test]
fn a_child_that_is_refused_at_the_start_ends_the_supervisor() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    fake_server.script("* = 403");
    let sandbox = Sandbox::of(&fake_server);
    let finished = sandbox.run(&["supervise"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished.stderr.contains("check apikey"),
        "{}",
        finished.stderr
    );
    assert!(
        finished.stderr.ends_with("\nexit status 1"),
        "{}",
        finished.stderr
    );
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn a_configuration_that_cannot_be_used_starts_no_child() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), "verbose = 1\n");
    let finished = sandbox.run(&["supervise"], &[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(
        finished
            .stderr
            .starts_with("failed to load the config file")
    );
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 0);
    assert!(!sandbox.pidfile().exists());
}

#[test]
fn the_child_dies_with_its_supervisor() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let (agent, child) = start(&sandbox, &fake_server, &[]);
    agent.signal(Signal::KILL);
    poll_until(limit(20), "end of the child", || {
        (!is_alive(child)).then_some(())
    });
    assert_eq!(agent.wait_exit(limit(5)).signal, Some(9));
    // The files that it left do not disturb the next start.
    let agent = sandbox.start_with(&["supervise"], &[]);
    posted(&fake_server, 2);
    let pid = fs::read_to_string(sandbox.pidfile()).unwrap();
    assert_eq!(pid, agent.pid().to_string());
}

/// Process 1 inherits all orphaned processes. A supervisor that was a shell before has the shell's
/// children.
#[test]
fn supervise_reaps_children_that_are_not_its_own() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let script = "sleep 300 & exec \"$@\"";
    let shell = ["sh", "-c", script, "sh"].map(Into::into);
    let words = [&shell[..], &sandbox.words(&["supervise"], &[])].concat();
    let mut agent = sandbox.spawn(&words);
    posted(&fake_server, 1);
    let all = children(agent.pid());
    let (strangers, own): (Vec<i32>, Vec<i32>) =
        all.iter().partition(|pid| text(**pid, "comm") == "sleep\n");
    assert_eq!((strangers.len(), own.len()), (1, 1), "{all:?}");
    kill(strangers[0], Signal::KILL);
    poll_until(limit(5), "leave", || {
        (children(agent.pid()) == own).then_some(())
    });
    assert!(!agent.log().iter().any(|line| line.contains("has ended")));
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(10)).code, Some(0));
}

#[test]
fn a_key_on_the_command_line_goes_no_further() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let conf = fs::read_to_string(sandbox.conf()).unwrap();
    sandbox.write("agent.conf", &conf.replace(KEY, "wrong"));
    let flag = format!("--apikey={KEY}");
    for flags in [&["-apikey", KEY, "-v=false"][..], &["-v=false", &flag]] {
        let before = fake_server.seen(|seen| seen.to("POST", TSDB).count());
        let agent = sandbox.start_with(&["supervise"], flags);
        posted(&fake_server, before + 1);
        let child = agent.only_child(limit(5));
        for file in ["cmdline", "environ"] {
            let shown = text(child, file);
            assert!(!shown.contains(KEY), "{file}: {shown}");
        }
        assert!(text(child, "cmdline").ends_with(" -v=false -child "));
    }
}

#[test]
fn hup_starts_the_program_that_is_there_by_then() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    require!(
        is_root(),
        "only root reads the environment of another process"
    );
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let program = sandbox.copy_program();
    let conf = sandbox.conf().into_os_string();
    let words = [
        program.as_os_str(),
        "supervise".as_ref(),
        "-conf".as_ref(),
        &conf,
    ];
    let agent = sandbox.spawn(&words);
    posted(&fake_server, 1);
    let first = agent.only_child(limit(5));
    let inode = |pid: i32| {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino()
    };
    assert_eq!(inode(first), inode(agent.pid()));
    let cmdline = text(first, "cmdline");
    sandbox.copy_program();
    agent.signal(Signal::HUP);
    let second = agent.next_child(limit(10), first);
    posted(&fake_server, 2);
    assert_ne!(inode(second), inode(agent.pid()));
    assert_eq!(text(second, "cmdline"), cmdline);
}
