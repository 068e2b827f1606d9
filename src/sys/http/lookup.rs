//! Host names → addresses, by the system's resolver, which knows no time limit of its own.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::thread;

use crate::base::channel::{Receiver, channel};
use crate::base::clock::Deadline;

/// Addresses kept of one name.
const ADDRESSES: usize = 8;
/// Bytes. The resolver keeps whole DNS answers on its stack.
const STACK: usize = 256 << 10;

/// Looks up names, each in a thread, of which there is at most one.
pub(super) struct Lookup {
    resolve: fn(&str) -> io::Result<Vec<IpAddr>>,
    pending: Option<Pending>,
}

/// A lookup that took longer than it was waited for.
struct Pending {
    host: String,
    found: Receiver<io::Result<Vec<IpAddr>>>,
}

impl Lookup {
    /// Asks the system.
    pub(super) fn new() -> Lookup {
        Lookup {
            resolve: |host| or_absolute(host, &ask_system),
            pending: None,
        }
    }

    /// The addresses of `host`, IPv6 and IPv4 in turn, at most [`ADDRESSES`]. An address in digits
    /// is its own.
    ///
    /// Fails with [`io::ErrorKind::TimedOut`] if the system gives no answer by `by`, and at once as
    /// long as an earlier lookup is without answer. An answer that came too late for one call
    /// serves the next.
    pub(super) fn find(
        &mut self,
        host: &str,
        port: u16,
        by: Deadline,
    ) -> io::Result<Vec<SocketAddr>> {
        let found = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => in_turn(self.ask(host, by)?),
        };
        let with_port = found.into_iter().map(|ip| SocketAddr::new(ip, port));
        Ok(with_port.collect())
    }

    fn ask(&mut self, host: &str, by: Deadline) -> io::Result<Vec<IpAddr>> {
        if let Some(pending) = self.pending.take() {
            match pending.found.try_recv() {
                Err(TryRecvError::Empty) => {
                    let text = format!("an earlier lookup of {} still hangs", pending.host);
                    self.pending = Some(pending);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Ok(Ok(late)) if pending.host == host => return Ok(late),
                Ok(_) | Err(TryRecvError::Disconnected) => {}
            }
        }
        let (answer, found) = channel();
        let (resolve, name) = (self.resolve, host.to_owned());
        thread::Builder::new()
            .name("resolve".to_owned())
            .stack_size(STACK)
            // Nobody listens any more if the whole client has gone.
            .spawn(move || drop(answer.send(resolve(&name))))?;
        match found.recv_timeout(by.remaining()) {
            Ok(found) => found,
            Err(RecvTimeoutError::Timeout) => {
                let host = host.to_owned();
                self.pending = Some(Pending { host, found });
                Err(io::ErrorKind::TimedOut.into())
            }
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn ask_system(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = (host, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

/// With `ndots` in `resolv.conf` a name is looked for in the search domains first, and musl gives up
/// at the first of them whose servers do not answer. Then the name is asked for as it is, without
/// any domain. Not in the first place, for a dot at the end is in no `/etc/hosts`.
fn or_absolute(
    host: &str,
    ask: &dyn Fn(&str) -> io::Result<Vec<IpAddr>>,
) -> io::Result<Vec<IpAddr>> {
    ask(host).or_else(|error| match host.contains('.') && !host.ends_with('.') {
        true => ask(&format!("{host}.")).map_err(|_| error),
        false => Err(error),
    })
}

/// The resolver sorts all addresses of one family before all of the other; where one family leads
/// nowhere, the other must not come last.
fn in_turn(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v6 = found.first().is_some_and(IpAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let longest = first.len().max(second.len());
    (0..longest)
        .flat_map(|at| [first.get(at), second.get(at)])
        .flatten()
        .copied()
        .take(ADDRESSES)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_that_is_not_found_is_asked_for_without_domains() {
        // (name, what is asked for, whether that brings an address)
        let table: [(&str, &[&str], bool); 5] = [
            ("known.example", &["known.example"], true),
            ("a.example", &["a.example", "a.example."], true),
            ("b.example", &["b.example", "b.example."], false),
            ("b.example.", &["b.example."], false),
            ("localhost", &["localhost"], false),
        ];
        for (name, asked, is_found) in table {
            let questions = Mutex::new(Vec::new());
            let found = or_absolute(name, &|host| {
                questions.lock().unwrap().push(host.to_owned());
                match ["known.example", "a.example."].contains(&host) {
                    true => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                    false => Err(io::Error::other(host)),
                }
            });
            assert_eq!(*questions.lock().unwrap(), asked);
            match found {
                Ok(_) => assert!(is_found, "{name}"),
                Err(error) => assert_eq!((error.to_string().as_str(), is_found), (name, false)),
            }
        }
    }

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(5))
    }

    fn texts(found: &[SocketAddr]) -> Vec<String> {
        found.iter().map(SocketAddr::to_string).collect()
    }

    #[test]
    fn digits_are_not_looked_up() {
        let mut lookup = Lookup {
            resolve: |_| Err(io::ErrorKind::NotFound.into()),
            pending: None,
        };
        let mut find = |host| lookup.find(host, 80, soon()).map(|found| texts(&found));
        assert_eq!(find("192.0.2.7").unwrap(), ["192.0.2.7:80"]);
        assert_eq!(find("2001:db8::7").unwrap(), ["[2001:db8::7]:80"]);
        assert!(find("api.example").is_err());
    }

    #[test]
    fn families_take_turns() {
        // (why this row exists, found, tried)
        let table: [(&str, &[&str], &[&str]); 4] = [
            (
                "three of one, one of the other",
                &["::1", "::2", "::3", "10.0.0.1"],
                &["::1", "10.0.0.1", "::2", "::3"],
            ),
            (
                "the resolver's first stays first",
                &["10.0.0.1", "10.0.0.2", "::1"],
                &["10.0.0.1", "::1", "10.0.0.2"],
            ),
            (
                "one family",
                &["10.0.0.2", "10.0.0.1"],
                &["10.0.0.2", "10.0.0.1"],
            ),
            ("none", &[], &[]),
        ];
        for (why, found, tried) in table {
            let parsed = |texts: &[&str]| -> Vec<IpAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            assert_eq!(in_turn(parsed(found)), parsed(tried), "{why}");
        }
    }

    static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    #[test]
    fn a_resolver_that_hangs_is_one_thread_and_its_late_answer_serves() {
        let mut lookup = Lookup {
            resolve: |_| {
                let gate = GATE.0.lock().unwrap();
                drop(GATE.1.wait_while(gate, |open| !*open).unwrap());
                Ok(vec![IpAddr::from([192, 0, 2, 1])])
            },
            pending: None,
        };
        let now = || Deadline::after(Duration::ZERO);
        let error = lookup.find("a.example", 1, now()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        for host in ["a.example", "b.example"] {
            let error = lookup.find(host, 1, soon()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "an earlier lookup of a.example still hangs"
            );
        }

        *GATE.0.lock().unwrap() = true;
        GATE.1.notify_all();
        let late = loop {
            match lookup.find("a.example", 1, soon()) {
                Err(_) => thread::yield_now(),
                Ok(found) => break found,
            }
        };
        assert_eq!(texts(&late), ["192.0.2.1:1"]);
    }
}
