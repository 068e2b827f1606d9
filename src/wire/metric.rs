//! `POST /api/v0/tsdb`: an array of [`HostMetricValue`].

use serde::{Serialize, Serializer};

use crate::base::clock::Unix;

/// Whole numbers below this are exact in an f64, and are written without a fraction.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// One measured value of one host.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct HostMetricValue<'a> {
    /// The id that the server returned when the host was registered.
    #[serde(rename = "hostId")]
    pub(crate) host_id: &'a str,
    /// `[a-zA-Z0-9._-]+`, segments separated by `.`, e.g. `cpu.user.percentage`.
    pub(crate) name: &'a str,
    /// Seconds since the epoch, at which the round was measured. The server ignores values older
    /// than 24 h, although it answers 200.
    #[serde(serialize_with = "seconds")]
    pub(crate) time: Unix,
    /// In the unit that `name` implies. Finite, because JSON cannot express NaN.
    #[serde(serialize_with = "number")]
    pub(crate) value: f64,
}

fn seconds<S: Serializer>(time: &Unix, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(time.0)
}

/// Writes a number as the Go agent does: `3`, not `3.0`. Most values are whole, so this also saves
/// bytes in requests.
pub(crate) fn number<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and small enough")]
        return to.serialize_i64(*value as i64);
    }
    to.serialize_f64(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &'static str, value: f64) -> HostMetricValue<'static> {
        HostMetricValue {
            host_id: "3aBcDeFgHiJ",
            name,
            time: Unix(1_700_000_040),
            value,
        }
    }

    #[test]
    fn looks_like_the_documented_request() {
        let body = [
            value("loadavg5", 0.37),
            value("memory.free", 1_073_741_824.0),
        ];
        let golden = include_str!("../../tests/golden/tsdb.json");
        assert_eq!(
            serde_json::to_string_pretty(&body).unwrap(),
            golden.trim_end()
        );
    }

    #[test]
    fn writes_numbers_as_the_server_reads_them() {
        // (why this row exists, value, text)
        let table = [
            ("whole", 3.0, "3"),
            ("zero", 0.0, "0"),
            ("negative", -2.0, "-2"),
            ("fraction", 0.1, "0.1"),
            ("beyond what is exact", 1e17, "1e+17"),
            ("tiny", 1e-7, "1e-7"),
        ];
        for (why, number, text) in table {
            let json = serde_json::to_string(&value("x", number)).unwrap();
            assert!(
                json.ends_with(&format!("\"value\":{text}}}")),
                "{why}: {json}"
            );
        }
    }
}
