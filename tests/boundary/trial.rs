//! `check NAME` and `plugin NAME`, called by root: the plugin's user, and the rights that it can
//! gain.

use std::os::unix::fs::chown;

use crate::ground::{Ground, USER};

/// A group that has the agent's user as a member.
const GROUP: u32 = 4;
/// Prints values named after the process's own user, group and NoNewPrivs.
const VALUES: &str = "while read key value more; do case $key in \
    Uid:) echo id.uid-$value 1 0 ;; Gid:) echo id.gid-$value 1 0 ;; \
    NoNewPrivs:) echo id.limit-$value 1 0 ;; esac; done </proc/self/status";

/// Why a row exists, the service manager's file, the owner and group of the state, the expected
/// user, group and NoNewPrivs, and words of the output.
type Row = (&'static str, &'static str, [u32; 2], [u32; 3], &'static str);

const TABLE: [Row; 5] = [
    (
        "a unit of systemd gains no rights",
        "usr/bin/systemctl",
        [USER, USER],
        [USER, USER, 1],
        "runs as the service does: user 900, who gains no rights by sudo",
    ),
    (
        "an init script sets no such limit",
        "etc/init.d/README",
        [USER, USER],
        [USER, USER, 0],
        "runs as the service does: user 900\n",
    ),
    (
        "a script that made the directory left it root's group",
        "etc/init.d/README",
        [USER, 0],
        [USER, USER, 0],
        "runs as the service does: user 900\n",
    ),
    (
        "nor does OpenRC",
        "usr/sbin/openrc-run",
        [USER, USER],
        [USER, USER, 0],
        "runs as the service does: user 900\n",
    ),
    (
        "the state is root's",
        "usr/bin/systemctl",
        [0, 0],
        [0, 0, 0],
        "runs as root, to whom /var/lib/mackerel-agent belongs",
    ),
];

/// Runs all rows. Returns their number, and what was wrong.
pub(crate) fn run(ground: &mut Ground) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    for (why, manager, [owner, of], [uid, gid, limit], words) in TABLE {
        ground.fresh();
        let group = format!("root:x:0:\nadm:x:{GROUP}:mackerel-agent\nmackerel-agent:x:{USER}:\n");
        ground.write("etc/group", &group, 0o644, 0);
        ground.install_for(manager);
        ground.directory("var/lib/mackerel-agent", 0o755, owner);
        ground.owned(owner);
        chown(ground.path("var/lib/mackerel-agent"), None, Some(of)).unwrap();
        let conf = format!(
            "apikey = 'k'\n\
             [plugin.metrics.who]\ncommand = '''{VALUES}'''\n\
             [plugin.checks.who]\ncommand = '''grep -E '^(Uid|Groups):' /proc/self/status'''\n"
        );
        ground.write("etc/mackerel-agent/mackerel-agent.conf", &conf, 0o640, 0);
        let mut expect = |command: &str, expected: &[String]| {
            let failed = ground.run(&["/agent", command, "who"]);
            let said = ground.said();
            let lacking = expected.iter().find(|text| !said.contains(text.as_str()));
            if failed.is_some() || lacking.is_some() {
                wrong.push(format!(
                    "{command} who: {why}: {failed:?}: no {lacking:?} in {said}"
                ));
            }
        };
        let value = |name: &str, value: u32| format!("\"name\":\"custom.id.{name}-{value}\"");
        let values = [
            words.to_owned(),
            value("uid", uid),
            value("gid", gid),
            value("limit", limit),
        ];
        expect("plugin", &values);
        let groups = if uid == USER {
            format!("Groups:\\t{GROUP} {USER} \\n")
        } else {
            "Uid:\\t0\\t0\\t0\\t0".to_owned()
        };
        let uids = format!("Uid:\\t{uid}\\t{uid}\\t{uid}\\t{uid}\\n");
        expect("check", &[words.to_owned(), uids, groups]);
    }
    wrong.extend(terminal(ground));
    wrong.extend(environment(ground));
    (TABLE.len() * 2 + 6, wrong)
}

/// A host with an agent, whose configuration has `more`.
fn installed(ground: &mut Ground, more: &str) {
    ground.fresh();
    ground.install_for("usr/bin/systemctl");
    ground.directory("var/lib/mackerel-agent", 0o755, USER);
    ground.owned(USER);
    let conf = ["apikey = 'k'\n", more].concat();
    ground.write("etc/mackerel-agent/mackerel-agent.conf", &conf, 0o640, 0);
}

/// A plugin could type into root's terminal. Returns what is wrong.
fn terminal(ground: &mut Ground) -> Vec<String> {
    installed(ground, "[plugin.checks.tty]\ncommand = 'sh /look'\n");
    let look = "if (: </dev/tty); then echo has one; else echo has none; fi\n";
    ground.write("look", look, 0o644, 0);
    // (command, expected); the first is root's own
    let table: [(&[&str], &str); 2] = [
        (&["sh", "/look"], "has one"),
        (&["/agent", "check", "tty"], "has none"),
    ];
    let mut wrong = Vec::new();
    for (words, expected) in table {
        let failed = ground.run_on_terminal(words);
        let said = ground.said();
        if failed.is_some() || !said.contains(expected) {
            wrong.push(format!("{words:?}: {failed:?}: no {expected:?} in {said}"));
        }
    }
    wrong
}

/// What the file of the service's variables is for: not for jobs, and for commands whoever starts
/// them. Returns what is wrong.
fn environment(ground: &mut Ground) -> Vec<String> {
    installed(ground, "");
    let variables = "ROOT=/srv/elsewhere\nMACKEREL_APIKEY=k2\nTZ=Asia/Tokyo\nHTTP_PROXY=http://p\n";
    ground.write("etc/default/mackerel-agent", variables, 0o644, 0);
    let env = "/host/usr/bin/env";
    let mut wrong = Vec::new();
    wrong.extend(ground.run(&[env]));
    let plain = ground.said();
    wrong.extend(ground.run(&["/agent", "wrap", "--", env]));
    if ground.said() != plain {
        wrong.push(format!("a job has {}, not {plain}", ground.said()));
    }
    for variable in ["ROOT=/x", "OTHER_OPTS=-v", "INVOCATION_ID=x"] {
        wrong.extend(ground.run(&[env, variable, "/agent", "status"]));
        let said = ground.said();
        if !said.contains("/srv/elsewhere") {
            wrong.push(format!("status with {variable}: {said}"));
        }
    }
    wrong
}
