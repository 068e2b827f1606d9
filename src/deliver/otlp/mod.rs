//! Delivery of rounds to one server of OTLP, by one thread.
//!
//! `exporter` decides what is sent and when. It holds rounds in `ring`, writes them as messages by
//! `encode`, and sends one message at a time by `transport`. `verdict` says whether an error of the
//! server means that the rounds are sent again. Nothing is written to disk.

mod encode;
mod exporter;
mod ring;
#[cfg(test)]
mod tests;
mod transport;
mod verdict;

use std::time::Duration;

pub(crate) use self::encode::Encode;
use self::exporter::Exporter;
use self::transport::{Transport, connect};
use self::verdict::{Failure, Verdict};
use crate::base::channel::{Sender, channel};
use crate::base::clock::{Clock, Moment};
use crate::config::Otlp;
use crate::deliver::delivery::SharedDelivery;
use crate::render::otlp::Resource;
use crate::sys::crash;
use crate::sys::http::cancel::CancelToken;
use crate::sys::http::proxy::Rules;
use crate::sys::thread;

/// Bytes of stack of an exporter's thread. If there can be no thread for requests, it makes them
/// itself, and a TLS handshake needs 50 kB.
const STACK: usize = 256 << 10;

/// Where rounds are sent, and as what.
pub(crate) struct Destination<E> {
    transport: Box<dyn Transport>,
    encode: E,
    /// Time limit of a request.
    timeout: Duration,
    /// The beginning of each line in the log.
    label: String,
    /// Shortens requests while the agent stops.
    cancel: CancelToken,
    /// What the main thread reads of the exporter.
    delivery: SharedDelivery,
}

impl<E> Destination<E> {
    /// The destination that `config` describes, through the proxies of `proxy`. Makes no connection
    /// yet. Requests end early while `cancel` is on.
    ///
    /// Fails on settings with which no request can succeed, with a text that says where they are.
    pub(crate) fn new(
        config: &Otlp,
        proxy: Rules,
        encode: E,
        cancel: CancelToken,
    ) -> Result<Destination<E>, String> {
        Ok(Destination {
            transport: connect(config, proxy, cancel.clone())?,
            encode,
            timeout: config.timeout,
            label: format!("{}: otlp:", config.place),
            cancel,
            delivery: SharedDelivery::default(),
        })
    }
}

impl<E> Destination<E> {
    /// The same destination, whose exporter publishes its state in `delivery`.
    pub(crate) fn published_in(self, delivery: SharedDelivery) -> Destination<E> {
        Destination { delivery, ..self }
    }
}

/// Commands to the exporter of the agent's rounds.
pub(crate) type OtlpCommand = Command<Resource>;

/// Commands to an exporter.
pub(crate) enum Command<E: Encode> {
    /// Send this.
    Round(E::Round),
    /// Use this destination from now on. What waits is sent there.
    Configure(Box<Destination<E>>),
    /// Mackerel's API confirms that the host started at this Unix time.
    Trusted(u64),
    /// Answer with [`OtlpEvent::Alive`].
    Answer,
    /// Send what waits until this time, and end.
    Stop(Moment),
}

/// Events from an exporter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OtlpEvent {
    /// The answer to [`Command::Answer`].
    Alive,
    /// The server has accepted rounds for the first time, or for the first time after a failure.
    Working,
    /// The server has accepted rounds again.
    Posted,
    /// Rounds cannot be sent, or have been dropped, for this reason. It is in the log.
    Failing(String),
    /// The exporter has ended. This many rounds are lost.
    Ended(usize),
}

/// A message without data: one resource, without metrics. The OTLP specification asks servers to
/// answer requests without data with success.
const EMPTY: &[u8] = &[10, 0];

/// Sends a message without data to the server that `config` describes. Returns its warning, if
/// there is one. Takes at most `limit`.
///
/// Fails with the text for the user.
pub(crate) fn try_out(
    config: &Otlp,
    proxy: Rules,
    limit: Duration,
) -> Result<Option<String>, String> {
    let mut transport = connect(config, proxy, CancelToken::default())?;
    match transport.export(EMPTY, limit) {
        Ok(accepted) => Ok(accepted.warning),
        Err(Failure { verdict, text, .. }) => Err(match verdict {
            Verdict::Refused(remedy) => [&text, "; ", remedy].concat(),
            _ => text,
        }),
    }
}

/// Starts the thread of an exporter. Returns the sender of its commands. `events` receives each
/// [`OtlpEvent`]. `memory` is this exporter's part of the memory that the process may have, in
/// bytes; `None` if there is no limit.
///
/// Fails if the kernel cannot create another thread.
pub(crate) fn start<E: Encode + 'static>(
    destination: Destination<E>,
    memory: Option<u64>,
    clock: Box<dyn Clock + Send>,
    events: Box<dyn Fn(OtlpEvent) + Send>,
    random: fn() -> u32,
) -> Result<Sender<Command<E>>, String> {
    let (commands, inbox) = channel();
    let exporter = Exporter::new(destination, memory, events, random);
    let run = move || {
        let _stack = crash::watch_stack();
        exporter.run(&*clock, &inbox);
    };
    thread::start("otlp", STACK, run)
        .map_err(|error| format!("cannot start the thread that sends OTLP: {error}"))?;
    Ok(commands)
}
