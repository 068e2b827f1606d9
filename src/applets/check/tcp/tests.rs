use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use fake_server::steps::{Authority, Step, YEARS, serve};
use rustls::version::TLS13;

use crate::applets::testing::{Tree, said};

/// What the check prints for a server of this script, with `PORT` for its port.
fn run(script: Vec<Step>, arguments: &str) -> (u8, String) {
    let (port, _served) = serve(vec![script]);
    let port = port.to_string();
    let arguments = arguments.replace("PORT", &port);
    let found = Tree::new(&[]).run("check-tcp", &arguments);
    (found.code, found.output.replace(&port, "PORT"))
}

#[test]
fn check_tcp_talks_with_a_server() {
    use Step::{Say, Take, Wait};
    let greeting = || vec![Say("220 hello\r\n"), Wait];
    let response = "0.000 seconds response time on 127.0.0.1 port PORT";
    let unexpected = "Unexpected response from host/socket: ";
    // (script, arguments, exit code, status, message; why)
    let table = [
        (greeting(), "", 0, "OK", response.to_owned(), "connects"),
        (
            greeting(),
            "-e ^220",
            0,
            "OK",
            format!("{response} [220 hello]"),
            "the answer without its line end",
        ),
        (
            greeting(),
            "-e ^220 -m 3",
            0,
            "OK",
            format!("{response} [220]"),
            "a part of the answer",
        ),
        (
            greeting(),
            "-e ^250",
            2,
            "CRITICAL",
            format!("{unexpected}220 hello\r\n"),
            "another answer",
        ),
        (
            greeting(),
            "-e ^250 -W",
            1,
            "WARNING",
            format!("{unexpected}220 hello\r\n"),
            "no critical error",
        ),
        (
            vec![],
            "-e x",
            2,
            "CRITICAL",
            unexpected.to_owned(),
            "the server closes",
        ),
        (
            vec![Step::Answer("got it".to_owned()), Wait],
            r"-s GET\r\n\r\n -E -e got",
            0,
            "OK",
            format!("{response} [got it]"),
            "escapes",
        ),
        (
            vec![Say("+OK pop\r\n"), Take],
            "--service pop",
            0,
            "OK",
            format!("{response} [+OK pop]"),
            "a preset",
        ),
        (
            greeting(),
            "--status-as ok=unknown",
            3,
            "UNKNOWN",
            response.to_owned(),
            "another status",
        ),
        (
            greeting(),
            "-C",
            2,
            "CRITICAL",
            "Unexpectedly open port. (port=PORT)".to_owned(),
            "open",
        ),
        (
            greeting(),
            "-C -W",
            1,
            "WARNING",
            "Unexpectedly open port. (port=PORT)".to_owned(),
            "open, but no critical error",
        ),
    ];
    for (script, arguments, code, status, message, why) in table {
        let label = if arguments.contains("pop") {
            "POP"
        } else {
            "TCP"
        };
        let arguments = format!("-t 100 -H 127.0.0.1 -p PORT {arguments}");
        let expected = (code, format!("{label} {status}: {message}\n"));
        assert_eq!(run(script, &arguments), expected, "{why}");
    }
}

#[test]
fn check_tcp_sends_a_line_before_it_closes() {
    // (arguments, what arrives; why)
    let table: [(&[&str], _, _); 3] = [
        (
            &["-s", "HELLO ", "-q", "BYE"],
            "HELLO BYE\r\n",
            "a line end for the last text",
        ),
        (
            &["-E", "-q", r"B\tY\\\x\n"],
            "B\tY\\\\x\n",
            "escapes, and no line end",
        ),
        (&["-E", "-s", r"a\"], "a\\", "half an escape"),
    ];
    for (arguments, expected, why) in table {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let words = [&["-p", &*port], arguments].concat();
        let found = Tree::new(&[]).run_words("check-tcp", &words);
        assert_eq!(found.code, 0, "{}", found.output);
        let mut text = String::new();
        let mut client = listener.accept().unwrap().0;
        client.read_to_string(&mut text).unwrap();
        assert_eq!(text, expected, "{why}");
    }
}

#[test]
fn check_tcp_uses_tls() {
    let authority = Authority::new("unknown authority");
    let script = || {
        vec![
            Step::Encrypt(authority.server("127.0.0.1", YEARS, &TLS13)),
            Step::Say("220 x\r\n"),
            Step::Wait,
        ]
    };
    let arguments = "-H 127.0.0.1 -p PORT -e 220 -S";
    let (code, output) = run(script(), &format!("{arguments} --no-check-certificate"));
    assert_eq!(
        (code, &*output),
        (
            0,
            "TCP OK: 0.000 seconds response time on 127.0.0.1 port PORT [220 x]\n"
        )
    );
    let (code, output) = run(script(), arguments);
    assert_eq!(code, 2);
    let expected = "TCP CRITICAL: TLS with 127.0.0.1:PORT: the certificate's issuer is unknown";
    assert!(output.starts_with(expected), "{output}");
}

#[test]
fn check_tcp_connects_to_sockets_in_the_file_system() {
    let tree = Tree::new(&[]);
    let run = |arguments: &str| tree.run("check-tcp", arguments);
    let closed = "TCP OK: Verified that the unixsock is closed. (sock=/s)\n";
    assert_eq!(run("-U /s -C"), said(0, closed));
    let missing = run("-U /s");
    let expected = said(
        2,
        "TCP CRITICAL: /s: No such file or directory (os error 2)\n",
    );
    assert_eq!(missing, expected);
    let _listener = UnixListener::bind(tree.path("s")).unwrap();
    assert_eq!(
        run("-U /s"),
        said(0, "TCP OK: 0.000 seconds response time on\n")
    );
    let open = "TCP CRITICAL: Unexpectedly open unixsock. (sock=/s)\n";
    assert_eq!(run("-U /s -C"), said(2, open));
}

#[test]
fn check_tcp_is_unknown_without_a_question() {
    let tree = Tree::new(&[]);
    let run = |arguments: &str| tree.run("check-tcp", arguments);
    let unknown = "NNTP UNKNOWN: check-tcp called with unknown service: NNTP\n";
    assert_eq!(run("--service nntp"), said(3, unknown));
    let pattern = run("--service smtp -e (");
    assert_eq!(pattern.code, 3);
    let expected = "SMTP UNKNOWN: error parsing regexp: ";
    assert!(pattern.output.starts_with(expected), "{}", pattern.output);
    for arguments in ["-p x", "-t x", "--status-as x", "--what"] {
        let found = run(arguments);
        assert_eq!((found.code, &*found.output), (1, ""), "{arguments}");
    }
    let wrong = "TCP CRITICAL: dial tcp: address 70000: invalid port\n";
    assert_eq!(run("-H 127.0.0.1 -p 70000"), said(2, wrong));
    // Nothing listens on port 1.
    let closed = "TCP OK: Verified that the port is closed. (port=1)\n";
    assert_eq!(run("-H 127.0.0.1 -p 1 -C"), said(0, closed));
}

#[test]
fn check_tcp_has_a_time_limit() {
    // (script, arguments; why)
    let table = [
        (vec![Step::Wait], "-e x", "a server that says nothing"),
        (vec![Step::Wait], "-S", "a server without TLS"),
    ];
    for (script, arguments, why) in table {
        let (code, output) = run(script, &format!("-p PORT -t 0.05 {arguments}"));
        assert_eq!(code, 2, "{why}");
        assert!(output.contains("timed out"), "{output}");
    }
}
