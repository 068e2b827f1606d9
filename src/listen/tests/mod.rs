//! Requests and their answers.

mod streams;

use std::time::Duration;

use super::{Expose, Routes, Rules, Source, Token};
use crate::base::clock::{FakeClock, Moment};
use crate::config::Secret;
use crate::sys::log_ring::LogRing;
use crate::sys::server::{Answer, Asked, Reply, Topic, Via, Watchers};

fn routes(token: Option<&'static str>) -> Routes {
    let mut count = 0;
    let expose = move || {
        count += 1;
        format!("metrics {count}\n")
    };
    let token = move || Ok(token.map(Secret::new));
    let rules = Rules::new(["Web1.example", ""]);
    with_token(rules, Box::new(token), Box::new(expose))
}

fn with_token(rules: Rules, token: Token, expose: Expose) -> Routes {
    let lines = Box::leak(Box::new(LogRing::new()));
    Routes::new(rules, token, expose, lines, "0a1b2c3d".to_owned())
}

fn at(milliseconds: u64) -> Moment {
    Moment(Duration::from_millis(milliseconds))
}

fn answer(routes: &mut Routes, head: &str, now: Moment) -> String {
    let head = [&head.replace('\n', "\r\n"), "\r\n\r\n"].concat();
    let clock = FakeClock::default();
    clock.moment.set(now.0);
    let asked = Asked {
        via: Via::Listen,
        head: head.as_bytes(),
        streams: 0,
    };
    String::from_utf8(routes.answer(&asked, &clock).text).unwrap()
}

fn status(head: &str) -> u16 {
    let answer = answer(&mut routes(None), head, at(0));
    let (line, _) = answer.split_once("\r\n").unwrap();
    line.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn requests_get_the_status_that_fits() {
    // (why this row exists, head, status)
    let table = [
        (
            "a scrape",
            "GET /metrics HTTP/1.1\nHost: 127.0.0.1:9100",
            200,
        ),
        (
            "with a query",
            "GET /metrics?a=b HTTP/1.1\nHost: 127.0.0.1",
            200,
        ),
        ("HTTP/1.0", "GET /metrics HTTP/1.0", 200),
        (
            "an empty body",
            "GET /metrics HTTP/1.1\nHost: localhost\nContent-Length: 0",
            200,
        ),
        ("another path", "GET / HTTP/1.1\nHost: localhost", 404),
        (
            "a path of a file",
            "GET /../etc/passwd HTTP/1.1\nHost: localhost",
            404,
        ),
        (
            "another method",
            "POST /metrics HTTP/1.1\nHost: localhost",
            405,
        ),
        ("a tunnel", "CONNECT a:1 HTTP/1.1\nHost: localhost", 405),
        (
            "a proxy's form",
            "GET http://localhost/metrics HTTP/1.1\nHost: localhost",
            400,
        ),
        ("no host", "GET /metrics HTTP/1.1", 400),
        (
            "two hosts",
            "GET /metrics HTTP/1.1\nHost: localhost\nHost: evil.example",
            400,
        ),
        ("no request", "\u{1}\u{2}", 400),
        ("HTTP/2", "GET /metrics HTTP/2.0\nHost: localhost", 505),
        (
            "a body",
            "GET /metrics HTTP/1.1\nHost: localhost\nContent-Length: 5",
            413,
        ),
        (
            "a body in chunks",
            "GET /metrics HTTP/1.1\nHost: a\nTransfer-Encoding: chunked",
            413,
        ),
        (
            "another site",
            "GET /metrics HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site",
            403,
        ),
        (
            "a sibling",
            "GET /metrics HTTP/1.1\nHost: localhost\nSec-Fetch-Site: same-site",
            403,
        ),
        (
            "the address bar",
            "GET /metrics HTTP/1.1\nHost: localhost\nSec-Fetch-Site: none",
            200,
        ),
    ];
    for (why, head, expected) in table {
        assert_eq!(status(head), expected, "{why}");
    }
    let many = [
        "GET /metrics HTTP/1.1\nHost: localhost",
        &"\nA: b".repeat(64),
    ]
    .concat();
    assert_eq!(status(&many), 431);
}

#[test]
fn hosts_are_addresses_and_known_names() {
    // (Host, whether it is allowed)
    let table = [
        ("127.0.0.1", true),
        ("192.0.2.7:9100", true),
        ("[::1]", true),
        ("[::1]:9100", true),
        ("localhost:9100", true),
        ("LOCALHOST.", true),
        ("web1.example:80", true),
        ("WEB1.EXAMPLE", true),
        ("evil.example", false),
        ("web1.example.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("localhost:9100.evil.example", false),
        ("[::1].evil.example", false),
        ("localhost:x", false),
        ("0x7f.1", false),
        ("", false),
        (":9100", false),
    ];
    for (host, is_allowed) in table {
        let head = ["GET /metrics HTTP/1.1\nHost: ", host].concat();
        assert_eq!(status(&head) == 200, is_allowed, "{host}");
    }
}

#[test]
fn token_is_required_where_there_is_one() {
    // (header, whether it is accepted)
    let table = [
        ("", false),
        ("\nAuthorization: Bearer SECRET", true),
        ("\nauthorization: bearer  SECRET ", true),
        ("\nAuthorization: Bearer SECRE", false),
        ("\nAuthorization: Bearer SECRETS", false),
        ("\nAuthorization: Bearer", false),
        ("\nAuthorization: Basic SECRET", false),
        (
            "\nAuthorization: Bearer X\nAuthorization: Bearer SECRET",
            false,
        ),
    ];
    for (header, is_accepted) in table {
        let head = ["GET /metrics HTTP/1.1\nHost: localhost", header].concat();
        let answer = answer(&mut routes(Some("SECRET")), &head, at(0));
        assert_eq!(answer.contains(" 200 "), is_accepted, "{header}");
        assert!(is_accepted || !answer.contains("SECRET") && !answer.contains("metrics 1"));
    }
}

#[test]
fn exposition_is_given_out_again_within_a_second() {
    let mut routes = routes(None);
    let scrape = "GET /metrics HTTP/1.1\nHost: localhost";
    for (milliseconds, expected) in [(0, 1), (999, 1), (1000, 2), (1500, 2), (5000, 3)] {
        let answer = answer(&mut routes, scrape, at(milliseconds));
        let body = format!("\r\n\r\nmetrics {expected}\n");
        assert!(answer.ends_with(&body), "{milliseconds}: {answer}");
    }
}

#[test]
fn answers_have_the_headers_that_browsers_need() {
    let mut routes = routes(None);
    let get = answer(&mut routes, "GET /metrics HTTP/1.1\nHost: localhost", at(0));
    let head = answer(
        &mut routes,
        "HEAD /metrics HTTP/1.1\nHost: localhost",
        at(0),
    );
    assert_eq!(get, [&head, "metrics 1\n"].concat());
    for header in [
        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n",
        "Content-Length: 10\r\n",
        "Connection: close\r\n",
        "Cache-Control: no-store\r\n",
        "X-Content-Type-Options: nosniff\r\n",
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n",
    ] {
        assert!(head.contains(header), "{header}");
    }
    assert!(!head.contains("Access-Control"));
    let refused = answer(&mut routes, "PUT / HTTP/1.1\nHost: localhost", at(0));
    assert!(refused.contains("Allow: GET, HEAD\r\n"), "{refused}");
}

#[test]
fn token_that_cannot_be_read_refuses_everybody() {
    let rules = Rules::new([]);
    let token = || Err("cannot read".to_owned());
    let mut routes = with_token(rules, Box::new(token), Box::new(String::new));
    let answer = answer(&mut routes, "GET /metrics HTTP/1.1\nHost: localhost", at(0));
    assert!(answer.contains(" 503 "), "{answer}");
}
