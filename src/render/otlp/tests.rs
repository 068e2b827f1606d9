//! Requests that rounds of fixtures become, decoded.

use std::fmt::Write;
use std::time::Duration;

use prost::Message;

use super::*;
use crate::base::Failures;
use crate::base::clock::{Moment, Unix};
use crate::collect::readings::extra::Wanted;
use crate::collect::{self, CollectContext};
use crate::config::OtlpProtocol;
use crate::sys::fsstat::{FsStats, Usage};
use crate::sys::root::Root;
use crate::wire::otlp as wire;

/// The boot of the host, and how old it is in the first round.
const BOOT: u64 = 1_700_000_000;
const AGE: u64 = 420;

/// The configuration `settings`, with one destination for each table `[[otlp]]`.
fn config(otlp: &[config::Otlp], settings: &str) -> Config {
    let mut config = Config::default();
    config.read(settings.as_bytes()).unwrap();
    config.otlp = otlp.to_vec();
    config
}

/// The readings of a fixture. Filesystems have 1000 bytes, of which 300 are used and 600 available.
fn readings(config: &Config, tree: &str) -> Readings {
    let stats = FsStats::answering(|_| Ok(Usage::new(100, 10, 7, 6)));
    let mut context = CollectContext {
        root: &Root::at(["tests/fixtures/", tree].concat()),
        now: Moment(Duration::ZERO),
        buffer: &mut Vec::new(),
    };
    let mut failures = Failures::new();
    let mut collectors = collect::builtin(config, stats);
    let wanted = Wanted::of(config);
    let readings = collect::run(&mut collectors, &mut context, wanted, &mut failures);
    assert!(failures.is_empty(), "{tree}");
    readings
}

fn stamp(seconds: u64) -> Stamp {
    Stamp {
        wall: Unix(BOOT + AGE + seconds),
        age: AGE + seconds,
    }
}

fn encoded(rounds: &[&Round]) -> Vec<u8> {
    let mut out = Vec::new();
    let resource = Resource::new("web1", &[]);
    let time = |stamp: Stamp| Some(stamp.wall.0 * 1_000_000_000);
    let points: usize = rounds.iter().map(|round| round.len()).sum();
    assert_eq!(encode(rounds, &resource, &time, &mut out), points);
    let most: usize = rounds.iter().map(|round| round.encoded_bytes()).sum();
    assert!(
        out.len() <= most + rounds.len() * 50,
        "{} > {most}",
        out.len()
    );
    out
}

/// A line for each point: seconds since the first round, metric, kind, unit, attributes, value.
fn lines(request: &[u8]) -> String {
    let request = wire::MetricsRequest::decode(request).unwrap();
    let mut lines = String::new();
    for resource in request.resource_metrics {
        for metric in resource
            .scope_metrics
            .into_iter()
            .flat_map(|scope| scope.metrics)
        {
            let (kind, points) = match metric.data.unwrap() {
                wire::Data::Gauge(gauge) => ("gauge", gauge.points),
                wire::Data::Sum(sum) => {
                    assert_eq!(sum.temporality, wire::CUMULATIVE);
                    (
                        if sum.is_monotonic {
                            "counter"
                        } else {
                            "updown"
                        },
                        sum.points,
                    )
                }
            };
            for point in points {
                let start = if kind == "gauge" {
                    0
                } else {
                    BOOT * 1_000_000_000
                };
                assert_eq!(point.start_ns, start, "{}", metric.name);
                let seconds = point.time_ns / 1_000_000_000 - BOOT - AGE;
                let attributes = point.attributes.iter().map(|one| {
                    let text = one.value.clone().unwrap().text.unwrap();
                    format!("{}={text:?}", one.key)
                });
                let attributes: Vec<_> = attributes.collect();
                let (name, unit) = (&metric.name, &metric.unit);
                write!(lines, "{seconds} {name} {kind} {unit} ").unwrap();
                write!(lines, "{{{}}} ", attributes.join(",")).unwrap();
                match point.number.unwrap() {
                    wire::Number::Double(value) => writeln!(lines, "double {value}"),
                    wire::Number::Int(value) => writeln!(lines, "int {value}"),
                }
                .unwrap();
            }
        }
    }
    lines
}

#[test]
fn print() {
    let destination = config::Otlp::default();
    let config = config(std::slice::from_ref(&destination), "");
    let mut otlp = Otlp::new(&config, &destination);
    let rounds = [("t0", 0), ("t60", 60)].map(|(tree, seconds)| {
        let mut round = otlp.round(&readings(&config, &["two-core/", tree].concat()));
        round.set_stamp(stamp(seconds));
        round
    });
    let bytes = encoded(&[&rounds[0], &rounds[1]]);
    println!("{}", lines(&bytes));
}
