//! `mackerel-agent wrap`: runs a job, e.g. of cron, and reports its end as a check through the
//! running agent, whose queue survives an outage.

use std::ffi::OsString;
use std::io::ErrorKind::{InvalidInput, PermissionDenied};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::agent_part;
use crate::base::clock::{Unix, pause};
use crate::base::text::fnv1a;
use crate::config::duration;
use crate::config::{Flags, Job};
use crate::listen::report;
use crate::sys::agent_socket::{self, Response};
use crate::sys::exec::{ForegroundEnd, Rest, in_foreground};
use crate::sys::signal::{Signals, Woken};
use crate::wire::check::{CheckStatus, Report};

/// Characters of a message.
const MESSAGE: usize = 1024;
/// Bytes kept of the begin and of the end of what the job prints: four bytes a character.
const KEPT: usize = 4 * MESSAGE;
/// What stands for the middle of a message that is too long.
const GAP: &str = "\n...\n";
/// Minutes between two notifications that the API accepts at least.
const LEAST_INTERVAL: u32 = 10;
/// Requests to an agent that does not answer, e.g. because it is restarted, and the pause between
/// them.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(3);

/// Runs the job of `flags`, with this process's standard input, output and error, and the
/// environment `inherited`. Returns the job's exit code, whether or not its end can be reported; 1 if
/// there is no job.
pub(crate) fn wrap(flags: &mut Flags, inherited: Vec<(OsString, OsString)>) -> u8 {
    let job = &flags.job;
    let interval = match interval(job) {
        Ok(interval) => interval,
        Err(why) => return refuse(&why),
    };
    if job.command.is_empty() {
        return refuse(
            "no command; write: mackerel-agent wrap [<flags>] -- COMMAND [ARGUMENT ...]",
        );
    }
    let mut printed = Ends::default();
    let signals = Signals::take();
    let (code, end, rest) = run(job, inherited, &signals, &mut printed);
    // Those that came before the job's end were meant for it.
    signals.is_told_to_stop();
    if code != 0 {
        say(&end);
    }
    if code != 0 || job.auto_close {
        let status = match code {
            0 => CheckStatus::Ok,
            _ if job.warning => CheckStatus::Warning,
            _ => CheckStatus::Critical,
        };
        let report = Report {
            name: (job.name.clone())
                .filter(|name| !name.is_empty())
                .unwrap_or_else(|| name(&job.command)),
            status,
            message: message(job, &end, &printed),
            occurred_at: Unix(0),
            notification_interval: interval,
            max_check_attempts: None,
        };
        let config = agent_part::config(flags);
        let mut wait = || !matches!(signals.next(Some(PAUSE)), Woken::Signal(_));
        if let Err(why) = send_after(&config.root, &report, TRIES, &mut wait) {
            say(&format!(
                "the result of \"{}\" is not reported: {why}",
                report.name
            ));
        }
    }
    if let Some(rest) = rest {
        rest.pass_on();
    }
    code
}

fn refuse(why: &str) -> u8 {
    say(why);
    1
}

fn say(text: &str) {
    // There is nothing to do if standard error is closed.
    drop(io::stderr().write_all(["wrap: ", text, "\n"].concat().as_bytes()));
}

/// The minutes between two notifications, without a part of a minute; `None` for no repeated ones.
/// Fails with the text for the user.
fn interval(job: &Job) -> Result<Option<u32>, String> {
    let Some(text) = &job.notification_interval else {
        return Ok(None);
    };
    match duration::split(text) {
        Ok((0, _)) => Ok(None),
        Ok((minutes, _)) => Ok(Some(minutes.max(LEAST_INTERVAL))),
        Err(why) => Err(format!("-notification-interval: {why}; write e.g. 30m")),
    }
}

/// Runs the job. Returns its exit code, how it ended in words, and the rest of its output.
fn run<'a>(
    job: &Job,
    inherited: Vec<(OsString, OsString)>,
    signals: &'a Signals,
    printed: &mut Ends,
) -> (u8, String, Option<Rest<'a>>) {
    let mut seen = |bytes: &[u8]| printed.push(bytes);
    match in_foreground(&job.command, inherited, signals, &mut seen) {
        Ok((ForegroundEnd::Code(code), rest)) => {
            let end = format!("command exited with code: {code}");
            (code, end, Some(rest))
        }
        Ok((ForegroundEnd::Signal(signal), rest)) => {
            let end = format!("command died with signal: {signal}");
            (128 | signal, end, Some(rest))
        }
        Err(error) => {
            let code = u8::try_from(error.code).unwrap_or(1);
            let why = format!("command invocation failed with following error: {error}");
            (code, why + error.remedy(), None)
        }
    }
}

/// The begin and the end of what the job prints.
#[derive(Default)]
struct Ends {
    begin: Vec<u8>,
    end: Vec<u8>,
    /// Whether something between the two is dropped.
    is_cut: bool,
}

impl Ends {
    fn push(&mut self, bytes: &[u8]) {
        let room = KEPT - self.begin.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.begin.extend_from_slice(first);
        self.end.extend_from_slice(rest);
        // Cut now and then, not for each line.
        if self.end.len() > 4 * KEPT {
            self.end.drain(..self.end.len() - KEPT);
            self.is_cut = true;
        }
    }

    fn text(&self) -> String {
        let begin = String::from_utf8_lossy(&self.begin);
        if !self.is_cut {
            let whole = [&*self.begin, &*self.end].concat();
            return String::from_utf8_lossy(&whole).into_owned();
        }
        let end = String::from_utf8_lossy(&self.end);
        [&*begin, GAP, &*end].concat()
    }
}

/// The text of the report.
fn message(job: &Job, end: &str, printed: &Ends) -> String {
    let mut text = end.to_owned();
    if let Some(note) = &job.note
        && !note.is_empty()
    {
        text.extend(["\nNote: ", note]);
    }
    text.push_str("\n% ");
    text.push_str(&String::from_utf8_lossy(&line(&job.command)));
    if job.detail {
        text.push('\n');
        text.push_str(&printed.text());
    }
    shortened(text)
}

/// The text with at most [`MESSAGE`] characters: its begin and its end.
fn shortened(text: String) -> String {
    let count = text.chars().count();
    if count <= MESSAGE {
        return text;
    }
    let room = MESSAGE - GAP.len();
    let (begin, end) = (room / 2, room - room / 2);
    let at = |index| {
        text.char_indices()
            .nth(index)
            .map_or(text.len(), |(at, _)| at)
    };
    let first = text.get(..at(begin)).unwrap_or_default();
    let last = text.get(at(count - end)..).unwrap_or_default();
    [first, GAP, last].concat()
}

/// The words of the command with blanks between them.
fn line(command: &[OsString]) -> Vec<u8> {
    let mut line = Vec::new();
    for word in command {
        if !line.is_empty() {
            line.push(b' ');
        }
        line.extend_from_slice(word.as_bytes());
    }
    line
}

/// The name of the check for a command: the program, and a number that other arguments change.
fn name(command: &[OsString]) -> String {
    let program = command.first().map(Path::new).and_then(Path::file_name);
    let mut name = "mkrwrap-".to_owned();
    for c in program.unwrap_or_default().to_string_lossy().trim().chars() {
        name.push(match c {
            '-' | '_' | '0'..='9' | 'a'..='z' | 'A'..='Z' => c,
            _ => '_',
        });
    }
    name + &format!("-{:06x}", fnv1a(&line(command)) & 0xff_ffff)
}

/// Sends the report to the agent of `root`, with up to `left` requests. Fails with the reason.
pub(crate) fn send(root: &Path, report: &Report, left: u32) -> Result<(), String> {
    let mut wait = || {
        pause(PAUSE);
        true
    };
    send_after(root, report, left, &mut wait)
}

/// The same, with `wait` between two requests, which returns whether to go on.
fn send_after(
    root: &Path,
    report: &Report,
    mut left: u32,
    wait: &mut dyn FnMut() -> bool,
) -> Result<(), String> {
    let value = report::encode(report);
    loop {
        let sent = agent_socket::post(root, report::PATH, &[(report::HEADER, &value)]);
        let error = match sent.and_then(Response::accepted) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        left = left.saturating_sub(1);
        let is_final = matches!(error.kind(), PermissionDenied | InvalidInput);
        if left == 0 || is_final || !wait() {
            return Err(agent_part::refusal(root, &error).1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(words: &[&str]) -> Job {
        Job {
            command: words.iter().map(OsString::from).collect(),
            ..Job::default()
        }
    }

    #[test]
    fn wrap_names_a_check_by_its_command() {
        let names = [
            name(&job(&["/usr/bin/backup"]).command),
            name(&job(&["/usr/bin/backup", "-v"]).command),
            name(&job(&["夜 x.sh"]).command),
        ];
        assert!(names.iter().all(|name| name.len() == name.chars().count()));
        assert!(names[0].starts_with("mkrwrap-backup-") && names[2].starts_with("mkrwrap-__x_sh-"));
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn wrap_report_has_note_command_and_output() {
        let mut printed = Ends::default();
        printed.push(b"one\n");
        printed.push(b"two\n");
        let mut job = job(&["backup", "-v"]);
        let end = "command exited with code: 1";
        assert_eq!(message(&job, end, &printed), format!("{end}\n% backup -v"));
        job.note = Some("ask Ann".to_owned());
        job.detail = true;
        let expected = format!("{end}\nNote: ask Ann\n% backup -v\none\ntwo\n");
        assert_eq!(message(&job, end, &printed), expected);
    }

    #[test]
    fn wrap_report_keeps_begin_and_end_of_long_output() {
        let mut job = job(&["x"]);
        job.detail = true;
        let mut printed = Ends::default();
        for number in 0..100_000 {
            printed.push(format!("あ{number}\n").as_bytes());
        }
        assert!(printed.begin.len() + printed.end.len() <= 6 * KEPT);
        let text = message(&job, "end", &printed);
        assert_eq!(text.chars().count(), MESSAGE);
        assert!(text.starts_with("end\n% x\nあ0\nあ1\n") && text.ends_with("あ99998\nあ99999\n"));
        assert!(text.contains(GAP));
    }

    #[test]
    fn wrap_interval_is_a_duration() {
        // (flag, minutes or the begin of the error)
        let table = [
            (None, Ok(None)),
            (Some("0"), Ok(None)),
            (Some("30m"), Ok(Some(30))),
            (Some("1h"), Ok(Some(60))),
            (Some("1m"), Ok(Some(10))),
            (Some("90s"), Ok(Some(10))),
            (Some("15m59.9s"), Ok(Some(15))),
            (Some("59s"), Ok(None)),
        ];
        for (flag, expected) in table {
            let mut job = job(&["x"]);
            job.notification_interval = flag.map(str::to_owned);
            assert_eq!(interval(&job), expected, "{flag:?}");
        }
        let mut job = job(&["x"]);
        job.notification_interval = Some("soon".to_owned());
        assert!(
            interval(&job)
                .unwrap_err()
                .starts_with("-notification-interval: ")
        );
    }
}
