//! `mackerel-agent top`: the readings of this host, once a second, in a terminal. Without one, prints
//! them once.

mod paint;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::agent_part::{self, PART};
use crate::base::channel::{Receiver, channel};
use crate::base::clock::{Clock, HostClock, Moment, pause};
use crate::base::json::Json;
use crate::config::{Config, Flags};
use crate::measure::live::Live;
use crate::render::live::Source;
use crate::render::top::{View, lines};
use crate::sys::foreground::{Ready, wait};
use crate::sys::fsstat::FsStats;
use crate::sys::root::Root;
use crate::sys::signal::Signals;
use crate::sys::terminal::{self, Screen, Stream, has_byte, is_terminal, next_byte};
use crate::sys::thread;
use paint::Painter;

/// Shortest and longest time between two readings, in seconds.
const INTERVAL: (u32, u32) = (1, 3600);
/// Longest time until the size of the terminal is looked at again.
const LOOK: Duration = Duration::from_secs(1);
/// Time between two questions to the agent.
const ASK: Duration = Duration::from_secs(10);
/// Bytes of stack of the thread that asks the agent.
const STACK: usize = 256 << 10;
/// Columns of what is printed without a terminal.
const COLUMNS: usize = 80;
/// The descriptor of standard input.
const INPUT: i32 = 0;
/// Keys that are read before the screen is drawn again.
const KEYS: usize = 64;

/// Shows readings until a key or a signal ends that. Fails with the text for the user.
pub(crate) fn top(flags: &mut Flags) -> Result<(), String> {
    let seconds = flags.interval.unwrap_or(INTERVAL.0);
    if !(INTERVAL.0..=INTERVAL.1).contains(&seconds) {
        return Err(format!(
            "top: -interval: {seconds}: write seconds from {} to {}",
            INTERVAL.0, INTERVAL.1
        ));
    }
    let period = Duration::from_secs(seconds.into());
    let config = agent_part::config(flags);
    let is_shown = is_terminal(Stream::Input) && is_terminal(Stream::Output);
    let signals = is_shown.then(Signals::take);
    let mut host = Watched::new(&config);
    let ended = match signals {
        Some(signals) => watch(&mut host, &signals, &config.root, period),
        None => print(&mut host, &config.root, period),
    };
    ended.map_err(|error| format!("top: the terminal: {error}"))
}

/// The readings of this host.
struct Watched {
    clock: HostClock,
    live: Live,
    host: Json,
    event: Json,
    /// The last event with filesystems.
    full: Json,
}

impl Watched {
    fn new(config: &Config) -> Watched {
        let root = Root::of(&config.host);
        let stats = FsStats::new(&root);
        let mut live = Live::new(config, root, stats);
        let host = parsed(&live.host());
        let mut watched = Watched {
            clock: HostClock::new(),
            live,
            host,
            event: Json::Null,
            full: Json::Null,
        };
        watched.measure();
        watched
    }

    fn measure(&mut self) {
        let event = self
            .live
            .event(self.clock.moment(), self.clock.wall(), None);
        self.event = parsed(&event);
        if self.event.member("filesystems").is_some() {
            self.full = parsed(&event);
        }
    }

    fn lines(&self, agent: Option<&Part>, columns: usize, rows: usize) -> Vec<String> {
        let view = View {
            host: &self.host,
            event: &self.event,
            full: &self.full,
            agent: agent.map(|part| part.as_ref().map_err(String::as_str)),
        };
        lines(&view, columns, rows)
    }
}

/// The JSON that this program has written.
fn parsed(text: &str) -> Json {
    Json::parse(text).unwrap_or(Json::Null)
}

/// The agent's part, or why it is missing.
type Part = Result<Json, String>;

fn part(answer: Result<String, String>) -> Part {
    Json::parse(&answer?).map_err(|error| error.to_string())
}

/// Prints the readings of one period.
fn print(host: &mut Watched, root: &Path, period: Duration) -> io::Result<()> {
    pause(period);
    host.measure();
    let agent = part(agent_part::ask(root, PART));
    let mut text = host.lines(Some(&agent), COLUMNS, usize::MAX).join("\n");
    text.push('\n');
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// Shows the readings in the terminal.
fn watch(host: &mut Watched, signals: &Signals, root: &Path, period: Duration) -> io::Result<()> {
    let screen = Screen::open()?;
    let mut painter = Painter::default();
    let mut agent = Asked::new(root.to_owned());
    let mut due = Moment(host.clock.moment().0 + period);
    loop {
        let now = host.clock.moment();
        if now >= due {
            host.measure();
            due = Moment(now.0 + period);
        }
        agent.turn(now);
        let (columns, rows) = terminal::size().unwrap_or((COLUMNS, 24));
        // Terminals differ in what follows a character in the last column.
        let lines = host.lines(agent.part.as_ref(), columns.saturating_sub(1), rows);
        screen.write(&painter.paint(&lines, (columns, rows)))?;
        let left = due.since(host.clock.moment());
        match wait(signals, INPUT, left.min(LOOK)) {
            Ready::End => return Ok(()),
            Ready::Time => {}
            Ready::Input => match keys()? {
                Key::End => return Ok(()),
                Key::Other => painter.forget(),
            },
        }
    }
}

/// What a key does.
#[derive(Debug, Eq, PartialEq)]
enum Key {
    End,
    /// Draw everything again.
    Other,
}

impl Key {
    /// The key of a byte of input. `None`: the end of the input.
    fn of(byte: Option<u8>) -> Key {
        match byte {
            // Ctrl-C, Ctrl-D, and the end of a terminal that is gone.
            Some(b'q' | b'Q' | 3 | 4) | None => Key::End,
            Some(_) => Key::Other,
        }
    }
}

/// The key that was pressed; of several keys the one that ends.
fn keys() -> io::Result<Key> {
    for _ in 0..KEYS {
        if Key::of(next_byte()?) == Key::End {
            return Ok(Key::End);
        }
        if !has_byte() {
            break;
        }
    }
    Ok(Key::Other)
}

/// Asks the agent in a thread of its own, so that one that hangs does not delay keys.
struct Asked {
    root: PathBuf,
    part: Option<Part>,
    /// The answer that is awaited.
    answer: Option<Receiver<Result<String, String>>>,
    /// When the agent was asked last.
    last: Option<Moment>,
}

impl Asked {
    fn new(root: PathBuf) -> Asked {
        Asked {
            root,
            part: None,
            answer: None,
            last: None,
        }
    }

    /// Takes an answer that has come, and asks if that is due.
    fn turn(&mut self, now: Moment) {
        if let Some(answer) = &self.answer {
            let Ok(answer) = answer.try_recv() else {
                return;
            };
            self.part = Some(part(answer));
            self.answer = None;
        }
        if self.last.is_some_and(|last| now.since(last) < ASK) {
            return;
        }
        self.last = Some(now);
        let (tell, answer) = channel();
        let root = self.root.clone();
        let run = move || drop(tell.send(agent_part::ask(&root, PART)));
        if thread::start("ask", STACK, run).is_ok() {
            self.answer = Some(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_ends_or_draws_again() {
        let table = [
            (Some(b'q'), Key::End),
            (Some(b'Q'), Key::End),
            (Some(3), Key::End),
            (Some(4), Key::End),
            (None, Key::End),
            (Some(b'x'), Key::Other),
            (Some(0x1b), Key::Other),
            (Some(12), Key::Other),
        ];
        for (byte, expected) in table {
            assert_eq!(Key::of(byte), expected, "{byte:?}");
        }
    }
}
