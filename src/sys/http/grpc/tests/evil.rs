//! Calls to servers that break the rules.

use fake_server::h2::{End, MESSAGE, evil, scenarios};

use super::*;

#[test]
fn grpc_call_survives_every_evil_server() {
    for scenario in scenarios() {
        let server = evil(scenario.name);
        let channel = plain(server.port);
        let limit = if scenario.end == End::Deadline {
            400
        } else {
            20_000
        };
        let limit = Duration::from_millis(limit);
        let message = vec![b'x'; scenario.needs + 10];
        let clock = HostClock::new();
        let answer = channel.call(PATH, &message, Deadline::after(limit));
        let took = clock.moment().0;
        let end = match &answer {
            Ok(message) => {
                assert_eq!(message, MESSAGE, "{}", scenario.name);
                End::Ok
            }
            Err(Error { kind, code, .. }) => match (kind, code) {
                (Kind::Answered, code) => End::Code(*code as u32),
                (Kind::Unsent, Code::Unavailable) => End::Refused,
                (Kind::Unknown, Code::DeadlineExceeded) => End::Deadline,
                (Kind::Unknown, Code::Unavailable) => End::Broken,
                (Kind::Unknown, code) => End::Reset(*code as u32),
                _ => panic!("{}", scenario.name),
            },
        };
        let line = told(answer, server.port);
        assert!(end == scenario.end, "{}: {line}", scenario.name);
        assert!(
            line.len() < 4_000 && !line.contains('\n'),
            "{}: {line}",
            scenario.name
        );
        if scenario.end == End::Deadline {
            assert!(
                took >= limit && took < limit * 10,
                "{}: {took:?}",
                scenario.name
            );
        } else {
            // It has not been waited for until the deadline.
            assert!(took < limit / 2, "{}: {took:?}", scenario.name);
        }
        assert!(server.connections() <= 2, "{}", scenario.name);
    }
    assert!(scenarios().count() >= 39);
}

#[test]
fn grpc_connection_is_checked_between_calls() {
    // (what happens between the calls, connections)
    let table = [
        ("ping_between_calls", 1),
        ("closed_between_calls", 2),
        ("goaway_behind_the_answer", 2),
        ("no_more_streams", 2),
        ("unknown_frames_and_settings", 1),
    ];
    for (name, connections) in table {
        let server = evil(name);
        let channel = plain(server.port);
        assert_eq!(channel.call(PATH, b"", soon()).unwrap(), MESSAGE, "{name}");
        if name == "closed_between_calls" {
            assert!(server.wait_for_close());
        }
        let limit = Deadline::after(Duration::from_millis(500));
        drop(channel.call(PATH, b"", limit));
        assert_eq!(server.connections(), connections, "{name}");
    }
    let server = evil("ping_between_calls");
    let channel = plain(server.port);
    for _ in 0..20 {
        assert_eq!(channel.call(PATH, b"x", soon()).unwrap(), MESSAGE);
    }
    assert_eq!(server.connections(), 1);
}
