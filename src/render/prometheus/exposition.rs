//! The text format 0.0.4: families with HELP and TYPE lines, and samples.

/// What a family is.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Untyped,
}

/// A decimal fraction: whole units of 10 to the power of minus `decimals`.
#[derive(Clone, Copy)]
pub(super) struct Fixed {
    pub(super) units: u64,
    /// 0 to 9.
    pub(super) decimals: usize,
}

impl From<u64> for Fixed {
    fn from(units: u64) -> Fixed {
        Fixed { units, decimals: 0 }
    }
}

/// Text under construction. A family is begun by [`Exposition::family`]; the samples that follow
/// belong to it, as the format requires.
#[derive(Default)]
pub(crate) struct Exposition {
    text: String,
    /// Where the name of the current family is in `text`.
    name: (usize, usize),
}

impl Exposition {
    /// The text so far. Ends with a line feed unless empty.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// Begins the family whose name consists of the parts `name`.
    pub(super) fn family(&mut self, name: &[&str], kind: Kind, help: &[&str]) {
        self.text.push_str("# HELP ");
        let begin = self.text.len();
        self.add(name);
        self.name = (begin, self.text.len());
        self.text.push(' ');
        self.add(help);
        self.text.push_str(".\n# TYPE ");
        self.add_name();
        self.text.push_str(match kind {
            Kind::Counter => " counter\n",
            Kind::Gauge => " gauge\n",
            Kind::Untyped => " untyped\n",
        });
    }

    /// Adds a sample to the current family.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl Into<Fixed>) {
        self.sample_of(labels, value.into());
    }

    #[inline(never)]
    fn sample_of(&mut self, labels: &[(&str, &str)], value: Fixed) {
        self.begin_sample(labels);
        self.add_fixed(value);
        self.text.push('\n');
    }

    /// Adds a sample whose value is written as in `value`, a number of the kernel.
    pub(super) fn sample_as_written(&mut self, labels: &[(&str, &str)], value: &str) {
        self.begin_sample(labels);
        self.add(&[value, "\n"]);
    }

    /// A family of one sample without labels.
    pub(super) fn single(
        &mut self,
        name: &[&str],
        kind: Kind,
        help: &[&str],
        value: impl Into<Fixed>,
    ) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    fn begin_sample(&mut self, labels: &[(&str, &str)]) {
        self.add_name();
        let mut before = '{';
        for (name, value) in labels {
            self.text.push(before);
            self.add(&[name, "=\""]);
            for character in value.chars() {
                match character {
                    '\n' => self.text.push_str("\\n"),
                    '\\' | '"' => {
                        self.text.push('\\');
                        self.text.push(character);
                    }
                    _ => self.text.push(character),
                }
            }
            self.text.push('"');
            before = ',';
        }
        self.text
            .push_str(if labels.is_empty() { " " } else { "} " });
    }

    fn add(&mut self, parts: &[&str]) {
        for part in parts {
            self.text.push_str(part);
        }
    }

    fn add_name(&mut self) {
        let (begin, end) = self.name;
        self.text.extend_from_within(begin..end);
    }

    fn add_fixed(&mut self, value: Fixed) {
        let digits = value.units.to_string();
        let whole = digits.len().saturating_sub(value.decimals);
        let (whole, fraction) = digits.split_at(whole);
        self.text
            .push_str(if whole.is_empty() { "0" } else { whole });
        if value.decimals > 0 {
            self.text.push('.');
            for _ in fraction.len()..value.decimals {
                self.text.push('0');
            }
            self.text.push_str(fraction);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn family_has_help_type_and_samples() {
        let mut out = Exposition::default();
        out.family(&["a_", "b"], Kind::Counter, &["Seconds of ", "b"]);
        out.sample(
            &[("mode", "x")],
            Fixed {
                units: 5,
                decimals: 2,
            },
        );
        out.single(&["c"], Kind::Gauge, &["C"], 7);
        assert_eq!(
            out.into_text(),
            "# HELP a_b Seconds of b.\n# TYPE a_b counter\na_b{mode=\"x\"} 0.05\n\
             # HELP c C.\n# TYPE c gauge\nc 7\n"
        );
    }

    #[test]
    fn label_values_are_escaped() {
        let mut out = Exposition::default();
        out.family(&["a"], Kind::Untyped, &["A"]);
        out.sample(&[("x", "a\"b\\c\nd"), ("y", "é")], 1);
        let text = out.into_text();
        assert!(
            text.ends_with("a{x=\"a\\\"b\\\\c\\nd\",y=\"é\"} 1\n"),
            "{text}"
        );
    }

    #[test]
    fn fixed_numbers_keep_all_digits() {
        // (units, decimals, text)
        let table = [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (12_345, 2, "123.45"),
            (7, 6, "0.000007"),
            (u64::MAX, 3, "18446744073709551.615"),
        ];
        for (units, decimals, expected) in table {
            let mut out = Exposition::default();
            out.add_fixed(Fixed { units, decimals });
            assert_eq!(out.into_text(), expected);
        }
    }
}
