//! A value of a TOML file, and its conversion to the required type. The texts of errors are Go's.

use std::borrow::Cow;
use std::path::PathBuf;

use toml::de::{DeTable, DeValue};

use super::{NamedFile, duration};
use crate::base::pattern::Pattern;

/// A value of the file.
#[derive(Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) value: &'a DeValue<'a>,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Whether the key is written in the file by itself, and not only as the beginning of a longer
    /// key.
    pub(crate) explicit: bool,
}

impl<'a> Item<'a> {
    /// The value as a table; `None` for any other type.
    pub(crate) fn table(self) -> Option<&'a DeTable<'a>> {
        self.value.as_table()
    }

    /// The value as a boolean. Fails for any other type.
    pub(crate) fn boolean(self) -> Result<bool, String> {
        let wrong = || self.mismatch("boolean; write true or false, without quotes");
        self.value.as_bool().ok_or_else(wrong)
    }

    /// The value as a string. Fails for any other type.
    pub(crate) fn string(self) -> Result<&'a str, String> {
        let wrong = || self.mismatch("string; write it in quotes");
        self.value.as_str().ok_or_else(wrong)
    }

    /// The value as the path of a file, with the line where it is configured; `None` if it is
    /// empty.
    pub(crate) fn named(self) -> Result<Option<NamedFile>, String> {
        let named = NamedFile {
            path: PathBuf::from(self.string()?),
            by: PathBuf::new(),
            line: self.line,
        };
        Ok(Some(named).filter(|named| !named.path.as_os_str().is_empty()))
    }

    /// The value as a whole number from `low` to `high`. `size` is Go's name of the integer type
    /// with these bounds.
    pub(crate) fn integer(self, low: i64, high: i64, size: &str) -> Result<i64, String> {
        let DeValue::Integer(number) = self.value else {
            return Err(self.mismatch("integer; write a whole number, without quotes"));
        };
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (low..=high).contains(number))
            .ok_or_else(|| format!("{} is out of range for {size}", number.as_str()))
    }

    /// The value as a list of strings. Fails if it is no array, or if an element is no string.
    pub(crate) fn strings(self) -> Result<Vec<String>, String> {
        let wrong = || self.mismatch("slice; write a list such as [\"one\", \"two\"]");
        let values = self.value.as_array().ok_or_else(wrong)?;
        let mut texts = Vec::new();
        for value in values {
            let item = Item {
                value: value.get_ref(),
                line: self.line,
                explicit: true,
            };
            texts.push(item.string()?.to_owned());
        }
        Ok(texts)
    }

    /// The value as a text: a string, or a number or a boolean in Go's format. Fails for any other
    /// type.
    pub(crate) fn text(self) -> Result<Cow<'a, str>, String> {
        match self.value {
            DeValue::String(text) => Ok(Cow::Borrowed(text)),
            DeValue::Boolean(true) => Ok(Cow::Borrowed("true")),
            DeValue::Boolean(false) => Ok(Cow::Borrowed("false")),
            DeValue::Integer(_) => {
                let number = self.integer(i64::MIN, i64::MAX, "int64")?;
                Ok(Cow::Owned(number.to_string()))
            }
            DeValue::Float(number) => Ok(Cow::Owned(six_decimals(number.as_str()))),
            _ => Err(self.mismatch("primitive (string-like); write a text in quotes")),
        }
    }

    /// The value as a regular expression. Fails if it does not compile.
    pub(crate) fn pattern(self) -> Result<Pattern, String> {
        Pattern::new(&self.text()?).map_err(|error| error.to_string())
    }

    /// The value as an interval in minutes. Fails if it is no number of minutes and no duration.
    pub(crate) fn minutes(self) -> Result<u32, String> {
        duration::minutes(&self.text()?).map_err(|why| {
            format!("{why}; write minutes as a number, or a duration such as \"1h30m\"")
        })
    }

    /// Go's name of the value's type.
    pub(crate) fn go_type(self) -> &'static str {
        match self.value {
            DeValue::String(_) => "string",
            DeValue::Integer(_) => "int64",
            DeValue::Float(_) => "float64",
            DeValue::Boolean(_) => "bool",
            DeValue::Datetime(_) => "time.Time",
            DeValue::Array(_) => "[]interface {}",
            DeValue::Table(_) => "map[string]interface {}",
        }
    }

    fn mismatch(self, wanted: &str) -> String {
        let found = self.value.type_str();
        format!("incompatible types: TOML value has type {found}; destination has type {wanted}")
    }
}

/// A float in the format `%f`, from the text in the file. The text itself if it has an exponent, is
/// no number, or has more than six decimals.
fn six_decimals(written: &str) -> String {
    match written.split_once('.') {
        Some((_, fraction)) if fraction.bytes().all(|b| b.is_ascii_digit()) => {
            let missing = 6_usize.saturating_sub(fraction.len());
            format!("{}{}", written.trim_start_matches('+'), "0".repeat(missing))
        }
        _ => written.to_owned(),
    }
}
