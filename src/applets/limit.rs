//! Limits of what must be available: a percentage, or a number of bytes.

use super::arguments::Arguments;
use super::finding::{Failure, Finding};
use super::number::decimal;
use crate::parse::plugin::float;

/// Bytes of a `MB` in messages, as the official plugins count them.
pub(super) const MIB: f64 = 1_048_576.0;
/// Suffixes of a number of bytes; each is 1024 times the one before.
const SUFFIXES: [[char; 2]; 4] = [['K', 'k'], ['M', 'm'], ['G', 'g'], ['T', 't']];

/// The least that must be available.
#[derive(Debug, PartialEq)]
pub(super) enum Limit {
    Percent(f64),
    Bytes(f64),
}

impl Limit {
    /// The limit that a flag sets; `None` if it is not given. A number without a suffix counts
    /// `unit` bytes.
    pub(super) fn of(
        arguments: &Arguments,
        name: &str,
        unit: f64,
    ) -> Result<Option<Limit>, Failure> {
        if !arguments.is_given(name) {
            return Ok(None);
        }
        let text = arguments.text(name);
        let limit = Limit::read(text, unit);
        let wrong = || ["--", name, ": ", text, "; write a number, NK, NM, NG or N%"].concat();
        limit.map(Some).ok_or_else(|| Failure::unknown(wrong()))
    }

    /// Reads `N`, `NK`, `NM`, `NG`, `NT` or `N%`.
    pub(super) fn read(text: &str, unit: f64) -> Option<Limit> {
        if text.ends_with('%') {
            return float::parse(text.trim_end_matches('%')).map(Limit::Percent);
        }
        let (mut number, mut bytes, mut size) = (text, unit, 1.0);
        for suffix in SUFFIXES {
            size *= 1024.0;
            if let Some(rest) = text.strip_suffix(suffix) {
                (number, bytes) = (rest, size);
            }
        }
        let number = float::parse(number)?;
        Some(Limit::Bytes(number * bytes))
    }

    /// Whether the limit is above what is available.
    pub(super) fn is_above(&self, percent: f64, bytes: f64) -> bool {
        match *self {
            Limit::Percent(limit) => limit > percent,
            Limit::Bytes(limit) => limit > bytes,
        }
    }
}

/// The result of a check of a memory of `total` bytes by the flags `warning` and `critical`.
pub(super) fn judged(
    arguments: &Arguments,
    total: u64,
    available: u64,
) -> Result<Finding, Failure> {
    let (all, left) = (total as f64, available as f64);
    let percent = left * 100.0 / all;
    let limits = [
        Limit::of(arguments, "warning", 1.0)?,
        Limit::of(arguments, "critical", 1.0)?,
    ];
    let [is_warning, is_critical] =
        limits.map(|limit| limit.is_some_and(|limit| limit.is_above(percent, left)));
    let used = total.saturating_sub(available) as f64;
    let message = [
        "Total: ",
        &decimal(all / MIB, 2),
        " MB, Used: ",
        &decimal(used / MIB, 2),
        " MB, Available: ",
        &decimal(left / MIB, 2),
        " MB, Available percentage: ",
        &decimal(percent, 2),
    ]
    .concat();
    Ok(Finding::of_limits(is_warning, is_critical, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_is_a_percentage_or_bytes() {
        // (text, limit with a unit of 1000 bytes)
        let table = [
            ("10", Some(Limit::Bytes(10_000.0))),
            ("1.5", Some(Limit::Bytes(1_500.0))),
            ("10%", Some(Limit::Percent(10.0))),
            ("10%%", Some(Limit::Percent(10.0))),
            ("2K", Some(Limit::Bytes(2_048.0))),
            ("2m", Some(Limit::Bytes(2_097_152.0))),
            ("1G", Some(Limit::Bytes(1_073_741_824.0))),
            ("1T", Some(Limit::Bytes(1_099_511_627_776.0))),
            ("", None),
            ("%", None),
            ("M", None),
            ("10 MB", None),
            ("10X", None),
        ];
        for (text, expected) in table {
            assert_eq!(Limit::read(text, 1_000.0), expected, "{text}");
        }
    }
}
