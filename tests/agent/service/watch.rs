//! The commands that show what happens until they are interrupted: `top`, `live` and `logs`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{self, OpenptFlags};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::process::{Agent, Signal};
use crate::process_tree::{is_root, poll_until};
use crate::sandbox::{Sandbox, binary, limit, runner};
use fake_server::FakeServer;

/// Seconds for what the program does at once: two cores may have much else to do.
const PATIENCE: u64 = 100;
/// A user who is neither root nor the agent's.
const OTHER: u32 = 65534;
/// What a terminal gets first, and at the end.
const OPEN: &str = "\u{1b}[?1049h\u{1b}[?25l";
const CLOSE: &str = "\u{1b}[?25h\u{1b}[?1049l";

/// A command on a terminal.
struct Terminal {
    master: File,
    /// Keeps the terminal after the command has ended.
    slave: File,
    before: Termios,
    child: Child,
    output: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    fn start(sandbox: &Sandbox, command: &[&str], size: (u16, u16)) -> Terminal {
        Terminal::spawn(sandbox, &sandbox.words(command, &[]), size)
    }

    fn spawn(sandbox: &Sandbox, words: &[OsString], size: (u16, u16)) -> Terminal {
        let master = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let name = pty::ptsname(&master, Vec::new()).unwrap();
        let slave = File::options()
            .read(true)
            .write(true)
            .open(name.to_str().unwrap())
            .unwrap();
        let master = File::from(master);
        resize(&master, size);
        let before = tcgetattr(&slave).unwrap();
        let child = sandbox
            .command(words)
            .stdin(Stdio::from(slave.try_clone().unwrap()))
            .stdout(Stdio::from(slave.try_clone().unwrap()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (tell, output) = mpsc::channel();
        let mut reader = master.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = reader.read(&mut buffer) {
                if length == 0 || tell.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal {
            master,
            slave,
            before,
            child,
            output,
            shown: String::new(),
        }
    }

    /// Waits until `look` accepts what the terminal has got.
    #[track_caller]
    fn wait(&mut self, wanted: &str, look: impl Fn(&str) -> bool) {
        let end = Instant::now() + limit(PATIENCE);
        while !look(&self.shown) {
            let left = end.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("no {wanted} in {:?}", self.shown),
            }
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Waits for its end, and panics unless the terminal is as it was before.
    #[track_caller]
    fn assert_restored(mut self, what: &str) {
        self.wait(what, |shown| shown.ends_with(CLOSE));
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{what}");
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after.local_modes, self.before.local_modes, "{what}");
        assert_eq!(after.input_modes, self.before.input_modes, "{what}");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(master: &File, (columns, rows): (u16, u16)) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(master, size).unwrap();
}

#[test]
fn applet_sends_a_terminal_no_control_characters_of_a_log() {
    let sandbox = Sandbox::empty();
    let line = "E \u{1b}[2J\u{9b}2J\tend";
    let log = sandbox.write("log", &[line, "\n"].concat());
    let mut words = runner();
    words.push(binary().into());
    let arguments = ["check-log", "--no-state", "-r", "-p", "E", "-f"];
    words.extend(arguments.map(OsString::from));
    words.push(log.into());
    let mut terminal = Terminal::spawn(&sandbox, &words, (80, 24));
    terminal.wait("line", |shown| shown.contains("end\r\n"));
    let escaped = "E \\u{1b}[2J\\u{9b}2J\tend\r\n";
    assert!(terminal.shown.contains(escaped), "{:?}", terminal.shown);
    // The agent gets the line as it is.
    let finished = sandbox.spawn(&words).wait_exit(limit(PATIENCE));
    assert!(finished.stdout.contains(line), "{:?}", finished.stdout);
}

#[test]
fn top_restores_the_terminal_at_each_end() {
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    type End = fn(&mut Terminal);
    let table: [(&str, End); 5] = [
        ("the key q", |terminal| terminal.press(b"q")),
        ("Ctrl-C", |terminal| terminal.press(&[3])),
        ("the key q behind others", |terminal| {
            terminal.press(b"\x1b[Axq");
        }),
        ("SIGTERM", |terminal| kill(terminal, Signal::TERM)),
        ("SIGHUP", |terminal| kill(terminal, Signal::HUP)),
    ];
    for (what, end) in table {
        let mut terminal = Terminal::start(&sandbox, &["top"], (80, 24));
        terminal.wait("first screen", |shown| shown.contains("Memory"));
        assert!(terminal.shown.starts_with(OPEN), "{:?}", terminal.shown);
        let modes = tcgetattr(&terminal.slave).unwrap().local_modes;
        let off = LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        assert!(!modes.intersects(off), "{what}");
        end(&mut terminal);
        terminal.assert_restored(what);
    }
}

fn kill(terminal: &Terminal, signal: Signal) {
    let pid = rustix::process::Pid::from_child(&terminal.child);
    rustix::process::kill_process(pid, signal).unwrap();
}

#[test]
fn top_shows_rates_and_follows_the_size_of_the_terminal() {
    let sandbox = Sandbox::empty();
    sandbox.configure("http://127.0.0.1:1", "");
    let mut terminal = Terminal::start(&sandbox, &["top"], (80, 24));
    terminal.wait("CPU time of a second", |shown| shown.contains("u user "));
    terminal.wait("word about the agent", |shown| shown.contains("Agent: no "));
    let clears = |shown: &str| shown.matches("\u{1b}[2J").count();
    assert_eq!(clears(&terminal.shown), 1);
    resize(&terminal.master, (40, 10));
    terminal.wait("second screen", |shown| clears(shown) == 2);
    terminal.press(b"q");
    terminal.wait("end", |shown| shown.ends_with(CLOSE));
    let (_, small) = terminal.shown.rsplit_once("\u{1b}[2J").unwrap();
    for place in small
        .split("\u{1b}[")
        .filter_map(|part| part.split_once(';'))
    {
        assert!(place.0.parse::<u16>().unwrap() <= 10, "{small:?}");
    }
}

#[test]
fn top_without_a_terminal_prints_one_second() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let alone = sandbox.run(&["top"], &[]);
    assert_eq!(alone.code, Some(0), "{}", alone.stderr);
    assert!(!alone.stdout.contains('\u{1b}'), "{}", alone.stdout);
    for words in [
        "CPU  ",
        "Memory  ",
        "\nAgent: no checks, plugins, destinations: ",
    ] {
        assert!(alone.stdout.contains(words), "{words}: {}", alone.stdout);
    }
    for line in alone.stdout.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let _agent = started(&sandbox);
    let beside = sandbox.run(&["top"], &[]);
    assert!(
        beside.stdout.contains("\nDestinations\n"),
        "{}",
        beside.stdout
    );
    let wrong = sandbox.run(&["top"], &["-interval", "0"]);
    assert_eq!(wrong.code, Some(1));
    assert!(wrong.stderr.contains("from 1 to 3600"), "{}", wrong.stderr);
}

/// A running agent that answers on its socket.
fn started(sandbox: &Sandbox) -> Agent<'_> {
    let agent = sandbox.start();
    poll_until(limit(PATIENCE), "answer of the agent", || {
        (sandbox.run(&["health"], &["-live"]).stderr.is_empty()).then_some(())
    });
    agent
}

/// `mackerel-agent COMMAND`, whose output can be waited for as lines.
fn followed<'a>(sandbox: &'a Sandbox, command: &[&str], flags: &[&str]) -> Agent<'a> {
    sandbox.through_shell("exec \"$@\" >&2", command, flags)
}

/// The beginning of an answer, read until `look` accepts it.
#[track_caller]
fn answer(port: &str, request: &str, look: impl Fn(&str) -> bool) -> String {
    let mut stream = TcpStream::connect(["127.0.0.1:", port].concat()).unwrap();
    stream.set_read_timeout(Some(limit(PATIENCE))).unwrap();
    let request = [&request.replace('\n', "\r\n"), "\r\n\r\n"].concat();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut text, mut line) = (String::new(), Vec::new());
    while !look(&text) {
        line.clear();
        if reader.read_until(b'\n', &mut line).unwrap() == 0 {
            break;
        }
        text += &String::from_utf8_lossy(&line);
    }
    text
}

#[test]
fn live_serves_the_page_of_this_host_on_loopback_until_interrupted() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let mut live = followed(&sandbox, &["live"], &[]);
    let port = |live: &mut Agent<'_>| {
        let line = live.wait_line(limit(PATIENCE), "address", |line| line.starts_with("http"));
        let port = line.strip_prefix("http://127.0.0.1:").unwrap();
        port.trim_end_matches('/').to_owned()
    };
    let at = port(&mut live);
    let ssh = format!("From another host: ssh -L {at}:127.0.0.1:{at} ");
    live.wait_line(limit(PATIENCE), "command", |line| line.starts_with(&ssh));
    live.wait_line(limit(PATIENCE), "word about the agent", |line| {
        line.starts_with("Without checks, plugins and destinations: ")
    });
    // (request, status)
    let table = [
        (
            "GET / HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip",
            "200",
        ),
        ("GET / HTTP/1.1\nHost: localhost", "406"),
        (
            "GET / HTTP/1.1\nHost: evil.example\nAccept-Encoding: gzip",
            "421",
        ),
        ("GET /events HTTP/1.1\nHost: evil.example", "421"),
        (
            "GET /events HTTP/1.1\nHost: localhost\nSec-Fetch-Site: cross-site",
            "403",
        ),
        ("GET /metrics HTTP/1.1\nHost: localhost", "404"),
        ("GET /logs HTTP/1.1\nHost: localhost", "404"),
        ("GET /health HTTP/1.1\nHost: localhost", "404"),
        ("GET /status HTTP/1.1\nHost: localhost", "503"),
    ];
    for (request, status) in table {
        let found = answer(&at, request, |text| text.contains("\r\n\r\n"));
        let expected = ["HTTP/1.1 ", status, " "].concat();
        assert!(found.starts_with(&expected), "{request}: {found}");
        if status == "200" {
            assert!(found.contains("\r\nContent-Encoding: gzip\r\n"), "{found}");
        }
    }
    let events = "GET /events HTTP/1.1\nHost: localhost";
    let found = answer(&at, events, |text| text.matches("\"time\":").count() == 2);
    assert!(found.contains("event: host\n"), "{found}");
    assert!(found.contains("\"cpu\":{\"user\":"), "{found}");
    assert!(!found.contains("destinations"), "{found}");
    assert!(!found.contains("trouble"), "{found}");
    live.signal(Signal::INT);
    assert_eq!(live.wait_exit(limit(PATIENCE)).code, Some(0));

    let _agent = started(&sandbox);
    let mut live = followed(&sandbox, &["live"], &["-listen", "127.0.0.1:0"]);
    let at = port(&mut live);
    let found = answer(&at, events, |text| text.contains("\"time\":"));
    assert!(found.contains("\"destinations\":[["), "{found}");
    let status = "GET /status HTTP/1.1\nHost: localhost";
    let found = answer(&at, status, |text| text.contains("status_version"));
    assert!(found.starts_with("HTTP/1.1 200 "), "{found}");
    let taken = ["127.0.0.1:", &at].concat();
    for (address, words) in [
        ("0.0.0.0:0", "loopback address only"),
        (taken.as_str(), "name another port with -listen"),
    ] {
        let refused = sandbox.run(&["live"], &["-listen", address]);
        assert_eq!(refused.code, Some(1), "{address}");
        assert!(refused.stderr.contains(words), "{}", refused.stderr);
    }
}

#[test]
fn logs_are_those_of_the_running_agent_and_resume_after_its_restart() {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let absent = sandbox.run(&["logs"], &[]);
    assert_eq!(absent.code, Some(3), "{}", absent.stderr);
    assert!(
        absent.stderr.contains("no agent of root"),
        "{}",
        absent.stderr
    );
    let agent = started(&sandbox);
    // From now on, lines are kept.
    let first = sandbox.run(&["logs"], &[]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    agent.signal(Signal::HUP);
    let is_reloaded = |line: &str| line.ends_with("> configuration reloaded");
    poll_until(limit(PATIENCE), "line of the agent", || {
        let logs = sandbox.run(&["logs"], &[]);
        assert_eq!(logs.code, Some(0), "{}", logs.stderr);
        logs.stdout.lines().any(is_reloaded).then_some(())
    });
    let mut logs = followed(&sandbox, &["logs"], &["-f"]);
    logs.wait_line(limit(PATIENCE), "line that was kept", is_reloaded);
    // What comes while it follows comes once.
    agent.signal(Signal::HUP);
    poll_until(limit(PATIENCE), "second line", || {
        let all = sandbox.run(&["logs"], &[]).stdout;
        (all.lines().filter(|line| is_reloaded(line)).count() == 2).then_some(())
    });
    drop(agent);
    let is_cut = |line: &str| line.contains("the agent has ended the connection");
    logs.wait_line(limit(PATIENCE), "end of the connection", is_cut);
    let reloads = logs.log().iter().filter(|line| is_reloaded(line)).count();
    assert_eq!(reloads, 2, "{:?}", logs.log());
    let agent = started(&sandbox);
    let is_gap = |line: &str| line.starts_with("-- lines may be missing");
    logs.wait_line(limit(PATIENCE), "gap", is_gap);
    agent.signal(Signal::HUP);
    let end = Instant::now() + limit(PATIENCE);
    while logs.log().iter().filter(|line| is_reloaded(line)).count() < 3 {
        assert!(Instant::now() < end, "{:?}", logs.log());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(logs.log().iter().filter(|line| is_gap(line)).count(), 1);
    logs.signal(Signal::INT);
    assert_eq!(logs.wait_exit(limit(PATIENCE)).code, Some(0));
    // Without a reader it ends by itself.
    let piped = sandbox.through_shell("\"$@\" | head -n 1 >&2", &["logs"], &["-f"]);
    assert_eq!(piped.wait_exit(limit(PATIENCE)).code, Some(0));
    if is_root() {
        // That user cannot read the configuration either.
        let root = sandbox.root().display().to_string();
        let words = sandbox.words(&["logs"], &["-root", &root]);
        let refused = sandbox.spawn_as(OTHER, &words).wait_exit(limit(PATIENCE));
        assert_eq!(refused.code, Some(4), "{}", refused.stderr);
    }
}
