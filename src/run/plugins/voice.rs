//! What a plugin has to say, told once.

/// Names that a plugin prints in vain, of which so many are told.
const NAMES: usize = 100;

/// What has been logged of a plugin's words.
#[derive(Debug, Default)]
pub(super) struct Voice {
    trouble: Option<String>,
    stderr: String,
    rejected: Vec<String>,
}

impl Voice {
    /// It failed for this reason, or did not. Returns the line to be logged, if that is news, and
    /// whether it is good.
    pub(super) fn trouble(&mut self, now: Option<String>) -> Option<(String, bool)> {
        if self.trouble == now {
            return None;
        }
        let line = match &now {
            Some(reason) => (reason.clone(), false),
            None => ("works again".to_owned(), true),
        };
        self.trouble = now;
        Some(line)
    }

    /// It wrote this to stderr. Returns it if it is news.
    pub(super) fn stderr(&mut self, now: String) -> Option<&str> {
        if self.stderr == now {
            return None;
        }
        self.stderr = now;
        Some(self.stderr.as_str()).filter(|text| !text.is_empty())
    }

    /// It printed these names, which cannot be sent. Returns those that are news.
    pub(super) fn rejected(&mut self, names: Vec<String>) -> Vec<String> {
        let mut news = Vec::new();
        for name in names {
            if self.rejected.len() < NAMES && !self.rejected.contains(&name) {
                self.rejected.push(name.clone());
                news.push(name);
            }
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_when_it_comes_changes_and_goes() {
        // (the reason now, what is told)
        let table = [
            (None, None),
            (Some("timed out"), Some(("timed out", false))),
            (Some("timed out"), None),
            (Some("no such file"), Some(("no such file", false))),
            (None, Some(("works again", true))),
            (None, None),
        ];
        let mut voice = Voice::default();
        for (reason, expected) in table {
            let told = voice.trouble(reason.map(str::to_owned));
            let told = told
                .as_ref()
                .map(|(line, is_good)| (line.as_str(), *is_good));
            assert_eq!(told, expected);
        }
    }

    #[test]
    fn stderr_is_told_when_it_is_another() {
        let mut voice = Voice::default();
        for (text, expected) in [
            ("", None),
            ("warn", Some("warn")),
            ("warn", None),
            ("", None),
            ("warn", Some("warn")),
        ] {
            assert_eq!(voice.stderr(text.to_owned()), expected);
        }
    }

    #[test]
    fn a_name_is_told_once_and_there_is_an_end_to_it() {
        let mut voice = Voice::default();
        let names = |range: std::ops::Range<usize>| range.map(|name| name.to_string()).collect();
        assert_eq!(voice.rejected(names(0..2)), ["0", "1"]);
        assert_eq!(voice.rejected(names(1..3)), ["2"]);
        assert_eq!(voice.rejected(names(3..3 * NAMES)).len(), NAMES - 3);
        assert_eq!(voice.rejected(names(0..2)), [""; 0]);
    }
}
