//! The local listener: answers `GET /metrics` with an exposition, and refuses everything else.
//!
//! `sys/server` reads a head and writes an answer. `request` parses the head, `rules` decides
//! whether the peer may ask, and [`Routes`] here picks the answer. A request causes a measurement
//! at most once per second; nothing is measured while nobody asks.

mod request;
mod response;
mod rules;

use std::time::Duration;

use crate::base::clock::Moment;
use crate::config::Secret;
use crate::sys::log_once::LogOnce;
use crate::sys::server::Answer;
use request::Request;
use response::{Status, response};
pub(crate) use rules::Rules;

/// Time for which an exposition is given out again.
const FRESH: Duration = Duration::from_secs(1);

/// Type of an exposition: [`crate::render::prometheus::CONTENT_TYPE`].
const METRICS_TYPE: &str = crate::render::prometheus::CONTENT_TYPE;

/// Returns the text of an exposition.
pub(crate) type Expose = Box<dyn FnMut() -> String + Send>;
/// Returns the bearer token that a request must have; `None` if it needs none. Fails with the
/// reason why the token cannot be read.
pub(crate) type Token = Box<dyn Fn() -> Result<Option<Secret>, String> + Send>;

/// What is at which path.
pub(crate) struct Routes {
    rules: Rules,
    token: Token,
    expose: Expose,
    /// What is wrong with the token is logged once, not for each request.
    trouble: LogOnce,
    /// The last exposition.
    last: Option<(Moment, String)>,
}

impl Routes {
    /// Answers those whom `rules` and `token` allow.
    pub(crate) fn new(rules: Rules, token: Token, expose: Expose) -> Routes {
        Routes {
            rules,
            token,
            expose,
            trouble: LogOnce::default(),
            last: None,
        }
    }

    /// The answer to a request, or why it is refused.
    fn route(&mut self, head: &[u8], now: Moment) -> Result<Vec<u8>, Status> {
        let request = Request::parse(head)?;
        self.rules.check(&request)?;
        if request.path != "/metrics" {
            return Err(Status::NotFound);
        }
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
        let is_fresh = |(then, _): &(Moment, String)| now.since(*then) < FRESH;
        if !self.last.as_ref().is_some_and(is_fresh) {
            self.last = Some((now, (self.expose)()));
        }
        let text = self.last.as_ref().map_or("", |(_, text)| text);
        Ok(response(Status::Ok, METRICS_TYPE, text, request.is_head))
    }
}

impl Answer for Routes {
    fn answer(&mut self, head: &[u8], now: Moment) -> Vec<u8> {
        self.route(head, now).unwrap_or_else(Status::refusal)
    }

    fn too_long(&self) -> Vec<u8> {
        Status::HeadTooLong.refusal()
    }

    fn busy(&self) -> Vec<u8> {
        Status::Unavailable.refusal()
    }
}

#[cfg(test)]
mod tests;
