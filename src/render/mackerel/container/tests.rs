//! Control groups of every kind. Each file below `tests/fixtures/container` describes one tree.

#![expect(clippy::disallowed_methods, reason = "the trees are the tests' own")]

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::super::testing::{Rig, thousand_bytes_each};
use super::*;
use crate::base::clock::Moment;
use crate::base::pattern::Pattern;
use crate::collect::readings::Readings;
use crate::collect::{self, CollectContext, CollectError};
use crate::config::{self, Config, Scope};
use crate::sys::root::Root;

/// In bytes.
const MIB: f64 = 1_048_576.0;

/// Creates the tree that a fixture describes: lines `== PATH`, each followed by the file's text.
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

fn rig(config: config::Container) -> Rig {
    let config = Config {
        container: config,
        ..Config::default()
    };
    Rig::new("container", &config, thousand_bytes_each())
}

fn attempt(rig: &mut Rig, tree: &Path, seconds: u64) -> (Measured, Result<(), CollectError>) {
    let (measured, result) = rig.attempt_at(tree, seconds);
    let measured = measured
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    (measured.collect(), result)
}

/// Two rounds, a minute apart: the sorted values of the second.
fn minute(fixture: &str, config: config::Container) -> Measured {
    minute_of(fixture, config, |_| {})
}

/// Like [`minute`], with trees modified by `change`.
fn minute_of(fixture: &str, config: config::Container, change: fn(&Path)) -> Measured {
    let mut rig = rig(config);
    let trees = ["t0", "t60"].map(|at| tree(&format!("{fixture}-{at}")));
    for tree in &trees {
        change(&tree.path().join("sys/fs/cgroup"));
    }
    let (first, result) = attempt(&mut rig, trees[0].path(), 0);
    assert!(
        first
            .iter()
            .all(|(name, _)| !name.ends_with(".usage") || name.contains("memory"))
    );
    let (mut second, again) = attempt(&mut rig, trees[1].path(), 60);
    for result in [result, again] {
        let has_no_memory = matches!(result, Err(CollectError::Controllers("memory")));
        assert!(result.is_ok() || has_no_memory, "{result:?}");
    }
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
fn own_container_in_its_own_namespace_is_measured() {
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
fn containers_of_a_pod_have_its_limits() {
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
fn container_limited_by_its_pod_has_the_throttling_of_the_pod() {
    let config = config::Container {
        details: true,
        ..of(Scope::Pod)
    };
    let mut measured = minute("v2-host", config);
    measured.retain(|(name, _)| name.contains("throttled"));
    let expected = [
        // The container's group has no limit of its own.
        ("custom.container.throttled.agent.percentage", 20.0),
        ("custom.container.throttled.app.percentage", 50.0),
    ];
    is(&measured, &expected);
}

#[test]
fn limit_set_during_the_minute_reports_no_throttling_for_it() {
    let config = config::Container {
        details: true,
        ..of(Scope::Pod)
    };
    let mut rig = rig(config);
    let (before, after) = (tree("v2-host-t0"), tree("v2-host-t60"));
    attempt(&mut rig, before.path(), 0).1.unwrap();
    let pod = "kubepods.slice/kubepods-burstable.slice/\
               kubepods-burstable-pod0f3c7d2a_1111_4c4c_9d9d_0123456789ab.slice";
    let pod = after.path().join("sys/fs/cgroup").join(pod);
    fs::write(pod.join("cpu.max"), "50000 100000\n").unwrap();
    let (measured, result) = attempt(&mut rig, after.path(), 60);
    result.unwrap();
    let is_told = |name: &str| measured.iter().any(|(known, _)| known == name);
    assert!(is_told("custom.container.throttled.agent.percentage"));
    assert!(!is_told("custom.container.throttled.app.percentage"));
}

#[test]
fn containers_of_the_host_have_different_names() {
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
fn hybrid_tree_is_read_as_version_1() {
    let beside = |base: &Path| {
        // The `unified` hierarchy also lists every process, and has no controller.
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
fn kernel_without_the_memory_controller_still_has_cpu_values() {
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
fn container_that_comes_back_starts_without_a_rate() {
    let mut rig = rig(of(Scope::All));
    let (before, after) = (tree("v2-host-t0"), tree("v2-host-t60"));
    attempt(&mut rig, before.path(), 0).1.unwrap();
    let slice = after.path().join("sys/fs/cgroup/system.slice");
    let away = after.path().join("away");
    fs::rename(&slice, &away).unwrap();
    let has = |measured: &Measured| {
        measured
            .iter()
            .any(|(name, _)| name == "container.cpu.my_proxy.usage")
    };
    assert!(!has(&attempt(&mut rig, after.path(), 60).0));
    fs::rename(&away, &slice).unwrap();
    assert!(
        !has(&attempt(&mut rig, after.path(), 120).0),
        "a rate over what was not seen"
    );
    assert!(has(&attempt(&mut rig, after.path(), 180).0));
}

#[test]
fn damage_costs_one_container_and_is_told() {
    let damaged = tree("v2-host-t60");
    let group = "sys/fs/cgroup/system.slice/docker-".to_owned() + &"e5".repeat(32) + ".scope";
    fs::write(damaged.path().join(group).join("cpu.stat"), "nonsense\n").unwrap();
    let mut rig = rig(of(Scope::All));
    let (measured, result) = attempt(&mut rig, damaged.path(), 0);
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

/// The host's groups are mounted at a separate place, as in the Kubernetes manifests.
#[test]
fn task_has_its_own_containers_and_never_the_whole_host() {
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
        fs::write(path.join("cpu.stat"), "usage_usec 0\n").unwrap();
    }
    // (why this row exists, the task, the memory in use and its series)
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
        let mut rig = rig(config::Container {
            cgroup: Some(host.clone()),
            task: task.map(str::to_owned),
            ..of(Scope::Auto)
        });
        let (measured, result) = attempt(&mut rig, tree.path(), 0);
        let used = measured.iter().find(|(name, _)| name.ends_with(".usage"));
        assert_eq!(
            used.map(|(name, value)| (&**name, *value)),
            expected,
            "{why}"
        );
        assert_eq!(result.is_err(), expected.is_none(), "{why}");
    }
}

/// A file that every group except the root of all groups has in version 2.
const V2: &str = "memory.current";

/// The container's own group is found from whichever group this process is in. Each group of a tree
/// uses a different number of bytes, so the value shows which group was measured.
#[test]
fn own_container_is_found_from_the_group_of_any_supervisor() {
    const ID: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
    const NODE: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
    const UNSEEN: u64 = 0;
    struct Row {
        why: &'static str,
        /// The path of this process's group.
        own: &'static str,
        /// The root of the mount of the groups.
        mounted: &'static str,
        /// Whether that root is the root of all groups.
        is_host: bool,
        /// Paths of groups. The memory in use of each is its position in this list, starting at 1.
        groups: &'static [&'static str],
        /// Position of the container's group; [`UNSEEN`] if none can be found.
        expected: u64,
    }
    let row = |why, own, mounted, is_host, groups, expected| Row {
        why,
        own,
        mounted,
        is_host,
        groups,
        expected,
    };
    let both = [
        row(
            "no supervisor, a namespace of its own",
            "/",
            "/",
            false,
            &["/"],
            1,
        ),
        row(
            "Docker with systemd, a namespace of its own; LXC, Incus and a node of kind alike",
            "/system.slice/mackerel-agent.service",
            "/",
            false,
            &["/system.slice/mackerel-agent.service", "/"],
            2,
        ),
        row(
            "s6, OpenRC or runit with groups of their own",
            "/openrc.mackerel-agent",
            "/",
            false,
            &["/openrc.mackerel-agent", "/"],
            2,
        ),
        row(
            "Podman --systemd: init.scope",
            "/init.scope",
            "/",
            false,
            &["/init.scope", "/"],
            2,
        ),
        row(
            "a user's service",
            "/user.slice/user-1.slice/user@1.service/app.slice/mackerel-agent.service",
            "/",
            false,
            &[
                "/user.slice/user-1.slice/user@1.service/app.slice/mackerel-agent.service",
                "/",
            ],
            2,
        ),
        row(
            "Docker in the host's namespace, which mounts the own group alone",
            "/docker/{ID}",
            "/docker/{ID}",
            false,
            &["/"],
            1,
        ),
        row(
            "the same with systemd",
            "/docker/{ID}/system.slice/mackerel-agent.service",
            "/docker/{ID}",
            false,
            &["/system.slice/mackerel-agent.service", "/"],
            2,
        ),
        row(
            "Docker in the host's namespace, with all groups",
            "/system.slice/docker-{ID}.scope",
            "/",
            true,
            &["/system.slice/docker-{ID}.scope", "/"],
            1,
        ),
        row(
            "the same with systemd",
            "/system.slice/docker-{ID}.scope/system.slice/mackerel-agent.service",
            "/",
            true,
            &[
                "/system.slice/docker-{ID}.scope/system.slice/mackerel-agent.service",
                "/system.slice/docker-{ID}.scope",
                "/",
            ],
            2,
        ),
        row(
            "Podman in the host's namespace",
            "/machine.slice/libpod-{ID}.scope/container/init.scope",
            "/",
            true,
            &[
                "/machine.slice/libpod-{ID}.scope/container/init.scope",
                "/machine.slice/libpod-{ID}.scope",
                "/",
            ],
            2,
        ),
        row(
            "rootless Podman in the host's namespace",
            "/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope/container",
            "/",
            true,
            &[
                "/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope/container",
                "/user.slice/user-1.slice/user@1.service/user.slice/libpod-{ID}.scope",
                "/",
            ],
            2,
        ),
        row(
            "Kubernetes in the host's namespace",
            "/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope/init",
            "/",
            true,
            &[
                "/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope/init",
                "/kubepods.slice/kubepods-pod1.slice/cri-containerd-{ID}.scope",
                "/",
            ],
            2,
        ),
        row(
            "a pod of kind: the inner container, not the node",
            "/docker/{NODE}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{ID}.scope",
            "/",
            true,
            &[
                "/docker/{NODE}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{ID}.scope",
                "/docker/{NODE}",
                "/",
            ],
            1,
        ),
        row(
            "the node of kind itself",
            "/docker/{NODE}/system.slice/mackerel-agent.service",
            "/",
            true,
            &[
                "/docker/{NODE}/system.slice/mackerel-agent.service",
                "/docker/{NODE}",
                "/",
            ],
            2,
        ),
        row(
            "LXC 4, Incus: all groups",
            "/lxc.payload.web/system.slice/mackerel-agent.service",
            "/",
            true,
            &[
                "/lxc.payload.web/system.slice/mackerel-agent.service",
                "/lxc.payload.web",
                "/",
            ],
            2,
        ),
        row(
            "LXC 3: all groups",
            "/lxc.payload/web/init.scope",
            "/",
            true,
            &["/lxc.payload/web/init.scope", "/lxc.payload/web", "/"],
            2,
        ),
        row(
            "LXC 2: all groups",
            "/lxc/web/init.scope",
            "/",
            true,
            &["/lxc/web/init.scope", "/lxc/web", "/"],
            2,
        ),
        row(
            "systemd-nspawn: all groups",
            "/machine.slice/machine-web.scope/payload/system.slice/mackerel-agent.service",
            "/",
            true,
            &[
                "/machine.slice/machine-web.scope/payload/system.slice/mackerel-agent.service",
                "/machine.slice/machine-web.scope/payload",
                "/machine.slice/machine-web.scope",
                "/",
            ],
            3,
        ),
        row(
            "no container: the own service",
            "/system.slice/mackerel-agent.service",
            "/",
            true,
            &["/system.slice/mackerel-agent.service", "/"],
            1,
        ),
        row(
            "a machine that is one container, in the root of all groups",
            "/",
            "/",
            true,
            &["/"],
            1,
        ),
        row(
            "a namespace of its own, and the host's groups mounted: known by its id",
            "/system.slice/mackerel-agent.service",
            "/../..",
            true,
            &[
                "/system.slice/mackerel-agent.service",
                "/system.slice/docker-{ID}.scope",
                "/",
            ],
            2,
        ),
        row(
            "the same, and its id is not among them: not the host as a whole",
            "/",
            "/../..",
            true,
            &["/"],
            UNSEEN,
        ),
        row(
            "moved out of its namespace",
            "/../other",
            "/",
            false,
            &["/"],
            1,
        ),
        row(
            "a group that is not there",
            "/gone",
            "/",
            true,
            &["/"],
            UNSEEN,
        ),
    ];
    for is_v2 in [true, false] {
        for row in &both {
            let fill = |text: &str| text.replace("{ID}", ID).replace("{NODE}", NODE);
            let why = format!("{}, version {}", row.why, if is_v2 { 2 } else { 1 });
            let tree = tree("v2-own-t0");
            let top = tree.path();
            let base = top.join("sys/fs/cgroup");
            fs::remove_dir_all(&base).unwrap();
            let put = |path: PathBuf, text: &str| {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            };
            for (group, bytes) in row.groups.iter().zip(1..) {
                let path = fill(group);
                let below = path.trim_start_matches('/');
                let is_root_of_all = row.is_host && path == "/";
                let used = format!("{bytes}\n");
                if is_v2 {
                    put(base.join(below).join("cgroup.procs"), "");
                    put(base.join(below).join("cgroup.controllers"), "cpu memory\n");
                    if !is_root_of_all {
                        put(base.join(below).join("cgroup.events"), "populated 1\n");
                        put(base.join(below).join(V2), &used);
                    }
                    put(base.join(below).join("cpu.stat"), "usage_usec 0\n");
                    put(
                        base.join(below).join("cpu.max"),
                        &format!("{bytes}000 100000\n"),
                    );
                } else {
                    for controller in ["cpu,cpuacct", "memory"] {
                        let at = base.join(controller).join(below);
                        put(at.join("cgroup.procs"), "");
                        if is_root_of_all {
                            put(at.join("release_agent"), "");
                        }
                        if controller == "memory" {
                            put(at.join("memory.usage_in_bytes"), &used);
                        } else {
                            put(at.join("cpuacct.usage"), "0\n");
                            put(at.join("cpu.cfs_quota_us"), &format!("{bytes}000\n"));
                            put(at.join("cpu.cfs_period_us"), "100000\n");
                        }
                    }
                }
            }
            let own = fill(row.own);
            let groups = if is_v2 {
                format!("0::{own}\n")
            } else {
                format!("3:memory:{own}\n2:cpu,cpuacct:{own}\n1:name=systemd:/\n")
            };
            put(top.join("proc/self/cgroup"), &groups);
            let mounted = fill(row.mounted);
            let mount = if is_v2 {
                format!("30 1 0:30 {mounted} /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
            } else {
                let mount = |controller| {
                    format!(
                        "30 1 0:30 {mounted} /sys/fs/cgroup/{controller} ro - cgroup cgroup \
                         rw,{controller}\n"
                    )
                };
                ["cpu,cpuacct", "memory"].map(mount).concat()
            };
            let etc = format!(
                "31 1 8:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/a rw\n"
            );
            put(top.join("proc/self/mountinfo"), &[mount, etc].concat());
            let (measured, result) = attempt(&mut rig(of(Scope::Own)), top, 0);
            let limit = measured
                .iter()
                .find(|(name, _)| name == "container.cpu.web-1.limit");
            let expected = (row.expected != UNSEEN).then_some(row.expected as f64);
            assert_eq!(limit.map(|(_, value)| *value), expected, "{why}");
            // In version 2, the root of all groups has no memory files.
            let is_root_of_all = is_v2 && row.is_host && row.own == "/";
            let has_message = expected.is_none() || is_root_of_all;
            assert_eq!(result.is_err(), has_message, "{why}: {result:?}");
        }
    }
}

#[test]
fn process_in_different_groups_of_two_hierarchies_has_their_common_ancestor() {
    // (why this row exists, the path for memory, the path for CPU, bytes in use of the group)
    let table = [
        ("one in both", "/a/b", "/a/b", 3),
        ("memory alone has it", "/a/b", "/a", 2),
        ("nothing in common", "/a/b", "/", 1),
    ];
    for (why, memory, cpu, expected) in table {
        let tree = tree("v1-own-t0");
        let top = tree.path();
        let base = top.join("sys/fs/cgroup");
        for controller in ["cpu", "cpuacct", "memory"] {
            let own = if controller == "memory" { memory } else { cpu };
            let groups = ["/", "/a", "/a/b"];
            for (group, bytes) in groups
                .iter()
                .zip(1..)
                .filter(|(group, _)| own.starts_with(**group))
            {
                let at = base.join(controller).join(group.trim_start_matches('/'));
                fs::create_dir_all(&at).unwrap();
                fs::write(at.join("cgroup.procs"), "").unwrap();
                fs::write(at.join("memory.usage_in_bytes"), format!("{bytes}\n")).unwrap();
                fs::write(at.join("cpuacct.usage"), "0\n").unwrap();
            }
            fs::write(base.join(controller).join("release_agent"), "").unwrap();
        }
        fs::remove_file(base.join("memory/memory.stat")).unwrap();
        let groups = format!("2:memory:{memory}\n1:cpu,cpuacct:{cpu}\n");
        fs::write(top.join("proc/self/cgroup"), groups).unwrap();
        let (measured, result) = attempt(&mut rig(of(Scope::Own)), top, 0);
        result.unwrap();
        let used = measured.iter().find(|(name, _)| name.ends_with(".usage"));
        assert_eq!(used.unwrap().1, f64::from(expected), "{why}");
    }
}

/// The sorted values of two rounds over damaged files, and the result of the second round.
fn damaged(
    fixture: &str,
    config: config::Container,
    change: impl Fn(&Path),
) -> (Measured, Result<(), CollectError>) {
    let mut rig = rig(config);
    let trees = ["t0", "t60"].map(|at| tree(&format!("{fixture}-{at}")));
    attempt(&mut rig, trees[0].path(), 0).1.unwrap();
    change(trees[1].path());
    let (mut second, result) = attempt(&mut rig, trees[1].path(), 60);
    second.sort_by(|(a, _), (b, _)| a.cmp(b));
    (second, result)
}

#[test]
fn values_of_every_odd_kind() {
    const CPU: [(&str, f64); 2] = [
        ("container.cpu.web-1.limit", 50.0),
        ("container.cpu.web-1.usage", 50.0),
    ];
    const MEMORY: [(&str, f64); 2] = [
        ("container.memory.web-1.limit", 64.0 * MIB),
        ("container.memory.web-1.usage", 40.0 * MIB),
    ];
    let all = [CPU, MEMORY].concat();
    let limit = [CPU[0], MEMORY[0], MEMORY[1]];
    let no_memory = [CPU[0], CPU[1], MEMORY[0]];
    // (why this row exists, the file, its text, the values, whether there is an error)
    type Row<'a> = (&'a str, &'a str, &'a str, &'a [(&'a str, f64)], bool);
    let table: &[Row<'_>] = &[
        ("ordinary", "etc/none", "", &all, false),
        (
            "more in use than allowed",
            "sys/fs/cgroup/memory.current",
            "99999999999\n",
            &[
                CPU[0],
                CPU[1],
                MEMORY[0],
                ("container.memory.web-1.usage", 64.0 * MIB),
            ],
            false,
        ),
        (
            "2^64-1 in use",
            "sys/fs/cgroup/memory.current",
            "18446744073709551615\n",
            &no_memory,
            false,
        ),
        (
            "a word in use",
            "sys/fs/cgroup/memory.current",
            "x\n",
            &no_memory,
            true,
        ),
        (
            "negative in use",
            "sys/fs/cgroup/memory.current",
            "-7\n",
            &no_memory,
            true,
        ),
        (
            "more could be dropped than is in use",
            "sys/fs/cgroup/memory.stat",
            "inactive_file 18446744073709551615\n",
            &[
                CPU[0],
                CPU[1],
                MEMORY[0],
                ("container.memory.web-1.usage", 0.0),
            ],
            false,
        ),
        (
            "a limit that is a word: that of the host",
            "sys/fs/cgroup/memory.max",
            "x\n",
            &[
                CPU[0],
                CPU[1],
                ("container.memory.web-1.limit", 4_096_000_000.0),
                MEMORY[1],
            ],
            false,
        ),
        (
            "a jump",
            "sys/fs/cgroup/cpu.stat",
            "usage_usec 8000000000000000\n",
            &limit,
            false,
        ),
        (
            "more than all processors do: between two clocks",
            "sys/fs/cgroup/cpu.stat",
            "usage_usec 151000000\n",
            &[
                CPU[0],
                ("container.cpu.web-1.usage", 200.0),
                MEMORY[0],
                MEMORY[1],
            ],
            false,
        ),
        (
            "backwards",
            "sys/fs/cgroup/cpu.stat",
            "usage_usec 1\n",
            &limit,
            false,
        ),
        (
            "nonsense",
            "sys/fs/cgroup/cpu.stat",
            "nonsense\n",
            &limit,
            true,
        ),
        (
            "the host's processors cannot be counted: the own limits are known",
            "proc/stat",
            "x\n",
            &all,
            true,
        ),
        (
            "the host's memory is unknown: the own limits are known",
            "proc/meminfo",
            "MemTotal: -1 kB\n",
            &all,
            true,
        ),
    ];
    for (why, file, text, expected, has_message) in table {
        let (measured, result) = damaged("v2-own", of(Scope::Own), |top| {
            let path = top.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        });
        let shown: Vec<_> = measured
            .iter()
            .map(|(name, value)| (&**name, *value))
            .collect();
        assert_eq!(shown, *expected, "{why}");
        assert_eq!(result.is_err(), *has_message, "{why}: {result:?}");
    }
}

#[test]
fn shares_of_every_odd_kind() {
    // (why this row exists, the file, its text, the value's name, the value)
    let table = [
        (
            "waited for longer than a minute",
            "memory.pressure",
            "some avg10=0 total=61000000\nfull avg10=0 total=1\n",
            "pressure_memory.web-1.some",
            Some(100.0),
        ),
        (
            "a jump",
            "memory.pressure",
            "some avg10=0 total=8000000000000000000\nfull avg10=0 total=1\n",
            "pressure_memory.web-1.some",
            None,
        ),
        (
            "more periods throttled than there were",
            "cpu.stat",
            "usage_usec 31000000\nnr_periods 200\nnr_throttled 111\n",
            "throttled.web-1.percentage",
            Some(100.0),
        ),
        (
            "a jump of the kills",
            "memory.events",
            "oom_kill 18000000000000000\n",
            "oom_kills.web-1.count",
            None,
        ),
    ];
    for (why, file, text, name, expected) in table {
        let config = config::Container {
            details: true,
            ..of(Scope::Own)
        };
        let (measured, _) = damaged("v2-own", config, |top| {
            fs::write(top.join("sys/fs/cgroup").join(file), text).unwrap();
        });
        let name = ["custom.container.", name].concat();
        let found = measured.iter().find(|(known, _)| *known == name);
        assert_eq!(found.map(|(_, value)| *value), expected, "{why}");
    }
}

#[test]
fn version_1_with_few_controllers_tells_what_it_can_and_what_not() {
    const CPU: [(&str, f64); 2] = [
        ("container.cpu.web-1.limit", 200.0),
        ("container.cpu.web-1.usage", 25.0),
    ];
    const MEMORY: [(&str, f64); 2] = [
        ("container.memory.web-1.limit", 4_096_000_000.0),
        ("container.memory.web-1.usage", 50.0 * MIB),
    ];
    let all = [CPU, MEMORY].concat();
    // (why this row exists, names of the directories of cpu, cpuacct and memory, values, message)
    type Row<'a> = (&'a str, [&'a str; 3], &'a [(&'a str, f64)], &'a str);
    let table: &[Row<'_>] = &[
        ("links for all", ["cpu", "cpuacct", "memory"], &all, ""),
        (
            "no links",
            ["cpu,cpuacct", "cpu,cpuacct", "memory"],
            &all,
            "",
        ),
        (
            "no links, the other way round",
            ["cpuacct,cpu", "cpuacct,cpu", "memory"],
            &all,
            "",
        ),
        (
            "nothing but the processors",
            ["cpu,cpuacct", "cpu,cpuacct", ""],
            &CPU,
            "memory",
        ),
        ("nothing but memory", ["", "", "memory"], &MEMORY, "cpuacct"),
        (
            "no limits of the processors",
            ["", "cpuacct", "memory"],
            &all,
            "",
        ),
        ("nothing", ["", "", ""], &[], "cpuacct"),
    ];
    for (why, names, expected, named) in table {
        let rename = |top: &Path| {
            let base = top.join("sys/fs/cgroup");
            fs::remove_dir_all(base.join("unified")).unwrap();
            for (old, new) in ["cpu", "cpuacct", "memory"].iter().zip(names) {
                let away = base.join(["away-", old].concat());
                fs::rename(base.join(old), &away).unwrap();
                if !new.is_empty() {
                    let new = base.join(new);
                    fs::create_dir_all(&new).unwrap();
                    for file in fs::read_dir(&away).unwrap() {
                        let file = file.unwrap();
                        fs::rename(file.path(), new.join(file.file_name())).unwrap();
                    }
                }
                fs::remove_dir_all(&away).unwrap();
            }
        };
        let mut rig = rig(of(Scope::Own));
        let trees = ["v1-own-t0", "v1-own-t60"].map(tree);
        trees.iter().for_each(|tree| rename(tree.path()));
        let _ = attempt(&mut rig, trees[0].path(), 0);
        let (mut measured, result) = attempt(&mut rig, trees[1].path(), 60);
        measured.sort_by(|(a, _), (b, _)| a.cmp(b));
        let shown: Vec<_> = measured
            .iter()
            .map(|(name, value)| (&**name, *value))
            .collect();
        assert_eq!(shown, *expected, "{why}");
        let message = result.map_or_else(|error| crate::base::report(&error), |()| String::new());
        assert_eq!(message.is_empty(), named.is_empty(), "{why}: {message}");
        assert!(message.contains(named), "{why}: {message}");
    }
}

#[test]
fn host_totals_are_taken_from_the_readings_of_the_same_round() {
    let tree = tree("v2-host-t0");
    let config = Config {
        container: of(Scope::All),
        ..Config::default()
    };
    let mut context = CollectContext {
        root: &Root::at(tree.path()),
        now: Moment::default(),
        buffer: &mut Vec::new(),
    };
    let mut readings = Readings::default();
    for mut collector in collect::builtin(&config, thousand_bytes_each()) {
        match collector.name() {
            "cpu" | "memory" => collector.collect(&mut context, &mut readings).unwrap(),
            "container" => {
                let proc = tree.path().join("proc");
                fs::remove_file(proc.join("stat")).unwrap();
                fs::remove_file(proc.join("meminfo")).unwrap();
                collector.collect(&mut context, &mut readings).unwrap();
            }
            _ => {}
        }
    }
    let containers = readings.containers.unwrap().reading;
    assert_eq!(containers.host_cores, Some(2));
    assert_eq!(
        containers.host_memory_bytes,
        readings.memory.unwrap().total_bytes
    );
    assert!(containers.host_memory_bytes.is_some());
}

#[test]
fn podman_keeps_names_in_several_places() {
    let id = "f6".repeat(32);
    // (why this row exists, the file that contains the name, the container's name)
    let table = [
        (
            "ordinary",
            "var/lib/containers/storage/overlay-containers/containers.json",
            "box",
        ),
        (
            "--rm",
            "var/lib/containers/storage/overlay-containers/volatile-containers.json",
            "box",
        ),
        (
            "another driver",
            "var/lib/containers/storage/vfs-containers/volatile-containers.json",
            "box",
        ),
        (
            "a storage that ends with the boot",
            "run/containers/storage/overlay-containers/volatile-containers.json",
            "box",
        ),
        (
            "elsewhere",
            "var/lib/containers/storage/overlay-images/containers.json",
            "f6f6f6f6f6f6",
        ),
    ];
    for (why, file, name) in table {
        let tree = tree("v2-host-t0");
        let json = format!(r#"[{{"id":"{id}","names":["box"],"layer":"x"}}]"#);
        fs::remove_dir_all(tree.path().join("var/lib/containers")).unwrap();
        let file = tree.path().join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, json).unwrap();
        let (measured, _) = attempt(&mut rig(of(Scope::All)), tree.path(), 0);
        let name = format!("container.memory.{name}.usage");
        assert!(measured.iter().any(|(known, _)| *known == name), "{why}");
    }
}
