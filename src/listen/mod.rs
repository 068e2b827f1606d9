//! What the agent answers over HTTP: on the listener of `listen`, and on its own socket.
//!
//! `sys/server` reads a head and writes an answer. `request` parses the head, `rules` decides
//! whether the peer may ask, and [`Routes`] here picks the answer. `events` and `logs` are streams,
//! in the format of `stream`. Everything that can be refused is refused before the first byte of a
//! stream. A request causes a measurement at most once per second; nothing is measured, and no log
//! line is kept, while nobody asks.

mod events;
mod logs;
mod page;
pub(crate) mod report;
mod request;
mod response;
mod rules;
mod stream;

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

use crate::base::clock::{Clock, HostClock, Moment};
use crate::config::{Config, Secret};
use crate::sys::log::RECENT;
use crate::sys::log_once::LogOnce;
use crate::sys::log_ring::LogRing;
use crate::sys::random::random;
use crate::sys::server::{Answer, Asked, Cursor, Door, Reply, Server, Topic, Via, Watchers};
use crate::sys::{crash, thread};
use crate::wire::check::Report;
use events::Events;
pub(crate) use events::Source;
use logs::Logs;
use page::page;
use request::Request;
use response::{Status, endless, response};
use rules::Rules;

/// Bytes of stack of the thread that serves. Code that is not optimised takes a multiple of it.
const STACK: usize = if cfg!(debug_assertions) {
    1 << 20
} else {
    256 << 10
};
/// Time for which an exposition is given out again.
const FRESH: Duration = Duration::from_secs(1);
/// Streams that are open at a time to clients of one listener.
const STREAMS: usize = 8;

/// Type of an exposition: [`crate::render::prometheus::CONTENT_TYPE`].
const METRICS_TYPE: &str = crate::render::prometheus::CONTENT_TYPE;
const TEXT_TYPE: &str = "text/plain; charset=utf-8";
const JSON_TYPE: &str = "application/json";
const STREAM_TYPE: &str = "text/event-stream";

/// What only the agent's main thread can answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Question {
    /// Whether the agent measures and posts, as `mackerel-agent health` reads it.
    Health,
    /// Everything that the agent says of itself, as JSON.
    Status,
    /// The agent's part of an event: see [`Source::event`].
    Live,
    /// The report of a job, to be sent. The answer is empty.
    Report(Report),
}

/// Returns the text of an exposition.
pub(crate) type Expose = Box<dyn FnMut() -> String + Send>;
/// Returns the bearer token that a request must have; `None` if it needs none. Fails with the
/// reason why the token cannot be read.
pub(crate) type Token = Box<dyn Fn() -> Result<Option<Secret>, String> + Send>;
/// Asks the main thread; `None` if it does not answer.
pub(crate) type Ask = dyn FnMut(Question) -> Option<String> + Send;

/// What is at which path.
pub(crate) struct Routes {
    rules: Rules,
    token: Token,
    expose: Expose,
    /// `None` where no agent runs: there are no `/health` and `/status`.
    ask: Option<Box<Ask>>,
    run: String,
    /// `None` where nothing is measured: there are no page and no `/events`.
    events: Option<Events>,
    logs: Logs,
    /// Whether other hosts reach the listener of `listen`. It serves `/metrics` alone then.
    is_public: bool,
    /// Whether the page is served without an agent in this process: neither `/metrics` nor `/logs`.
    is_alone: bool,
    /// What is wrong with the token is logged once, not for each request.
    trouble: LogOnce,
    /// The last exposition.
    last: Option<(Moment, String)>,
}

impl Routes {
    /// Answers clients of `listen` whom `rules` and `token` allow, and all of the agent's own
    /// socket. `run` is a word that no other run of the agent has.
    fn new(
        rules: Rules,
        token: Token,
        expose: Expose,
        lines: &'static LogRing,
        run: String,
    ) -> Routes {
        Routes {
            rules,
            token,
            expose,
            ask: None,
            events: None,
            logs: Logs::new(run.clone(), lines),
            run,
            is_public: false,
            is_alone: false,
            trouble: LogOnce::default(),
            last: None,
        }
    }

    /// The same routes, with an agent that answers questions.
    pub(crate) fn asking(mut self, ask: Box<Ask>) -> Routes {
        self.ask = Some(ask);
        self
    }

    /// The same routes, with the page and `/events` of what `source` measures.
    pub(crate) fn measuring(mut self, source: Box<dyn Source + Send>) -> Routes {
        self.events = Some(Events::new(self.run.clone(), source));
        self
    }

    /// The same routes, for a listener that other hosts reach.
    pub(crate) fn public(mut self, is_public: bool) -> Routes {
        self.is_public = is_public;
        self
    }

    /// The same routes, without those of an agent in this process.
    pub(crate) fn alone(mut self) -> Routes {
        self.is_alone = true;
        self
    }

    /// The routes of this host: its names and those of `config` are allowed, its log is served, and
    /// what `source` measures.
    pub(crate) fn of(
        config: &Config,
        token: Token,
        expose: Expose,
        ask: Box<Ask>,
        source: Box<dyn Source + Send>,
    ) -> Routes {
        let rules = Rules::new(config.listen_hosts.iter().map(String::as_str));
        let run = format!("{:08x}", random());
        let routes = Routes::new(rules, token, expose, &RECENT, run);
        routes.asking(ask).measuring(source)
    }

    /// Serves clients of `doors` in a thread, until the process ends. Fails if the thread cannot be
    /// started.
    pub(crate) fn serve(mut self, doors: Vec<Door>, clock: HostClock) -> io::Result<()> {
        thread::start("listener", STACK, move || {
            let _stack = crash::watch_stack();
            Server::new(doors).run(&clock, &mut self);
        })
    }

    /// The answer to a request, or why it is refused.
    fn route(&mut self, asked: &Asked<'_>, clock: &dyn Clock) -> Result<Reply, Status> {
        let request = Request::parse(asked.head)?;
        let is_own = asked.via == Via::Agent;
        if !is_own {
            self.rules.check(&request)?;
        }
        let is_local = is_own || !self.is_public;
        let is_served = match request.path {
            "/metrics" => !self.is_alone,
            "/logs" => is_local && !self.is_alone,
            "/" | "/events" => is_local && self.events.is_some(),
            "/status" => is_local && self.ask.is_some(),
            "/health" | "/agent" | report::PATH => is_own && self.ask.is_some(),
            _ => false,
        };
        if !is_served {
            return Err(Status::NotFound);
        }
        if !is_own {
            self.authorize(&request)?;
        }
        if request.is_post != (request.path == report::PATH) {
            return Err(Status::MethodNotAllowed);
        }
        let is_head = request.is_head;
        let question = match request.path {
            "/" if request.takes_gzip => return Ok(page(is_head).into()),
            "/" => return Err(Status::NotAcceptable),
            "/events" => return self.stream(Topic::Events, &request, asked.streams),
            "/logs" => return self.stream(Topic::Logs, &request, asked.streams),
            "/metrics" => {
                let text = self.exposition(clock.moment());
                return Ok(response(Status::Ok, METRICS_TYPE, text, is_head).into());
            }
            "/health" => Question::Health,
            "/agent" => Question::Live,
            report::PATH => {
                let value = request.report.unwrap_or_default();
                let report = report::decode(value, clock.unix());
                Question::Report(report.ok_or(Status::BadRequest)?)
            }
            _ => Question::Status,
        };
        let answer = self.ask.as_mut().and_then(|ask| ask(question));
        let (content_type, text) = match (request.path, answer) {
            ("/health", answer) => (TEXT_TYPE, answer.unwrap_or_else(|| SILENT.to_owned())),
            (_, None) => return Err(Status::Unavailable),
            ("/agent", Some(members)) => (JSON_TYPE, ["{", &members, "}"].concat()),
            (_, Some(text)) => (JSON_TYPE, text),
        };
        Ok(response(Status::Ok, content_type, &text, is_head).into())
    }

    /// Refuses a request without the token, if it needs one.
    fn authorize(&mut self, request: &Request<'_>) -> Result<(), Status> {
        let token = match (self.token)() {
            Ok(token) => token,
            Err(why) => {
                let text = format!("listen_token_file: {why}; requests are refused");
                self.trouble.failed(text);
                return Err(Status::Unavailable);
            }
        };
        self.trouble
            .succeeded(|| "listen_token_file: usable again".to_owned());
        if token.is_some_and(|token| !request.has_token(&token)) {
            return Err(Status::Unauthorized);
        }
        Ok(())
    }

    fn exposition(&mut self, now: Moment) -> &str {
        let is_fresh = |(then, _): &(Moment, String)| now.since(*then) < FRESH;
        if !self.last.as_ref().is_some_and(is_fresh) {
            self.last = Some((now, (self.expose)()));
        }
        self.last.as_ref().map_or("", |(_, text)| text)
    }

    /// The beginning of a stream, while `streams` others are open.
    fn stream(
        &mut self,
        topic: Topic,
        request: &Request<'_>,
        streams: usize,
    ) -> Result<Reply, Status> {
        if streams >= STREAMS {
            return Err(Status::Unavailable);
        }
        let mut text = endless(STREAM_TYPE);
        if request.is_head {
            return Ok(text.into());
        }
        let last = request.last_event_id;
        let stream = match topic {
            Topic::Events => {
                let events = self.events.as_mut();
                events.map(|events| events.begin(last, &mut text))
            }
            Topic::Logs => Some(self.logs.begin(last, &mut text)),
        };
        Ok(Reply { text, stream })
    }
}

/// The answer to `/health` if the main thread gives none.
const SILENT: &str = "00 the agent is about to end, or hangs";

impl Answer for Routes {
    fn answer(&mut self, asked: &Asked<'_>, clock: &dyn Clock) -> Reply {
        self.route(asked, clock)
            .unwrap_or_else(|status| status.refusal().into())
    }

    fn too_long(&self) -> Vec<u8> {
        Status::HeadTooLong.refusal()
    }

    fn busy(&self) -> Vec<u8> {
        Status::Unavailable.refusal()
    }

    fn stranger(&self) -> Vec<u8> {
        Status::Stranger.refusal()
    }

    fn more(&mut self, cursor: &mut Cursor, out: &mut Vec<u8>) -> bool {
        match cursor.topic {
            Topic::Events => {
                let events = self.events.as_ref();
                events.is_some_and(|events| events.more(cursor, out))
            }
            Topic::Logs => self.logs.more(cursor, out),
        }
    }

    fn turn(&mut self, watchers: Watchers, clock: &dyn Clock) -> Option<Moment> {
        let ask = self.ask.as_deref_mut();
        let events = self.events.as_mut();
        let events = events.and_then(|events| events.turn(watchers.events > 0, clock, ask));
        let logs = self.logs.turn(watchers.logs > 0, clock.moment());
        events.into_iter().chain(logs).min()
    }

    fn waker(&self) -> Option<RawFd> {
        self.logs.waker()
    }

    fn woken(&mut self) {
        self.logs.woken();
    }
}

#[cfg(test)]
mod tests;
