//! Tests of the policy with simulated time.

use super::*;

const KILLED: End = End::Signal(9);

/// A policy and its clock.
struct Rig {
    policy: Policy,
    now: Moment,
}

impl Rig {
    fn new() -> Rig {
        let now = Moment(Duration::from_secs(1_000));
        let policy = Policy::new(|| u32::MAX, now);
        Rig { policy, now }
    }

    /// Starts the child, which must be due now.
    #[track_caller]
    fn start(&mut self) {
        assert_eq!(self.policy.next(self.now), Next::Start);
        self.policy.started(self.now);
        assert_eq!(self.policy.next(self.now), Next::Wait(None));
    }

    /// Starts a child that runs for `age` seconds. Returns the pause after it in seconds, and
    /// advances the clock by it.
    #[track_caller]
    fn child(&mut self, age: u64, end: End) -> Option<u64> {
        self.start();
        self.end(age, end)
    }

    #[track_caller]
    fn end(&mut self, age: u64, end: End) -> Option<u64> {
        self.now = Moment(self.now.0 + Duration::from_secs(age));
        let pause = self.policy.ended(end, self.now)?;
        if !pause.is_zero() {
            assert_eq!(self.policy.next(self.now), Next::Wait(Some(pause)));
        }
        self.now = Moment(self.now.0 + pause);
        Some(pause.as_secs())
    }

    fn next(&self) -> Next {
        self.policy.next(self.now)
    }
}

fn failed(text: &str) -> Next {
    Next::End(Err(text.to_owned()))
}

#[test]
fn supervisor_ends_if_the_first_child_exits() {
    // (why this row exists, end, result of the supervisor)
    let table = [
        ("a wrong key", End::Code(1), failed("exit status 1")),
        ("somebody ended it", End::Code(0), Next::End(Ok(()))),
    ];
    for (why, end, expected) in table {
        let mut rig = Rig::new();
        assert_eq!(rig.child(29, end), None, "{why}");
        assert_eq!(rig.next(), expected, "{why}");
    }
}

#[test]
fn supervisor_restarts_a_crashed_child_with_growing_pauses() {
    let mut rig = Rig::new();
    let pauses: Vec<_> = (0..11).map_while(|_| rig.child(1, KILLED)).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(rig.child(30, KILLED), Some(0), "old enough");
    assert_eq!(rig.child(29, KILLED), Some(1), "as if it were the first");
}

#[test]
fn supervisor_never_gives_up_after_a_proven_child() {
    for end in [End::Code(0), End::Code(1), KILLED] {
        let mut rig = Rig::new();
        assert_eq!(rig.child(30, end), Some(0), "{end}");
        let pauses = [(); 3].map(|()| rig.child(0, End::Code(1)));
        assert_eq!(pauses, [Some(1), Some(2), Some(4)], "{end}");
    }
}

#[test]
fn supervisor_stop_ends_with_the_childs_result() {
    // (how the child ends, result of the supervisor)
    let table = [
        (End::Code(0), Next::End(Ok(()))),
        (End::Code(1), failed("exit status 1")),
        (KILLED, failed("signal: killed")),
    ];
    for (end, expected) in table {
        for age in [1, 100] {
            let mut rig = Rig::new();
            rig.start();
            rig.policy.stop();
            assert_eq!(rig.next(), Next::Wait(None));
            assert!(!rig.policy.reload(rig.now), "too late");
            assert_eq!(rig.end(age, end), None);
            assert_eq!(rig.next(), expected);
        }
    }
}

#[test]
fn supervisor_stop_between_two_children_is_at_once() {
    let mut rig = Rig::new();
    rig.start();
    rig.policy.ended(KILLED, rig.now);
    rig.policy.stop();
    assert_eq!(rig.next(), failed("signal: killed"));
}

#[test]
fn supervisor_reload_starts_the_next_child_at_once() {
    for end in [End::Code(0), End::Code(1), KILLED] {
        let mut rig = Rig::new();
        rig.start();
        assert!(rig.policy.reload(rig.now));
        assert!(!rig.policy.reload(rig.now), "it ends already");
        assert_eq!(rig.end(2, end), Some(0));
        // The reload applies to one child only.
        assert_eq!(rig.child(1, KILLED), Some(1));
    }
}

#[test]
fn supervisor_reload_does_not_wait_for_the_pause_to_end() {
    let mut rig = Rig::new();
    for _ in 0..5 {
        rig.child(0, KILLED);
    }
    rig.start();
    rig.policy.ended(KILLED, rig.now);
    assert!(!rig.policy.reload(rig.now));
    assert_eq!(rig.child(0, KILLED), Some(1));
}

#[test]
fn supervisor_waits_for_a_missing_program_only_if_it_has_run() {
    let mut rig = Rig::new();
    assert_eq!(rig.policy.not_started("no file".to_owned(), rig.now), None);
    assert_eq!(rig.next(), failed("no file"));

    let mut rig = Rig::new();
    rig.child(1, KILLED);
    for pause in [2, 4] {
        assert_eq!(rig.next(), Next::Start);
        let pause = Duration::from_secs(pause);
        let paused = rig.policy.not_started("no file".to_owned(), rig.now);
        assert_eq!(paused, Some(pause));
        rig.now = Moment(rig.now.0 + pause);
    }
    rig.start();
}
