//! Containers and their files, which are removed at the end of the test.

use std::fs::{self, Permissions};
use std::hash::{BuildHasher, RandomState};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::LIMIT;
use crate::process_tree::{is_alive, poll_until, text};
use fake_server::{FakeServer, KEY};

/// Options that make the root file system read-only, drop all capabilities, and limit memory to 16
/// MiB.
pub(super) const DENIED: [&str; 9] = [
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--memory=16m",
    "--memory-swap=16m",
    "--network=host",
    "--env=MACKEREL_CLOUD_PLATFORM=none",
    "--env=MACKEREL_CA_FILE=/files/ca.pem",
    "--detach",
];

/// The engine's program.
fn program() -> String {
    std::env::var("AGENT_ENGINE").unwrap_or_else(|_| "podman".to_owned())
}

/// Whether the engine itself runs the image's health check.
///
/// Podman has none in OCI images, and leaves the schedule to systemd.
pub(super) fn checks_health() -> bool {
    program() == "docker"
}

fn image() -> String {
    std::env::var("AGENT_IMAGE").expect("AGENT_IMAGE names the image; make test-sidecar sets it")
}

/// Runs the engine until it exits.
pub(super) fn engine(words: &[&str]) -> Output {
    Command::new(program()).args(words).output().unwrap()
}

/// The output of a program.
pub(super) fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    [text(&output.stdout), text(&output.stderr)].concat()
}

/// The output of a program. Panics unless it has succeeded.
#[track_caller]
fn done(words: &[&str]) -> String {
    let output = engine(words);
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A directory that containers of any user can read, and a unique name.
pub(super) struct Files {
    directory: TempDir,
    unique: String,
}

impl Files {
    /// The directory, with the certificate of the fake server's authority and the API key.
    pub(super) fn of(fake_server: &FakeServer) -> Files {
        let directory = tempfile::Builder::new().prefix("image-").tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let files = Files {
            directory,
            unique: format!("mackerel-test-{:x}", RandomState::new().hash_one(())),
        };
        files.write("ca.pem", fake_server.ca());
        files.write("key", &format!("{KEY}\n"));
        files
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    }

    pub(super) fn path(&self) -> String {
        self.directory.path().display().to_string()
    }

    /// A volume of the engine, which is removed with this.
    pub(super) fn volume(&self) -> String {
        self.unique.clone()
    }

    /// The path of a statically linked busybox.
    pub(super) fn busybox(&self) -> String {
        let found = ["/bin/busybox", "/usr/bin/busybox"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        found.expect("busybox-static is installed").to_owned()
    }

    /// A directory with a program `docker` that calls the engine. It replaces the named image by
    /// the image under test, and makes the fake server reachable.
    pub(super) fn shim(&self, fake_server: &FakeServer) -> PathBuf {
        let directory = self.directory.path().join("bin");
        fs::create_dir(&directory).unwrap();
        // Looked up before the directory of the replacement is the first in PATH.
        let real = Command::new("sh")
            .args(["-c", "command -v \"$0\"", &program()])
            .output()
            .unwrap();
        let script = format!(
            "#!/bin/sh\nset -eu\nshift\nleft=$#\nwhile [ $left -gt 0 ]; do\n\
             word=$1\nshift\ncase $word in mackerel-agent:[0-9]*) word={} ;; esac\n\
             set -- \"$@\" \"$word\"\nleft=$((left - 1))\ndone\n\
             exec {} run --network host --env MACKEREL_CLOUD_PLATFORM=none --env MACKEREL_APIBASE={} \
             --env MACKEREL_CA_FILE=/files/ca.pem --volume {}:/files:ro \"$@\"\n",
            image(),
            String::from_utf8_lossy(&real.stdout).trim(),
            fake_server.base(),
            self.path(),
        );
        let path = directory.join("docker");
        fs::write(&path, script).unwrap();
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        directory
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // There may be no volume.
        drop(engine(&["volume", "rm", &self.unique]));
    }
}

/// A started container. Dropping it removes it.
pub(super) struct Container<'a> {
    /// Must outlive the container.
    _files: &'a Files,
    name: String,
}

impl<'a> Container<'a> {
    /// Starts a container that is configured for the fake server and has [`DENIED`]. `more` are
    /// further options of the engine.
    #[track_caller]
    pub(super) fn start(
        files: &'a Files,
        fake_server: &FakeServer,
        more: &[&str],
    ) -> Container<'a> {
        let name = format!("{}-{:x}", files.unique, RandomState::new().hash_one(()));
        let seen = format!("{}:/files:ro", files.path());
        let base = format!("MACKEREL_APIBASE={}", fake_server.base());
        let key = format!("MACKEREL_APIKEY={KEY}");
        let image = image();
        let mut words = vec!["run"];
        words.extend(DENIED);
        words.extend(["--name", &name, "--volume", &seen]);
        words.extend(["--env", &base, "--env", &key]);
        words.extend(more);
        words.push(&image);
        done(&words);
        Container {
            _files: files,
            name,
        }
    }

    /// A container of this name that is already running.
    pub(super) fn named(files: &'a Files, name: &str) -> Container<'a> {
        Container {
            _files: files,
            name: name.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn inspect(&self, format: &str) -> String {
        done(&["inspect", "--format", format, &self.name])
    }

    /// The pid of the container's process 1 on the host.
    pub(super) fn pid(&self) -> i32 {
        self.inspect("{{.State.Pid}}").parse().unwrap()
    }

    /// Runs a program in the container.
    pub(super) fn exec(&self, words: &[&str]) -> Output {
        engine(&[&["exec", &self.name], words].concat())
    }

    pub(super) fn kill(&self, signal: &str) {
        done(&["kill", "--signal", signal, &self.name]);
    }

    /// Starts the container again after it has ended.
    pub(super) fn again(&self) {
        poll_until(LIMIT, "end of the container", || {
            (self.inspect("{{.State.Running}}") == "false").then_some(())
        });
        done(&["start", &self.name]);
    }

    /// Ends the container by a signal and returns how long that took. Panics unless it exits with 0
    /// or is killed.
    #[track_caller]
    pub(super) fn end(&self, signal: &str) -> Duration {
        let pid = self.pid();
        let begin = Instant::now();
        self.kill(signal);
        poll_until(LIMIT, "end of the agent", || (!is_alive(pid)).then_some(()));
        let took = begin.elapsed();
        let code = done(&["wait", &self.name]);
        let expected = if signal == "KILL" { "137" } else { "0" };
        assert_eq!(code, expected, "{}", said(&engine(&["logs", &self.name])));
        took
    }

    /// Stops the container as a user would and returns how long that took. Panics unless it exits
    /// with 0.
    #[track_caller]
    pub(super) fn stop(&self) -> Duration {
        let begin = Instant::now();
        done(&["stop", &self.name]);
        let took = begin.elapsed();
        let code = self.inspect("{{.State.ExitCode}}");
        assert_eq!(code, "0", "{}", said(&engine(&["logs", &self.name])));
        took
    }

    /// A file of the container's control group, by its names in versions 1 and 2.
    pub(super) fn group_file(&self, v1: &str, v2: &str) -> PathBuf {
        let groups = text(self.pid(), "cgroup");
        let controller = v1.split('/').next().unwrap();
        let is_of = |line: &&str| {
            let names = line.split(':').nth(1).unwrap_or_default();
            names.split(',').any(|name| name == controller)
        };
        let path = |line: &str| line.splitn(3, ':').nth(2).unwrap().to_owned();
        match groups.lines().find(is_of) {
            Some(line) => {
                let file = v1.split('/').nth(1).unwrap();
                PathBuf::from(format!("/sys/fs/cgroup/{controller}{}/{file}", path(line)))
            }
            None => {
                let line = groups.lines().find(|line| line.starts_with("0::"));
                PathBuf::from(format!("/sys/fs/cgroup{}/{v2}", path(line.unwrap())))
            }
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", said(&engine(&["logs", &self.name])));
        }
        drop(engine(&["rm", "--force", "--volumes", &self.name]));
    }
}
