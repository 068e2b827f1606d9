//! Name resolution by the system's resolver, which has no time limit of its own.
//!
//! IPv4 and IPv6 addresses are looked up separately. If both are requested together, musl returns
//! an error when the name server fails for one of them. Cheap routers and DNS filters cause such
//! failures.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::sooner;
use crate::base::channel::{Receiver, Sender, channel};
use crate::base::clock::Deadline;
use crate::sys::thread;

/// Maximum number of addresses kept for one name.
const ADDRESSES: usize = 8;
/// Bytes of stack of a lookup thread. The resolver keeps whole DNS answers on its stack.
const STACK: usize = 256 << 10;
/// Time limit for the second family after the first one has an address.
const SECOND_LIMIT: Duration = Duration::from_secs(2);

/// An address family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    V4,
    V6,
}

const FAMILIES: [Family; 2] = [Family::V4, Family::V6];

/// The addresses of a name in one family. The error is [`io::ErrorKind::NotFound`] if the name has
/// none.
type Resolved = io::Result<Vec<IpAddr>>;

/// Resolves names. Each address family has a thread of its own, at most one at a time.
pub(super) struct Lookup {
    resolve: fn(&str, Family) -> Resolved,
    /// Whether these IPv6 addresses are tried before those of IPv4.
    is_v6_first: fn(&[IpAddr]) -> bool,
    /// The name that the thread of each family resolves; `None` if the family has no thread.
    pending: [Option<String>; 2],
    answer: Sender<(Family, Resolved)>,
    answers: Receiver<(Family, Resolved)>,
}

impl Lookup {
    /// A lookup that uses the system's resolver.
    pub(super) fn new() -> Lookup {
        Lookup::with(|host, family| or_absolute(host, &|host| ask_system(host, family)))
    }

    fn with(resolve: fn(&str, Family) -> Resolved) -> Lookup {
        let (answer, answers) = channel();
        Lookup {
            resolve,
            is_v6_first: |v6| v6.first().is_some_and(is_reached_well),
            pending: [None, None],
            answer,
            answers,
        }
    }

    /// The addresses of `host`, IPv6 and IPv4 alternating, at most [`ADDRESSES`]. A numeric address
    /// is returned without a lookup.
    ///
    /// One family is enough: the wait for the other one lasts at most [`SECOND_LIMIT`] longer.
    /// Fails with [`io::ErrorKind::TimedOut`] if the resolver gives no answer by `by`. Fails at
    /// once while earlier lookups of both families are unanswered. An answer that is too late for
    /// one call is used by the next.
    pub(super) fn find(
        &mut self,
        host: &str,
        port: u16,
        by: Deadline,
    ) -> io::Result<Vec<SocketAddr>> {
        let found = match host.parse() {
            Ok(address) => vec![address],
            Err(_) => self.ask(host, by)?,
        };
        let with_port = found.into_iter().map(|ip| SocketAddr::new(ip, port));
        Ok(with_port.collect())
    }

    fn ask(&mut self, host: &str, by: Deadline) -> io::Result<Vec<IpAddr>> {
        let mut found = [None, None];
        while let Ok(late) = self.answers.try_recv() {
            self.take(late, host, &mut found);
        }
        // A late error says nothing about the current state: the family is looked up again.
        for found in &mut found {
            found.take_if(|found| found.is_err());
        }
        if let [Some(pending), Some(_)] = &self.pending {
            let text = format!("an earlier lookup of {pending} still hangs");
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        for family in FAMILIES {
            let at = family as usize;
            if found[at].is_none() && self.pending[at].is_none() {
                self.start(host, family)?;
            }
        }
        let mut by = by;
        while self.pending.iter().flatten().any(|name| name == host) {
            if found.iter().flatten().any(Result::is_ok) {
                by = sooner(by, SECOND_LIMIT);
            }
            match self.answers.recv_timeout(by.remaining()) {
                Ok(answer) => self.take(answer, host, &mut found),
                Err(_) => break,
            }
        }
        self.merge(found)
    }

    fn start(&mut self, host: &str, family: Family) -> io::Result<()> {
        let (answer, resolve, name) = (self.answer.clone(), self.resolve, host.to_owned());
        // Sending fails only if the client has been dropped.
        let body = move || drop(answer.send((family, resolve(&name, family))));
        thread::start("resolve", STACK, body)?;
        self.pending[family as usize] = Some(host.to_owned());
        Ok(())
    }

    /// Stores an answer in `found` if it is for `host`, and marks the family's thread as ended.
    fn take(&mut self, answer: (Family, Resolved), host: &str, found: &mut [Option<Resolved>; 2]) {
        let (family, addresses) = answer;
        if self.pending[family as usize].take().as_deref() == Some(host) {
            found[family as usize] = Some(addresses);
        }
    }

    /// The addresses of both families in the order of attempts, or the more informative error.
    fn merge(&self, found: [Option<Resolved>; 2]) -> io::Result<Vec<IpAddr>> {
        let mut addresses = [Vec::new(), Vec::new()];
        let mut failure: Option<io::Error> = None;
        for (addresses, found) in addresses.iter_mut().zip(found) {
            match found.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into())) {
                Ok(found) => *addresses = found,
                // `NotFound` for one family says nothing if the lookup of the other one failed.
                Err(error) if error.kind() == io::ErrorKind::NotFound && failure.is_some() => {}
                Err(error) => failure = Some(error),
            }
        }
        let [v4, v6] = addresses;
        match failure {
            Some(error) if v4.is_empty() && v6.is_empty() => Err(error),
            _ if (self.is_v6_first)(&v6) => Ok(in_turn(&v6, &v4)),
            _ => Ok(in_turn(&v4, &v6)),
        }
    }
}

/// The addresses that the system's resolver finds, in its order. The wait has no limit.
fn ask_system(host: &str, family: Family) -> Resolved {
    let name = std::ffi::CString::new(host)?;
    // SAFETY: all zeros are a valid `addrinfo`: no flags, no pointers.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_family = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let mut first = std::ptr::null_mut();
    // SAFETY: the name ends with NUL, all pointers are valid for the call, and `first` is written
    // only if it succeeds.
    let code = unsafe {
        libc::getaddrinfo(
            name.as_ptr(),
            std::ptr::null(),
            &raw const hints,
            &raw mut first,
        )
    };
    if code != 0 {
        return Err(failure(code));
    }
    let mut found = Vec::new();
    let mut next = first;
    while !next.is_null() {
        // SAFETY: the list is valid until it is freed, and its end is a null pointer.
        let entry = unsafe { &*next };
        next = entry.ai_next;
        // SAFETY: an entry of this family points to an address of its type.
        let address = unsafe {
            match entry.ai_family {
                libc::AF_INET => {
                    let address = &*entry.ai_addr.cast::<libc::sockaddr_in>();
                    IpAddr::V4(Ipv4Addr::from(address.sin_addr.s_addr.to_ne_bytes()))
                }
                libc::AF_INET6 => {
                    let address = &*entry.ai_addr.cast::<libc::sockaddr_in6>();
                    IpAddr::V6(Ipv6Addr::from(address.sin6_addr.s6_addr))
                }
                _ => continue,
            }
        };
        found.push(address);
    }
    // SAFETY: getaddrinfo allocated the list, and nothing refers to it any more.
    unsafe { libc::freeaddrinfo(first) };
    if found.is_empty() {
        Err(failure(libc::EAI_NONAME))
    } else {
        Ok(found)
    }
}

/// The error for a return code of getaddrinfo.
fn failure(code: i32) -> io::Error {
    match code {
        libc::EAI_NONAME | libc::EAI_NODATA => io::Error::new(
            io::ErrorKind::NotFound,
            "the name has no address; check its spelling and /etc/resolv.conf",
        ),
        libc::EAI_AGAIN | libc::EAI_FAIL => {
            io::Error::other("no name server gave a usable answer; check /etc/resolv.conf")
        }
        libc::EAI_SYSTEM => io::Error::last_os_error(),
        code => io::Error::other(format!("the lookup failed with code {code} of getaddrinfo")),
    }
}

/// Resolves `host`, and after an error also the absolute name, with a dot at its end.
///
/// With `ndots` in `resolv.conf`, the resolver tries the search domains first. musl stops at the
/// first search domain whose servers do not answer. The absolute name is not tried first, since no
/// name in `/etc/hosts` ends with a dot. It is not tried after [`io::ErrorKind::NotFound`], since
/// the resolver has already tried it then.
fn or_absolute(host: &str, ask: &dyn Fn(&str) -> Resolved) -> Resolved {
    ask(host).or_else(|error| {
        let is_relative = host.contains('.') && !host.ends_with('.');
        if is_relative && error.kind() != io::ErrorKind::NotFound {
            ask(&format!("{host}.")).map_err(|_| error)
        } else {
            Err(error)
        }
    })
}

/// Whether the host has a route to this IPv6 address from an address of the same kind. If so, RFC
/// 6724 (section 6, rules 1, 2 and 5) prefers it to IPv4. Sends no packet.
fn is_reached_well(address: &IpAddr) -> bool {
    let from = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((*address, 1))?;
        socket.local_addr()
    });
    from.is_ok_and(|from| label(&from.ip()) == label(address))
}

/// A number that is the same for all addresses of one kind.
fn label(address: &IpAddr) -> u8 {
    let IpAddr::V6(address) = address else {
        return 0;
    };
    match address.segments() {
        [0xfe80..=0xfebf, ..] => 1,
        [0xfc00..=0xfdff, ..] => 2,
        // 6to4 and Teredo: IPv6 over IPv4, slower than IPv4 itself.
        [0x2002, ..] => 3,
        [0x2001, 0, ..] => 4,
        _ => 5,
    }
}

/// The addresses of two families, alternating, at most [`ADDRESSES`]. If one family is unreachable,
/// the other one is not tried last.
fn in_turn(first: &[IpAddr], second: &[IpAddr]) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for at in 0..first.len().max(second.len()) {
        for family in [first, second] {
            if let Some(address) = family.get(at)
                && all.len() < ADDRESSES
            {
                all.push(*address);
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    fn none() -> io::Error {
        io::ErrorKind::NotFound.into()
    }

    #[test]
    fn a_name_whose_search_domains_fail_is_asked_for_without_them() {
        // (why this row exists, name, names looked up, whether an address is found)
        let table: [(&str, &str, &[&str], bool); 6] = [
            ("known", "known.example", &["known.example"], true),
            ("found", "a.example", &["a.example", "a.example."], true),
            ("fails", "b.example", &["b.example", "b.example."], false),
            ("absolute already", "b.example.", &["b.example."], false),
            ("one label", "localhost", &["localhost"], false),
            ("no such name", "none.example", &["none.example"], false),
        ];
        for (why, name, asked, is_found) in table {
            let questions = Mutex::new(Vec::new());
            let found = or_absolute(name, &|host| {
                questions.lock().unwrap().push(host.to_owned());
                match host {
                    "known.example" | "a.example." => Ok(vec![IpAddr::from([127, 0, 0, 1])]),
                    "none.example" => Err(io::Error::new(io::ErrorKind::NotFound, host)),
                    _ => Err(io::Error::other(host)),
                }
            });
            assert_eq!(*questions.lock().unwrap(), asked, "{why}");
            match found {
                Ok(_) => assert!(is_found, "{why}"),
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
    fn numeric_addresses_are_not_looked_up() {
        let mut lookup = Lookup::with(|_, _| Err(none()));
        let mut find = |host| lookup.find(host, 80, soon()).map(|found| texts(&found));
        assert_eq!(find("192.0.2.7").unwrap(), ["192.0.2.7:80"]);
        assert_eq!(find("2001:db8::7").unwrap(), ["[2001:db8::7]:80"]);
        assert!(find("api.example").is_err());
    }

    #[test]
    fn one_family_is_enough_and_the_error_that_says_most_is_reported() {
        let mut lookup = Lookup::with(|host, family| {
            let (v4, v6) = host.split_once('.').unwrap();
            let (what, address) = match family {
                Family::V4 => (v4, IpAddr::from([192, 0, 2, 1])),
                Family::V6 => (v6, "2001:db8::1".parse().unwrap()),
            };
            match what {
                "good" => Ok(vec![address]),
                "none" => Err(failure(libc::EAI_NODATA)),
                "fails" => Err(failure(libc::EAI_AGAIN)),
                _ => Err(failure(libc::EAI_FAMILY)),
            }
        });
        lookup.is_v6_first = |v6| !v6.is_empty();
        let fails = "no name server gave a usable answer; check /etc/resolv.conf";
        let none = "the name has no address; check its spelling and /etc/resolv.conf";
        // (why this row exists, outcome for IPv4 and IPv6, result)
        let table = [
            ("both", "good.good", "[2001:db8::1]:1 192.0.2.1:1"),
            ("IPv4 alone", "good.none", "192.0.2.1:1"),
            ("IPv6 fails", "good.fails", "192.0.2.1:1"),
            ("IPv6 is unknown to the system", "good.odd", "192.0.2.1:1"),
            ("IPv6 alone", "none.good", "[2001:db8::1]:1"),
            ("IPv4 fails", "fails.good", "[2001:db8::1]:1"),
            ("no such name", "none.none", none),
            ("IPv4 could not be asked for", "fails.none", fails),
            ("IPv6 could not be asked for", "none.fails", fails),
            ("neither", "fails.fails", fails),
        ];
        for (why, host, expected) in table {
            let found = match lookup.find(host, 1, soon()) {
                Ok(found) => texts(&found).join(" "),
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expected, "{why}");
        }
    }

    #[test]
    fn families_alternate() {
        // (why this row exists, addresses of each family, order of attempts)
        type Texts = &'static [&'static str];
        let table: [(&str, Texts, Texts, Texts); 4] = [
            (
                "three of one, one of the other",
                &["::1", "::2", "::3"],
                &["10.0.0.1"],
                &["::1", "10.0.0.1", "::2", "::3"],
            ),
            (
                "the resolver's first stays first",
                &["10.0.0.1", "10.0.0.2"],
                &["::1"],
                &["10.0.0.1", "::1", "10.0.0.2"],
            ),
            (
                "one family",
                &["10.0.0.2", "10.0.0.1"],
                &[],
                &["10.0.0.2", "10.0.0.1"],
            ),
            ("none", &[], &[], &[]),
        ];
        for (why, first, second, tried) in table {
            let parsed = |texts: &[&str]| -> Vec<IpAddr> {
                texts.iter().map(|text| text.parse().unwrap()).collect()
            };
            let found = in_turn(&parsed(first), &parsed(second));
            assert_eq!(found, parsed(tried), "{why}");
        }
    }

    #[test]
    fn addresses_of_the_same_kind_have_one_label() {
        // (why this row exists, from, to, whether IPv6 comes first)
        let table = [
            ("both global", "2400:1::1", "2600:1::1", true),
            ("private to global: no way out", "fd00::1", "2600::1", false),
            ("private to private", "fd00::1", "fc00::1", true),
            ("no address but the link's", "fe80::1", "2600::1", false),
            ("6to4", "2002:1::1", "2600::1", false),
            ("Teredo", "2001:0:1::1", "2600::1", false),
            ("global beside Teredo", "2001:db8::1", "2600::1", true),
            ("loopback", "::1", "::1", true),
        ];
        for (why, from, to, expected) in table {
            let label = |text: &str| label(&text.parse().unwrap());
            assert_eq!(label(from) == label(to), expected, "{why}");
        }
    }

    static GATE: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());

    fn hang() {
        let gate = GATE.0.lock().unwrap();
        drop(GATE.1.wait_while(gate, |open| !*open).unwrap());
    }

    #[test]
    fn a_resolver_that_hangs_is_one_thread_and_its_late_answer_serves() {
        let mut lookup = Lookup::with(|host, family| {
            match (host, family) {
                ("half.example", Family::V4) => {}
                _ => hang(),
            }
            match family {
                Family::V4 => Ok(vec![IpAddr::from([192, 0, 2, 1])]),
                Family::V6 => Err(none()),
            }
        });
        // One family never answers here. The other one answers at once.
        let half = |lookup: &mut Lookup| {
            let by = Deadline::after(Duration::from_millis(500));
            texts(&lookup.find("half.example", 1, by).unwrap())
        };
        assert_eq!(half(&mut lookup), ["192.0.2.1:1"]);
        let again = half(&mut lookup);
        assert_eq!(
            again,
            ["192.0.2.1:1"],
            "the family that hangs is left alone"
        );

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
                Err(_) => std::thread::yield_now(),
                Ok(found) => break found,
            }
        };
        assert_eq!(texts(&late), ["192.0.2.1:1"]);
    }
}
