//! The flags of the agent, compared with those that the table of settings names.

use super::flags_of;
use crate::settings;

/// Flags that set nothing of the configuration.
const OTHERS: [&str; 2] = ["child", "conf"];

#[test]
fn flags_of_the_agent_are_those_of_the_settings() {
    let mut given = flags_of("");
    given.retain(|name| !OTHERS.contains(name));
    given.sort_unstable();
    let mut settings = settings::flags();
    // A short form is part of the long one's definition.
    settings.retain(|name| name.len() > 1);
    settings.sort_unstable();
    assert_eq!(given, settings);
}
