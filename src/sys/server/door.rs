//! A listener of the server: when it is bound, and when it accepts.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use super::Via;
use super::listener::Listener;
use crate::base::clock::Moment;
use crate::sys::agent_socket;

/// Pause after a connection could not be accepted: out of descriptors, for example.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause between two connections to the agent's socket: at most 200 per second are accepted.
const AGENT_PAUSE: Duration = Duration::from_millis(5);
/// Pause between two attempts to listen.
const BIND_PAUSE: Duration = Duration::from_secs(60);

/// Returns a listener, or `None` if its address cannot be used yet.
pub(crate) type Bind = Box<dyn FnMut() -> Option<Listener> + Send>;

/// A listener, or how to get one.
pub(crate) struct Door {
    via: Via,
    listener: Result<Listener, Bind>,
    /// Nothing is accepted or bound before.
    rests_until: Option<Moment>,
}

impl Door {
    /// A door with a listener.
    pub(crate) fn bound(via: Via, listener: Listener) -> Door {
        Door {
            via,
            listener: Ok(listener),
            rests_until: None,
        }
    }

    /// A door whose listener is `bind`'s, which is asked at once and then every minute.
    pub(crate) fn binding(via: Via, bind: Bind) -> Door {
        Door {
            via,
            listener: Err(bind),
            rests_until: None,
        }
    }

    pub(super) fn via(&self) -> Via {
        self.via
    }

    /// Ends a pause that is over, and listens if that is due.
    pub(super) fn prepare(&mut self, now: Moment) {
        self.rests_until = self.rests_until.filter(|until| *until > now);
        if self.rests_until.is_some() {
            return;
        }
        if let Err(bind) = &mut self.listener {
            match bind() {
                Some(listener) => self.listener = Ok(listener),
                None => self.rest(now, BIND_PAUSE),
            }
        }
    }

    /// The end of the pause.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.rests_until
    }

    pub(super) fn accepts(&self) -> bool {
        self.listener.is_ok() && self.rests_until.is_none()
    }

    /// The listener's descriptor; -1 if there is none.
    pub(super) fn descriptor(&self) -> RawFd {
        self.listener.as_ref().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Accepts one connection. `None` if there is none, or if its peer is a stranger, who gets the
    /// refusal.
    pub(super) fn accept(&mut self, now: Moment, refusal: &dyn Fn() -> Vec<u8>) -> Option<File> {
        let Ok(listener) = &self.listener else {
            return None;
        };
        let accepted = listener.accept();
        if self.via == Via::Agent {
            self.rest(now, AGENT_PAUSE);
        }
        let Ok(mut stream) = accepted else {
            self.rest(now, PAUSE);
            return None;
        };
        if self.via == Via::Agent && !agent_socket::is_friend(&stream) {
            // The connection ends at once, so that strangers keep nobody out. The kernel keeps what
            // was written until the peer reads it.
            drop(stream.write(&refusal()));
            return None;
        }
        Some(stream)
    }

    fn rest(&mut self, now: Moment, pause: Duration) {
        self.rests_until = Some(Moment(now.0 + pause));
    }
}
