//! Looks up container names in the files of the kubelet, Docker and Podman.

use std::path::Path;

use super::{Container, id};
use crate::base::json::Json;
use crate::parse::container;
use crate::sys::root::Root;

/// Directories with container names, if they are mounted: the kubelet's and Docker's.
const LOGS: &str = "/var/log/containers";
const DOCKER: &str = "/var/lib/docker/containers";
/// Podman's storage directories; the second is emptied at boot. Each has a directory per storage
/// driver. That directory contains one file for persistent and one for volatile containers.
const PODMAN: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];
const DRIVER: &str = "-containers";
const FILES: [&str; 2] = ["containers.json", "volatile-containers.json"];

impl Container {
    /// Looks up the names of the containers with the groups `paths`, unless all are known. Then
    /// drops the names of other containers. `with_pod` prefixes the name of the pod.
    pub(super) fn name(&mut self, root: &Root, paths: &[String], with_pod: bool) {
        let is_known = |path: &String| self.names.iter().any(|(known, _)| known == id(path));
        if paths.iter().all(is_known) {
            return;
        }
        for name in root.names(LOGS).ok().flatten().unwrap_or_default() {
            let name = name.to_string_lossy();
            if let Some((pod, container, id)) = container::log_file(&name) {
                let name = if with_pod {
                    [pod, "_", container].concat()
                } else {
                    container.to_owned()
                };
                self.learn(id, name);
            }
        }
        for id in paths.iter().map(|path| id(path)) {
            let text = root.text_if_present(format!("{DOCKER}/{id}/config.v2.json"));
            let config = text.ok().flatten().and_then(|text| Json::parse(&text).ok());
            if let Some(Json::Text(name)) = config.as_ref().and_then(|config| config.member("Name"))
            {
                self.learn(id, name.trim_start_matches('/').to_owned());
            }
        }
        for store in PODMAN {
            for driver in root.directories(store) {
                if driver.as_encoded_bytes().ends_with(DRIVER.as_bytes()) {
                    for file in FILES {
                        let path = Path::new(store).join(&driver).join(file);
                        self.learn_all(root.text_if_present(path).ok().flatten());
                    }
                }
            }
        }
        self.names
            .retain(|(known, _)| paths.iter().any(|path| id(path) == known));
    }

    /// Adds the names from the text of a Podman file.
    fn learn_all(&mut self, text: Option<String>) {
        if let Some(Json::List(all)) = text.and_then(|text| Json::parse(&text).ok()) {
            for one in all {
                if let (Some(Json::Text(id)), Some(Json::List(names))) =
                    (one.member("id"), one.member("names"))
                    && let Some(Json::Text(name)) = names.first()
                {
                    self.learn(id, name.clone());
                }
            }
        }
    }

    fn learn(&mut self, id: &str, name: String) {
        if !self.names.iter().any(|(known, _)| known == id) {
            self.names.push((id.to_owned(), name));
        }
    }
}
