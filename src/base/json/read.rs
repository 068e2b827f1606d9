//! A value from text: RFC 8259.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use super::Json;
use crate::base::decimal;

/// Lists and objects inside one another, at most.
const DEPTH: usize = 127;

/// A text is no JSON, has what cannot be kept, or is not the document that it should be.
#[derive(Debug)]
pub(crate) struct JsonError {
    what: &'static str,
    /// Line and column, counted from 1, where a text is wrong.
    place: Option<(usize, usize)>,
}

impl JsonError {
    /// The text is JSON, but lacks something.
    pub(crate) const fn lacking(what: &'static str) -> JsonError {
        JsonError { what, place: None }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)?;
        match self.place {
            Some((line, column)) => write!(f, " at line {line} column {column}"),
            None => Ok(()),
        }
    }
}

impl Error for JsonError {}

/// What went wrong with the byte at which reading stands.
type Wrong = &'static str;

/// Reads the first value of `text`, which has to be all of it if `whole`.
pub(super) fn read(text: &str, whole: bool) -> Result<Json, JsonError> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(DEPTH).and_then(|value| {
        reader.blanks();
        match reader.peek() {
            Some(_) if whole => Err("trailing characters"),
            _ => Ok(value),
        }
    });
    value.map_err(|what| reader.error(what))
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Reader<'t> {
    fn error(&self, what: Wrong) -> JsonError {
        let is_end = self.at >= self.text.len();
        let before = self.text.as_bytes().get(..self.at).unwrap_or_default();
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let in_line = before.iter().rev().take_while(|&&byte| byte != b'\n');
        let column = in_line.count() + usize::from(!is_end);
        JsonError {
            what: if is_end {
                "the text ends too early"
            } else {
                what
            },
            place: Some((line, column)),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes on if this byte is next; whether it was.
    fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// A value and the blanks before it.
    fn value(&mut self, depth: usize) -> Result<Json, Wrong> {
        self.blanks();
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Json::Null),
            Some(b't') => self.word("true", Json::Bool(true)),
            Some(b'f') => self.word("false", Json::Bool(false)),
            Some(b'[' | b'{') if depth == 0 => Err("too many lists and objects inside one another"),
            Some(b'[') => self.list(depth - 1),
            Some(b'{') => self.object(depth - 1),
            _ => Err("expected value"),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Result<Json, Wrong> {
        for byte in word.bytes() {
            if !self.take(byte) {
                return Err("expected ident");
            }
        }
        Ok(value)
    }

    fn list(&mut self, depth: usize) -> Result<Json, Wrong> {
        let mut list = Vec::new();
        self.members(b']', |reader| {
            list.push(reader.value(depth)?);
            Ok(())
        })?;
        Ok(Json::List(list))
    }

    fn object(&mut self, depth: usize) -> Result<Json, Wrong> {
        let mut object = BTreeMap::new();
        self.members(b'}', |reader| {
            reader.blanks();
            if reader.peek() != Some(b'"') {
                return Err("key must be a string");
            }
            let name = reader.string()?;
            reader.blanks();
            if !reader.take(b':') {
                return Err("expected `:`");
            }
            object.insert(name, reader.value(depth)?);
            Ok(())
        })?;
        Ok(Json::Object(object))
    }

    /// What stands between two brackets, of which the first is next.
    fn members(
        &mut self,
        end: u8,
        mut member: impl FnMut(&mut Self) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        self.at += 1;
        self.blanks();
        if self.take(end) {
            return Ok(());
        }
        loop {
            member(self)?;
            self.blanks();
            if self.take(end) {
                return Ok(());
            }
            if !self.take(b',') {
                return Err("expected `,` or the end of the list or object");
            }
        }
    }

    fn digits(&mut self) -> Result<(), Wrong> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        match self.at == start {
            true => Err("invalid number"),
            false => Ok(()),
        }
    }

    fn number(&mut self) -> Result<Json, Wrong> {
        let is_negative = self.take(b'-');
        let start = self.at;
        if !self.take(b'0') {
            self.digits()?;
        } else if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err("invalid number");
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = self.text.get(start..self.at).unwrap_or_default();
        match decimal::parse(text).filter(|value| value.is_finite()) {
            Some(value) => Ok(Json::Number(if is_negative { -value } else { value })),
            None => {
                self.at = start;
                Err("number out of range")
            }
        }
    }

    fn string(&mut self) -> Result<String, Wrong> {
        self.at += 1;
        let mut string = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            string.push_str(self.text.get(start..self.at).unwrap_or_default());
            if self.take(b'"') {
                return Ok(string);
            }
            if !self.take(b'\\') {
                return Err("control character inside a string");
            }
            string.push(self.escaped()?);
        }
    }

    /// What a backslash and the text behind it mean.
    fn escaped(&mut self) -> Result<char, Wrong> {
        let c = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err("invalid escape"),
        };
        self.at += 1;
        Ok(c)
    }

    /// One unit of UTF-16 in hexadecimal, or two that make one character.
    fn unicode(&mut self) -> Result<char, Wrong> {
        let first = self.unit()?;
        let code = match first {
            0xd800..=0xdbff if self.take(b'\\') && self.take(b'u') => {
                let second = self.unit()?;
                let low = second.wrapping_sub(0xdc00);
                // Anything beyond half the range of surrogates is none: refused below.
                match low < 0x400 {
                    true => 0x1_0000 + ((first - 0xd800) << 10) + low,
                    false => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or("half of a surrogate pair")
    }

    fn unit(&mut self) -> Result<u32, Wrong> {
        let mut unit = 0;
        for _ in 0..4 {
            let byte = self.peek().unwrap_or_default();
            let digit = char::from(byte).to_digit(16).ok_or("invalid escape")?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;
