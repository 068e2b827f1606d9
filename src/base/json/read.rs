//! Parses JSON (RFC 8259) with serde_json, and its numbers with [`decimal`].
//!
//! The text comes from a server or a plugin, so the memory for its value is limited. A value takes
//! 24 bytes in a list, and up to 100 in an object of its own, for two bytes of text.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Json;
use crate::base::decimal;

/// Maximum number of values in one text, which take up to 6 MB. A document of 100 KiB, the API's
/// limit, cannot hold more: each value takes at least one byte, and one for the separator.
pub(super) const VALUES: usize = (100 << 10) / 2;
/// The key under which serde_json's feature `arbitrary_precision` passes on the digits of a number.
/// It is used for numbers that are neither an i64 nor a u64. The f64 that serde_json itself would
/// return is not always the nearest one.
const NUMBER: &str = "$serde_json::private::Number";

/// The text is not JSON, exceeds a limit, or lacks an expected member.
#[derive(Debug)]
pub(crate) enum JsonError {
    /// The error of serde_json, with line and column, counted from 1.
    Text(serde_json::Error),
    /// The text is JSON, but this is missing.
    Lacking(&'static str),
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JsonError::Text(error) => error.fmt(f),
            JsonError::Lacking(what) => f.write_str(what),
        }
    }
}

impl Error for JsonError {}

/// Parses the first value of `text`. If `whole`, only white space may follow.
pub(super) fn read(text: &str, whole: bool) -> Result<Json, JsonError> {
    let room = Cell::new(VALUES);
    let mut from = serde_json::Deserializer::from_str(text);
    Any { room: &room }
        .deserialize(&mut from)
        .and_then(|value| {
            if whole {
                from.end()?;
            }
            Ok(value)
        })
        .map_err(JsonError::Text)
}

/// Deserialises any value, as long as the limit on their number permits.
#[derive(Clone, Copy)]
struct Any<'r> {
    /// Number of further values permitted.
    room: &'r Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Any<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Json, D::Error> {
        match self.room.get().checked_sub(1) {
            Some(room) => self.room.set(room),
            None => return Err(de::Error::custom("more than 51200 values")),
        }
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value as f64))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = from.next_element_seed(self)? {
            list.push(value);
        }
        list.shrink_to_fit();
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = from.next_key::<String>()? {
            if name == NUMBER {
                let digits: String = from.next_value()?;
                return match decimal::parse(&digits) {
                    Some(number) if number.is_finite() => Ok(Json::Number(number)),
                    _ => Err(de::Error::custom("number out of range")),
                };
            }
            members.push((name, from.next_value_seed(self)?));
        }
        Ok(Json::object(members))
    }
}

#[cfg(test)]
mod tests;
