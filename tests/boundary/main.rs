//! Root's commands where the agent's user can write.
//!
//! Nothing outside of the agent's own paths changes owner, mode or content; nothing of root's
//! becomes readable; no other process is signalled; nothing hangs.
//!
//! AGENT_BIN is the program to test. Every seventh state is tried, or each of them with `--all`
//! (`make test-root-boundary`). Arguments are parts of the names of states to try.
//!
//! Each state is prepared in a tree of its own, in a mount namespace, and the commands run in it by
//! chroot. Root makes the files as the agent's user could have made them. A few of them need a host
//! without `fs.protected_hardlinks`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of its own for a test; a failed expectation is a panic here"
)]

mod ground;
mod plants;
mod server;
mod trial;
mod watch;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Instant;

use ground::{Ground, USER};
use plants::{Plant, Race};
use server::Server;

/// Environment variable that is set inside the namespaces.
const INSIDE: &str = "AGENT_TEST_BOUNDARY";
/// One of this many states is tried, unless all are.
///
/// The number shares no factor with the number of flows, so that each flow meets each kind of
/// state.
const SAMPLE: usize = 7;
/// How often each race is run.
const RACES: usize = 4;

/// The commands that root runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flow {
    /// `install` over what is there, then `uninstall`.
    Install,
    /// `install`, the state, `install`, `uninstall`.
    Again,
    /// `upgrade`, and one that fails, which the agent is to report.
    Upgrade,
    Uninstall,
    /// `uninstall -restore` to a Go agent.
    Restore,
    /// `diagnose`, then `retire`, and the hooks that call it.
    Retire,
    SysvStop,
    SysvStart,
    OpenrcStop,
    ProcdStart,
}

const OF_STATE: &[Flow] = &[
    Flow::Install,
    Flow::Again,
    Flow::Upgrade,
    Flow::Uninstall,
    Flow::Restore,
    Flow::Retire,
    Flow::SysvStop,
    Flow::OpenrcStop,
];

fn main() -> ExitCode {
    let (options, filter): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|word| word.starts_with('-'));
    let is_all = !filter.is_empty() || options.iter().any(|option| option == "--all");
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can try what root does");
    }
    if std::env::var_os(INSIDE).is_none() {
        return again_inside();
    }
    let begin = Instant::now();
    let built = env!("CARGO_BIN_EXE_mackerel-agent").into();
    let agent: PathBuf = std::env::var_os("AGENT_BIN").map_or(built, PathBuf::from);
    let agent = std::path::absolute(agent).unwrap();
    let work = tempfile::Builder::new()
        .prefix("boundary-")
        .tempdir()
        .unwrap();
    let server = Server::start();
    let mut rig = Rig {
        ground: Ground::new(work.path(), &agent, server),
        filter,
        step: if is_all { 1 } else { SAMPLE },
        known: 0,
        states: 0,
        failed: 0,
    };
    let (trials, wrong) = if rig.filter.is_empty() {
        trial::run(&mut rig.ground)
    } else {
        (0, Vec::new())
    };
    for why in &wrong {
        rig.fail("trial", why);
    }
    rig.run();
    let Rig {
        known,
        states,
        failed,
        ..
    } = rig;
    let seconds = begin.elapsed().as_secs();
    println!(
        "boundary: {states} of {known} states and {trials} trials of plugins, {failed} failed, {seconds} s"
    );
    if failed == 0 && states > 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Prints why nothing has been tried, which is a failure in CI.
fn skipped(reason: &str) -> ExitCode {
    println!("skipped: {reason}");
    ExitCode::from(u8::from(fake_server::is_ci()))
}

/// Starts a program in namespaces of its own.
fn inside() -> Command {
    let mut unshare = Command::new("unshare");
    unshare
        .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["--propagation", "private", "--"]);
    unshare
}

/// Runs this program in namespaces of its own.
fn again_inside() -> ExitCode {
    if !inside()
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        return skipped("no namespaces can be created here, as in a chroot");
    }
    let again = inside()
        .arg(std::env::current_exe().unwrap())
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1")
        .status()
        .unwrap();
    if again.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(u8::try_from(again.code().unwrap_or(1)).unwrap_or(1))
    }
}

struct Rig {
    ground: Ground,
    filter: Vec<String>,
    /// One of this many states is tried.
    step: usize,
    /// Number of states, and of those tried.
    known: usize,
    states: usize,
    failed: usize,
}

impl Rig {
    fn run(&mut self) {
        let id = "var/lib/mackerel-agent/id";
        for plant in plants::of_file() {
            for flow in OF_STATE {
                self.state(*flow, id, &plant);
            }
        }
        for plant in plants::of_file().into_iter().chain(plants::of_socket()) {
            let at = "var/lib/mackerel-agent/agent.socket";
            self.state(Flow::Upgrade, at, &plant);
        }
        for plant in plants::of_directory() {
            for flow in OF_STATE {
                self.state(*flow, "var/lib/mackerel-agent", &plant);
            }
            for flow in [Flow::Uninstall, Flow::Restore] {
                self.state(flow, "var/cache/mackerel-agent", &plant);
            }
        }
        for plant in plants::of_configuration() {
            for flow in [Flow::Install, Flow::Again] {
                self.state(flow, "etc/mackerel-agent", &plant);
            }
        }
        for plant in plants::of_pid_file() {
            for flow in [Flow::SysvStop, Flow::SysvStart] {
                self.state(flow, "var/run/mackerel-agent", &plant);
            }
        }
        for plant in plants::of_shared_directory() {
            self.state(Flow::ProcdStart, "tmp/mackerel-agent", &plant);
        }
        for race in plants::races() {
            for flow in [Flow::Again, Flow::Uninstall, Flow::Restore, Flow::Retire] {
                self.race(flow, &race);
            }
        }
    }

    fn is_wanted(&mut self, name: &str) -> bool {
        self.known += 1;
        let is_named = self.filter.iter().all(|word| name.contains(word.as_str()));
        let is_wanted = is_named && self.known.is_multiple_of(self.step);
        self.states += usize::from(is_wanted);
        is_wanted
    }

    fn state(&mut self, flow: Flow, at: &str, plant: &Plant) {
        let name = format!("{flow:?}: {at}: {}", plant.name);
        if !self.is_wanted(&name) {
            return;
        }
        let tried = self.attempt(flow, &mut |ground| {
            (plant.make)(ground, at);
            None
        });
        if let Some(why) = tried {
            self.fail(&name, &why);
        }
    }

    fn race(&mut self, flow: Flow, race: &Race) {
        let name = format!("{flow:?}: race: {}", race.name);
        if !self.is_wanted(&name) {
            return;
        }
        for _ in 0..RACES {
            let tried = self.attempt(flow, &mut |ground| Some((race.begin)(ground)));
            if let Some(why) = tried {
                return self.fail(&name, &why);
            }
        }
    }

    fn fail(&mut self, name: &str, why: &str) {
        println!("FAILED: {name}: {why}");
        self.failed += 1;
    }

    /// Prepares a state and runs the commands. Returns what is wrong.
    fn attempt(
        &mut self,
        flow: Flow,
        prepare: &mut dyn FnMut(&Ground) -> Option<plants::Racer>,
    ) -> Option<String> {
        let ground = &mut self.ground;
        ground.fresh();
        match flow {
            Flow::Restore => ground.go_agent(),
            Flow::Install => ground.left_over(),
            _ => {}
        }
        match flow {
            Flow::SysvStop | Flow::SysvStart => ground.install_for("etc/init.d/README"),
            Flow::OpenrcStop => ground.install_for("usr/sbin/openrc-run"),
            Flow::ProcdStart => ground.install_for("sbin/procd"),
            Flow::Install => ground.write("usr/bin/systemctl", "", 0o755, 0),
            _ => ground.install_for("usr/bin/systemctl"),
        }
        ground.owned(USER);
        let racer = prepare(ground);
        let before = ground.watch();
        let mut why = None;
        let mut run = |words: &[&str]| {
            if why.is_none() {
                why = ground.run(words);
                // While names are swapped, the comparison itself would follow wrong paths.
                if why.is_none() && racer.is_none() {
                    why = ground.compare(&before);
                }
            }
        };
        let uninstall = ["/agent", "uninstall", "-restore=false"];
        match flow {
            Flow::Install => {
                run(&["/agent", "install", "-as-root=false"]);
                run(&uninstall);
            }
            Flow::Again => {
                run(&["/agent", "install"]);
                run(&["/agent", "install"]);
                run(&uninstall);
            }
            Flow::Upgrade => {
                let key = ["-key", "/release/release.pub"];
                for from in ["/release", "/broken"] {
                    run(&[&["/agent", "upgrade", "-spread=0", "-from", from], &key[..]].concat());
                }
            }
            Flow::Uninstall => run(&uninstall),
            Flow::Restore => run(&["/agent", "uninstall", "-restore"]),
            Flow::Retire => {
                let base = ground.server.base();
                run(&["/agent", "diagnose", "-apibase", &base]);
                run(&["/agent", "retire", "-force", "-apibase", &base]);
            }
            Flow::SysvStop => run(&["sh", "/etc/init.d/mackerel-agent", "stop"]),
            Flow::SysvStart => run(&["sh", "/etc/init.d/mackerel-agent", "reload"]),
            Flow::OpenrcStop => run(&["sh", "/openrc", "stop_post"]),
            Flow::ProcdStart => run(&["sh", "/procd", "start_service"]),
        }
        match racer.map(drop) {
            Some(()) => why.or_else(|| ground.compare(&before)),
            None => why,
        }
    }
}
