//! `check-tcp`: whether a port or a socket answers as expected.

use std::time::Duration;

use crate::applets::applet::{Applet, Work};
use crate::applets::arguments::Arguments;
use crate::applets::finding::{Failure, Finding, pattern};
use crate::applets::host::{Host, duration};
use crate::applets::number::decimal;
use crate::applets::status_map::StatusMap;
use crate::base::clock::{Deadline, pause};
use crate::base::packed::packed;
use crate::base::pattern::Pattern;
use crate::sys::http::Roots;
use crate::sys::http::stream::Stream;
use crate::wire::check::CheckStatus;

#[cfg(test)]
mod tests;

pub(in crate::applets) static APPLET: Applet = Applet {
    name: "check-tcp",
    help: packed!(
        "check whether a port or a socket answers as expected
      --service=NAME        preset of port, texts and TLS: ftp, pop, spop,
                            imap, simap, smtp, ssmtp or gearman
  -H, --hostname=HOST       name or address (default: 127.0.0.1)
  -p, --port=N              port
  -s, --send=TEXT           send TEXT
  -e, --expect-pattern=RE   regular expression that the answer must match
  -q, --quit=TEXT           send TEXT and a line end before closing
  -S, --ssl                 use TLS
  -U, --unix-sock=PATH      connect to this socket in the file system
      --no-check-certificate
                            accept any certificate
      --status-as=OLD=NEW,...
                            another status, e.g. unknown=ok
  -t, --timeout=N           seconds for each step (default: 10)
  -m, --maxbytes=N          read no more than N bytes
  -d, --delay=N             seconds to wait before connecting
  -w, --warning=N           WARNING if it takes more than N seconds
  -c, --critical=N          CRITICAL if it takes more than N seconds
  -E, --escape              \\n, \\r, \\t and \\\\ are escapes in -s and -q, and
                            no line end is added to that of -q
  -W, --error-warning       failures are WARNING, not CRITICAL
  -C, --expect-closed       OK if the connection fails
"
    ),
    work: Work::Check("TCP", check),
};

/// Bytes of an answer that are read at a time, and at most.
const PIECE: usize = 32 << 10;
const ANSWER: usize = 1 << 20;

/// A preset: name, port, text to send, pattern, text before closing, and whether TLS is used.
type Preset = (
    &'static str,
    u16,
    &'static str,
    &'static str,
    &'static str,
    bool,
);

const PRESETS: [Preset; 8] = [
    ("FTP", 21, "", "^220", "QUIT", false),
    ("POP", 110, "", r"^\+OK", "QUIT", false),
    ("SPOP", 995, "", r"^\+OK", "QUIT", true),
    ("IMAP", 143, "", r"^\* OK", "a1 LOGOUT", false),
    ("SIMAP", 993, "", r"^\* OK", "a1 LOGOUT", true),
    ("SMTP", 25, "", "^220", "QUIT", false),
    ("SSMTP", 465, "", "^220", "QUIT", true),
    (
        "GEARMAN",
        7003,
        "version\n",
        r"\A[0-9]+\.[0-9]+\n\z",
        "",
        false,
    ),
];

/// What is sent and expected.
struct Exchange<'a> {
    host: &'a str,
    port: i64,
    unix: &'a str,
    send: Vec<u8>,
    expect: Option<Pattern>,
    quit: Vec<u8>,
    tls: bool,
    accepts_all: bool,
    /// Of each step.
    limit: Duration,
    /// Bytes of an answer after which no more are read.
    most: Option<usize>,
}

fn check(arguments: &Arguments, host: &Host<'_>) -> Result<Finding, Failure> {
    let statuses = StatusMap::read(arguments)?;
    let service = arguments.text("service").to_ascii_uppercase();
    let mut found = match judge(arguments, host, &service) {
        Err(failure) if !failure.is_usage() => failure.finding(),
        found => found?,
    };
    found.label = service;
    Ok(statuses.apply(found))
}

fn judge(arguments: &Arguments, host: &Host<'_>, service: &str) -> Result<Finding, Failure> {
    let preset = match PRESETS.iter().find(|preset| preset.0 == service) {
        None if service.is_empty() => &("", 0, "", "", "", false),
        None => {
            let why = ["check-tcp called with unknown service: ", service].concat();
            return Err(Failure::unknown(why));
        }
        Some(preset) => preset,
    };
    let (_, port, send, expect, quit, tls) = *preset;
    let or = |name, preset| match arguments.all(name).last() {
        None | Some("") => preset,
        Some(text) => text,
    };
    let port = match arguments.count("port")? {
        0 => i64::from(port),
        port => port,
    };
    let (send, quit) = (or("send", send), or("quit", quit));
    let (send, quit) = if arguments.is_on("escape") {
        (unescaped(send), unescaped(quit))
    } else {
        let end = if quit.is_empty() { "" } else { "\r\n" };
        (send.to_owned(), [quit, end].concat())
    };
    let expect = match or("expect-pattern", expect) {
        "" => None,
        text => Some(pattern(text)?),
    };
    let exchange = Exchange {
        host: arguments.text("hostname"),
        port,
        unix: arguments.text("unix-sock"),
        send: send.into_bytes(),
        expect,
        quit: quit.into_bytes(),
        tls: tls || arguments.is_on("ssl"),
        accepts_all: arguments.is_on("no-check-certificate"),
        limit: Host::limit(arguments.amount("timeout")?),
        most: usize::try_from(arguments.count("maxbytes")?).ok(),
    };
    let (warning, critical) = (arguments.amount("warning")?, arguments.amount("critical")?);
    let delay = duration(arguments.amount("delay")?);
    let failed = if arguments.is_on("error-warning") {
        CheckStatus::Warning
    } else {
        CheckStatus::Critical
    };

    let start = host.clock.moment();
    pause(delay.min(Host::limit(0.0)));
    let opened = exchange.open(host);
    if arguments.is_on("expect-closed") {
        let (kind, name, end) = match exchange.unix {
            "" => ("port", "port", port.to_string()),
            path => ("unixsock", "sock", path.to_owned()),
        };
        let (status, begin, is) = match opened {
            Ok(_) => (failed, "Unexpectedly open ", ""),
            Err(_) => (CheckStatus::Ok, "Verified that the ", " is closed"),
        };
        let message = [begin, kind, is, ". (", name, "=", &end, ")"].concat();
        return Ok(Finding::new(status, message));
    }
    let answer = match opened.and_then(|stream| exchange.talk(stream)) {
        Ok(answer) => answer,
        Err(why) => return Ok(Finding::new(failed, why.why().to_owned())),
    };
    let seconds = host.seconds_since(start);
    let mut message = decimal(seconds, 3);
    message.push_str(" seconds response time on");
    if arguments.is_given("hostname") {
        message.extend([" ", exchange.host]);
    }
    if port > 0 {
        message.extend([" port ", &port.to_string()]);
    }
    if !answer.is_empty() {
        message.extend([" [", answer.trim_matches(['\r', '\n']), "]"]);
    }
    let is_over = |limit| limit > 0.0 && seconds > limit;
    let (is_warning, is_critical) = (is_over(warning), is_over(critical));
    Ok(Finding::of_limits(is_warning, is_critical, message))
}

impl Exchange<'_> {
    /// Opens the connection. Fails with the reason.
    fn open(&self, host: &Host<'_>) -> Result<Stream, Failure> {
        if !self.unix.is_empty() {
            let opened = Stream::open_unix(&host.root.path(self.unix), self.limit);
            return opened.map_err(|error| failure(self.unix, &error));
        }
        let roots = match self.tls {
            true => {
                let roots = Roots::of_check(None, self.accepts_all);
                Some(roots.map_err(|error| Failure::of(&error))?)
            }
            false => None,
        };
        let port = u16::try_from(self.port);
        let wrong = |_| {
            [
                "dial tcp: address ",
                &self.port.to_string(),
                ": invalid port",
            ]
            .concat()
        };
        Ok(Stream::open(
            self.host,
            port.map_err(wrong)?,
            roots,
            self.limit,
        )?)
    }

    /// Sends and reads. Returns the answer, which is empty if none is expected.
    fn talk(&self, mut stream: Stream) -> Result<String, Failure> {
        let send = |stream: &mut Stream, text: &[u8]| {
            let sent = stream.write(text, Deadline::after(self.limit));
            sent.map_err(|error| failure("send", &error))
        };
        send(&mut stream, &self.send)?;
        let mut answer = String::new();
        if let Some(pattern) = &self.expect {
            let bytes = self.answer(&mut stream);
            let bytes = bytes.map_err(|error| failure("wait for the answer", &error))?;
            answer = String::from_utf8_lossy(&bytes).into_owned();
            if !pattern.matches(&answer) {
                return Err(["Unexpected response from host/socket: ", &answer]
                    .concat()
                    .into());
            }
        }
        send(&mut stream, &self.quit)?;
        Ok(answer)
    }

    /// What arrives first: one piece, and more only if it is full.
    fn answer(&self, stream: &mut Stream) -> std::io::Result<Vec<u8>> {
        let most = self.most.filter(|most| *most > 0);
        let size = most.unwrap_or(PIECE).min(ANSWER);
        let by = Deadline::after(self.limit);
        let (mut piece, mut answer) = (vec![0; size], Vec::new());
        loop {
            let length = stream.read(&mut piece, by)?;
            answer.extend_from_slice(piece.get(..length).unwrap_or_default());
            let is_enough = most.is_some() || answer.len() >= ANSWER;
            if length < size || is_enough {
                return Ok(answer);
            }
        }
    }
}

fn failure(what: &str, error: &std::io::Error) -> Failure {
    [what, ": ", &error.to_string()].concat().into()
}

/// The text without its escapes. A backslash before another character stays.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('t') => plain.push('\t'),
            Some('\\') | None => plain.push('\\'),
            Some(other) => plain.extend(['\\', other]),
        }
    }
    plain
}
