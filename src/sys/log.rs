//! The log: lines on stderr in the Go agent's format, `2006/01/02 15:04:05 LEVEL <tag> message`, in
//! local time. systemd's journal adds its own time and needs the priority: there, `<4>` or the like
//! replaces the time.
//!
//! `log::warn!` and the like are macros of this module. They find the tag while the program is
//! compiled; those of the crate `log` store a module path for each line, and cost 5 kB more. Lines
//! of other crates go to that crate, which has no logger: a network crate may log request headers
//! and with them the API key.

use std::borrow::Cow;
use std::cell::Cell;
#[cfg(test)]
use std::cell::RefCell;
use std::env;
use std::fmt;
use std::fs::File;
use std::io::{Write, stderr};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use super::localtime::LocalTime;
use super::log_ring::LogRing;
use crate::base::clock::{Clock, HostClock, Unix};
use crate::base::json::Json;

/// The paths of modules, and the Go agent's name for what they do.
const TAGS: [(&str, &str); 9] = [
    ("mackerel_agent::collect", "metrics"),
    ("mackerel_agent::describe", "spec"),
    ("mackerel_agent::sys::fsstat", "util.filesystem"),
    ("mackerel_agent::sys::pidfile", "pidfile"),
    ("mackerel_agent::settings::resolve", "config"),
    ("mackerel_agent::supervise::supervisor", "supervisor"),
    ("mackerel_agent::deliver::poster", "command"),
    ("mackerel_agent::deliver::registration", "command"),
    ("mackerel_agent::sys::log_once", "command"),
];
/// The tag of all other modules.
const OTHERS: &str = "main";

/// The variable in which systemd gives the journal's socket: `DEVICE:INODE`.
const JOURNAL: &str = "JOURNAL_STREAM";

/// Maximum number of bytes of a line after its tag; the rest is cut.
const LINE: usize = 8 << 10;
/// The colours of `configtest`, the only escape sequences that are kept in texts for the user.
const COLOURS: [&str; 3] = ["\x1b[31m", "\x1b[33m", "\x1b[0m"];

/// How important a line is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// Logs a line at a level. `tag: TAG, ` before the text replaces the tag of the module.
macro_rules! at {
    ($level:expr, tag: $tag:expr, $($text:tt)+) => {
        crate::sys::log::record($level, $tag, format_args!($($text)+))
    };
    ($level:expr, $($text:tt)+) => {{
        const TAG: &str = crate::sys::log::tag(module_path!());
        crate::sys::log::record($level, TAG, format_args!($($text)+))
    }};
}
/// Logs a line at ERROR, as [`at`].
macro_rules! error {
    ($($text:tt)+) => { crate::sys::log::at!(crate::sys::log::Level::Error, $($text)+) };
}
/// Logs a line at WARNING, as [`at`].
macro_rules! warn_ {
    ($($text:tt)+) => { crate::sys::log::at!(crate::sys::log::Level::Warn, $($text)+) };
}
/// Logs a line at INFO, as [`at`].
macro_rules! info {
    ($($text:tt)+) => { crate::sys::log::at!(crate::sys::log::Level::Info, $($text)+) };
}
pub(crate) use {at, error, info, warn_ as warn};

struct Stderr {
    clock: HostClock,
    /// Whether stderr is connected to systemd's journal.
    is_journal: bool,
}

static STDERR: OnceLock<Stderr> = OnceLock::new();

/// The least important level that is logged.
static LEAST: AtomicU8 = AtomicU8::new(Level::Info as u8);

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

/// Installs the log, at INFO. Before, no line is written.
pub(crate) fn install() {
    STDERR.get_or_init(|| Stderr {
        clock: HostClock::new(),
        is_journal: is_journal(),
    });
    set_level(false, false);
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
    escaped_but(text, &[])
}

/// The same for a text of several lines: newlines and tabs are kept.
pub(crate) fn escaped_lines(text: &str) -> String {
    escaped_but(text, &['\n', '\t'])
}

fn escaped_but(text: &str, kept: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if is_odd(c) && !kept.contains(&c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    escaped
}

/// JSON with the same characters of its texts escaped as JSON does it: `\u009b`. What it means stays
/// the same.
pub(crate) fn escaped_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        // Those before the blank are between texts: within one, they are escaped already.
        if is_odd(c) && c > ' ' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
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
    let least = if verbose {
        Level::Debug
    } else if silent {
        Level::Error
    } else {
        Level::Info
    };
    LEAST.store(least as u8, Ordering::Relaxed);
}

/// Writes a line at DEBUG, which is shown if the configuration is verbose.
pub(crate) fn debug(tag: &str, text: fmt::Arguments<'_>) {
    record(Level::Debug, tag, text);
}

/// Writes a line, if the log is installed and lines of this level are logged.
pub(crate) fn record(level: Level, tag: &str, text: fmt::Arguments<'_>) {
    #[cfg(test)]
    collect(level, text);
    if level as u8 <= LEAST.load(Ordering::Relaxed)
        && let Some(stderr) = STDERR.get()
    {
        stderr.write(level, tag, text);
    }
}

#[cfg(test)]
thread_local! {
    /// The lines of this thread, while [`lines_of`] collects them.
    static COLLECTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Returns the lines from INFO on that this thread logs during `run`, without time and tag.
#[cfg(test)]
pub(crate) fn lines_of(run: impl FnOnce()) -> Vec<String> {
    COLLECTED.set(Some(Vec::new()));
    run();
    COLLECTED.take().unwrap_or_default()
}

#[cfg(test)]
fn collect(level: Level, text: fmt::Arguments<'_>) {
    COLLECTED.with_borrow_mut(|lines| {
        if let Some(lines) = lines
            && level != Level::Debug
        {
            lines.push([word(level), " ", &labelled(text)].concat());
        }
    });
}

/// The tag of the lines of a module: of the first row of [`TAGS`] whose path its path begins with.
pub(crate) const fn tag(module: &str) -> &'static str {
    let module = module.as_bytes();
    let mut row = 0;
    while row < TAGS.len() {
        let path = TAGS[row].0.as_bytes();
        let mut equal = 0;
        while equal < path.len() && equal < module.len() && path[equal] == module[equal] {
            equal += 1;
        }
        if equal == path.len() {
            return TAGS[row].1;
        }
        row += 1;
    }
    OTHERS
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
        Level::Debug => "<7>",
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
    fn log_escapes_json_as_json_does_it() {
        // (why this row exists, text, how it is shown)
        let table = [
            ("plain", "{\"a\": \"é \\u001b\\n\"}\r\n\t", None),
            ("DEL", "[\"\x7f\"]", Some("[\"\\u007f\"]")),
            (
                "control sequences of C1",
                "[\"\u{9b}2J\",\"\u{80}\u{9f}\u{a0}\"]",
                Some("[\"\\u009b2J\",\"\\u0080\\u009f\u{a0}\"]"),
            ),
            ("a direction", "[\"\u{202e}\"]", Some("[\"\\u202e\"]")),
            (
                "a tag, of two units",
                "[\"\u{e0041}\"]",
                Some("[\"\\udb40\\udc41\"]"),
            ),
        ];
        for (why, given, expected) in table {
            let shown = escaped_json(given);
            assert_eq!(shown, expected.unwrap_or(given), "{why}");
            assert_eq!(Json::parse(&shown).unwrap(), Json::parse(given).unwrap());
        }
        let lines = "a\tb\nc\r\x1b[2J\u{9b}2J\n";
        assert_eq!(escaped_lines(lines), "a\tb\nc\\r\\u{1b}[2J\\u{9b}2J\n");
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
    fn log_lines_have_the_tags_of_their_modules() {
        // (module, tag)
        let table = [
            ("mackerel_agent::collect::cpu", "metrics"),
            ("mackerel_agent::collect", "metrics"),
            ("mackerel_agent::deliver::poster::lanes", "command"),
            ("mackerel_agent::deliver", "main"),
            ("mackerel_agent", "main"),
            ("mackerel_agents::collect", "main"),
        ];
        for (module, expected) in table {
            assert_eq!(tag(module), expected, "{module}");
        }
    }

    #[test]
    fn log_drops_the_lines_of_other_crates() {
        install();
        assert_eq!(ureq_log::max_level(), ureq_log::LevelFilter::Off);
    }
}
