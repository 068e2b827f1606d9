//! The listener of `/metrics`: what it serves, to whom, and what clients that mean harm can do.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::fuse::run_where_it_may_mount;
use crate::process::Signal;
use crate::process_tree::poll_until;
use crate::sandbox::{Sandbox, free_address, limit};
use fake_server::FakeServer;

/// A server, and a sandbox with `listen = "ADDRESS"` and `more`.
fn listening(address: &str, more: &str) -> (FakeServer, Sandbox) {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::empty();
    let text = format!("listen = \"{address}\"\n{more}");
    sandbox.configure(&fake_server.base(), &text);
    (fake_server, sandbox)
}

/// Sends `head` and an empty line, and returns what is answered.
fn exchange(mut stream: impl Read + Write, head: &str) -> String {
    stream
        .write_all([head, "\r\n\r\n"].concat().as_bytes())
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(limit(20))).unwrap();
    stream
}

fn get(address: SocketAddr, head: &str) -> String {
    exchange(connect(address), head)
}

/// The text of a scrape, once the listener answers.
#[track_caller]
fn scraped(address: SocketAddr) -> String {
    poll_until(limit(100), "listener", || {
        let stream = TcpStream::connect(address).ok()?;
        let head = format!("GET /metrics HTTP/1.1\r\nHost: {address}");
        let answer = exchange(stream, &head);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        Some(body.to_owned())
    })
}

/// Number of posts of values that the server has accepted.
fn posts(fake_server: &FakeServer) -> usize {
    fake_server.seen(|seen| {
        let posts = seen.to("POST", "/api/v0/tsdb");
        posts.filter(|post| post.status == Some(200)).count()
    })
}

/// Panics unless values arrive at the server.
#[track_caller]
fn assert_posts(fake_server: &FakeServer) {
    fake_server.wait(limit(100), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        hosts.find(|host| !host.series.is_empty()).map(|_| ())
    });
}

/// Runs [`in_a_sandbox`] where it may mount a filesystem.
#[test]
fn listener_shows_no_mounts_of_a_sandbox() {
    run_where_it_may_mount("network::listen::in_a_sandbox", 200);
}

#[test]
#[ignore = "mounts something: needs a user and mount namespace of its own"]
fn in_a_sandbox() {
    let address = free_address();
    let (_fake_server, sandbox) = listening(&address.to_string(), "");
    let of_root = || {
        let text = scraped(address);
        let lines = text
            .lines()
            .filter(|line| line.contains("mountpoint=\"/\""));
        lines
            .map(str::to_owned)
            .find(|line| line.starts_with("node_filesystem_readonly{"))
    };
    let agent = sandbox.start();
    let before = of_root();
    drop(agent);

    // As systemd does it for a service.
    let state = sandbox.path("").display().to_string();
    let state = state.trim_end_matches('/');
    for words in [
        &["--bind", state, state][..],
        &["-o", "remount,bind,ro", "/"],
    ] {
        let done = Command::new("mount").args(words).status().unwrap();
        assert!(done.success(), "mount {words:?}");
    }
    let _agent = sandbox.start();
    assert_eq!(of_root(), before);
    let text = scraped(address);
    assert!(!text.contains(state), "{text}");
}

#[test]
fn listener_serves_the_host_the_plugins_and_the_agent() {
    let address = free_address();
    let plugin = "[plugin.metrics.n]\ncommand = \"printf 'a.b\\\\t7\\\\t0\\\\n'\"\n\
                  [plugin.metrics.other]\ncommand = \"printf 'c.d\\\\t8\\\\t0\\\\n'\"\n\
                  custom_identifier = \"other\"\n";
    let (fake_server, sandbox) = listening(&address.to_string(), plugin);
    let agent = sandbox.start();
    assert_posts(&fake_server);
    // The plugin may end before the server has accepted anything, or after.
    let posted = "mackerel_agent_posted_ago_seconds{destination=\"mackerel\"} ";
    let text = poll_until(limit(100), "values of the plugin, and a post", || {
        let text = scraped(address);
        let is_whole = text.contains("mackerel_custom{name=\"a.b\"} 7") && text.contains(posted);
        is_whole.then_some(text)
    });
    for family in [
        "node_cpu_seconds_total",
        "node_memory_MemTotal_bytes",
        "node_load1",
        "mackerel_agent_build_info",
        "mackerel_agent_cpu_seconds_total",
        "mackerel_agent_resident_memory_bytes",
        "mackerel_agent_measured_ago_seconds",
        "mackerel_agent_posted_ago_seconds",
    ] {
        let line = format!("\n# TYPE {family} ");
        assert_eq!(text.matches(&line).count(), 1, "{family}\n{text}");
    }
    assert!(!text.contains("c.d"), "a value of another host\n{text}");
    let resident = "\nmackerel_agent_resident_memory_bytes ";
    let bytes: u64 = text
        .split(resident)
        .nth(1)
        .and_then(|rest| rest.lines().next()?.parse().ok())
        .unwrap();
    assert!(bytes > 0);
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(20)).code, Some(0));
}

#[test]
fn listener_works_without_mackerel() {
    let address = free_address();
    let sandbox = Sandbox::empty();
    let (root, pidfile) = (sandbox.root(), sandbox.pidfile());
    // (what turns the API off, what the log says)
    for (off, said) in [("mackerel = false\napikey = \"k\"", ""), ("", "no API key")] {
        let text = format!(
            "{off}\napibase = \"http://127.0.0.1:1\"\nroot = \"{}\"\npidfile = \"{}\"\n\
             listen = \"{address}\"\nhealth = true\n\
             [plugin.metrics.n]\ncommand = \"printf 'a.b\\\\t7\\\\t0\\\\n'\"\n\
             [plugin.checks.c]\ncommand = \"touch checked\"\n\
             [plugin.metadata.m]\ncommand = \"touch asked\"\n",
            root.display(),
            pidfile.display()
        );
        sandbox.write("agent.conf", &text);
        let agent = sandbox.start();
        poll_until(limit(100), "values of the plugin", || {
            let text = scraped(address);
            text.contains("mackerel_custom{name=\"a.b\"} 7")
                .then_some(())
        });
        let health = sandbox.run(&["health"], &[]);
        assert_eq!(health.code, Some(0), "{}", health.stderr);
        let retired = sandbox.run(&["retire"], &["-force"]);
        assert_eq!(retired.code, Some(1));
        assert!(
            retired.stderr.contains("does not use Mackerel's API"),
            "{}",
            retired.stderr
        );
        let tested = sandbox.run(&["configtest"], &[]);
        assert_eq!(tested.code, Some(0), "{}", tested.stderr);
        agent.signal(Signal::HUP);
        scraped(address);
        agent.signal(Signal::TERM);
        let finished = agent.wait_exit(limit(20));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert!(finished.stderr.contains(said), "{}", finished.stderr);
        assert!(!finished.stderr.contains("POST"), "{}", finished.stderr);
        assert!(!sandbox.path("checked").exists() && !sandbox.path("asked").exists());
        assert!(!sandbox.id_file().exists());
    }
}

#[test]
fn listener_refuses_what_other_sites_and_rebound_names_ask() {
    let address = free_address();
    let (_fake_server, sandbox) = listening(&address.to_string(), "listen_hosts = [\"Named\"]");
    let _agent = sandbox.start();
    scraped(address);
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let own = format!("Host: {}:{}", own.trim_end(), address.port());
    // (why this row exists, request line, headers, status)
    let table = [
        ("this host's name", "GET /metrics HTTP/1.1", &own[..], "200"),
        (
            "a configured name",
            "GET /metrics HTTP/1.1",
            "Host: named",
            "200",
        ),
        (
            "an address",
            "GET /metrics HTTP/1.1",
            "Host: 10.1.2.3",
            "200",
        ),
        (
            "DNS rebinding",
            "GET /metrics HTTP/1.1",
            "Host: evil.example",
            "421",
        ),
        (
            "DNS rebinding with the port",
            "GET /metrics HTTP/1.1",
            "Host: evil.example:9100",
            "421",
        ),
        (
            "a foreign origin",
            "GET /metrics HTTP/1.1",
            "Host: localhost\r\nSec-Fetch-Site: cross-site",
            "403",
        ),
        (
            "a sibling",
            "GET /metrics HTTP/1.1",
            "Host: localhost\r\nSec-Fetch-Site: same-site",
            "403",
        ),
        ("no name", "GET /metrics HTTP/1.1", "Accept: */*", "400"),
        (
            "two names",
            "GET /metrics HTTP/1.1",
            "Host: localhost\r\nHost: evil.example",
            "400",
        ),
        (
            "the page for who takes no gzip",
            "GET / HTTP/1.1",
            "Host: localhost",
            "406",
        ),
        (
            "another path",
            "GET /metric HTTP/1.1",
            "Host: localhost",
            "404",
        ),
        (
            "a file",
            "GET /../etc/passwd HTTP/1.1",
            "Host: localhost",
            "404",
        ),
        (
            "another method",
            "POST /metrics HTTP/1.1",
            "Host: localhost",
            "405",
        ),
        (
            "a body",
            "GET /metrics HTTP/1.1",
            "Host: localhost\r\nContent-Length: 5",
            "413",
        ),
        (
            "a proxy's request",
            "GET http://evil.example/ HTTP/1.1",
            "Host: localhost",
            "400",
        ),
        ("no HTTP", "\u{1}\u{2}", "\u{3}", "400"),
    ];
    for (why, line, headers, status) in table {
        let answer = get(address, &[line, "\r\n", headers].concat());
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{why}: {answer}");
        assert!(
            !answer.to_ascii_lowercase().contains("access-control"),
            "{why}"
        );
    }
    let head = get(address, "HEAD /metrics HTTP/1.1\r\nHost: localhost");
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[test]
fn listener_with_a_token_reads_it_anew_for_each_request() {
    let address = free_address();
    let (_fake_server, sandbox) = listening(&address.to_string(), "listen_token_file = \"token\"");
    sandbox.write("token", "first\n");
    let _agent = sandbox.start();
    let ask = |token: &str| {
        let token = if token.is_empty() {
            String::new()
        } else {
            format!("\r\nAuthorization: Bearer {token}")
        };
        let head = format!("GET /metrics HTTP/1.1\r\nHost: localhost{token}");
        get(address, &head)
    };
    poll_until(limit(100), "listener", || TcpStream::connect(address).ok());
    let status = |token: &str| ask(token).split(' ').nth(1).unwrap().to_owned();
    assert_eq!(status(""), "401");
    assert_eq!(status("second"), "401");
    assert_eq!(status("first"), "200");
    sandbox.write("token", "second\n");
    assert_eq!(status("first"), "401");
    assert_eq!(status("second"), "200");
    for odd in ["", "\n", "two\nlines\n"] {
        sandbox.write("token", odd);
        assert_eq!(status("second"), "503", "{odd:?}");
    }
    fs::remove_file(sandbox.path("token")).unwrap();
    assert_eq!(status("second"), "503", "no file");
}

#[test]
fn listener_on_a_unix_socket_is_for_the_owner_and_its_group() {
    let sandbox = Sandbox::empty();
    let path = sandbox.path("m.sock");
    let fake_server = FakeServer::http();
    let text = format!("listen = \"{}\"", path.display());
    sandbox.configure(&fake_server.base(), &text);
    for end in [Signal::TERM, Signal::KILL] {
        let agent = sandbox.start();
        let answer = poll_until(limit(100), "listener", || {
            let stream = UnixStream::connect(&path).ok()?;
            Some(exchange(stream, "GET /metrics HTTP/1.1\r\nHost: localhost"))
        });
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o660);
        agent.signal(end);
        agent.wait_exit(limit(20));
        // One that was killed leaves its socket, and the next agent replaces it.
        assert_eq!(path.exists(), end == Signal::KILL);
    }
    let _agent = sandbox.start();
    poll_until(limit(100), "listener", || UnixStream::connect(&path).ok());
}

#[test]
fn listener_that_cannot_bind_costs_no_values() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (fake_server, sandbox) = listening(&address.to_string(), "");
    let mut agent = sandbox.start();
    let line = agent.wait_line(limit(100), "what is wrong", |line| {
        line.contains("listen: ")
    });
    for part in [
        "agent.conf:",
        &format!("http://{address}/ and /metrics"),
        "another program uses the port",
        "tried again every minute",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_posts(&fake_server);
    agent.assert_running();
}

#[test]
fn listener_keeps_its_limits_while_clients_mean_harm() {
    let address = free_address();
    let (fake_server, sandbox) = listening(&address.to_string(), "");
    let mut agent = sandbox.start();
    scraped(address);
    // A head of a megabyte.
    let mut stream = connect(address);
    let head = ["GET /metrics HTTP/1.1\r\nX: ", &"a".repeat(1 << 20)].concat();
    // The rest may not be read.
    let _ = stream.write_all(head.as_bytes());
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error}"),
        _ => {}
    }
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );
    // A half-closed socket is answered.
    let mut stream = connect(address);
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    // One that says nothing, and one that says a byte, are dropped after 5 s.
    let begin = Instant::now();
    let (silent, mut slow) = (connect(address), connect(address));
    slow.write_all(b"G").unwrap();
    for mut stream in [silent, slow] {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.is_empty());
    }
    assert!(begin.elapsed() > Duration::from_secs(4));
    // A thousand connections that say nothing: none costs a descriptor for long, or a value. The
    // next minute's values arrive meanwhile.
    let before = posts(&fake_server);
    let mut many = Vec::new();
    for _ in 0..1000 {
        let connected = TcpStream::connect_timeout(&address, Duration::from_millis(100));
        many.extend(connected.ok());
    }
    poll_until(limit(130), "a post during the attack", || {
        drop(TcpStream::connect_timeout(
            &address,
            Duration::from_millis(1),
        ));
        (posts(&fake_server) > before).then_some(())
    });
    let descriptors = fs::read_dir(format!("/proc/{}/fd", agent.pid())).unwrap();
    assert!(descriptors.count() < 100);
    agent.assert_running();
    drop(many);
    poll_until(limit(100), "listener", || {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).ok()?;
        let head = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(head).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    });
}
