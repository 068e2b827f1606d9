//! `[spool]`: the file in which values wait that could not be posted.

use std::time::Duration;

use super::Config;
use super::item::Item;
use super::walk::{Key, Keys, store};

pub(super) const SPOOL: &Keys<Config> = &[
    ("on_disk", Key::Flag(|c| &mut c.spool.on_disk)),
    (
        "window",
        Key::Value(|c, v| store(&mut c.spool.window, window(v)?)),
    ),
];

/// The file in which values wait that could not be posted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SpoolFile {
    /// Whether there is to be one.
    pub(crate) on_disk: bool,
    /// How long something may wait before it is written.
    pub(crate) window: Duration,
}

impl Default for SpoolFile {
    fn default() -> SpoolFile {
        SpoolFile {
            on_disk: true,
            window: Duration::from_secs(5 * 60),
        }
    }
}

/// At least two minutes: when all is well, a round waits for up to one, and nothing is to be written.
fn window(v: Item<'_>) -> Result<Duration, String> {
    match v.minutes()? {
        minutes @ 2..=60 => Ok(Duration::from_secs(u64::from(minutes) * 60)),
        minutes => Err(format!("{minutes} minutes; write 2 to 60")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_long_enough_for_nothing_to_be_written_when_all_is_well() {
        // (value, minutes)
        let table = [
            ("2", Some(2)),
            ("\"10m\"", Some(10)),
            ("60", Some(60)),
            ("1", None),
            ("61", None),
            ("\"x\"", None),
        ];
        for (value, minutes) in table {
            let mut config = Config::default();
            let text = format!("[spool]\nwindow = {value}\non_disk = false\n");
            let read = config.read(text.as_bytes());
            assert_eq!(read.is_ok(), minutes.is_some(), "{value}");
            if let Some(minutes) = minutes {
                let expected = SpoolFile {
                    on_disk: false,
                    window: Duration::from_secs(minutes * 60),
                };
                assert_eq!(config.spool, expected);
            }
        }
    }
}
