//! Rounds of values that wait to be posted: their storage, order and removal. The only decision
//! about time is which rounds are too old.

mod bisect;
mod kept;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::base::clock::{Stamp, Unix};

#[allow(unused_imports, reason = "part of what Spool's methods return")]
pub(crate) use bisect::{Condemned, RejectedValue};
#[allow(unused_imports, reason = "part of what Spool's methods return")]
pub(crate) use kept::Kept;

/// Seconds after which the server ignores a value, although it answers 200.
const USE: u64 = 24 * 60 * 60;
/// Maximum number of bytes of names and values, approximately: enough for a day of 2,000 series.
const CAPACITY: usize = 32 << 20;
/// Smallest limit where memory is limited, in bytes: enough for a day of a plain host.
const LEAST: usize = 1 << 20;
/// Divisor of the memory that this process may use: the spool takes at most this part. While it is
/// written to its file, it takes twice as much.
const SHARE: u64 = 8;
/// Maximum number of values in one request.
const BATCH: usize = 2_000;
/// Maximum number of bytes of lists of names that are kept although no round has them: those of
/// 4,000 series.
const IDLE: usize = 256 << 10;

/// The custom identifier of the host that values belong to; `None` for this host.
pub(crate) type Destination = Option<Arc<str>>;

/// Rounds of values, in the order in which they arrived. When the spool is full, the oldest are
/// dropped.
pub(crate) struct Spool {
    rounds: VecDeque<Round>,
    /// The lists of names that rounds have or had. The one that was used last is at the end.
    shapes: Vec<Shape>,
    /// Sum of [`Round::bytes`].
    bytes: usize,
    /// Sum of [`Shape::bytes`].
    names_bytes: usize,
    /// Limit of the sum of both.
    capacity: usize,
    /// Number of the next round.
    pub(crate) next: u64,
    /// Parts of rejected batches. The one that is sent next is at the end.
    suspects: Vec<Batch>,
    /// Whether the server has accepted anything since the first suspect was found.
    is_accepting: bool,
    /// Numbers of the rounds that were saved in a file and are gone since.
    gone: Vec<u64>,
    /// Whether rejected batches are dropped as a whole: a fault that the rig has to detect.
    #[cfg(test)]
    pub(crate) never_halves: bool,
}

/// Names of values, shared by all rounds with the same series. Nearly all rounds share theirs.
struct Shape {
    names: Arc<[String]>,
    /// Memory that the names take, in bytes, approximately.
    bytes: usize,
}

impl Shape {
    /// Whether no round has these names.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.names) == 1
    }
}

/// The values of one moment, either of this host itself or of one plugin.
struct Round {
    number: u64,
    /// When it was measured.
    stamp: Stamp,
    /// Whether the wall-clock time of the stamp is right. If not, the round is not posted.
    is_sure: bool,
    /// Whether it is saved in a file.
    is_kept: bool,
    destination: Destination,
    /// The names of a [`Shape`].
    names: Arc<[String]>,
    /// One for each name; NaN if it has been posted or dropped.
    values: Box<[f64]>,
    /// Memory that this round takes without its names, in bytes, approximately.
    bytes: usize,
}

/// The values of one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Batch(Vec<Part>);

/// Consecutive values of the round with this number. Numbers ascend in a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Part {
    number: u64,
    values: Range<usize>,
}

impl Batch {
    /// Number of rounds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to post.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The range of this round's values that the batch contains.
    fn part(&self, round: &Round) -> Option<Range<usize>> {
        let at = self
            .0
            .binary_search_by_key(&round.number, |part| part.number);
        at.ok()
            .and_then(|at| self.0.get(at))
            .map(|part| part.values.clone())
    }

    fn has(&self, round: &Round) -> bool {
        self.part(round).is_some()
    }
}

impl Default for Spool {
    /// A spool for a process whose memory is not limited.
    fn default() -> Spool {
        Spool {
            rounds: VecDeque::new(),
            shapes: Vec::new(),
            bytes: 0,
            names_bytes: 0,
            capacity: CAPACITY,
            next: 0,
            suspects: Vec::new(),
            is_accepting: false,
            gone: Vec::new(),
            #[cfg(test)]
            never_halves: false,
        }
    }
}

impl Spool {
    /// Sets the limit for a process that may use `memory` bytes.
    pub(crate) fn fit(&mut self, memory: u64) {
        let share = usize::try_from(memory / SHARE).unwrap_or(usize::MAX);
        self.capacity = share.clamp(LEAST, CAPACITY);
    }

    /// Adds the newest round; an empty one is ignored. Returns how many were dropped to make room.
    pub(crate) fn push<'a>(
        &mut self,
        stamp: Stamp,
        is_sure: bool,
        destination: Destination,
        values: impl Iterator<Item = (&'a str, f64)> + Clone,
    ) -> usize {
        if values.clone().next().is_none() {
            return 0;
        }
        let names = self.names(values.clone().map(|(name, _)| name));
        let values: Box<[f64]> = values.map(|(_, value)| value).collect();
        self.add(Round {
            number: self.next,
            stamp,
            is_sure,
            is_kept: false,
            destination,
            names,
            bytes: size_of::<Round>() + size_of_val(&*values),
            values,
        })
    }

    /// Adds a round as the newest. Returns how many were dropped to make room.
    fn add(&mut self, round: Round) -> usize {
        self.next = self.next.max(round.number.saturating_add(1));
        self.bytes += round.bytes;
        self.rounds.push_back(round);
        let mut lost = 0;
        while self.bytes + self.names_bytes > self.capacity {
            self.forget_names(0);
            if self.bytes + self.names_bytes <= self.capacity || self.rounds.len() == 1 {
                break;
            }
            if let Some(round) = self.rounds.pop_front() {
                self.bytes -= round.bytes;
                self.gone.extend(round.is_kept.then_some(round.number));
            }
            lost += 1;
        }
        lost
    }

    /// The list of these names, shared with the rounds that have the same names.
    fn names<'a>(&mut self, names: impl Iterator<Item = &'a str> + Clone) -> Arc<[String]> {
        let is_same = |known: &Shape| known.names.iter().map(String::as_str).eq(names.clone());
        let shape = match self.shapes.iter().position(is_same) {
            Some(at) => self.shapes.remove(at),
            None => {
                let list: Arc<[String]> = names.map(str::to_owned).collect();
                let list_bytes: usize = list
                    .iter()
                    .map(|name| size_of::<String>() + name.len())
                    .sum();
                let bytes = size_of::<Shape>() + list_bytes;
                self.names_bytes += bytes;
                Shape { names: list, bytes }
            }
        };
        let names = Arc::clone(&shape.names);
        self.shapes.push(shape);
        names
    }

    /// Drops lists of names that no round has, least recently used first, until the other such
    /// lists take at most `most` bytes.
    fn forget_names(&mut self, most: usize) {
        let mut idle: usize = self
            .shapes
            .iter()
            .filter(|shape| shape.is_idle())
            .map(|shape| shape.bytes)
            .sum();
        let names_bytes = &mut self.names_bytes;
        self.shapes.retain(|shape| {
            let is_to_go = idle > most && shape.is_idle();
            if is_to_go {
                idle -= shape.bytes;
                *names_bytes -= shape.bytes;
            }
            !is_to_go
        });
    }

    /// Drops the rounds that the server would ignore at `now`. Returns their number.
    pub(crate) fn expire(&mut self, now: Unix) -> usize {
        let oldest = Unix(now.0.saturating_sub(USE));
        let before = self.rounds.len();
        self.keep(|round| !round.is_sure || round.stamp.wall >= oldest);
        before - self.rounds.len()
    }

    fn keep(&mut self, wanted: impl Fn(&Round) -> bool) {
        let gone = &mut self.gone;
        self.rounds.retain(|round| {
            let is_wanted = wanted(round);
            gone.extend((round.is_kept && !is_wanted).then_some(round.number));
            is_wanted
        });
        self.bytes = self.rounds.iter().map(|round| round.bytes).sum();
        self.forget_names(IDLE);
        self.forget_empty_suspects();
    }

    /// The rounds of the next request: those of the newest time, because alerts wait for them, and
    /// then the oldest. [`BATCH`] is the limit. The rounds stay in the spool until
    /// [`Spool::posted`]. Rounds whose destination is not `known` are left out.
    pub(crate) fn batch(&self, known: &dyn Fn(Option<&str>) -> bool) -> Batch {
        if let Some(batch) = self.suspicious(known) {
            return batch;
        }
        let fresh = self.fresh(known);
        let mut newest_then_oldest = fresh.into_iter().chain(self.ready(known));
        self.filled(&mut || newest_then_oldest.next())
    }

    /// Only the rounds of the newest time, up to [`BATCH`] values.
    pub(crate) fn newest(&self, known: &dyn Fn(Option<&str>) -> bool) -> Batch {
        if let Some(batch) = self.suspicious(known) {
            return batch;
        }
        let mut fresh = self.fresh(known).into_iter();
        self.filled(&mut || fresh.next())
    }

    fn ready<'a>(
        &'a self,
        known: &'a dyn Fn(Option<&str>) -> bool,
    ) -> impl DoubleEndedIterator<Item = &'a Round> {
        let is_ready = |round: &&Round| round.is_sure && known(round.destination.as_deref());
        self.rounds.iter().filter(is_ready)
    }

    /// The rounds that arrived last, as far back as they have the time of the very last one.
    fn fresh<'a>(&'a self, known: &'a dyn Fn(Option<&str>) -> bool) -> Vec<&'a Round> {
        let mut fresh: Vec<&Round> = Vec::new();
        for round in self.ready(known).rev() {
            if let Some(newest) = fresh.first()
                && newest.stamp.wall != round.stamp.wall
            {
                break;
            }
            fresh.push(round);
        }
        fresh
    }

    /// A batch of the first rounds that `next` returns one after the other, each of them once.
    fn filled<'a>(&self, next: &mut dyn FnMut() -> Option<&'a Round>) -> Batch {
        let mut room = BATCH;
        let mut batch: Vec<Part> = Vec::new();
        while let Some(round) = next() {
            if batch.iter().any(|part| part.number == round.number) {
                continue;
            }
            let start = round
                .values
                .iter()
                .position(|value| value.is_finite())
                .unwrap_or_default();
            let count = round.values.len() - start;
            if !batch.is_empty() && count > room {
                break;
            }
            // A round that is larger than a request is sent in parts.
            let count = count.min(BATCH);
            room = room.saturating_sub(count);
            batch.push(Part {
                number: round.number,
                values: start..start + count,
            });
        }
        batch.sort_unstable_by_key(|part| part.number);
        Batch(batch)
    }

    /// Destination, time, name and value of everything in `batch`.
    pub(crate) fn values<'a>(
        &'a self,
        batch: &'a Batch,
    ) -> impl Iterator<Item = (Option<&'a str>, Unix, &'a str, f64)> {
        let parts = self
            .rounds
            .iter()
            .filter_map(|round| Some((round, batch.part(round)?)));
        parts.flat_map(|(round, part)| {
            let destination = round.destination.as_deref();
            let named = round.names.iter().zip(&round.values);
            let part = named.skip(part.start).take(part.len());
            part.filter(|(_, value)| value.is_finite())
                .map(move |(name, value)| (destination, round.stamp.wall, name.as_str(), *value))
        })
    }

    /// Drops the values in `batch`, because the server has accepted them.
    pub(crate) fn posted(&mut self, batch: &Batch) {
        self.is_accepting = true;
        self.drop_values(batch);
    }

    fn drop_values(&mut self, batch: &Batch) {
        for round in &mut self.rounds {
            if let Some(part) = batch.part(round)
                && let Some(values) = round.values.get_mut(part)
            {
                values.fill(f64::NAN);
            }
        }
        self.keep(|round| !batch.has(round) || round.values.iter().any(|value| value.is_finite()));
    }

    /// The custom identifiers for which something waits. Some occur more than once.
    pub(crate) fn destinations(&self) -> impl Iterator<Item = &str> {
        let rounds = self.rounds.iter();
        rounds.filter_map(|round| round.destination.as_deref())
    }

    /// Drops what waits for this destination. Returns the number of values.
    pub(crate) fn give_up(&mut self, destination: &str) -> usize {
        let before = self.waiting();
        self.keep(|round| round.destination.as_deref() != Some(destination));
        before - self.waiting()
    }

    /// Number of values waiting.
    pub(crate) fn waiting(&self) -> usize {
        let values = self.rounds.iter().flat_map(|round| &round.values);
        values.filter(|value| value.is_finite()).count()
    }

    /// When the oldest round that waits was measured, by the host's clock.
    pub(crate) fn oldest(&self) -> Option<Unix> {
        self.rounds.iter().map(|round| round.stamp.wall).min()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.rounds.is_empty()
    }
}

#[cfg(test)]
mod tests;
