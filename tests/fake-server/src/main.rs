//! A server that speaks Mackerel's API v0 as far as an agent uses it, for trying an agent without
//! an account: `cargo run -p fake-server -- --print`.

use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use argh::FromArgs;

use fake_server::h2::Server;
use fake_server::{FakeServer, Printer, Recorder, Rule, Settings};

/// A stand-in for Mackerel's API v0. Its first line of output is its URL.
///
/// A script is WHERE [#FIRST[-[LAST]]] = WHAT[:HOW]. WHERE is `connect`, or [METHOD] and a path, a
/// start of one that ends in `*`, or one segment of it. For `connect`, WHAT is silence,
/// stall:BYTES, reset, close, garbage, expired, early, wrong-name or unknown-ca. Otherwise it is a
/// status (429:30 adds Retry-After), hang, hang-midway, drip:20ms, delay:3s, reset, close, lost,
/// cut, surplus, garbage, huge:BYTES, chunked, interim, portal, redirect:URL or unread:STATUS.
#[derive(FromArgs)]
struct Arguments {
    /// address to listen on (127.0.0.1:0, a free port)
    #[argh(option, default = "SocketAddr::from(([127, 0, 0, 1], 0))")]
    listen: SocketAddr,
    /// speak TLS, with a certificate for localhost, 127.0.0.1 and ::1
    #[argh(switch)]
    tls: bool,
    /// where to write the certificate of the authority, as PEM
    #[argh(option)]
    ca_out: Option<String>,
    /// the only API key that is accepted (any)
    #[argh(option)]
    key: Option<String>,
    /// show what arrives
    #[argh(switch)]
    print: bool,
    /// address to receive OTLP over gRPC on, without TLS; what arrives is shown. It is printed on
    /// the second line
    #[argh(option)]
    otlp: Option<SocketAddr>,
    /// directory for the content of each accepted request, one file each, named after the last
    /// segment of its path; OTLP over gRPC is `Export`
    #[argh(option)]
    record: Option<PathBuf>,
    /// what is to go wrong, e.g. 'tsdb #1-3 = 500'; may be repeated, the first that is due decides
    #[argh(option)]
    script: Vec<String>,
    /// seconds without a request after which a connection is closed (120)
    #[argh(option, default = "120")]
    idle: u64,
    /// requests after which a connection is closed, without a word of warning
    #[argh(option, default = "usize::MAX")]
    requests: usize,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    // Locked until the URL is printed, so that nothing else is the first line.
    let mut out = std::io::stdout().lock();
    match run(&arguments).and_then(|server| Ok((server, otlp(&arguments)?))) {
        Ok((fake_server, otlp)) => {
            // Without a reader of its output, the server is still useful.
            let mut first = vec![fake_server.base()];
            first.extend(otlp.map(|port| format!("127.0.0.1:{port}")));
            drop(writeln!(out, "{}\n", first.join("\n")).and_then(|()| out.flush()));
            drop(out);
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            eprintln!("fake-server: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<FakeServer, String> {
    let rules: Vec<Rule> = arguments
        .script
        .iter()
        .map(|text| Rule::parse(text))
        .collect::<Result<_, _>>()?;
    let stdout = std::io::stdout();
    let colour = has_colour();
    let printer = arguments.print;
    let fake_server = FakeServer::start(Settings {
        listen: arguments.listen,
        tls: arguments.tls,
        key: arguments.key.clone(),
        idle: Duration::from_secs(arguments.idle.max(1)),
        requests_per_connection: arguments.requests.max(1),
        printer: printer.then(|| Printer::new(Box::new(stdout), colour)),
        recorder: arguments.record.clone().map(Recorder::new),
        ..Settings::default()
    });
    let fake_server =
        fake_server.map_err(|error| format!("listen on {}: {error}", arguments.listen))?;
    for rule in rules {
        fake_server.rule(rule);
    }
    if let Some(path) = &arguments.ca_out {
        let written = std::fs::write(path, fake_server.ca());
        written.map_err(|error| format!("write {path}: {error}"))?;
    }
    Ok(fake_server)
}

/// Receives OTLP over gRPC, if that is wanted. Returns the port.
fn otlp(arguments: &Arguments) -> Result<Option<u16>, String> {
    let Some(address) = arguments.otlp else {
        return Ok(None);
    };
    let listener =
        TcpListener::bind(address).map_err(|error| format!("listen on {address}: {error}"))?;
    let printer = Printer::new(Box::new(std::io::stdout()), has_colour());
    let recorder = arguments.record.clone().map(Recorder::new);
    let server = Server::start(listener, None, move |call| {
        printer.show_call(call);
        if let Some(recorder) = &recorder {
            recorder.keep(&call.path, &call.message);
        }
        None
    });
    Ok(Some(server.port))
}

fn has_colour() -> bool {
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stdout().is_terminal() && !plain
}
