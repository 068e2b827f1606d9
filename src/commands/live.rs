//! `mackerel-agent live`: serves the live page of this host until it is interrupted, with or without
//! a running agent.

use std::env;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use super::agent_part::{self, PART};
use crate::base::clock::HostClock;
use crate::base::url;
use crate::config::Flags;
use crate::listen::{Ask, Question, Routes};
use crate::measure::live::Live;
use crate::sys::fsstat::FsStats;
use crate::sys::log;
use crate::sys::root::Root;
use crate::sys::server::{Door, Listener, Place, Via};
use crate::sys::signal::{Signals, Woken};
use crate::sys::uname::host_name;

/// Where the page is served if no flag says so: a free port.
const ADDRESS: &str = "127.0.0.1:0";

/// Serves the page, and prints its address, until a signal comes.
///
/// Fails with the text for the user if the address cannot be used.
pub(crate) fn live(flags: &mut Flags) -> Result<(), String> {
    let config = agent_part::config(flags);
    let given = flags.listen.as_deref().unwrap_or(ADDRESS);
    let address = address(given)?;
    let listener = Listener::bind(&Place::Tcp(address));
    let (listener, _) = listener.map_err(|error| {
        format!("live: cannot serve on {address}: {error}; name another port with -listen")
    })?;
    let address = listener.address().unwrap_or(address);
    let mut user = None;
    for name in ["USER", "SUDO_USER"] {
        user = env::var(name).ok().filter(|user| !user.is_empty()).or(user);
    }
    let agent = agent_part::ask(&config.root, PART);
    let text = greeting(address, &host_name(), user.as_deref(), agent.as_ref().err());
    let root = Root::of(&config.host);
    let stats = FsStats::new(&root);
    let routes = Routes::of(
        &config,
        Box::new(|| Ok(None)),
        Box::new(String::new),
        asking(config.root.clone()),
        Box::new(Live::new(&config, root, stats)),
    );
    let signals = Signals::take();
    let door = Door::bound(Via::Listen, listener);
    let started = routes.alone().serve(vec![door], HostClock::new());
    started.map_err(|error| format!("live: cannot start a thread: {error}"))?;
    let printed = io::stdout().write_all(text.as_bytes());
    printed.map_err(|error| format!("cannot print: {error}"))?;
    while !matches!(signals.next(None), Woken::Signal(_)) {}
    Ok(())
}

/// The address of the flag. Fails with the text for the user unless only this host reaches it.
fn address(given: &str) -> Result<SocketAddr, String> {
    let address = url::address(given);
    let address = address.filter(|address| address.ip().is_loopback());
    address.ok_or_else(|| {
        format!(
            "live: -listen: {given}: the page is served on a loopback address only; write \
             127.0.0.1:PORT or [::1]:PORT, and use ssh -L from another host"
        )
    })
}

/// What is printed at the start. `absent` is why no agent answers, if none does.
fn greeting(
    address: SocketAddr,
    host: &str,
    user: Option<&str>,
    absent: Option<&String>,
) -> String {
    let port = address.port();
    // A name of the environment or of the kernel may have any character.
    let user = user.map(|user| log::escaped(user) + "@");
    let (user, host) = (user.unwrap_or_default(), log::escaped(host));
    let mut text = format!(
        "http://{address}/\nFrom another host: ssh -L {port}:{address} {user}{host}\n\
         then open http://localhost:{port}/ there. Ctrl-C ends this.\n"
    );
    if let Some(why) = absent {
        text.push_str("Without checks, plugins and destinations: no agent answers: ");
        text.push_str(&log::escaped(why));
        text.push('\n');
    }
    text
}

/// Asks the agent of `root`, which may start, restart and end meanwhile.
fn asking(root: PathBuf) -> Box<Ask> {
    let mut was_there = false;
    Box::new(move |question| match question {
        Question::Live => {
            let part = agent_part::ask(&root, PART);
            was_there |= part.is_ok();
            match part {
                Ok(part) => {
                    let members = part.strip_prefix('{')?.strip_suffix('}')?;
                    Some(members.to_owned())
                }
                // The page says so only if something is missing that was there.
                Err(_) => (!was_there).then(String::new),
            }
        }
        Question::Status => agent_part::ask(&root, "/status").ok(),
        Question::Health | Question::Report(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_address_is_one_that_only_this_host_reaches() {
        // (flag, whether it is used)
        let table = [
            (ADDRESS, true),
            ("127.0.0.1:8000", true),
            ("[::1]:8000", true),
            ("0.0.0.0:8000", false),
            ("[::]:8000", false),
            ("192.0.2.1:8000", false),
            ("localhost:8000", false),
            ("8000", false),
            ("127.0.0.1", false),
            ("", false),
        ];
        for (given, is_used) in table {
            match address(given) {
                Ok(found) => assert!(is_used && found.ip().is_loopback(), "{given}"),
                Err(why) => assert!(!is_used && why.contains("127.0.0.1:PORT"), "{given}: {why}"),
            }
        }
    }

    #[test]
    fn live_greeting_has_the_address_and_the_command_of_ssh() {
        let four = "127.0.0.1:8123".parse().unwrap();
        assert_eq!(
            greeting(four, "pi", Some("me"), None),
            "http://127.0.0.1:8123/\n\
             From another host: ssh -L 8123:127.0.0.1:8123 me@pi\n\
             then open http://localhost:8123/ there. Ctrl-C ends this.\n"
        );
        let six = "[::1]:8123".parse().unwrap();
        let text = greeting(six, "pi\u{1b}[2J", None, Some(&"no such file".to_owned()));
        assert!(text.starts_with("http://[::1]:8123/\n"), "{text}");
        assert!(
            text.contains("ssh -L 8123:[::1]:8123 pi\\u{1b}[2J\n"),
            "{text}"
        );
        assert!(text.ends_with("no agent answers: no such file\n"), "{text}");
    }
}
