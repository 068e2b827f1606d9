//! The stream of readings, one each second: measured while somebody watches, kept for those who come
//! back, and freed some time after the last one has left.

use std::time::Duration;

use super::{Ask, Question, stream};
use crate::base::clock::{Clock, Moment};
use crate::base::ring::Ring;
pub(crate) use crate::render::live::Source;
use crate::sys::server::{Cursor, Topic};

/// Between two events.
const PERIOD: Duration = Duration::from_secs(1);
/// Events that are kept.
const KEPT: usize = 120;
/// Bytes of events that are kept.
const KEPT_BYTES: usize = 256 << 10;
/// Bytes of an event. A longer one is replaced by a message.
const EVENT: usize = 64 << 10;
/// Time from the end of the last stream until the events are freed.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(120);
/// Longest time between two events over which rates are computed.
const GAP: Duration = Duration::from_secs(5);

/// The events, and who measures them.
pub(super) struct Events {
    run: String,
    ring: Ring,
    source: Box<dyn Source + Send>,
    /// When the last event was measured.
    last: Option<Moment>,
    /// When the events are freed. `None` while somebody watches, and afterwards.
    free_at: Option<Moment>,
}

impl Events {
    /// Nobody watches yet. `run` tells the ids of this run from those of others.
    pub(super) fn new(run: String, source: Box<dyn Source + Send>) -> Events {
        Events {
            run,
            ring: Ring::new(KEPT, KEPT_BYTES),
            source,
            last: None,
            free_at: None,
        }
    }

    /// Appends what a stream begins with, for a client whose last event has the id `last`.
    pub(super) fn begin(&mut self, last: Option<&str>, out: &mut Vec<u8>) -> Cursor {
        stream::begin(out);
        stream::event("host", &self.source.host(), out);
        let (next, is_reset) = stream::resume(&self.run, &self.ring, last);
        if is_reset {
            stream::event("reset", "{}", out);
        }
        let topic = Topic::Events;
        Cursor { topic, next }
    }

    /// Appends what follows. Returns whether nothing is lost.
    pub(super) fn more(&self, cursor: &mut Cursor, out: &mut Vec<u8>) -> bool {
        stream::items(&self.run, &self.ring, &mut cursor.next, out)
    }

    /// Measures an event if one is due and somebody watches. `ask` returns the agent's part, or
    /// `None` if the agent does not answer. Returns when this has to be called again.
    pub(super) fn turn(
        &mut self,
        is_watched: bool,
        clock: &dyn Clock,
        ask: Option<&mut Ask>,
    ) -> Option<Moment> {
        let now = clock.moment();
        if !is_watched {
            return self.pause(now);
        }
        self.free_at = None;
        let age = self.last.map(|last| now.since(last));
        if let (Some(last), Some(age)) = (self.last, age)
            && age < PERIOD
        {
            return Some(Moment(last.0 + PERIOD));
        }
        if age.is_none_or(|age| age > GAP) {
            self.source.forget();
        }
        self.measure(now, clock.wall(), ask);
        // Not in step with what was missed: an event that is late is followed after a whole period.
        let is_late = age.is_none_or(|age| age >= 2 * PERIOD);
        let last = self.last.filter(|_| !is_late);
        self.last = Some(last.map_or(now, |last| Moment(last.0 + PERIOD)));
        self.last.map(|last| Moment(last.0 + PERIOD))
    }

    /// Nobody watches. Frees the events if that is due.
    fn pause(&mut self, now: Moment) -> Option<Moment> {
        self.last?;
        let free_at = *self.free_at.get_or_insert(Moment(now.0 + KEPT_FOR));
        if now < free_at {
            return Some(free_at);
        }
        self.ring.clear();
        self.source.forget();
        self.last = None;
        self.free_at = None;
        None
    }

    /// Adds an event.
    fn measure(&mut self, now: Moment, wall: Duration, ask: Option<&mut Ask>) {
        let is_full = self.source.is_full();
        let asked = ask.filter(|_| is_full).map(|ask| ask(Question::Live));
        let is_silent = asked.as_ref().is_some_and(Option::is_none);
        let agent = asked.flatten();
        let mut data = self.source.event(now, wall, agent.as_deref());
        let mut trouble = "";
        if is_silent {
            trouble = "the agent does not answer: checks, plugins and destinations are missing";
        }
        if data.len() > EVENT {
            data = "{}".to_owned();
            trouble = "the readings of this second have more than 64 KiB and are left out";
        }
        if !trouble.is_empty() {
            let data_of_trouble = ["{\"text\":\"", trouble, "\"}"].concat();
            // It belongs to this item, so that a stream that is resumed does not repeat it.
            data.extend(["\n\nevent: trouble\ndata: ", &data_of_trouble]);
        }
        self.ring.push(data);
    }
}

#[cfg(test)]
mod tests;
