//! Requests without TLS.

use std::io::{Read, Write};

use super::*;
use fake_server::steps::{Authority, Scratch, Step, YEARS, ok, serve};

#[test]
fn request_has_the_headers_of_the_settings() {
    let (port, served) = serve(vec![vec![ok("{}"), ok("")]]);
    let mut http = client(settings(format!("http://us%65r:p%40ss@127.0.0.1:{port}")));
    let answer = http.exchange(&Request {
        method: Method::Post,
        path: "/api/v0/tsdb",
        body: Some(b"[1]\n"),
        content_type: JSON,
        is_repeatable: true,
    });
    assert_eq!(told(answer, port), "{}");
    http.exchange(&GET).unwrap();
    drop(http);
    let [post, get] = served.join().unwrap().try_into().unwrap();
    let head = format!(
        "host: 127.0.0.1:{port}\r\naccept-encoding: identity\r\nuser-agent: mackerel-agent/1.2 (Revision abc)\r\n\
         x-api-key: s3cret\r\nx-agent-version: 1.2\r\nx-revision: abc\r\n\
         authorization: Basic dXNlcjpwQHNz\r\n"
    );
    let body = "content-type: application/json\r\n\r\n[1]\n";
    assert_eq!(
        post,
        format!("0 POST /api/v0/tsdb HTTP/1.1\r\ncontent-length: 4\r\n{head}{body}")
    );
    assert_eq!(get, format!("0 GET / HTTP/1.1\r\n{head}\r\n"));
}

#[test]
fn request_has_no_empty_header_and_the_extra_one() {
    let (port, served) = serve(vec![vec![ok("a-token"), ok("i-1")]]);
    let mut http = client(Settings {
        key: String::new(),
        version: String::new(),
        revision: String::new(),
        ..settings(format!("http://127.0.0.1:{port}"))
    });
    let ttl = Some(("X-TTL", "60"));
    let answer = http.fetch(Method::Put, "/token", ttl);
    assert_eq!(told(answer, port), "a-token");
    let token = "a-token".to_owned();
    http.fetch(Method::Get, "/id", Some(("X-Token", &token)))
        .unwrap();
    let unsendable = http.fetch(Method::Get, "/id", Some(("X-Token", "a\r\nb")));
    assert!(unsendable.is_err());
    drop(http);
    let asked = served.join().unwrap();
    let agent = "accept-encoding: identity\r\nuser-agent: mackerel-agent/1.2 (Revision abc)\r\n";
    let host = format!("host: 127.0.0.1:{port}\r\n");
    let put =
        format!("0 PUT /token HTTP/1.1\r\ncontent-length: 0\r\n{host}{agent}x-ttl: 60\r\n\r\n");
    let get = format!("0 GET /id HTTP/1.1\r\n{host}{agent}x-token: a-token\r\n\r\n");
    assert_eq!(asked, [put, get]);
}

#[test]
fn every_status_is_an_answer() {
    let answers = [
        "HTTP/1.1 302 Resolved\r\nLocation: http://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 503 No\r\nContent-Length: 5\r\n\r\nlater",
        "HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\npart",
    ];
    let mut steps = Vec::from(answers.map(|text| Step::Answer(text.to_owned())));
    // The last answer ends in the middle of its body.
    steps.push(Step::Take);
    let (port, _served) = serve(vec![steps]);
    let mut http = plain(port);
    let found = http.exchange(&GET).unwrap();
    let elsewhere = Some("http://elsewhere.example/");
    assert_eq!((found.status, found.location.as_deref()), (302, elsewhere));
    let slow = http.exchange(&GET).unwrap();
    let seconds = Some(Duration::from_secs(7));
    assert_eq!((slow.status, slow.retry_after), (429, seconds));
    let no = http.exchange(&GET).unwrap();
    assert_eq!((no.status, no.body.as_str()), (503, "later"));
    let cut = http.exchange(&GET).unwrap();
    assert_eq!((cut.status, cut.body.as_str()), (400, "part"));
}

#[test]
fn connection_is_kept_until_the_server_closes_it() {
    let close = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nb";
    let (port, served) = serve(vec![
        vec![ok("a"), Step::Answer(close.to_owned())],
        // The server closes the connection while it is idle or during the next request. Neither
        // causes an error.
        vec![ok("c")],
        vec![ok("d"), Step::Take],
        vec![ok("e"), Step::Hear],
        vec![ok("f")],
    ]);
    let mut http = plain(port);
    for body in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(told(http.exchange(&GET), port), body);
    }
    let connections: Vec<_> = served
        .join()
        .unwrap()
        .into_iter()
        .map(|request| request[..1].to_owned())
        .collect();
    assert_eq!(connections.concat(), "0012234");
}

#[test]
fn connection_is_not_kept_without_keep_alive() {
    let (port, served) = serve(vec![vec![ok("a"), Step::Wait], vec![ok("b"), Step::Wait]]);
    let mut http = client(Settings {
        keep_alive: false,
        ..settings(format!("http://127.0.0.1:{port}"))
    });
    assert_eq!(told(http.exchange(&GET), port), "a");
    assert_eq!(told(http.exchange(&GET), port), "b");
    let requests = served.join().unwrap();
    assert!(requests[1].starts_with("1 GET"));
    assert!(requests[1].contains("\r\nconnection: close\r\n"));
}

#[test]
fn answer_that_fails_is_an_error_with_step_and_cause() {
    let part = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart";
    // (why this row exists, the server's steps, expected text)
    let table = [
        (
            "closed without a word",
            vec![Step::Take],
            "Broken: wait for the answer of 127.0.0.1:PORT: unexpected end of file",
        ),
        (
            "reset without a word",
            vec![Step::Hear],
            "Broken: wait for the answer of 127.0.0.1:PORT: Connection reset by peer (os error 104)",
        ),
        (
            "closed in the middle",
            vec![Step::Take, Step::Say(part)],
            "Broken: read the answer of 127.0.0.1:PORT: unexpected end of file",
        ),
        (
            "reset in the middle",
            vec![Step::Say("HTTP/1.1 200 OK\r\n"), Step::Hear],
            "Broken: read the answer of 127.0.0.1:PORT: Connection reset by peer (os error 104)",
        ),
        (
            "something else",
            vec![Step::Say("SSH-2.0-OpenSSH\r\n"), Step::Wait],
            "Broken: read the answer of 127.0.0.1:PORT: the answer is no HTTP; it begins with \
             \"SSH-2.0-OpenSSH\"",
        ),
    ];
    for (why, steps, expected) in table {
        let (port, _served) = serve(vec![steps]);
        assert_eq!(told(plain(port).exchange(&GET), port), expected, "{why}");
    }
}

#[test]
fn heads_that_other_programs_accept_are_accepted() {
    let many: String = (0..200)
        .map(|number| format!("X-{number}: y\r\n"))
        .collect();
    let large = format!("Set-Cookie: {}\r\n", "x".repeat(20 << 10));
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    // (why this row exists, bytes before the head, headers)
    let table = [
        (
            "a folded header",
            "",
            "Server: a\r\n  b\r\nContent-Length: 1\r\n",
        ),
        (
            "a folded header that is used",
            "",
            "Content-Length:\r\n 1\r\n",
        ),
        (
            "a space before a colon",
            "",
            "Server : a\r\nContent-Length: 1\r\n",
        ),
        (
            "a space before the colon of a used header",
            "",
            "Content-Length : 1\r\n",
        ),
        (
            "more than 128 headers",
            "",
            &format!("{many}Content-Length: 1\r\n"),
        ),
        (
            "a header of 20 kB",
            "",
            &format!("{large}Content-Length: 1\r\n"),
        ),
        ("both", "", &format!("{many}{large}Content-Length: 1\r\n")),
        ("interim answers", interim, "Content-Length: 1\r\n"),
        ("empty lines before it", "\r\n\r\n", "Content-Length: 1\r\n"),
        (
            "a length that is there twice",
            "",
            "Content-Length: 1\r\nContent-Length: 1\r\n",
        ),
        (
            "no encoding",
            "",
            "Content-Encoding: identity\r\nContent-Length: 1\r\n",
        ),
        (
            "a header that is no text",
            "",
            "X: \u{1}\u{ff}\r\nContent-Length: 1\r\n",
        ),
        ("chunks", "", "Transfer-Encoding : chunked\r\n"),
    ];
    let [mut encrypted, mut open] = [Vec::new(), Vec::new()];
    for (why, before, headers) in table {
        let answer = |body| {
            let body = match why {
                "chunks" => format!("1\r\n{body}\r\n0\r\n\r\n"),
                _ => body,
            };
            Step::Answer(format!("{before}HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
        };
        for steps in [&mut encrypted, &mut open] {
            steps.push(answer("a".to_owned()));
        }
    }
    let authority = Authority::new("known");
    let server = authority.server("127.0.0.1", YEARS, &rustls::version::TLS13);
    encrypted.insert(0, Step::Encrypt(server));
    let trust = Scratch::new(&authority.pem());
    for (scheme, steps) in [("http", open), ("https", encrypted)] {
        let (port, _served) = serve(vec![steps]);
        let mut http = client(Settings {
            ca_file: Some(trust.0.clone()),
            ..settings(format!("{scheme}://127.0.0.1:{port}"))
        });
        // All on one connection: the bytes after each head are found.
        for (why, ..) in table {
            assert_eq!(told(http.exchange(&GET), port), "a", "{scheme}, {why}");
        }
    }
}

#[test]
fn a_head_that_comes_in_pieces_is_put_together() {
    let large = "x".repeat(30 << 10);
    let pieces = [
        "\r\nHT",
        "TP/1.1 200 OK\r",
        "\nServer : x\r\nContent-Length: 4\r\n\r",
        "\nbo",
        "dyHTTP",
    ];
    let mut steps = vec![Step::Take];
    steps.extend(pieces.map(Step::Say));
    let (port, _served) = serve(vec![steps]);
    assert_eq!(told(plain(port).exchange(&GET), port), "body");

    // The body begins in the piece in which the head ends, and is larger than any buffer.
    let length = large.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    let (port, _served) = serve(vec![vec![Step::Answer(head + &large)]]);
    assert_eq!(told(plain(port).exchange(&GET), port), large);
}

#[test]
fn heads_that_are_invalid_are_reported_with_the_line() {
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(70_000));
    // (why this row exists, answer, expected text)
    let table = [
        (
            "no colon",
            "HTTP/1.1 200 OK\r\nhello world\r\n\r\n",
            "header without a colon: \"hello world\"",
        ),
        (
            "no number",
            "HTTP/1.1 OK\r\n\r\n",
            "status line not understood: \"HTTP/1.1 OK\"",
        ),
        (
            "too long",
            &endless,
            "the headers are longer than 64 kB; they reach that in the line \"X: xxx",
        ),
        (
            "TLS",
            "\x15\x03\x01\0\x02\x02\x46",
            "the answer is no HTTP; it begins with \"\\u{15}\\u{3}\\u{1}\\u{0}\\u{2}\\u{2}F\"",
        ),
    ];
    for (why, answer, expected) in table {
        let (port, _served) = serve(vec![vec![Step::Answer(answer.to_owned()), Step::Wait]]);
        let line = told(plain(port).exchange(&GET), port);
        let expected = format!("Broken: read the answer of 127.0.0.1:PORT: {expected}");
        assert!(line.starts_with(&expected), "{why}: {line}");
    }
}

#[test]
fn a_compressed_answer_is_reported_by_name() {
    // (value of the header, encoding in the answer and in the error)
    let table = [
        ("gzip", Some("\"gzip\"")),
        (" br", Some("\"br\"")),
        (
            "gzip, deflate and much more than that",
            Some("\"gzip, deflate and mu\""),
        ),
        ("a\u{9}b", Some("\"a\\tb\"")),
        ("", None),
        ("Identity", None),
    ];
    for (value, expected) in table {
        let answer = || {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: {value}\r\n");
            Step::Answer(head + "Content-Length: 4\r\n\r\n\x1f\u{8b}\x08")
        };
        let (port, _served) = serve(vec![vec![answer(), answer()]]);
        let mut http = plain(port);
        let answer = http.exchange(&GET).unwrap();
        assert_eq!(answer.encoding.as_deref(), expected, "{value}");
        assert_eq!(answer.body.is_empty(), expected.is_some(), "{value}");
        match (http.download(Method::Get, "/", None, 100), expected) {
            (Ok(file), None) => assert_eq!(file.content.len(), 4),
            (Ok(_), Some(_)) => panic!("{value}"),
            (Err(error), _) => {
                let line = told(Err(error), port);
                let encoding = expected.unwrap();
                assert_eq!(
                    line,
                    format!(
                        "Broken: read the answer of 127.0.0.1:PORT: compressed answer: \
                         Content-Encoding {encoding}, although the request has Accept-Encoding: \
                         identity; turn compression off in the server or the proxy"
                    )
                );
            }
        }
    }
}

#[test]
fn server_that_is_slow_causes_a_timeout() {
    // (why this row exists, the server's steps, expected text)
    let table = [
        (
            "silence",
            vec![Step::Take, Step::Wait],
            "Timeout: wait for the answer of 127.0.0.1:PORT: timed out",
        ),
        (
            "a little now and then",
            vec![
                Step::Answer("HTTP/1.1 200 OK\r\n\r\n".to_owned()),
                Step::Drip,
            ],
            "Timeout: read the answer of 127.0.0.1:PORT: timed out",
        ),
        (
            "a head that does not end",
            vec![
                Step::Answer("HTTP/1.1 200 OK\r\nX: ".to_owned()),
                Step::Drip,
            ],
            "Timeout: read the answer of 127.0.0.1:PORT: timed out",
        ),
        (
            "interim answers without an end",
            vec![Step::Take, Step::Flood("HTTP/1.1 100 Continue\r\n\r\n")],
            "Timeout: read the answer of 127.0.0.1:PORT: timed out",
        ),
        (
            "empty lines without an end",
            vec![Step::Take, Step::Flood("\r\n")],
            "Timeout: read the answer of 127.0.0.1:PORT: timed out",
        ),
        (
            "silence on a connection that has served before is not tried again",
            vec![ok("first"), Step::Take, Step::Wait],
            "Timeout: wait for the answer of 127.0.0.1:PORT: timed out",
        ),
    ];
    for (why, steps, expected) in table {
        let served_before = steps.len() > 2;
        let (port, _served) = serve(vec![steps]);
        let mut http = impatient(port);
        if served_before {
            assert_eq!(told(http.exchange(&GET), port), "first");
        }
        assert_eq!(told(http.exchange(&GET), port), expected, "{why}");
    }
}

#[test]
fn request_that_the_server_does_not_read_times_out() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = deaf.local_addr().unwrap().port();
    let body = "x".repeat(64 << 20);
    let answer = impatient(port).exchange(&Request {
        method: Method::Post,
        path: "/",
        body: Some(body.as_bytes()),
        content_type: JSON,
        is_repeatable: true,
    });
    assert_eq!(
        told(answer, port),
        "Timeout: send to 127.0.0.1:PORT: timed out"
    );
}

#[test]
fn answer_before_the_end_of_a_request_is_read() {
    // (why this row exists, what the server sends before it closes, expected text)
    let table = [
        (
            "refused",
            "HTTP/1.1 413 Too large\r\nContent-Length: 4\r\n\r\nlong",
            "413 long",
        ),
        (
            "no length",
            "HTTP/1.1 404 Not Found\r\n\r\nwrong",
            "404 wrong",
        ),
        ("no answer", "", "Broken: send to 127.0.0.1:PORT: "),
    ];
    let body = "x".repeat(16 << 20);
    for (why, text, expected) in table {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // More bytes than the two buffers of a connection take are still to come.
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 100]).unwrap();
            stream.write_all(text.as_bytes()).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let answer = plain(port).exchange(&Request {
            method: Method::Post,
            path: "/",
            body: Some(body.as_bytes()),
            content_type: JSON,
            is_repeatable: false,
        });
        let said = match answer {
            Ok(answer) => format!("{} {}", answer.status, answer.body),
            Err(error) => told(Err(error), port),
        };
        assert!(said.starts_with(expected), "{why}: {said}");
        server.join().unwrap();
    }
}

#[test]
fn a_huge_answer_is_cut() {
    let huge = "x".repeat(3 << 20);
    let (port, served) = serve(vec![vec![ok(&huge)], vec![ok("after")]]);
    let mut http = plain(port);
    assert_eq!(http.exchange(&GET).unwrap().body.len(), 1 << 20);
    assert_eq!(told(http.exchange(&GET), port), "after");
    assert!(served.join().unwrap()[1].starts_with("1 "));
}

#[test]
fn unreachable_server_is_named() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|gone| gone.local_addr())
        .unwrap()
        .port();
    assert_eq!(
        told(plain(port).exchange(&GET), port),
        "Connect: connect to 127.0.0.1:PORT: Connection refused (os error 111)"
    );
    // A name with an empty label is not sent to any resolver.
    let mut http = client(settings("http://no..host".to_owned()));
    let line = told(http.exchange(&GET), 0);
    assert!(line.starts_with("Resolve: resolve no..host: "), "{line}");
}

#[test]
fn settings_that_cannot_work_are_refused_without_their_secrets() {
    // (change, expected text)
    type Change = fn(&mut Settings);
    let table: [(Change, &str); 5] = [
        (
            |s| s.base = "socks5://u:s3cret@host".to_owned(),
            "apibase is no usable URL: its scheme is neither http nor https",
        ),
        (
            |s| s.key = "s3cret\r\nX: y".to_owned(),
            "the value of x-api-key has a control character",
        ),
        (
            |s| s.user_agent.push('\n'),
            "the value of user-agent has a control character",
        ),
        (
            |s| {
                s.base = "https://api.example".to_owned();
                s.ca_file = Some("/nowhere/ca.pem".into());
            },
            "cannot trust: read /nowhere/ca.pem: No such file or directory (os error 2)",
        ),
        (
            |s| {
                s.base = "https://api.example".to_owned();
                s.proxy = proxy::Rules::read(&|_| Some("ftp://u:s3cret@p".to_owned()));
            },
            "HTTPS_PROXY is no usable URL: its scheme is none of http, https and socks5",
        ),
    ];
    for (change, expected) in table {
        let mut settings = settings("http://api.example".to_owned());
        change(&mut settings);
        let error = Http::new(settings).err().unwrap();
        let line = base::report(&error);
        assert_eq!(line, expected);
    }
}
