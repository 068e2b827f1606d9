//! Check reports, graph definitions and metadata.

use serde_json::{Value, json};

use crate::client::Client;
use fake_server::FakeServer;

const REPORT: &str = "/api/v0/monitoring/checks/report";
const GRAPHS: &str = "/api/v0/graph-defs/create";

fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs()
}

fn report(host: &str, key: &str, value: Value) -> Value {
    let source = json!({"type": "host", "hostId": host});
    let mut report = json!({
        "source": source, "name": "ping", "status": "OK", "message": "", "occurredAt": now(),
    });
    report[key] = value;
    report
}

#[test]
fn reports_are_checked_and_repetitions_dropped() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let mut client = Client::of(&fake_server);
    let longest = "\u{e9}".repeat(1024);
    let table = [
        (report(&id, "message", json!(longest)), 200, "longest"),
        (
            report(&id, "message", json!(longest.clone() + "x")),
            400,
            "too long",
        ),
        (report(&id, "status", json!("ok")), 400, "case of status"),
        (report(&id, "name", json!("a.b")), 400, "dot in name"),
        (report(&id, "maxCheckAttempts", json!(0)), 400, "attempts"),
        (report(&id, "maxCheckAttempts", json!(11)), 400, "attempts"),
        (
            report(&id, "notificationInterval", json!("10")),
            400,
            "type",
        ),
        (report(&id, "occurredAt", json!(null)), 400, "no time"),
        (report(&id, "source", json!({})), 400, "no source"),
        (report("3unknownHst", "status", json!("OK")), 404, "no host"),
        (
            report(&id, "occurredAt", json!(now() - 7 * 3600)),
            200,
            "dropped: too old",
        ),
    ];
    for (report, status, why) in table {
        let body = json!({"reports": [report]}).to_string();
        assert_eq!(client.ask("POST", REPORT, &body).status, status, "{why}");
    }
    let twice = report(&id, "occurredAt", json!(now() - 60));
    let body = json!({"reports": [twice, twice]}).to_string();
    assert_eq!(client.ask("POST", REPORT, &body).status, 200);
    let many = vec![twice; 101];
    let body = json!({ "reports": many }).to_string();
    assert_eq!(client.ask("POST", REPORT, &body).status, 400, "too many");
    assert_eq!(client.ask("POST", REPORT, "[]").status, 400);
    fake_server.seen(|seen| {
        assert_eq!(seen.model.reports.len(), 2);
        assert_eq!(seen.model.ignored, 2);
    });
}

#[test]
fn graph_definitions_are_checked() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let graph = |name: &str, unit: &str, metric: &str| {
        let metrics = json!([{"name": metric, "displayName": "M", "isStacked": true}]);
        json!([{"name": name, "unit": unit, "metrics": metrics}])
    };
    let table = [
        (graph("custom.a", "bytes", "custom.a.b"), 200, "plain"),
        (graph("custom.#.a", "float", "custom.#.a.*"), 200, "wild"),
        (
            json!([{"name": "custom.c", "unit": "iops", "metrics": null}]),
            200,
            "no metrics",
        ),
        (graph("a", "bytes", "a.b"), 400, "not custom"),
        (
            graph("custom.#.#", "bytes", "custom.#.#.a"),
            400,
            "two hashes",
        ),
        (graph("custom.a", "furlong", "custom.a.b"), 400, "unit"),
        (
            graph("custom.a", "bytes", "custom.b.a"),
            400,
            "not below the graph",
        ),
        (graph("custom.a b", "bytes", "custom.a b.c"), 400, "blank"),
        (json!({}), 400, "no array"),
    ];
    for (graph, status, why) in table {
        let reply = client.ask("POST", GRAPHS, &graph.to_string());
        assert_eq!(reply.status, status, "{why}");
    }
    let names = fake_server.seen(|seen| seen.model.graphs.keys().cloned().collect::<Vec<_>>());
    assert_eq!(names, ["custom.#.a", "custom.a", "custom.c"]);
}

#[test]
fn metadata_is_kept_by_namespace() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let mut client = Client::of(&fake_server);
    let mut put = |namespace: &str, body: &str| {
        let path = format!("/api/v0/hosts/{id}/metadata/{namespace}");
        client.ask("PUT", &path, body).status
    };
    let large = json!("x".repeat(102_400)).to_string();
    assert_eq!(put("place", r#"{"rack":"b2"}"#), 200);
    assert_eq!(put("place", "null"), 200, "any value will do");
    assert_eq!(put("place", ""), 400);
    assert_eq!(put("place", &large), 400, "too large");
    assert_eq!(put("a.b", "1"), 400, "dot");
    assert_eq!(put("mackerel-x", "1"), 400, "reserved");
    for number in 1..50 {
        assert_eq!(put(&format!("n{number}"), "1"), 200);
    }
    assert_eq!(put("n50", "1"), 400, "one too many");
    assert_eq!(put("n49", "2"), 200, "one that is there");
    fake_server.seen(|seen| {
        let host = seen.model.hosts.get_mut(&id).unwrap();
        assert_eq!(host.metadata["place"], Value::Null);
        assert_eq!(host.metadata["n49"], json!(2));
        host.is_retired = true;
    });
    assert_eq!(put("place", "1"), 400, "retired");
}
