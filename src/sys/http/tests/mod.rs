//! Tests of the client against a server on loopback.

mod encrypted;
mod plain;

use super::*;
use crate::base;

const GET: Request<'static> = Request {
    method: Method::Get,
    path: "/",
    body: None,
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
