//! Name servers that are dead, silent, or answer wrongly: time until the first post. Measuring does
//! not wait for it.
//!
//! The tests run in a network and a mount namespace, with a resolver on loopback.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Instant, UNIX_EPOCH};

use crate::network::cloud::namespace;
use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

const NAME: &str = "api.mackerel.example";
const SERVER: &str = "127.0.0.1:53";
/// The address of a name server that does not answer.
const DEAD: &str = "127.0.0.2:53";
/// Query types: an IPv4 address, an IPv6 address.
const A: u16 = 1;
const AAAA: u16 = 28;
/// Bytes of a query before the name.
const HEAD: usize = 12;

/// An answer of a name server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reply {
    /// The right address.
    Here,
    /// An address without a listener.
    Elsewhere,
    /// The name exists, without an address of this family.
    NoAddress,
    NoSuchName,
    Failure,
    BadFormat,
    NotImplemented,
    Refused,
    Garbage,
    Nothing,
}

/// The server's answer to a query with this number, from 0 on, for this name and type.
pub(crate) type Rule = fn(usize, &str, u16) -> Reply;

struct Case {
    what: &'static str,
    conf: &'static str,
    rule: Rule,
    /// Seconds until the first post.
    limit: u64,
}

pub(crate) fn right(_: usize, name: &str, kind: u16) -> Reply {
    match (name, kind) {
        (NAME, A) => Reply::Here,
        (NAME, _) => Reply::NoAddress,
        _ => Reply::NoSuchName,
    }
}

fn at_first(count: usize, number: usize, name: &str, kind: u16, reply: Reply) -> Reply {
    if number < count {
        reply
    } else {
        right(number, name, kind)
    }
}

/// Answers queries until the process ends. Returns the counter of queries.
pub(crate) fn serve(rule: Rule) -> Arc<AtomicUsize> {
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

/// The answer to a query, if there is one (RFC 1035, section 4.1).
fn answer(question: &[u8], count: &AtomicUsize, rule: Rule) -> Option<Vec<u8>> {
    let (mut at, mut labels) = (HEAD, Vec::new());
    while question[at] > 0 {
        let end = at + 1 + usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..end]).into_owned());
        at = end;
    }
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let number = count.fetch_add(1, Ordering::Relaxed);
    let reply = rule(number, &labels.join("."), kind);
    let code = match reply {
        Reply::Nothing => return None,
        Reply::Garbage => return Some(b"\xFF\xFFlogin at http://192.0.2.1/".to_vec()),
        Reply::Here | Reply::Elsewhere | Reply::NoAddress => 0,
        Reply::BadFormat => 1,
        Reply::Failure => 2,
        Reply::NoSuchName => 3,
        Reply::NotImplemented => 4,
        Reply::Refused => 5,
    };
    let has_address = matches!(reply, Reply::Here | Reply::Elsewhere);
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
        let address: &[u8] = match kind {
            A => &[127, 0, 0, last],
            _ => &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last],
        };
        out.extend([0xC0, 12]);
        out.extend(kind.to_be_bytes());
        out.extend([0, 1, 0, 0, 0, 1, 0, u8::try_from(address.len()).unwrap()]);
        out.extend(address);
    }
    Some(out)
}

/// Mounts a file with this text over another, for this process and its children.
pub(crate) fn mount(sandbox: &Sandbox, text: &str, place: &str) {
    let file = sandbox.write(place.trim_start_matches('/'), text);
    // The agent may run as another user.
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
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    mount(&sandbox, case.conf, "/etc/resolv.conf");
    mount(&sandbox, "hosts: files dns\n", "/etc/nsswitch.conf");
    let took = first_post(&fake_server, &sandbox, NAME, case.what, case.limit);
    let asked = asked.load(Ordering::Relaxed);
    eprintln!(
        "{}: first post after {took:.1} s, {asked} questions",
        case.what
    );
}

/// Seconds until the agent has posted to the server at `name`.
fn first_post(
    fake_server: &FakeServer,
    sandbox: &Sandbox,
    name: &str,
    what: &str,
    most: u64,
) -> f32 {
    let port = fake_server.address().port();
    sandbox.configure(&format!("http://{name}:{port}"), "");
    let (begin, start) = (Instant::now(), UNIX_EPOCH.elapsed().unwrap().as_secs());
    let mut agent = sandbox.start();
    let first = fake_server.wait(limit(most), what, |seen| {
        let mut hosts = seen.model.hosts.values();
        let host = hosts.find(|host| !host.series.is_empty())?;
        host.series["loadavg5"].keys().next().copied()
    });
    let took = begin.elapsed().as_secs_f32();
    assert!(
        first.saturating_sub(start) <= 1,
        "{what}: first measured after {} s",
        first - start
    );
    agent.assert_running();
    took
}

/// Faults of one address family, with the first label of the name that has the fault.
const FAULTS: [(&str, Reply); 8] = [
    ("no-address", Reply::NoAddress),
    ("nxdomain", Reply::NoSuchName),
    ("servfail", Reply::Failure),
    ("refused", Reply::Refused),
    ("notimp", Reply::NotImplemented),
    ("formerr", Reply::BadFormat),
    ("garbage", Reply::Garbage),
    ("no-answer", Reply::Nothing),
];

/// The rule for names with one fault.
///
/// One family of `FAULT.v4.example` and `FAULT.v6.example` is [`Reply::Here`], the other one has
/// the fault. Other names are refused. Names of search domains do not exist.
fn one_family(_: usize, name: &str, kind: u16) -> Reply {
    let mut labels = name.split('.');
    let fault = labels.next().unwrap_or_default();
    let good = match labels.next() {
        Some("v4") => A,
        Some("v6") => AAAA,
        _ => 0,
    };
    let fault = FAULTS.iter().find(|(label, _)| *label == fault);
    match fault {
        _ if labels.count() != 1 => Reply::NoSuchName,
        Some(_) if kind == good => Reply::Here,
        Some((_, reply)) => *reply,
        None => Reply::Refused,
    }
}

/// Forwards connections to [::1] to the same port of 127.0.0.1, until the process ends.
fn also_by_ipv6(port: u16) {
    let listener = TcpListener::bind(("::1", port)).unwrap();
    thread::spawn(move || {
        for inside in listener.incoming().map_while(Result::ok) {
            let Ok(outside) = TcpStream::connect(("127.0.0.1", port)) else {
                return;
            };
            let pairs = [
                (inside.try_clone().unwrap(), outside.try_clone().unwrap()),
                (outside, inside),
            ];
            for (mut from, mut to) in pairs {
                thread::spawn(move || {
                    drop(io::copy(&mut from, &mut to));
                    drop(to.shutdown(std::net::Shutdown::Write));
                });
            }
        }
    });
}

#[test]
fn one_address_family_is_enough() {
    namespace::inside_with_mounts("network::resolver::one_address_family_is_enough", || {
        let conf = Sandbox::empty();
        let search = "search a.example b.example\noptions ndots:5\nnameserver 127.0.0.1\n";
        mount(&conf, search, "/etc/resolv.conf");
        mount(&conf, "hosts: files dns\n", "/etc/nsswitch.conf");
        // A name that the server does not have.
        mount(&conf, "127.0.0.1 listed.v4.hosts.example\n", "/etc/hosts");
        serve(one_family);
        let mut names: Vec<_> = FAULTS
            .iter()
            .flat_map(|(fault, _)| ["v4", "v6"].map(|family| format!("{fault}.{family}.example")))
            .collect();
        names.push("listed.v4.hosts.example".to_owned());
        // All rows at once: several wait for answers that do not come.
        thread::scope(|scope| {
            for name in &names {
                scope.spawn(move || {
                    let fake_server = FakeServer::http();
                    also_by_ipv6(fake_server.address().port());
                    let sandbox = Sandbox::of(&fake_server);
                    let took = first_post(&fake_server, &sandbox, name, name, 15);
                    eprintln!("{name}: first post after {took:.1} s");
                });
            }
        });
    });
}

#[test]
fn a_resolver_that_is_well_costs_nothing() {
    namespace::inside_with_mounts(
        "network::resolver::a_resolver_that_is_well_costs_nothing",
        || {
            try_out(&Case {
                what: "well",
                conf: "nameserver 127.0.0.1\n",
                rule: right,
                limit: 5,
            });
        },
    );
}

#[test]
fn search_domains_come_first_and_cost_little() {
    namespace::inside_with_mounts(
        "network::resolver::search_domains_come_first_and_cost_little",
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
#[ignore = "slow: make test-slow"]
fn slow_a_dead_first_server_costs_seconds() {
    namespace::inside_with_mounts(
        "network::resolver::slow_a_dead_first_server_costs_seconds",
        || {
            try_out(&Case {
                what: "dead first server",
                conf: "nameserver 127.0.0.2\nnameserver 127.0.0.1\n",
                rule: right,
                limit: 20,
            });
        },
    );
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_dead_first_server_is_asked_for_each_search_domain() {
    namespace::inside_with_mounts(
        "network::resolver::slow_a_dead_first_server_is_asked_for_each_search_domain",
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
#[ignore = "slow: make test-slow"]
fn slow_a_resolver_that_hangs_is_asked_again() {
    namespace::inside_with_mounts(
        "network::resolver::slow_a_resolver_that_hangs_is_asked_again",
        || {
            try_out(&Case {
                what: "hanging at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name, kind| at_first(4, number, name, kind, Reply::Nothing),
                limit: 40,
            });
        },
    );
}

#[test]
fn a_resolver_that_fails_is_asked_again() {
    namespace::inside_with_mounts(
        "network::resolver::a_resolver_that_fails_is_asked_again",
        || {
            try_out(&Case {
                what: "failing at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name, kind| at_first(4, number, name, kind, Reply::Failure),
                limit: 30,
            });
        },
    );
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_resolver_that_talks_nonsense_is_asked_again() {
    namespace::inside_with_mounts(
        "network::resolver::slow_a_resolver_that_talks_nonsense_is_asked_again",
        || {
            try_out(&Case {
                what: "talking nonsense at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name, kind| at_first(4, number, name, kind, Reply::Garbage),
                limit: 40,
            });
        },
    );
}

#[test]
fn an_address_that_is_a_lie_is_not_kept() {
    namespace::inside_with_mounts(
        "network::resolver::an_address_that_is_a_lie_is_not_kept",
        || {
            try_out(&Case {
                what: "lying at first",
                conf: "nameserver 127.0.0.1\n",
                rule: |number, name, kind| at_first(4, number, name, kind, Reply::Elsewhere),
                limit: 30,
            });
        },
    );
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_search_domain_that_hangs_holds_up_nothing_for_good() {
    namespace::inside_with_mounts(
        "network::resolver::slow_a_search_domain_that_hangs_holds_up_nothing_for_good",
        || {
            try_out(&Case {
                what: "a search domain that hangs",
                conf: "search a.example b.example\noptions ndots:5\nnameserver 127.0.0.1\n",
                rule: |number, name, kind| {
                    if name.ends_with(".a.example") {
                        Reply::Nothing
                    } else {
                        right(number, name, kind)
                    }
                },
                limit: 70,
            });
        },
    );
}
