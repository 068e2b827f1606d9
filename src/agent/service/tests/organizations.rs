//! Several organisations, with posters that only record their commands.

use super::*;
use crate::config::Organization;

/// A configuration with a second organisation `b`, which takes no reports of checks.
fn config() -> Config {
    let organization = Organization {
        name: "b".to_owned(),
        apikey: crate::config::Secret::new("k"),
        checks: false,
        ..Organization::default()
    };
    Config {
        organizations: vec![organization],
        ..Config::default()
    }
}

/// An agent of both organisations, its rig, and the commands to the poster of `b`.
fn agent(flags: &Flags) -> (Agent<'_>, Rig, Receiver<PosterCommand>) {
    let config = config();
    let (mut agent, rig) = Rig::agent(flags, &config);
    let (first, orders) = channel();
    let (second, others) = channel();
    let organizations = [None, config.organizations.first()];
    let all = organizations.into_iter().zip([first, second]);
    let all = all.map(|(organization, orders)| {
        Destination::new(organization, orders, CancelToken::default())
    });
    agent.destinations = Destinations::new(all.collect());
    (agent, Rig { orders, ..rig }, others)
}

#[test]
fn organizations_share_each_round() {
    let flags = Flags::default();
    let (mut agent, rig, others) = agent(&flags);
    agent.begin(&rig.clock);
    let of = |order| match order {
        PosterCommand::Round(stamp, _, values) => (stamp, values),
        _ => panic!("another order"),
    };
    let first = of(rig.orders.try_recv().unwrap());
    let second = of(others.try_recv().unwrap());
    assert_eq!(first.0, second.0);
    assert!(Arc::ptr_eq(&first.1, &second.1));
}

#[test]
fn organization_that_refuses_does_not_end_the_others() {
    for refused in [0, 1] {
        let flags = Flags::default();
        let (mut agent, rig, others) = agent(&flags);
        agent.begin(&rig.clock);
        rig.happens(Event::Ended(refused, Outcome::Refused("401".to_owned())));
        rig.happens(Event::Signal(Signal::Quit));
        let end = agent.until_stopped(&rig.clock, &rig.events);
        assert_eq!(end, End::Signal(Signal::Quit));
        let label = ["main organization", "organization b"][refused];
        let text = agent.health(rig.clock.moment());
        assert!(text.starts_with("10 "), "{text}");
        let expected = format!("{label}: refused for good");
        assert!(text.contains(&expected), "{text}");
        assert!(agent.text().contains(&expected));
        drop(rig.orders());
        while others.try_recv().is_ok() {}
        for _ in 0..3 {
            rig.clock.pass(Duration::from_secs(60));
            agent.start(Job::Collect, &rig.clock);
        }
        let counts = [
            rig.orders().len(),
            std::iter::from_fn(|| others.try_recv().ok()).count(),
        ];
        let expected = [[0, 3], [3, 0]][refused];
        assert_eq!(counts, expected, "{label}");
        // The other one ends the agent.
        rig.happens(Event::Ended(1 - refused, Outcome::Refused("no".to_owned())));
        let end = agent.until_stopped(&rig.clock, &rig.events);
        assert_eq!(
            end,
            End::Outcome(1 - refused, Outcome::Refused("no".to_owned()))
        );
    }
}

#[test]
fn stop_waits_for_every_organization_and_names_what_is_left() {
    let flags = Flags::default();
    let (agent, rig, _others) = agent(&flags);
    rig.happens(Event::Signal(Signal::Quit));
    rig.happens(Event::Ended(0, Outcome::Delivered));
    let left = Outcome::Undelivered {
        values: 5,
        reports: 0,
    };
    rig.happens(Event::Ended(1, left));
    let end = agent.run(&rig.clock, &rig.events);
    let expected = "organization b: 5 values could not be delivered";
    assert_eq!(end, Err(expected.to_owned()));
}

#[test]
fn watchdog_waits_for_every_poster() {
    let flags = Flags::default();
    let (mut agent, rig, others) = agent(&flags);
    let now = rig.clock.moment();
    agent.watchdog = Some(Watchdog::new(Duration::from_secs(30), now));
    let mut asked = || {
        rig.clock.pass(Duration::from_secs(15));
        agent.watch(rig.clock.moment());
        agent.note(0, PosterEvent::Alive, &rig.clock);
        let others = std::iter::from_fn(|| others.try_recv().ok()).count();
        (rig.orders().len(), others)
    };
    assert_eq!(asked(), (1, 1));
    assert_eq!(asked(), (0, 0), "b owes an answer");
    agent.note(1, PosterEvent::Alive, &rig.clock);
    rig.clock.pass(Duration::from_secs(15));
    agent.watch(rig.clock.moment());
    assert_eq!(rig.orders().len(), 1);
}

#[test]
fn reload_configures_each_organization_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let flags = Flags {
        conf: dir.path().join("agent.conf"),
        ..Flags::default()
    };
    let text = "apikey = 'k'\nroles = ['s:r']\ndisplay_name = 'new'\n";
    fs::write(&flags.conf, text).unwrap();
    let (mut agent, rig, others) = agent(&flags);
    agent.reload(rig.clock.moment());
    let of = |order| match order {
        PosterCommand::Configure(_, config) => (config.organization, config.roles.len()),
        _ => panic!("another order"),
    };
    assert_eq!(of(rig.orders.try_recv().unwrap()), (None, 1));
    let second = of(others.try_recv().unwrap());
    assert_eq!(second, (Some("b".to_owned()), 0));
}

#[test]
fn reports_go_to_the_organizations_that_take_them() {
    let flags = Flags::default();
    let (mut agent, rig, others) = agent(&flags);
    let report = crate::wire::check::Report {
        name: "c".to_owned(),
        status: crate::wire::check::CheckStatus::Ok,
        message: String::new(),
        occurred_at: Unix(0),
        notification_interval: None,
        max_check_attempts: None,
    };
    agent.destinations.output(Output::Report {
        destination: None,
        report,
        began: crate::base::clock::Stamp::default(),
        is_urgent: false,
    });
    agent
        .destinations
        .output(Output::Metadata("n".to_owned(), "{}".to_owned()));
    assert_eq!(rig.orders(), ["report", "metadata"]);
    assert!(matches!(others.try_recv(), Ok(PosterCommand::Metadata(..))));
    assert!(others.try_recv().is_err());
}
