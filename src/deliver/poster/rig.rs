//! The fault-injection rig: a poster with its spool, its file and its clocks. Servers, disks and
//! clocks fail at random, and a day passes in milliseconds.
//!
//! What has to hold at the end:
//! - Every value that was measured and is still of use was accepted, with the time of its
//!   measurement. Exempt is what lay inside the stated window of a kill or a loss of power.
//! - No value was invented. None was sent again that had been acknowledged to the same process.
//! - The first round after a crash is saved whatever the window.
//! - A stop whose values are in the file does not wait for the server.
//! - One process creates one host.
//! - As long as the error of a wrong clock does not change, the server is asked for the time once.

mod lanes;
mod lives;
mod world;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::fault::Mutant;
use super::*;
use crate::base::values::Values;
use crate::deliver::cloud_lookup::{CloudLookup, Look};
use crate::sys::journal::testing::{Mood, ScriptedDisk};
use crate::sys::state::State;
use crate::wire::check::{CheckStatus, Report};
use crate::wire::host::HostParam;
use world::{Exchanger, World};

/// Hours that one seed simulates.
const HOURS: u64 = 22;
/// Seconds at the end during which nothing fails.
const PEACE: u64 = 2 * 60 * 60;
const WINDOW: u64 = 5 * 60;
const ROOT: &str = "/root";

/// A fault of the program.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Broken {
    Not,
    /// It does not sync.
    NoSync,
    /// It drops a rejected batch as a whole.
    NoHalves,
    /// It writes too late.
    Late,
    /// It considers every clock right.
    Gullible,
    /// It asks for the time repeatedly while its clock is wrong.
    Doubting,
    /// It writes the first round after a crash no sooner than other rounds.
    Calm,
    /// At a stop, it tries to send what is in the file until its time is over.
    Stubborn,
    /// It creates another host without a search for the first.
    Careless,
}

/// The result of a simulated life.
struct Life {
    /// The violations.
    wrong: Vec<String>,
    /// The log of events.
    story: Vec<String>,
    requests: u64,
    /// Digest of all requests. It stays the same as long as no request changes.
    digest: u64,
}

struct Rig {
    world: Arc<Mutex<World>>,
    disk: ScriptedDisk,
    state: tempfile::TempDir,
    broken: Broken,
    poster: Option<Poster>,
    /// Whether the last process ended otherwise than by a stop.
    was_killed: bool,
    /// Number of rounds that this process has measured.
    rounds: u64,
    /// Number of values in a round.
    series: u64,
    next_value: u64,
    /// Whether checks report at random.
    has_reports: bool,
    /// Above all numbers of values, so that the two never meet.
    next_report: u64,
    /// The configuration.
    config: &'static str,
    /// The fault of a lane.
    fault: Option<(usize, Mutant)>,
    /// Number of steps of the poster.
    steps: u64,
}

/// A look-up that finds at once that the host is in no cloud.
fn nowhere() -> Look {
    Box::new(|_| Some(Ok(Default::default())))
}

struct RigClock(Arc<Mutex<World>>);

impl Clock for RigClock {
    fn wall(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().wall())
    }

    fn moment(&self) -> Moment {
        Moment(Duration::from_secs(self.0.lock().unwrap().elapsed))
    }

    fn age(&self) -> u64 {
        self.0.lock().unwrap().age()
    }

    fn is_synchronised(&self) -> bool {
        self.0.lock().unwrap().is_synchronised
    }
}

impl Rig {
    fn new(seed: u64, broken: Broken) -> Rig {
        let disk = ScriptedDisk::default();
        disk.drive().is_deaf = broken == Broken::NoSync;
        let state = tempfile::tempdir().unwrap();
        let mut world = World::new(seed);
        if seed.is_multiple_of(3) {
            // A new host, with a server that may fail from the first minute.
            world.face_until = 0
        } else {
            State::at(state.path()).save_host_id(world::ID).unwrap()
        }
        Rig {
            world: Arc::new(Mutex::new(world)),
            disk,
            state,
            broken,
            poster: None,
            was_killed: false,
            rounds: 0,
            series: 3,
            next_value: 0,
            has_reports: true,
            next_report: 1 << 40,
            config: "",
            fault: None,
            steps: 0,
        }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn random(&self, limit: u64) -> u64 {
        self.world().random(limit)
    }

    fn start(&mut self) {
        let clock = RigClock(Arc::clone(&self.world));
        let state = State::at(self.state.path());
        self.world().process += 1;
        self.world().is_new_process();
        self.world().tell("starts".to_owned());
        if self.disk.drive().mood == Mood::Denied {
            // A file that cannot be read is left alone. The next process may be able to read it.
            self.disk.drive().mood = Mood::ReadOnly;
        }
        let mut config = Config::default();
        config.read(self.config.as_bytes()).unwrap();
        let mut poster = Poster::new(
            Api::new(Box::new(Exchanger(Arc::clone(&self.world)))),
            Registration::new(state, None, CloudLookup::new(nowhere())).unwrap(),
            Box::new(|_, _| Ok(HostParam::default())),
            config,
            Box::new(|_| ()),
            || u32::MAX / 2,
            clock.moment(),
        );
        poster.lanes.values.spool.never_halves = self.broken == Broken::NoHalves;
        poster.fault.lane = self.fault;
        poster.fault.is_stubborn = self.broken == Broken::Stubborn;
        poster.context.registration.is_careless = self.broken == Broken::Careless;
        self.rounds = 0;
        let id = State::at(self.state.path()).host_id().unwrap();
        let window = match self.broken {
            Broken::Late => 60 * 60,
            _ => WINDOW,
        };
        let mut persister = Persister::open(
            Box::new(self.disk.clone()),
            (Path::new(ROOT), "spool"),
            Duration::from_secs(window),
            self.world().boot,
            id.as_deref(),
        );
        if self.was_killed && self.broken != Broken::Calm {
            persister = persister.hasty();
        }
        self.poster = Some(poster.keep_with(persister, &clock));
    }

    /// Advances time until `end`, or until the poster ends.
    fn run_until(&mut self, end: u64) -> Option<Outcome> {
        let clock = RigClock(Arc::clone(&self.world));
        while self.world().elapsed < end {
            let Some(poster) = &mut self.poster else {
                self.world().elapsed = end;
                break;
            };
            let before = clock.moment();
            let next = poster.step(&clock);
            self.steps += 1;
            if poster.context.trust.is_sure() {
                let mut world = self.world();
                let trusted = (world.boot, world.process);
                world.trusted.insert(trusted);
            }
            let mut world = self.world.lock().unwrap();
            let left = end.saturating_sub(world.elapsed);
            match next {
                Next::End(outcome) => return Some(outcome),
                Next::Rest => world.elapsed += left,
                Next::Pause(pause) => {
                    let seconds =
                        u64::try_from(pause.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
                    // A step that does nothing and does not wait would be repeated for ever.
                    let least = u64::from(before.0.as_secs() == world.elapsed && pause.is_zero());
                    world.elapsed += seconds.max(least).min(left);
                }
            }
        }
        None
    }

    /// One minute of an agent, or of a host without one.
    fn minute(&mut self, minute: u64) {
        let clock = RigClock(Arc::clone(&self.world));
        let broken = self.broken;
        let is_first = self.was_killed && self.rounds == 0 && self.disk.drive().mood == Mood::Well;
        self.rounds += u64::from(self.poster.is_some());
        if let Some(poster) = &mut self.poster {
            let now = clock.stamp();
            if broken == Broken::Doubting {
                poster.context.trust.forget_shown();
            }
            let stamp = match broken {
                // As if the clock had always been right.
                Broken::Gullible => {
                    poster.context.trust.ask_kernel(now, true);
                    now
                }
                _ => now.at(now.wall.minute()),
            };
            let mut values = Values::default();
            for series in 0..self.series {
                values.put(format!("s{series}"), self.next_value as f64);
                let mut world = self.world.lock().unwrap();
                world.measure(self.next_value, is_first);
                self.next_value += 1;
            }
            poster.on_command(PosterCommand::Round(stamp, None, values.into()), &clock);
        }
        if self.poster.is_some() && self.has_reports && self.random(20) == 0 {
            self.report();
        }
        let end = (minute + 1) * 60;
        if let Some(Outcome::Refused(_)) = self.run_until(end) {
            // As a supervisor would restart it, but later.
            self.ends();
            self.was_killed = true;
            if self.disk.drive().mood != Mood::Well {
                self.world().killed();
            }
            self.world().restart_at = Some(minute + 5);
            self.run_until(end);
        }
    }

    /// A check reports.
    fn report(&mut self) {
        let clock = RigClock(Arc::clone(&self.world));
        let report = Report {
            name: format!("c{}", self.next_report),
            status: CheckStatus::Warning,
            message: "m".to_owned(),
            occurred_at: clock.unix(),
            notification_interval: None,
            max_check_attempts: None,
        };
        self.world().measure(self.next_report, false);
        self.next_report += 1;
        if let Some(poster) = &mut self.poster {
            let order = PosterCommand::Report {
                destination: None,
                report,
                began: clock.stamp(),
                is_urgent: true,
            };
            poster.on_command(order, &clock);
        }
    }

    /// Kills the process. What was only in its memory is lost.
    fn kill(&mut self, loses_power: bool) {
        self.world()
            .tell(format!("killed, power lost: {loses_power}"));
        self.ends();
        self.was_killed = true;
        self.world().killed();
        if loses_power {
            let world = Arc::clone(&self.world);
            let mut random = |limit: usize| {
                let limit = u64::try_from(limit).unwrap();
                usize::try_from(world.lock().unwrap().random(limit)).unwrap()
            };
            self.disk.lose_power(&mut random);
            self.world().boots();
        }
    }

    /// Ends the process. A process without an id may have created a host.
    fn ends(&mut self) {
        self.poster = None;
        let id = State::at(self.state.path()).host_id().unwrap();
        self.world().nameless_ends += usize::from(id.is_none());
    }

    /// Sends the command to stop, and lets the process use the time that it has.
    fn stop(&mut self) {
        let clock = RigClock(Arc::clone(&self.world));
        let limit = self.world().elapsed + 30;
        self.world().tell("told to stop".to_owned());
        if let Some(poster) = &mut self.poster {
            poster.on_command(
                PosterCommand::Stop(Moment(Duration::from_secs(limit))),
                &clock,
            );
        }
        let outcome = self.run_until(limit + 60);
        let is_well = self.disk.drive().mood == Mood::Well;
        let took = self.world().elapsed + 30 - limit;
        if is_well && took > 2 && self.world().fails_at_once() {
            self.world()
                .violations
                .push(format!("a stop that takes {took} s"));
        }
        if is_well && matches!(outcome, Some(Outcome::Undelivered { .. })) {
            self.world()
                .violations
                .push("a stop that keeps nothing".to_owned());
        }
        self.ends();
        self.was_killed = false;
        if !is_well {
            self.world().killed();
        }
    }

    /// Injects or ends the failures of this minute.
    fn fate(&mut self, minute: u64) {
        self.world().turn(minute);
        let restart = self.world().restart_at;
        if restart.is_some_and(|at| at <= minute) {
            self.world().restart_at = None;
            self.start();
        }
        if self.poster.is_none() {
            return;
        }
        // A process that has crashed is likely to crash again soon.
        let is_looping = self.was_killed && self.rounds < 4 && self.random(3) == 0;
        match self.random(400) {
            _ if is_looping => self.kill(false),
            0 => self.kill(false),
            1 => self.kill(true),
            2 => self.stop(),
            3 => {
                let moods = [
                    Mood::Full(1_000),
                    Mood::ReadOnly,
                    Mood::Denied,
                    Mood::Failing,
                ];
                let mood = moods[usize::try_from(self.random(4)).unwrap()];
                self.disk.drive().mood = mood;
                self.world().tell(format!("the disk is {mood:?}"));
                self.world().is_disk_well(false);
            }
            4 => self.world().jump(),
            5 => {
                // A bit flips, which is detected at the next start.
                let file = self.disk.get("spool").filter(|file| !file.is_empty());
                if let Some(mut file) = file {
                    let at = self.random(file.len() as u64);
                    file[usize::try_from(at).unwrap()] ^= 4;
                    self.disk.put("spool", &file);
                    self.kill(false);
                    self.world().rotten += 1;
                    self.world().tell("a bit has rotted".to_owned());
                }
            }
            _ => {}
        }
        if self.poster.is_none() {
            let pause = self.random(5);
            self.world().restart_at = Some(minute + pause);
        }
        if self.random(60) == 0 && self.disk.drive().mood != Mood::Well {
            self.disk.drive().mood = Mood::Well;
            self.world().is_disk_well(true);
            self.world().tell("the disk is well".to_owned());
        }
    }

    /// Simulates [`HOURS`].
    fn live(mut self) -> Life {
        self.start();
        for minute in 0..HOURS * 60 {
            if minute * 60 + PEACE < HOURS * 60 * 60 {
                self.fate(minute);
            } else {
                self.disk.drive().mood = Mood::Well;
                self.world().peace();
                if self.poster.is_none() {
                    self.start();
                }
            }
            self.minute(minute);
        }
        let length = self.disk.get("spool").map_or(0, |file| file.len());
        let mut world = self.world();
        if length > 0 {
            world
                .violations
                .push(format!("{length} bytes are left on the disk"));
        }
        world.judge();
        Life {
            wrong: world.violations.clone(),
            story: world.story.clone(),
            requests: world.requests,
            digest: world.digest,
        }
    }
}
