//! Tests of the channel with the standard library's threads.

use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, TryRecvError};
use std::thread;
use std::time::Duration;

use super::*;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn messages_come_in_order_and_from_all() {
    let (tell, told) = channel();
    let other = tell.clone();
    tell.send(1).unwrap();
    other.send(2).unwrap();
    assert_eq!(told.try_recv(), Ok(1));
    assert_eq!(told.recv(), Ok(2));
    assert_eq!(told.try_recv(), Err(TryRecvError::Empty));
    tell.send(3).unwrap();
    drop(tell);
    assert_eq!(told.recv_timeout(Duration::ZERO), Ok(3));
    let nothing = told.recv_timeout(Duration::ZERO);
    assert_eq!(nothing, Err(RecvTimeoutError::Timeout));
    drop(other);
    assert_eq!(told.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(told.recv(), Err(RecvError));
    let nothing = told.recv_timeout(LONG);
    assert_eq!(nothing, Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_waiting_receiver_is_woken_by_messages_and_by_the_last_sender() {
    let (tell, told) = channel();
    let (answer, answers) = channel();
    let thread = thread::spawn(move || {
        while let Ok(number) = told.recv() {
            answer.send(number * 2).unwrap();
        }
    });
    for number in 0..1_000 {
        tell.send(number).unwrap();
        assert_eq!(answers.recv_timeout(LONG), Ok(number * 2));
    }
    drop(tell);
    assert_eq!(
        answers.recv_timeout(LONG),
        Err(RecvTimeoutError::Disconnected)
    );
    thread.join().unwrap();
}

#[test]
fn many_senders_lose_nothing() {
    let (tell, told) = channel();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let tell = tell.clone();
            thread::spawn(move || (0..1_000).for_each(|number| tell.send(number).unwrap()))
        })
        .collect();
    drop(tell);
    let sum: i32 = std::iter::from_fn(|| told.recv().ok()).sum();
    assert_eq!(sum, 4 * 499_500);
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn without_a_receiver_messages_come_back_and_what_waits_is_dropped() {
    struct Message(
        Arc<()>,
        #[expect(dead_code, reason = "it is there to be dropped")] Option<Sender<Message>>,
    );
    let (tell, told) = channel();
    let held = Arc::new(());
    let message = |tell| Message(Arc::clone(&held), tell);
    tell.send(message(Some(tell.clone()))).ok().unwrap();
    drop(told);
    assert_eq!(Arc::strong_count(&held), 1);
    let back = tell.send(message(None)).unwrap_err();
    assert!(Arc::ptr_eq(&back.0.0, &held));
}

#[test]
fn limit_of_any_length_is_accepted() {
    let (tell, told) = channel();
    tell.send(()).unwrap();
    assert_eq!(told.recv_timeout(Duration::MAX), Ok(()));
    drop(tell);
    assert!(told.recv_timeout(Duration::MAX).is_err());
}
