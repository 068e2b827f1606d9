//! The last finding of a check, which decides how urgent the next one is.

use crate::wire::check::CheckStatus;

/// Whether and how soon a finding is reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Urgency {
    /// Suppressed: unchanged, or notifications disabled.
    No,
    /// With the next reports.
    Ordinary,
    /// At once.
    Urgent,
}

/// The last finding of one check.
#[derive(Debug, Default)]
pub(crate) struct History {
    last: Option<(CheckStatus, String)>,
}

impl History {
    /// The status of the last run. `None` if there was none.
    pub(crate) fn previous(&self) -> Option<CheckStatus> {
        self.last.as_ref().map(|(status, _)| *status)
    }

    /// The status and the message of the last run. `None` if there was none.
    pub(crate) fn last(&self) -> Option<(CheckStatus, &str)> {
        let last = self.last.as_ref();
        last.map(|(status, message)| (*status, message.as_str()))
    }

    /// Records a finding, with its message as it is reported. Returns its urgency.
    ///
    /// An unchanged OK is reported once. Any other status is reported every time, because the
    /// server counts attempts. With `prevent_alert_auto_close`, OK is never reported: the alert
    /// stays open.
    pub(crate) fn note(
        &mut self,
        status: CheckStatus,
        text: &str,
        prevent_alert_auto_close: bool,
    ) -> Urgency {
        let previous = self.previous();
        let is_well = status == CheckStatus::Ok;
        let is_known = self
            .last
            .as_ref()
            .is_some_and(|(last, said)| *last == status && said == text);
        if !is_known {
            self.last = Some((status, text.to_owned()));
        }
        if is_well && (is_known || prevent_alert_auto_close) {
            return Urgency::No;
        }
        match previous {
            None if is_well => Urgency::Ordinary,
            Some(previous) if previous == status => Urgency::Ordinary,
            _ => Urgency::Urgent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_news_is_told_once_and_bad_news_every_time() {
        use CheckStatus::{Critical, Ok, Unknown, Warning};
        use Urgency::{No, Ordinary, Urgent};
        // (why this row exists, successive findings, expected if alerts are closed, expected if
        // not)
        type Row = (
            &'static str,
            &'static [(CheckStatus, &'static str, Urgency, Urgency)],
        );
        let table: [Row; 5] = [
            (
                "well from the start",
                &[
                    (Ok, "a", Ordinary, No),
                    (Ok, "a", No, No),
                    (Ok, "b", Ordinary, No),
                    (Ok, "b", No, No),
                ],
            ),
            (
                "bad from the start",
                &[
                    (Critical, "a", Urgent, Urgent),
                    (Critical, "a", Ordinary, Ordinary),
                    (Critical, "b", Ordinary, Ordinary),
                ],
            ),
            (
                "from bad to worse",
                &[
                    (Warning, "a", Urgent, Urgent),
                    (Critical, "a", Urgent, Urgent),
                    (Unknown, "a", Urgent, Urgent),
                    (Warning, "a", Urgent, Urgent),
                ],
            ),
            (
                "over",
                &[
                    (Ok, "", Ordinary, No),
                    (Critical, "", Urgent, Urgent),
                    (Ok, "", Urgent, No),
                    (Ok, "", No, No),
                ],
            ),
            // What was not reported is recorded all the same.
            (
                "flapping",
                &[
                    (Critical, "a", Urgent, Urgent),
                    (Ok, "a", Urgent, No),
                    (Critical, "a", Urgent, Urgent),
                    (Critical, "a", Ordinary, Ordinary),
                    (Ok, "b", Urgent, No),
                    (Ok, "a", Ordinary, No),
                ],
            ),
        ];
        for (why, findings) in table {
            let mut closing = History::default();
            let mut keeping = History::default();
            let mut before = None;
            for (status, text, closed, kept) in findings {
                assert_eq!(closing.previous(), before, "{why}");
                assert_eq!(closing.note(*status, text, false), *closed, "{why}");
                assert_eq!(keeping.note(*status, text, true), *kept, "{why}");
                before = Some(*status);
            }
        }
    }
}
