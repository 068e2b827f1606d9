//! The backend of the `log` crate. It writes lines to stderr in the Go agent's format, `2006/01/02
//! 15:04:05 LEVEL <tag> message`, in local time. systemd's journal adds its own time and needs the
//! priority: there, `<4>` or the like replaces the time.

use std::borrow::Cow;
use std::cell::Cell;
use std::env;
use std::fmt;
use std::fs::File;
use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::localtime::LocalTime;
use super::log_ring::LogRing;
use crate::base::clock::{Clock, HostClock, Unix};
use crate::base::json::Json;

/// Module paths that log under another name than their own, longest path first.
pub(crate) type Tags = &'static [(&'static str, &'static str)];

/// The variable in which systemd gives the journal's socket: `DEVICE:INODE`.
const JOURNAL: &str = "JOURNAL_STREAM";

/// Maximum number of bytes of a line after its tag; the rest is cut.
const LINE: usize = 8 << 10;
/// The colours of `configtest`, the only escape sequences that are kept in texts for the user.
const COLOURS: [&str; 3] = ["\x1b[31m", "\x1b[33m", "\x1b[0m"];

struct Stderr {
    clock: HostClock,
    tags: Tags,
    /// Whether stderr is connected to systemd's journal.
    is_journal: bool,
}

static STDERR: OnceLock<Stderr> = OnceLock::new();

/// The lines that were logged while somebody follows them.
pub(crate) static RECENT: LogRing = LogRing::new();

thread_local! {
    /// What precedes the message of each line of this thread.
    static LABEL: Cell<&'static str> = const { Cell::new("") };
}

/// Writes `label` before the message of each later line of this thread.
pub(crate) fn label_thread(label: &'static str) {
    LABEL.set(label);
}

/// Installs the logger: from now on, all records of this program go to stderr. Records of other
/// crates are dropped, because a network crate may log request headers and with them the API key.
pub(crate) fn install(tags: Tags) {
    let backend = STDERR.get_or_init(|| Stderr {
        clock: HostClock::new(),
        tags,
        is_journal: is_journal(),
    });
    // A second call keeps the first call's logger, which is equivalent.
    drop(log::set_logger(backend));
    log::set_max_level(LevelFilter::Info);
}

/// Writes a text for the user to stderr, followed by a newline. Newlines and colours in it are
/// kept; other control characters are escaped.
pub(crate) fn say(text: &str) {
    let is_journal = STDERR.get().is_some_and(|stderr| stderr.is_journal);
    let lines = if is_journal {
        marked(Level::Error, &shown(text.trim_end_matches('\n')))
    } else {
        shown(text)
    };
    write(&lines);
}

/// The lines of `text`, each with a newline, as [`say`] writes them.
fn shown(text: &str) -> String {
    let mut lines = String::new();
    for line in text.split('\n') {
        let mut rest = bounded(line).into_owned();
        while let Some((at, colour)) = first_colour(&rest) {
            lines.extend([&escaped(&rest[..at]), colour]);
            rest.drain(..at + colour.len());
        }
        lines.extend([&escaped(&rest), "\n"]);
    }
    lines
}

fn first_colour(text: &str) -> Option<(usize, &'static str)> {
    let found = COLOURS
        .iter()
        .filter_map(|colour| Some((text.find(colour)?, *colour)));
    found.min()
}

/// `text` on one line of limited length, without control characters. Text from servers, plugins and
/// file names can neither imitate a log line nor control a terminal.
pub(crate) fn one_line(text: &str) -> String {
    escaped(&bounded(text.trim_ascii_end()))
}

/// The first `characters` of a server's text, on one line and without control characters.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    escaped(&text.chars().take(characters).collect::<String>())
}

/// `text` with all characters escaped that end a line, move a cursor or change the display order of
/// others. They are written as in Rust, e.g. `\n` and `\u{1b}`.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// Whether `c` is a control character (C0, C1) or an invisible one: zero width, direction mark,
/// line separator, annotation, tag.
fn is_odd(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The first [`LINE`] bytes of `text` at most. If it is longer, its total length is appended.
fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= LINE {
        return Cow::Borrowed(text);
    }
    let start = &text[..text.floor_char_boundary(LINE)];
    Cow::Owned(format!("{start}... ({} bytes in all)", text.len()))
}

/// Sets the level: from DEBUG on if `verbose`, else ERROR only if `silent`, else from INFO on.
pub(crate) fn set_level(verbose: bool, silent: bool) {
    let level = if verbose {
        LevelFilter::Debug
    } else if silent {
        LevelFilter::Error
    } else {
        LevelFilter::Info
    };
    log::set_max_level(level);
}

/// Writes a line at DEBUG, which is shown if the configuration is verbose.
///
/// Used instead of `log::debug!`, which is compiled out of the release. That also removes ureq's
/// messages about every step of a request (9 kB).
pub(crate) fn debug(tag: &str, text: fmt::Arguments<'_>) {
    if log::max_level() >= LevelFilter::Debug
        && let Some(backend) = STDERR.get()
    {
        backend.write(Level::Debug, tag, text);
    }
}

impl Stderr {
    fn write(&self, level: Level, tag: &str, message: fmt::Arguments<'_>) {
        let message = labelled(message);
        RECENT.push(|| object(self.clock.wall(), level, tag, &message));
        let text = text(level, tag, &message);
        let line = if self.is_journal {
            marked(level, &text)
        } else {
            stamped(&LocalTime::of(self.clock.unix()), &text)
        };
        write(&line);
    }
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        own(metadata.target()).is_some()
    }

    fn log(&self, record: &Record<'_>) {
        let Some(module) = own(record.target()) else {
            return;
        };
        self.write(record.level(), tag(self.tags, module), *record.args());
    }

    fn flush(&self) {}
}

/// The module path of a record of this program, below its root; `None` for other crates.
fn own(target: &str) -> Option<&str> {
    let rest = target.strip_prefix("mackerel_agent")?;
    if rest.is_empty() {
        Some(rest)
    } else {
        rest.strip_prefix("::")
    }
}

fn tag(tags: Tags, module: &str) -> &str {
    let listed = tags.iter().find(|(path, _)| module.starts_with(path));
    listed.map_or_else(
        || module.rsplit("::").next().unwrap_or(module),
        |(_, tag)| tag,
    )
}

/// Whether stderr is the journal's socket. The stderr of a process started by a unit may have been
/// redirected.
fn is_journal() -> bool {
    let Ok(named) = env::var(JOURNAL) else {
        return false;
    };
    let copy = stderr().as_fd().try_clone_to_owned().map(File::from);
    copy.and_then(|file| file.metadata())
        .is_ok_and(|file| named == format!("{}:{}", file.dev(), file.ino()))
}

fn write(text: &str) {
    // If stderr fails, there is no place left to report that.
    drop(stderr().lock().write_all(text.as_bytes()));
}

/// A message on one line, with the label of this thread.
fn labelled(message: fmt::Arguments<'_>) -> String {
    [LABEL.get(), &one_line(&message.to_string())].concat()
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARNING",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

/// Level, tag and message of a log line.
fn text(level: Level, tag: &str, message: &str) -> String {
    [word(level), " <", tag, "> ", message].concat()
}

/// The JSON object of a log line.
fn object(wall: Duration, level: Level, tag: &str, message: &str) -> String {
    let quoted = |text: &str| Json::Text(text.to_owned()).to_string();
    let time = wall.as_millis().to_string();
    let parts = [
        "{\"time\":",
        &time,
        ",\"level\":\"",
        word(level),
        "\",\"tag\":",
        &quoted(tag),
        ",\"text\":",
        &quoted(message),
        "}",
    ];
    parts.concat()
}

/// A line as the agent writes it to stderr, with a newline. `level` is a word of the agent's. Control
/// characters of `message` are escaped.
pub(crate) fn line(time: Unix, level: &str, tag: &str, message: &str) -> String {
    let text = [level, " <", tag, "> ", message].concat();
    stamped(&LocalTime::of(time), &one_line(&text))
}

fn stamped(time: &LocalTime, text: &str) -> String {
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02} {text}\n",
        time.year, time.month, time.day, time.hour, time.minute, time.second,
    )
}

/// `text` with the priority of sd-daemon(3) before each line: the journal stores each line as an
/// entry.
fn marked(level: Level, text: &str) -> String {
    let priority = match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    };
    let lines = text.lines().flat_map(|line| [priority, line, "\n"]);
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_line_has_the_go_agents_format() {
        let time = LocalTime {
            year: 2026,
            month: 1,
            day: 2,
            hour: 15,
            minute: 4,
            second: 5,
            offset_minutes: 540,
        };
        let text = text(Level::Warn, "main", "all is lost");
        assert_eq!(
            stamped(&time, &text),
            "2026/01/02 15:04:05 WARNING <main> all is lost\n"
        );
        assert_eq!(
            marked(Level::Warn, &text),
            "<4>WARNING <main> all is lost\n"
        );
    }

    #[test]
    fn log_for_the_journal_has_a_priority_on_every_line() {
        let table = [
            (Level::Error, "<3>a\n<3>b\n"),
            (Level::Warn, "<4>a\n<4>b\n"),
            (Level::Info, "<6>a\n<6>b\n"),
            (Level::Debug, "<7>a\n<7>b\n"),
        ];
        for (level, expected) in table {
            assert_eq!(marked(level, "a\nb"), expected);
        }
    }

    #[test]
    fn log_line_cannot_be_forged_by_what_it_quotes() {
        // (why this row exists, text, how it is shown)
        let table = [
            ("plain", "a \"b\" \\ c", "a \"b\" \\ c"),
            ("other scripts", "日本語 é", "日本語 é"),
            ("a line end", "a\nINFO <main> b", "a\\nINFO <main> b"),
            ("a carriage return", "a\rb", "a\\rb"),
            ("a tab", "a\tb", "a\\tb"),
            ("at the end, where it says nothing", "a\r\n \n", "a"),
            ("a colour", "\x1b[31ma", "\\u{1b}[31ma"),
            ("NUL and DEL", "\0\x7f", "\\u{0}\\u{7f}"),
            ("next line, of C1", "a\u{85}b", "a\\u{85}b"),
            ("a control sequence of C1", "\u{9b}2J", "\\u{9b}2J"),
            (
                "separators of lines",
                "\u{2028}\u{2029}",
                "\\u{2028}\\u{2029}",
            ),
            (
                "an override of direction",
                "\u{202e}a\u{202c}",
                "\\u{202e}a\\u{202c}",
            ),
            ("isolates", "\u{2066}\u{2069}", "\\u{2066}\\u{2069}"),
            ("marks of direction", "\u{200e}\u{61c}", "\\u{200e}\\u{61c}"),
            ("no width", "a\u{200b}\u{feff}b", "a\\u{200b}\\u{feff}b"),
            ("tags", "a\u{e0041}", "a\\u{e0041}"),
        ];
        for (why, given, expected) in table {
            let line = text(Level::Warn, "t", &labelled(format_args!("{given}")));
            assert_eq!(line, format!("WARNING <t> {expected}"), "{why}");
        }
    }

    #[test]
    fn log_line_has_a_limit() {
        for (what, of) in [("a", 1), ("é", 2), ("\n.", 2), ("日", 3)] {
            let given = what.repeat(1_000_000 / of);
            let line = one_line(&given);
            let all = given.len();
            assert!(
                line.ends_with(&format!("... ({all} bytes in all)")),
                "{what}"
            );
            assert!(line.len() < 2 * LINE, "{}", line.len());
        }
        assert_eq!(one_line(&"a".repeat(LINE)).len(), LINE);
    }

    #[test]
    fn log_keeps_lines_and_colours_of_a_text_for_the_user() {
        // (why this row exists, text, what is written)
        let table = [
            ("one line", "a", "a\n"),
            ("an empty line at the end", "a\n", "a\n\n"),
            ("lines", "a\n\nb", "a\n\nb\n"),
            (
                "its own colours",
                "\x1b[31ma\x1b[0m\x1b[33mb",
                "\x1b[31ma\x1b[0m\x1b[33mb\n",
            ),
            (
                "other sequences",
                "\x1b[2Ja\x1b[31m\r",
                "\\u{1b}[2Ja\x1b[31m\\r\n",
            ),
        ];
        for (why, given, expected) in table {
            assert_eq!(shown(given), expected, "{why}");
        }
    }

    #[test]
    fn log_writes_only_records_of_this_program_under_their_tags() {
        let tags = &[("collect::cpu", "metrics.cpu"), ("collect", "metrics")];
        // (target, tag)
        let table = [
            ("mackerel_agent::collect::cpu", Some("metrics.cpu")),
            ("mackerel_agent::collect", Some("metrics")),
            ("mackerel_agent::run::poster", Some("poster")),
            ("mackerel_agent", Some("")),
            ("mackerel_agents::run", None),
            ("ureq::run", None),
        ];
        for (target, expected) in table {
            assert_eq!(
                own(target).map(|module| tag(tags, module)),
                expected,
                "{target}"
            );
        }
    }
}
