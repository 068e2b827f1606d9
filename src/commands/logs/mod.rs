//! `mackerel-agent logs`: prints the log lines that the running agent has kept, and with `-f` those
//! that follow.

mod feed;

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use super::agent_part::{self, ABSENT, FAILING, FORBIDDEN};
use crate::base::clock::{Deadline, Unix};
use crate::base::json::Json;
use crate::config::Flags;
use crate::sys::agent_socket::{Body, open};
use crate::sys::foreground::{Ready, wait};
use crate::sys::log;
use crate::sys::signal::Signals;
use feed::{Feed, Item};

/// Time without a further line after which all kept lines have been read.
const QUIET: Duration = Duration::from_secs(1);
/// Time within which all kept lines are read.
const WHOLE: Duration = Duration::from_secs(10);
/// Time without a byte after which the agent counts as hanging: it sends one every 15 seconds.
const SILENT: Duration = Duration::from_secs(60);
/// Time between two connections.
const PAUSE: Duration = Duration::from_secs(2);
/// What is printed where lines may be missing.
const GAP: &str = "-- lines may be missing: the agent was started again, or has dropped them --\n";
/// What is said if there are no lines.
const NONE: &str = "logs: no lines are kept: the agent keeps them from the first question on, until \
                    two minutes after the last one; ask again, or follow them with -f";

/// Prints log lines, and returns the exit code: that of `status`. Fails with the text for the user if
/// they cannot be printed.
pub(crate) fn logs(flags: &mut Flags) -> Result<u8, String> {
    let config = agent_part::config(flags);
    let signals = flags.follow.then(Signals::take);
    let mut feed = Feed::default();
    let mut is_first = true;
    loop {
        match (begin(&config.root, &feed), &signals) {
            (Ok(mut body), Some(signals)) => {
                if follow(signals, &mut body, &mut feed)? == Ended::Reader {
                    return Ok(0);
                }
                feed.cut();
                log::say("logs: the agent has ended the connection; connecting again");
            }
            (Ok(mut body), None) => {
                if !kept(&mut body, &mut feed)? {
                    log::say(NONE);
                }
                return Ok(0);
            }
            (Err((code, why)), _) => {
                if is_first || code == FORBIDDEN {
                    log::say(&["logs: ", &why].concat());
                    return Ok(code);
                }
            }
        }
        is_first = false;
        if let Some(signals) = &signals
            && wait(signals, -1, PAUSE) == Ready::End
        {
            return Ok(0);
        }
    }
}

/// Asks for the lines behind the last one of `feed`. Fails with the exit code and the text for the
/// user.
fn begin(root: &Path, feed: &Feed) -> Result<Body, (u8, String)> {
    let last: Option<(&str, &str)> = feed.last.as_deref().map(|last| ("Last-Event-ID", last));
    match open(root, "/logs", last.as_slice(), QUIET) {
        Ok((200, body)) => Ok(body),
        Ok((status, _)) => Err((
            FAILING,
            format!(
                "the agent of root {} refuses with the status {status}; end other commands that \
                 follow its lines",
                root.display()
            ),
        )),
        Err(error) => {
            let (code, mut why) = agent_part::refusal(root, &error);
            if code == ABSENT {
                why.push_str("; start it, or name its -root");
            }
            Err((code, why))
        }
    }
}

/// Prints the lines that are kept. Returns whether there are any.
fn kept(body: &mut Body, feed: &mut Feed) -> Result<bool, String> {
    let deadline = Deadline::after(WHOLE);
    let (mut has_any, mut items) = (false, Vec::new());
    while !deadline.remaining().is_zero() && more(body, feed, &mut items).is_ok() {
        has_any |= !items.is_empty();
        if !print(&mut items)? {
            break;
        }
    }
    Ok(has_any)
}

/// Why lines are no longer followed.
#[derive(Debug, Eq, PartialEq)]
enum Ended {
    /// The connection has ended.
    Agent,
    /// A signal came, or nothing reads the lines any more.
    Reader,
}

/// Prints lines as they come.
fn follow(signals: &Signals, body: &mut Body, feed: &mut Feed) -> Result<Ended, String> {
    let mut items = Vec::new();
    loop {
        // First what has come with the head of the answer, which does not show in a wait.
        match more(body, feed, &mut items) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Ok(Ended::Agent),
            _ => {}
        }
        if !print(&mut items)? {
            return Ok(Ended::Reader);
        }
        match wait(signals, body.as_raw_fd(), SILENT) {
            Ready::Input => {}
            Ready::End => return Ok(Ended::Reader),
            Ready::Time => return Ok(Ended::Agent),
        }
    }
}

/// Reads what has arrived into `items`. Fails at the end of the stream, and with
/// [`io::ErrorKind::WouldBlock`] if nothing arrives within [`QUIET`].
fn more(body: &mut Body, feed: &mut Feed, items: &mut Vec<Item>) -> io::Result<()> {
    let mut buffer = [0; 8192];
    let length = body.read(&mut buffer)?;
    let bytes = buffer.get(..length).unwrap_or_default();
    if bytes.is_empty() || !feed.read(bytes, items) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Prints and removes `items`. Returns whether anything reads them. Fails with the text for the user
/// if they cannot be written otherwise.
fn print(items: &mut Vec<Item>) -> Result<bool, String> {
    let mut text = String::new();
    for item in items.iter() {
        text.push_str(&shown(item).unwrap_or_default());
    }
    items.clear();
    let mut output = io::stdout().lock();
    let printed = output.write_all(text.as_bytes());
    match printed.and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(format!("cannot print: {error}")),
    }
}

/// The line for an item, as the agent writes it to its log; `None` if it is none.
fn shown(item: &Item) -> Option<String> {
    let Item::Line(line) = item else {
        return Some(GAP.to_owned());
    };
    let line = Json::parse(line).ok()?;
    let text = |name| match line.member(name) {
        Some(Json::Text(text)) => Some(text.as_str()),
        _ => None,
    };
    let Some(Json::Number(milliseconds)) = line.member("time") else {
        return None;
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from a float saturates"
    )]
    let time = Unix((*milliseconds / 1000.0) as u64);
    Some(log::line(time, text("level")?, text("tag")?, text("text")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_line_is_shown_as_the_agent_writes_it() {
        let shown = |text: &str| shown(&Item::Line(text.to_owned()));
        let line =
            r#"{"time":1764380000999,"level":"INFO","tag":"main","text":"a \u001b[2J b\nc"}"#;
        let found = shown(line).unwrap();
        let (time, rest) = found.split_at("2025/11/29 01:33:20".len());
        assert_eq!(
            rest, " INFO <main> a \\u{1b}[2J b\\nc\n",
            "no control characters"
        );
        assert!(time.contains(":33:20"), "{time}");
        for damaged in ["", "{}", "[1]", r#"{"time":1,"level":"INFO","tag":"main"}"#] {
            assert_eq!(shown(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn log_lines_that_were_lost_leave_one_line() {
        assert_eq!(shown(&Item::Reset).as_deref(), Some(GAP));
    }
}
