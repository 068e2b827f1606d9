//! What a running agent takes over of a changed configuration.

use super::table::SECTIONS;
use crate::config::Config;

/// `new` as far as an agent that runs with `old` can take it over, and the settings whose change
/// needs a restart: they keep the values of `old`.
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
    (new, staying)
}
