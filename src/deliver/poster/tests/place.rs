//! Hosts in a cloud, whose identity has to be found out first.

use super::*;
use crate::deliver::message::CloudAnswer;

const OURS: &str = "i-1.ec2.amazonaws.com";
const SEARCH: &str = "Get /api/v0/hosts?customIdentifier=i-1.ec2.amazonaws.com\
                      &status=working&status=standby&status=maintenance&status=poweroff";
const CREATE: &str = "Post /api/v0/hosts";
const POST: &str = "Post /api/v0/tsdb";
const OTHER: &str = r#"{"id":"3otherHost1","name":"n","status":"standby"}"#;

fn here() -> CloudAnswer {
    Ok(Place {
        cloud: None,
        custom_identifier: Some(OURS.to_owned()),
    })
}

/// A look-up that has its result at once.
fn at_once(found: fn() -> CloudAnswer) -> Look {
    Box::new(move |_| Some(found()))
}

/// A look-up whose result only arrives as a command.
fn later() -> Look {
    Box::new(|_| None)
}

fn host() -> String {
    format!("Get /api/v0/hosts/{ID}")
}

fn lines(rig: &Rig) -> Vec<String> {
    rig.calls().into_iter().map(|(_, line)| line).collect()
}

fn put(rig: &Rig) -> String {
    let calls = rig.calls.lock().unwrap();
    let last = calls.iter().rfind(|call| call.line.starts_with("Put "));
    last.unwrap().body.clone()
}

#[test]
fn a_new_host_is_looked_for_by_its_identifier_and_then_registered_with_it() {
    let mut rig = Rig::placed(false, at_once(here), ("", OURS), well).minutes(0, 1);
    rig.run_until(60);
    assert_eq!(lines(&rig)[..4], [SEARCH, CREATE, &host(), POST]);
    let created = &rig.calls.lock().unwrap()[1].body;
    assert!(created.contains(OURS), "{created}");
}

#[test]
fn a_host_that_is_found_by_its_identifier_is_this_host() {
    let mut rig = Rig::placed(false, at_once(here), (OTHER, ""), well).minutes(0, 1);
    rig.run_until(60);
    let put = "Put /api/v0/hosts/3otherHost1";
    assert_eq!(lines(&rig)[..3], [SEARCH, POST, put]);
    let kept = State::at(rig.root.path()).host_id().unwrap();
    assert_eq!(kept.as_deref(), Some("3otherHost1"));
}

#[test]
fn search_is_repeated_after_an_error_and_skipped_after_a_rejection() {
    for (status, is_asked_again) in [(None, true), (Some(503), true), (Some(400), false)] {
        let rule = move |call: &Call| {
            if call.line == SEARCH && call.at < 3 {
                status
            } else {
                Some(200)
            }
        };
        let mut rig = Rig::placed(false, at_once(here), ("", OURS), rule).minutes(0, 1);
        rig.run_until(60);
        let lines = lines(&rig);
        let searches = lines.iter().filter(|line| *line == SEARCH).count();
        assert_eq!(searches > 1, is_asked_again, "{lines:?}");
        assert!(lines.contains(&POST.to_owned()), "{lines:?}");
    }
}

#[test]
fn id_is_used_if_it_belongs_to_this_identity() {
    let nowhere = || Ok(Place::default());
    let unknown = || Err("no answer".to_owned());
    // (why this row exists, where it runs, the identifier of its id, whether the agent ends)
    type Row = (&'static str, fn() -> CloudAnswer, &'static str, bool);
    let table: [Row; 6] = [
        ("the same", here, OURS, false),
        ("registered before the cloud was known", here, "", false),
        ("another", here, "i-2.ec2.amazonaws.com", true),
        ("copied out of the cloud", nowhere, OURS, true),
        ("no cloud", nowhere, "", false),
        ("a cloud that says nothing", unknown, "", false),
    ];
    for (why, place, identifier, ends) in table {
        let mut rig = Rig::placed(true, at_once(place), ("", identifier), well).minutes(0, 1);
        let end = rig.run_until(60);
        match (end, ends) {
            (Some(Outcome::Refused(text)), true) => {
                assert!(
                    text.contains("custom identifiers mismatch"),
                    "{why}: {text}"
                );
                assert_eq!(lines(&rig), [host()], "{why}");
            }
            (None, false) => assert_eq!(lines(&rig)[..2], [&host(), POST], "{why}"),
            (end, _) => panic!("{why}: {end:?}"),
        }
    }
}

#[test]
fn host_with_an_unknown_identity_posts_nothing_and_loses_nothing() {
    let found = Arc::<Mutex<u64>>::default();
    let looks = Arc::clone(&found);
    let look: Look = Box::new(move |_| {
        let mut looks = looks.lock().unwrap();
        *looks += 1;
        Some(match *looks {
            0..=5 => Err("no answer".to_owned()),
            _ => here(),
        })
    });
    let mut rig = Rig::placed(true, look, ("", OURS), well).minutes(0, 6);
    rig.run_until(600);
    let lines = lines(&rig);
    assert_eq!(
        lines[..2],
        [&host(), POST],
        "asked once, and no other host's"
    );
    assert_eq!(*found.lock().unwrap(), 6, "looked up before each try");
    let mut arrived = rig.arrived(well);
    arrived.sort_unstable();
    assert_eq!(arrived, [0, 1, 2, 3, 4, 5]);
    assert!(put(&rig).contains(OURS));
}

#[test]
fn registration_waits_for_the_lookup_and_then_starts_at_once() {
    let mut rig = Rig::placed(false, later(), ("", OURS), well)
        .minutes(0, 1)
        .order(16, PosterCommand::Placed(here()));
    rig.run_until(60);
    let calls = rig.calls();
    assert_eq!(calls[0], (16, SEARCH.to_owned()));
    assert_eq!(calls[3], (16, POST.to_owned()));
}

#[test]
fn host_that_starts_without_network_registers_with_its_identity() {
    let away = Arc::new(Mutex::new(true));
    let is_away = Arc::clone(&away);
    let look: Look = Box::new(move |_| {
        Some(if *is_away.lock().unwrap() {
            Err("network is unreachable".to_owned())
        } else {
            here()
        })
    });
    let down = |call: &Call| (call.at >= 20).then_some(200);
    let mut rig = Rig::placed(false, look, ("", OURS), down).minutes(0, 2);
    rig.run_until(20);
    *away.lock().unwrap() = false;
    rig.run_until(120);
    let after: Vec<String> = rig
        .calls()
        .into_iter()
        .filter(|(at, _)| *at >= 20)
        .map(|(_, line)| line)
        .collect();
    assert_eq!(after[..2], [SEARCH, CREATE]);
}

#[test]
fn lookup_that_fails_later_keeps_the_identity() {
    let mut rig = Rig::placed(true, later(), ("", OURS), well)
        .minutes(0, 3)
        .order(1, PosterCommand::Placed(here()))
        .order(90, PosterCommand::Describe)
        .order(106, PosterCommand::Placed(Err("no answer".to_owned())));
    rig.run_until(200);
    let puts: Vec<(u64, String)> = rig
        .calls()
        .into_iter()
        .filter(|(_, line)| line.starts_with("Put "))
        .collect();
    let times: Vec<u64> = puts.iter().map(|(at, _)| *at).collect();
    assert_eq!(times, [1, 106], "posting went on meanwhile");
    assert!(put(&rig).contains(OURS));
    let posts = rig.calls().iter().filter(|(_, line)| line == POST).count();
    assert_eq!(posts, 3);
}

#[test]
fn lookup_is_repeated_after_a_change_of_the_setting() {
    let mut config = with_status_at_the_end();
    config.cloud_platform = crate::config::CloudPlatform::None;
    let look: Look = Box::new(|platform| {
        Some(match platform {
            crate::config::CloudPlatform::None => Ok(Place::default()),
            _ => here(),
        })
    });
    let server = Server {
        now: Arc::default(),
        rule: Box::new(well),
        found: "",
        identifier: "",
        calls: Arc::default(),
    };
    let calls = Arc::clone(&server.calls);
    let configure = PosterCommand::Configure(Api::new(Box::new(server)), Box::new(config));
    let mut rig = Rig::placed(true, look, ("", OURS), well)
        .minutes(0, 1)
        .order(90, configure)
        .order(90, PosterCommand::Describe);
    rig.run_until(100);
    assert!(put(&rig).contains(OURS));
    let calls = calls.lock().unwrap();
    let described = calls.last().unwrap();
    assert!(described.line.starts_with("Put "));
    assert!(!described.body.contains(OURS), "{}", described.body);
}

#[test]
fn host_that_is_known_without_an_identifier_does_not_wait_for_the_lookup() {
    let mut rig = Rig::placed(true, later(), ("", ""), well)
        .minutes(0, 1)
        .order(16, PosterCommand::Placed(here()));
    rig.run_until(60);
    let put = format!("Put /api/v0/hosts/{ID}");
    let expected = [(0, host()), (0, POST.to_owned()), (16, put)];
    assert_eq!(rig.calls(), expected);
}

#[test]
fn lookup_that_never_ends_does_not_prevent_the_stop() {
    let mut rig = Rig::placed(true, later(), ("", OURS), well)
        .minutes(0, 1)
        .stop_at(10);
    assert_eq!(
        rig.run_until(200),
        Some(Outcome::Undelivered {
            values: 1,
            reports: 0
        })
    );
    assert_eq!(rig.clock.unix(), Unix(START + 40));
    assert_eq!(lines(&rig), [host()]);
}
