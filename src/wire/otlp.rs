//! OTLP metrics in Protocol Buffers: the request that exports them, and its answer. Only the fields
//! that the agent writes or reads. Source: opentelemetry-proto 1.x, whose field numbers are stable.

use prost::{DecodeError, Message, Oneof};

/// The method of gRPC that takes a [`MetricsRequest`].
pub(crate) const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
/// The value of [`Sum::temporality`] for counters since a fixed start.
pub(crate) const CUMULATIVE: i32 = 2;

/// `ExportMetricsServiceRequest`. Requests that are written one after the other are one request with
/// the content of all.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MetricsRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) resource_metrics: Vec<ResourceMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ResourceMetrics {
    #[prost(message, optional, tag = "1")]
    pub(crate) resource: Option<Resource>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) scope_metrics: Vec<ScopeMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Resource {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ScopeMetrics {
    #[prost(message, optional, tag = "1")]
    pub(crate) scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) metrics: Vec<Metric>,
}

/// `InstrumentationScope`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Scope {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) version: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Metric {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "3")]
    pub(crate) unit: String,
    #[prost(oneof = "Data", tags = "5, 7")]
    pub(crate) data: Option<Data>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Data {
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Sum(Sum),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Gauge {
    #[prost(message, repeated, tag = "1")]
    pub(crate) points: Vec<Point>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sum {
    #[prost(message, repeated, tag = "1")]
    pub(crate) points: Vec<Point>,
    /// `aggregation_temporality`.
    #[prost(int32, tag = "2")]
    pub(crate) temporality: i32,
    #[prost(bool, tag = "3")]
    pub(crate) is_monotonic: bool,
}

/// `NumberDataPoint`. Times are Unix times in nanoseconds.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Point {
    #[prost(fixed64, tag = "2")]
    pub(crate) start_ns: u64,
    #[prost(fixed64, tag = "3")]
    pub(crate) time_ns: u64,
    #[prost(oneof = "Number", tags = "4, 6")]
    pub(crate) number: Option<Number>,
    #[prost(message, repeated, tag = "7")]
    pub(crate) attributes: Vec<KeyValue>,
}

/// The value of a point. Zero is written, too: a point without a number has no value.
#[derive(Clone, Copy, PartialEq, Oneof)]
pub(crate) enum Number {
    #[prost(double, tag = "4")]
    Double(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(string, tag = "1")]
    pub(crate) key: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<AnyValue>,
}

/// `AnyValue` with a text.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct AnyValue {
    #[prost(string, optional, tag = "1")]
    pub(crate) text: Option<String>,
}

impl KeyValue {
    /// The attribute `key` with this text.
    pub(crate) fn new(key: &str, text: &str) -> KeyValue {
        KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue {
                text: Some(text.to_owned()),
            }),
        }
    }
}

/// `ExportMetricsServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct MetricsResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportMetricsPartialSuccess`: the server has taken a request, but not all of it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PartialSuccess {
    /// Number of points that it has not taken; 0 if the text is only a warning.
    #[prost(int64, tag = "1")]
    pub(crate) rejected: i64,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
}

/// What the answer to a request says of points that were not taken. `None` if all were.
///
/// Fails if `answer` is not an `ExportMetricsServiceResponse`.
pub(crate) fn partial_success(answer: &[u8]) -> Result<Option<PartialSuccess>, DecodeError> {
    let MetricsResponse { partial_success } = MetricsResponse::decode(answer)?;
    Ok(partial_success.filter(|partial| *partial != PartialSuccess::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partial_success_is_read_as_protobuf_of_python_writes_it() {
        type Row = (&'static str, &'static [u8], Option<(i64, &'static str)>);
        // (why this row exists, answer, points that were not taken, text)
        let table: [Row; 6] = [
            ("empty", b"", None),
            ("an empty partial success", b"\x0a\x00", None),
            ("both", b"\x0a\x08\x08\x05\x12\x04late", Some((5, "late"))),
            ("a warning", b"\x0a\x04\x12\x02hm", Some((0, "hm"))),
            ("no text", b"\x0a\x02\x08\x07", Some((7, ""))),
            (
                "an unknown field",
                b"\x10\x01\x0a\x02\x08\x07",
                Some((7, "")),
            ),
        ];
        for (why, answer, expected) in table {
            let found = partial_success(answer).unwrap();
            let found = found.map(|partial| (partial.rejected, partial.message));
            let expected = expected.map(|(rejected, text)| (rejected, text.to_owned()));
            assert_eq!(found, expected, "{why}");
        }
        for other in [&b"\x0a\x08\x08"[..], b"<html>", b"{}"] {
            assert!(partial_success(other).is_err());
        }
    }

    #[test]
    fn partial_success_never_panics() {
        let answer = b"\x0a\x08\x08\x05\x12\x04late";
        for at in 0..answer.len() {
            for bad in 0..=u8::MAX {
                let mut answer = *answer;
                answer[at] = bad;
                drop(partial_success(&answer));
                drop(partial_success(&answer[..at]));
            }
        }
    }
}
