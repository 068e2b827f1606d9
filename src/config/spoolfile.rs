//! The section `[spool]`: the file that keeps values that could not be posted.

use std::time::Duration;

/// The settings of the file that keeps values that could not be posted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct SpoolFile {
    /// Whether the file is written.
    pub(crate) on_disk: bool,
    /// Time after which unposted values are written to the file.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn spool_window_is_2_to_60_minutes() {
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
