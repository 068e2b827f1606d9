//! The script's faults of requests and connections, over HTTP and over TLS.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::client::{Client, End};
use fake_server::{Act, Answer, FakeServer, Fault, Rule};

const TSDB: &str = "/api/v0/tsdb";
/// Time limit for a fault to occur.
const LIMIT: Duration = Duration::from_secs(20);
/// Time of silence after which the server counts as hanging.
const PATIENCE: Duration = Duration::from_millis(100);

/// Both kinds of server.
fn both() -> [FakeServer; 2] {
    [FakeServer::http(), FakeServer::https()]
}

#[test]
fn each_act_does_what_it_says() {
    let table = [
        ("500", End::Status(500), true),
        ("403", End::Status(403), true),
        ("429:30", End::Status(429), true),
        ("portal", End::Status(200), true),
        ("redirect:http://127.0.0.1:1/", End::Status(307), true),
        ("chunked", End::Status(200), true),
        ("interim", End::Status(200), true),
        ("drip:1ms", End::Status(200), true),
        ("delay:20ms", End::Status(200), true),
        ("huge:300000", End::Status(200), true),
        ("surplus", End::Status(200), true),
        ("unread:413", End::Status(413), false),
        ("hang", End::Silence, false),
        ("hang-midway", End::Silence, false),
        ("reset", End::Reset, false),
        ("close", End::Closed(0), false),
        ("lost", End::Closed(0), false),
        ("garbage", End::NoHttp, false),
    ];
    for fake_server in both() {
        for (what, end, usable) in &table {
            fake_server.clear_script();
            fake_server.script(&format!("tsdb #1 = {what}"));
            let mut client = Client::of(&fake_server);
            if *end == End::Silence {
                client.lose_patience();
            }
            let base = fake_server.base();
            let got = client.end("POST", TSDB, "[]");
            assert_eq!(got, *end, "{what} {base}");
            if *usable && *what != "surplus" {
                let next = client.end("POST", TSDB, "[]");
                assert_eq!(next, End::Status(200), "{what} {base}: the next one");
            }
        }
    }
}

#[test]
fn details_of_answers() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let mut ask = |what: &str| {
        fake_server.clear_script();
        fake_server.script(&format!("POST {TSDB} = {what}"));
        client.ask("POST", TSDB, "[]")
    };
    assert_eq!(ask("429:30").header("retry-after"), Some("30"));
    let portal = ask("portal");
    assert_eq!(
        portal.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(portal.body.starts_with(b"<!DOCTYPE html>"));
    let elsewhere = ask("redirect:https://elsewhere.example/x");
    assert_eq!(
        elsewhere.header("location"),
        Some("https://elsewhere.example/x")
    );
    let huge = ask("huge:1000000");
    assert_eq!(huge.body.len(), 1_000_000);
    assert_eq!(huge.json(), json!({"success": true}));
    assert_eq!(ask("chunked").json(), json!({"success": true}));
    assert_eq!(ask("interim").json(), json!({"success": true}));
    let own = Answer::new(503, "<h1>down</h1>").header("X-Cache", "MISS");
    fake_server.clear_script();
    fake_server.rule(Rule::on("*", Act::Answer(own)));
    let reply = client.ask("GET", "/", "");
    assert_eq!((reply.status, reply.header("x-cache")), (503, Some("MISS")));
    assert_eq!(reply.body, b"<h1>down</h1>");
}

#[test]
fn a_body_cut_short_or_too_long() {
    let [plain, tls] = both();
    for (fake_server, end) in [(&plain, End::Closed(8)), (&tls, End::Truncated)] {
        fake_server.script("tsdb #1 = cut");
        fake_server.script("tsdb #2 = surplus");
        assert_eq!(Client::of(fake_server).end("POST", TSDB, "[]"), end);
        let mut client = Client::of(fake_server);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
        let next = client.end("POST", TSDB, "[]");
        assert_eq!(next, End::NoHttp, "the surplus is in the way");
    }
}

#[test]
fn some_acts_reach_the_model_and_some_do_not() {
    let table = [
        ("lost", true),
        ("cut", true),
        ("chunked", true),
        ("hang-midway", true),
        ("500", false),
        ("hang", false),
        ("reset", false),
        ("close", false),
        ("garbage", false),
        ("unread:500", false),
    ];
    let fake_server = FakeServer::http();
    for (before, (what, reaches)) in table.into_iter().enumerate() {
        fake_server.clear_script();
        fake_server.script(&format!("hosts = {what}"));
        fake_server.seen(|seen| seen.model.hosts.clear());
        let mut client = Client::of(&fake_server);
        client
            .request("POST", "/api/v0/hosts", r#"{"name":"h","meta":{}}"#)
            .unwrap();
        if !what.starts_with("hang") {
            // However the exchange ends, the model has seen the request by then.
            drop(client.reply());
        }
        fake_server.wait(LIMIT, "request", |seen| {
            let request = seen.requests.get(before)?;
            (what != "hang-midway" || request.status.is_some()).then_some(())
        });
        let hosts = fake_server.seen(|seen| seen.model.hosts.len());
        assert_eq!(hosts, usize::from(reaches), "{what}");
    }
}

#[test]
fn an_unanswered_request_is_remembered_as_such() {
    let fake_server = FakeServer::http();
    fake_server.script("tsdb = close");
    Client::of(&fake_server).end("POST", TSDB, "[]");
    let statuses = fake_server.seen(|seen| {
        let requests = seen.to("POST", TSDB);
        requests.map(|request| request.status).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [None]);
}

#[test]
fn a_rule_applies_where_and_when_it_says() {
    let table: [(&str, &[u16]); 7] = [
        ("tsdb = 500", &[500, 200, 500, 500]),
        ("POST tsdb #2 = 500", &[200, 200, 500, 200]),
        ("PUT tsdb = 500", &[200, 200, 200, 200]),
        ("* #2-3 = 500", &[200, 500, 500, 200]),
        ("/api/v0/ts* #2- = 500", &[200, 200, 500, 500]),
        ("GET * = 500", &[200, 500, 200, 200]),
        ("/api/v0 = 500", &[200, 200, 200, 200]),
    ];
    for (rule, statuses) in table {
        let fake_server = FakeServer::http();
        fake_server.script(rule);
        let mut client = Client::of(&fake_server);
        let requests = [
            ("POST", TSDB),
            ("GET", "/api/v0/hosts"),
            ("POST", TSDB),
            ("POST", TSDB),
        ];
        let got = requests.map(|(method, path)| client.ask(method, path, "[]").status);
        assert_eq!(got, statuses, "{rule}");
    }
}

#[test]
fn of_two_rules_that_are_due_the_first_decides_and_both_count() {
    let fake_server = FakeServer::http();
    fake_server.script("tsdb #1 = 500");
    fake_server.script("tsdb #1-2 = 503");
    let mut client = Client::of(&fake_server);
    let got = [(); 3].map(|()| client.ask("POST", TSDB, "[]").status);
    assert_eq!(got, [500, 503, 200]);
}

#[test]
fn a_script_that_means_nothing_is_refused() {
    let wrong = [
        "",
        "tsdb",
        "tsdb = ",
        "tsdb = 99",
        "tsdb = 600",
        "tsdb #x = 500",
        "tsdb #1-x = 500",
        "tsdb = drip",
        "tsdb = drip:3",
        "tsdb = huge:x",
        "connect = 500",
        "tsdb = expired",
    ];
    for text in wrong {
        let error = Rule::parse(text).unwrap_err();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_connection_may_fail_before_its_first_request() {
    for fake_server in both() {
        let tls = !fake_server.ca().is_empty();
        let read = |fault: Fault, limit: Duration| {
            fake_server.clear_script();
            fake_server.rule(Rule::connections(fault).only(1, 1));
            let mut socket = TcpStream::connect(fake_server.address()).unwrap();
            socket.set_read_timeout(Some(limit)).unwrap();
            let mut bytes = Vec::new();
            let ended = socket.read_to_end(&mut bytes);
            (ended.map_err(|error| error.kind()), bytes)
        };
        use std::io::ErrorKind::{ConnectionReset, WouldBlock};
        assert_eq!(read(Fault::Silence, PATIENCE).0, Err(WouldBlock));
        assert_eq!(read(Fault::Stall(5), PATIENCE).0, Err(WouldBlock));
        assert_eq!(read(Fault::Close, LIMIT), (Ok(0), Vec::new()));
        assert_eq!(read(Fault::Reset, LIMIT).0, Err(ConnectionReset));
        assert!(read(Fault::Garbage, LIMIT).1.starts_with(b"SSH-"));
        let mut client = Client::of(&fake_server);
        assert_eq!(client.end("POST", TSDB, "[]"), End::Status(200));
        let counts = fake_server.seen(|seen| seen.counts);
        assert_eq!(counts.connections, 6);
        assert_eq!(counts.full_handshakes, usize::from(tls));
    }
}

#[test]
fn what_hangs_ends_with_the_server() {
    let fake_server = FakeServer::https();
    fake_server.script("tsdb #1 = hang");
    fake_server.script("tsdb #2 = hang-midway");
    fake_server.script("tsdb #3 = drip:60s");
    fake_server.script("tsdb #4 = delay:60s");
    fake_server.script("connect #5 = silence");
    fake_server.script("connect #6 = stall:10");
    let mut clients: Vec<Client> = (0..4).map(|_| Client::of(&fake_server)).collect();
    for client in &mut clients {
        client.request("POST", TSDB, "[]").unwrap();
    }
    let others = [(); 3].map(|()| TcpStream::connect(fake_server.address()).unwrap());
    fake_server.wait(LIMIT, "four requests and all connections", |seen| {
        (seen.requests.len() == 4 && seen.counts.open == 7).then_some(())
    });
    let before = Instant::now();
    drop(fake_server);
    assert!(before.elapsed() < Duration::from_secs(5));
    for mut client in clients {
        let end = client.rest();
        let ended = matches!(end, End::Closed(_) | End::Truncated | End::Reset);
        assert!(ended, "{end:?}");
    }
    drop(others);
}

#[test]
fn waiting_in_vain_says_what_did_arrive() {
    let fake_server = FakeServer::http();
    Client::of(&fake_server).ask("POST", TSDB, "[]");
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        fake_server.wait(Duration::ZERO, "second request", |seen| {
            seen.requests.get(1).map(drop)
        });
    }));
    let message = waited.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("second request"), "{message}");
    assert!(message.contains("#1 POST /api/v0/tsdb -> 200"), "{message}");
}
