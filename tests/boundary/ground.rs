//! A small host in a directory, and commands that run in it.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

use crate::server::Server;
use crate::watch::Watch;

/// The id of the agent's user, and of its group.
pub(crate) const USER: u32 = 900;
/// Content of files that the agent's user cannot read.
pub(crate) const SECRET: &str = "SECRETofRoot";
/// Time limit of a command.
const LIMIT: Duration = Duration::from_secs(60);
/// The seed of a signing key that only these tests use.
const SEED: [u8; 32] = [9; 32];
const NEWER: &str = "99.0.0";
/// The version of a release whose program does not start.
const BROKEN: &str = "99.0.1";
/// A socket of root's.
pub(crate) const DOOR: &str = "run/root.socket";
const PATH: &str = "PATH=/host/bin:/host/sbin:/host/usr/bin:/host/usr/sbin";

/// A program that prints this version.
fn reporting(version: &str) -> String {
    format!("#!/bin/sh\necho 'mackerel-agent version {version} (rev x) [linux] '\n")
}

pub(crate) struct Ground {
    work: PathBuf,
    top: PathBuf,
    agent: PathBuf,
    pub(crate) server: Server,
    /// Root's processes, which must not be signalled: one of another program, and one of this
    /// program.
    others: Vec<Child>,
    /// A socket of root's, to which nobody else may connect.
    door: Option<UnixListener>,
    number: u32,
}

impl Ground {
    pub(crate) fn new(work: &Path, agent: &Path, server: Server) -> Ground {
        mount(
            "tmpfs",
            work,
            "tmpfs",
            MountFlags::empty(),
            None::<&std::ffi::CStr>,
        )
        .unwrap();
        fs::set_permissions(work, Permissions::from_mode(0o755)).unwrap();
        let copy = work.join("agent");
        fs::copy(agent, &copy).unwrap();
        Ground {
            work: work.to_owned(),
            top: work.join("0"),
            agent: copy,
            server,
            others: Vec::new(),
            door: None,
            number: 0,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.top.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str, mode: u32, owner: u32) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        lchown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn directory(&self, name: &str, mode: u32, owner: u32) {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(owner), Some(owner)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    /// A new host, with a user for the agent.
    pub(crate) fn fresh(&mut self) {
        self.clear();
        self.number += 1;
        self.top = self.work.join(self.number.to_string());
        for name in [
            "host", "proc", "root", "usr/bin", "usr/lib", "usr/sbin", "sbin", "run", "bin",
        ] {
            self.directory(name, 0o755, 0);
        }
        for name in [
            "etc/init.d",
            "var/lib",
            "var/cache",
            "var/log",
            "srv/others/directory",
        ] {
            self.directory(name, 0o755, 0);
        }
        self.directory("tmp", 0o1777, 0);
        symlink("../run", self.path("var/run")).unwrap();
        for name in ["lib", "lib64"] {
            symlink(format!("host/{name}"), self.path(name)).unwrap();
        }
        for name in ["sh", "sleep"] {
            symlink(format!("../host/bin/{name}"), self.path("bin").join(name)).unwrap();
        }
        let passwd = format!(
            "root:x:0:0:root:/root:/bin/sh\nvictim:x:1000:1000::/:/bin/sh\n\
             mackerel-agent:x:{USER}:{USER}::/var/lib/mackerel-agent:/sbin/nologin\n"
        );
        self.write("etc/passwd", &passwd, 0o644, 0);
        let group = format!("root:x:0:\nshadow:x:42:\nvictim:x:1000:\nmackerel-agent:x:{USER}:\n");
        self.write("etc/group", &group, 0o644, 0);
        self.write(
            "etc/shadow",
            &format!("root:{SECRET}:1:0:99999:7:::\n"),
            0o640,
            0,
        );
        chown(self.path("etc/shadow"), Some(0), Some(42)).unwrap();
        self.write("etc/secret", &format!("key = \"{SECRET}\"\n"), 0o600, 0);
        self.write("etc/token", SECRET, 0o600, 0);
        self.write("etc/cron.d/job", "* * * * * root true\n", 0o644, 0);
        self.write("root/program", "#!/bin/sh\n", 0o4755, 0);
        self.write("srv/others/file", "of another user\n", 0o600, 1000);
        self.write(
            "srv/others/directory/file",
            "of another user\n",
            0o640,
            1000,
        );
        let options = format!(
            "OTHER_OPTS='-apibase {}'\nAUTO_RETIREMENT=1\n",
            self.server.base()
        );
        self.write("etc/default/mackerel-agent", &options, 0o644, 0);
        // Lets root change to any user.
        let pam = "auth sufficient pam_rootok.so
account required pam_permit.so
\
                   session required pam_permit.so
";
        self.write("etc/pam.d/su", pam, 0o644, 0);
        self.write(
            "etc/mackerel-agent/mackerel-agent.conf",
            "apikey = 'k'\n",
            0o640,
            0,
        );
        self.release("release", NEWER, &reporting(NEWER));
        self.release("broken", BROKEN, "#!/bin/sh\nexit 1\n");
        let door = UnixListener::bind(self.path(DOOR)).unwrap();
        door.set_nonblocking(true).unwrap();
        self.door = Some(door);
        self.write(
            "openrc",
            "ebegin() { :; }\neend() { :; }\n. /etc/default/mackerel-agent\n\
             . /etc/init.d/mackerel-agent\n\"$1\"\n",
            0o644,
            0,
        );
        self.write(
            "procd",
            "procd_open_instance() { :; }\nprocd_set_param() { :; }\nprocd_close_instance() { :; }\n\
             . /etc/init.d/mackerel-agent\n\"$1\"\n",
            0o644,
            0,
        );
        fs::hard_link(&self.agent, self.path("agent")).unwrap();
        mount_bind("/", self.path("host")).unwrap();
        let read_only = MountFlags::BIND | MountFlags::RDONLY;
        mount_remount(self.path("host"), read_only, c"").unwrap();
        mount(
            "proc",
            self.path("proc"),
            "proc",
            MountFlags::empty(),
            None::<&std::ffi::CStr>,
        )
        .unwrap();
        self.write("dev/null", "", 0o666, 0);
        mount_bind("/dev/null", self.path("dev/null")).unwrap();
    }

    fn clear(&mut self) {
        for mut child in self.others.drain(..) {
            let _ = child.kill();
            let _ = child.wait();
        }
        for name in ["host", "proc", "dev/null", "dev/tty"] {
            let _ = unmount(self.path(name), UnmountFlags::DETACH);
        }
        if self.number > 0 {
            // `rm` removes a tree that is too deep for its paths.
            let _ = Command::new("rm").arg("-rf").arg(&self.top).output();
        }
        self.server.received();
    }

    /// Writes a signed release of this program into a directory.
    fn release(&self, directory: &str, version: &str, program: &str) {
        let hex = |bytes: &[u8]| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let mut text = format!("mackerel-agent {version}\nissued 2020-01-01\nexpires 9999-12-31\n");
        for arch in [std::env::consts::ARCH, "amd64", "arm64", "armv7", "armv6"] {
            let name = format!("mackerel-agent_linux_{arch}");
            self.write(&format!("{directory}/{name}"), program, 0o644, 0);
            text.push_str(&format!(
                "{}  {name}\n",
                hex(digest(&SHA256, program.as_bytes()).as_ref())
            ));
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
        let signature = hex(pair.sign(text.as_bytes()).as_ref());
        self.write(
            &format!("{directory}/manifest"),
            &format!("{text}signature {signature}\n"),
            0o644,
            0,
        );
        self.write(
            &format!("{directory}/release.pub"),
            &hex(pair.public_key().as_ref()),
            0o644,
            0,
        );
    }

    /// Installs the agent for the service manager that has this file. Starts nothing.
    pub(crate) fn install_for(&self, manager: &str) {
        self.write(manager, "", 0o755, 0);
        let installed = Command::new(&self.agent)
            .args(["install", "-prefix"])
            .arg(&self.top)
            .env_clear()
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&installed.stderr);
        assert!(installed.status.success(), "{said}");
        self.directory("var/cache/mackerel-agent", 0o755, USER);
        if manager.starts_with("etc/init.d") {
            self.directory("run/mackerel-agent", 0o755, USER);
        }
    }

    /// The files of a Go agent.
    pub(crate) fn go_agent(&self) {
        self.write("usr/bin/mackerel-agent", "#!/bin/sh\n# Go\n", 0o755, 0);
        self.write("var/lib/mackerel-agent/id", "3aBcDeFgHiJ", 0o600, 0);
    }

    /// Files that a packaged agent with the same user has left.
    pub(crate) fn left_over(&self) {
        self.directory("var/lib/mackerel-agent", 0o755, USER);
        self.directory("var/cache/mackerel-agent", 0o755, USER);
    }

    /// Files that the agent has written by now.
    pub(crate) fn owned(&self, owner: u32) {
        for state in ["var/lib/mackerel-agent", "etc/mackerel-agent/state"] {
            if self.path(state).exists() {
                self.write(&format!("{state}/id"), "3aBcDeFgHiJ", 0o644, owner);
                self.write(&format!("{state}/spool"), "spool", 0o600, owner);
            }
        }
    }

    /// Starts two processes of root, of another program and of this one. Returns their pids.
    pub(crate) fn start_others(&self) -> [u32; 2] {
        // A chroot keeps the pid namespace: the pids are valid inside too.
        let sleep = self.path("usr/bin/mackerel-agent");
        let program = fs::read(&sleep).unwrap();
        fs::copy("/bin/sleep", self.path("usr/bin/mackerel-agent.new")).unwrap();
        fs::rename(self.path("usr/bin/mackerel-agent.new"), &sleep).unwrap();
        let run = |program: &str| {
            Command::new("chroot")
                .arg(&self.top)
                .args([program, "600"])
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        };
        let children = [run("/host/bin/sleep"), run("/usr/bin/mackerel-agent")];
        let numbers = children.each_ref().map(Child::id);
        for number in numbers {
            // Waits until the process has executed the program.
            let exe = format!("/proc/{number}/exe");
            for _ in 0..400 {
                let is = fs::read_link(&exe).unwrap_or_default();
                if is.ends_with("sleep") || is.ends_with("mackerel-agent") {
                    break;
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        let pids: Vec<String> = numbers.iter().map(u32::to_string).collect();
        fs::write(self.path("root/pids"), pids.join(" ")).unwrap();
        drop(program);
        for child in children {
            // They are killed by pid later, and not reaped through these values.
            drop(child);
        }
        numbers
    }

    /// Runs a command in the host's directory. Returns what is wrong: that it hangs, crashes, or
    /// prints a secret or control characters.
    pub(crate) fn run(&self, words: &[&str]) -> Option<String> {
        let mut command = Command::new("chroot");
        command
            .arg(&self.top)
            .args(["/host/usr/bin/env", "-i", PATH])
            .args(words);
        self.look(command, words)
    }

    /// The same with a terminal, which is the command's `/dev/tty`.
    pub(crate) fn run_on_terminal(&self, words: &[&str]) -> Option<String> {
        self.write("dev/tty", "", 0o666, 0);
        mount_bind("/dev/tty", self.path("dev/tty")).unwrap();
        let (top, words_of) = (self.top.display(), words.join(" "));
        let line = format!("chroot {top} /host/usr/bin/env -i {PATH} {words_of}");
        let mut command = Command::new("script");
        command.args(["-qec", &line, "/dev/null"]);
        let wrong = self.look(command, words);
        unmount(self.path("dev/tty"), UnmountFlags::DETACH).unwrap();
        wrong
    }

    /// Runs a command for [`Ground::run`].
    fn look(&self, mut command: Command, words: &[&str]) -> Option<String> {
        let output = self.work.join("output");
        let file = File::create(&output).unwrap();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let end = Instant::now() + LIMIT;
        let is_over = loop {
            match child.try_wait().unwrap() {
                Some(_) => break true,
                None if Instant::now() > end => break false,
                None => thread::sleep(Duration::from_millis(2)),
            }
        };
        let _ = child.kill();
        let status = child.wait().unwrap();
        let said = fs::read(&output).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        if std::env::var_os("SHOW").is_some() {
            println!("{words:?}: {status}: {said}");
        }
        let words = words.join(" ");
        match said {
            _ if !is_over => Some(format!("{words} hangs")),
            _ if std::os::unix::process::ExitStatusExt::signal(&status).is_some() => {
                Some(format!("{words} crashes: {status}"))
            }
            said if said.contains(SECRET) => Some(format!("{words} prints a secret: {said}")),
            said if said.contains('\x1b') => Some(format!("{words} prints control characters")),
            _ => None,
        }
    }

    /// The output of the last command.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.work.join("output")).unwrap()).into_owned()
    }

    pub(crate) fn watch(&self) -> Watch {
        Watch::of(&self.top)
    }

    /// A change that is not allowed, if any.
    pub(crate) fn compare(&self, before: &Watch) -> Option<String> {
        let received = self.server.received();
        if received
            .windows(SECRET.len())
            .any(|bytes| bytes == SECRET.as_bytes())
        {
            return Some("a secret was sent to the server".to_owned());
        }
        while let Some((mut stream, _)) = self.door.as_ref().and_then(|door| door.accept().ok()) {
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes);
            if !bytes.is_empty() {
                let said = String::from_utf8_lossy(&bytes).into_owned();
                return Some(format!("root wrote to a socket of root's: {said}"));
            }
        }
        let pids = fs::read_to_string(self.path("root/pids")).unwrap_or_default();
        for pid in pids.split(' ').filter(|pid| !pid.is_empty()) {
            let is_up = fs::read_link(format!("/proc/{pid}/exe")).is_ok();
            let _ = Command::new("kill").args(["-9", pid]).output();
            if !is_up {
                return Some("a process of root's was signalled".to_owned());
            }
        }
        self.watch().differs(before)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.clear();
        let _ = unmount(&self.work, UnmountFlags::DETACH);
    }
}
