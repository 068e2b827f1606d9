//! Tests of the variables of OpenTelemetry.

use super::*;

const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";

fn read(all: &[(&str, &str)]) -> Result<Option<Otlp>, String> {
    let all = all.iter().map(|(name, value)| (name.into(), value.into()));
    otlp(&Variables::of(all, false))
}

#[test]
fn otel_endpoint_follows_the_specification() {
    let metrics = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    let grpc = (PROTOCOL, "grpc");
    // (variables, expected, insecure)
    let table: [(&[(&str, &str)], _, _); 9] = [
        (&[(BASE, "http://a:4318")], "http://a:4318/v1/metrics", true),
        (&[(BASE, "https://a/")], "https://a/v1/metrics", false),
        (
            &[(BASE, "https://a/otlp/")],
            "https://a/otlp/v1/metrics",
            false,
        ),
        (&[(metrics, "https://a")], "https://a/", false),
        (
            &[(metrics, "https://a/m"), (BASE, "http://b")],
            "https://a/m",
            false,
        ),
        (&[(BASE, "http://a:4317"), grpc], "a:4317", true),
        (&[(BASE, "https://a:4317"), grpc], "a:4317", false),
        (&[(metrics, "a:4317"), grpc], "a:4317", false),
        (
            &[
                (BASE, "a:4317"),
                (PROTOCOL, "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "grpc"),
            ],
            "a:4317",
            false,
        ),
    ];
    for (variables, expected, insecure) in table {
        let otlp = read(variables).unwrap().unwrap();
        let found = (otlp.endpoint.as_str(), otlp.insecure);
        assert_eq!(found, (expected, insecure), "{variables:?}");
    }
    assert_eq!(read(&[(HEADERS, "a=b"), grpc]), Ok(None), "no endpoint");
    assert_eq!(read(&[(BASE, "")]), Ok(None));
}

#[test]
fn otel_lists_are_percent_decoded() {
    let otlp = read(&[
        (BASE, "http://a"),
        (HEADERS, "Authorization=Basic%20x%3D, x-key = y=z,"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=web,team=%E3%81%82",
        ),
    ]);
    let otlp = otlp.unwrap().unwrap();
    let headers = otlp
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", &**value));
    assert!(headers.eq(["authorization: Basic x=", "x-key: y=z"]));
    let resource = otlp
        .resource
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    assert!(resource.eq(["service.name=web", "team=あ"]));
    assert_eq!(otlp.place.to_string(), BASE);
    let win = read(&[
        (BASE, "http://a"),
        (HEADERS, "a=b"),
        ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "c=d"),
    ]);
    assert_eq!(win.unwrap().unwrap().headers[0].0, "c");
}

#[test]
fn otel_variable_that_cannot_be_used_is_named() {
    let no_list = "no list; write NAME=VALUE,NAME=VALUE, and %25 for a percent sign";
    // (variable, value, expected text)
    let table = [
        (
            PROTOCOL,
            "http/json",
            "\"http/json\"; write grpc or http/protobuf",
        ),
        (HEADERS, "SECRET", no_list),
        (HEADERS, "a=%zz", no_list),
        (
            HEADERS,
            "te=x",
            "the agent sets this header itself; remove it",
        ),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "a=1,a=2",
            "this attribute is given twice; remove one of the two",
        ),
        (
            BASE,
            "a:4317",
            "endpoint: no URL, or one with a password; write \"https://host:4318\", a password into \
             headers, or protocol = \"grpc\" for a host with a port",
        ),
    ];
    for (name, value, expected) in table {
        let mut variables = vec![(name, value)];
        if name != BASE {
            variables.push((BASE, "http://a"));
        }
        let expected = format!("the variable {name}: {expected}");
        assert_eq!(read(&variables), Err(expected));
    }
}

#[test]
fn otel_variables_are_read_without_a_file_only() {
    use crate::settings::load::{Beside, load};
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.conf");
    let beside = |may_be_alone| Beside {
        variables: Variables::of([(BASE.into(), "http://a".into())].into_iter(), false),
        may_be_alone,
        top: None,
    };
    let loaded = load(&path, &beside(true)).checked().unwrap();
    assert_eq!(loaded.config.otlp.len(), 1);
    assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    std::fs::write(&path, "apikey = 'k'\n").unwrap();
    let loaded = load(&path, &beside(true)).checked().unwrap();
    assert!(loaded.config.otlp.is_empty() && loaded.warnings.is_empty());
}
