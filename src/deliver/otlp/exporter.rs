//! Decides what is sent to a server of OTLP, and when. The clock is an argument.

use std::mem;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use super::ring::Ring;
use super::transport::Accepted;
use super::verdict::{Failure, SIZE, Verdict};
use super::{Command, Destination, Encode, OtlpEvent};
use crate::base::backoff::{Backoff, LONGEST_ASKED};
use crate::base::channel::Receiver;
use crate::base::clock::{Clock, Moment, Stamp, Unix};
use crate::base::program;
use crate::deliver::clock_trust::{Answer, ClockTrust};
use crate::deliver::delivery::{Delivery, Queued};
use crate::deliver::failed_step::FailedStep;
use crate::sys::log;
use crate::sys::log_once::LogOnce;

/// First pause after a failure, and the longest one.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(30));
/// Added at random to the pause that a server asks for.
const ASKED_SPREAD: Duration = Duration::from_secs(5);
/// Shortest pause that a server can ask for.
const SHORTEST_ASKED: Duration = Duration::from_secs(1);
/// Longest message, in bytes. Servers of gRPC refuse those above 4 MB by default.
const MESSAGE: usize = 3_000_000;
/// Least time from a round until it is sent, in which the values of fast plugins arrive.
const GATHER: Duration = Duration::from_secs(3);
/// Up to this is added to it, chosen at random at the start: a fleet spreads its requests.
const SPREAD: Duration = Duration::from_secs(27);
/// The first round is sent after this part of that time.
const FIRST: u32 = 8;
/// Pause between two messages of a backlog.
const CATCH_UP: Duration = Duration::from_secs(1);
/// Time after which a clock that nobody confirms is used, if it can be right.
const CONFIRMATION: Duration = Duration::from_secs(60);
/// Interval at which the clock is looked at until then.
const LOOK: Duration = Duration::from_secs(10);

const NANOS: u64 = 1_000_000_000;

/// What the exporter does next.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Wait for a command.
    Rest,
    /// Wait for a command, but no longer than this.
    Pause(Duration),
    /// End. This many rounds are lost.
    End(usize),
}

/// The state of delivery to one server.
pub(super) struct Exporter<E: Encode> {
    destination: Destination<E>,
    ring: Ring<E::Round>,
    trust: ClockTrust,
    /// Since when the time is not known; `None` if it is.
    unsure: Option<Moment>,
    /// When the next message is due; `None` if nothing waits.
    due: Option<Moment>,
    /// Time from a round until it is sent.
    delay: Duration,
    has_posted: bool,
    /// Maximum number of the ring's entries in a message.
    most: usize,
    /// Rounds that were lost since the last success, for lack of room.
    lost: usize,
    backoff: Backoff,
    log: LogOnce,
    warnings: LogOnce,
    /// When delivery is given up; `None` until the agent stops.
    stop: Option<Moment>,
    events: Box<dyn Fn(OtlpEvent) + Send>,
    random: fn() -> u32,
}

impl<E: Encode> Exporter<E> {
    pub(super) fn new(
        destination: Destination<E>,
        memory: Option<u64>,
        events: Box<dyn Fn(OtlpEvent) + Send>,
        random: fn() -> u32,
    ) -> Exporter<E> {
        Exporter {
            destination,
            ring: Ring::new(memory),
            trust: ClockTrust::default(),
            unsure: None,
            due: None,
            delay: GATHER + share(SPREAD, random()),
            has_posted: false,
            most: usize::MAX,
            lost: 0,
            backoff: Backoff::by_half(PAUSES.0, PAUSES.1),
            log: LogOnce::default(),
            warnings: LogOnce::default(),
            stop: None,
            events,
            random,
        }
    }

    /// Runs until a stop, or until the end of the last sender of commands.
    pub(super) fn run(mut self, clock: &dyn Clock, inbox: &Receiver<Command<E>>) {
        loop {
            // Commands first: a request may have taken long, and the next one has to contain the
            // newest round.
            while let Ok(command) = inbox.try_recv() {
                self.on_command(command, clock);
            }
            let next = self.step(clock);
            self.publish(clock);
            let command = match next {
                Next::End(lost) => return (self.events)(OtlpEvent::Ended(lost)),
                Next::Rest => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Next::Pause(time) => inbox.recv_timeout(time),
            };
            match command {
                Ok(command) => self.on_command(command, clock),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Publishes what waits, and whether requests still fail.
    fn publish(&self, clock: &dyn Clock) {
        let now = clock.stamp();
        let at = |age| Unix(now.wall.0.saturating_sub(now.age.saturating_sub(age)));
        let queued = Queued {
            rounds: self.ring.rounds(),
            oldest: self.ring.oldest().map(at),
            ..Queued::default()
        };
        let delivery = Delivery {
            queued,
            trust: self.trust,
            ..Delivery::default()
        };
        let shared = &self.destination.delivery;
        shared.publish(delivery, self.log.is_failing());
    }

    /// Handles a command. Makes no request.
    pub(super) fn on_command(&mut self, command: Command<E>, clock: &dyn Clock) {
        let now = clock.moment();
        match command {
            Command::Round(round) => self.on_round(round, now),
            Command::Configure(destination) => {
                self.destination = *destination;
                if self.log.is_failing() {
                    self.backoff.succeeded();
                    self.due = self.due.map(|due| due.min(now));
                }
            }
            Command::Trusted(start) => {
                let stamp = clock.stamp();
                let time = Unix(start.saturating_add(stamp.age));
                self.on_date(time, stamp, clock);
                if self.unsure.is_some() && self.trust.is_sure() {
                    self.due = self.due.map(|due| due.min(now));
                }
            }
            Command::Answer => (self.events)(OtlpEvent::Alive),
            Command::Stop(limit) => {
                self.stop = Some(limit);
                self.backoff.stop();
                // It has cut the request that was under way short. There is no file to save the others
                // to.
                self.destination.cancel.clear();
                self.due = (!self.ring.is_empty()).then_some(now);
            }
        }
    }

    fn on_round(&mut self, round: E::Round, now: Moment) {
        let (age, held, size) = (E::stamp(&round).age, E::held(&round), E::size(&round));
        let lost = self.ring.push(age, held, size, round);
        if lost > 0 && self.lost == 0 {
            let label = &self.destination.label;
            log::error!("{label} the oldest rounds that wait are dropped: there is no more room");
        }
        self.lost += lost;
        let pause = match self.stop {
            Some(_) => Duration::ZERO,
            None if self.has_posted => self.delay,
            None => self.delay / FIRST,
        };
        self.due.get_or_insert(Moment(now.0 + pause));
    }

    /// Uses `time` of a server as the time at `stamp`, which is now, unless the kernel confirms the
    /// wall clock.
    fn on_date(&mut self, time: Unix, stamp: Stamp, clock: &dyn Clock) {
        let is_synchronised = clock.is_synchronised();
        self.trust
            .ask_server(stamp, is_synchronised, Answer::Time(time));
    }

    /// Makes at most one request, if one is due.
    pub(super) fn step(&mut self, clock: &dyn Clock) -> Next {
        let now = clock.moment();
        if self.is_over(now) {
            return Next::End(self.give_up());
        }
        if self.due.is_some_and(|due| due <= now) {
            self.send(clock);
        }
        let now = clock.moment();
        match self.due {
            _ if self.is_over(now) => Next::Pause(Duration::ZERO),
            None => Next::Rest,
            Some(due) => Next::Pause(due.since(now)),
        }
    }

    /// Whether the agent stops, and nothing can be sent any more.
    fn is_over(&self, now: Moment) -> bool {
        let is_late = |limit| now >= limit || self.due.is_none_or(|due| due >= limit);
        self.stop.is_some_and(is_late)
    }

    /// Drops what waits. Returns the number of rounds.
    fn give_up(&mut self) -> usize {
        let left = self.ring.rounds();
        self.ring.drop_front(usize::MAX);
        if left > 0 {
            let label = &self.destination.label;
            log::error!("{label} not delivered before the end; rounds lost: {left}");
        }
        left
    }

    /// Sends the oldest rounds that wait, if the time is known.
    fn send(&mut self, clock: &dyn Clock) {
        let now = clock.moment();
        if let Some(pause) = self.pause_for_time(clock) {
            self.due = Some(Moment(now.0 + pause));
            return;
        }
        let (message, count) = self.message();
        let timeout = self.destination.timeout;
        let limit = self
            .stop
            .map_or(timeout, |stop| timeout.min(stop.since(now)));
        match self.destination.transport.export(&message, limit) {
            Ok(accepted) => self.accepted(count, accepted, clock),
            Err(failure) => self.failed(count, &failure, clock),
        }
    }

    /// Looks at the clock. Returns when to look again if the time is not known.
    fn pause_for_time(&mut self, clock: &dyn Clock) -> Option<Duration> {
        let (stamp, now) = (clock.stamp(), clock.moment());
        let is_known = self.trust.is_known(stamp);
        // The kernel may now confirm a clock that a server's time has contradicted.
        if !is_known || !self.trust.is_near(stamp) {
            self.trust.ask_kernel(stamp, clock.is_synchronised());
        }
        let passed = now.since(*self.unsure.get_or_insert(now));
        let can_be_right = stamp.wall >= program::COMMITTED;
        if !self.trust.is_sure() && passed >= CONFIRMATION && can_be_right {
            self.trust.ask_server(stamp, false, Answer::Silent);
        }
        if self.trust.is_sure() {
            self.unsure = None;
            return None;
        }
        if passed < CONFIRMATION {
            return Some(LOOK);
        }
        let (day, least) = (stamp.wall.day(), program::COMMITTED.day());
        let step = FailedStep::Time;
        let why = format!(
            "the clock shows {day}, but this program is of {least}: rounds are held until it is right; set the clock, or have it set by NTP"
        );
        self.report_failure(step, step.remedy(), why, clock);
        Some(CONFIRMATION)
    }

    /// The next message, and the number of the ring's entries in it.
    fn message(&self) -> (Vec<u8>, usize) {
        let trust = &self.trust;
        let time_of = |stamp| {
            let nanos = |seconds: u64| seconds.saturating_mul(NANOS);
            Some((nanos(trust.time(stamp)?.0), nanos(trust.start()?)))
        };
        let mut count = self.ring.batch(self.most, MESSAGE);
        loop {
            let mut message = Vec::new();
            let rounds = self.ring.front(count);
            self.destination
                .encode
                .encode(&rounds, &time_of, &mut message);
            // Their size was an estimate.
            if message.len() <= MESSAGE || count <= 1 {
                return (message, count);
            }
            count /= 2;
        }
    }

    /// Handles the success of a message with the first `count` entries.
    fn accepted(&mut self, count: usize, accepted: Accepted, clock: &dyn Clock) {
        self.ring.drop_front(count);
        self.backoff.succeeded();
        if let Some(date) = accepted.date {
            self.on_date(date, clock.stamp(), clock);
        }
        let label = &self.destination.label;
        if let Some(warning) = accepted.warning {
            self.warnings.warned(&format!("{label} {warning}"));
        }
        let (lost, waiting) = (mem::take(&mut self.lost), self.ring.rounds());
        let was_failing = self.log.succeeded(|| {
            format!("{label} sending works again; lost meanwhile: {lost} rounds; still waiting: {waiting}")
        });
        let is_first = !mem::replace(&mut self.has_posted, true);
        let event = if was_failing || is_first {
            OtlpEvent::Working
        } else {
            OtlpEvent::Posted
        };
        (self.events)(event);
        self.due_for_rest(clock.moment(), CATCH_UP);
    }

    /// Handles the failure of a message with the first `count` entries.
    fn failed(&mut self, count: usize, failure: &Failure, clock: &dyn Clock) {
        let now = clock.moment();
        let (text, step) = (&failure.text, failure.step);
        let remedy = match failure.verdict {
            Verdict::Later => {
                let why = format!("{text}; what waits is sent later");
                self.report_failure(step, step.remedy(), why, clock);
                let own = self.backoff.failed(Duration::ZERO, (self.random)());
                let asked = failure.asked.map(|asked| {
                    let asked = asked.clamp(SHORTEST_ASKED, LONGEST_ASKED);
                    asked + share(ASKED_SPREAD, (self.random)())
                });
                self.due = Some(Moment(now.0 + asked.unwrap_or(own)));
                return;
            }
            Verdict::TooLarge if count > 1 => {
                self.most = count / 2;
                self.due = Some(now);
                return;
            }
            Verdict::TooLarge => SIZE,
            Verdict::Refused(remedy) => remedy,
        };
        let rounds = self.ring.rounds_of(count);
        let is_refused = failure.verdict != Verdict::TooLarge;
        if is_refused && rounds > 1 && self.stop.is_none() {
            // One of them may be what the server refuses, or it may have begun to work only now.
            self.most = self.ring.entries_of(rounds / 2);
            // Reported only at first: by turns with what is dropped, both would be logged each time.
            if !self.log.is_failing() {
                let why = format!("{text}; what waits is sent again in smaller messages; {remedy}");
                self.report_failure(step, remedy, why, clock);
            }
        } else {
            self.ring.drop_front(count);
            let why = format!("{text}; rounds dropped: {rounds}; {remedy}");
            self.report_failure(step, remedy, why, clock);
        }
        let pause = self.backoff.failed(Duration::ZERO, (self.random)());
        self.due_for_rest(now, pause);
    }

    /// Schedules the next message, if something is left to be sent.
    fn due_for_rest(&mut self, now: Moment, pause: Duration) {
        if self.ring.is_empty() {
            self.most = usize::MAX;
            self.due = None;
            return;
        }
        let pause = match self.stop {
            Some(_) => Duration::ZERO,
            None => pause,
        };
        self.due = Some(Moment(now.0 + pause));
    }

    /// Publishes why nothing can be sent. Logs it and sends it as an event, unless that is known.
    fn report_failure(
        &mut self,
        step: FailedStep,
        remedy: &'static str,
        why: String,
        clock: &dyn Clock,
    ) {
        let delivery = &self.destination.delivery;
        delivery.failed_with(step, remedy, &why, clock);
        let why = format!("{} {why}", self.destination.label);
        if self.log.failed(why.clone()) {
            (self.events)(OtlpEvent::Failing(why));
        }
    }
}

/// The part of `whole` that `random` is of all its values.
fn share(whole: Duration, random: u32) -> Duration {
    let millis = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(millis * u64::from(random) / u64::from(u32::MAX))
}
