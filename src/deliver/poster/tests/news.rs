//! The events that the poster sends, and its reaction to new settings.

use super::*;

#[test]
fn events_report_each_change_once() {
    let down = |call: &Call| match call.at {
        0..3 | 60..100 => None,
        100..200 => Some(500),
        _ => Some(200),
    };
    let mut rig = Rig::new(true, down).minutes(0, 6);
    rig.poster.context.config.health = false;
    rig.run_until(360);
    let news = rig.news.lock().unwrap();
    let kinds: Vec<&str> = news
        .iter()
        .map(|news| match news {
            PosterEvent::Alive => "alive",
            PosterEvent::Registered { id, .. } => id,
            PosterEvent::Failing(reason) if reason.contains("500") => "status",
            PosterEvent::Failing(_) => "link",
            PosterEvent::Working => "working",
            PosterEvent::Posted => "posted",
            PosterEvent::Trusted(_) => "trusted",
        })
        .collect();
    assert_eq!(
        kinds,
        ["link", ID, "working", "link", "status", "working"],
        "once each, and nothing while all is as before"
    );
}

#[test]
fn poster_answers_while_every_request_fails() {
    let mut rig = Rig::new(true, |_| None)
        .order(1, PosterCommand::Answer)
        .order(200, PosterCommand::Answer);
    rig.run_until(300);
    let news = rig.news.lock().unwrap();
    assert_eq!(
        news.iter()
            .filter(|news| **news == PosterEvent::Alive)
            .count(),
        2
    );
}

#[test]
fn settings_apply_at_once_to_what_was_refused() {
    let mut rig = Rig::new(true, |call| {
        if call.line.starts_with("Get") {
            Some(200)
        } else {
            Some(403)
        }
    })
    .minutes(0, 1);
    rig.run_until(10);
    let server = Server {
        found: "",
        identifier: "",
        now: Arc::clone(&rig.now),
        rule: Box::new(well),
        calls: Arc::clone(&rig.calls),
    };
    let mut rig = rig.order(
        10,
        PosterCommand::Configure(Api::new(Box::new(server)), Box::default()),
    );
    let before = rig.calls().len();
    rig.run_until(20);
    assert_eq!(
        rig.calls()[before..],
        [(10, "Post /api/v0/tsdb".to_owned())]
    );
    let mut rig = rig.stop_at(20);
    assert_eq!(rig.run_until(30), Some(Outcome::Delivered));
    assert_eq!(rig.calls().len(), before + 1, "no status");
}

#[test]
fn settings_do_not_hasten_a_post() {
    let rig = Rig::new(true, well).minutes(0, 2);
    let server = Server {
        found: "",
        identifier: "",
        now: Arc::clone(&rig.now),
        rule: Box::new(well),
        calls: Arc::clone(&rig.calls),
    };
    let api = Api::new(Box::new(server));
    let mut rig = rig.order(61, PosterCommand::Configure(api, Box::default()));
    rig.run_until(100);
    let last = rig.calls().last().unwrap().clone();
    assert_eq!(last, (60 + OWN_SECOND, "Post /api/v0/tsdb".to_owned()));
}

#[test]
fn poster_publishes_what_waits_and_the_step_that_fails() {
    // (seconds until then, status of answers or none, step that fails then, values that wait)
    let table: [(u64, Option<u16>, Option<&str>, usize); 5] = [
        (50, None, Some("connect"), 1),
        (110, Some(503), Some("server"), 2),
        (400, Some(403), Some("key"), 7),
        (1_000, Some(200), None, 0),
        (1_010, Some(503), None, 0),
    ];
    let rule = move |call: &Call| {
        let mut rows = table.iter();
        match rows.find(|(end, ..)| call.at < *end) {
            Some((_, status, ..)) if call.line.starts_with("Post") => *status,
            _ => Some(200),
        }
    };
    let mut rig = Rig::new(true, rule).minutes(0, 8);
    let shared = SharedDelivery::default();
    rig.poster.context.delivery = shared.clone();
    for (end, _, step, values) in table {
        rig.run_until(end);
        rig.poster.publish(false);
        let found = shared.read();
        let failure = found.failure.as_ref();
        assert_eq!(failure.map(|failure| failure.step), step, "{end}");
        let since = failure.map(|failure| failure.since.0);
        assert_eq!(since, step.map(|_| START), "{end}: the first failure");
        assert_eq!(
            (found.queued.values, found.queued.rounds),
            (values, values),
            "{end}"
        );
        let oldest = (values > 0).then_some(Unix(START));
        assert_eq!(found.queued.oldest, oldest, "{end}");
        assert!(!found.is_held);
    }
}

#[test]
fn poster_publishes_why_the_server_refuses_the_host() {
    let mut rig = Rig::new(true, |_| Some(404)).minutes(0, 1);
    let shared = SharedDelivery::default();
    rig.poster.context.delivery = shared.clone();
    assert!(matches!(rig.run_until(60), Some(Outcome::Refused(_))));
    rig.poster.publish(true);
    let failure = shared.read().failure.unwrap();
    assert_eq!(failure.step, "host");
    assert!(failure.reason.contains("status 404"), "{}", failure.reason);
}
