//! Plugins as real processes: their results, and what is left of those that misbehave.

use std::fs;
use std::path::Path;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::{Value, json};

use crate::fuse::{Fuse, run_where_it_may_mount};
use crate::process::{Agent, Signal};
use crate::process_tree::{children, is_alive, poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

/// A host whose plugins begin within a second of its registration.
struct Rig {
    fake_server: FakeServer,
    sandbox: Sandbox,
    id: String,
}

/// Adds a host whose plugins begin within a second of its registration, and returns its id.
pub(crate) fn add_prompt_host(fake_server: &FakeServer) -> String {
    fake_server.seen(|seen| {
        loop {
            let id = seen.model.add_host("h", "");
            let own = digest(&SHA1_FOR_LEGACY_USE_ONLY, id.as_bytes());
            if own.as_ref().last().unwrap() % 60 < 2 {
                seen.model.hosts.retain(|known, _| *known == id);
                break id;
            }
            seen.model.hosts.clear();
        }
    })
}

impl Rig {
    fn new(plugins: &str) -> Rig {
        let fake_server = FakeServer::http();
        let id = add_prompt_host(&fake_server);
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(&id);
        let rig = Rig {
            fake_server,
            sandbox,
            id,
        };
        rig.configure(plugins);
        rig
    }

    /// Writes the configuration. `@@` in it stands for the sandbox.
    fn configure(&self, plugins: &str) {
        let directory = self.sandbox.path("").display().to_string();
        let plugins = plugins.replace("@@", directory.trim_end_matches('/'));
        self.sandbox.configure(&self.fake_server.base(), &plugins);
    }

    /// Waits for a value of this name of the host with this id.
    #[track_caller]
    fn value(&self, id: &str, name: &str) -> f64 {
        self.fake_server.wait(limit(60), name, |seen| {
            let points = seen.model.hosts.get(id)?.series.get(name)?;
            points.values().next_back().copied()
        })
    }

    /// Waits for a report of this check and returns it.
    #[track_caller]
    fn report(&self, name: &str) -> Value {
        self.fake_server.wait(limit(60), name, |seen| {
            let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
            let mut reports = posts.flat_map(|post| match &post.json()["reports"] {
                Value::Array(reports) => reports.clone(),
                _ => Vec::new(),
            });
            reports.find(|report| report["name"] == name)
        })
    }

    /// Waits until a plugin has written a file and returns its content.
    #[track_caller]
    fn file(&self, name: &str) -> String {
        let path = self.sandbox.path(name);
        poll_until(limit(20), name, || {
            fs::read_to_string(&path)
                .ok()
                .filter(|text| text.ends_with('\n'))
        })
    }
}

/// Ends the agent and returns its log.
fn end(agent: Agent<'_>) -> String {
    agent.signal(Signal::TERM);
    let finished = agent.wait_exit(limit(15));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stderr
}

#[test]
fn each_kind_of_plugin_reports() {
    let rig = Rig::new(
        r##"
[plugin.metrics.dice]
command = '''
if [ "$MACKEREL_AGENT_PLUGIN_META" = 1 ]; then
    echo '# mackerel-agent-plugin version=1'
    echo '{"graphs":{"dice":{"label":"Dice","unit":"integer","metrics":[{"name":"d6","label":"D6"}]}}}'
else
    printf 'dice.d6\t4\t0\ndice.set %s 0\nbad/name 1 0\n' "${MACKEREL_AGENT_PLUGIN_META+1}"
fi
exit 3
'''
[plugin.metrics.other]
command = ["printf", "other.value\t7\t0\n"]
custom_identifier = "other.example"
[plugin.checks.disk]
command = "echo $PLACE is full; echo hint >&2; exit 2"
env = { PLACE = "/home" }
notification_interval = 60
max_check_attempts = 3
action.command = "echo $MACKEREL_STATUS:$MACKEREL_PREVIOUS_STATUS:$MACKEREL_CHECK_MESSAGE:$LANG >@@/action"
[plugin.metadata.release]
command = "echo '{\"b\": 1e3, \"a\": \"x\"}'; echo done >@@/metadata"
env = { MACKEREL_PLUGIN_WORKDIR = "@@" }
"##,
    );
    let other = rig
        .fake_server
        .seen(|seen| seen.model.add_host("other", "other.example"));
    let agent = rig.sandbox.start();
    assert_eq!(rig.value(&rig.id, "custom.dice.d6"), 4.0);
    assert_eq!(
        rig.value(&rig.id, "custom.dice.set"),
        1.0,
        "set though empty"
    );
    assert_eq!(rig.value(&other, "custom.other.value"), 7.0);

    let mut report = rig.report("disk");
    let began = report["occurredAt"].take();
    assert!(began.is_u64());
    let expected = json!({
        "source": {"type": "host", "hostId": rig.id}, "name": "disk", "status": "CRITICAL",
        "message": "/home is full\n", "occurredAt": null, "notificationInterval": 60,
        "maxCheckAttempts": 3,
    });
    assert_eq!(report, expected);
    assert_eq!(rig.file("action"), "CRITICAL::/home is full :C\n");

    rig.fake_server.wait(limit(15), "graph definition", |seen| {
        (seen.model.graphs.get("custom.dice")?["unit"] == "integer").then_some(())
    });
    rig.file("metadata");
    // The output of a command is used when the command has ended.
    poll_until(limit(10), "an end of all commands", || {
        children(agent.pid()).is_empty().then_some(())
    });
    let stderr = end(agent);
    rig.fake_server.seen(|seen| {
        let metadata = &seen.model.hosts[&rig.id].metadata;
        assert_eq!(metadata["release"], json!({"a": "x", "b": 1000}));
    });
    let cache = rig.sandbox.content("mackerel-plugin-metadata-release");
    assert_eq!(cache, r#"{"a":"x","b":1000}"#);
    for expected in [
        "WARNING <metrics.plugin> plugin.metrics.dice: dropped \"bad/name\": the API takes",
        "WARNING <checks> plugin.checks.disk says: hint",
    ] {
        assert!(stderr.contains(expected), "{expected} in {stderr}");
    }
}

/// Runs [`with_a_program_on_a_filesystem_that_hangs`] where it may mount a filesystem.
#[test]
fn a_program_on_a_filesystem_that_hangs_delays_no_other() {
    let name = "plugins::processes::with_a_program_on_a_filesystem_that_hangs";
    run_where_it_may_mount(name, 300);
}

#[test]
#[ignore = "mounts something: needs a user and mount namespace of its own"]
fn with_a_program_on_a_filesystem_that_hangs() {
    let rig = Rig::new(
        "[plugin.checks.hung]\ncommand = ['@@/mounted/check']\n\
         [plugin.checks.well]\ncommand = \"sleep 1; exit 1\"\ncheck_interval = 1\n\
         [plugin.metrics.well]\ncommand = \"echo well.value 1 0\"\n",
    );
    let point = rig.sandbox.path("mounted");
    fs::create_dir(&point).unwrap();
    let fuse = Fuse::mount("/dev/hung", &point);
    let agent = rig.sandbox.start();
    poll_until(limit(20), "a start that hangs", || {
        (fuse.sought() > 0).then_some(())
    });
    // A pipe of another plugin in it would keep the reader waiting: it has the three files that
    // each process has, and one to say why it could not become its program.
    let own = fs::read_link(format!("/proc/{}/exe", agent.pid())).unwrap();
    poll_until(limit(20), "no file but its own in what hangs", || {
        let mut starting = children(agent.pid());
        starting.retain(|pid| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|it| it == own));
        let mut files = starting
            .iter()
            .map(|pid| fs::read_dir(format!("/proc/{pid}/fd")));
        (!starting.is_empty() && files.all(|files| files.is_ok_and(|files| files.count() == 4)))
            .then_some(())
    });
    assert_eq!(rig.value(&rig.id, "custom.well.value"), 1.0);
    rig.report("well");
    fuse.wake();
    let report = rig.report("hung");
    assert_eq!(report["status"], "UNKNOWN");
    end(agent);
}

/// A plugin that hangs: it ignores SIGTERM and has a child that keeps its output open.
const HUNG: &str = r#"
[plugin.metrics.hung]
command = "trap '' TERM; echo $$ >@@/hung; sleep 600 & wait; sleep 600"
timeout_seconds = 600
"#;

#[test]
fn a_plugin_that_hangs_holds_nothing_but_itself_and_ends_with_the_agent() {
    let rig = Rig::new(&format!(
        "{HUNG}\n[plugin.metrics.well]\ncommand = \"echo well.value 1 0\"\n\
         [plugin.checks.bad]\ncommand = \"exit 1\"\n"
    ));
    let agent = rig.sandbox.start();
    assert_eq!(rig.value(&rig.id, "custom.well.value"), 1.0);
    rig.report("bad");
    let hung: i32 = rig.file("hung").trim().parse().unwrap();
    assert!(is_alive(hung));
    let group = poll_until(limit(5), "grandchild", || children(hung).first().copied());
    let zombies = || {
        let all = children(agent.pid());
        all.into_iter().filter(|child| !is_alive(*child)).count()
    };
    poll_until(limit(5), "reaped children", || {
        (zombies() == 0).then_some(())
    });
    end(agent);
    for pid in [hung, group] {
        poll_until(limit(5), "an end of it", || (!is_alive(pid)).then_some(()));
    }
}

#[test]
fn nothing_leaks_into_a_plugin() {
    let rig = Rig::new(
        r#"
[plugin.checks.look]
command = "ls -l /proc/self/fd | grep -v '/proc/' | sed -n 's/.* -> //p' | sort -u >@@/fds; grep -E '^Sig(Blk|Ign)' /proc/self/status >@@/masks; exit 1"
"#,
    );
    let agent = rig.sandbox.start();
    rig.report("look");
    let open = rig.file("fds");
    // The parent of the tests may leave files open, such as a lock. Those are not the agent's.
    let inherited = inherited();
    for line in open.lines() {
        let is_known = line == "/dev/null"
            || line.starts_with("pipe:")
            || line.ends_with("/fds")
            || inherited.iter().any(|path| path == line);
        assert!(is_known, "{open}; inherited: {inherited:?}");
    }
    let blocked = rig.file("masks");
    assert!(blocked.contains("SigBlk:\t0000000000000000"), "{blocked}");
    if !is_emulated() {
        let own = text(agent.pid(), "status");
        assert!(
            !own.contains("SigBlk:\t0000000000000000"),
            "the agent waits for signals: {own}"
        );
    }
    end(agent);
}

/// The files of this process that every child inherits.
fn inherited() -> Vec<String> {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    let inherited = open.filter(|entry| {
        let info = Path::new("/proc/self/fdinfo").join(entry.file_name());
        let info = fs::read_to_string(info).unwrap_or_default();
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok());
        // O_CLOEXEC, the same on every machine of Linux.
        flags.is_some_and(|flags| flags & 0o2_000_000 == 0)
    });
    inherited
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|path| path.display().to_string())
        .collect()
}

#[test]
fn hup_starts_what_is_new() {
    let rig = Rig::new("[plugin.checks.one]\ncommand = \"echo 1; exit 1\"\n");
    let agent = rig.sandbox.start();
    rig.report("one");
    rig.configure(
        "[plugin.checks.one]\ncommand = \"echo 1; exit 1\"\n\
         [plugin.checks.two]\ncommand = \"echo 2; exit 2\"\n",
    );
    agent.signal(Signal::HUP);
    assert_eq!(rig.report("two")["status"], "CRITICAL");
    end(agent);
    let count = rig.fake_server.seen(|seen| {
        let posts = seen.to("POST", "/api/v0/monitoring/checks/report");
        posts
            .filter(|post| post.json()["reports"][0]["name"] == "one")
            .count()
    });
    assert_eq!(count, 1, "what is as it was does not start again");
}

#[test]
fn a_plugin_can_be_tried_out() {
    let sandbox = Sandbox::empty();
    let table = "[plugin.metrics.m]\ncommand = \"echo m.value 1 0; echo m/value 1 0\"\n\
                 [plugin.checks.c]\ncommand = [\"sh\", \"-c\", \"echo it is bad; exit 1\"]\n\
                 env = { TOKEN = \"secret\" }\n\
                 [plugin.checks.missing]\ncommand = [\"no-such-program\"]\n";
    sandbox.write("agent.conf", table);
    // (arguments, exit code, parts of stdout, part of stderr)
    let rows: [(&[&str], i32, &[&str], &str); 4] = [
        (
            &["check", "c"],
            0,
            &[
                "command: sh -c 'echo it is bad; exit 1'\n",
                "environment: TOKEN\n",
                "result: WARNING after ",
                "POST /api/v0/monitoring/checks/report\n",
                r#""status":"WARNING","message":"it is bad\n""#,
            ],
            "",
        ),
        (
            &["plugin", "m"],
            0,
            &[
                "graph definitions: 0\n",
                "values: 1\n",
                "dropped: \"m/value\"",
                "POST /api/v0/tsdb\n",
                r#""name":"custom.m.value""#,
            ],
            "",
        ),
        (
            &["check", "missing"],
            1,
            &["result: UNKNOWN"],
            "exit code: 127, exec: \"no-such-program\": executable file not found in $PATH",
        ),
        (&["plugin", "c"], 1, &[], "no [plugin.metrics.c] in "),
    ];
    for (words, code, stdout, stderr) in rows {
        let finished = sandbox.run(words, &[]);
        assert_eq!(finished.code, Some(code), "{words:?}: {}", finished.stderr);
        for expected in stdout {
            assert!(
                finished.stdout.contains(expected),
                "{expected} in {}",
                finished.stdout
            );
        }
        assert!(finished.stderr.contains(stderr), "{}", finished.stderr);
        assert!(!finished.stdout.contains("secret"));
    }
}

#[test]
fn once_runs_metric_plugins_too() {
    let sandbox = Sandbox::empty();
    let table = "cloud_platform = 'none'\napikey = 'x'\n\
                 [plugin.metrics.m]\ncommand = \"echo m.value 1 0\"\n\
                 [plugin.metrics.o]\ncommand = \"echo o.value 2 0\"\ncustom_identifier = \"o\"\n";
    sandbox.write("agent.conf", table);
    let finished = sandbox.run(&["once"], &[]);
    let line: Value = serde_json::from_str(&finished.stdout).unwrap();
    let groups = &line["metrics"]["Values"];
    assert_eq!(groups[0]["Values"]["custom.m.value"]["Value"], 1);
    assert_eq!(groups[1]["CustomIdentifier"], "o");
    assert_eq!(groups[1]["Values"]["custom.o.value"]["Value"], 2);
}

#[test]
fn plugin_that_fails_is_logged_with_its_exit_code_and_first_line() {
    const FORM: &str =
        "; a metric plugin prints lines of NAME, VALUE and TIME with tabs between them";
    const AS_ROOT: &str = "; give the user of the agent the right to do this, or run plugins as root: \
        mackerel-agent install -as-root (with systemd that is the drop-in plugins-as-root.conf)";
    const NOT_FOUND: &str = "exit code: 127, exec: \"no-such-program\": executable file not found in \
        $PATH; write its whole path, or add its directory to PATH";
    // Root has every permission, so no remedy is suggested.
    let as_root = if rustix::process::geteuid().is_root() {
        ""
    } else {
        AS_ROOT
    };
    // (why this row exists, kind, command as TOML, what is logged after the name; empty for
    // nothing)
    let table: Vec<(&str, &str, &str, String)> = vec![
        ("well", "metrics", "'echo a.b 1 0'", "".into()),
        ("some lines are no values", "metrics", "'echo hello; echo a.b 1 0'", "".into()),
        ("no value is wanted", "metrics", "'echo a.b 1 0'\nexclude_pattern = 'a'", "".into()),
        ("exit code alone", "metrics", "'exit 3'", format!("exit code 3: it printed nothing{FORM}")),
        (
            "exit code and text",
            "metrics",
            "'echo; echo cannot connect; exit 3'",
            format!("exit code 3: it printed \"cannot connect\"{FORM}"),
        ),
        (
            "exit code and stderr",
            "metrics",
            "'echo cannot connect >&2; exit 1'",
            format!("exit code 1: it printed nothing, and to stderr \"cannot connect\"{FORM}"),
        ),
        (
            "exit code, but values",
            "metrics",
            "'echo a.b 1 0; exit 3'",
            "exit code 3: the values that it printed are used".into(),
        ),
        ("nothing", "metrics", "'true'", format!("exit code 0: it printed nothing{FORM}")),
        ("blanks", "metrics", "'echo; echo'", format!("exit code 0: it printed nothing{FORM}")),
        (
            "something else",
            "metrics",
            "'echo \"<html>\"; echo x y'",
            format!("exit code 0: it printed \"<html>\"{FORM}"),
        ),
        (
            "control characters",
            "metrics",
            r"'printf \\033[31mred\\n'",
            format!("exit code 0: it printed \"\\u{{1b}}[31mred\"{FORM}"),
        ),
        (
            "no number",
            "metrics",
            "'echo a.b x 0'",
            "exit code 0: plugin output: no number in the second field in \"a.b x 0\"".into(),
        ),
        (
            "killed",
            "metrics",
            "'kill -9 $$'",
            format!("exit code 137 (signal 9): it printed nothing{FORM}"),
        ),
        (
            "no such program, as the shell has it",
            "metrics",
            "'no-such-program 2>/dev/null'",
            format!("exit code 127: it printed nothing{FORM}"),
        ),
        ("no such program", "metrics", "['no-such-program']", NOT_FOUND.into()),
        (
            "no such file",
            "metrics",
            "['/nowhere/plugin']",
            "exit code: 127, fork/exec /nowhere/plugin: no such file or directory; check the path, \
             and the interpreter in the first line of a script"
                .into(),
        ),
        (
            "not executable",
            "metrics",
            "['@@/plain']",
            format!(
                "exit code: 126, fork/exec @@/plain: permission denied; make it executable \
                 (chmod +x){as_root}"
            ),
        ),
        (
            "no program",
            "metrics",
            "['@@/empty']",
            "exit code: 126, fork/exec @@/empty: exec format error; it is no program for this \
             machine, or a script without #! in its first line"
                .into(),
        ),
        (
            "not permitted",
            "metrics",
            "'echo \"open /x: Permission denied\"; exit 1'",
            format!(
                "exit code 1: plugin output: no number in the second field in \
                 \"open /x: Permission denied\"{as_root}"
            ),
        ),
        ("check: well", "checks", "'echo fine'", "".into()),
        ("check: a status", "checks", "'exit 2'", "".into()),
        (
            "check: no status",
            "checks",
            "'echo odd; exit 4'",
            "exit code 4: reported as UNKNOWN; it printed \"odd\"".into(),
        ),
        (
            "check: killed",
            "checks",
            "'kill -9 $$'",
            "exit code 137 (signal 9): reported as UNKNOWN; it printed nothing".into(),
        ),
        ("check: missing", "checks", "['no-such-program']", NOT_FOUND.into()),
        (
            "check: not permitted",
            "checks",
            "'echo \"LOG: open /x: permission denied\"; exit 3'",
            format!("exit code 3: it printed \"LOG: open /x: permission denied\"{as_root}"),
        ),
        ("metadata: well", "metadata", "'echo {}'", "".into()),
        (
            "metadata: exit code",
            "metadata",
            "'echo {}; exit 2'",
            "exit code 2: its output is ignored; it printed \"{}\"".into(),
        ),
        (
            "metadata: nothing",
            "metadata",
            "'true'",
            "exit code 0: not one JSON value: EOF while parsing a value at line 1 column 0; it \
             printed nothing"
                .into(),
        ),
        (
            "metadata: something else",
            "metadata",
            "'echo \"<html>\"'",
            "exit code 0: not one JSON value: expected value at line 1 column 1; it printed \
             \"<html>\""
                .into(),
        ),
        (
            "metadata: killed",
            "metadata",
            "'kill -9 $$'",
            "exit code 137 (signal 9): its output is ignored; it printed nothing".into(),
        ),
        ("metadata: missing", "metadata", "['no-such-program']", NOT_FOUND.into()),
    ];
    let mut plugins = String::new();
    for (at, (_, kind, command, _)) in table.iter().enumerate() {
        plugins += &format!("[plugin.{kind}.row{at}]\ncommand = {command}\n");
        plugins += "env = { MACKEREL_PLUGIN_WORKDIR = '@@' }\n";
    }
    plugins += "[plugin.metadata.last]\ncommand = 'sleep 2; echo done >@@/last; echo 1'\n";
    plugins += "env = { MACKEREL_PLUGIN_WORKDIR = '@@' }\n";
    let rig = Rig::new(&plugins);
    rig.sandbox.write("plain", "#!/bin/sh\n");
    rig.sandbox.write("empty", "no program\n");
    rig.sandbox.mode("empty", 0o700);
    let agent = rig.sandbox.start();
    rig.file("last");
    poll_until(limit(10), "an end of all commands", || {
        children(agent.pid()).is_empty().then_some(())
    });
    let stderr = end(agent);
    let directory = rig.sandbox.path("").display().to_string();
    for (at, (why, kind, _, expected)) in table.iter().enumerate() {
        let name = format!("plugin.{kind}.row{at}: ");
        let lines = stderr.lines();
        let found: Vec<&str> = lines
            .filter_map(|line| Some(line.split_once(&name)?.1))
            .collect();
        let expected = expected.replace("@@", directory.trim_end_matches('/'));
        let expected: Vec<&str> = Some(&*expected)
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect();
        assert_eq!(found, expected, "{why}");
    }
}
