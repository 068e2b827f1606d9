//! TLS connections, and connections through proxies.

use rustls::version::{TLS12, TLS13};

use super::*;
use fake_server::steps::{Authority, Scratch, Step, YEARS, ok, serve};

#[test]
fn tls_connection_is_kept_until_the_server_closes_it() {
    for version in [&TLS12, &TLS13] {
        let authority = Authority::new("known");
        let server = authority.server("127.0.0.1", YEARS, version);
        let encrypted = |steps| {
            let mut all = vec![Step::Encrypt(Arc::clone(&server))];
            all.extend::<Vec<Step>>(steps);
            all
        };
        let (port, served) = serve(vec![
            encrypted(vec![ok("a"), ok("b")]),
            encrypted(vec![ok("c"), Step::Take]),
            encrypted(vec![ok("d")]),
        ]);
        let trust = Scratch::new(&authority.pem());
        let mut http = client(Settings {
            ca_file: Some(trust.0.clone()),
            ..settings(format!("https://127.0.0.1:{port}"))
        });
        for body in ["a", "b", "c", "d"] {
            assert_eq!(told(http.exchange(&GET), port), body);
        }
        let requests = served.join().unwrap();
        assert_eq!(requests.len(), 5);
        assert!(requests[1].starts_with("0 GET / HTTP/1.1\r\n"));
    }
}

#[test]
fn tls_failures_are_reported() {
    let authority = Authority::new("known");
    // (the peer's steps, expected text, whether the request may have arrived)
    let table = [
        (
            vec![
                Step::Hear,
                Step::Say("HTTP/1.1 400 Bad Request\r\n\r\n"),
                Step::Wait,
            ],
            "Tls: TLS with api.example:443: the peer does not speak TLS",
            false,
        ),
        (
            vec![Step::Hear],
            "Broken: TLS with api.example:443: Connection reset by peer (os error 104)",
            false,
        ),
        (
            vec![
                Step::Encrypt(authority.server("api.example", YEARS, &TLS12)),
                Step::Take,
            ],
            "Broken: wait for the answer of api.example:443 through proxy 127.0.0.1:PORT: \
             unexpected end of file",
            true,
        ),
    ];
    for (steps, expected, was_sent) in table {
        let (port, mut http) = tunnelled(steps, &authority);
        let answer = http.exchange(&GET);
        let sent = answer.as_ref().err().map(LinkError::was_sent);
        assert_eq!(sent, Some(was_sent), "{expected}");
        assert_eq!(told(answer, port), expected);
    }
}

#[test]
fn proxy_that_refuses_is_named_without_the_password() {
    let refusal = "HTTP/1.1 407 Authentication\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (port, served) = serve(vec![vec![Step::Answer(refusal)]]);
    let mut http = client(Settings {
        proxy: through(format!("u:s3cret@127.0.0.1:{port}")),
        ..settings("https://api.example".to_owned())
    });
    assert_eq!(
        told(http.exchange(&GET), port),
        "Proxy: ask proxy 127.0.0.1:PORT for api.example:443: \
         407, it requires another user or password"
    );
    let request = served.join().unwrap().concat();
    assert!(request.starts_with("0 CONNECT api.example:443 HTTP/1.1\r\n"));
    assert!(request.contains("\r\nProxy-Authorization: Basic dTpzM2NyZXQ=\r\n"));
    assert!(
        !request.to_ascii_lowercase().contains("x-api-key"),
        "the proxy receives the API key"
    );
}

#[test]
fn proxy_serves_connections_without_tls_too() {
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    let (port, served) = serve(vec![vec![Step::Answer(established), ok("a")]]);
    let mut http = client(Settings {
        proxy: proxy::Rules::read(&|name| {
            (name == "http_proxy").then(|| format!("http://u:p@127.0.0.1:{port}"))
        }),
        ..settings("http://api.example:8080".to_owned())
    });
    assert_eq!(told(http.exchange(&GET), port), "a");
    let requests = served.join().unwrap().concat();
    assert!(requests.starts_with("0 CONNECT api.example:8080 HTTP/1.1\r\n"));
    assert!(requests.contains("\r\nProxy-Authorization: Basic dTpw\r\n"));
    assert!(requests.contains("GET / HTTP/1.1\r\nhost: api.example:8080\r\n"));
}

#[test]
fn proxy_can_be_reached_over_tls() {
    let authority = Authority::new("known");
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    let (port, _served) = serve(vec![vec![
        Step::Encrypt(authority.server("127.0.0.1", YEARS, &TLS13)),
        Step::Answer(established),
        Step::Hear,
        Step::Say("no TLS inside"),
        Step::Wait,
    ]]);
    let trust = Scratch::new(&authority.pem());
    let mut http = client(Settings {
        proxy: through(format!("https://127.0.0.1:{port}")),
        ca_file: Some(trust.0.clone()),
        ..settings("https://api.example".to_owned())
    });
    assert_eq!(
        told(http.exchange(&GET), port),
        "Tls: TLS with api.example:443: the peer does not speak TLS"
    );
}
