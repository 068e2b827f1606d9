//! Plugins that have run leave nothing behind in address space or memory.
//!
//! `make soak` watches the same over many minutes.

use std::fs;

use crate::plugins::processes::add_prompt_host;
use crate::process::{Agent, Signal};
use crate::process_tree::{children, poll_until};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::FakeServer;

/// Plugins of each kind.
const PLUGINS: usize = 200;
/// kB that the configuration of so many plugins and their names may take.
const TOLERANCE: u64 = 2048;

/// The number after `name` in a process's status.
fn status(agent: &Agent<'_>, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_ascii_whitespace().next());
    number.unwrap().parse().unwrap()
}

/// kB of address space of an agent whose plugins have run.
///
/// They have written `runs` letters into the file that is `@@` in `plugins`.
fn address_space(plugins: &str, runs: usize) -> u64 {
    let fake_server = FakeServer::http();
    let sandbox = Sandbox::of(&fake_server);
    let log = sandbox.path("runs");
    let plugins = plugins.replace("@@", &log.display().to_string());
    sandbox.configure(&fake_server.base(), &plugins);
    sandbox.adopt(&add_prompt_host(&fake_server));
    let agent = sandbox.start();
    fake_server.wait(limit(100), "values", |seen| {
        seen.to("POST", "/api/v0/tsdb").next().map(drop)
    });
    let size = poll_until(limit(100), "an end of all plugins", || {
        let done = fs::read(&log).map_or(0, |text| text.len());
        // main, signal, poster, request, listener, two threads that ask for the sizes of
        // filesystems, for the description and for the rounds, and one that waits for a run
        let is_idle = children(agent.pid()).is_empty() && status(&agent, "Threads:") <= 8;
        (done >= runs && is_idle).then(|| status(&agent, "VmSize:"))
    });
    agent.signal(Signal::TERM);
    assert_eq!(agent.wait_exit(limit(20)).code, Some(0));
    size
}

#[test]
fn plugins_that_have_run_leave_no_mapping() {
    only_if!(
        !is_emulated(),
        "the emulator's own mappings would be counted"
    );
    only_if!(
        std::env::var_os("AGENT_BIN").is_some(),
        "glibc keeps the stacks of threads; AGENT_BIN names a shipped program"
    );
    let plain = address_space("", 0);
    // (why this row exists, a plugin, letters that one run writes)
    let table = [
        (
            "each round",
            "[plugin.metrics.p#]\ncommand = \"printf . >>@@\"\n",
            1,
        ),
        (
            "each interval",
            "[plugin.checks.p#]\ncommand = \"printf . >>@@\"\n",
            1,
        ),
        (
            "with an action in the same thread",
            "[plugin.checks.p#]\ncommand = \"printf . >>@@\"\naction.command = \"printf . >>@@\"\n",
            2,
        ),
        (
            "a command that cannot be started",
            "[plugin.metrics.p#]\ncommand = [\"/nowhere\"]\n",
            0,
        ),
    ];
    for (why, plugin, letters) in table {
        let all: String = (0..PLUGINS)
            .map(|number| plugin.replace('#', &number.to_string()))
            .collect();
        let size = address_space(&all, PLUGINS * letters);
        assert!(
            size <= plain + TOLERANCE,
            "{why}: {size} kB, {plain} kB without plugins"
        );
    }
}
