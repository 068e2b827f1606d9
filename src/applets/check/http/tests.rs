use fake_server::steps::{Authority, Scratch, Step, YEARS, ok, serve};
use rustls::version::TLS13;

use crate::applets::testing::Tree;

/// What the check prints for a server of these scripts, one for each connection, and the requests.
/// `PORT` stands for the server's port.
fn run(scripts: Vec<Vec<Step>>, arguments: &[&str]) -> (u8, String, Vec<String>) {
    let (port, served) = serve(scripts);
    let port = port.to_string();
    let words: Vec<String> = arguments
        .iter()
        .map(|word| word.replace("PORT", &port))
        .collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    let found = Tree::new(&[]).run_words("check-http", &words);
    let output = found
        .output
        .replace(&port, "PORT")
        .replace(" in 0.000000 second ", " in T ");
    let requests = served.join().unwrap();
    let requests = requests.iter().map(|text| text.replace(&port, "PORT"));
    (found.code, output, requests.collect())
}

fn answer(text: &str) -> Vec<Vec<Step>> {
    vec![vec![Step::Answer(text.to_owned())]]
}

#[test]
fn check_http_judges_the_answer() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let missing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    let odd = "HTTP/1.0 299 Quite Odd\r\n\r\nto the end";
    let empty = "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n";
    let five = "HTTP/1.1 200 OK - 5 bytes in T response time";
    let none = "HTTP/1.1 404 Not Found - 0 bytes in T response time";
    // (answer, arguments, exit code, message; why)
    let table = [
        (page, "", 0, five.to_owned(), "as it should be"),
        (
            chunked,
            "-B 5",
            0,
            five.to_owned(),
            "bytes that are counted",
        ),
        (missing, "", 1, none.to_owned(), "an error of the client"),
        (missing, "-s 404=ok", 0, none.to_owned(), "expected"),
        (
            missing,
            "-s 200-299=critical -s 400-404=CRITICAL",
            2,
            none.to_owned(),
            "a range",
        ),
        (
            missing,
            "-s 400-499=unknown -s 404=ok",
            3,
            none.to_owned(),
            "the first range counts",
        ),
        (
            odd,
            "",
            0,
            "HTTP/1.0 299 Quite Odd - 10 bytes in T response time".to_owned(),
            "the server's own words, and no length",
        ),
        (
            empty,
            "",
            0,
            "HTTP/1.1 204 No Content - 0 bytes in T response time".to_owned(),
            "no content, whatever the header says",
        ),
        (page, "-p ^h.*o$", 0, five.to_owned(), "a pattern"),
        (
            page,
            "-p bye -B 4 -g 6",
            2,
            format!(
                "'bye' not found in the content\nResponse was '5' bytes instead of '4'\nResponse \
                 was '5' bytes instead of the indicated minimum '6'\n{five}"
            ),
            "all that is wrong",
        ),
        (page, "-g 5", 0, five.to_owned(), "enough"),
    ];
    for (text, arguments, code, message, why) in table {
        let mut words: Vec<&str> = arguments.split_whitespace().collect();
        words.extend(["-u", "http://127.0.0.1:PORT/"]);
        let (found, output, _) = run(answer(text), &words);
        let status = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(code)];
        assert_eq!(
            (found, output),
            (code, format!("HTTP {status}: {message}\n")),
            "{why}"
        );
    }
}

#[test]
fn check_http_sends_what_the_flags_say() {
    let url = "http://127.0.0.1:PORT/a?b=c";
    // (arguments, first line, other lines, body; why)
    let table: [(&[&str], _, &[&str], _, _); 9] = [
        (
            &["-u", url],
            "GET /a?b=c HTTP/1.1",
            &["host: 127.0.0.1:PORT", "user-agent: check-http"],
            "",
            "the usual",
        ),
        (
            &[
                "-u",
                url,
                "-H",
                "Host: a.example",
                "-H",
                "X: 1",
                "-H",
                "x:2",
                "-H",
                "User-Agent: me",
            ],
            "GET /a?b=c HTTP/1.1",
            &["host: a.example", "x: 1", "x: 2", "user-agent: me"],
            "",
            "headers in place of the usual ones",
        ),
        (
            &["-u", url, "-m", "POST", "-d", "x=y"],
            "POST /a?b=c HTTP/1.1",
            &["content-length: 3"],
            "x=y",
            "a body",
        ),
        (
            &["-u", url, "-m", "PUT"],
            "PUT /a?b=c HTTP/1.1",
            &["content-length: 0"],
            "",
            "no body where one is needed",
        ),
        (
            &["-u", url, "-d", "x"],
            "GET /a?b=c HTTP/1.1",
            &["content-length: 1"],
            "x",
            "a body where none is usual",
        ),
        (
            &["-u", url, "--user", "u:p", "-H", "A: b"],
            "GET /a?b=c HTTP/1.1",
            &["authorization: Basic dTpw"],
            "",
            "a login beside a header",
        ),
        (
            &["-u", url, "--user", "u"],
            "GET /a?b=c HTTP/1.1",
            &["authorization: Basic dTo="],
            "",
            "a login without a password",
        ),
        (
            &["-u", url, "--user", "u:p:q"],
            "GET /a?b=c HTTP/1.1",
            &["authorization: Basic dTpwOnE="],
            "",
            "a password with a colon",
        ),
        (
            &[
                "-u",
                "http://u:p@a.example/a?b=c",
                "--connect-to",
                "a.example:80:127.0.0.1:PORT",
            ],
            "GET /a?b=c HTTP/1.1",
            &["host: a.example", "authorization: Basic dTpw"],
            "",
            "another place",
        ),
    ];
    for (arguments, first, lines, body, why) in table {
        let (code, output, requests) = run(vec![vec![ok("")]], arguments);
        assert_eq!(code, 0, "{output}");
        let request = requests[0].strip_prefix("0 ").unwrap();
        let (head, sent) = request.split_once("\r\n\r\n").unwrap();
        let mut head = head.split("\r\n");
        assert_eq!(head.next(), Some(first), "{why}");
        let head: Vec<&str> = head.collect();
        for line in lines {
            assert!(head.contains(line), "{why}: {line}: {head:?}");
        }
        assert_eq!(sent, body, "{why}");
    }
}

#[test]
fn check_http_follows_redirects() {
    let to = |status: u16, target: &str| {
        vec![Step::Answer(format!(
            "HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n"
        ))]
    };
    let end = || vec![ok("end")];
    let url = "http://localhost:PORT/a/b";
    let secret = ["-H", "Cookie: c", "-H", "Host: h.example", "--user", "u:p"];
    // (scripts, arguments, exit code, status line, the last request's first line; why)
    let table: [(_, &[&str], _, _, _, _); 7] = [
        (
            vec![to(302, "/x?to=http://o.example/"), end()],
            &[],
            0,
            "200 OK",
            "1 GET /x?to=http://o.example/ HTTP/1.1",
            "a relative one with an address in it",
        ),
        (
            vec![to(301, "c"), end()],
            &[],
            0,
            "200 OK",
            "1 GET /a/c HTTP/1.1",
            "a relative one",
        ),
        (
            vec![to(302, "/x"), to(302, "../y?z"), end()],
            &["-m", "POST", "-d", "q"],
            0,
            "200 OK",
            "2 GET /y?z HTTP/1.1",
            "GET afterwards",
        ),
        (
            vec![to(307, "/x"), end()],
            &["-m", "POST", "-d", "q"],
            0,
            "200 OK",
            "1 POST /x HTTP/1.1",
            "the same method",
        ),
        (
            vec![to(302, "/x")],
            &["--max-redirects", "0"],
            0,
            "302 Go",
            "0 GET /a/b HTTP/1.1",
            "none is followed",
        ),
        (
            vec![to(302, "/x"), to(302, "/y")],
            &["--max-redirects", "1"],
            0,
            "302 Go",
            "1 GET /x HTTP/1.1",
            "one is followed",
        ),
        (
            vec![to(304, "/x")],
            &[],
            0,
            "304 Go",
            "0 GET /a/b HTTP/1.1",
            "no redirect",
        ),
    ];
    for (scripts, arguments, code, line, last, why) in table {
        let words = [&["-u", url], arguments, &secret].concat();
        let (found, output, requests) = run(scripts, &words);
        assert_eq!(found, code, "{why}: {output}");
        let expected = format!("HTTP OK: HTTP/1.1 {line} - ");
        assert!(output.starts_with(&expected), "{why}: {output}");
        let request = requests.last().unwrap();
        assert!(request.starts_with(last), "{why}: {request}");
        for kept in [
            "\r\ncookie: c\r\n",
            "\r\nhost: h.example\r\n",
            "\r\nauthorization: ",
        ] {
            assert!(request.contains(kept), "{why}: {request}");
        }
    }
}

#[test]
fn check_http_sends_no_secret_to_another_host() {
    let (other, served) = serve(vec![vec![ok("end")]]);
    let target = format!("http://localhost:{other}/");
    let redirect = format!("HTTP/1.1 302 Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
    let url = "http://127.0.0.1:PORT/";
    let words = [
        "-u",
        url,
        "-H",
        "Cookie: c",
        "-H",
        "Host: h",
        "-H",
        "A: b",
        "--user",
        "u:p",
    ];
    let (code, output, requests) = run(answer(&redirect), &words);
    assert_eq!(code, 0, "{output}");
    assert!(
        requests[0].contains("\r\nauthorization: Basic dTpw\r\n"),
        "{}",
        requests[0]
    );
    let request = &served.join().unwrap()[0];
    assert!(request.contains("\r\na: b\r\n"), "{request}");
    assert!(
        request.contains(&format!("\r\nhost: localhost:{other}\r\n")),
        "{request}"
    );
    for secret in ["cookie", "authorization"] {
        assert!(!request.contains(secret), "{request}");
    }
}

#[test]
fn check_http_uses_tls_and_proxies() {
    let authority = Authority::new("known");
    let trusted = Scratch::new(&authority.pem());
    let trusted = trusted.0.to_str().unwrap();
    let encrypted = || Step::Encrypt(authority.server("a.example", YEARS, &TLS13));
    let url = "https://a.example/";
    let direct = [
        "--connect-to",
        ":::PORT",
        "--connect-to",
        "::127.0.0.1:PORT",
    ];
    let direct = &direct[2..];
    let connected = || Step::Answer("HTTP/1.1 200 Yes\r\n\r\n".to_owned());
    let expected = "HTTP OK: HTTP/1.1 200 OK - 2 bytes in T response time\n";
    // (script, arguments; why)
    let table: [(_, &[&str], _); 4] = [
        (
            vec![encrypted(), ok("hi")],
            &["--ca-file", trusted],
            "a trusted certificate",
        ),
        (
            vec![encrypted(), ok("hi")],
            &["--no-check-certificate"],
            "any certificate",
        ),
        (
            vec![connected(), encrypted(), ok("hi")],
            &["--ca-file", trusted, "-x", "127.0.0.1:PORT"],
            "a proxy",
        ),
        (
            vec![encrypted(), ok("hi")],
            &["--ca-file", trusted, "-i", "127.0.0.3"],
            "an address of its own",
        ),
    ];
    for (script, arguments, why) in table {
        let direct = if why == "a proxy" { &[] } else { direct };
        let words = [&["-u", url], direct, arguments].concat();
        let (code, output, _) = run(vec![script], &words);
        assert_eq!((code, &*output), (0, expected), "{why}");
    }
    let words = [&["-u", url], direct].concat();
    let (code, output, _) = run(vec![vec![encrypted(), Step::Wait]], &words);
    assert_eq!(code, 2);
    assert!(
        output.contains("name its certificate in --ca-file or"),
        "{output}"
    );
}

#[test]
fn check_http_is_unknown_with_wrong_flags() {
    let tree = Tree::new(&[]);
    // (arguments, exit code, beginning of the output)
    let table = [
        (
            "-s 404",
            3,
            "HTTP UNKNOWN: Invalid mapping of status: 404\n",
        ),
        (
            "-s 5-4=ok",
            3,
            "HTTP UNKNOWN: Invalid mapping of status: 5-4=ok\n",
        ),
        (
            "-s 404=fine",
            3,
            "HTTP UNKNOWN: Invalid mapping of status: 404=fine\n",
        ),
        ("-i x", 3, "HTTP UNKNOWN: Invalid source IP address: x\n"),
        (
            "--connect-to a",
            3,
            "HTTP UNKNOWN: Invalid --connect-to pattern: a\n",
        ),
        (
            "--connect-to a:b:c:d",
            3,
            "HTTP UNKNOWN: Invalid --connect-to pattern: a:b:c:d\n",
        ),
        ("-p (", 3, "HTTP UNKNOWN: error parsing regexp: "),
        (
            "-H x",
            3,
            "HTTP UNKNOWN: x: is no header; write NAME: VALUE\n",
        ),
        (
            "--ca-file /none",
            3,
            "HTTP UNKNOWN: read /none: No such file",
        ),
        (
            "--cert-file a --key-file b",
            3,
            "HTTP UNKNOWN: --cert-file and --key-file: ",
        ),
        ("-m PATCH", 1, ""),
        ("-t x", 1, ""),
    ];
    for (arguments, code, output) in table {
        let found = tree.run("check-http", &format!("-u http://127.0.0.1:1/ {arguments}"));
        assert_eq!(found.code, code, "{arguments}: {}", found.output);
        assert!(found.output.starts_with(output), "{}", found.output);
    }
    assert_eq!(tree.run("check-http", "").code, 1);
    let found = tree.run("check-http", "-u http://127.0.0.1:x/");
    let expected = "HTTP UNKNOWN: http://127.0.0.1:x/: its port is no port number\n";
    assert_eq!((found.code, &*found.output), (3, expected));
    // Nothing listens on port 1.
    let found = tree.run("check-http", "-u http://127.0.0.1:1/");
    assert_eq!(found.code, 2);
    let expected = "HTTP CRITICAL: connect to 127.0.0.1:1: Connection refused";
    assert!(found.output.starts_with(expected), "{}", found.output);
}

#[test]
fn check_http_does_not_read_without_end() {
    let steps = vec![
        Step::Answer("HTTP/1.1 200 OK\r\n\r\n".to_owned()),
        Step::Drip,
    ];
    let words = ["-u", "http://127.0.0.1:PORT/", "-t", "1", "-p", "^x+$"];
    let (code, output, _) = run(vec![steps], &words);
    assert_eq!(code, 0, "{output}");
    assert!(
        output.starts_with("HTTP OK: HTTP/1.1 200 OK - "),
        "{output}"
    );
}
