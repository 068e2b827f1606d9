//! Reports that the server does not accept.

use super::*;

#[test]
fn failure_is_retried_according_to_its_kind() {
    // (why this row exists, answers, when requests are made, reports lost)
    use Sent::{Accepted, Later, Refused, Silence};
    let later = Later(Duration::ZERO);
    let asked = |seconds| Later(Duration::from_secs(seconds));
    let table: [(_, &[Sent], &[u64], usize); 9] = [
        ("accepted", &[Accepted], &[0], 0),
        ("refused", &[Refused], &[0], 1),
        (
            "an error of the server",
            &[later, later, Accepted],
            &[0, 30, 60],
            0,
        ),
        (
            "no answer",
            &[Silence, Silence, Silence, Silence, Accepted],
            &[0, 0, 30, 30, 60],
            0,
        ),
        ("no answer, and then one", &[Silence, Accepted], &[0, 0], 0),
        (
            "no answer, and then an error",
            &[Silence, later, Silence, Accepted],
            &[0, 0, 30, 30],
            0,
        ),
        ("asked to wait", &[asked(90), Accepted], &[0, 90], 0),
        ("asked to wait less", &[asked(2), Accepted], &[0, 30], 0),
        (
            "asked to wait for ever",
            &[asked(1 << 40), Accepted],
            &[0, 3_600],
            0,
        ),
    ];
    for (why, answers, times, lost) in table {
        let mut answers = VecDeque::from(answers.to_vec());
        let mut rig = Rig::new(1, move |_, _| answers.pop_front().unwrap());
        rig.push(1, None, true);
        rig.run_until(10_000);
        assert_eq!((rig.times(), rig.lost), (times.to_vec(), lost), "{why}");
        assert_eq!(rig.queue.waiting(), 0, "{why}");
    }
}

#[test]
fn only_the_reports_that_are_refused_are_lost() {
    // (why this row exists, reports, those that are refused, most requests)
    let table: [(_, _, Bad, _); 7] = [
        ("none", 45, &[], 3),
        ("the only one", 1, &[0], 1),
        ("one among a few", 3, &[1], 5),
        ("the first of a batch", 20, &[0], 12),
        ("the last of a batch", 20, &[19], 12),
        ("one in the second batch", 60, &[33], 16),
        ("several", 40, &[3, 4, 25], 30),
    ];
    for (why, reports, bad, most) in table {
        let mut rig = Rig::new(100, well);
        rig.bad = bad;
        rig.push(reports, None, true);
        rig.run_until(300);
        let is_good = |number: &u64| !bad.contains(number);
        let requests = rig.requests.iter().map(|(.., numbers)| numbers);
        let taken = requests.filter(|numbers| numbers.iter().all(is_good));
        let good = (0..reports).filter(is_good);
        assert!(
            taken.flatten().copied().eq(good),
            "{why}: {:?}",
            rig.requests
        );
        assert_eq!((rig.lost, rig.queue.waiting()), (bad.len(), 0), "{why}");
        assert!(rig.requests.len() <= most, "{why}");
        // What comes later arrives.
        rig.bad = &[];
        rig.push(20, None, true);
        rig.run_until(600);
        let last = rig.requests.last().unwrap();
        assert_eq!(last.2.last(), Some(&(reports + 19)), "{why}");
    }
}

/// In between, values and the rest are sent.
#[test]
fn requests_that_hang_are_not_made_one_after_the_other() {
    let mut queue = Queue::new(moment(0));
    for destination in [None, Some("other")] {
        queue.add(destination, report(0, 0, ""), true, moment(0));
    }
    let mut now = 0;
    for at in 0..10 {
        now = now.max(queue.due().unwrap().0.as_secs());
        let batch = queue.batch(moment(now)).unwrap();
        let destination = [None, Some("other")][at % 2];
        assert_eq!(queue.destination(&batch), destination, "{now}");
        now += 30;
        assert!(queue.done(&batch, Sent::Silence, moment(now)).is_none());
        assert!(queue.due() > Some(moment(now)), "{now}");
    }
}

#[test]
fn a_request_that_took_long_is_not_repeated_at_once() {
    let mut queue = Queue::new(moment(0));
    queue.expect(1);
    queue.add(None, report(0, 0, ""), true, moment(0));
    let batch = queue.batch(moment(0)).unwrap();
    assert!(queue.done(&batch, Sent::Silence, moment(30)).is_none());
    assert_eq!(queue.due(), Some(moment(60)));
}
