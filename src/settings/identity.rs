//! The custom identifier by which this host is found when its id is lost with its container.

use std::ffi::OsString;

use crate::config::{Config, IdStore};
use crate::parse::{cgroup, container};
use crate::sys::log;
use crate::sys::root::Root;

/// The value of `custom_identifier` for which the pod, task or container is looked up.
const AUTO: &str = "auto";

/// The custom identifier of this host: the configured text, or that of the pod, the task or the
/// container. `None` if it is neither configured nor found. `variable` looks up an environment
/// variable.
///
/// The pod, task or container is looked up for `auto`, and if nothing is configured and the id is
/// kept in memory only. Then the host can be found again only by its identifier.
pub(crate) fn identifier(
    config: &Config,
    root: &Root,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<String> {
    match config.custom_identifier.as_deref() {
        Some(AUTO) => {}
        None if config.host_id_store == IdStore::Memory => {}
        given => return given.map(str::to_owned),
    }
    let found = surroundings(config, root, variable);
    if found.is_none() {
        log::warn!(
            "no pod, task or container found to identify this host, which is registered anew if its \
             id is lost; set custom_identifier"
        );
    }
    found
}

fn surroundings(
    config: &Config,
    root: &Root,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Option<String> {
    let read = |path| {
        let mut buffer = Vec::new();
        let table = root.table(path, &mut buffer);
        table.map_or_else(|_| String::new(), |(text, _)| text.into_owned())
    };
    let mounts = read("/proc/self/mountinfo");
    let pod = config.container.pod_uid.as_deref();
    if let Some(pod) = pod.or_else(|| container::pod_of_mounts(&mounts)) {
        // The format of mackerel-container-agent, so that its hosts are found.
        return Some([pod, ".kubernetes"].concat());
    }
    if let Some(task) = task(root, variable) {
        return Some([&task, ".ecs"].concat());
    }
    let groups = read("/proc/self/cgroup");
    let group = own_group(&groups);
    let of_group = || container::id_of_group(group);
    let id = container::id_of_mounts(&mounts).or_else(of_group)?;
    Some([id, ".container"].concat())
}

/// The id of the ECS task that this process belongs to; `None` if there is none. Sources: the URL
/// of the metadata endpoint, then `/proc/self/cgroup`.
pub(crate) fn task(root: &Root, variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let metadata = [
        "ECS_CONTAINER_METADATA_URI_V4",
        "ECS_CONTAINER_METADATA_URI",
    ];
    let named = metadata.into_iter().find_map(|name| {
        let url = variable(name)?.into_string().ok()?;
        container::task_of_metadata(&url).map(str::to_owned)
    });
    named.or_else(|| {
        let groups = root.text_if_present("/proc/self/cgroup").ok().flatten()?;
        container::task_of_group(own_group(&groups)).map(str::to_owned)
    })
}

/// The path of this process's cgroup: of the memory controller, or else of cgroup v2. `groups` is
/// the text of `/proc/self/cgroup`; without such a line the path is empty.
fn own_group(groups: &str) -> &str {
    let group = cgroup::path(groups, Some("memory")).or_else(|| cgroup::path(groups, None));
    group.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const UID: &str = "0f3c7d2a-1111-4c4c-9d9d-0123456789ab";
    const TASK: &str = "c5e1f0b4a6d94b6f8f1e2d3c4b5a6978";

    #[test]
    fn identifier_is_given_or_that_of_the_pod_task_or_container() {
        let id = "a1".repeat(32);
        let kubelet = include_str!("../../tests/fixtures/container/mountinfo-kubelet");
        let docker =
            include_str!("../../tests/fixtures/container/mountinfo-docker").replace("{A}", &id);
        let ecs = format!("9:memory:/ecs/{TASK}/{id}\n");
        let url = format!("http://169.254.170.2/v4/{TASK}-123");
        let (pod, task) = (format!("{UID}.kubernetes"), format!("{TASK}.ecs"));
        let own = format!("{id}.container");
        let memory = "host_id_store = 'memory'";
        // (why this row exists, configuration, mounts, groups, metadata, expected)
        let table = [
            ("nobody asks", "", kubelet, "", "", None),
            (
                "given",
                "custom_identifier = 'x'",
                kubelet,
                "",
                "",
                Some("x"),
            ),
            (
                "asked for",
                "custom_identifier = 'auto'",
                kubelet,
                "",
                "",
                Some(&*pod),
            ),
            ("not kept", memory, kubelet, "", "", Some(&*pod)),
            (
                "told",
                "host_id_store = 'memory'\ncontainer.pod_uid = 'u'",
                &docker,
                "",
                "",
                Some("u.kubernetes"),
            ),
            (
                "a task by its group",
                memory,
                &docker,
                &ecs,
                "",
                Some(&*task),
            ),
            (
                "a task by its metadata",
                memory,
                "",
                "0::/\n",
                &url,
                Some(&*task),
            ),
            ("a container", memory, &docker, "0::/\n", "", Some(&*own)),
            ("nothing", memory, "", "", "", None),
        ];
        for (why, text, mounts, groups, metadata, expected) in table {
            let directory = tempfile::tempdir().unwrap();
            let proc = directory.path().join("proc/self");
            fs::create_dir_all(&proc).unwrap();
            fs::write(proc.join("mountinfo"), mounts).unwrap();
            fs::write(proc.join("cgroup"), groups).unwrap();
            let mut config = Config::default();
            config.read(text.as_bytes()).unwrap();
            let found = identifier(&config, &Root::at(directory.path()), |name| {
                (name == "ECS_CONTAINER_METADATA_URI_V4").then(|| metadata.into())
            });
            assert_eq!(found.as_deref(), expected, "{why}");
        }
    }
}
