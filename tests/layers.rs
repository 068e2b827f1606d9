//! The architecture, checked: a module may name only modules of lower layers and its own kin.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a failed expectation is a panic here"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules, lowest layer first. Modules on one line do not know each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["parse", "wire", "config"],
    &["settings"],
    &["sys"],
    &[
        "collect", "describe", "check", "metadata", "api", "schedule", "spool", "record", "trust",
    ],
    &["render"],
    &["run"],
    &["cli", "main"],
];

#[test]
fn no_module_names_one_of_its_own_or_a_higher_layer() {
    let layer = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let path = file.strip_prefix("src").unwrap().with_extension("");
        let module = path.iter().next().unwrap().to_str().unwrap();
        let Some(own) = layer(module) else {
            wrong.push(format!("{} is in no layer", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        for used in text.split("crate::").skip(1) {
            let used = used
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
                .unwrap();
            if used != module && layer(used).is_none_or(|used| used >= own) {
                wrong.push(format!("{} names crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false => found.push(path),
        }
    }
    found
}
