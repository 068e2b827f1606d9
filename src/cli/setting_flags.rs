//! Compares the flags of the agent with those in the table of settings.

use super::flags_of;
use crate::settings::reference;

/// Flags that set no field of the configuration.
const OTHERS: [&str; 2] = ["child", "conf"];

#[test]
fn flags_of_the_agent_are_those_of_the_settings() {
    let mut given = flags_of("");
    given.retain(|name| !OTHERS.contains(name));
    given.sort_unstable();
    let mut settings = reference::flags();
    // A short name belongs to the definition of the long one.
    settings.retain(|name| name.len() > 1);
    settings.sort_unstable();
    assert_eq!(given, settings);
}
