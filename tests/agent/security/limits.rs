//! Memory and processor time that a hostile server or plugin can make the agent use. A container
//! has 16 MiB.

use std::fs;

use crate::process::Agent;
use crate::process_tree::{children, poll_until, text};
use crate::sandbox::{Sandbox, is_emulated, limit};
use fake_server::h2::{self, Server};
use fake_server::{Act, Answer, FakeServer, Rule};

/// KiB that the agent may use, of the 16 MiB of the documented container.
const SHIPPED: u64 = 14 << 10;
/// The same for a build that is not optimised, which has ten times the code.
const DEBUG: u64 = 36 << 10;
/// Seconds of processor time that the agent may use. Those of plugins do not count.
const SECONDS: f64 = 3.0;
/// Ticks of `/proc/PID/stat` in a second, on every Linux that the agent is built for.
const TICKS: f64 = 100.0;
/// Bytes that the agent reads of an answer, or of a plugin's output.
const READ: usize = 1 << 20;
/// The line before the graph definitions of a plugin.
const META: &str = "# mackerel-agent-plugin\n";

/// `one`, repeated up to `bytes` bytes, between `begin` and `end`.
fn filled(bytes: usize, begin: &str, one: &str, end: &str) -> String {
    let count = (bytes - begin.len() - end.len()) / one.len();
    let mut text = begin.to_owned();
    text.extend(std::iter::repeat_n(one, count));
    // The commas are between elements: the last one must not end in one.
    text.truncate(text.trim_end_matches(',').len());
    text + end
}

/// The same with a number in each element.
fn numbered(bytes: usize, begin: &str, one: &str, end: &str) -> String {
    let mut text = begin.to_owned();
    for number in 0.. {
        let next = one.replace('@', &number.to_string());
        if text.len() + next.len() + end.len() > bytes {
            break;
        }
        text += &next;
    }
    text.truncate(text.trim_end_matches(',').len());
    text + end
}

/// Expensive documents, each with its description.
fn documents() -> Vec<(&'static str, String)> {
    let size = READ - 1;
    vec![
        ("objects of their own", filled(size, "[", "{\"\":0},", "]")),
        (
            "objects with a text",
            filled(size, "[", "{\"a\":\"b\"},", "]"),
        ),
        (
            "objects at the limit",
            filled(250_000, "[", "{\"a\":\"b\"},", "]"),
        ),
        ("lists at the limit", filled(100_000, "[", "[0],", "]")),
        ("small numbers", filled(910 << 10, "[", "1e-300,", "]")),
        (
            "numbers of many digits",
            filled(
                size,
                "[",
                &("1.".to_owned() + &"7".repeat(1_000) + "e-300,"),
                "]",
            ),
        ),
        ("one number of many digits", filled(size, "", "7", "")),
        (
            "members of one object",
            numbered(size, "{", "\"@\":0,", "}"),
        ),
        (
            "members at the limit",
            numbered(500_000, "{", "\"@\":0,", "}"),
        ),
        ("members of one name", filled(size, "{", "\"a\":0,", "}")),
        ("empty lists", filled(size, "[", "[],", "]")),
        ("depth", filled(size, "", "[", "")),
        ("as deep as it may be", "[".repeat(127) + &"]".repeat(127)),
        (
            "objects as deep as they may be",
            "{\"a\":".repeat(127) + "0" + &"}".repeat(127),
        ),
        ("depth of objects", filled(size, "", "{\"a\":", "")),
        ("a text", filled(size, "\"", "a", "\"")),
        ("a text of escapes", filled(size, "\"", "\\u0001", "\"")),
        (
            "a text that is longer when it is written",
            filled(size, "\"", "<", "\""),
        ),
        (
            "a message",
            filled(size, "{\"error\":{\"message\":\"", "\\n", "\"}}"),
        ),
        ("a list of texts", filled(size, "[", "\"a\",", "]")),
    ]
}

/// Peak memory in KiB until now.
fn peak(agent: &Agent) -> u64 {
    let status = text(agent.pid(), "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// Seconds of processor time until now.
fn seconds(agent: &Agent) -> f64 {
    let stat = text(agent.pid(), "stat");
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let ticks: Vec<f64> = rest
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|word| word.parse().unwrap())
        .collect();
    ticks.iter().sum::<f64>() / TICKS
}

/// What an agent has used. `None` if that is within the limits.
fn excess(why: &str, agent: &Agent) -> Option<String> {
    let (peak, seconds) = (peak(agent), seconds(agent));
    eprintln!("{why}: {peak} kB, {seconds:.2} s");
    let is_shipped = std::env::var_os("AGENT_BIN").is_some();
    let is_over = if is_shipped {
        peak > SHIPPED || seconds > SECONDS
    } else {
        peak > DEBUG
    };
    is_over.then(|| format!("{why}: {peak} kB, {seconds:.2} s"))
}

#[test]
fn limits_hold_whatever_a_server_answers() {
    only_if!(!is_emulated(), "the memory would be the emulator's");
    let mut excesses = Vec::new();
    let mut rows: Vec<(String, u16, Vec<u8>)> = Vec::new();
    for (why, document) in documents() {
        rows.push((why.to_owned(), 200, document.clone().into_bytes()));
        rows.push((format!("{why}, as an error"), 500, document.into_bytes()));
    }
    rows.push(("not UTF-8".to_owned(), 200, vec![0xff; READ]));
    rows.push(("not UTF-8, as an error".to_owned(), 500, vec![0xff; READ]));
    rows.push((
        "more than is read".to_owned(),
        200,
        filled(8 * READ, "[", "{\"\":0},", "]").into_bytes(),
    ));
    for (why, status, body) in rows {
        let fake_server = FakeServer::http();
        let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
        let sandbox = Sandbox::of(&fake_server);
        sandbox.adopt(&id);
        fake_server.rule(Rule::on(
            "/api/v0/hosts*",
            Act::Answer(Answer::new(status, body)),
        ));
        let mut agent = sandbox.start();
        agent.wait_line(limit(20), "refusal", |line| line.contains("/api/v0/hosts"));
        excesses.extend(excess(&why, &agent));
    }
    assert!(excesses.is_empty(), "{}", excesses.join("\n"));
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_limits_hold_whatever_a_plugin_prints() {
    only_if!(!is_emulated(), "the memory would be the emulator's");
    let mut rows: Vec<(&str, String, String)> = Vec::new();
    for (at, (why, document)) in documents().into_iter().enumerate() {
        let as_graphs = format!("{META}{{\"graphs\":{document}}}");
        rows.push(("metadata", why.to_owned(), document));
        // Both kinds are parsed by the same code.
        if at < 2 {
            rows.push(("metrics", format!("{why}, as graphs"), as_graphs));
        }
    }
    let graphs = |name: &str, one: &str| {
        filled(
            900_000,
            &format!("{META}{{\"graphs\":{{\"{name}\":{{\"metrics\":["),
            one,
            "]}}}",
        )
    };
    for (why, text) in [
        ("graphs of metrics without a name", graphs("g", "{},")),
        (
            "graphs of metrics with labels",
            graphs("g", "{\"name\":\"a\",\"label\":\"b\"},"),
        ),
        (
            "a name that each metric repeats",
            graphs(&"n".repeat(500_000), "{},"),
        ),
        (
            "many graphs",
            numbered(
                900_000,
                &format!("{META}{{\"graphs\":{{"),
                "\"@\":{},",
                "}}",
            ),
        ),
        ("values of new names", numbered(READ, "", "a@ 1 0\n", "")),
        ("values of one name", filled(READ, "", "a 1 0\n", "")),
        (
            "values of long names",
            numbered(READ, "", &format!("{}@ 1 0\n", "n".repeat(1_000)), ""),
        ),
        (
            "names that cannot be sent",
            numbered(READ, "", &format!("{}@ 1 0\n", "/".repeat(50_000)), ""),
        ),
        (
            "numbers of many digits",
            numbered(READ, "", &format!("a@ 0.{} 0\n", "7".repeat(10_000)), ""),
        ),
        ("no values", filled(READ, "", "a\n", "")),
        ("no line end", filled(READ, "", "a", "")),
        ("not UTF-8", String::new()),
    ] {
        rows.push(("metrics", why.to_owned(), text.clone()));
        rows.push(("checks", why.to_owned(), text));
    }
    let runs: Vec<_> = rows
        .iter()
        .map(|(kind, why, text)| {
            let fake_server = FakeServer::http();
            let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
            let sandbox = Sandbox::of(&fake_server);
            sandbox.adopt(&id);
            sandbox.write("printed", text);
            if why == "not UTF-8" {
                fs::write(sandbox.path("printed"), vec![0xff; READ]).unwrap();
            }
            let directory = sandbox.path("").display().to_string();
            let table = format!(
                "[plugin.{kind}.hostile]\ncommand = \"cat {directory}printed; cat {directory}printed >&2; echo >>{directory}ran\"\n\
                 env = {{ MACKEREL_PLUGIN_WORKDIR = \"{directory}\" }}\n"
            );
            sandbox.configure(&fake_server.base(), &table);
            (kind, why, fake_server, sandbox)
        })
        .collect();
    let agents: Vec<_> = runs.iter().map(|(.., sandbox)| sandbox.start()).collect();
    let mut excesses = Vec::new();
    for ((kind, why, fake_server, sandbox), mut agent) in runs.iter().zip(agents) {
        // A metric plugin is run for its graph definitions too.
        let count = if **kind == "metrics" { 2 } else { 1 };
        poll_until(limit(200), "run", || {
            let ran = fs::read_to_string(sandbox.path("ran")).unwrap_or_default();
            (ran.len() >= count && !is_plugin_running(&agent)).then_some(())
        });
        if **kind == "metrics" && why.starts_with("values") {
            fake_server.wait(limit(200), "values", |seen| {
                let series = &seen.model.hosts.values().next()?.series;
                series
                    .keys()
                    .any(|name| name.starts_with("custom."))
                    .then_some(())
            });
        }
        agent.assert_running();
        excesses.extend(excess(&format!("{kind}, {why}"), &agent));
    }
    assert!(excesses.is_empty(), "{}", excesses.join("\n"));
}

#[test]
#[ignore = "slow: make test-slow"]
fn slow_limits_hold_with_an_otlp_destination_that_was_away() {
    only_if!(!is_emulated(), "the memory would be the emulator's");
    let (fake_server, collector) = (FakeServer::http(), Server::plain());
    for _ in 0..8 {
        collector.answer(h2::Answer::status(14, "away"));
    }
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let sandbox = Sandbox::of(&fake_server);
    sandbox.adopt(&id);
    // As many values as a run may have, with names as long as its output may be.
    let line = format!("{}@ 1 0\n", "n".repeat(42));
    sandbox.write("printed", &numbered(READ, "", &line, ""));
    let text = format!(
        "[[otlp]]\nendpoint = \"127.0.0.1:{}\"\ninsecure = true\n\
         [plugin.metrics.hostile]\ncommand = \"cat {}\"\n",
        collector.port,
        sandbox.path("printed").display()
    );
    sandbox.configure(&fake_server.base(), &text);
    let mut agent = sandbox.start();
    let has_all = |calls: Vec<h2::Call>| {
        let mut calls = calls.into_iter().skip(8);
        calls.any(|call| call.message.len() > READ)
    };
    poll_until(limit(240), "the plugin's values over OTLP", || {
        has_all(collector.calls()).then_some(())
    });
    agent.assert_running();
    let excess = excess("OTLP", &agent);
    assert!(excess.is_none(), "{excess:?}");
}

/// Whether the agent runs a plugin or reads what it has printed. A thread that waits for the next run
/// sleeps.
fn is_plugin_running(agent: &Agent) -> bool {
    let threads = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
    let stats =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    let mut of_plugins = stats.filter(|stat| stat.contains(" (plugin) "));
    let is_asleep = |stat: String| stat.contains(" (plugin) S ");
    !children(agent.pid()).is_empty() || !of_plugins.all(is_asleep)
}
