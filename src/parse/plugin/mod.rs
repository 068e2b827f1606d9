//! Output of metric plugins: one value per line, `NAME VALUE TIME`, separated by blanks. On
//! request, a plugin prints its graph definitions instead.

pub(crate) mod document;
pub(crate) mod float;
pub(crate) mod meta;

use super::ParseError;
use crate::base::clock::Unix;

/// Maximum difference between a plugin's timestamp and the agent's clock, in seconds; exclusive.
const WINDOW: u64 = 15 * 60;

/// One value.
#[derive(Debug, PartialEq)]
pub(crate) struct Value<'a> {
    /// Without the prefix `custom.`. Any characters except blanks.
    pub(crate) key: &'a str,
    /// May be infinite or NaN.
    pub(crate) value: f64,
    /// The plugin's timestamp; `None` unless requested.
    pub(crate) time: Option<Unix>,
}

/// Parses the values in a plugin's output, line by line.
///
/// Lines with less than three fields, and those whose key is not `wanted`, are skipped. `now` is
/// set if the plugin's timestamps are used. A line is an error if its value is not a number. With
/// `now`, it is also an error if its timestamp is not an integer, or too far from `now`
/// ([`WINDOW`]).
pub(crate) fn values<'a>(
    text: &'a str,
    wanted: &dyn Fn(&str) -> bool,
    now: Option<Unix>,
) -> impl Iterator<Item = Result<Value<'a>, ParseError>> {
    text.lines().filter_map(move |line| {
        let mut fields = line.split_whitespace();
        let (key, value, time) = (fields.next()?, fields.next()?, fields.next()?);
        wanted(key).then(|| {
            let error = |wanted| ParseError::new("plugin output", wanted, line);
            Ok(Value {
                key,
                value: float::parse(value).ok_or_else(|| error("number in the second field"))?,
                time: match now {
                    Some(now) => Some(own_time(time, now).map_err(error)?),
                    None => None,
                },
            })
        })
    })
}

/// Parses a plugin's timestamp; the error is what was expected.
fn own_time(text: &str, now: Unix) -> Result<Unix, &'static str> {
    let seconds: i64 = text.parse().map_err(|_| "time in the third field")?;
    u64::try_from(seconds)
        .map(Unix)
        .ok()
        .filter(|time| time.0.abs_diff(now.0) < WINDOW)
        .ok_or("time close to the present in the third field")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "foo.bar.x 1e3 0\n\
        foo.bar.y 0x10 1 2\n\
        foo.nan NaN 1\n\
        foo.inf +Inf 1\n\
        bad\n\
        \n\
        foo.us 1_000 1\r\n\
        foo.hexf\t0x1p4\t1\n\
        foo.more 1 2 and more\n\
        foo.wide\u{3000}5\u{a0}1\n\
        foo.two 2\n\
        foo.last 7 1";

    fn all(_: &str) -> bool {
        true
    }

    /// Keys and values; errors as text.
    fn read(text: &str, wanted: &dyn Fn(&str) -> bool, now: Option<Unix>) -> Vec<String> {
        let shown = |value: Result<Value<'_>, ParseError>| match value {
            Ok(Value { key, value, time }) => match time {
                None => format!("{key}={value}"),
                Some(time) => format!("{key}={value}@{}", time.0),
            },
            Err(error) => error.to_string(),
        };
        values(text, wanted, now).map(shown).collect()
    }

    #[test]
    fn reads_a_value_a_line() {
        let expected = [
            "foo.bar.x=1000",
            "plugin output: no number in the second field in \"foo.bar.y 0x10 1 2\"",
            "foo.nan=NaN",
            "foo.inf=inf",
            "foo.us=1000",
            "foo.hexf=16",
            "foo.more=1",
            "foo.wide=5",
            "foo.last=7",
        ];
        assert_eq!(read(OUTPUT, &all, None), expected);
    }

    #[test]
    fn unwanted_lines_are_never_errors() {
        let wanted = |key: &str| key.starts_with("foo.b") && !key.ends_with('y');
        assert_eq!(read(OUTPUT, &wanted, None), ["foo.bar.x=1000"]);
    }

    #[test]
    fn plugin_timestamp_must_be_close_to_the_present() {
        let now = 1_700_000_000;
        // (why this row exists, third field, timestamp or error)
        let table = [
            ("the same", "1700000000", Ok(1_700_000_000)),
            ("a sign", "+1700000000", Ok(1_700_000_000)),
            ("just not too old", "1699999101", Ok(1_699_999_101)),
            ("just too old", "1699999100", Err("close")),
            ("just not too new", "1700000899", Ok(1_700_000_899)),
            ("just too new", "1700000900", Err("close")),
            ("the epoch", "0", Err("close")),
            ("before it", "-1700000000", Err("close")),
            ("as far as it goes", "9223372036854775807", Err("close")),
            ("further", "9223372036854775808", Err("time in")),
            ("a fraction", "1700000000.0", Err("time in")),
            ("digits apart", "1_700_000_000", Err("time in")),
            ("no number", "now", Err("time in")),
        ];
        for (why, field, expected) in table {
            let line = format!("key 1 {field} rest");
            let found = values(&line, &all, Some(Unix(now))).next().unwrap();
            match (found, expected) {
                (Ok(value), Ok(time)) => assert_eq!(value.time, Some(Unix(time)), "{why}"),
                (Err(error), Err(text)) => assert!(error.wanted.contains(text), "{why}: {error}"),
                (found, _) => panic!("{why}: {found:?}"),
            }
        }
    }

    #[test]
    fn never_panics() {
        crate::parse::survives_damage(OUTPUT, |text| {
            values(text, &all, Some(Unix(1))).for_each(drop);
        });
    }
}
