//! The built-in check-log through rotations, and killed at random moments.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::sandbox::{binary, is_emulated, limit, runner};

/// Runs that are killed.
const KILLS: u32 = 200;
/// Rotations of each kind, at least.
const ROTATIONS: u32 = 20;
/// What the writer does during a run: the lines of many killed runs fit into one that is not.
const ACTS: u32 = 40;
/// Old files that are kept.
const KEPT: usize = 60;
/// Time that separates two changes of which the time tells the order: kernels count it in steps of
/// up to 10 ms.
const STEP: Duration = Duration::from_millis(12);

/// Random numbers with a seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A program that writes numbered lines, and logrotate.
struct Writer {
    directory: PathBuf,
    log: File,
    /// The file before the last rotation while it is written to.
    old: Option<File>,
    written: u64,
    /// Whether the last line has no end yet.
    is_partial: bool,
    is_truncated: bool,
    last: Instant,
    renamed: u32,
    copied: u32,
}

impl Writer {
    fn new(directory: PathBuf) -> Writer {
        let log = Writer::open(&directory);
        Writer {
            directory,
            log,
            old: None,
            written: 0,
            is_partial: false,
            is_truncated: false,
            last: Instant::now(),
            renamed: 0,
            copied: 0,
        }
    }

    fn open(directory: &Path) -> File {
        let mut options = OpenOptions::new();
        let path = directory.join("app.log");
        options.create(true).append(true).open(path).unwrap()
    }

    fn path(&self, number: usize) -> PathBuf {
        self.directory.join(format!("app.log.{number}"))
    }

    fn write(&mut self, text: &str) {
        let file = self.old.as_mut().unwrap_or(&mut self.log);
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Completes the last line, and begins another one.
    fn line(&mut self, is_whole: bool) {
        let mut text = String::new();
        if self.is_partial {
            text.push_str(" end\n");
        }
        self.written += 1;
        text.push_str(&format!("line {} of the log", self.written));
        self.is_partial = !is_whole;
        if is_whole {
            text.push_str(" end\n");
        }
        self.write(&text);
    }

    fn complete(&mut self) {
        if self.is_partial {
            self.write(" end\n");
            self.is_partial = false;
        }
    }

    /// Gives each old file the next number.
    fn shift(&self) {
        for number in (1..KEPT).rev() {
            if self.path(number).exists() {
                fs::rename(self.path(number), self.path(number + 1)).unwrap();
            }
        }
    }

    /// Rotates as logrotate does with `create`. The program goes on writing to the old file.
    fn rename(&mut self) {
        self.shift();
        fs::rename(self.directory.join("app.log"), self.path(1)).unwrap();
        let new = Writer::open(&self.directory);
        self.old = Some(std::mem::replace(&mut self.log, new));
        self.renamed += 1;
    }

    /// Rotates as logrotate does with `copytruncate`. The program is stopped meanwhile: it may lose
    /// lines otherwise, whoever reads them.
    fn copy_and_truncate(&mut self) {
        self.complete();
        thread::sleep(STEP);
        self.shift();
        fs::copy(self.directory.join("app.log"), self.path(1)).unwrap();
        self.log.set_len(0).unwrap();
        self.is_truncated = true;
        self.copied += 1;
    }

    /// Does something of the above.
    fn act(&mut self, random: &mut Random) {
        if self.is_truncated {
            thread::yield_now();
            return;
        }
        let is_due = self.last.elapsed() > 2 * STEP && self.old.is_none();
        match random.below(24) {
            0 if is_due => {
                self.line(true);
                self.rename();
                self.last = Instant::now();
            }
            1 if is_due => {
                self.line(true);
                self.copy_and_truncate();
                self.last = Instant::now();
            }
            // It opens the new file.
            2..8 if self.old.is_some() => {
                self.complete();
                self.old = None;
            }
            action => self.line(action % 4 != 0),
        }
    }
}

/// The check, and what it has reported.
struct Check {
    directory: PathBuf,
    /// How often each line was reported, and whether by a run that ended by itself.
    seen: BTreeMap<u64, (u32, bool)>,
    unknown: u32,
    /// What there was before the last runs, and what they printed.
    history: Vec<String>,
}

impl Check {
    /// The files, and the state of the check.
    fn files(&self) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(&self.directory).unwrap().flatten() {
            let Ok(file) = entry.metadata() else { continue };
            let (name, inode, size) = (entry.file_name(), file.ino(), file.len());
            let time = file.mtime() * 1_000_000 + file.mtime_nsec() / 1000;
            text.push_str(&format!("  {} {inode} {size} {time}\n", name.display()));
        }
        let state = Path::new("state").join(self.directory.strip_prefix("/").unwrap());
        for entry in fs::read_dir(self.directory.join(state))
            .into_iter()
            .flatten()
        {
            let text_of = fs::read_to_string(entry.unwrap().path()).unwrap();
            text.push_str(&format!("  {text_of}\n"));
        }
        text
    }

    /// Starts the check, and kills it at the time `end`, if that comes before its end. Meanwhile,
    /// `meanwhile` is called. Returns whether it was killed, and how long it ran.
    fn run(&mut self, end: Option<Duration>, meanwhile: &mut dyn FnMut()) -> (bool, Duration) {
        let mut words = runner();
        words.push(binary().into());
        let mut command = Command::new(words.remove(0));
        command
            .args(words)
            .args([
                "check-log",
                "-p",
                "^line",
                "-p",
                "end$",
                "-r",
                "--check-first",
                "-f",
            ])
            .arg(self.directory.join("app.log"))
            .arg("-s")
            .arg(self.directory.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        self.history.push(self.files());
        let mut child = command.spawn().unwrap();
        let begin = Instant::now();
        let mut output = child.stdout.take().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            output.read_to_string(&mut text).unwrap();
            text
        });
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if end.is_some_and(|end| begin.elapsed() >= end) {
                child.kill().unwrap();
                break child.wait().unwrap();
            }
            assert!(begin.elapsed() < limit(100), "the check does not end");
            meanwhile();
        };
        let time = begin.elapsed();
        let text = reader.join().unwrap();
        self.history.push(format!("{status}: {text}"));
        self.history.drain(..self.history.len().saturating_sub(8));
        let code = status.code();
        assert!(matches!(code, None | Some(0 | 2 | 3)), "{status}: {text}");
        if code == Some(3) {
            // There is no file between the rotation and the new one.
            let causes = ["was rotated while", "are missing.", "app.log: no such file"];
            assert!(causes.iter().any(|cause| text.contains(cause)), "{text}");
            self.unknown += 1;
        }
        let found = text.lines().filter(|line| line.ends_with(" end")).count();
        let count = format!("LOG CRITICAL: {found} warnings, ");
        assert!(
            code != Some(2) || text.starts_with(&count),
            "not all is printed: {text}"
        );
        for line in text
            .lines()
            .filter(|line| line.starts_with("line ") && line.ends_with(" end"))
        {
            let number = line.split(' ').nth(1).unwrap().parse().unwrap();
            let (times, is_done) = self.seen.entry(number).or_default();
            let history = || self.history.join("\n");
            assert!(!*is_done, "reported again: {line}\n{}", history());
            *times += 1;
            *is_done = code.is_some();
        }
        (code.is_none(), time)
    }
}

#[test]
#[ignore = "takes half a minute"]
fn slow_check_log_loses_no_line_by_rotations_and_kills() {
    only_if!(
        !is_emulated(),
        "an emulator is killed before the check begins"
    );
    let seed = 0x5EED_0017;
    let directory = tempfile::tempdir().unwrap();
    let mut random = Random(seed);
    let mut writer = Writer::new(directory.path().to_owned());
    let mut check = Check {
        directory: directory.path().to_owned(),
        seen: BTreeMap::new(),
        unknown: 0,
        history: Vec::new(),
    };
    let (mut kills, mut whole, mut late) = (0, 0, 0);
    let mut longest = Duration::from_millis(1);
    // A fast machine runs the check more often between two rotations.
    while kills < KILLS || writer.renamed.min(writer.copied) < ROTATIONS {
        for _ in 0..random.below(8) {
            writer.act(&mut random);
        }
        // Of four runs, one may end by itself.
        let end = longest.mul_f64(random.below(1000) as f64 / 1000.0);
        let end = (random.below(4) != 0).then_some(end);
        let mut acts = 0;
        let (is_killed, time) = check.run(end, &mut || match random.below(16) {
            0 if acts < ACTS => {
                acts += 1;
                writer.act(&mut random);
            }
            _ => thread::yield_now(),
        });
        writer.is_truncated = false;
        if is_killed {
            kills += 1;
        } else {
            whole += 1;
            late += u32::from(end.is_some());
            // A busy machine may be slow once.
            longest = (longest * 3 + time) / 4;
        }
    }
    writer.complete();
    for _ in 0..2 {
        check.run(None, &mut || thread::yield_now());
    }
    let lost: Vec<u64> = (1..=writer.written)
        .filter(|line| !check.seen.contains_key(line))
        .collect();
    let again = check.seen.values().filter(|(times, _)| *times > 1).count();
    eprintln!(
        "{} lines, {} renamed, {} copied and truncated, {kills} killed, {whole} runs to the end \
         ({late} before their kill), {} UNKNOWN, {again} lines reported again after a kill",
        writer.written, writer.renamed, writer.copied, check.unknown
    );
    assert!(lost.is_empty(), "lost: {lost:?}");
}
