//! Routes of the agent's own socket, and streams.

use super::*;
use crate::base::clock::Clock as _;

/// Events that say nothing.
struct Plain;

impl Source for Plain {
    fn host(&mut self) -> String {
        "{}".to_owned()
    }

    fn is_full(&self) -> bool {
        true
    }

    fn event(&mut self, _: Moment, _: Duration, agent: Option<&str>) -> String {
        agent.unwrap_or_default().to_owned()
    }

    fn forget(&mut self) {}
}

/// Routes of an agent that answers with the name of the question.
fn running(token: Option<&'static str>) -> Routes {
    let ask = |question| Some(format!("{question:?}"));
    routes(token)
        .asking(Box::new(ask))
        .measuring(Box::new(Plain))
}

fn ask(routes: &mut Routes, via: Via, streams: usize, head: &str) -> Reply {
    let head = [&head.replace('\n', "\r\n"), "\r\n\r\n"].concat();
    let head = head.as_bytes();
    let asked = Asked { via, head, streams };
    routes.answer(&asked, &FakeClock::default())
}

fn code(reply: &Reply) -> &str {
    str::from_utf8(&reply.text[9..12]).unwrap()
}

#[test]
fn routes_depend_on_the_listener_and_on_what_runs() {
    // (path, statuses: own socket, local listener, public listener, own socket without an agent)
    let table = [
        ("/metrics", ["200", "200", "200", "200"]),
        ("/events", ["200", "200", "404", "404"]),
        ("/logs", ["200", "200", "404", "200"]),
        ("/status", ["200", "200", "404", "404"]),
        ("/health", ["200", "404", "404", "404"]),
        ("/other", ["404", "404", "404", "404"]),
    ];
    for (path, statuses) in table {
        let head = format!("GET {path} HTTP/1.1\nHost: localhost");
        let found = [
            ask(&mut running(None), Via::Agent, 0, &head),
            ask(&mut running(None), Via::Listen, 0, &head),
            ask(&mut running(None).public(true), Via::Listen, 0, &head),
            ask(&mut routes(None), Via::Agent, 0, &head),
        ];
        assert_eq!(found.each_ref().map(code), statuses, "{path}");
    }
}

#[test]
fn routes_that_ask_the_agent_say_if_it_does_not_answer() {
    let mut silent = routes(None).asking(Box::new(|_| None));
    // (path, part of the answer)
    for (path, expected) in [
        ("/health", "00 the agent is about to end, or hangs"),
        ("/status", " 503 "),
    ] {
        let head = format!("GET {path} HTTP/1.1\nHost: localhost");
        let reply = ask(&mut silent, Via::Agent, 0, &head);
        let text = String::from_utf8(reply.text).unwrap();
        assert!(text.contains(expected), "{text}");
    }
    let head = "GET /status HTTP/1.1\nHost: localhost";
    let reply = ask(&mut running(None), Via::Agent, 0, head);
    let text = String::from_utf8(reply.text).unwrap();
    assert!(
        text.contains("\r\nContent-Type: application/json\r\n"),
        "{text}"
    );
    assert!(text.ends_with("\r\n\r\nStatus"), "{text}");
}

#[test]
fn streams_are_refused_before_their_first_byte() {
    // (why this row exists, token, listener, streams that are open, request, status)
    let table = [
        ("the eighth", None, Via::Listen, 7, "Host: localhost", "200"),
        ("the ninth", None, Via::Listen, 8, "Host: localhost", "503"),
        (
            "the ninth of the own socket",
            None,
            Via::Agent,
            8,
            "Host: localhost",
            "503",
        ),
        (
            "a rebound name",
            None,
            Via::Listen,
            0,
            "Host: evil.example",
            "421",
        ),
        (
            "another site",
            None,
            Via::Listen,
            0,
            "Host: localhost\nSec-Fetch-Site: cross-site",
            "403",
        ),
        (
            "no token",
            Some("t"),
            Via::Listen,
            0,
            "Host: localhost",
            "401",
        ),
        (
            "the token",
            Some("t"),
            Via::Listen,
            0,
            "Host: localhost\nAuthorization: Bearer t",
            "200",
        ),
        (
            "no token is needed",
            Some("t"),
            Via::Agent,
            0,
            "Host: localhost",
            "200",
        ),
        ("any name", None, Via::Agent, 0, "Host: evil.example", "200"),
        (
            "two ids",
            None,
            Via::Agent,
            0,
            "Host: localhost\nLast-Event-ID: 1\nLast-Event-ID: 2",
            "400",
        ),
    ];
    for (why, token, via, streams, headers, expected) in table {
        for path in ["/events", "/logs"] {
            let head = format!("GET {path} HTTP/1.1\n{headers}");
            let reply = ask(&mut running(token), via, streams, &head);
            assert_eq!(code(&reply), expected, "{why}");
            assert_eq!(reply.stream.is_some(), expected == "200", "{why}");
            let text = String::from_utf8(reply.text).unwrap();
            assert_eq!(text.contains("Retry-After: 5"), expected == "503", "{why}");
            assert_eq!(text.contains("retry: 2000"), expected == "200", "{why}");
        }
    }
}

#[test]
fn streams_have_a_head_without_a_length() {
    for (path, topic) in [("/events", Topic::Events), ("/logs", Topic::Logs)] {
        let mut routes = running(None);
        let head = format!("GET {path} HTTP/1.1\nHost: localhost");
        let reply = ask(&mut routes, Via::Listen, 0, &head);
        assert_eq!(reply.stream.unwrap().topic, topic);
        let text = String::from_utf8(reply.text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(body.starts_with("retry: 2000\n\n"), "{body}");
        for header in [
            "Content-Type: text/event-stream",
            "Connection: close",
            "Cache-Control: no-store",
        ] {
            assert!(head.contains(header), "{header}");
        }
        assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"));
        // HEAD gets the same without the stream.
        let request = format!("HEAD {path} HTTP/1.1\nHost: localhost");
        let reply = ask(&mut routes, Via::Listen, 0, &request);
        assert!(reply.stream.is_none());
        assert_eq!(reply.text, [head, "\r\n\r\n"].concat().as_bytes());
    }
}

/// All that a stream of log lines gets at once.
fn lines(routes: &mut Routes, last: &str) -> String {
    let head = format!("GET /logs HTTP/1.1\nHost: localhost{last}");
    let reply = ask(routes, Via::Agent, 0, &head);
    let mut out = reply.text;
    assert!(routes.more(&mut reply.stream.unwrap(), &mut out));
    let text = String::from_utf8(out).unwrap();
    text.split_once("retry: 2000\n\n").unwrap().1.to_owned()
}

#[test]
fn logs_are_kept_from_the_first_question_until_two_minutes_after_the_last() {
    let ring: &'static LogRing = Box::leak(Box::new(LogRing::new()));
    let token = || Ok(None);
    let run = "0a1b2c3d".to_owned();
    let rules = Rules::new([]);
    let mut routes = Routes::new(rules, Box::new(token), Box::new(String::new), ring, run);
    let clock = FakeClock::default();
    let watched = |logs| Watchers { events: 0, logs };
    ring.push(|| panic!("nobody has asked"));
    assert_eq!(lines(&mut routes, ""), "");
    assert!(routes.waker().is_none());
    assert_eq!(routes.turn(watched(1), &clock), None, "no wake-up by time");
    assert!(routes.waker().is_some());
    for line in ["{\"text\":\"a\"}", "{\"text\":\"b\"}"] {
        ring.push(|| line.to_owned());
    }
    routes.woken();
    let all =
        "id: 0a1b2c3d-1\ndata: {\"text\":\"a\"}\n\nid: 0a1b2c3d-2\ndata: {\"text\":\"b\"}\n\n";
    assert_eq!(lines(&mut routes, ""), all);
    // (last id, what is sent)
    let second = "id: 0a1b2c3d-2\ndata: {\"text\":\"b\"}\n\n";
    let anew = ["event: reset\ndata: {}\n\n", all].concat();
    for (last, expected) in [
        ("0a1b2c3d-1", second),
        ("0a1b2c3d-2", ""),
        ("ffffffff-1", &anew[..]),
    ] {
        let last = format!("\nLast-Event-ID: {last}");
        assert_eq!(lines(&mut routes, &last), expected);
    }
    // Nobody follows any more.
    let end = Moment(clock.moment().0 + Duration::from_secs(120));
    assert_eq!(routes.turn(watched(0), &clock), Some(end));
    assert!(routes.waker().is_none());
    clock.pass(Duration::from_secs(119));
    assert_eq!(routes.turn(watched(0), &clock), Some(end));
    ring.push(|| "{\"text\":\"c\"}".to_owned());
    let third = "id: 0a1b2c3d-3\ndata: {\"text\":\"c\"}\n\n";
    assert_eq!(lines(&mut routes, "\nLast-Event-ID: 0a1b2c3d-2"), third);
    clock.pass(Duration::from_secs(1));
    assert_eq!(routes.turn(watched(0), &clock), None);
    ring.push(|| panic!("nobody follows any more"));
    // What was logged meanwhile is lost, and that is said.
    let reset = "event: reset\ndata: {}\n\n";
    assert_eq!(lines(&mut routes, "\nLast-Event-ID: 0a1b2c3d-3"), reset);
}
