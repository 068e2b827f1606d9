//! What a host sends and receives over TLS, in bytes: `make fleet` prints it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::sandbox::{Sandbox, limit};
use fake_server::FakeServer;

/// Minutes that are measured, after the first ones.
const MINUTES: u64 = 3;
/// Minutes of a month: 365.25 days by twelve.
const MONTH: u64 = 43_830;
/// Time without a byte after which a server closes a connection.
const IDLE: Duration = Duration::from_secs(20);

/// Bytes from and to the agent, and connections.
#[derive(Default)]
struct Counts {
    up: AtomicU64,
    down: AtomicU64,
    connections: AtomicU64,
}

impl Counts {
    fn now(&self) -> [u64; 3] {
        [&self.up, &self.down, &self.connections].map(|count| count.load(Ordering::Relaxed))
    }
}

/// Passes connections on to a server and counts their bytes. Closes those that are idle for that
/// long, if at all.
fn relay(to: SocketAddr, idle: Option<Duration>) -> (SocketAddr, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::<Counts>::default();
    let counted = Arc::clone(&counts);
    thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(to) else {
                return;
            };
            counted.connections.fetch_add(1, Ordering::Relaxed);
            client.set_read_timeout(idle).unwrap();
            let back = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let (up, down) = (Arc::clone(&counted), Arc::clone(&counted));
            thread::spawn(move || pass(client, server, &up.up));
            thread::spawn(move || pass(back.0, back.1, &down.down));
        }
    });
    (address, counts)
}

fn pass(mut from: TcpStream, mut to: TcpStream, count: &AtomicU64) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        count.fetch_add(length as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // A connection that was closed already is no error.
    drop(to.shutdown(Shutdown::Both));
    drop(from.shutdown(Shutdown::Both));
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_a_minute_costs_few_bytes() {
    // (what it is, metric plugins of four values each, when the server closes a connection, most
    // bytes per minute in both directions)
    let table = [
        ("default metrics", 0, None, 4_500),
        (
            "default metrics, a connection per minute",
            0,
            Some(IDLE),
            8_500,
        ),
        ("default metrics and 10 plugins", 10, None, 9_000),
        (
            "default metrics and 10 plugins, a connection per minute",
            10,
            Some(IDLE),
            13_000,
        ),
    ];
    thread::scope(|scope| {
        for (name, plugins, idle, most) in table {
            scope.spawn(move || {
                let (start, minute, values) = traffic(plugins, idle);
                let [up, down, connections] = minute.map(|count| count.div_ceil(MINUTES));
                let sum = up + down;
                eprintln!(
                    "{name}: {values} values; {up} bytes up and {down} down per minute, {connections} \
                     connections; {:.1} MB a month; the start: {} up, {} down",
                    (sum * MONTH) as f64 / 1e6,
                    start[0],
                    start[1]
                );
                assert_eq!(connections > 0, idle.is_some(), "{name}");
                assert!(sum <= most, "{name}: {sum} bytes");
            });
        }
    });
}

/// What an agent with this number of plugins costs until its second post of values, and in
/// [`MINUTES`] from then on; and the number of values in its last post.
fn traffic(plugins: usize, idle: Option<Duration>) -> ([u64; 3], [u64; 3], usize) {
    let fake_server = FakeServer::https();
    let (address, counts) = relay(fake_server.address(), idle);
    let sandbox = Sandbox::of(&fake_server);
    let mut tables = String::new();
    for number in 0..plugins {
        let script: String = (0..4)
            .map(|value| format!("printf 'service{number}.requests.kind{value}\\t{value}.25\\t%s\\n' $(date +%s); "))
            .collect();
        let file = sandbox.write(&format!("plugin{number}"), &script);
        writeln!(
            tables,
            "[plugin.metrics.service{number}]\ncommand = \"sh {}\"",
            file.display()
        )
        .unwrap();
    }
    sandbox.configure(&format!("https://{address}"), &tables);
    let _agent = sandbox.start();
    // After this number of posts of values: what has passed by then, and the values of the last
    // one.
    let passed = |posts: u64| {
        let what = "posts of values";
        fake_server.wait(limit(100 + 60 * posts), what, |seen| {
            let all: Vec<_> = seen.to("POST", "/api/v0/tsdb").collect();
            let values = all.last()?.json().as_array()?.len();
            (all.len() as u64 >= posts).then(|| (counts.now(), values))
        })
    };
    let (start, _) = passed(3);
    let (end, values) = passed(3 + MINUTES);
    let minute = [0, 1, 2].map(|at| end[at] - start[at]);
    (start, minute, values)
}
