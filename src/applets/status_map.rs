//! The value of the flag `--status-as`: another status for one that is found.

use super::arguments::{Arguments, wrong};
use super::finding::{Failure, Finding};
use crate::wire::check::CheckStatus;

/// The name of the flag.
const FLAG: &str = "status-as";
const STATUSES: [CheckStatus; 4] = CheckStatus::ALL;

/// The status for each of [`STATUSES`].
pub(super) struct StatusMap([CheckStatus; 4]);

impl StatusMap {
    /// Reads the flag, e.g. `unknown=ok,critical=warning`.
    pub(super) fn read(arguments: &Arguments) -> Result<StatusMap, Failure> {
        let text = arguments.text(FLAG);
        let error = |what| wrong(FLAG, text, what);
        let mut map = StatusMap(STATUSES);
        let mut seen = [false; 4];
        for entry in text.split(',').filter(|_| !text.is_empty()) {
            let (from, to) = entry.split_once('=').unwrap_or_default();
            let (Some(from), Some(to)) = (position(from), position(to)) else {
                return Err(error("e.g. unknown=ok,critical=warning"));
            };
            if std::mem::replace(&mut seen[from], true) {
                return Err(error("each status once"));
            }
            map.0[from] = STATUSES[to];
        }
        Ok(map)
    }

    /// The finding with the other status.
    pub(super) fn apply(&self, mut found: Finding) -> Finding {
        found.status = self.0[usize::from(found.code()) & 3];
        found
    }
}

/// The position of a status among [`STATUSES`], in any case.
fn position(word: &str) -> Option<usize> {
    STATUSES
        .iter()
        .position(|known| known.word().eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::applets::arguments::Notation;

    #[test]
    fn status_map_replaces_statuses() {
        let help = "x\n  --status-as=OLD=NEW,...  y\n";
        // (flag's value, the four statuses afterwards; empty: an error; why)
        let table = [
            ("", "OK WARNING CRITICAL UNKNOWN", "nothing"),
            ("unknown=ok", "OK WARNING CRITICAL OK", "one"),
            (
                "OK=critical,Critical=WARNING",
                "CRITICAL WARNING WARNING UNKNOWN",
                "not in turn",
            ),
            ("ok", "", "half of it"),
            ("ok=warning,", "", "an end that is none"),
            ("ok=bad", "", "no status"),
            ("ok=warning,ok=ok", "", "twice"),
        ];
        for (text, expected, why) in table {
            let words = [OsString::from(format!("--status-as={text}"))];
            let arguments = Arguments::read(help, Notation::Options, &words).unwrap();
            let found = StatusMap::read(&arguments).map_or(String::new(), |map| {
                let words = STATUSES.map(|status| {
                    let found = map.apply(Finding::new(status, String::new()));
                    found.status.word()
                });
                words.join(" ")
            });
            assert_eq!(found, expected, "{why}");
        }
    }
}
