//! Finds the container, pod or task of a control group, a mount or a log file. The naming schemes
//! are those of the kubelet, Docker, containerd, CRI-O, Podman and ECS.

/// Hexadecimal digits of a container id.
const ID: usize = 64;
/// Hexadecimal digits of an ECS task id, and of the UIDs of static pods.
const SHORT_ID: usize = 32;
/// Length of a UUID in characters.
const UUID: usize = 36;

/// The id of the container to which a group belongs, from the last part of its path. The forms are:
///
/// - `ID`, `RUNTIME-ID.scope`, `RUNTIME-ID`;
/// - `SLICE:RUNTIME:ID`: containerd without its systemd setting, under a kubelet with the systemd
///   cgroup driver;
/// - `TASK-NUMBER`: ECS on Fargate.
pub(crate) fn id_of_group(path: &str) -> Option<&str> {
    let (around, name) = path.rsplit_once('/').unwrap_or(("", path));
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (runtime, id) = name.rsplit_once(['-', ':']).unwrap_or(("", name));
    // The monitor process of a container has its own group with the container's id. The pods of
    // Podman have an id of their own.
    let is_other =
        runtime.ends_with("conmon") || (runtime.is_empty() && around.ends_with("libpod_parent"));
    if is_hex(id, ID) && !is_other {
        return Some(id);
    }
    let is_fargate = is_hex(runtime, SHORT_ID) && id.bytes().all(|b| b.is_ascii_digit());
    is_fargate.then_some(name)
}

/// The group of the innermost container around `path`, or `path` itself. Besides the ids of
/// [`id_of_group`], it recognises `lxc.payload.NAME` and `lxc/NAME` of LXC and Incus, and
/// `machine-NAME.scope` of systemd-nspawn.
pub(crate) fn group_of_container(path: &str) -> Option<&str> {
    let mut end = path.len();
    loop {
        let group = path.get(..end)?;
        let (around, name) = group.rsplit_once('/')?;
        let is_of_lxc = name.starts_with("lxc.payload.")
            || around.ends_with("/lxc")
            || around.ends_with("/lxc.payload");
        let is_of_nspawn = name.starts_with("machine-") && name.ends_with(".scope");
        if is_of_lxc || is_of_nspawn || id_of_group(group).is_some() {
            return Some(group);
        }
        end = around.len();
    }
}

/// The UID of the pod to which a group belongs. The kubelet names the group `podUID`. With systemd,
/// it is `…-podUID.slice`, where `_` replaces `-`.
pub(crate) fn pod_of_group(path: &str) -> Option<String> {
    path.split('/').rev().find_map(|part| {
        let group = part.split(':').next()?;
        let group = group.strip_suffix(".slice").unwrap_or(group);
        let (at, _) = group.match_indices("pod").last()?;
        let uid = &group[at + 3..];
        let uid = uid.replace('_', "-");
        is_uid(&uid).then_some(uid)
    })
}

/// The UID of this process's pod, from the kubelet's mounts in `/proc/self/mountinfo`.
pub(crate) fn pod_of_mounts(text: &str) -> Option<&str> {
    let after = text.split("/pods/").skip(1);
    let uid = after.filter_map(|rest| rest.split('/').next());
    uid.into_iter().find(|uid| is_uid(uid))
}

/// The id of this process's container, from the files in `/proc/self/mountinfo` that Docker, Podman
/// or containerd mount.
pub(crate) fn id_of_mounts(text: &str) -> Option<&str> {
    let etc = |line: &&str| {
        ["/etc/hostname ", "/etc/hosts ", "/etc/resolv.conf "]
            .iter()
            .any(|file| line.contains(file))
    };
    let mut lines = text.lines().filter(etc);
    lines.find_map(|line| line.split('/').find(|part| is_hex(part, ID)))
}

/// The id of this process's ECS task, from the URL of its metadata endpoint.
pub(crate) fn task_of_metadata(url: &str) -> Option<&str> {
    let (task, _) = url.rsplit('/').next()?.split_once('-')?;
    is_hex(task, SHORT_ID).then_some(task)
}

/// The ECS task to which a group belongs: `/ecs/TASK/…`, `/ecstasks-TASK.slice/…`. The oldest
/// accounts use UUIDs as task ids.
pub(crate) fn task_of_group(path: &str) -> Option<&str> {
    let task = |part| is_uid(part).then_some(part);
    if let Some((_, rest)) = path.split_once("/ecs/") {
        return rest.split('/').find_map(task);
    }
    let (_, rest) = path.split_once("ecstasks-")?;
    rest.split(['.', '/']).next().and_then(task)
}

/// Pod name, container name and container id from the name of a kubelet log file:
/// `POD_NAMESPACE_CONTAINER-ID.log`.
pub(crate) fn log_file(name: &str) -> Option<(&str, &str, &str)> {
    let (rest, id) = name.strip_suffix(".log")?.rsplit_once('-')?;
    let mut parts = rest.splitn(3, '_');
    let (pod, _, container) = (parts.next()?, parts.next()?, parts.next()?);
    is_hex(id, ID).then_some((pod, container, id))
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    text.len() == length && text.bytes().all(is_digit)
}

fn is_uid(text: &str) -> bool {
    let is_part = |b: u8| b.is_ascii_hexdigit() || b == b'-';
    is_hex(text, SHORT_ID) || (text.len() == UUID && text.bytes().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::survives_damage;

    /// Each line: the software, the path of a group, the container's id (`A` stands for its 64
    /// digits), its pod and its task; `-` for none.
    const GROUPS: &str = include_str!("../../tests/fixtures/container/groups");
    const MOUNTS: &str = include_str!("../../tests/fixtures/container/mountinfo-kubelet");
    const DOCKER: &str = include_str!("../../tests/fixtures/container/mountinfo-docker");

    fn long() -> String {
        "a1".repeat(ID / 2)
    }

    #[test]
    fn containers_are_known_by_their_groups() {
        let mut count = 0;
        for line in GROUPS.lines().filter(|line| !line.starts_with('#')) {
            let line = line.replace("{A}", &long());
            let words: Vec<&str> = line.split_whitespace().collect();
            let [_, path, id, pod, task] = words[..] else {
                panic!("{line}")
            };
            let is = |word| Some(word).filter(|word| *word != "-");
            assert_eq!(id_of_group(path), is(id), "{line}");
            assert_eq!(pod_of_group(path).as_deref(), is(pod), "{line}");
            assert_eq!(task_of_group(path), is(task), "{line}");
            count += 1;
        }
        assert!(count > 40);
    }

    #[test]
    fn container_of_a_group_is_found_among_its_ancestors() {
        let id = long();
        // (path, the path of the container's group)
        let table = [
            ("/", None),
            ("", None),
            ("/system.slice/ssh.service", None),
            ("/docker/{A}", Some("/docker/{A}")),
            ("/docker/{A}/system.slice/a.service", Some("/docker/{A}")),
            (
                "/docker/{A}/kubepods/pod1/{A}/init",
                Some("/docker/{A}/kubepods/pod1/{A}"),
            ),
            (
                "/m.slice/libpod-{A}.scope/container",
                Some("/m.slice/libpod-{A}.scope"),
            ),
            ("/m.slice/libpod-conmon-{A}.scope", None),
            ("/lxc.payload.a/init.scope", Some("/lxc.payload.a")),
            ("/lxc.payload/a/init.scope", Some("/lxc.payload/a")),
            ("/lxc/a/b/c", Some("/lxc/a")),
            ("/lxc", None),
            ("/lxc.monitor.a", None),
            (
                "/machine.slice/machine-a.scope/payload",
                Some("/machine.slice/machine-a.scope"),
            ),
            ("/machine.slice/machine-a.service", None),
        ];
        for (path, expected) in table {
            let path = path.replace("{A}", &id);
            let expected = expected.map(|path| path.replace("{A}", &id));
            assert_eq!(group_of_container(&path), expected.as_deref(), "{path}");
        }
    }

    #[test]
    fn a_process_finds_its_pod_and_its_container_among_its_mounts() {
        let uid = "0f3c7d2a-1111-4c4c-9d9d-0123456789ab";
        assert_eq!(pod_of_mounts(MOUNTS), Some(uid));
        let docker = DOCKER.replace("{A}", &long());
        assert_eq!(pod_of_mounts(&docker), None);
        assert_eq!(id_of_mounts(&docker), Some(&*long()));
        assert_eq!(id_of_mounts(MOUNTS), None);
    }

    #[test]
    fn a_task_of_fargate_is_in_the_address_of_its_metadata() {
        let task = "c5e1f0b4a6d94b6f8f1e2d3c4b5a6978";
        let url = format!("http://169.254.170.2/v4/{task}-1234567890");
        assert_eq!(task_of_metadata(&url), Some(task));
        let url = "http://169.254.170.2/v4/0f3c7d2a-1111-4c4c-9d9d-0123456789ab";
        assert_eq!(task_of_metadata(url), None);
    }

    #[test]
    fn a_log_file_names_pod_and_container() {
        let name = format!("web-1_default_my-app-{}.log", long());
        assert_eq!(log_file(&name), Some(("web-1", "my-app", &*long())));
        assert_eq!(log_file("web_default_app-123.log"), None);
    }

    #[test]
    fn never_panics() {
        let name = format!("web-1_default_my-app-{}.log", long());
        for good in [GROUPS.get(..800).unwrap(), &name, "http://1/v4/ab-1"] {
            survives_damage(good, |text| {
                let _ = (id_of_group(text), pod_of_group(text), task_of_group(text));
                let _ = group_of_container(text);
                let _ = (pod_of_mounts(text), id_of_mounts(text));
                let _ = (task_of_metadata(text), log_file(text));
            });
        }
    }
}
