//! The fault-injection rig: a poster with its spool, its file and its clocks in a world where servers,
//! disks and clocks fail at random, and in which a day passes in milliseconds.
//!
//! What has to hold at the end: every value measured and still of use was accepted, with the time at
//! which it was measured, except what lay inside the stated window of a kill or a loss of power; none
//! was invented, and none sent again that had been acknowledged to the same process.

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

/// Lives as many seeds as `seeds` has. Returns those in which something was wrong, what, and what had
/// happened.
fn lives(seeds: std::ops::Range<u64>, broken: Broken) -> Vec<(u64, Vec<String>, Vec<String>)> {
    let life = |seed| {
        let (wrong, story) = Rig::new(seed, broken).live();
        (seed, wrong, story)
    };
    let lives = seeds.map(life);
    lives.filter(|(_, wrong, _)| !wrong.is_empty()).collect()
}

fn hold(seeds: std::ops::Range<u64>) {
    let hours = (seeds.end - seeds.start) * HOURS;
    eprintln!("seeds {} to {}: {hours} hours", seeds.start, seeds.end - 1);
    let wrong = lives(seeds, Broken::Not);
    if let Some((.., story)) = wrong.first() {
        eprintln!("{}", story.join("\n"));
    }
    for (seed, what, _) in &wrong {
        eprintln!(
            "seed {seed}: {} wrong, among them {:?}",
            what.len(),
            what.first()
        );
    }
    assert!(wrong.is_empty(), "{} seeds fail", wrong.len());
}

#[test]
fn nothing_is_lost_in_the_first_quarter_of_the_seeds() {
    hold(0..125);
}

#[test]
fn nothing_is_lost_in_the_second_quarter_of_the_seeds() {
    hold(125..250);
}

#[test]
fn nothing_is_lost_in_the_third_quarter_of_the_seeds() {
    hold(250..375);
}

#[test]
fn nothing_is_lost_in_the_last_quarter_of_the_seeds() {
    hold(375..500);
}

#[test]
fn a_day_without_trouble_touches_no_disk() {
    let mut rig = Rig::new(1, Broken::Not);
    rig.world().peace();
    rig.start();
    (0..24 * 60).for_each(|minute| rig.minute(minute));
    assert_eq!(rig.disk.drive().touches, 0);
}

#[test]
fn a_day_without_a_server_writes_little_and_seldom() {
    let mut rig = Rig::new(1, Broken::Not);
    rig.series = 40;
    rig.world().refuse();
    rig.start();
    (0..24 * 60).for_each(|minute| rig.minute(minute));
    let (touches, written) = {
        let drive = rig.disk.drive();
        (drive.touches, drive.written)
    };
    let length = rig.disk.get("spool").unwrap().len();
    eprintln!("{touches} operations, {written} bytes written, {length} bytes of a file");
    // Two operations every five minutes, and a few to make the file.
    assert!(touches < 2 * 24 * 12 + 8, "{touches}");
    assert!(written < 1 << 20 && length < 1 << 20, "{written} {length}");
}

#[test]
fn a_program_that_is_broken_is_noticed() {
    for broken in [
        Broken::NoSync,
        Broken::NoHalves,
        Broken::Late,
        Broken::Gullible,
    ] {
        assert!(!lives(0..20, broken).is_empty(), "{broken:?}");
    }
}
