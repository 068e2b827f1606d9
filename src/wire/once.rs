//! The output of `mackerel-agent once`: one host and one round, as one line of JSON.

use serde::Serialize;

use super::host::HostParam;
use super::metric::number;
use crate::base::name_map::NameMap;

/// The whole line.
#[derive(Serialize)]
pub(crate) struct Once<'a> {
    pub(crate) host: HostParam,
    pub(crate) metrics: Round<'a>,
}

/// The values of one moment.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Round<'a> {
    /// Local time, RFC 3339 with a fraction of a second.
    pub(crate) created: String,
    /// One entry for each host that values belong to.
    pub(crate) values: Vec<HostValues<'a>>,
}

/// The values of one host.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct HostValues<'a> {
    /// The values, by name.
    pub(crate) values: NameMap<Point>,
    /// `None` for the host itself.
    pub(crate) custom_identifier: Option<&'a str>,
}

/// One value.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Point {
    /// Seconds since the epoch; `None` for the time of the round.
    pub(crate) time: Option<u64>,
    /// Finite, in the unit that its name implies.
    #[serde(serialize_with = "number")]
    pub(crate) value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_like_the_go_agents() {
        let point = |value| Point { time: None, value };
        let round = Round {
            created: "2026-11-22T04:00:00.5+09:00".to_owned(),
            values: vec![HostValues {
                values: NameMap::from_iter([
                    ("memory.free".to_owned(), point(3.0)),
                    ("loadavg1".to_owned(), point(0.5)),
                ]),
                custom_identifier: None,
            }],
        };
        assert_eq!(
            serde_json::to_string(&round).unwrap(),
            r#"{"Created":"2026-11-22T04:00:00.5+09:00","Values":[{"Values":{"loadavg1":{"Time":null,"Value":0.5},"memory.free":{"Time":null,"Value":3}},"CustomIdentifier":null}]}"#
        );
    }
}
