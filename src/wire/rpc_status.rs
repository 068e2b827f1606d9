//! `google.rpc.Status` in Protocol Buffers: what a server of gRPC adds to a status, and the body of an
//! error of OTLP over HTTP.

use std::time::Duration;

use prost::Message;

/// `google.rpc.Status`. Its code comes in other places, too, and is not read here.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// How long to wait before the request is sent again, by the `google.rpc.RetryInfo` in `status`.
///
/// `None` if there is none, if it has no delay or a negative one, or if `status` is not that message.
/// A delay of zero is one: the request can be sent again.
pub(crate) fn retry_delay(status: &[u8]) -> Option<Duration> {
    let Status { details, .. } = Status::decode(status).ok()?;
    // The part behind the last slash names the type.
    let info = details
        .iter()
        .find(|any| any.type_url.rsplit('/').next() == Some("google.rpc.RetryInfo"))?;
    let Delay { seconds, nanos } = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    let seconds = Duration::from_secs(seconds.try_into().ok()?);
    seconds.checked_add(Duration::from_nanos(nanos.try_into().ok()?))
}

/// The text of `status`; `None` if it is empty, or if `status` is not that message.
pub(crate) fn message(status: &[u8]) -> Option<String> {
    let Status { message, .. } = Status::decode(status).ok()?;
    Some(message).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

    /// A status with one detail, and in it this delay.
    fn status(type_url: &str, retry_delay: Option<(i64, i32)>) -> Vec<u8> {
        let retry_delay = retry_delay.map(|(seconds, nanos)| Delay { seconds, nanos });
        let any = Any {
            type_url: type_url.to_owned(),
            value: RetryInfo { retry_delay }.encode_to_vec(),
        };
        Status {
            message: String::new(),
            details: vec![any],
        }
        .encode_to_vec()
    }

    #[test]
    fn rpc_status_is_read_as_protobuf_of_python_writes_it() {
        // googleapis-common-protos: code 8, this message, RetryInfo of 7.5 s.
        let bytes = b"\x08\x08\x12\x09slow down\x1a\x36\x0a\x28type.googleapis.com/google.rpc.\
            RetryInfo\x12\x0a\x0a\x08\x08\x07\x10\x80\xca\xb5\xee\x01";
        assert_eq!(retry_delay(bytes), Some(Duration::from_millis(7_500)));
        assert_eq!(message(bytes).as_deref(), Some("slow down"));
        for end in 0..bytes.len() {
            let cut = &bytes[..end];
            assert!(retry_delay(cut).is_none(), "cut to {end} bytes");
            drop(message(cut));
        }
        for at in 0..bytes.len() {
            for bad in [0, 0x7f, 0xff] {
                let mut bytes = bytes.to_vec();
                bytes[at] = bad;
                drop((retry_delay(&bytes), message(&bytes)));
            }
        }
    }

    #[test]
    fn rpc_status_has_a_delay_only_where_it_says_one() {
        // (why this row exists, type, seconds and nanoseconds, milliseconds)
        let table = [
            (
                "the usual one",
                RETRY_INFO,
                Some((1, 500_000_000)),
                Some(1_500),
            ),
            ("zero", RETRY_INFO, Some((0, 0)), Some(0)),
            (
                "another prefix",
                "x/y/google.rpc.RetryInfo",
                Some((2, 0)),
                Some(2_000),
            ),
            ("no delay", RETRY_INFO, None, None),
            ("negative seconds", RETRY_INFO, Some((-1, 0)), None),
            ("negative nanoseconds", RETRY_INFO, Some((1, -1)), None),
            (
                "a type that ends alike",
                "x/not.google.rpc.RetryInfo",
                Some((2, 0)),
                None,
            ),
            (
                "another type",
                "type.googleapis.com/google.rpc.Help",
                Some((2, 0)),
                None,
            ),
        ];
        for (why, kind, delay, millis) in table {
            let found = retry_delay(&status(kind, delay));
            assert_eq!(found, millis.map(Duration::from_millis), "{why}");
        }
        assert_eq!(retry_delay(b""), None);
        assert_eq!(message(b""), None);
    }
}
