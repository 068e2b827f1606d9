//! A directory of its own for each agent: configuration, state, certificates.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Agent, Finished};
use fake_server::{FakeServer, KEY};

/// How many times as long an emulated agent takes as a native one.
const EMULATED: u32 = 6;

/// A time limit of so many seconds, longer if the agent is emulated.
pub(crate) fn limit(seconds: u64) -> Duration {
    let scale = if is_emulated() { EMULATED } else { 1 };
    Duration::from_secs(seconds) * scale
}

/// An address on loopback that nobody uses, and that was not returned before. The kernel gives its
/// port to no socket that asks for any.
pub(crate) fn free_address() -> SocketAddr {
    static FIRST: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(()));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let number = FIRST.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + u16::try_from(number % 22_000).unwrap();
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// The words of `AGENT_RUNNER`; usually none.
pub(crate) fn runner() -> Vec<OsString> {
    let words = std::env::var("AGENT_RUNNER").unwrap_or_default();
    words.split_whitespace().map(OsString::from).collect()
}

/// Whether an emulator runs the agent. The kernel then runs the emulator as the program, and an
/// agent cannot start another one.
pub(crate) fn is_emulated() -> bool {
    !runner().is_empty()
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_mackerel-agent").into();
    let binary = std::env::var_os("AGENT_BIN").unwrap_or(built);
    std::path::absolute(binary).unwrap()
}

/// The program under test and what goes before it.
fn program() -> Vec<OsString> {
    let mut words = runner();
    words.push(binary().into());
    words
}

/// The files of one agent, which are removed with it.
pub(crate) struct Sandbox {
    directory: TempDir,
    env: Vec<(OsString, OsString)>,
}

impl Sandbox {
    /// A sandbox with a configuration for this server, whose certificate is trusted.
    pub(crate) fn of(fake_server: &FakeServer) -> Sandbox {
        let mut sandbox = Sandbox::empty();
        sandbox.configure(&fake_server.base(), "");
        if !fake_server.ca().is_empty() {
            let ca = sandbox.write("ca.pem", fake_server.ca());
            sandbox.env("SSL_CERT_FILE", ca);
        }
        sandbox
    }

    /// A sandbox without a configuration.
    pub(crate) fn empty() -> Sandbox {
        let directory = tempfile::Builder::new().prefix("agent-").tempdir().unwrap();
        let at = directory.path().as_os_str().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let env = [("PATH", path), ("HOME", at.clone()), ("TMPDIR", at)];
        Sandbox {
            env: env.map(|(key, value)| (key.into(), value)).into(),
            directory,
        }
    }

    /// A path in the sandbox.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The configuration file.
    pub(crate) fn conf(&self) -> PathBuf {
        self.path("agent.conf")
    }

    /// The state directory. The agent makes it.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("root")
    }

    /// The file with the host's id.
    pub(crate) fn id_file(&self) -> PathBuf {
        self.root().join("id")
    }

    pub(crate) fn pidfile(&self) -> PathBuf {
        self.path("agent.pid")
    }

    /// Writes a file for its owner alone into the sandbox and returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        self.mode(name, 0o600);
        path
    }

    /// Sets the mode of a file in the sandbox.
    pub(crate) fn mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// The content of a file in the sandbox.
    pub(crate) fn content(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Makes the agent the host with this id.
    pub(crate) fn adopt(&self, id: &str) {
        self.write("root/id", id);
    }

    /// Writes the configuration: settings that keep the agent inside the sandbox, then `more`.
    pub(crate) fn configure(&self, base: &str, more: &str) {
        let (root, pidfile) = (self.root(), self.pidfile());
        let text = format!(
            "apibase = \"{base}\"\napikey = \"{KEY}\"\nroot = \"{}\"\npidfile = \"{}\"\n\
             cloud_platform = \"none\"\n{more}\n",
            root.display(),
            pidfile.display()
        );
        self.write("agent.conf", &text);
    }

    /// Adds a variable to the agent's environment, which has few others.
    pub(crate) fn env(&mut self, key: &str, value: impl Into<OsString>) {
        self.env.push((key.into(), value.into()));
    }

    /// Starts the agent as a daemon is started: `-conf FILE`.
    pub(crate) fn start(&self) -> Agent<'_> {
        self.start_with(&[], &[])
    }

    /// Starts `mackerel-agent COMMAND… -conf FILE FLAGS…`.
    pub(crate) fn start_with(&self, command: &[&str], flags: &[&str]) -> Agent<'_> {
        self.spawn(&self.words(command, flags))
    }

    /// Starts a shell script, in which `"$@"` is `mackerel-agent COMMAND… -conf FILE FLAGS…`.
    pub(crate) fn through_shell(
        &self,
        script: &str,
        command: &[&str],
        flags: &[&str],
    ) -> Agent<'_> {
        let mut words: Vec<OsString> = ["sh", "-c", script, "sh"].map(OsString::from).into();
        words.extend(self.words(command, flags));
        self.spawn(&words)
    }

    /// The command line of [`Sandbox::start_with`].
    pub(crate) fn words(&self, command: &[&str], flags: &[&str]) -> Vec<OsString> {
        let mut words = program();
        words.extend(command.iter().map(OsString::from));
        words.push("-conf".into());
        words.push(self.conf().into());
        words.extend(flags.iter().map(OsString::from));
        words
    }

    /// Copies the program into the sandbox. An earlier copy is replaced, as a package manager does
    /// it.
    pub(crate) fn copy_program(&self) -> PathBuf {
        let (new, path) = (self.path("new"), self.path("mackerel-agent"));
        fs::copy(binary(), &new).unwrap();
        fs::rename(&new, &path).unwrap();
        path
    }

    /// Starts the agent with just these arguments, after the words of `before`.
    pub(crate) fn start_bare(&self, before: &[&str], arguments: &[&str]) -> Agent<'_> {
        let mut words: Vec<OsString> = before.iter().map(OsString::from).collect();
        words.extend(program());
        words.extend(arguments.iter().map(OsString::from));
        self.spawn(&words)
    }

    /// Runs the agent with just these arguments to its end.
    pub(crate) fn run_bare(&self, arguments: &[&str]) -> Finished {
        let mut words = program();
        words.extend(arguments.iter().map(OsString::from));
        self.spawn(&words).wait_exit(limit(20))
    }

    /// Runs `mackerel-agent COMMAND… -conf FILE FLAGS…` to its end.
    pub(crate) fn run(&self, command: &[&str], flags: &[&str]) -> Finished {
        self.start_with(command, flags).wait_exit(limit(20))
    }

    /// Starts any program in the sandbox.
    pub(crate) fn spawn(&self, words: &[impl AsRef<OsStr>]) -> Agent<'_> {
        Agent::start(self.command(words))
    }

    /// The same as another user. This needs root.
    pub(crate) fn spawn_as(&self, user: u32, words: &[impl AsRef<OsStr>]) -> Agent<'_> {
        let mut command = self.command(words);
        command.uid(user).gid(user);
        Agent::start(command)
    }

    /// Any program in the sandbox, not yet started.
    pub(crate) fn command(&self, words: &[impl AsRef<OsStr>]) -> Command {
        let (program, arguments) = words.split_first().unwrap();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .current_dir(self.directory.path());
        command
    }
}
