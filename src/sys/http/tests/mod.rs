//! Tests of the client against a server on loopback.

mod certificates;
mod encrypted;
mod plain;

use fake_server::steps::{Authority, Scratch, Step, serve};

use super::*;
use crate::base;

const GET: Request<'static> = Request {
    method: Method::Get,
    path: "/",
    body: None,
    content_type: "",
    is_repeatable: true,
};

fn settings(base: String) -> Settings {
    Settings {
        base,
        key: "s3cret".to_owned(),
        user_agent: "mackerel-agent/1.2 (Revision abc)".to_owned(),
        version: "1.2".to_owned(),
        revision: "abc".to_owned(),
        keep_alive: true,
        proxy: proxy::Rules::default(),
        ca_file: None,
        limit: Duration::from_secs(20),
    }
}

fn client(settings: Settings) -> Http {
    match Http::new(settings) {
        Ok(http) => http,
        Err(error) => panic!("{}", base::report(&error)),
    }
}

fn plain(port: u16) -> Http {
    client(settings(format!("http://127.0.0.1:{port}")))
}

fn impatient(port: u16) -> Http {
    client(Settings {
        limit: Duration::from_millis(200),
        ..settings(format!("http://127.0.0.1:{port}"))
    })
}

/// Settings with a proxy at `url` and no exceptions.
fn through(url: String) -> proxy::Rules {
    proxy::Rules::read(&|name| name.ends_with("S_PROXY").then(|| url.clone()))
}

/// The port of a proxy on loopback, and a client of `https://api.example` that uses it. The proxy
/// makes a lookup of the name unnecessary.
fn tunnelled(script: Vec<Step>, authority: &Authority) -> (u16, Http) {
    tunnelled_trusting(script, &authority.pem())
}

/// Like [`tunnelled`], but with the certificates in `pem` trusted.
fn tunnelled_trusting(script: Vec<Step>, pem: &str) -> (u16, Http) {
    let established = "HTTP/1.1 200 Connection established\r\n\r\n".to_owned();
    let mut steps = vec![Step::Answer(established)];
    steps.extend(script);
    let (port, _served) = serve(vec![steps]);
    let trust = Scratch::new(pem);
    let http = client(Settings {
        proxy: through(format!("http://u:s3cret@127.0.0.1:{port}")),
        ca_file: Some(trust.0.clone()),
        ..settings("https://api.example".to_owned())
    });
    (port, http)
}

/// The body of the answer, or kind and text of the error.
fn told(answer: Result<Answer, LinkError>, port: u16) -> String {
    match answer {
        Ok(answer) => answer.body,
        Err(error) => {
            let line = base::report(&error).replace(&format!(":{port}"), ":PORT");
            format!("{}: {line}", name(error.kind()))
        }
    }
}

/// Name of a kind. `Debug` is not used, since these tests also run on builds without it, such as
/// the shipped binary.
fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Resolve => "Resolve",
        Kind::Connect => "Connect",
        Kind::Proxy => "Proxy",
        Kind::Tls => "Tls",
        Kind::Certificate => "Certificate",
        Kind::Clock => "Clock",
        Kind::Timeout => "Timeout",
        Kind::Broken => "Broken",
    }
}
