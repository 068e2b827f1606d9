//! The readiness gate: the host is registered only after the configured probes have succeeded.

use crate::base;
use crate::base::channel::Sender;
use crate::base::clock::pause;
use crate::config::Readiness;
use crate::deliver::message::PosterCommand;
use crate::sys::exec::{self, End, Limits, StopSign, Task};
use crate::sys::http::probe;
use crate::sys::log;
use crate::sys::log_once::LogOnce;
use crate::sys::thread;

/// Bytes of stack for the thread that probes.
const STACK: usize = 128 << 10;

/// Probes every `readiness.period` until all probes succeed, then sends [`PosterCommand::Begin`] to
/// each of `orders`.
///
/// Fails if the thread cannot be started or the pipe cannot be opened.
pub(crate) fn watch(
    readiness: Readiness,
    orders: Vec<Sender<PosterCommand>>,
) -> Result<(), String> {
    let (stop, sign) = exec::stop().map_err(|error| format!("cannot open a pipe: {error}"))?;
    // A command that still runs when the agent ends is ended by its own time limit.
    std::mem::forget(stop);
    let run = move || {
        pause(readiness.initial_delay);
        let mut log = LogOnce::default();
        while let Err(why) = ask(&readiness, &sign) {
            log.warned(&format!(
                "not ready: {why}; the host is registered when it is"
            ));
            pause(readiness.period);
        }
        log::info!("ready");
        for orders in orders {
            drop(orders.send(PosterCommand::Begin));
        }
    };
    thread::start("readiness", STACK, run)
        .map_err(|error| format!("cannot start a thread: {error}"))
}

/// Runs each configured probe once. Fails with the first one that is not ready, and why.
fn ask(readiness: &Readiness, sign: &StopSign) -> Result<(), String> {
    if let Some(place) = &readiness.tcp {
        let found = probe::connect(place, readiness.timeout);
        found.map_err(|error| format!("tcp {place}: {error}"))?;
    }
    if let Some(url) = &readiness.http {
        match probe::status(url, readiness.timeout) {
            Ok(200..=399) => {}
            Ok(status) => return Err(format!("http {url}: status {status}")),
            Err(error) => return Err(format!("http {url}: {error}")),
        }
    }
    if readiness.exec.is_empty() {
        return Ok(());
    }
    let task = Task {
        argv: &readiness.exec,
        user: None,
        env: &[],
    };
    let outcome = exec::run(&task, &Limits::of(readiness.timeout), sign);
    match outcome
        .map_err(|error| format!("exec: {}", base::report(&error)))?
        .end
    {
        End::Exited(0) => Ok(()),
        End::Exited(code) => Err(format!("exec: it ended with {code}")),
        End::TimedOut | End::Stopped => Err("exec: it took too long".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    #[test]
    fn all_that_is_named_has_to_be_ready() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let (_stop, sign) = exec::stop().unwrap();
        let command = |line: &str| ["sh", "-c", line].map(str::to_owned).into();
        let of = |tcp: Option<&str>, exec| Readiness {
            tcp: tcp.map(str::to_owned),
            exec,
            timeout: Duration::from_secs(5),
            ..Readiness::default()
        };
        // (configured probes, expected result)
        let table = [
            (of(None, Vec::new()), Ok(())),
            (of(Some(&place), command("true")), Ok(())),
            (
                of(Some(&place), command("exit 3")),
                Err("exec: it ended with 3".to_owned()),
            ),
        ];
        for (readiness, expected) in table {
            assert_eq!(ask(&readiness, &sign), expected);
        }
        drop(listener);
        let said = ask(&of(Some(&place), Vec::new()), &sign).unwrap_err();
        assert!(said.starts_with(&format!("tcp {place}: ")), "{said}");
    }
}
