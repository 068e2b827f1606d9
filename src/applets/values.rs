//! The values of a metric plugin, as it prints them.

use super::number::decimal;

/// Decimals of a value, as go-mackerel-plugin prints them.
const DECIMALS: u32 = 6;

/// The lines that a metric plugin prints.
pub(super) struct Values {
    prefix: String,
    /// Unix time of the values, in seconds.
    time: u64,
    pub(super) lines: String,
}

impl Values {
    /// No values yet. The names get `prefix` and a dot before them.
    pub(super) fn new(prefix: &str, time: u64) -> Values {
        Values {
            prefix: prefix.to_owned(),
            time,
            lines: String::new(),
        }
    }

    /// Adds a whole number, printed without decimals.
    pub(super) fn count(&mut self, name: &str, value: u64) {
        self.line(name, &value.to_string());
    }

    /// Adds a number, printed with six decimals. Numbers that are not finite are left out: the API
    /// does not accept them.
    pub(super) fn number(&mut self, name: &str, value: f64) {
        if value.is_finite() {
            self.line(name, &decimal(value, DECIMALS));
        }
    }

    fn line(&mut self, name: &str, value: &str) {
        let time = self.time.to_string();
        let parts = [&self.prefix, ".", name, "\t", value, "\t", &time, "\n"];
        self.lines.extend(parts);
    }
}
