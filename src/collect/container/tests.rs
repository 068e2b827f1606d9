//! Control groups of every kind, each a file below `tests/fixtures/container` that holds a tree.

#![expect(clippy::disallowed_methods, reason = "the trees are the tests' own")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::base::clock::Moment;
use crate::base::pattern::Pattern;
use crate::sys::root::Root;

/// Bytes.
const MIB: f64 = 1_048_576.0;

/// Makes the tree that a fixture describes: lines `== PATH`, and below each what the file holds.
fn tree(name: &str) -> TempDir {
    let text = fs::read_to_string(format!("tests/fixtures/container/{name}")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for file in text.split("== ").skip(1) {
        let (path, content) = file.split_once('\n').unwrap();
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

type Measured = Vec<(String, f64)>;

fn attempt(
    collector: &mut Container,
    tree: &Path,
    seconds: u64,
) -> (Measured, Result<(), CollectError>) {
    let mut values = Values::default();
    let mut view = View {
        root: &Root::at(tree),
        now: Moment(Duration::from_secs(seconds)),
        buffer: &mut Vec::new(),
    };
    let result = collector.collect(&mut view, &mut values);
    let measured = values.iter().map(|(name, value)| (name.to_owned(), value));
    (measured.collect(), result)
}

/// Two rounds, a minute apart, and what the second one measured, sorted.
fn minute(fixture: &str, config: config::Container) -> Measured {
    minute_of(fixture, config, |_| {})
}

/// The same, of trees that have been changed.
fn minute_of(fixture: &str, config: config::Container, change: fn(&Path)) -> Measured {
    let mut collector = Container::new(config);
    let trees = ["t0", "t60"].map(|at| tree(&format!("{fixture}-{at}")));
    for tree in &trees {
        change(&tree.path().join("sys/fs/cgroup"));
    }
    let (first, result) = attempt(&mut collector, trees[0].path(), 0);
    result.unwrap();
    assert!(
        first
            .iter()
            .all(|(name, _)| !name.ends_with(".usage") || name.contains("memory"))
    );
    let (mut second, result) = attempt(&mut collector, trees[1].path(), 60);
    result.unwrap();
    second.sort_by(|(a, _), (b, _)| a.cmp(b));
    second
}

fn of(metrics: Scope) -> config::Container {
    config::Container {
        metrics,
        ..config::Container::default()
    }
}

#[track_caller]
fn is(measured: &Measured, expected: &[(&str, f64)]) {
    let shown: Vec<_> = measured
        .iter()
        .map(|(name, value)| (&**name, *value))
        .collect();
    assert_eq!(shown, expected);
}

#[test]
fn the_own_container_in_a_namespace_of_its_own() {
    let expected = [
        ("container.cpu.web-1.limit", 50.0),
        ("container.cpu.web-1.usage", 50.0),
        ("container.memory.web-1.limit", 64.0 * MIB),
        ("container.memory.web-1.usage", 40.0 * MIB),
    ];
    is(&minute("v2-own", of(Scope::Own)), &expected);
    is(&minute("v2-own", of(Scope::Auto)), &expected);
    is(&minute("v2-own", of(Scope::None)), &[]);
}

#[test]
fn details_are_told_where_they_are_asked_for() {
    let config = config::Container {
        details: true,
        name: Some("my app".to_owned()),
        ..of(Scope::Own)
    };
    let measured = minute("v2-own", config);
    let custom: Measured = measured
        .into_iter()
        .filter(|(name, _)| name.starts_with("custom"))
        .collect();
    let expected = [
        ("custom.container.oom_kills.my_app.count", 2.0),
        ("custom.container.pressure_cpu.my_app.full", 0.0),
        ("custom.container.pressure_cpu.my_app.some", 10.0),
        ("custom.container.pressure_io.my_app.full", 0.0),
        ("custom.container.pressure_io.my_app.some", 1.0),
        ("custom.container.pressure_memory.my_app.full", 2.5),
        ("custom.container.pressure_memory.my_app.some", 5.0),
        ("custom.container.throttled.my_app.percentage", 25.0),
    ];
    is(&custom, &expected);
    let metrics: Vec<String> = graphs()
        .iter()
        .flat_map(|graph| graph.metrics.iter().map(|metric| metric.name.clone()))
        .collect();
    for (name, _) in custom {
        assert!(metrics.contains(&name.replace("my_app", "#")), "{name}");
    }
}

#[test]
fn the_containers_of_the_pod_have_its_limits() {
    let expected = [
        ("container.cpu.agent.limit", 150.0),
        ("container.cpu.agent.usage", 10.0),
        ("container.cpu.app.limit", 100.0),
        ("container.cpu.app.usage", 100.0),
        ("container.memory.agent.limit", 512.0 * MIB),
        ("container.memory.agent.usage", 100.0 * MIB),
        ("container.memory.app.limit", 256.0 * MIB),
        ("container.memory.app.usage", 180.0 * MIB),
    ];
    is(&minute("v2-host", of(Scope::Pod)), &expected);
    let config = config::Container {
        pod_uid: Some("7e57c0de-2222-4c4c-9d9d-0123456789ab".to_owned()),
        ..of(Scope::Pod)
    };
    let measured = minute("v2-host", config);
    assert_eq!(measured[1], ("container.cpu.app.usage".to_owned(), 50.0));
    assert_eq!(measured.len(), 4);
}

#[test]
fn a_container_that_its_pod_limits_is_throttled_with_it() {
    let config = config::Container {
        details: true,
        ..of(Scope::Pod)
    };
    let mut measured = minute("v2-host", config);
    measured.retain(|(name, _)| name.contains("throttled"));
    let expected = [
        // It has no limit of its own.
        ("custom.container.throttled.agent.percentage", 20.0),
        ("custom.container.throttled.app.percentage", 50.0),
    ];
    is(&measured, &expected);
}

#[test]
fn a_limit_that_comes_is_no_throttling_of_the_minute_before() {
    let config = config::Container {
        details: true,
        ..of(Scope::Pod)
    };
    let mut collector = Container::new(config);
    let (before, after) = (tree("v2-host-t0"), tree("v2-host-t60"));
    attempt(&mut collector, before.path(), 0).1.unwrap();
    let pod = "kubepods.slice/kubepods-burstable.slice/\
               kubepods-burstable-pod0f3c7d2a_1111_4c4c_9d9d_0123456789ab.slice";
    let pod = after.path().join("sys/fs/cgroup").join(pod);
    fs::write(pod.join("cpu.max"), "50000 100000\n").unwrap();
    let (measured, result) = attempt(&mut collector, after.path(), 60);
    result.unwrap();
    let is_told = |name: &str| measured.iter().any(|(known, _)| known == name);
    assert!(is_told("custom.container.throttled.agent.percentage"));
    assert!(!is_told("custom.container.throttled.app.percentage"));
}

#[test]
fn the_containers_of_the_host_are_told_apart() {
    let config = config::Container {
        ignore: Some(Pattern::new("agent$").unwrap()),
        ..of(Scope::All)
    };
    let measured = minute("v2-host", config);
    let usage = measured
        .iter()
        .filter(|(name, _)| name.ends_with("usage") && name.contains("cpu"));
    let names: Vec<_> = usage.map(|(name, value)| (&**name, *value)).collect();
    let expected = [
        ("container.cpu.cache.usage", 30.0),
        ("container.cpu.db-0_app.usage", 50.0),
        ("container.cpu.my_proxy.usage", 20.0),
        ("container.cpu.web-1_app.usage", 100.0),
    ];
    assert_eq!(names, expected);
}

#[test]
fn version_1_serves_where_it_is_all_there_is() {
    let expected = [
        ("container.cpu.web-1.limit", 200.0),
        ("container.cpu.web-1.usage", 25.0),
        ("container.memory.web-1.limit", 4_096_000_000.0),
        ("container.memory.web-1.usage", 50.0 * MIB),
        ("custom.container.oom_kills.web-1.count", 1.0),
        ("custom.container.throttled.web-1.percentage", 10.0),
    ];
    let config = config::Container {
        details: true,
        ..of(Scope::Own)
    };
    is(&minute("v1-own", config), &expected);
    let expected = [
        ("container.cpu.a1a1a1a1a1a1.limit", 200.0),
        ("container.cpu.a1a1a1a1a1a1.usage", 25.0),
        ("container.cpu.b2b2b2b2b2b2.limit", 25.0),
        ("container.cpu.b2b2b2b2b2b2.usage", 10.0),
        ("container.memory.a1a1a1a1a1a1.limit", 100.0 * MIB),
        ("container.memory.a1a1a1a1a1a1.usage", 50.0 * MIB),
        ("container.memory.b2b2b2b2b2b2.limit", 4_096_000_000.0),
        ("container.memory.b2b2b2b2b2b2.usage", 8.0 * MIB),
    ];
    is(&minute("v1-host", of(Scope::All)), &expected);
}

#[test]
fn a_hybrid_tree_is_read_as_version_1() {
    let beside = |base: &Path| {
        // Every process is there as well, and no controller.
        let group = format!("unified/system.slice/docker-{}.scope", "a1".repeat(32));
        fs::create_dir_all(base.join(&group)).unwrap();
        fs::write(base.join("unified/cgroup.controllers"), "").unwrap();
        fs::write(base.join(&group).join("cgroup.procs"), "7\n").unwrap();
        fs::write(base.join(&group).join("cpu.stat"), "usage_usec 99\n").unwrap();
    };
    for (fixture, scope) in [("v1-host", Scope::All), ("v1-own", Scope::Own)] {
        let hybrid = minute_of(fixture, of(scope), beside);
        assert!(hybrid.len() >= 4, "{hybrid:?}");
        assert_eq!(hybrid, minute(fixture, of(scope)));
    }
}

#[test]
fn a_kernel_without_the_memory_controller_tells_of_the_cpu() {
    let version_1 = |base: &Path| fs::remove_dir_all(base.join("memory")).unwrap();
    let expected = [
        ("container.cpu.a1a1a1a1a1a1.limit", 200.0),
        ("container.cpu.a1a1a1a1a1a1.usage", 25.0),
        ("container.cpu.b2b2b2b2b2b2.limit", 25.0),
        ("container.cpu.b2b2b2b2b2b2.usage", 10.0),
    ];
    is(&minute_of("v1-host", of(Scope::All), version_1), &expected);
    let version_2 = |base: &Path| {
        for file in ["current", "max", "stat", "events"] {
            fs::remove_file(base.join(format!("memory.{file}"))).unwrap();
        }
    };
    let expected = [
        ("container.cpu.web-1.limit", 50.0),
        ("container.cpu.web-1.usage", 50.0),
    ];
    is(&minute_of("v2-own", of(Scope::Own), version_2), &expected);
}

#[test]
fn a_container_that_comes_back_starts_anew() {
    let mut collector = Container::new(of(Scope::All));
    let (before, after) = (tree("v2-host-t0"), tree("v2-host-t60"));
    attempt(&mut collector, before.path(), 0).1.unwrap();
    let slice = after.path().join("sys/fs/cgroup/system.slice");
    let away = after.path().join("away");
    fs::rename(&slice, &away).unwrap();
    let has = |measured: &Measured| {
        measured
            .iter()
            .any(|(name, _)| name == "container.cpu.my_proxy.usage")
    };
    assert!(!has(&attempt(&mut collector, after.path(), 60).0));
    fs::rename(&away, &slice).unwrap();
    assert!(
        !has(&attempt(&mut collector, after.path(), 120).0),
        "a rate over what was not seen"
    );
    assert!(has(&attempt(&mut collector, after.path(), 180).0));
}

#[test]
fn damage_costs_one_container_and_is_told() {
    let damaged = tree("v2-host-t60");
    let group = "sys/fs/cgroup/system.slice/docker-".to_owned() + &"e5".repeat(32) + ".scope";
    fs::write(damaged.path().join(group).join("cpu.stat"), "nonsense\n").unwrap();
    let mut collector = Container::new(of(Scope::All));
    let (measured, result) = attempt(&mut collector, damaged.path(), 0);
    assert!(
        measured
            .iter()
            .any(|(name, _)| name == "container.memory.cache.usage")
    );
    let error = crate::base::report(&result.unwrap_err());
    assert_eq!(
        error,
        "cannot understand: cpu.stat: no usage_usec in \"nonsense\""
    );
}

/// With the host's groups at a place of their own, as the manifests mount them.
#[test]
fn a_task_sees_its_containers_and_nobody_the_host_as_its_own() {
    const TASK: &str = "c5e1f0b4a6d94b6f8f1e2d3c4b5a6978";
    let tree = tree("v2-own-t0");
    let host = tree.path().join("host/cgroup");
    let container = host.join(format!(
        "ecstasks.slice/ecstasks-{TASK}.slice/docker-{}.scope",
        "a1".repeat(32)
    ));
    fs::create_dir_all(&container).unwrap();
    for (path, memory) in [(&host, "1000\n"), (&container, "2000\n")] {
        fs::write(path.join("cgroup.controllers"), "cpu memory\n").unwrap();
        fs::write(path.join("cgroup.procs"), "1\n").unwrap();
        fs::write(path.join("memory.current"), memory).unwrap();
    }
    // (why this row exists, the task, what is used, by whom)
    let table = [
        (
            "a task",
            Some(TASK),
            Some(("container.memory.a1a1a1a1a1a1.usage", 2000.0)),
        ),
        (
            "neither pod nor task",
            None,
            Some(("container.memory.web-1.usage", 40.0 * MIB)),
        ),
        ("the groups of another host", Some("0"), None),
    ];
    for (why, task, expected) in table {
        let mut collector = Container::new(config::Container {
            cgroup: Some(host.clone()),
            task: task.map(str::to_owned),
            ..of(Scope::Auto)
        });
        let (measured, result) = attempt(&mut collector, tree.path(), 0);
        let used = measured.iter().find(|(name, _)| name.ends_with(".usage"));
        assert_eq!(
            used.map(|(name, value)| (&**name, *value)),
            expected,
            "{why}"
        );
        assert_eq!(result.is_err(), expected.is_none(), "{why}");
    }
}
