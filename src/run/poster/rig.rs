//! The fault-injection rig: a poster with its spool, its file and its clocks in a world where servers,
//! disks and clocks fail at random, and in which a day passes in milliseconds.
//!
//! What has to hold at the end: every value measured and still of use was accepted, with the time at
//! which it was measured, except what lay inside the stated window of a kill or a loss of power; none
//! was invented, and none sent again that had been acknowledged to the same process.

mod lives;
mod world;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::*;
use crate::collect::Values;
use crate::run::whereabouts::{Look, Whereabouts};
use crate::sys::journal::testing::{Mood, ScriptedDisk};
use crate::sys::state::State;
use crate::wire::check::{Report, Status};
use crate::wire::host::HostParam;
use world::{Exchanger, World};

/// Hours that one seed simulates.
const HOURS: u64 = 22;
/// Seconds at the end during which nothing fails.
const PEACE: u64 = 2 * 60 * 60;
const WINDOW: u64 = 5 * 60;
const ROOT: &str = "/root";

/// A way in which the program is broken on purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Broken {
    Not,
    /// It does not sync.
    NoSync,
    /// It drops what is refused as a whole.
    NoHalves,
    /// It writes too late.
    Late,
    /// It takes every clock to be right.
    Gullible,
}

struct Rig {
    world: Arc<Mutex<World>>,
    disk: ScriptedDisk,
    state: tempfile::TempDir,
    broken: Broken,
    poster: Option<Poster>,
    /// Values in a round.
    series: u64,
    next_value: u64,
    /// Numbers of reports start where those of values never are.
    next_report: u64,
}

/// Finds out at once that the host is in no cloud.
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
        State::at(state.path()).save_host_id(world::ID).unwrap();
        Rig {
            world: Arc::new(Mutex::new(World::new(seed))),
            disk,
            state,
            broken,
            poster: None,
            series: 3,
            next_value: 0,
            next_report: 1 << 40,
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
        self.world().tell("starts".to_owned());
        if self.disk.drive().mood == Mood::Denied {
            // What it cannot read it leaves alone, and the next process may.
            self.disk.drive().mood = Mood::ReadOnly;
        }
        let mut poster = Poster::new(
            Api::new(Box::new(Exchanger(Arc::clone(&self.world)))),
            Registration::new(state, None, Whereabouts::new(nowhere())).unwrap(),
            Box::new(|_, _| Ok(HostParam::default())),
            Config::default(),
            Box::new(|_| ()),
            || u32::MAX / 2,
            clock.moment(),
        );
        poster.spool.never_halves = self.broken == Broken::NoHalves;
        let window = match self.broken {
            Broken::Late => 60 * 60,
            _ => WINDOW,
        };
        let keeper = Keeper::open(
            Box::new(self.disk.clone()),
            Path::new(ROOT),
            Duration::from_secs(window),
            self.world().boot,
            Some(world::ID),
        );
        self.poster = Some(poster.keep_with(keeper, &clock));
    }

    /// Lets time pass until `end`, or until the poster ends.
    fn run_until(&mut self, end: u64) -> Option<Outcome> {
        let clock = RigClock(Arc::clone(&self.world));
        while self.world().elapsed < end {
            let Some(poster) = &mut self.poster else {
                self.world().elapsed = end;
                break;
            };
            let before = clock.moment();
            let next = poster.step(&clock);
            if poster.trust.is_sure() {
                let boot = self.world().boot;
                self.world().trusted_boots.insert(boot);
            }
            let mut world = self.world.lock().unwrap();
            let left = end.saturating_sub(world.elapsed);
            match next {
                Next::End(outcome) => return Some(outcome),
                Next::Rest => world.elapsed += left,
                Next::Pause(pause) => {
                    let seconds = pause.as_millis().div_ceil(1_000);
                    let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                    // A step that did nothing and does not wait would go on for ever.
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
        if let Some(poster) = &mut self.poster {
            let now = clock.stamp();
            let stamp = match broken {
                // As if what the clock says had always been so.
                Broken::Gullible => {
                    poster.trust.ask_kernel(now, true);
                    now
                }
                _ => now.at(now.wall.minute()),
            };
            let mut values = Values::default();
            for series in 0..self.series {
                values.put(format!("s{series}"), self.next_value as f64);
                self.world.lock().unwrap().measure(self.next_value);
                self.next_value += 1;
            }
            poster.take(Order::Round(stamp, None, values), &clock);
            if self.world.lock().unwrap().random(20) == 0 {
                let report = Report {
                    name: format!("c{}", self.next_report),
                    status: Status::Warning,
                    message: "m".to_owned(),
                    occurred_at: clock.unix(),
                    notification_interval: None,
                    max_check_attempts: None,
                };
                self.world.lock().unwrap().measure(self.next_report);
                self.next_report += 1;
                let order = Order::Report {
                    destination: None,
                    report,
                    is_urgent: true,
                };
                poster.take(order, &clock);
            }
        }
        let end = (minute + 1) * 60;
        if let Some(Outcome::Refused(_)) = self.run_until(end) {
            // As a supervisor would, but later.
            self.poster = None;
            if self.disk.drive().mood != Mood::Well {
                self.world().killed();
            }
            self.world().restart_at = Some(minute + 5);
            self.run_until(end);
        }
    }

    /// The process dies, with whatever it had in memory.
    fn kill(&mut self, loses_power: bool) {
        self.world()
            .tell(format!("killed, power lost: {loses_power}"));
        self.poster = None;
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

    /// The process is told to end, and given the time.
    fn stop(&mut self) {
        let clock = RigClock(Arc::clone(&self.world));
        let limit = self.world().elapsed + 30;
        self.world().tell("told to stop".to_owned());
        if let Some(poster) = &mut self.poster {
            poster.take(Order::Stop(Moment(Duration::from_secs(limit))), &clock);
        }
        let outcome = self.run_until(limit + 60);
        let is_well = self.disk.drive().mood == Mood::Well;
        if is_well && matches!(outcome, Some(Outcome::Undelivered { .. })) {
            self.world()
                .violations
                .push("a stop that keeps nothing".to_owned());
        }
        self.poster = None;
        if !is_well {
            self.world().killed();
        }
    }

    /// What goes wrong in this minute, or is mended.
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
        match self.random(400) {
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
                // A bit rots, which is noticed at the next start.
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

    /// A life of [`HOURS`]. Returns what should not have been, and what has happened.
    fn live(mut self) -> (Vec<String>, Vec<String>) {
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
        (world.violations.clone(), world.story.clone())
    }
}
