//! Files that the agent's user can leave where it can write.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{lchown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use rustix::fs::{CWD, FileType, Mode, RenameFlags, makedev, mknodat, renameat_with};

use crate::ground::{DOOR, Ground, SECRET, USER};

/// A replacement of a file or directory.
pub(crate) struct Plant {
    pub(crate) name: String,
    pub(crate) make: Make,
}

type Make = Box<dyn Fn(&Ground, &str)>;

fn plant(name: impl Into<String>, make: impl Fn(&Ground, &str) + 'static) -> Plant {
    Plant {
        name: name.into(),
        make: Box::new(make),
    }
}

/// Removes what is there.
fn cleared(ground: &Ground, at: &str) -> PathBuf {
    let path = ground.path(at);
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    path
}

fn link(ground: &Ground, at: &str, target: &OsStr) {
    let path = cleared(ground, at);
    symlink(target, &path).unwrap();
    lchown(&path, Some(USER), Some(USER)).unwrap();
}

/// Replacements of the agent's socket.
pub(crate) fn of_socket() -> Vec<Plant> {
    let door = format!("/{DOOR}");
    let to_door = plant("a link of root's socket", move |ground, at| {
        link(ground, at, OsStr::new(&door));
    });
    let hard = plant("a hard link of root's socket", |ground, at| {
        let path = cleared(ground, at);
        fs::hard_link(ground.path(DOOR), path).unwrap();
    });
    vec![to_door, hard]
}

/// Replacements of a file.
pub(crate) fn of_file() -> Vec<Plant> {
    let mut all = Vec::new();
    // (why this row exists, target)
    let links: &[(&str, &[u8])] = &[
        ("of root's secret", b"/etc/secret"),
        ("of the password hashes", b"/etc/shadow"),
        ("of a secret that looks like an id", b"/etc/token"),
        ("not from the root on", b"../../../etc/token"),
        ("of a set-id program", b"/root/program"),
        ("of another user's file", b"/srv/others/file"),
        ("of a directory", b"/etc"),
        ("of its own directory", b"."),
        (
            "of nothing, where root would make a file",
            b"/etc/cron.d/new",
        ),
        ("of itself", b"id"),
        ("of the terminal", b"/dev/tty"),
        ("of a device without end", b"/host/dev/zero"),
        ("of root's environment", b"/proc/self/environ"),
        ("of the record", b"/usr/lib/mackerel-agent/first.list"),
        ("of the program", b"/usr/bin/mackerel-agent"),
        (
            "with lines of a record: a set-id program",
            b"x y\nkept 4755 0 0 /var/lib/mackerel-agent/sh\nnothing",
        ),
        (
            "with lines of a record: root's file is removed",
            b"x y\nnothing /etc/cron.d/job\nnothing",
        ),
        (
            "with lines of a record: others' directory is removed",
            b"x y\nnothing /srv/others\nnothing",
        ),
        (
            "with lines of a record: a link in /etc",
            b"x y\nlink /tmp/x /etc/ld.so.preload\nnothing",
        ),
        (
            "with lines of a record: the hashes are given away",
            b"x y\nkept 666 900 900 /etc/shadow\nnothing",
        ),
        (
            "with lines of a record: the secret is given away, by its group",
            b"x y\nkept 640 0 900 /etc/secret\nnothing",
        ),
        ("with control characters", b"\x1b]0;x\x07\n\x1b[2J"),
        ("that is no UTF-8", b"\xff\xfe/\xff"),
    ];
    for (why, target) in links {
        let target: Vec<u8> = target.to_vec();
        all.push(plant(format!("a link {why}"), move |ground, at| {
            ground.write("var/lib/mackerel-agent/sh", "#!/bin/sh\nid\n", 0o755, USER);
            link(ground, at, OsStr::from_bytes(&target));
        }));
    }
    // (what it is, of which file)
    for (why, of) in [
        ("the hashes", "etc/shadow"),
        ("a secret that looks like an id", "etc/token"),
        ("a set-id program", "root/program"),
        ("another user's file", "srv/others/file"),
    ] {
        all.push(plant(format!("a hard link of {why}"), move |ground, at| {
            let path = cleared(ground, at);
            fs::hard_link(ground.path(of), path).unwrap();
        }));
    }
    all.push(plant(
        "the last name of a secret that was replaced",
        |ground, at| {
            let path = cleared(ground, at);
            fs::rename(ground.path("etc/token"), path).unwrap();
            ground.write("etc/token", "new", 0o600, 0);
        },
    ));
    // (what it is, type, device)
    for (why, kind, device) in [
        ("a FIFO", FileType::Fifo, 0),
        (
            "a device without end",
            FileType::CharacterDevice,
            makedev(1, 5),
        ),
        (
            "a device that is full",
            FileType::CharacterDevice,
            makedev(1, 7),
        ),
    ] {
        all.push(plant(why, move |ground, at| {
            let path = cleared(ground, at);
            mknodat(CWD, &path, kind, Mode::from_raw_mode(0o666), device).unwrap();
            lchown(&path, Some(USER), Some(USER)).unwrap();
        }));
    }
    all.push(plant("a socket", |ground, at| {
        drop(UnixListener::bind(cleared(ground, at)).unwrap());
    }));
    all.push(plant("an empty directory", |ground, at| {
        cleared(ground, at);
        ground.directory(at, 0o755, USER);
    }));
    all.push(plant("a directory with files", |ground, at| {
        cleared(ground, at);
        ground.directory(at, 0o755, USER);
        ground.write(&format!("{at}/a\nb"), "x", 0o644, USER);
    }));
    // (what it is, content, mode)
    let long = "x".repeat(100_000);
    let contents: Vec<(&str, String, u32)> = vec![
        (
            "a set-id program of its own",
            "#!/bin/sh\n".to_owned(),
            0o6755,
        ),
        ("an id with a set-id bit", "3aBcDeFgHiJ".to_owned(), 0o4755),
        ("a long file", long, 0o644),
        ("an empty file", String::new(), 0o644),
        (
            "more than a line",
            "3aBcDeFgHiJ\nkept 4755 0 0 /bin/sh\n".to_owned(),
            0o644,
        ),
        ("control characters", "\x1b]0;x\x07".to_owned(), 0o644),
        ("a path", "../../etc/passwd".to_owned(), 0o644),
        ("a file that nobody can read", "3aBcDeFgHiJ".to_owned(), 0),
    ];
    for (why, content, mode) in contents {
        all.push(plant(why, move |ground, at| {
            cleared(ground, at);
            ground.write(at, &content, mode, USER);
        }));
    }
    all.push(plant("a file of ten gigabytes", |ground, at| {
        cleared(ground, at);
        ground.write(at, "", 0o644, USER);
        let file = File::options().write(true).open(ground.path(at)).unwrap();
        file.set_len(10 << 30).unwrap();
    }));
    all.push(plant(
        "links in the place of temporary files",
        |ground, at| {
            // Names with the pids of the next processes.
            let next = std::process::id();
            for pid in next..next + 3000 {
                let _ = symlink("/etc/secret", ground.path(&format!("{at}.{pid}.new")));
            }
        },
    ));
    all
}

/// Replacements of a directory's content.
pub(crate) fn of_directory() -> Vec<Plant> {
    let mut all = Vec::new();
    for (why, target) in [
        ("of /etc", "/etc"),
        ("of others' directory", "/srv/others"),
        ("not from the root on", "../../../etc"),
        ("of the root", "/"),
        ("of the host's mounts", "/host"),
    ] {
        all.push(plant(format!("holds a link {why}"), move |ground, at| {
            link(ground, &format!("{at}/below"), OsStr::new(target));
            ground.directory(&format!("{at}/deeper/below"), 0o755, USER);
            link(ground, &format!("{at}/deeper/link"), OsStr::new(target));
        }));
    }
    for (why, name) in [
        ("a line end", "a\nnothing \n/etc/passwd"),
        ("a blank and a dash", "-rf /etc"),
        ("control characters", "\u{1b}[2J"),
        ("two dots and a star", "..*"),
    ] {
        all.push(plant(
            format!("holds a name with {why}"),
            move |ground, at| {
                let name = name.replace('/', "_");
                ground.write(&format!("{at}/{name}"), "x", 0o644, USER);
                ground.directory(&format!("{at}/{name}.d/{name}"), 0o755, USER);
            },
        ));
    }
    all.push(plant("is very deep", |ground, at| {
        let mut path = ground.path(at);
        for _ in 0..700 {
            path.push("d");
        }
        let _ = fs::create_dir_all(&path);
    }));
    all.push(plant("is deeper than any path", |ground, at| {
        // Each part is moved below a new one.
        for _ in 0..5 {
            let chain: PathBuf = std::iter::repeat_n("e", 1500).collect();
            let _ = fs::create_dir_all(ground.path(at).join("new").join(&chain));
            let end = ground.path(at).join("new").join(&chain).join("old");
            let _ = fs::rename(ground.path(at).join("deep"), &end);
            let _ = fs::rename(ground.path(at).join("new"), ground.path(at).join("deep"));
        }
    }));
    all.push(plant("holds many files", |ground, at| {
        for number in 0..3000 {
            fs::write(ground.path(at).join(number.to_string()), "").unwrap();
        }
    }));
    all.push(plant(
        "holds directories that nobody can read",
        |ground, at| {
            ground.write(&format!("{at}/closed/file"), "x", 0, USER);
            ground.directory(&format!("{at}/closed"), 0, USER);
            ground.directory(&format!("{at}/closed2"), 0, USER);
        },
    ));
    all.push(plant("cannot be read", |ground, at| {
        ground.directory(at, 0, USER)
    }));
    all.push(plant("has set-id and sticky bits", |ground, at| {
        ground.directory(at, 0o7777, USER);
    }));
    all.push(plant("holds hard links", |ground, at| {
        fs::hard_link(ground.path("etc/shadow"), ground.path(at).join("a")).unwrap();
        fs::hard_link(ground.path("root/program"), ground.path(at).join("b")).unwrap();
    }));
    all.push(plant("holds a FIFO and a device", |ground, at| {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, ground.path(at).join("fifo"), FileType::Fifo, mode, 0).unwrap();
        let (kind, zero) = (FileType::CharacterDevice, makedev(1, 5));
        mknodat(CWD, ground.path(at).join("zero"), kind, mode, zero).unwrap();
    }));
    all
}

/// States in which the directory of the configuration, or of included files, belongs to the agent's
/// user.
pub(crate) fn of_configuration() -> Vec<Plant> {
    const CONF: &str = "etc/mackerel-agent/mackerel-agent.conf";
    let mut all = Vec::new();
    // (why this row exists, content of the included file)
    for (why, text) in [
        ("a secret as a key file", "apikey_file = '/etc/secret'\n"),
        ("the token as a key file", "apikey_file = '/etc/token'\n"),
        ("the hashes as authorities", "ca_file = '/etc/shadow'\n"),
        (
            "a set-id program as a key file",
            "apikey_file = '/root/program'\n",
        ),
        ("a directory of others as state", "root = '/srv/others'\n"),
        (
            "a name with control characters",
            "apikey_file = \"/etc/\\u001b[2J\"\n",
        ),
    ] {
        all.push(plant(
            format!("an included file names {why}"),
            move |ground, _| {
                ground.write(
                    CONF,
                    "apikey = 'k'\ninclude = '/etc/mackerel-agent/conf.d/*.conf'\n",
                    0o640,
                    0,
                );
                ground.write("etc/mackerel-agent/conf.d/a.conf", text, 0o644, USER);
                ground.directory("etc/mackerel-agent/conf.d", 0o755, USER);
            },
        ));
    }
    // (why this row exists, target of the included file)
    for (why, target) in [
        ("of the hashes", "/etc/shadow"),
        ("of a secret", "/etc/secret"),
        ("of others' file", "/srv/others/file"),
    ] {
        all.push(plant(
            format!("an included file is a link {why}"),
            move |ground, _| {
                ground.write(
                    CONF,
                    "apikey = 'k'\ninclude = '/etc/mackerel-agent/conf.d/*.conf'\n",
                    0o640,
                    0,
                );
                ground.directory("etc/mackerel-agent/conf.d", 0o755, USER);
                link(
                    ground,
                    "etc/mackerel-agent/conf.d/a.conf",
                    OsStr::new(target),
                );
            },
        ));
        all.push(plant(
            format!("the configuration is a link {why}"),
            move |ground, at| {
                ground.directory(at, 0o755, USER);
                link(ground, CONF, OsStr::new(target));
            },
        ));
    }
    // (what is a link, the setting, its path in the state directory, the link there, its target)
    for (why, setting, name, at, target) in [
        (
            "the key file",
            "apikey_file",
            "/apikey",
            "apikey",
            "/etc/token",
        ),
        (
            "the authorities",
            "ca_file",
            "/ca.pem",
            "ca.pem",
            "../../../etc/secret",
        ),
        (
            "a directory above the key file",
            "apikey_file",
            "/keys/token",
            "keys",
            "/etc",
        ),
        (
            "the target of a link of root's",
            "apikey_file",
            "",
            "key",
            "/etc/token",
        ),
    ] {
        all.push(plant(
            format!("the configuration is root's and names a link of a secret: {why}"),
            move |ground, _| {
                const STATE: &str = "/var/lib/mackerel-agent";
                let mut path = format!("{STATE}{name}");
                if name.is_empty() {
                    path = "/etc/mackerel-agent/key".to_owned();
                    let to = format!("{STATE}/{at}");
                    symlink(to, ground.path(&path[1..])).unwrap();
                }
                ground.write(
                    CONF,
                    &format!("apikey = 'k'\n{setting} = '{path}'\n"),
                    0o640,
                    0,
                );
                link(ground, &format!("{}/{at}", &STATE[1..]), OsStr::new(target));
            },
        ));
    }
    for (why, of) in [("the hashes", "etc/shadow"), ("a secret", "etc/secret")] {
        all.push(plant(
            format!("the configuration is a hard link of {why}"),
            move |ground, at| {
                ground.directory(at, 0o755, USER);
                let path = cleared(ground, CONF);
                fs::hard_link(ground.path(of), path).unwrap();
            },
        ));
    }
    all.push(plant(
        "the configuration is the last name of a secret",
        |ground, at| {
            ground.directory(at, 0o755, USER);
            let path = cleared(ground, CONF);
            fs::rename(ground.path("etc/secret"), path).unwrap();
            ground.write("etc/secret", "new", 0o600, 0);
        },
    ));
    all.push(plant(
        "everything belongs to the agent's user",
        |ground, at| {
            ground.directory(at, 0o755, USER);
            ground.write(
                CONF,
                "apikey = 'k'\napikey_file = '/etc/token'\n",
                0o644,
                USER,
            );
        },
    ));
    all.push(plant("everybody may write to it", |ground, at| {
        ground.directory(at, 0o777, 0);
        link(
            ground,
            "etc/mackerel-agent/run-as-root",
            OsStr::new("/etc/cron.d/new"),
        );
    }));
    all
}

/// States of the directory of the pid file, that of earlier scripts and the agent's own.
pub(crate) fn of_pid_file() -> Vec<Plant> {
    const FILE: &str = "run/mackerel-agent/mackerel-agent.pid";
    let mut all = Vec::new();
    for which in [0, 1] {
        let whose = [
            "of another program",
            "of this program, but not of the agent's user",
        ][which];
        all.push(plant(
            format!("the number of a process of root's, {whose}"),
            move |ground, _| {
                let pid = ground.start_others()[which];
                ground.write(FILE, &pid.to_string(), 0o644, USER);
            },
        ));
    }
    for text in [
        "1",
        "0",
        "-1",
        "1 2",
        "$(id)",
        "99999999999999999999",
        "",
        "\n\n",
    ] {
        all.push(plant(format!("{text:?}"), move |ground, _| {
            ground.start_others();
            ground.write(FILE, text, 0o644, USER);
        }));
    }
    all.push(plant("a FIFO", |ground, _| {
        let path = cleared(ground, FILE);
        mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    }));
    for (why, target) in [("a secret", "/etc/token"), ("a device", "/host/dev/zero")] {
        all.push(plant(format!("a link of {why}"), move |ground, _| {
            link(ground, FILE, OsStr::new(target));
        }));
    }
    all
}

/// States of a directory that any user may have made.
pub(crate) fn of_shared_directory() -> Vec<Plant> {
    let links = ["/etc", "/etc/shadow", "/etc/cron.d", "/root"];
    let mut all: Vec<Plant> = links
        .into_iter()
        .map(|target| {
            plant(format!("a link of {target}"), move |ground, at| {
                link(ground, at, OsStr::new(target));
            })
        })
        .collect();
    all.push(plant("a file", |ground, at| {
        cleared(ground, at);
        ground.write(at, "x", 0o644, 1000);
    }));
    all
}

/// Swaps two names until it is dropped.
pub(crate) struct Racer {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Racer {
    fn swap(one: PathBuf, other: PathBuf) -> Racer {
        let is_over = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE);
            }
        });
        Racer {
            is_over,
            thread: Some(thread),
        }
    }
}

impl Drop for Racer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// A race: two names that are swapped all the time.
pub(crate) struct Race {
    pub(crate) name: &'static str,
    pub(crate) begin: fn(&Ground) -> Racer,
}

fn swapped(ground: &Ground, one: &str, other: &str) -> Racer {
    let state = "var/lib/mackerel-agent";
    let [one, other] = [one, other].map(|name| ground.path(state).join(name));
    Racer::swap(one, other)
}

pub(crate) fn races() -> Vec<Race> {
    fn id_and(ground: &Ground, target: &str) -> Racer {
        let state = "var/lib/mackerel-agent";
        // Mode and owner differ, so that root changes them.
        ground.write(&format!("{state}/id"), "3aBcDeFgHiJ", 0o600, USER);
        link(ground, &format!("{state}/other"), OsStr::new(target));
        swapped(ground, "id", "other")
    }
    vec![
        Race {
            name: "an id and a link of the token",
            begin: |ground| id_and(ground, "/etc/token"),
        },
        Race {
            name: "an id and a link of the hashes",
            begin: |ground| id_and(ground, "/etc/shadow"),
        },
        Race {
            name: "an id and a link of a set-id program",
            begin: |ground| id_and(ground, "/root/program"),
        },
        Race {
            name: "an id and a link of a directory",
            begin: |ground| id_and(ground, "/srv/others/directory"),
        },
        Race {
            name: "an id and a hard link of the token",
            begin: |ground| {
                let state = "var/lib/mackerel-agent";
                fs::hard_link(ground.path("etc/token"), ground.path(state).join("other")).unwrap();
                ground.write(&format!("{state}/id"), "3aBcDeFgHiJ", 0o600, USER);
                swapped(ground, "id", "other")
            },
        },
        Race {
            name: "an id and a FIFO",
            begin: |ground| {
                let path = ground.path("var/lib/mackerel-agent/other");
                mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
                swapped(ground, "id", "other")
            },
        },
        Race {
            name: "a directory below and a link of /etc",
            begin: |ground| {
                let state = "var/lib/mackerel-agent";
                for number in 0..200 {
                    ground.write(&format!("{state}/below/{number}"), "", 0o644, USER);
                }
                link(ground, &format!("{state}/other"), OsStr::new("/etc/cron.d"));
                swapped(ground, "below", "other")
            },
        },
        Race {
            name: "a directory far below and a link of others' directory",
            begin: |ground| {
                let state = "var/lib/mackerel-agent";
                for number in 0..200 {
                    ground.write(&format!("{state}/a/b/c/{number}"), "", 0o644, USER);
                }
                link(
                    ground,
                    &format!("{state}/a/b/other"),
                    OsStr::new("/srv/others"),
                );
                swapped(ground, "a/b/c", "a/b/other")
            },
        },
        Race {
            name: "two directories",
            begin: |ground| {
                let state = "var/lib/mackerel-agent";
                for number in 0..200 {
                    ground.write(&format!("{state}/a/{number}"), SECRET, 0o600, USER);
                    ground.write(&format!("{state}/b/c/{number}"), "", 0o644, USER);
                }
                swapped(ground, "a", "b/c")
            },
        },
    ]
}
