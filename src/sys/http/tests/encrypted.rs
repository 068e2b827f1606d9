//! TLS, and proxies, through which most of it is reached here.

use rustls::version::{TLS12, TLS13};

use super::super::standin::{Authority, Scratch, Step, YEARS, ok, serve};
use super::*;

/// The variables of a proxy at `url`, which except nothing.
fn through(url: String) -> proxy::Rules {
    proxy::Rules::read(move |name| name.ends_with("S_PROXY").then(|| url.clone()))
}

/// Requests to `https://api.example` through a proxy on loopback, which is how they get there
/// without a lookup.
fn tunnelled(script: Vec<Step>, authority: &Authority) -> (u16, Http) {
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    let mut steps = vec![Step::Answer(established)];
    steps.extend(script);
    let (port, _served) = serve(vec![steps]);
    let trust = Scratch::new(&authority.pem());
    let http = client(Settings {
        proxy: through(format!("http://u:s3cret@127.0.0.1:{port}")),
        ca_file: Some(trust.0.clone()),
        ..settings("https://api.example".to_owned())
    });
    (port, http)
}

#[test]
fn speaks_tls_directly_and_keeps_the_session() {
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
fn says_what_is_wrong_with_a_certificate() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let peer = "TLS with api.example:443: ";
    let forged = Authority::new("known");
    // (whose, for whom, when, what is told)
    let table = [
        (&known, "api.example", YEARS, "hello".to_owned()),
        (
            &known,
            "other.example",
            YEARS,
            format!("Certificate: {peer}the certificate is for another name"),
        ),
        (
            &unknown,
            "api.example",
            YEARS,
            format!(
                "Certificate: {peer}the certificate's issuer is unknown: if it is one of your own, \
                 name its certificate in SSL_CERT_FILE or ca_file"
            ),
        ),
        (
            &forged,
            "api.example",
            YEARS,
            format!("Certificate: {peer}the certificate's signature is wrong"),
        ),
        (
            &known,
            "api.example",
            (1990, 2001),
            format!("Certificate: {peer}the certificate has expired on 2001-01-01, and "),
        ),
        (
            &known,
            "api.example",
            (3000, 3001),
            format!("Clock: {peer}the certificate is valid from 3000-01-01 on, and "),
        ),
    ];
    for (authority, name, years, expected) in table {
        let server = authority.server(name, years, &TLS13);
        let (port, mut http) = tunnelled(vec![Step::Encrypt(server), ok("hello")], &known);
        let line = told(http.exchange(&GET), port);
        assert!(line.starts_with(&expected), "{line}");
    }
}

#[test]
fn says_what_else_can_go_wrong_with_tls() {
    let authority = Authority::new("known");
    // (what the peer does, what is told)
    let table = [
        (
            vec![
                Step::Hear,
                Step::Say("HTTP/1.1 400 Bad Request\r\n\r\n"),
                Step::Wait,
            ],
            "Tls: TLS with api.example:443: what the peer says is no TLS",
        ),
        (
            vec![Step::Hear],
            "Broken: TLS with api.example:443: Connection reset by peer (os error 104)",
        ),
        (
            vec![
                Step::Encrypt(authority.server("api.example", YEARS, &TLS12)),
                Step::Take,
            ],
            "Broken: wait for the answer of api.example:443 through proxy 127.0.0.1:PORT: \
             unexpected end of file",
        ),
    ];
    for (steps, expected) in table {
        let (port, mut http) = tunnelled(steps, &authority);
        assert_eq!(told(http.exchange(&GET), port), expected);
    }
}

#[test]
fn names_a_proxy_that_refuses_but_not_its_password() {
    let refusal = "HTTP/1.1 407 Authentication\r\nContent-Length: 0\r\n\r\n".to_owned();
    let (port, served) = serve(vec![vec![Step::Answer(refusal)]]);
    let mut http = client(Settings {
        proxy: through(format!("u:s3cret@127.0.0.1:{port}")),
        ..settings("https://api.example".to_owned())
    });
    assert_eq!(
        told(http.exchange(&GET), port),
        "Proxy: ask proxy 127.0.0.1:PORT for api.example:443: \
         407, it wants another user or password"
    );
    let request = served.join().unwrap().concat();
    assert!(request.starts_with("0 CONNECT api.example:443 HTTP/1.1\r\n"));
    assert!(request.contains("\r\nProxy-Authorization: Basic dTpzM2NyZXQ=\r\n"));
    assert!(
        !request.to_ascii_lowercase().contains("x-api-key"),
        "the proxy is not to know it"
    );
}

#[test]
fn asks_a_proxy_for_a_connection_to_what_is_not_encrypted_too() {
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    let (port, served) = serve(vec![vec![Step::Answer(established), ok("a")]]);
    let mut http = client(Settings {
        proxy: proxy::Rules::read(|name| {
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
fn a_proxy_can_be_spoken_to_over_tls_itself() {
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
        "Tls: TLS with api.example:443: what the peer says is no TLS"
    );
}
