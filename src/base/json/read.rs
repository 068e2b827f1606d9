//! A value from text (RFC 8259), by serde_json, and a number from its digits, by std.
//!
//! A text comes from a server or a plugin, so the memory for its value is limited: a value costs
//! 24 bytes in a list, and up to 100 in an object of its own, where it takes two bytes of text.

use std::cell::Cell;
use std::error::Error;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::Json;

/// Values in one text, which take up to 6 MB. A document of 100 KiB, the largest that the API
/// takes, cannot hold more: each value has at least one byte, and one between it and the next.
pub(super) const VALUES: usize = (100 << 10) / 2;
/// The member under which serde_json passes on the digits of a number that is no i64 and no u64, by
/// its feature `arbitrary_precision`. Its own f64 is not always the nearest one.
const NUMBER: &str = "$serde_json::private::Number";

/// A text is not JSON, exceeds a limit, or is not the document that it should be.
#[derive(Debug)]
pub(crate) enum JsonError {
    /// Says line and column, counted from 1.
    Text(serde_json::Error),
    /// The text is JSON, but lacks something.
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

/// Reads the first value of `text`, which has to be all of it if `whole`.
pub(super) fn read(text: &str, whole: bool) -> Result<Json, JsonError> {
    let room = Cell::new(VALUES);
    let mut from = serde_json::Deserializer::from_str(text);
    let value = Any { room: &room }.deserialize(&mut from);
    let value = value.and_then(|value| match whole {
        true => from.end().map(|()| value),
        false => Ok(value),
    });
    value.map_err(JsonError::Text)
}

/// Takes any value, as long as there is room for it.
#[derive(Clone, Copy)]
struct Any<'r> {
    /// Number of values that may follow.
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
                let number = digits
                    .parse()
                    .ok()
                    .filter(|number: &f64| number.is_finite());
                return number
                    .map(Json::Number)
                    .ok_or_else(|| de::Error::custom("number out of range"));
            }
            members.push((name, from.next_value_seed(self)?));
        }
        Ok(Json::object(members))
    }
}

#[cfg(test)]
mod tests;
