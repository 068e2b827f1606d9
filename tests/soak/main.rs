//! Runs an agent with thousands of plugins for some minutes and compares its resources at the end
//! with those at the end of the first minute: `make soak`.
//!
//! Each plugin prints one value, so that the number of values at the fake server is the number of
//! runs. Every minute the agent is also asked for its health, and the server closes the connection.
//! Ends with 1 if a resource has grown by more than its tolerance, or if runs are missing.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "the doors are the agent's; what cannot be measured ends the soak"
)]

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argh::FromArgs;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use rustix::process::{Resource, getrlimit, setrlimit};

use fake_server::{FakeServer, KEY, Settings};

/// Seconds of a minute at which the agent is asked for its health, and at which it is measured.
///
/// By the second one, all plugins have ended and all values have been posted.
const ASK: u64 = 30;
const MEASURE: u64 = 55;
/// Idle time after which the server closes a connection, so that each minute has its own.
const IDLE: Duration = Duration::from_secs(15);

/// Runs an agent with thousands of plugins and watches what it holds.
#[derive(FromArgs)]
struct Arguments {
    /// the agent to run, the one that is shipped
    #[argh(positional)]
    agent: PathBuf,
    /// number of plugins, each of which runs once a minute (5000)
    #[argh(option, default = "5000")]
    plugins: u64,
    /// number of minutes (20)
    #[argh(option, default = "20")]
    minutes: u64,
    /// what to put before the agent, e.g. "qemu-arm-static -cpu arm1176"
    #[argh(option, default = "String::new()")]
    runner: String,
}

/// A resource, and by how much it may grow after the first minute.
struct Row {
    name: &'static str,
    tolerance: fn(&Arguments) -> u64,
    of: fn(&Held) -> u64,
}

/// Tolerances in kB and mappings.
///
/// The heap settles within some minutes: after 20 of them with 5,000 plugins it had 1,520 kB and 36
/// mappings more. On a busy machine some of the last runs, which are kept for `status`, and some of
/// what a reload leaves come after the first minute: 1,516 kB with 2,500 plugins. An emulator keeps about a megabyte of its own for each thread that has ended, but
/// no mapping.
const ROWS: [Row; 6] = [
    row("VmSize kB", heap, |held| held.size),
    row(
        "mappings",
        |run| 8 + run.plugins / 100,
        |held| held.mappings,
    ),
    row("threads", |_| 0, |held| held.threads),
    row("descriptors", |_| 0, |held| held.descriptors),
    row("RSS kB", heap, |held| held.resident),
    row("files", |_| 0, |held| held.files),
];

fn heap(run: &Arguments) -> u64 {
    if run.runner.is_empty() {
        256 + run.plugins
    } else {
        u64::MAX / 2
    }
}

const fn row(name: &'static str, tolerance: fn(&Arguments) -> u64, of: fn(&Held) -> u64) -> Row {
    Row {
        name,
        tolerance,
        of,
    }
}

/// The resources of a process, and the number of files that it keeps.
struct Held {
    size: u64,
    resident: u64,
    mappings: u64,
    threads: u64,
    descriptors: u64,
    files: u64,
}

impl Held {
    fn of(pid: u32, root: &Path) -> Held {
        let read = |path: &str| fs::read_to_string(format!("/proc/{pid}/{path}")).unwrap();
        let count = |path: &Path| fs::read_dir(path).unwrap().count() as u64;
        let status = read("status");
        Held {
            size: field(&status, "VmSize:"),
            resident: field(&status, "VmRSS:"),
            mappings: read("maps").lines().count() as u64,
            threads: field(&status, "Threads:"),
            descriptors: count(Path::new(&format!("/proc/{pid}/fd"))),
            files: count(root),
        }
    }
}

/// The number after `name` at the start of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.unwrap().parse().unwrap()
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    // Each running plugin takes three descriptors of the agent, which inherits this limit.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let soak = Soak::new(&arguments);
    let mut agent = soak.start(&arguments);
    let pid = agent.0.id();
    println!(
        "{:<8}{:>12}{:>10}{:>10}{:>13}{:>10}{:>8}",
        "minute", "VmSize kB", "mappings", "threads", "descriptors", "RSS kB", "files"
    );
    let mut all = Vec::new();
    // The minute of the start has no round.
    wait_for(0);
    for minute in 1..=arguments.minutes {
        wait_for(ASK);
        if minute == 1 {
            // Memory that a reload leaves in the heap is there from then on.
            signal("HUP", pid);
        }
        soak.ask_health(&arguments);
        wait_for(MEASURE);
        if agent.0.try_wait().unwrap().is_some() {
            println!("the agent has ended: {}", soak.log());
            return ExitCode::FAILURE;
        }
        let held = Held::of(pid, &soak.at("root"));
        println!(
            "{minute:<8}{:>12}{:>10}{:>10}{:>13}{:>10}{:>8}",
            held.size, held.mappings, held.threads, held.descriptors, held.resident, held.files
        );
        all.push(held);
    }
    let (runs, expected) = (soak.runs(), arguments.plugins * arguments.minutes);
    println!("{runs} runs; {expected} in whole minutes");
    drop(agent);
    let (first, last) = (&all[0], &all[all.len() - 1]);
    let grown = ROWS.iter().filter(|row| {
        let (before, after) = ((row.of)(first), (row.of)(last));
        let is_over = after > before + (row.tolerance)(&arguments);
        if is_over {
            println!("{}: {before} -> {after}  <- over", row.name);
        }
        is_over
    });
    let failures = grown.count() + usize::from(runs < expected);
    match failures {
        0 => ExitCode::SUCCESS,
        _ => {
            println!("log of the agent:\n{}", soak.log());
            ExitCode::FAILURE
        }
    }
}

/// Waits for this second of a minute.
fn wait_for(second: u64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let gone = Duration::new(now.as_secs() % 60, now.subsec_nanos());
    let wanted = Duration::from_secs(second);
    sleep(if gone < wanted {
        wanted - gone
    } else {
        wanted + Duration::from_secs(60) - gone
    });
}

fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status();
    assert!(sent.unwrap().success(), "kill -s {name} {pid}");
}

/// A server, and the files of an agent that is registered there.
struct Soak {
    server: FakeServer,
    directory: tempfile::TempDir,
    id: String,
}

impl Soak {
    fn new(arguments: &Arguments) -> Soak {
        let server = FakeServer::start(Settings {
            tls: true,
            idle: IDLE,
            ..Settings::default()
        })
        .unwrap();
        let directory = tempfile::tempdir().unwrap();
        // A host whose values are posted right after the full minute.
        let id = loop {
            let id = server.seen(|seen| {
                seen.model.hosts.clear();
                seen.model.add_host("soak", "")
            });
            let own = digest(&SHA1_FOR_LEGACY_USE_ONLY, id.as_bytes());
            if (8..12).contains(&(own.as_ref().last().unwrap() % 60)) {
                break id;
            }
        };
        let soak = Soak {
            server,
            directory,
            id,
        };
        fs::create_dir(soak.at("root")).unwrap();
        fs::write(soak.at("root/id"), &soak.id).unwrap();
        fs::write(soak.at("ca.pem"), soak.server.ca()).unwrap();
        let mut text = format!(
            "apikey = \"{KEY}\"\napibase = \"{}\"\nroot = \"{}\"\npidfile = \"{}\"\n\
             cloud_platform = \"none\"\nhealth = true\n",
            soak.server.base(),
            soak.at("root").display(),
            soak.at("pid").display(),
        );
        for number in 0..arguments.plugins {
            let line = format!(
                "[plugin.metrics.p{number}]\ncommand = [\"printf\", \"soak.p{number}\\t1\\t0\\n\"]\n"
            );
            text.write_str(&line).unwrap();
        }
        fs::write(soak.at("conf"), text).unwrap();
        fs::set_permissions(soak.at("conf"), Permissions::from_mode(0o600)).unwrap();
        soak
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A command of the agent, under the emulator if there is one.
    fn command(&self, arguments: &Arguments, words: &[&str]) -> Command {
        let mut all = arguments.runner.split_whitespace().map(PathBuf::from);
        let agent = std::path::absolute(&arguments.agent).unwrap();
        let mut command = match all.next() {
            None => Command::new(&agent),
            Some(runner) => {
                let mut command = Command::new(runner);
                command.args(all).arg(&agent);
                command
            }
        };
        command
            .args(words)
            .arg("-conf")
            .arg(self.at("conf"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SSL_CERT_FILE", self.at("ca.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn start(&self, arguments: &Arguments) -> Running {
        let log = fs::File::create(self.at("log")).unwrap();
        Running(self.command(arguments, &[]).stderr(log).spawn().unwrap())
    }

    fn ask_health(&self, arguments: &Arguments) {
        let asked = self.command(arguments, &["health", "-live"]).status();
        assert!(asked.unwrap().success(), "it is not alive: {}", self.log());
    }

    /// Number of plugin values that have arrived.
    fn runs(&self) -> u64 {
        self.server.seen(|seen| {
            let series = &seen.model.hosts[&self.id].series;
            let of_plugins = series
                .iter()
                .filter(|(name, _)| name.starts_with("custom.soak."));
            of_plugins.map(|(_, points)| points.len() as u64).sum()
        })
    }

    /// The beginning of the agent's log.
    fn log(&self) -> String {
        let text = fs::read_to_string(self.at("log")).unwrap();
        text.lines().take(20).collect::<Vec<_>>().join("\n")
    }
}

/// A running agent. Dropping it sends SIGTERM and waits for its end.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        signal("TERM", self.0.id());
        self.0.wait().unwrap();
    }
}
