//! The part of a changed configuration that a running agent applies.

use std::mem;

use super::kind::swap;
use super::table::SECTIONS;
use super::table::outputs::ORGANIZATION;
use crate::config::Config;

/// `new` as far as an agent that runs with `old` can apply it, and the names of the changed
/// settings that need a restart. These keep the values of `old`.
pub(crate) fn as_far_as_possible(old: &Config, mut new: Config) -> (Config, Vec<String>) {
    let mut old = old.clone();
    let mut staying: Vec<String> = Vec::new();
    for section in SECTIONS {
        for row in section.rows {
            if let Some(name) = row.restart.name(section.name, row.key)
                && row.kind.swap(&mut old, &mut new)
                && !staying.contains(&name)
            {
                staying.push(name);
            }
        }
    }
    if swap(&mut old.organizations, &mut new.organizations) {
        staying.push(ORGANIZATION.to_owned());
    }
    // The API stays in use, and so does its key if the new configuration has none.
    if new.mackerel && !old.mackerel && new.apikey.is_empty() {
        mem::swap(&mut new.apikey, &mut old.apikey);
    }
    (new, staying)
}
