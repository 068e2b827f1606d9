//! What containers are called, by what the kubelet, Docker and Podman keep of them.

use std::path::Path;

use super::{Container, id};
use crate::base::json::Json;
use crate::parse::container;
use crate::sys::root::Root;

/// Where names of containers are told, if those directories are mounted.
const LOGS: &str = "/var/log/containers";
const DOCKER: &str = "/var/lib/docker/containers";
/// Podman's stores, the second of which ends with the boot. Each has a directory for the storage driver,
/// and in it files of those containers that stay and of those that do not.
const PODMAN: [&str; 2] = ["/var/lib/containers/storage", "/run/containers/storage"];
const DRIVER: &str = "-containers";
const FILES: [&str; 2] = ["containers.json", "volatile-containers.json"];

impl Container {
    /// Sees to it that the names of the containers of `paths` are known, as far as they are told.
    pub(super) fn name(&mut self, root: &Root, paths: &[String], with_pod: bool) {
        let is_known = |path: &String| self.names.iter().any(|(known, _)| known == id(path));
        if paths.iter().all(is_known) {
            return;
        }
        for name in root.names(LOGS).ok().flatten().unwrap_or_default() {
            let name = name.to_string_lossy();
            if let Some((pod, container, id)) = container::log_file(&name) {
                let name = match with_pod {
                    true => [pod, "_", container].concat(),
                    false => container.to_owned(),
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

    /// Learns what a file of Podman tells.
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
