//! Messages to a service manager, on a socket of its kind.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Instant;

use crate::process::{Agent, Signal};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

/// The socket of a service manager.
struct Ear(UnixDatagram);

impl Ear {
    /// A socket at a path in the sandbox, in NOTIFY_SOCKET of its agent.
    fn at_a_path(sandbox: &mut Sandbox) -> Ear {
        let path = sandbox.path("notify");
        sandbox.env("NOTIFY_SOCKET", path.clone());
        Ear(UnixDatagram::bind(path).unwrap())
    }

    /// An abstract socket.
    fn abstractly(sandbox: &mut Sandbox) -> Ear {
        let name = sandbox
            .path("abstract")
            .into_os_string()
            .into_string()
            .unwrap();
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        sandbox.env("NOTIFY_SOCKET", format!("@{name}"));
        Ear(UnixDatagram::bind_addr(&address).unwrap())
    }

    /// The next message. Panics if none comes.
    #[track_caller]
    fn next(&self, wanted: &str) -> String {
        let mut buffer = [0; 4096];
        self.0.set_read_timeout(Some(limit(15))).unwrap();
        let length = self
            .0
            .recv(&mut buffer)
            .unwrap_or_else(|error| panic!("no {wanted}: {error}"));
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    /// The next message that begins like this, and the messages before it.
    #[track_caller]
    fn until(&self, start: &str) -> (String, Vec<String>) {
        let end = Instant::now() + limit(15);
        let mut others = Vec::new();
        loop {
            assert!(Instant::now() < end, "no {start} in {others:?}");
            let message = self.next(start);
            if message.starts_with(start) {
                return (message, others);
            }
            others.push(message);
        }
    }
}

fn reloads(ear: &Ear, agent: &Agent<'_>) {
    agent.signal(Signal::HUP);
    let (message, _) = ear.until("RELOADING=1");
    let (_, microseconds) = message.split_once("\nMONOTONIC_USEC=").unwrap();
    let uptime: f64 = std::fs::read_to_string("/proc/uptime")
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    // Both count from the boot. The uptime includes the time that the host was suspended.
    let told: f64 = microseconds.parse::<f64>().unwrap() / 1e6;
    assert!(told > 0.0 && told <= uptime + 1.0, "{told} of {uptime}");
    assert_eq!(ear.next("end of the reload"), "READY=1");
}

#[test]
fn notify_follows_start_reload_and_stop() {
    for ear in [Ear::at_a_path, Ear::abstractly] {
        let fake_server = FakeServer::http();
        let mut sandbox = Sandbox::of(&fake_server);
        let ear = ear(&mut sandbox);
        let agent = sandbox.start();
        assert_eq!(ear.next("start"), "READY=1");
        let (status, _) = ear.until("STATUS=registered as ");
        let id = fake_server.seen(|seen| seen.model.only_host().id.clone());
        assert!(status.contains(&id), "{status}");
        let (status, others) = ear.until("STATUS=");
        assert!(status.ends_with(", posting works"), "{status}");
        assert_eq!(others, [""; 0], "the watchdog was not asked for");
        reloads(&ear, &agent);
        sandbox.write("agent.conf", "broken");
        reloads(&ear, &agent);
        agent.signal(Signal::TERM);
        ear.until("STOPPING=1");
        assert_eq!(agent.wait_exit(limit(5)).code, Some(0));
    }
}

/// A host that boots without a network must not look like one that hangs.
#[test]
fn notify_is_ready_without_a_server_and_says_what_is_wrong() {
    let fake_server = FakeServer::http();
    fake_server.script("* = 503");
    let mut sandbox = Sandbox::of(&fake_server);
    let ear = Ear::at_a_path(&mut sandbox);
    let _agent = sandbox.start();
    assert_eq!(ear.next("start"), "READY=1");
    let (status, others) =
        ear.until("STATUS=measuring, not registered yet, registering fails since ");
    assert_eq!(others, ["STATUS=measuring, not registered yet"]);
    assert!(status.contains("503"), "{status}");
    assert_eq!(status.lines().count(), 1);
    fake_server.clear_script();
    ear.until("STATUS=registered as ");
}

#[test]
fn watchdog_is_notified_again_and_again_by_the_process_it_watches() {
    // (why this row exists, process that is watched, whether WATCHDOG=1 is sent)
    let table = [
        ("whoever it is", "unset WATCHDOG_PID;", true),
        ("this one", "WATCHDOG_PID=$$;", true),
        ("another one", "WATCHDOG_PID=1;", false),
    ];
    for command in [&[][..], &["supervise"]] {
        if !command.is_empty() && is_emulated() {
            continue;
        }
        for (why, pid, is_told) in table {
            let fake_server = FakeServer::http();
            let mut sandbox = Sandbox::of(&fake_server);
            sandbox.env("WATCHDOG_USEC", "400000");
            sandbox.env("WATCHDOG_PID", "1");
            let ear = Ear::at_a_path(&mut sandbox);
            let exec = format!("{pid} exec \"$@\"");
            let shell = ["sh", "-c", &exec, "sh"].map(Into::into);
            let words = [&shell[..], &sandbox.words(command, &[])].concat();
            let agent = sandbox.spawn(&words);
            ear.until("READY=1");
            if is_told {
                (0..3).for_each(|_| drop(ear.until("WATCHDOG=1")));
                continue;
            }
            // WATCHDOG=1 would have been sent before STATUS=.
            ear.until("STATUS=");
            agent.signal(Signal::HUP);
            let (_, others) = ear.until("RELOADING=1");
            assert!(!others.contains(&"WATCHDOG=1".to_owned()), "{why}");
        }
    }
}

#[test]
fn supervisor_notifies_for_its_child() {
    only_if!(
        !is_emulated(),
        "an emulated supervisor cannot start its child"
    );
    let fake_server = FakeServer::http();
    let mut sandbox = Sandbox::of(&fake_server);
    let ear = Ear::at_a_path(&mut sandbox);
    let agent = sandbox.start_with(&["supervise"], &[]);
    assert_eq!(ear.next("start"), "READY=1");
    let (status, _) = ear.until("STATUS=supervising process ");
    let first = agent.only_child(limit(5));
    assert!(status.ends_with(&format!(" {first}")), "{status}");
    let posted = |times: usize| {
        fake_server.wait(limit(15), "values", |seen| {
            let mut posts = seen.to("POST", "/api/v0/tsdb");
            posts.nth(times - 1)?.status.map(drop)
        });
    };
    posted(1);
    agent.signal(Signal::HUP);
    let (_, others) = ear.until("RELOADING=1");
    assert_eq!(others, [""; 0], "the child keeps silent");
    ear.until("READY=1");
    let (status, _) = ear.until("STATUS=supervising process ");
    assert!(!status.ends_with(&format!(" {first}")), "{status}");
    // The second child has read the configuration by now.
    posted(2);
    sandbox.write("agent.conf", "broken");
    reloads(&ear, &agent);
    agent.signal(Signal::TERM);
    ear.until("STOPPING=1");
    assert_eq!(agent.wait_exit(limit(10)).code, Some(0));
}
