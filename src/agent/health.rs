//! Answers `mackerel-agent health`: whether the agent measures, and whether the server accepts its
//! posts.

use std::path::Path;
use std::time::Duration;

use super::event::Event;
use crate::base::channel::{Sender, channel};
use crate::base::clock::Moment;
use crate::sys::health_socket::{self, SocketFile};

/// Age up to which a measurement is fresh: two rounds and the time that they may take.
const MEASURED: Duration = Duration::from_secs(150);
/// Age up to which an accepted post is fresh.
const POSTED: Duration = Duration::from_secs(5 * 60);
/// Time limit for the main thread's answer. The main thread does nothing that takes long.
const LIMIT: Duration = Duration::from_secs(3);

/// When the agent last measured and posted.
#[derive(Default)]
pub(crate) struct Health {
    pub(crate) measured: Option<Moment>,
    pub(crate) posted: Option<Moment>,
}

impl Health {
    /// The answer: one digit each (1 or 0) for whether it measures and posts, then text for people.
    pub(crate) fn answer(&self, now: Moment) -> String {
        let (measures, measured) = age("measured", self.measured, now, MEASURED);
        let (posts, posted) = age("posted", self.posted, now, POSTED);
        let digit = |is_so| if is_so { "1" } else { "0" };
        [digit(measures), digit(posts), " ", &measured, ", ", &posted].concat()
    }
}

fn age(what: &str, last: Option<Moment>, now: Moment, limit: Duration) -> (bool, String) {
    match last.map(|last| now.since(last)) {
        Some(age) => (age <= limit, format!("{what} {} s ago", age.as_secs())),
        None => (false, format!("nothing {what} yet")),
    }
}

/// Answers health questions through the main thread, which receives them by `tell`.
///
/// Runs until the result is dropped. Logs a warning and returns `None` if questions cannot be
/// answered.
pub(crate) fn serve(root: &Path, tell: Sender<Event>) -> Option<SocketFile> {
    let answer = move || {
        let (answer, heard) = channel();
        let asked = tell.send(Event::Inquiry(answer));
        asked
            .ok()
            .and_then(|()| heard.recv_timeout(LIMIT).ok())
            .unwrap_or_else(|| "00 the agent is about to end, or hangs".to_owned())
    };
    health_socket::serve(root, answer)
        .inspect_err(|error| {
            log::warn!("`mackerel-agent health` will not be answered: {error}");
        })
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_have_to_be_fresh() {
        let at = |seconds| Some(Moment(Duration::from_secs(seconds)));
        // (measured, posted, answer at 1000 s)
        let table = [
            (None, None, "00 nothing measured yet, nothing posted yet"),
            (at(990), None, "10 measured 10 s ago, nothing posted yet"),
            (at(990), at(995), "11 measured 10 s ago, posted 5 s ago"),
            (at(850), at(700), "11 measured 150 s ago, posted 300 s ago"),
            (at(849), at(699), "00 measured 151 s ago, posted 301 s ago"),
            (at(990), at(600), "10 measured 10 s ago, posted 400 s ago"),
        ];
        for (measured, posted, expected) in table {
            let health = Health { measured, posted };
            assert_eq!(health.answer(Moment(Duration::from_secs(1000))), expected);
        }
    }
}
