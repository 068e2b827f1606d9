//! Rounds as a request of OTLP.

use prost::Message;

use super::layout::Series;
use super::metrics::{CHECK, CUSTOM, Form, Kind, Metric};
use super::{Content, Round};
use crate::base::clock::Stamp;
use crate::base::program;
use crate::wire::otlp as wire;

/// Name of the instrumentation scope.
const SCOPE: &str = "mackerel-agent";
/// Bytes of a request for a point with its metric, but without the texts of its attributes, and for
/// the scope. Rounded up.
const POINT: usize = 160;
const FIXED: usize = 64;

/// The attributes of the resource that all series describe.
#[derive(Clone)]
pub(crate) struct Resource(wire::Resource);

impl Resource {
    /// `host.name`, `os.type`, and the `configured` attributes, which replace those of the same key.
    pub(crate) fn new(host_name: &str, configured: &[(String, String)]) -> Resource {
        let configured_ones = configured.iter();
        let configured_ones = configured_ones.map(|(key, text)| wire::KeyValue::new(key, text));
        let mut attributes: Vec<_> = configured_ones.collect();
        for (key, text) in [("host.name", host_name), ("os.type", "linux")] {
            if !configured.iter().any(|(other, _)| other == key) {
                attributes.push(wire::KeyValue::new(key, text));
            }
        }
        Resource(wire::Resource { attributes })
    }
}

/// Appends a request with these rounds to `out`, in their order and each with its own time. What
/// several calls append is one request with the content of all. Returns the number of points.
///
/// `time_of` returns the Unix time of a stamp, and that of the boot, in nanoseconds. A round without
/// them is left out. The start of every sum is the boot.
pub(crate) fn encode(
    rounds: &[&Round],
    resource: &Resource,
    time_of: &dyn Fn(Stamp) -> Option<(u64, u64)>,
    out: &mut Vec<u8>,
) -> usize {
    let mut count = 0;
    for round in rounds {
        let Some((time_ns, boot_ns)) = time_of(round.stamp) else {
            continue;
        };
        // The wall clock may have been set back a little since the boot.
        let metrics = metrics(round, time_ns, boot_ns.min(time_ns));
        let scope = wire::Scope {
            name: SCOPE.to_owned(),
            version: program::VERSION.to_owned(),
        };
        let request = wire::MetricsRequest {
            resource_metrics: vec![wire::ResourceMetrics {
                resource: Some(resource.0.clone()),
                scope_metrics: vec![wire::ScopeMetrics {
                    scope: Some(scope),
                    metrics,
                }],
            }],
        };
        // Room can always be added to a vector, so that this does not fail.
        if request.encode(out).is_ok() {
            count += round.len();
        }
    }
    count
}

/// An upper limit of the bytes that a round takes in a request, without the resource. The attributes
/// of a host's series are not shorter in memory.
pub(super) fn encoded_bytes(round: &Round) -> usize {
    let texts = match &round.content {
        Content::Host { layout, .. } => layout.iter().map(Series::held_bytes).sum(),
        Content::Custom(_) | Content::Check { .. } => round.held,
    };
    FIXED + round.len() * POINT + texts
}

/// The metrics of a round. Consecutive values of one metric are its points.
fn metrics(round: &Round, time_ns: u64, start_ns: u64) -> Vec<wire::Metric> {
    let mut metrics: Vec<wire::Metric> = Vec::new();
    let mut put = |metric: &Metric, name: &str, attributes: Vec<wire::KeyValue>, value: u64| {
        let is_gauge = metric.kind == Kind::Gauge;
        let point = wire::Point {
            start_ns: if is_gauge { 0 } else { start_ns },
            time_ns,
            number: Some(match metric.form {
                Form::Int => wire::Number::Int(value.cast_signed()),
                Form::Ratio(divisor) => wire::Number::Double(value as f64 / f64::from(divisor)),
                Form::Float => wire::Number::Double(f64::from_bits(value)),
            }),
            attributes,
        };
        match metrics.last_mut() {
            Some(wire::Metric {
                name: last,
                data:
                    Some(
                        wire::Data::Gauge(wire::Gauge { points })
                        | wire::Data::Sum(wire::Sum { points, .. }),
                    ),
                ..
            }) if last == name => points.push(point),
            _ => {
                let points = vec![point];
                metrics.push(wire::Metric {
                    name: name.to_owned(),
                    unit: metric.unit.to_owned(),
                    data: Some(if is_gauge {
                        wire::Data::Gauge(wire::Gauge { points })
                    } else {
                        wire::Data::Sum(wire::Sum {
                            points,
                            temporality: wire::CUMULATIVE,
                            is_monotonic: metric.kind == Kind::Counter,
                        })
                    }),
                });
            }
        }
    };
    match &round.content {
        Content::Host { layout, values } => {
            for (Series { metric, attributes }, value) in layout.iter().zip(values) {
                let attributes = attributes.iter();
                let attributes = attributes.map(|(key, text)| wire::KeyValue::new(key, text));
                put(metric, metric.name, attributes.collect(), *value);
            }
        }
        Content::Custom(values) => {
            for (name, value) in values.iter() {
                put(&CUSTOM, name, Vec::new(), value.to_bits());
            }
        }
        Content::Check { name, status } => {
            let attributes = vec![wire::KeyValue::new("check", name)];
            put(&CHECK, CHECK.name, attributes, (*status).into());
        }
    }
    metrics
}
