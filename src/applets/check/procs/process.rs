//! The processes of a host, as `ps` shows them.

use super::COUNT;
use crate::applets::finding::Failure;
use crate::applets::host::Host;
use crate::base::decimal;
use crate::parse::process::{self, ProcessStat};

/// A process; texts and numbers as `ps` prints them.
pub(super) struct Process<'s> {
    pub(super) stat: ProcessStat<'s>,
    /// The id of the effective user; empty unless `status` was read.
    pub(super) user: String,
    /// In the order of [`NUMBERS`](super::NUMBERS).
    pub(super) numbers: [f64; COUNT],
}

/// The ids of all processes. Fails if there are none: this one is among them.
pub(super) fn ids(host: &Host<'_>) -> Result<Vec<String>, Failure> {
    let mut ids = Vec::new();
    for name in host.root.directories("/proc") {
        if let Ok(name) = name.into_string()
            && name.bytes().all(|byte| byte.is_ascii_digit())
        {
            ids.push(name);
        }
    }
    match ids.is_empty() {
        true => Err("/proc has no processes: it cannot be read, or is not mounted".into()),
        false => Ok(ids),
    }
}

/// The ids of this process and of its parent. `/proc/self` says them by the numbers of that `/proc`,
/// which may be another one than this process's own.
pub(super) fn own_ids(host: &Host<'_>) -> Option<(String, String)> {
    let own = host.root.real("/proc/self")?;
    let own = own.file_name()?.to_str()?;
    let parent = process::stat(&file(host, own, "/stat", &mut Vec::new())?)?
        .parent
        .to_owned();
    Some((own.to_owned(), parent))
}

/// A file of the process `pid`, read into `buffer`; `None` if it is gone.
pub(super) fn file(host: &Host<'_>, pid: &str, name: &str, buffer: &mut Vec<u8>) -> Option<String> {
    let path = ["/proc/", pid, name].concat();
    let text = host.root.text(path, buffer).ok()?;
    Some(text.into_owned())
}

impl<'s> Process<'s> {
    /// The process with this `stat`, `up_ticks` hundredths of a second after the host's start.
    pub(super) fn new(stat: &'s str, up_ticks: f64) -> Option<Process<'s>> {
        let stat = process::stat(stat)?;
        let (cpu, start) = (stat.cpu_ticks as f64, stat.start_ticks as f64);
        let elapsed = (up_ticks - start).max(0.0);
        // In tenths of a percent, of which the last one is cut, and from 100 % on the last two.
        let mut percent = 0.0;
        if elapsed > 0.0 {
            percent = (cpu * 1000.0 / elapsed).trunc() / 10.0;
        }
        if percent >= 100.0 {
            percent = percent.trunc();
        }
        let (elapsed, cpu) = ((elapsed / 100.0).trunc(), (cpu / 100.0).trunc());
        let threads = stat.threads as f64;
        Some(Process {
            stat,
            user: String::new(),
            numbers: [0.0, 0.0, percent, threads, elapsed, elapsed, cpu, cpu],
        })
    }

    /// Adds what `status` says. Threads of the kernel have no memory.
    pub(super) fn read_status(&mut self, status: &str) {
        for line in status.lines() {
            let mut words = line.split_ascii_whitespace();
            let mut kib = || decimal::parse(words.nth(1)?);
            if line.starts_with("VmSize:") {
                self.numbers[0] = kib().unwrap_or_default();
            } else if line.starts_with("VmRSS:") {
                self.numbers[1] = kib().unwrap_or_default();
            } else if line.starts_with("Uid:") {
                // The second one is the effective one.
                self.user.push_str(words.nth(2).unwrap_or_default());
            }
        }
    }

    /// The command line as `ps` and the official plugin show it; the name in brackets if there is
    /// none, as for threads of the kernel and zombies.
    pub(super) fn command(&self, line: &str) -> String {
        let mut command = shown(line);
        if command.is_empty() {
            command = ["[", &shown(self.stat.name), "]"].concat();
        }
        if self.stat.state == "Z" {
            command.push_str(" <defunct>");
        }
        command
    }
}

/// Words with one blank between them, and a question mark for each control character.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for mut letter in text.chars() {
        if letter == '\0' {
            letter = ' ';
        }
        if letter.is_control() {
            letter = '?';
        }
        if letter != ' ' || !shown.is_empty() && !shown.ends_with(' ') {
            shown.push(letter);
        }
    }
    if shown.ends_with(' ') {
        shown.pop();
    }
    shown
}
