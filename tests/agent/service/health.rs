//! `mackerel-agent health` on a shared machine: which agent answers, and to which users.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use crate::process::{Agent, Finished, Signal};
use crate::process_tree::{is_root, poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::{FakeServer, KEY};

/// Users that are neither root nor each other.
const ONE: u32 = 65534;
const OTHER: u32 = 4242;

/// A sandbox that every user can read, with a copy of the program. Its settings are variables.
struct Place {
    sandbox: Sandbox,
    program: PathBuf,
}

impl Place {
    fn new(fake_server: &FakeServer, root: &Path) -> Place {
        let mut sandbox = Sandbox::empty();
        sandbox.mode("", 0o755);
        let program = sandbox.copy_program();
        sandbox.env("MACKEREL_APIKEY", KEY);
        sandbox.env("MACKEREL_APIBASE", fake_server.base());
        sandbox.env("MACKEREL_CLOUD_PLATFORM", "none");
        sandbox.env("MACKEREL_HEALTH", "true");
        sandbox.env("MACKEREL_PIDFILE", "");
        sandbox.env("MACKEREL_ROOT", root);
        Place { sandbox, program }
    }

    /// The program with these arguments and an empty configuration.
    fn words<'a>(&'a self, before: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
        let program = [self.program.to_str().unwrap()];
        let flags = ["-conf", "/dev/null", "-pidfile="];
        [before, &program, arguments, &flags].concat()
    }

    fn start_as(&self, user: u32) -> Agent<'_> {
        self.sandbox.spawn_as(user, &self.words(&[], &[]))
    }

    fn health_as(&self, user: u32) -> Finished {
        let words = self.words(&[], &["health", "-live"]);
        self.sandbox.spawn_as(user, &words).wait_exit(limit(20))
    }
}

/// Waits until an agent answers.
#[track_caller]
fn wait_for_health(place: &Place, user: u32) {
    poll_until(limit(20), "health", || {
        (place.health_as(user).code == Some(0)).then_some(())
    });
}

#[test]
fn health_is_answered_to_root_and_to_the_agents_user_alone() {
    only_if!(
        !is_emulated(),
        "the emulator is the program that the kernel knows"
    );
    require!(is_root(), "only root can be several users");
    let fake_server = FakeServer::http();
    // (why this row exists, the agent's user, whether there is a directory for its state)
    let table = [
        ("root's agent", 0, true),
        ("a user's agent", ONE, true),
        ("root's agent without a file", 0, false),
        ("a user's agent without a file", ONE, false),
    ];
    for (why, user, has_root) in table {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let state = root.path().join("state");
        let mut place = Place::new(&fake_server, &state);
        if has_root {
            fs::create_dir(&state).unwrap();
            chown(&state, Some(user), None).unwrap();
        } else {
            place.sandbox.env("MACKEREL_HOST_ID_STORE", "memory");
        }
        let agent = place.start_as(user);
        wait_for_health(&place, user);
        // Without a directory, nothing shows which user's agent is meant.
        let by_root = place.health_as(0);
        let expected = if has_root || user == 0 { 0 } else { 1 };
        assert_eq!(by_root.code, Some(expected), "{why}: {}", by_root.stderr);
        // Root without capabilities connects as a member of the group.
        let mode = fs::metadata(state.join("agent.socket")).map(|found| found.mode() & 0o777);
        assert_eq!(mode.ok(), has_root.then_some(0o660), "{why}");
        let refused = place.health_as(OTHER);
        assert_eq!(refused.code, Some(1), "{why}: {}", refused.stderr);
        // The caller rejects another user's socket itself, unless the owner is root.
        let said = if has_root || user == 0 {
            "as root or as the agent's user"
        } else {
            "ask as that user"
        };
        assert!(refused.stderr.contains(said), "{why}: {}", refused.stderr);
        if !has_root && user == 0 {
            let said = "answers only root and the user of the agent";
            assert!(refused.stderr.contains(said), "{why}: {}", refused.stderr);
        }
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(20));
        assert_eq!(finished.code, Some(0), "{why}: {}", finished.stderr);
        assert!(!state.join("agent.socket").exists(), "{why}");
    }
}

#[test]
fn a_foreign_program_with_the_sockets_name_is_not_believed() {
    only_if!(
        !is_emulated(),
        "the emulator is the program that the kernel knows"
    );
    require!(is_root(), "only root can be several users");
    let fake_server = FakeServer::http();
    // (why this row exists, whether there is a directory that the other user cannot write to)
    for (why, has_root) in [("a name anybody can have", false), ("a file", true)] {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let state = root.path().join("state");
        let mut place = Place::new(&fake_server, &state);
        place.sandbox.env("MACKEREL_HOST_ID_STORE", "memory");
        if has_root {
            fs::create_dir(&state).unwrap();
        }
        let squatter = place.start_as(ONE);
        wait_for_health(&place, ONE);
        let mut agent = place.start_as(0);
        if has_root {
            poll_until(limit(20), "socket", || {
                state.join("agent.socket").exists().then_some(())
            });
            drop(squatter);
            wait_for_health(&place, 0);
            continue;
        }
        let line = agent.wait_line(limit(20), "warning", |line| {
            line.contains("not be answered")
        });
        assert!(line.contains("WARNING"), "{why}: {line}");
        let asked = place.health_as(0);
        assert_eq!(asked.code, Some(1), "{why}: {}", asked.stderr);
        let said = "the user 65534 has its socket";
        assert!(asked.stderr.contains(said), "{why}: {}", asked.stderr);
    }
}

#[test]
fn health_is_that_of_the_own_container_where_neighbours_share_the_network() {
    only_if!(
        !is_emulated(),
        "the emulator is the program that the kernel knows"
    );
    require!(is_root(), "only root can be several users");
    let probe = Command::new("unshare").args(["-m", "true"]).status();
    require!(
        probe.is_ok_and(|status| status.success()),
        "no mount namespace can be created here, as in a chroot"
    );
    // (why this row exists, command that gives each mount namespace its own directory, variables)
    let table = [
        ("a volume", "mount --bind \"$0\" @", "file"),
        ("nothing to write to", "mount -t tmpfs none @/..", "memory"),
    ];
    for (why, mount, store) in table {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("own/state");
        fs::create_dir_all(&root).unwrap();
        let (well, sick) = (FakeServer::http(), FakeServer::http());
        sick.script("* = 500");
        let [well_place, sick_place] = [&well, &sick].map(|fake_server| {
            let mut place = Place::new(fake_server, &root);
            place.sandbox.env("MACKEREL_HOST_ID_STORE", store);
            place
        });
        let mount = mount.replace('@', root.to_str().unwrap());
        let script = format!("{mount} && exec \"$@\"");
        let start = |place: &Place| {
            let volume = place.sandbox.path("volume");
            fs::create_dir(&volume).unwrap();
            let begin = [
                "unshare",
                "-m",
                "sh",
                "-c",
                &script,
                volume.to_str().unwrap(),
            ];
            let words: Vec<String> = place
                .words(&begin, &[])
                .into_iter()
                .map(str::to_owned)
                .collect();
            words
        };
        let sick_agent = sick_place.sandbox.spawn(&start(&sick_place));
        let well_agent = well_place.sandbox.spawn(&start(&well_place));
        let ask = |place: &Place, agent: &Agent<'_>| {
            let pid = agent.pid().to_string();
            let enter = ["nsenter", "-m", "-r", "-t", &pid];
            let words = place.words(&enter, &["health"]);
            place.sandbox.spawn(&words).wait_exit(limit(20))
        };
        poll_until(limit(30), "health", || {
            (ask(&well_place, &well_agent).code == Some(0)).then_some(())
        });
        let asked = ask(&sick_place, &sick_agent);
        assert_eq!(asked.code, Some(1), "{why}: {}", asked.stdout);
        let said = "nothing posted yet";
        assert!(asked.stderr.contains(said), "{why}: {}", asked.stderr);
    }
}

#[test]
fn a_flood_of_questions_costs_little_and_keeps_nothing_from_being_posted() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    sandbox.configure(&fake_server.base(), "health = true");
    let agent = sandbox.start();
    fake_server.wait(limit(15), "values", |seen| {
        seen.to("POST", "/api/v0/tsdb").next().map(drop)
    });
    let address = SocketAddrUnix::new(sandbox.path("root/agent.socket")).unwrap();
    let updates = || fake_server.seen(|seen| seen.model.only_host().updates);
    let (before, used) = (updates(), cpu_ticks(&agent));
    let mut connected = 0;
    for at in 0..10_000 {
        let kind = (
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::NONBLOCK,
        );
        let stream = socket_with(kind.0, kind.1, kind.2, None).unwrap();
        connected += usize::from(connect(&stream, &address).is_ok());
        if at == 5_000 {
            agent.signal(Signal::HUP);
        }
    }
    assert!(connected > 0);
    fake_server.wait(limit(10), "description", |seen| {
        (seen.model.only_host().updates > before).then_some(())
    });
    poll_until(limit(10), "health", || {
        (sandbox.run(&["health"], &[]).code == Some(0)).then_some(())
    });
    let ticks = cpu_ticks(&agent) - used;
    assert!(ticks < 100, "{ticks} ticks of a processor");
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(20)).code, Some(0));
}

/// Processor time since the start, in hundredths of a second.
fn cpu_ticks(agent: &Agent<'_>) -> u64 {
    let stat = text(agent.pid(), "stat");
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let fields = rest.split_whitespace().skip(11).take(2);
    fields.map(|field| field.parse::<u64>().unwrap()).sum()
}
