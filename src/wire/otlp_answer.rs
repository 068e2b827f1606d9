//! `ExportMetricsServiceResponse` of OTLP in Protocol Buffers: a server's answer to metrics.

use prost::{DecodeError, Message};

/// `ExportMetricsServiceResponse`.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportMetricsPartialSuccess`.
#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The number of data points that the server has rejected, and its text about them or about the
/// whole request; `None` if it has no complaint.
///
/// Fails if `answer` is not that message.
pub(crate) fn complaint(answer: &[u8]) -> Result<Option<(i64, String)>, DecodeError> {
    let Response { partial_success } = Response::decode(answer)?;
    let part = partial_success.unwrap_or_default();
    let is_none = part.rejected_data_points == 0 && part.error_message.is_empty();
    Ok((!is_none).then_some((part.rejected_data_points, part.error_message)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn otlp_answer_is_read_as_python_writes_it() {
        // (why this row exists, bytes of the `protobuf` package, the complaint)
        let table: [(&str, &[u8], Option<(i64, &str)>); 5] = [
            ("empty", b"", None),
            ("an empty partial_success", b"\x0a\x00", None),
            (
                "rejected points",
                b"\x0a\x0c\x08\x03\x12\x08no label",
                Some((3, "no label")),
            ),
            ("only a text", b"\x0a\x06\x12\x04slow", Some((0, "slow"))),
            ("a field of a later version", b"\x12\x02\x08\x01", None),
        ];
        for (why, bytes, expected) in table {
            let expected = expected.map(|(count, text)| (count, text.to_owned()));
            assert_eq!(complaint(bytes), Ok(expected), "{why}");
        }
        assert!(complaint(b"<html>").is_err());
        assert!(complaint(b"\x0a\x0c\x08\x03").is_err());
    }
}
