//! Name servers that are dead, silent or lie: how long the first post takes then, and that measuring
//! does not wait for it. In a network and a mount namespace, with a resolver on loopback.

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, UNIX_EPOCH};

use crate::cloud::namespace;
use crate::sandbox::{Sandbox, limit};
use crate::standin::Standin;

const NAME: &str = "api.mackerel.example";
const SERVER: &str = "127.0.0.1:53";
/// Nobody answers there.
const DEAD: &str = "127.0.0.2:53";
const ADDRESS: u16 = 1;
/// Bytes of a question before the name.
const HEAD: usize = 12;

/// What a name server says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reply {
    /// The address that the name has.
    Here,
    /// One where nobody listens.
    Elsewhere,
    NoSuchName,
    Failure,
    Garbage,
    Nothing,
}

/// What the server says to the question with this number, from 0 on, for this name.
type Rule = fn(usize, &str) -> Reply;

struct Case {
    what: &'static str,
    conf: &'static str,
    rule: Rule,
    /// Seconds until the first post.
    limit: u64,
}

fn right(_: usize, name: &str) -> Reply {
    match name {
        NAME => Reply::Here,
        _ => Reply::NoSuchName,
    }
}

fn at_first(count: usize, number: usize, name: &str, reply: Reply) -> Reply {
    match number < count {
        true => reply,
        false => right(number, name),
    }
}

/// Answers questions until the process ends. Returns how many there were.
fn serve(rule: Rule) -> Arc<AtomicUsize> {
    let socket = UdpSocket::bind(SERVER).unwrap();
    let asked = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet) {
            if let Some(answer) = answer(&packet[..length], &count, rule) {
                socket.send_to(&answer, from).unwrap();
            }
        }
    });
    asked
}

/// RFC 1035, 4.1.
fn answer(question: &[u8], count: &AtomicUsize, rule: Rule) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (HEAD, Vec::new());
    while question[at] > 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let number = count.fetch_add(1, Ordering::Relaxed);
    let reply = rule(number, &labels.join("."));
    let code = match reply {
        Reply::Nothing => return None,
        Reply::Garbage => return Some(b"\xFF\xFFlogin at http://192.0.2.1/".to_vec()),
        Reply::Here | Reply::Elsewhere => 0,
        Reply::Failure => 2,
        Reply::NoSuchName => 3,
    };
    let has_address = code == 0 && kind == ADDRESS;
    let mut out = question[..2].to_vec();
    out.extend([
        0x81,
        0x80 | code,
        0,
        1,
        0,
        u8::from(has_address),
        0,
        0,
        0,
        0,
    ]);
    out.extend(&question[HEAD..at + 5]);
    if has_address {
        let last = if reply == Reply::Here { 1 } else { 9 };
        out.extend([0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, last]);
    }
    Some(out)
}

/// Puts a file with this text in the place of another, for this process and its children.
fn mount(sandbox: &Sandbox, text: &str, place: &str) {
    let file = sandbox.write(place.trim_start_matches('/'), text);
    // The agent may be somebody else.
    sandbox.mode(place.trim_start_matches('/'), 0o644);
    let done = Command::new("mount")
        .arg("--bind")
        .args([file.as_os_str(), place.as_ref()])
        .output();
    let error = String::from_utf8_lossy(&done.unwrap().stderr).into_owned();
    assert_eq!(error, "", "{place}");
}

fn try_out(case: &Case) {
    let _dead = UdpSocket::bind(DEAD).unwrap();
    let asked = serve(case.rule);
    let standin = Standin::http();
    let sandbox = Sandbox::of(&standin);
    mount(&sandbox, case.conf, "/etc/resolv.conf");
    mount(&sandbox, "hosts: files dns\n", "/etc/nsswitch.conf");
    let port = standin.address().port();
    sandbox.configure(&format!("http://{NAME}:{port}"), "");
    let (begin, start) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap().as_secs());
    let mut agent = sandbox.start();
    let first = standin.wait(limit(case.limit), case.what, |seen| {
        let mut hosts = seen.model.hosts.values();
        let host = hosts.find(|host| !host.series.is_empty())?;
        host.series["loadavg5"].keys().next().copied()
    });
    let (took, asked) = (begin.elapsed().as_secs_f32(), asked.load(Ordering::Relaxed));
    eprintln!(
        "{}: first post after {took:.1} s, {asked} questions",
        case.what
    );
    assert!(
        first.saturating_sub(start) <= 1,
        "{}: first measured after {} s",
        case.what,
        first - start
    );
    agent.assert_running();
}

#[test]
fn a_resolver_that_is_well_costs_nothing() {
    namespace::inside_with_mounts("resolver::a_resolver_that_is_well_costs_nothing", || {
        try_out(&Case {
            what: "well",
            conf: "nameserver 127.0.0.1\n",
            rule: right,
            limit: 5,
        });
    });
}

#[test]
fn search_domains_come_first_and_cost_little() {
    namespace::inside_with_mounts(
        "resolver::search_domains_come_first_and_cost_little",
        || {
            try_out(&Case {
                what: "ndots:5 and search domains",
                conf: "search a.example b.example c.example\noptions ndots:5\nnameserver 127.0.0.1\n",
                rule: right,
                limit: 5,
            });
        },
    );
}

#[test]
fn slow_a_dead_first_server_costs_seconds() {
    namespace::inside_with_mounts("resolver::slow_a_dead_first_server_costs_seconds", || {
        try_out(&Case {
            what: "dead first server",
            conf: "nameserver 127.0.0.2\nnameserver 127.0.0.1\n",
            rule: right,
            limit: 20,
        });
    });
}

#[test]
fn slow_a_dead_first_server_is_asked_for_each_search_domain() {
    namespace::inside_with_mounts(
        "resolver::slow_a_dead_first_server_is_asked_for_each_search_domain",
        || {
            try_out(&Case {
                what: "dead first server, ndots:5 and search domains",
                conf: "search a.example b.example c.example\noptions ndots:5\nnameserver 127.0.0.2\nnameserver 127.0.0.1\n",
                rule: right,
                limit: 60,
            });
        },
    );
}

#[test]
fn slow_a_resolver_that_hangs_is_asked_again() {
    namespace::inside_with_mounts(
        "resolver::slow_a_resolver_that_hangs_is_asked_again",
        || {
            try_out(&Case {
                what: "hanging at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name| at_first(4, number, name, Reply::Nothing),
                limit: 40,
            });
        },
    );
}

#[test]
fn a_resolver_that_fails_is_asked_again() {
    namespace::inside_with_mounts("resolver::a_resolver_that_fails_is_asked_again", || {
        try_out(&Case {
            what: "failing at first",
            conf: "nameserver 127.0.0.1\n",
            rule: |number, name| at_first(4, number, name, Reply::Failure),
            limit: 30,
        });
    });
}

#[test]
fn slow_a_resolver_that_talks_nonsense_is_asked_again() {
    namespace::inside_with_mounts(
        "resolver::slow_a_resolver_that_talks_nonsense_is_asked_again",
        || {
            try_out(&Case {
                what: "talking nonsense at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name| at_first(4, number, name, Reply::Garbage),
                limit: 40,
            });
        },
    );
}

#[test]
fn an_address_that_is_a_lie_is_not_kept() {
    namespace::inside_with_mounts("resolver::an_address_that_is_a_lie_is_not_kept", || {
        try_out(&Case {
            what: "lying at first",
            conf: "nameserver 127.0.0.1\n",
            rule: |number, name| at_first(4, number, name, Reply::Elsewhere),
            limit: 30,
        });
    });
}

#[test]
fn slow_a_search_domain_that_hangs_holds_up_nothing_for_good() {
    namespace::inside_with_mounts(
        "resolver::slow_a_search_domain_that_hangs_holds_up_nothing_for_good",
        || {
            try_out(&Case {
                what: "a search domain that hangs",
                conf: "search a.example b.example\noptions ndots:5\nnameserver 127.0.0.1\n",
                rule: |number, name| match name.ends_with(".a.example") {
                    true => Reply::Nothing,
                    false => right(number, name),
                },
                limit: 70,
            });
        },
    );
}
