//! Process 1 of a namespace: orphaned processes, and signals.

use rustix::process::Pid;

use crate::process::Signal;
use crate::process_tree::{children, is_alive, poll_until};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

const TSDB: &str = "/api/v0/tsdb";

/// Process 1 of a container reaps a thousand orphans, each left by the child of a child, and
/// handles signals.
#[test]
fn pid1_reaps_orphans_at_once() {
    const UNSHARE: [&str; 4] = ["unshare", "--pid", "--fork", "--mount-proc"];
    let may = std::process::Command::new(UNSHARE[0])
        .args(&UNSHARE[1..])
        .arg("true")
        .output();
    only_if!(!is_emulated(), "the emulator has no namespace of its own");
    require!(
        may.is_ok_and(|tried| tried.status.success()),
        "no PID namespace can be created here"
    );
    let orphans = "i=0; while [ $i -lt 1000 ]; do (true &); i=$((i+1)); done";
    let fake_server = FakeServer::http();
    for (signal, is_retired) in [
        (Signal::TERM, true),
        (Signal::INT, true),
        (Signal::QUIT, false),
    ] {
        let mut sandbox = Sandbox::of(&fake_server);
        sandbox.env("MACKEREL_AUTO_RETIREMENT", "1");
        sandbox.env("MACKEREL_READINESS_PROBE_EXEC", orphans);
        sandbox.env("MACKEREL_READINESS_PROBE_TIMEOUT_SECONDS", "60");
        let conf = sandbox.conf().display().to_string();
        let agent = sandbox.start_bare(&UNSHARE, &["-conf", &conf]);
        let first = agent.only_child(limit(10));
        let count = fake_server.seen(|seen| seen.to("POST", TSDB).count());
        fake_server.wait(limit(60), "values", |seen| {
            (seen.to("POST", TSDB).count() > count).then_some(())
        });
        poll_until(limit(5), "end of all orphans", || {
            children(first).is_empty().then_some(())
        });
        let tell = |signal| {
            rustix::process::kill_process(Pid::from_raw(first).unwrap(), signal).unwrap();
        };
        let described = |times| {
            fake_server.wait(limit(10), "description", |seen| {
                let hosts = seen.model.hosts.values().filter(|host| !host.is_retired);
                (hosts.map(|host| host.updates).max() >= Some(times)).then_some(())
            });
        };
        // A signal during a description would be served by the same one.
        described(1);
        tell(Signal::HUP);
        described(2);
        assert!(is_alive(first));
        tell(signal);
        let finished = agent.wait_exit(limit(10));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let left = fake_server.seen(|seen| {
            seen.model
                .hosts
                .values()
                .filter(|host| !host.is_retired)
                .count()
        });
        assert_eq!(left == 0, is_retired);
    }
}
