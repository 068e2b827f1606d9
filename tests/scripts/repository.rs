//! `install.sh -repository`: what it writes and runs for each package manager, and what it refuses.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Programs, Said, TOP};

const SCRIPT: &str = "packaging/install.sh";
const URL: &str = "https://packages.example/agent";
/// The content of the key file on the server.
const KEY: &str = "a public key\n";
/// A configuration as packages leave it.
const SAMPLE: &str = "# apikey = \"\"\n";
const CONF: &str = "/etc/mackerel-agent/mackerel-agent.conf";

/// A package manager: what os-release contains, its program, its files, and the ends of its commands.
struct Manager {
    release: &'static str,
    program: &'static str,
    key_file: &'static str,
    source_file: &'static str,
    commands: [&'static str; 2],
}

const APT: Manager = Manager {
    release: "ID=debian\n",
    program: "apt-get",
    key_file: "/etc/apt/keyrings/mackerel-agent-small.asc",
    source_file: "/etc/apt/sources.list.d/mackerel-agent-small.sources",
    commands: [
        "-o APT::Update::Error-Mode=any",
        "install mackerel-agent-small",
    ],
};
const DNF: Manager = Manager {
    release: "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
    program: "dnf",
    key_file: "/etc/pki/rpm-gpg/RPM-GPG-KEY-mackerel-agent-small",
    source_file: "/etc/yum.repos.d/mackerel-agent-small.repo",
    commands: [
        "--enablerepo=mackerel-agent-small makecache",
        "-y install mackerel-agent-small",
    ],
};
const APK: Manager = Manager {
    release: "ID=alpine\n",
    program: "apk",
    key_file: "/etc/apk/keys/mackerel-agent-small-DIGEST.rsa.pub",
    source_file: "/etc/apk/repositories",
    commands: [
        "--repository https://packages.example/agent/apk",
        "--upgrade mackerel-agent-small",
    ],
};

/// A host of each package manager, and of distributions that are like another one.
fn managers() -> Vec<Manager> {
    let raspbian = Manager {
        release: "ID=raspbian\nID_LIKE=debian\n",
        ..APT
    };
    let amazon = Manager {
        release: "ID=\"amzn\"\nID_LIKE=\"centos rhel fedora\"\n",
        program: "yum",
        ..DNF
    };
    vec![APT, raspbian, DNF, amazon, APK]
}

/// A directory that stands for a host, with a program that stands for its package manager.
struct Host {
    programs: Programs,
    manager: Manager,
    digest: String,
}

impl Host {
    fn new(manager: Manager) -> Host {
        let programs = Programs::new();
        programs.make("bin/id", "echo 0");
        programs.make("bin/uname", "echo Linux");
        programs.make(
            &format!("bin/{}", manager.program),
            "echo \"${0##*/} $*\" >>\"$LOG\"; case $* in *$FAILS*) echo 'the reason' >&2; exit 1 ;; esac",
        );
        // curl OPTION… -o FILE URL
        programs.make(
            "bin/curl",
            "while [ \"$1\" != -o ]; do shift; done; echo \"$3\" >>\"$LOG\"; cp \"$SERVED\" \"$2\"",
        );
        fs::write(programs.path("key"), KEY).unwrap();
        let sum = Command::new("sha256sum").arg(programs.path("key")).output();
        let digest = String::from_utf8(sum.unwrap().stdout).unwrap()[..64].to_owned();
        let host = Host {
            programs,
            manager,
            digest,
        };
        host.write("/etc/os-release", host.manager.release);
        host.write(CONF, SAMPLE);
        host.write("/etc/apk/repositories", "https://alpine.example/main\n");
        host
    }

    /// Makes a program in place of one of the machine's.
    fn replace_program(&self, name: &str, lines: &str) {
        let path = format!("bin/{name}");
        // It is a link, which would be followed.
        fs::remove_file(self.programs.path(&path)).unwrap();
        self.programs.make(&path, lines);
    }

    fn path(&self, name: &str) -> PathBuf {
        let name = name.replace("DIGEST", &self.digest[..8]);
        self.programs
            .path("root")
            .join(name.trim_start_matches('/'))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Runs `install.sh -repository WORDS…`.
    fn run(&self, words: &[&str], variables: &[(&str, &str)]) -> Said {
        let paths = ["root", "log", "key"].map(|name| self.programs.path(name));
        let [root, log, key] = paths.each_ref().map(|path| path.to_str().unwrap());
        let mut all = vec![
            ("INSTALL_TEST_ROOT", root),
            ("LOG", log),
            ("SERVED", key),
            ("FAILS", "nothing"),
            ("MACKEREL_APIKEY", "a-key"),
            ("MACKEREL_AGENT_REPOSITORY_KEY", &self.digest),
            ("MACKEREL_AGENT_REPOSITORY_APK_KEY", &self.digest),
        ];
        all.extend(variables);
        let words = [&["sh", SCRIPT, "-repository"], words].concat();
        self.programs.run(&words, &all)
    }

    /// Downloads and commands since the last call.
    fn log(&self) -> Vec<String> {
        let path = self.programs.path("log");
        let text = fs::read_to_string(&path).unwrap_or_default();
        _ = fs::remove_file(path);
        text.lines().map(str::to_owned).collect()
    }

    /// Every file of the host with its content.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut left = vec![self.programs.path("root")];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                left.extend(
                    fs::read_dir(&path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else {
                found.push((path.clone(), fs::read(&path).unwrap()));
            }
        }
        found.sort();
        found
    }
}

/// A file in `packaging/` that a person copies to a host, for this repository and key.
fn template(name: &str, key: &str) -> String {
    let text = fs::read_to_string(Path::new(TOP).join("packaging").join(name)).unwrap();
    text.replace("@REPOSITORY@", URL).replace("@KEY@", key)
}

#[test]
fn repository_is_added_for_each_package_manager() {
    for manager in managers() {
        let host = Host::new(manager);
        let (name, before) = (host.manager.release, host.everything());
        let said = host.run(&[URL], &[]);
        assert_eq!(said.code, Some(0), "{name}: {}", said.text);
        assert_eq!(host.read(host.manager.key_file), KEY, "{name}");
        let expected = match host.manager.program {
            "apt-get" => template("deb/mackerel-agent-small.sources", host.manager.key_file),
            "apk" => format!("https://alpine.example/main\n# mackerel-agent-small\n{URL}/apk\n"),
            _ => template(
                "rpm/mackerel-agent-small.repo",
                &format!("file://{}", host.manager.key_file),
            ),
        };
        assert_eq!(host.read(host.manager.source_file), expected, "{name}");
        assert_eq!(
            host.read(CONF),
            format!("apikey = \"a-key\"\n{SAMPLE}"),
            "{name}"
        );
        assert!(!said.text.contains("a-key"), "{name}: {}", said.text);
        // The key, the index of this repository alone, then the package.
        let log = host.log();
        let file = host.path(host.manager.key_file);
        let file = match host.manager.program {
            "apk" => file.file_name().unwrap().to_str().unwrap().to_owned(),
            _ => "mackerel-agent-small.asc".to_owned(),
        };
        let mut ends = vec![format!("{URL}/{file}")];
        ends.extend(host.manager.commands.map(str::to_owned));
        assert_eq!(log.len(), ends.len(), "{name}: {log:?}");
        for (line, end) in log.iter().zip(&ends) {
            assert!(line.ends_with(end), "{name}: {line}, not {end}");
        }

        let first = host.everything();
        let again = host.run(&[URL], &[]);
        assert_eq!(again.code, Some(0), "{name}: {}", again.text);
        let there = format!("{} is there already", host.manager.source_file);
        assert!(again.text.contains(&there), "{name}: {}", again.text);
        assert_eq!(
            host.everything(),
            first,
            "{name}: a second run has changed something"
        );
        host.log();

        for (words, is_changed) in [
            (&["-remove", "-dry-run"], false),
            (&["--remove", "-remove"], true),
        ] {
            let said = host.run(words, &[]);
            assert_eq!(said.code, Some(0), "{name}: {}", said.text);
            assert!(
                said.text.contains("mackerel-agent-small stays"),
                "{name}: {}",
                said.text
            );
            assert_eq!(
                host.everything() != first,
                is_changed,
                "{name}: {}",
                said.text
            );
        }
        host.write(CONF, SAMPLE);
        assert_eq!(host.everything(), before, "{name}");
        let nothing = host.run(&["-remove"], &[]);
        assert!(
            nothing
                .text
                .contains("this host does not have the repository"),
            "{name}: {}",
            nothing.text
        );
        assert_eq!(host.log(), [""; 0], "{name}");
    }
}

#[test]
fn repository_dry_run_changes_nothing() {
    for manager in managers() {
        let host = Host::new(manager);
        let (name, before) = (host.manager.release, host.everything());
        let said = host.run(&["-dry-run", URL], &[]);
        assert_eq!(said.code, Some(0), "{name}: {}", said.text);
        for expected in [
            &format!("would download {URL}/"),
            &format!("would write {}", host.manager.source_file),
            host.manager.commands[0],
            host.manager.commands[1],
        ] {
            assert!(
                said.text.contains(expected),
                "{name}: {expected}: {}",
                said.text
            );
        }
        assert_eq!(host.everything(), before, "{name}");
        assert_eq!(host.log(), [""; 0], "{name}");
    }
}

#[test]
fn repository_that_moves_replaces_the_one_before() {
    for manager in managers() {
        let host = Host::new(manager);
        let name = host.manager.release;
        for url in [URL, "https://mirror.example"] {
            let said = host.run(&[url], &[]);
            assert_eq!(said.code, Some(0), "{name}: {}", said.text);
        }
        let text = host.read(host.manager.source_file);
        assert!(!text.contains(URL), "{name}: {text}");
        assert_eq!(
            text.matches("https://mirror.example/").count(),
            1,
            "{name}: {text}"
        );
    }
}

#[test]
fn repository_that_is_refused_changes_nothing() {
    let other = "0".repeat(64);
    // (why, words, variables, expected message)
    type Row<'a> = (&'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a str);
    let table: [Row; 12] = [
        (
            "another key on the server",
            &[URL],
            &[
                ("MACKEREL_AGENT_REPOSITORY_KEY", &other),
                ("MACKEREL_AGENT_REPOSITORY_APK_KEY", &other),
            ],
            "is not the key of this repository: its SHA-256 is",
        ),
        (
            "an index with a wrong signature",
            &[URL],
            &[("FAILS", "update")],
            "does not accept the repository, for the reason above",
        ),
        (
            "no address in this install.sh",
            &[],
            &[],
            "this install.sh has no address of a repository",
        ),
        (
            "plain http",
            &["http://packages.example"],
            &[],
            "http://packages.example does not begin with https://",
        ),
        (
            "a server of tests, outside one",
            &["http://127.0.0.1:1"],
            &[],
            "does not begin with https://",
        ),
        (
            "a line end in an address, which would be another line of a file",
            &["https://a\ngpgcheck=0"],
            &[],
            "has characters that a URL of a repository cannot have here",
        ),
        (
            "a user name, which other users would see",
            &["https://a:b@packages.example"],
            &[],
            "has characters that a URL of a repository cannot have here",
        ),
        (
            "two addresses",
            &[URL, URL],
            &[],
            "-repository takes one URL",
        ),
        (
            "an unknown flag",
            &["-as-root"],
            &[],
            "-as-root is no flag of -repository: it has -dry-run and -remove",
        ),
        (
            "no SHA-256 of a key: this install.sh has none either",
            &[URL],
            &[
                ("MACKEREL_AGENT_REPOSITORY_KEY", ""),
                ("MACKEREL_AGENT_REPOSITORY_APK_KEY", ""),
            ],
            "key is missing: set MACKEREL_AGENT_REPOSITORY_",
        ),
        (
            "a fingerprint of OpenPGP in its place",
            &[URL],
            &[
                ("MACKEREL_AGENT_REPOSITORY_KEY", &other[..40]),
                ("MACKEREL_AGENT_REPOSITORY_APK_KEY", &other[..40]),
            ],
            "key is missing: set MACKEREL_AGENT_REPOSITORY_",
        ),
        (
            "an API key that would end the string in the configuration",
            &[URL],
            &[("MACKEREL_APIKEY", "a\"\nroot = \"/")],
            "has characters that no API key has",
        ),
    ];
    for (why, words, variables, expected) in table {
        for manager in managers() {
            let host = Host::new(manager);
            let before = host.everything();
            let mut variables = variables.to_vec();
            // dnf and yum have another command.
            if ["dnf", "yum"].contains(&host.manager.program) {
                for variable in &mut variables {
                    if variable.0 == "FAILS" {
                        variable.1 = "makecache";
                    }
                }
            }
            let said = host.run(words, &variables);
            let name = host.manager.release;
            assert_eq!(said.code, Some(1), "{why}, {name}: {}", said.text);
            assert!(said.text.contains(expected), "{why}, {name}: {}", said.text);
            assert_eq!(host.everything(), before, "{why}, {name}");
            assert!(
                !host.log().iter().any(|line| line.contains("install")),
                "{why}, {name}"
            );
        }
    }
}

#[test]
fn repository_is_refused_on_other_distributions() {
    // (os-release, installed program, expected message)
    let table = [
        (
            "ID=arch\n",
            "pacman",
            "this distribution (arch ) is known for none of them: install without -repository",
        ),
        (
            "ID=opensuse-leap\nID_LIKE=\"suse opensuse\"\n",
            "zypper",
            "(opensuse-leap suse opensuse) is known for none of them",
        ),
        (
            "ID=debian\n",
            "dnf",
            "apt-get is missing, which this distribution should have",
        ),
        (
            "ID=alpine\n",
            "apt-get",
            "apk is missing, which this distribution should have",
        ),
    ];
    for (release, program, expected) in table {
        let host = Host::new(Manager {
            release,
            program,
            ..APT
        });
        let before = host.everything();
        let said = host.run(&[URL], &[]);
        assert_eq!(said.code, Some(1), "{release}: {}", said.text);
        assert!(said.text.contains(expected), "{release}: {}", said.text);
        assert_eq!(host.everything(), before, "{release}");
    }
}

#[test]
fn repository_stays_if_the_package_cannot_be_installed() {
    let host = Host::new(APT);
    let said = host.run(&[URL], &[("FAILS", "force-confold install")]);
    assert_eq!(said.code, Some(1), "{}", said.text);
    let expected = "the repository is added, but apt has failed to install mackerel-agent-small";
    assert!(said.text.contains(expected), "{}", said.text);
    assert!(said.text.contains("the reason"), "{}", said.text);
    assert_eq!(host.read(host.manager.key_file), KEY);
}

#[test]
fn repository_keeps_the_key_of_a_configuration() {
    for text in [
        "apikey = \"before\"\n",
        "# a comment\napikey_file = '/etc/key'\n",
    ] {
        let host = Host::new(APT);
        host.write(CONF, text);
        let said = host.run(&[URL], &[]);
        assert_eq!(said.code, Some(0), "{}", said.text);
        assert_eq!(host.read(CONF), text);
    }
}

#[test]
fn repository_leaves_the_other_lines_of_apk() {
    let own = format!("# mackerel-agent-small\n{URL}/apk\n");
    // (why, file before, the lines of others afterwards)
    let table = [
        (
            "a last line without its end",
            "https://a/main",
            "https://a/main\n",
        ),
        ("an empty file", "", ""),
        (
            "another address of this repository, between others",
            "https://a/main\n# mackerel-agent-small\nhttps://old/apk\n\nhttps://a/last",
            "https://a/main\n\nhttps://a/last\n",
        ),
        (
            "comments that are others",
            "# mackerel-agent-small-tools\n## mackerel-agent-small\nhttps://a/main\n",
            "# mackerel-agent-small-tools\n## mackerel-agent-small\nhttps://a/main\n",
        ),
    ];
    for (why, before, others) in table {
        let host = Host::new(APK);
        host.write(APK.source_file, before);
        let said = host.run(&[URL], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        assert_eq!(
            host.read(APK.source_file),
            format!("{others}{own}"),
            "{why}"
        );
        let said = host.run(&["-remove"], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        assert_eq!(host.read(APK.source_file), others, "{why}");
    }
}

#[test]
fn repository_replaces_files_of_others_at_once() {
    type Run = fn(&Host) -> Said;
    let add: Run = |host| host.run(&[URL], &[]);
    // (file, what is done before, what replaces it)
    let table: [(&str, Option<Run>, Run); 3] = [
        (CONF, None, add),
        (APK.source_file, Some(add), |host| {
            host.run(&["-remove"], &[])
        }),
        // Back to the one before.
        (APK.source_file, None, |host| {
            host.run(&[URL], &[("FAILS", "update --repo")])
        }),
    ];
    for (file, prepare, replace) in table {
        for is_broken in [false, true] {
            let host = Host::new(APK);
            if let Some(prepare) = prepare {
                assert_eq!(prepare(&host).code, Some(0), "{file}");
            }
            // The name may be a link.
            let stored = host.path("/stored");
            fs::rename(host.path(file), &stored).unwrap();
            symlink(&stored, host.path(file)).unwrap();
            let mode = |path: &Path| fs::metadata(path).unwrap().mode();
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o640);
            fs::set_permissions(&stored, permissions).unwrap();
            // Open, so that no new file gets its number.
            let _held = fs::File::open(&stored).unwrap();
            let (inode, before) = (fs::metadata(&stored).unwrap().ino(), host.read(file));
            if is_broken {
                // As on a full disk, once the new file is written.
                host.replace_program(
                    "mv",
                    "case $2 in */stored.new) echo 'mv: no space' >&2; exit 1 ;; esac; exec /bin/mv \"$@\"",
                );
            }
            let said = replace(&host);
            let name = format!("{file}, {is_broken}: {}", said.text);
            assert!(!host.path("/stored.new").exists(), "{name}");
            assert_eq!(mode(&stored) & 0o777, 0o640, "{name}");
            let is_other = fs::metadata(&stored).unwrap().ino() != inode;
            assert_eq!(is_other, !is_broken, "{name}");
            if is_broken {
                assert_eq!(said.code, Some(1), "{name}");
                assert!(said.text.contains("mv: no space"), "{name}");
                assert_eq!(host.read(file), before, "{name}");
            }
        }
    }
}

#[test]
fn repository_reads_all_lists_if_the_package_cannot_be_installed_without() {
    let host = Host::new(APT);
    host.programs.make(
        "bin/apt-get",
        "case $* in *' install '*) grep -q ' update$' \"$LOG\" || exit 100 ;; esac; echo \"$*\" >>\"$LOG\"",
    );
    let said = host.run(&[URL], &[]);
    assert_eq!(said.code, Some(0), "{}", said.text);
    let log = host.log();
    assert_eq!(log[2], "-q update", "{log:?}");
    assert!(log[3].ends_with(APT.commands[1]), "{log:?}");
}

#[test]
fn repository_takes_over_from_install() {
    const RECORD: &str = "/usr/lib/mackerel-agent/first.list";
    const UNIT: &str = "/etc/systemd/system/mackerel-agent.service";
    const ASIDE: &str = "/etc/systemd/system/mackerel-agent.service.of-install";
    const ID: &str = "/var/lib/mackerel-agent/id";
    // (why, words, part of the command that fails, whether the package takes over)
    let table: [(&str, &[&str], &str, bool); 3] = [
        ("a package that is installed", &[URL], "nothing", true),
        ("one that is not", &[URL], "small", false),
        ("a dry run", &["-dry-run", URL], "nothing", false),
    ];
    for (why, words, fails, is_taken) in table {
        let host = Host::new(APT);
        for (name, text) in [(RECORD, "running\n"), (UNIT, "of install"), (ID, "an-id")] {
            host.write(name, text);
        }
        host.write(
            "/usr/lib/mackerel-agent/first/usr/bin/mackerel-agent",
            "a Go agent",
        );
        let said = host.run(words, &[("FAILS", fails)]);
        assert_eq!(
            said.code == Some(0),
            fails == "nothing",
            "{why}: {}",
            said.text
        );
        assert_eq!(host.path(RECORD).exists(), !is_taken, "{why}");
        let unit = if is_taken { ASIDE } else { UNIT };
        assert_eq!(host.read(unit), "of install", "{why}: {}", said.text);
        assert_eq!(host.path(UNIT).exists(), !is_taken, "{why}");
        assert_eq!(host.path(ASIDE).exists(), is_taken, "{why}");
        assert_eq!(host.read(ID), "an-id", "{why}");
    }
}

#[test]
fn repository_is_refused_where_the_service_cannot_start() {
    // (why, package manager, init, version of systemd, expected message)
    let table = [
        (
            "init scripts",
            APT,
            "/lib/sysvinit/init",
            None,
            "is for systemd alone, and this host has /lib/sysvinit/init: install without -repository",
        ),
        ("an image that is built", APT, "", None, ""),
        ("systemd", APT, "/lib/systemd/systemd", Some("239"), ""),
        (
            "CentOS 7",
            DNF,
            "/lib/systemd/systemd",
            Some("219"),
            "needs systemd 239, and this host has 219, with or without -repository",
        ),
        ("a version that is no number", DNF, "", Some("v25~rc1"), ""),
        ("Alpine", APK, "/bin/busybox", None, ""),
    ];
    for (why, manager, init, version, expected) in table {
        let host = Host::new(manager);
        if !init.is_empty() {
            host.write(init, "");
            fs::create_dir_all(host.path("/sbin")).unwrap();
            symlink(host.path(init), host.path("/sbin/init")).unwrap();
        }
        if let Some(version) = version {
            let lines = format!("echo 'systemd {version} (x)'; echo +PAM");
            host.programs.make("bin/systemctl", &lines);
        }
        let before = host.everything();
        let said = host.run(&[URL], &[]);
        let is_good = expected.is_empty();
        assert_eq!(said.code, Some(i32::from(!is_good)), "{why}: {}", said.text);
        assert!(said.text.contains(expected), "{why}: {}", said.text);
        assert_eq!(host.everything() == before, !is_good, "{why}");
    }
}

#[test]
fn repository_starts_the_service_of_alpine() {
    let add = "rc-update add mackerel-agent";
    // (why, configuration, whether the package was there, commands of OpenRC)
    let table: [(&str, &str, bool, &[&str]); 3] = [
        (
            "a key that is given",
            SAMPLE,
            false,
            &[add, "rc-service mackerel-agent restart"],
        ),
        (
            "a key that the configuration has",
            "apikey = \"k\"\n",
            false,
            &[add, "rc-service mackerel-agent start"],
        ),
        (
            "a second run: it may have been stopped",
            "apikey = \"k\"\n",
            true,
            &[],
        ),
    ];
    for (why, conf, is_there, expected) in table {
        let host = Host::new(APK);
        host.write(CONF, conf);
        if is_there {
            host.write("/usr/lib/mackerel-agent/upgrade-package", "");
        }
        for name in ["rc-update", "rc-service"] {
            let lines = "echo \"${0##*/} $*\" >>\"$LOG\"";
            host.programs.make(&format!("bin/{name}"), lines);
        }
        let said = host.run(&[URL], &[]);
        assert_eq!(said.code, Some(0), "{why}: {}", said.text);
        let mut log = host.log();
        log.retain(|line| line.starts_with("rc-"));
        assert_eq!(log, expected, "{why}: {}", said.text);
    }
}

#[test]
fn repository_refuses_a_typed_key_that_would_end_the_string() {
    let terminal = "/usr/bin/script";
    fake_server::require!(
        Path::new(terminal).exists(),
        "no script(1): apt-get install bsdutils"
    );
    let host = Host::new(APT);
    host.programs.make("bin/stty", "exit 0");
    let log = host.programs.path("log");
    let root = host.programs.path("root");
    // script(1) reads what is typed from its input.
    let before = host.everything();
    let mut child = Command::new("/usr/bin/timeout")
        .args([
            "60",
            terminal,
            "-qec",
            &format!("sh {SCRIPT} -repository {URL}"),
            "/dev/null",
        ])
        .current_dir(TOP)
        .env_clear()
        .env("PATH", host.programs.path("bin"))
        .env("INSTALL_TEST_ROOT", root)
        .env("LOG", &log)
        .env("FAILS", "nothing")
        .env("SERVED", host.programs.path("key"))
        .env("MACKEREL_AGENT_REPOSITORY_KEY", &host.digest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let typed = b"a\"\\key\n";
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), typed).unwrap();
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(1), "{}", said.text);
    let expected = "has characters that no API key has";
    assert!(said.text.contains(expected), "{}", said.text);
    assert_eq!(host.everything(), before);
}
