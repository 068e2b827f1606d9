//! The environment of the program: true time, the host's clocks, the server, and a record of
//! everything that was measured and accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::WINDOW;
use crate::base::clock::Unix;
use crate::sys::http::{Answer, Exchange, LinkError, Method, Request};

pub(super) const ID: &str = "xxx1234567890";
/// The path at which hosts are created.
const HOSTS: &str = "/api/v0/hosts";
/// Part of a request that looks a host up by its identifier.
pub(super) const LOOKUP: &str = "?customIdentifier=";
/// The host that such a look-up finds at first.
pub(super) const OTHER: &str = "yyy1234567890";
/// Number of requests about the host that a process may make while no clock changes: one for the
/// registration, one for the time, and one more where a request takes long.
const QUESTIONS: usize = 3;
/// Unix time at which a life begins.
const BEGIN: u64 = 1_750_000_020;
/// Maximum duration of a request in seconds.
const LIMIT: u64 = 30;
/// Seconds by which a time may be off. Clocks that differ by less agree, and a round has the time
/// at which its minute began.
const BLUR: u64 = 121;
/// Maximum number of values that one damaged record may cost: ten rounds, and a report or two.
const RECORD: usize = 32;

/// How the server handles a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Face {
    Well,
    Slow,
    Refusing,
    /// It accepts the request and does not answer.
    Silent,
    /// It accepts nothing and does not answer.
    Deaf,
    Status(u16),
    Redirecting,
    /// It answers with a page, as a login page does.
    Foreign,
    /// It rejects some values.
    Picky,
}

const FACES: [Face; 16] = [
    Face::Well,
    Face::Slow,
    Face::Refusing,
    Face::Silent,
    Face::Deaf,
    Face::Redirecting,
    Face::Foreign,
    Face::Picky,
    Face::Picky,
    Face::Status(401),
    Face::Status(403),
    Face::Status(404),
    Face::Status(408),
    Face::Status(429),
    Face::Status(500),
    Face::Status(503),
];

pub(super) struct Measured {
    /// True time.
    at: u64,
    boot: u128,
    process: u64,
    /// The times under which the server has accepted it.
    accepted: BTreeSet<u64>,
    /// The process that received the acknowledgement.
    acknowledged: Option<u64>,
    /// Whether it may be lost.
    is_excused: bool,
    /// Whether it is written at once. If so, no end of the process excuses its loss.
    is_first: bool,
}

/// A request that the server has handled.
pub(super) struct Met {
    pub(super) at: u64,
    pub(super) line: String,
    pub(super) body: String,
    /// Whether the server did what was requested, and confirmed it.
    pub(super) is_done: bool,
}

pub(super) struct World {
    state: u64,
    /// Seconds since the beginning.
    pub(super) elapsed: u64,
    /// Error of the wall clock in seconds.
    pub(super) error: i64,
    pub(super) is_synchronised: bool,
    /// Seconds for which both clocks of the host stood still.
    pub(super) paused: u64,
    /// When the wall clock is set right.
    mended_at: u64,
    pub(super) boot: u128,
    booted: u64,
    /// Boots, and the processes in them for which the time was known. Earlier processes of a boot
    /// get their times from them.
    pub(super) trusted: BTreeSet<(u128, u64)>,
    pub(super) process: u64,
    pub(super) face: Face,
    /// When the behaviour of the server changes, in minutes.
    pub(super) face_until: u64,
    /// Number of bad behaviours in a row.
    bad_faces: u32,
    pub(super) restart_at: Option<u64>,
    /// When hosts were created, by true time.
    created: Vec<u64>,
    /// Number of processes that ended without an id: each may have created a host.
    pub(super) nameless_ends: usize,
    /// Number of requests about the host since a change of a clock or of the process.
    questions: usize,
    /// Since when the disk has failed, and until when.
    disk_failed: Option<(u64, u64)>,
    pub(super) rotten: usize,
    things: BTreeMap<u64, Measured>,
    /// Requests that the program has made.
    pub(super) requests: u64,
    /// FNV-1a of the second, the line and the body of each of them.
    pub(super) digest: u64,
    /// The recorded requests; `None` if they are not recorded.
    pub(super) record: Option<Vec<Met>>,
    /// Until when look-ups of hosts by identifier fail.
    pub(super) lookups_fail_until: u64,
    /// The id of the host that such look-ups find. What is sent to [`OTHER`] is refused if this is
    /// another one.
    pub(super) other: &'static str,
    /// Seconds that the next request takes.
    pub(super) hang: u64,
    pub(super) violations: Vec<String>,
    /// The log of events, for the analysis of a seed.
    pub(super) story: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64) -> World {
        World {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            elapsed: 0,
            error: 0,
            is_synchronised: true,
            paused: 0,
            mended_at: 0,
            boot: 1,
            booted: 0,
            trusted: BTreeSet::new(),
            process: 0,
            face: Face::Well,
            face_until: 10,
            bad_faces: 0,
            restart_at: None,
            created: Vec::new(),
            nameless_ends: 0,
            questions: 0,
            disk_failed: None,
            rotten: 0,
            things: BTreeMap::new(),
            requests: 0,
            digest: 0xcbf2_9ce4_8422_2325,
            record: None,
            lookups_fail_until: 0,
            other: OTHER,
            hang: 0,
            violations: Vec::new(),
            story: Vec::new(),
        }
    }

    pub(super) fn tell(&mut self, what: String) {
        self.story.push(format!("{} {what}", self.elapsed));
    }

    /// A number below `limit`.
    pub(super) fn random(&mut self, limit: u64) -> u64 {
        for (left, right) in [(13, 7), (17, 5)] {
            self.state ^= self.state << left;
            self.state ^= self.state >> right;
        }
        (self.state >> 20) % limit.max(1)
    }

    pub(super) fn time(&self) -> u64 {
        BEGIN + self.elapsed + self.paused
    }

    pub(super) fn wall(&self) -> u64 {
        (self.time() - self.paused).saturating_add_signed(self.error)
    }

    pub(super) fn age(&self) -> u64 {
        self.elapsed - self.booted + 20
    }

    pub(super) fn measure(&mut self, number: u64, is_first: bool) {
        let thing = Measured {
            at: self.time(),
            boot: self.boot,
            process: self.process,
            accepted: BTreeSet::new(),
            acknowledged: None,
            is_excused: false,
            is_first,
        };
        self.things.insert(number, thing);
    }

    /// Advances the world to this minute: the server may change, and the clock may be set right.
    pub(super) fn turn(&mut self, minute: u64) {
        if self.error != 0 && self.elapsed >= self.mended_at {
            self.error = 0;
            self.is_synchronised = true;
            self.questions = 0;
        }
        if minute < self.face_until {
            return;
        }
        let is_good = self.bad_faces >= 3 || self.random(3) == 0;
        self.bad_faces = if is_good { 0 } else { self.bad_faces + 1 };
        self.face = if is_good {
            Face::Well
        } else {
            FACES[usize::try_from(self.random(FACES.len() as u64)).unwrap()]
        };
        self.tell(format!("the server is {:?}", self.face));
        self.face_until = minute + if is_good { 50 } else { 1 } + self.random(50);
    }

    /// Ends all failures.
    pub(super) fn peace(&mut self) {
        self.face = Face::Well;
        self.error = 0;
        self.is_synchronised = true;
        self.disk_failed = None;
    }

    /// Whether every request fails at once.
    pub(super) fn fails_at_once(&self) -> bool {
        matches!(
            self.face,
            Face::Refusing | Face::Redirecting | Face::Foreign | Face::Status(_)
        )
    }

    /// Refuses all connections from now on.
    pub(super) fn refuse(&mut self) {
        self.face = Face::Refusing;
        self.face_until = u64::MAX;
    }

    pub(super) fn is_disk_well(&mut self, is_well: bool) {
        let now = self.elapsed;
        self.disk_failed = match (is_well, self.disk_failed) {
            (false, Some((since, until))) if until == u64::MAX || until + 400 > now => {
                Some((since, u64::MAX))
            }
            (false, _) => Some((now, u64::MAX)),
            (true, Some((since, _))) => Some((since, now)),
            (true, None) => None,
        };
    }

    /// Records the death of the process: what was only in its memory may be lost.
    pub(super) fn killed(&mut self) {
        let now = self.elapsed;
        let since = match self.disk_failed {
            // Until the disk has been tried again.
            Some((since, until)) if until == u64::MAX || until + WINDOW + LIMIT > now => {
                since.saturating_sub(WINDOW)
            }
            _ => now.saturating_sub(WINDOW),
        };
        let recent = self
            .things
            .values_mut()
            .filter(|thing| thing.at - BEGIN >= since && !thing.is_first);
        recent.for_each(|thing| thing.is_excused = true);
    }

    /// Boots the host, perhaps with a wrong clock.
    pub(super) fn boots(&mut self) {
        self.boot += 1;
        self.questions = 0;
        self.booted = self.elapsed;
        if self.random(2) == 0 {
            let errors = [-3_600, -86_400, 7_200, -1_000_000_000, 600];
            self.error = errors[usize::try_from(self.random(5)).unwrap()];
            self.is_synchronised = false;
            self.mended_at = self.elapsed + self.random(3_600);
            self.tell(format!(
                "boots with a clock off by {} until {}",
                self.error, self.mended_at
            ));
        } else {
            self.error = 0;
            self.is_synchronised = true;
        }
    }

    /// Starts the count of requests about the host again for a new process.
    pub(super) fn is_new_process(&mut self) {
        self.questions = 0;
    }

    /// Sets the wall clock to a wrong time.
    pub(super) fn jump(&mut self) {
        let errors = [-7_200, 3_600, 300, -300];
        self.error = errors[usize::try_from(self.random(4)).unwrap()];
        self.is_synchronised = false;
        self.questions = 0;
        self.mended_at = self.elapsed + self.random(7_200);
        self.tell(format!(
            "clock set off by {} until {}",
            self.error, self.mended_at
        ));
    }

    fn is_bad(&self, number: u64) -> bool {
        number.is_multiple_of(97) && number < 1 << 40
    }

    /// Answers a request.
    fn meet(&mut self, method: Method, path: &str, body: &str) -> Option<(u16, Option<u64>)> {
        self.requests += 1;
        for byte in format!("{} {method:?} {path} {body}", self.elapsed).bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
        self.elapsed += std::mem::take(&mut self.hang);
        let at = self.elapsed;
        let answer = self.answer(method, path, body);
        if let Some(record) = &mut self.record {
            record.push(Met {
                at,
                line: format!("{method:?} {path}"),
                body: body.to_owned(),
                is_done: answer == Some((200, None)),
            });
        }
        answer
    }

    fn answer(&mut self, method: Method, path: &str, body: &str) -> Option<(u16, Option<u64>)> {
        let things = things(path, body);
        if path.contains(LOOKUP) && self.elapsed < self.lookups_fail_until {
            return Some((503, None));
        }
        if self.other != OTHER && body.contains(OTHER) {
            return Some((404, None));
        }
        let is_creation = method == Method::Post && path == HOSTS;
        let takes = |world: &mut World, is_told: bool| {
            if is_creation {
                let now = world.time();
                world.created.push(now);
            }
            for (number, time) in &things {
                world.accept(*number, *time, is_told);
            }
        };
        match self.face {
            Face::Well => {}
            Face::Slow => self.elapsed += 1 + self.random(20),
            Face::Refusing => return None,
            Face::Silent => {
                takes(self, false);
                self.elapsed += LIMIT;
                return None;
            }
            Face::Deaf => {
                self.elapsed += LIMIT;
                return None;
            }
            // A refusal during the registration ends the agent. That is not tested here.
            Face::Status(status) => return Some((status, (status == 429).then_some(90))),
            Face::Redirecting => return Some((302, None)),
            Face::Foreign if is_creation => {
                takes(self, false);
                return Some((299, None));
            }
            Face::Foreign => return Some((299, None)),
            Face::Picky if things.iter().any(|(number, _)| self.is_bad(*number)) => {
                return Some((400, None));
            }
            Face::Picky => {}
        }
        takes(self, true);
        if method == Method::Get && !path.contains('?') {
            self.questions += 1;
            if self.questions > QUESTIONS {
                let asked = self.questions;
                self.violations
                    .push(format!("asked for the time {asked} times"));
            }
        }
        Some((200, None))
    }

    /// The id of the host with this place in the order of creation, from 0 on.
    fn id(number: usize) -> String {
        match number {
            0 => ID.to_owned(),
            number => format!("{ID}-{number}"),
        }
    }

    /// The existing hosts, in the form that a look-up returns.
    fn hosts(&self) -> String {
        let hosts = self.created.iter().enumerate().map(|(number, at)| {
            let id = World::id(number);
            format!(r#"{{"id":"{id}","name":"","status":"working","createdAt":{at}}}"#)
        });
        hosts.collect::<Vec<_>>().join(",")
    }

    fn accept(&mut self, number: u64, time: u64, is_told: bool) {
        let process = self.process;
        let Some(thing) = self.things.get_mut(&number) else {
            self.violations.push(format!("{number} was never measured"));
            return;
        };
        thing.accepted.insert(time);
        if thing.acknowledged == Some(process) {
            self.violations.push(format!("{number} is sent again"));
        }
        if is_told {
            thing.acknowledged = Some(process);
        }
    }

    /// Whether the time of this was known to its process or to a later one of the same boot.
    fn is_trusted(&self, thing: &Measured) -> bool {
        let since = (thing.boot, thing.process);
        let mut known = self.trusted.range(since..=(thing.boot, u64::MAX));
        known.next().is_some()
    }

    /// Records the violations.
    pub(super) fn judge(&mut self) {
        let now = self.time();
        if self.created.len() > 1 + self.nameless_ends {
            let (created, ends) = (self.created.len(), self.nameless_ends);
            self.violations.push(format!(
                "{created} hosts created, {ends} ends without an id"
            ));
        }
        let mut missing = Vec::new();
        for (number, thing) in &self.things {
            let wrong = thing
                .accepted
                .iter()
                .find(|time| time.abs_diff(thing.at) > BLUR);
            if let Some(wrong) = wrong {
                let off = wrong.cast_signed() - thing.at.cast_signed();
                self.violations
                    .push(format!("{number} has a time that is off by {off}"));
            }
            let is_excused = thing.is_excused
                || self.is_bad(*number)
                || thing.at + 120 > now
                || (thing.boot != self.boot && !self.is_trusted(thing));
            if thing.accepted.is_empty() && !is_excused {
                missing.push((*number, thing.at - BEGIN));
            }
        }
        if missing.len() > self.rotten * RECORD {
            let first: Vec<_> = missing.iter().take(5).collect();
            self.violations
                .push(format!("{} are missing: {first:?}", missing.len()));
        }
    }
}

/// The numbers and times in a request.
pub(super) fn things(path: &str, body: &str) -> Vec<(u64, u64)> {
    let number = |text: &str, key: &str| -> u64 {
        let (_, rest) = text.split_once(key).unwrap();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap();
        rest[..end].parse().unwrap()
    };
    match path {
        "/api/v0/tsdb" => body
            .split('{')
            .skip(1)
            .map(|value| (number(value, "\"value\":"), number(value, "\"time\":")))
            .collect(),
        "/api/v0/monitoring/checks/report" => body
            .split("\"name\":\"")
            .skip(1)
            .map(|report| (number(report, "c"), number(report, "\"occurredAt\":")))
            .collect(),
        _ => Vec::new(),
    }
}

/// The server, as the program sees it.
pub(super) struct Exchanger(pub(super) Arc<Mutex<World>>);

impl Exchange for Exchanger {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let mut world = self.0.lock().unwrap();
        let body = request.text();
        let is_refused = world.face == Face::Refusing;
        let Some((status, retry)) = world.meet(request.method, request.path, body) else {
            return Err(if is_refused {
                LinkError::for_test("no connection")
            } else {
                LinkError::lost_for_test()
            });
        };
        let asked = request
            .path
            .strip_prefix("/api/v0/hosts/")
            .and_then(|rest| rest.split('/').next());
        let id = match asked {
            Some(id) => id.to_owned(),
            None => World::id(world.created.len().saturating_sub(1)),
        };
        let hosts = if request.path.contains(LOOKUP) {
            let other = world.other;
            format!(r#"{{"id":"{other}","name":"o","status":"working"}}"#)
        } else {
            world.hosts()
        };
        let body = match status {
            299 => "<html>".to_owned(),
            _ => format!(
                r#"{{"id":"{id}","host":{{"id":"{id}","name":"n","status":"working"}},"hosts":[{hosts}]}}"#
            ),
        };
        Ok(Answer {
            status,
            body,
            encoding: None,
            retry_after: retry.map(Duration::from_secs),
            location: None,
            date: Some(Unix(world.time())),
        })
    }
}
