//! The main loop, with a poster that only records its commands.

use std::fs;
use std::sync::Arc;

use super::ending::{END_GRACE, ONE_STOP};
use super::*;
use crate::agent::destinations::Destination;
use crate::agent::event::plugin_events;
use crate::base::channel::channel;
use crate::base::clock::{FakeClock, HostClock, Unix};
use crate::base::values::Values;
use crate::plugins::work::Words;
use crate::sys::bootclock::BootClock;
use crate::sys::fsstat::FsStats;
use crate::sys::http::cancel::CancelToken;
use crate::sys::root::Root;

mod organizations;

/// The channels and the clock of an agent.
struct Rig {
    tell: Sender<Event>,
    events: Receiver<Event>,
    orders: Receiver<PosterCommand>,
    clock: FakeClock,
}

impl Rig {
    /// An agent with this configuration, two minutes after the epoch, and its rig.
    fn agent<'a>(flags: &'a Flags, config: &Config) -> (Agent<'a>, Rig) {
        let (tell, events) = channel();
        let (tell_poster, orders) = channel();
        let clock = FakeClock::default();
        clock.pass(Duration::from_secs(120));
        let measure = Measure::new(
            config,
            Root::at("tests/fixtures/two-core/t0"),
            FsStats::new(&Root::own()),
        );
        let notify = Notify::silent();
        let plugins = Plugins::new(
            config,
            BootClock(HostClock::new()),
            plugin_events(tell.clone()),
            clock.moment(),
        )
        .unwrap();
        let destination = Destination::new(None, tell_poster, CancelToken::default());
        let destinations = Destinations::new(vec![destination]);
        let exporters = Exporters::new(Box::new(|_, _| Ok(channel().0)));
        let agent = Agent::new(
            flags,
            config.clone(),
            measure,
            plugins,
            destinations,
            exporters,
            notify,
        );
        let rig = Rig {
            tell,
            events,
            orders,
            clock,
        };
        (agent, rig)
    }

    fn happens(&self, event: Event) {
        self.tell.send(event).unwrap();
    }

    /// The names of the commands sent to the poster since the last call.
    fn orders(&self) -> Vec<&'static str> {
        let name = |order| match order {
            PosterCommand::Round(..) => "round",
            PosterCommand::Describe => "describe",
            PosterCommand::Begin => "begin",
            PosterCommand::Configure(..) => "configure",
            PosterCommand::Answer => "answer",
            PosterCommand::Placed(_) => "place",
            PosterCommand::Stop(_) => "stop",
            PosterCommand::Report { .. } => "report",
            PosterCommand::Metadata(..) => "metadata",
            PosterCommand::Graphs(_) => "graphs",
        };
        std::iter::from_fn(|| self.orders.try_recv().ok())
            .map(name)
            .collect()
    }
}

/// A clock that goes on with each look at it.
#[derive(Default)]
struct RunningClock(FakeClock);

impl Clock for RunningClock {
    fn wall(&self) -> Duration {
        self.0.wall()
    }

    fn moment(&self) -> Moment {
        self.0.pass(Duration::from_nanos(1));
        self.0.moment()
    }
}

#[test]
fn latest_values_of_a_run_are_those_of_all_times_that_it_printed() {
    let mut config = Config::default();
    let text = "health = true\n[plugin.metrics.m]\ncommand = 'm'\nuse_plugin_timestamp = true\n";
    config.read(text.as_bytes()).unwrap();
    let flags = Flags::default();
    let (mut agent, _rig) = Rig::agent(&flags, &config);
    let clock = RunningClock::default();
    // (names that a run printed, each at another time, and those that are served after it)
    let table: [(&[&str], &[&str]); 3] = [
        (&["a"], &["a"]),
        (&["b", "c", "d"], &["b", "c", "d"]),
        (&["c", "a"], &["a", "c"]),
    ];
    for (printed, expected) in table {
        let mut rounds = Vec::new();
        for (at, name) in printed.iter().enumerate() {
            let mut values = Values::default();
            values.put(["custom.", name].concat(), 1.0);
            rounds.push((Unix(60 * at as u64), values));
        }
        let id = agent.plugins.pretend_run();
        let told = PluginEvent::Values(rounds, Vec::new(), Words::default());
        agent.hear(id, told, &clock);
        let served = agent.latest.as_ref().unwrap().values(clock.moment());
        let served: Vec<&str> = served.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(served, expected);
    }
}

#[test]
fn a_hangup_describes_and_the_other_signals_stop() {
    for stop in [Signal::Terminate, Signal::Interrupt, Signal::Quit] {
        let flags = Flags {
            conf: "/nonexistent".into(),
            ..Flags::default()
        };
        let (agent, rig) = Rig::agent(&flags, &Config::default());
        rig.happens(Event::Signal(Signal::Hangup));
        rig.happens(Event::Signal(stop));
        rig.happens(Event::Ended(0, Outcome::Delivered));
        assert_eq!(agent.run(&rig.clock, &rig.events), Ok(()));
        assert_eq!(
            rig.orders(),
            ["round", "describe", "stop"],
            "not configured"
        );
    }
}

#[test]
fn each_minute_is_a_round() {
    let flags = Flags::default();
    let (mut agent, rig) = Rig::agent(&flags, &Config::default());
    agent.begin(&rig.clock);
    assert_eq!(rig.orders(), ["round"]);
    for _ in 0..3 {
        rig.clock.pass(Duration::from_secs(60));
        rig.happens(Event::Signal(Signal::Quit));
        agent.until_stopped(&rig.clock, &rig.events);
        assert_eq!(rig.orders(), ["round"]);
    }
}

#[test]
fn a_hangup_takes_over_what_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let flags = Flags {
        conf: dir.path().join("agent.conf"),
        ..Flags::default()
    };
    let text = "apikey = 'k'\nroot = '/elsewhere'\ndisplay_name = 'new'\n\
                host_status.on_stop = 'poweroff'\n";
    fs::write(&flags.conf, text).unwrap();
    let (mut agent, rig) = Rig::agent(&flags, &Config::default());
    agent.reload(rig.clock.moment());
    assert_eq!(agent.config.display_name.as_deref(), Some("new"));
    assert_eq!(agent.config.root, Config::default().root);
    let order = rig.orders.try_recv().unwrap();
    let PosterCommand::Configure(_, config) = order else {
        panic!("another order");
    };
    assert_eq!(config.host_status.on_stop.as_deref(), Some("poweroff"));
    assert_eq!(config.root, Config::default().root);
    assert_eq!(rig.orders(), ["describe"]);
}

#[test]
fn a_hangup_defines_the_graphs_of_what_it_turns_on() {
    // (settings, those before, commands)
    let table = [
        (
            "diagnostic = true\n",
            "",
            &["graphs", "configure", "describe"][..],
        ),
        (
            "container.details = true\n",
            "",
            &["graphs", "configure", "describe"],
        ),
        (
            "container.details = true\n",
            "container.details = true\n",
            &["configure", "describe"],
        ),
        ("", "container.details = true\n", &["configure", "describe"]),
    ];
    for (settings, before, orders) in table {
        let dir = tempfile::tempdir().unwrap();
        let flags = Flags {
            conf: dir.path().join("agent.conf"),
            ..Flags::default()
        };
        fs::write(&flags.conf, format!("apikey = 'k'\n{settings}")).unwrap();
        let mut config = Config::default();
        config.read(before.as_bytes()).unwrap();
        let (mut agent, rig) = Rig::agent(&flags, &config);
        agent.reload(rig.clock.moment());
        assert_eq!(rig.orders(), orders, "{settings} after {before}");
    }
}

#[test]
fn a_broken_configuration_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let flags = Flags {
        conf: dir.path().join("agent.conf"),
        ..Flags::default()
    };
    for text in [
        "apikey = 'k'\ndisplay_name = 1\n",
        "apikey = 'k'\nhttp_proxy = 'new'\nroles = ['s:r']\nrolse = []\n",
        "apikey = \"with a\\nline end\"\nroles = ['s:r']\n",
        "roles = ['s:r']\n",
    ] {
        fs::write(&flags.conf, text).unwrap();
        let (mut agent, rig) = Rig::agent(&flags, &Config::default());
        agent.reload(rig.clock.moment());
        assert_eq!(agent.config.roles, [""; 0], "{text}");
        assert_eq!(rig.orders(), ["describe"], "{text}");
    }
}

#[test]
fn a_program_that_is_replaced_ends_the_agent_only_if_that_is_wanted() {
    for autoshutdown in [true, false] {
        let config = Config {
            autoshutdown,
            ..Config::default()
        };
        let flags = Flags::default();
        let (mut agent, rig) = Rig::agent(&flags, &config);
        agent.begin(&rig.clock);
        assert_eq!(agent.program.is_some(), autoshutdown);
        let idle = agent.schedule.idle(rig.clock.wall());
        let expected = if autoshutdown { PROGRAM } else { ROUND };
        assert_eq!(idle, Duration::from_secs(expected));
        assert_eq!(agent.start(Job::LookAtProgram, &rig.clock), None);
    }
}

#[test]
fn a_program_that_is_replaced_does_not_retire_its_host() {
    // (end, whether the host is retired after it)
    let table = [
        (End::Signal(Signal::Terminate), true),
        (End::Signal(Signal::Interrupt), true),
        (End::Signal(Signal::Quit), false),
        (End::Replaced, false),
        (End::Outcome(0, Outcome::Delivered), false),
    ];
    for (end, retires) in table {
        for auto_retirement in [true, false] {
            let config = Config {
                auto_retirement,
                ..Config::default()
            };
            let flags = Flags::default();
            let (agent, _rig) = Rig::agent(&flags, &config);
            assert_eq!(agent.leaves(&end), retires && auto_retirement, "{end:?}");
            let limit = agent.limit(&end);
            assert_eq!(limit < STOP_LIMIT, retires && auto_retirement, "{end:?}");
        }
    }
}

#[test]
fn a_program_that_is_replaced_ends_the_agent_as_by_sigint() {
    let flags = Flags::default();
    let (mut agent, rig) = Rig::agent(&flags, &Config::default());
    agent.program = Some(Executable::gone());
    assert_eq!(
        agent.start(Job::LookAtProgram, &rig.clock),
        Some(End::Replaced)
    );
    rig.happens(Event::Ended(0, Outcome::Delivered));
    assert_eq!(agent.end(End::Replaced, &rig.clock, &rig.events), Ok(()));
    assert_eq!(rig.orders(), ["stop"]);
}

#[test]
fn the_watchdog_asks_the_poster() {
    let flags = Flags::default();
    let (mut agent, rig) = Rig::agent(&flags, &Config::default());
    let now = rig.clock.moment();
    assert_eq!(agent.watch(now), Duration::MAX);
    agent.watchdog = Some(Watchdog::new(Duration::from_secs(30), now));
    assert_eq!(agent.watch(now), Duration::from_secs(15));
    assert_eq!(rig.orders(), ["answer"]);
    rig.clock.pass(Duration::from_secs(15));
    agent.watch(rig.clock.moment());
    assert_eq!(rig.orders(), [""; 0], "it owes an answer");
    agent.note(0, PosterEvent::Alive, &rig.clock);
    rig.clock.pass(Duration::from_secs(15));
    agent.watch(rig.clock.moment());
    assert_eq!(rig.orders(), ["answer"]);
}

#[test]
fn a_poster_that_vanished_ends_the_agent() {
    let flags = Flags::default();
    let (
        agent,
        Rig {
            orders,
            events,
            clock,
            tell: _tell,
        },
    ) = Rig::agent(&flags, &Config::default());
    drop(orders);
    let end = agent.run(&clock, &events);
    assert_eq!(end, Err("0 values could not be delivered".to_owned()));
}

/// The result of waiting when a second signal to stop arrives `pause` after the first.
fn told_again(pause: Duration) -> Result<(), String> {
    let (tell, events) = channel();
    tell.send(Event::Signal(Signal::Hangup)).unwrap();
    tell.send(Event::Signal(Signal::Terminate)).unwrap();
    tell.send(Event::Ended(0, Outcome::Delivered)).unwrap();
    let flags = Flags::default();
    let (mut agent, _rig) = Rig::agent(&flags, &Config::default());
    let clock = FakeClock::default();
    clock.pass(pause);
    agent.wait_for_end(&clock, &events, Moment::default(), STOP_LIMIT)
}

#[test]
fn a_second_signal_ends_the_waiting_unless_it_is_the_first_ones_echo() {
    assert_eq!(told_again(Duration::ZERO), Ok(()));
    assert!(told_again(ONE_STOP).unwrap_err().contains("again"));
}

#[test]
fn a_stop_that_takes_too_long_ends_as_by_a_second_signal() {
    let (_tell, events) = channel();
    let flags = Flags::default();
    let (mut agent, _rig) = Rig::agent(&flags, &Config::default());
    let clock = FakeClock::default();
    clock.pass(STOP_LIMIT + END_GRACE);
    assert_eq!(
        agent.wait_for_end(&clock, &events, Moment::default(), STOP_LIMIT),
        Err("received terminate instruction again. force return".to_owned())
    );
}

#[test]
fn gap_is_told_in_one_line_that_says_from_when_to_when() {
    const NOW: u64 = 1_700_000_040;
    // (why this row exists, seconds between two rounds by the wall clock, since the host's start,
    // and by the monotonic clock, what the log says after the times)
    let table = [
        ("a minute", 60, 60, 60, None),
        ("the longest time between two minutes", 120, 120, 120, None),
        ("a clock set ahead", 3_660, 60, 60, None),
        ("a clock set back", -3_540, 60, 60, None),
        (
            "suspended",
            3_600,
            3_600,
            60,
            Some("the host was suspended"),
        ),
        (
            "suspended for days",
            200_000,
            200_000,
            0,
            Some("the host was suspended"),
        ),
        (
            "stopped by SIGSTOP",
            600,
            600,
            600,
            Some("the agent was stopped"),
        ),
        (
            "stopped, and the clock set meanwhile",
            7_800,
            600,
            600,
            Some("the agent was stopped"),
        ),
        (
            "three minutes",
            180,
            180,
            180,
            Some("the agent was stopped"),
        ),
    ];
    for (why, wall, age, moment, expected) in table {
        let at = |wall, age, moment| {
            let stamp = Stamp {
                wall: Unix(wall),
                age,
            };
            (stamp, Moment(Duration::from_secs(moment)))
        };
        let before = at(NOW, 5_000, 4_000);
        let now = NOW.saturating_add_signed(wall);
        let line = gap(before, at(now, 5_000 + age, 4_000 + moment));
        let Some(cause) = expected else {
            assert_eq!(line, None, "{why}");
            continue;
        };
        let line = line.unwrap();
        let shown = |seconds| localtime::rfc3339(Duration::from_secs(seconds));
        let times = format!(
            "nothing was measured from {} to {}: {cause}",
            shown(now - age),
            shown(now)
        );
        assert!(line.starts_with(&times), "{why}: {line}");
    }
}

#[test]
fn gap_is_told_after_the_round_that_follows_it() {
    let flags = Flags::default();
    let (mut agent, rig) = Rig::agent(&flags, &Config::default());
    agent.begin(&rig.clock);
    for seconds in [60, 60, 600] {
        rig.clock.pass(Duration::from_secs(seconds));
        let before = agent.last_round.unwrap();
        agent.start(Job::Collect, &rig.clock);
        let told = gap(before, agent.last_round.unwrap());
        assert_eq!(told.is_some(), seconds > 120);
    }
}
