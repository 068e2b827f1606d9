//! Rounds as a request of OTLP.

use prost::Message;

use super::layout::Series;
use super::metrics::{CHECK, Form, Kind};
use super::{Content, Round};
use crate::base::clock::Stamp;
use crate::base::program;
use crate::wire::otlp as wire;

/// Name of the instrumentation scope.
const SCOPE: &str = "mackerel-agent";
/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// Bytes of a request for a point without its attributes, for an attribute without its texts, and
/// for a metric without its name and unit. Rounded up.
const POINT: usize = 40;
const ATTRIBUTE: usize = 12;
const METRIC: usize = 24;
/// Bytes for the scope.
const FIXED: usize = 64;

/// The attributes of the resource that all series describe.
#[derive(Clone)]
pub(crate) struct Resource(wire::Resource);

impl Resource {
    /// `host.name`, `os.type`, and the `configured` attributes, which replace those of the same key.
    pub(crate) fn new(host_name: &str, configured: &[(String, String)]) -> Resource {
        let own = [("host.name", host_name), ("os.type", "linux")].into_iter();
        let own = own.filter(|(key, _)| !configured.iter().any(|(other, _)| other == key));
        let configured = configured.iter();
        let configured = configured.map(|(key, value)| (key.as_str(), value.as_str()));
        let all = own.chain(configured);
        Resource(wire::Resource {
            attributes: all
                .map(|(key, text)| wire::KeyValue::new(key, text))
                .collect(),
        })
    }
}

/// Appends a request with these rounds to `out`, in their order and each with its own time. What
/// several calls append is one request with the content of all. Returns the number of points.
///
/// `time_of` returns the Unix time of a stamp in nanoseconds. A round without one is left out. The
/// start of every sum is the boot.
pub(crate) fn encode(
    rounds: &[&Round],
    resource: &Resource,
    time_of: &dyn Fn(Stamp) -> Option<u64>,
    out: &mut Vec<u8>,
) -> usize {
    let mut count = 0;
    for round in rounds {
        let Some(time_ns) = time_of(round.stamp) else {
            continue;
        };
        let age_ns = round.stamp.age.saturating_mul(SECOND);
        let metrics = metrics(round, time_ns, time_ns.saturating_sub(age_ns));
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

/// An upper limit of the bytes that a round takes in a request, without the resource.
pub(super) fn encoded_bytes(round: &Round) -> usize {
    let content = match &round.content {
        Content::Host { layout, .. } => {
            let series = layout.iter().map(|series| {
                let attributes = series.attributes.iter();
                let attributes = attributes.map(|(key, text)| ATTRIBUTE + key.len() + text.len());
                let metric = METRIC + series.metric.name.len() + series.metric.unit.len();
                POINT + metric + attributes.sum::<usize>()
            });
            series.sum::<usize>()
        }
        Content::Custom(values) => {
            let values = values.iter();
            values.map(|(name, _)| POINT + METRIC + name.len()).sum()
        }
        Content::Check { name, .. } => POINT + 2 * METRIC + ATTRIBUTE + name.len(),
    };
    FIXED + content
}

/// The metrics of a round. Consecutive values of one metric are its points.
fn metrics(round: &Round, time_ns: u64, start_ns: u64) -> Vec<wire::Metric> {
    let gauge = |number| wire::Point {
        start_ns: 0,
        time_ns,
        number: Some(number),
        attributes: Vec::new(),
    };
    match &round.content {
        Content::Host { layout, values } => {
            let mut metrics: Vec<wire::Metric> = Vec::new();
            let mut all = layout.iter().zip(values).peekable();
            while let Some((series, _)) = all.peek() {
                let metric = series.metric;
                let mut points = Vec::new();
                while let Some((series, value)) =
                    all.next_if(|(series, _)| std::ptr::eq(series.metric, metric))
                {
                    points.push(wire::Point {
                        start_ns: if metric.kind == Kind::Gauge {
                            0
                        } else {
                            start_ns
                        },
                        attributes: attributes(series),
                        ..gauge(number(metric.form, *value))
                    });
                }
                metrics.push(wire::Metric {
                    name: metric.name.to_owned(),
                    unit: metric.unit.to_owned(),
                    data: Some(data(metric.kind, points)),
                });
            }
            metrics
        }
        Content::Custom(values) => {
            let values = values.iter().map(|(name, value)| wire::Metric {
                name: (**name).to_owned(),
                unit: String::new(),
                data: Some(data(Kind::Gauge, vec![gauge(wire::Number::Double(*value))])),
            });
            values.collect()
        }
        Content::Check { name, status } => {
            let point = wire::Point {
                attributes: vec![wire::KeyValue::new("check", name)],
                ..gauge(wire::Number::Int((*status).into()))
            };
            vec![wire::Metric {
                name: CHECK.name.to_owned(),
                unit: CHECK.unit.to_owned(),
                data: Some(data(CHECK.kind, vec![point])),
            }]
        }
    }
}

fn data(kind: Kind, points: Vec<wire::Point>) -> wire::Data {
    if kind == Kind::Gauge {
        return wire::Data::Gauge(wire::Gauge { points });
    }
    wire::Data::Sum(wire::Sum {
        points,
        temporality: wire::CUMULATIVE,
        is_monotonic: kind == Kind::Counter,
    })
}

fn attributes(series: &Series) -> Vec<wire::KeyValue> {
    let all = series.attributes.iter();
    all.map(|(key, text)| wire::KeyValue::new(key, text))
        .collect()
}

fn number(form: Form, value: u64) -> wire::Number {
    match form {
        Form::Int => wire::Number::Int(value.cast_signed()),
        Form::Ratio(divisor) => wire::Number::Double(value as f64 / f64::from(divisor)),
        Form::Float => wire::Number::Double(f64::from_bits(value)),
    }
}
