//! Faults and their times: rules that a test adds while the server runs, or that the command line
//! gives.

use std::time::Duration;

use super::http::{Answer, Head};
use super::tls::Flaw;

/// A fault of a whole connection, before any request is read.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It is accepted. Nothing is read or sent.
    Silence,
    /// The handshake stops for good after so many bytes of the server's first flight.
    Stall(usize),
    /// It ends by RST.
    Reset,
    /// It ends by FIN.
    Close,
    /// Bytes that are neither TLS nor HTTP, then FIN.
    Garbage,
    /// The handshake has a certificate that clients must reject.
    Certificate(Flaw),
}

/// A fault of one request. With "Taken" in its description, the model accepts the request first.
#[derive(Clone, Debug)]
pub enum Act {
    /// This answer instead of the right one.
    Answer(Answer),
    /// This answer up to half of its body. Then the connection ends without close_notify.
    Partial(Answer),
    /// This answer before the body has been read, as proxies give; then FIN.
    Unread(Answer),
    /// No answer, for good.
    Hang,
    /// Taken. The right answer up to half of its body, and no more, for good.
    HangMidway,
    /// Taken. The right answer, one byte at a time with this pause between two.
    Drip(Duration),
    /// Taken. The right answer after a pause.
    Delay(Duration),
    /// RST.
    Reset,
    /// The connection is closed properly, without an answer.
    Close,
    /// Taken, and then as [`Act::Close`]: the client cannot find out.
    Lost,
    /// Taken. The connection ends half-way through the body, without close_notify.
    Cut,
    /// Taken. More bytes than `Content-Length` says.
    Surplus,
    /// Something that is not HTTP; then FIN.
    Garbage,
    /// 200 and a JSON document of this many bytes.
    Huge(usize),
    /// Taken. The right answer in chunks, without a length.
    Chunked,
    /// Taken. The right answer after a `100 Continue` that the client did not request.
    Interim,
    /// Taken. The right answer after headers as some proxies write them: see [`Answer::odd`].
    OddHead,
    /// Taken. This answer instead of the right one: the client cannot find out.
    Instead(Answer),
    /// Taken. The right answer, with the time of the server in seconds since the epoch.
    Dated(u64),
}

#[derive(Clone, Debug)]
enum Effect {
    Connection(Fault),
    Request(Act),
}

/// One fault, and where it occurs.
///
/// As text: `WHERE [#FIRST[-[LAST]]] = WHAT[:HOW]`, e.g. `tsdb #1-3 = 500` or `connect #2 =
/// expired`.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Empty for any method.
    method: String,
    /// A whole path, a beginning of one that ends in `*`, or one segment.
    path: String,
    /// Counted from 1 among those that match since the rule was added.
    first: usize,
    last: usize,
    effect: Effect,
    matched: usize,
}

impl Rule {
    /// A rule for requests: `place` is the `WHERE` of the text form.
    pub fn on(place: &str, act: Act) -> Rule {
        let (method, path) = place.split_once(' ').unwrap_or(("", place));
        Rule {
            method: method.to_owned(),
            path: path.trim().to_owned(),
            first: 1,
            last: usize::MAX,
            effect: Effect::Request(act),
            matched: 0,
        }
    }

    /// A rule for connections.
    pub fn connections(fault: Fault) -> Rule {
        Rule {
            effect: Effect::Connection(fault),
            ..Rule::on("connect", Act::Hang)
        }
    }

    /// Only those from the `first` to the `last` that match, counted from 1.
    pub fn only(self, first: usize, last: usize) -> Rule {
        Rule {
            first,
            last,
            ..self
        }
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Rule, String> {
        let wrong = |what: &str| format!("script \"{text}\": {what}");
        let (place, what) = text
            .split_once('=')
            .ok_or_else(|| wrong("want WHERE = WHAT"))?;
        let (place, range) = match place.split_once('#') {
            Some((place, range)) => (place.trim(), range.trim()),
            None => (place.trim(), "1-"),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let first = first.parse().map_err(|_| wrong("want #FIRST-LAST"))?;
        let last = match last {
            "" => usize::MAX,
            last => last.parse().map_err(|_| wrong("want #FIRST-LAST"))?,
        };
        let (what, how) = what.trim().split_once(':').unwrap_or((what.trim(), ""));
        let rule = match place {
            "connect" => Rule::connections(fault(what, how).ok_or_else(|| wrong("no such fault"))?),
            _ => Rule::on(place, act(what, how).ok_or_else(|| wrong("no such act"))?),
        };
        Ok(rule.only(first, last))
    }

    fn is_about(&self, head: &Head) -> bool {
        let path = match self.path.strip_suffix('*') {
            Some(start) => head.path.starts_with(start),
            None => {
                head.path == self.path || head.path.split('/').any(|segment| segment == self.path)
            }
        };
        path && (self.method.is_empty() || self.method == head.method)
    }

    /// Counts one match. Returns whether the rule applies to it.
    fn counts(&mut self) -> bool {
        self.matched += 1;
        (self.first..=self.last).contains(&self.matched)
    }
}

fn fault(what: &str, how: &str) -> Option<Fault> {
    Some(match what {
        "silence" => Fault::Silence,
        "stall" => Fault::Stall(how.parse().unwrap_or(0)),
        "reset" => Fault::Reset,
        "close" => Fault::Close,
        "garbage" => Fault::Garbage,
        flaw => Fault::Certificate(Flaw::named(flaw)?),
    })
}

fn act(what: &str, how: &str) -> Option<Act> {
    Some(match what {
        "hang" => Act::Hang,
        "hang-midway" => Act::HangMidway,
        "drip" => Act::Drip(duration(how)?),
        "delay" => Act::Delay(duration(how)?),
        "reset" => Act::Reset,
        "close" => Act::Close,
        "lost" => Act::Lost,
        "cut" => Act::Cut,
        "surplus" => Act::Surplus,
        "garbage" => Act::Garbage,
        "huge" => Act::Huge(how.parse().ok()?),
        "chunked" => Act::Chunked,
        "interim" => Act::Interim,
        "odd-head" => Act::OddHead,
        "gzip" => Act::Answer(Answer::gzip()),
        "instead" => Act::Instead(Answer::new(how.parse().ok()?, "")),
        "date" => Act::Dated(how.parse().ok()?),
        "portal" => Act::Answer(Answer::portal()),
        "redirect" => Act::Answer(Answer::new(307, "").header("Location", how)),
        "unread" => Act::Unread(Answer::error(how.parse().ok()?, "as the script says")),
        status => {
            let status = status.parse().ok().filter(|code| (200..600).contains(code));
            let answer = Answer::error(status?, "as the script says");
            Act::Answer(match how {
                "" => answer,
                seconds => answer.header("Retry-After", seconds),
            })
        }
    })
}

/// `20ms` or `3s`.
fn duration(text: &str) -> Option<Duration> {
    match text.strip_suffix("ms") {
        Some(millis) => Some(Duration::from_millis(millis.parse().ok()?)),
        None => Some(Duration::from_secs(text.strip_suffix('s')?.parse().ok()?)),
    }
}

/// The current rules. Each counts its matches. The first rule that applies is used.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<Rule>);

impl Script {
    pub(super) fn add(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The fault of the connection that has just been accepted.
    pub(super) fn fault(&mut self) -> Option<Fault> {
        let mut due = None;
        for rule in &mut self.0 {
            let Effect::Connection(fault) = &rule.effect else {
                continue;
            };
            let fault = fault.clone();
            if rule.counts() && due.is_none() {
                due = Some(fault);
            }
        }
        due
    }

    /// The fault of the request whose head has just been read.
    pub(super) fn act(&mut self, head: &Head) -> Option<Act> {
        let mut due = None;
        for rule in &mut self.0 {
            let Effect::Request(act) = &rule.effect else {
                continue;
            };
            let act = act.clone();
            if rule.is_about(head) && rule.counts() && due.is_none() {
                due = Some(act);
            }
        }
        due
    }
}
