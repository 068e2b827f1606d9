//! Posted values, and recorded requests.

use serde_json::{Value, json};

use crate::client::Client;
use fake_server::{FakeServer, KEY};

const TSDB: &str = "/api/v0/tsdb";

fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    since.as_secs()
}

fn value(host: &str, name: &str, time: u64, value: f64) -> Value {
    json!({"hostId": host, "name": name, "time": time, "value": value})
}

#[test]
fn values_are_kept_by_name_and_time() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let mut client = Client::of(&fake_server);
    let start = now() / 60 * 60;
    let day = 24 * 3600;
    let posts = [
        json!([
            value(&id, "loadavg1", start - 120, 1.0),
            value(&id, "loadavg5", start, 5.0)
        ]),
        json!([
            value(&id, "loadavg1", start - 60, 2.0),
            value(&id, "loadavg1", start - 60, 3.0)
        ]),
        json!([value(&id, "loadavg1", start - day - 60, 9.0)]),
        json!([value(&id, "loadavg1", start + day + 120, 9.0)]),
        json!([]),
    ];
    for post in posts {
        let reply = client.ask("POST", TSDB, &post.to_string());
        assert_eq!(
            (reply.status, reply.json()),
            (200, json!({"success": true})),
            "{post}"
        );
    }
    fake_server.seen(|seen| {
        let host = &seen.model.hosts[&id];
        let series: Vec<_> = host.series["loadavg1"].clone().into_iter().collect();
        assert_eq!(series, [(start - 120, 1.0), (start - 60, 3.0)]);
        assert_eq!(
            host.minutes("loadavg1"),
            [start / 60 - 2, start / 60 - 1],
            "{host:?}"
        );
        assert!(host.minutes("loadavg15").is_empty());
        assert_eq!(seen.model.ignored, 2);
    });
    let names = client.ask("GET", &format!("/api/v0/hosts/{id}/metric-names"), "");
    assert_eq!(names.json(), json!({"names": ["loadavg1", "loadavg5"]}));
    let path = format!("/api/v0/hosts/{id}/metrics?name=loadavg1");
    let points = client.ask("GET", &format!("{path}&from={}&to={start}", start - 60), "");
    let expected = json!({"metrics": [{"time": start - 60, "value": 3.0}]});
    assert_eq!(points.json(), expected);
    assert_eq!(client.ask("GET", &path, "").status, 400);
}

#[test]
fn a_bad_value_takes_the_whole_post_with_it() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let mut client = Client::of(&fake_server);
    let good = value(&id, "good", now(), 1.0);
    let table = [
        (value("3unknownHst", "a", now(), 1.0), 404, "unknown host"),
        (value(&id, "a b", now(), 1.0), 400, "blank in the name"),
        (value(&id, "", now(), 1.0), 400, "no name"),
        (
            json!({"hostId": id, "name": "a", "time": 1.5, "value": 1}),
            400,
            "time",
        ),
        (
            json!({"hostId": id, "name": "a", "time": now(), "value": null}),
            400,
            "NaN",
        ),
        (
            json!({"hostId": id, "name": "a", "time": now(), "value": "1"}),
            400,
            "text",
        ),
        (json!({"name": "a", "time": now(), "value": 1}), 400, "host"),
    ];
    for (bad, status, why) in table {
        let post = json!([good, bad]).to_string();
        assert_eq!(client.ask("POST", TSDB, &post).status, status, "{why}");
    }
    assert_eq!(client.ask("POST", TSDB, "null").status, 400);
    assert_eq!(client.ask("POST", TSDB, "[1e999]").status, 400);
    assert!(fake_server.seen(|seen| seen.model.only_host().series.is_empty()));
}

#[test]
fn every_request_is_remembered() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    client.ask("POST", "/api/v0/tsdb?", "[]");
    client.ask("GET", "/api/v0/nothing?a=b", "");
    Client::of(&fake_server).ask("POST", TSDB, "nonsense");
    fake_server.seen(|seen| {
        let seen: Vec<_> = seen
            .requests
            .iter()
            .map(|request| {
                let head = &request.head;
                assert_eq!(head.header("x-api-key"), Some(KEY));
                assert!(now() - request.time < 60);
                (
                    request.number,
                    request.connection,
                    format!("{} {}?{}", head.method, head.path, head.query),
                    String::from_utf8(request.body.clone()).unwrap(),
                    request.status.unwrap(),
                )
            })
            .collect();
        let want = [
            (1, 1, "POST /api/v0/tsdb?", "[]", 200),
            (2, 1, "GET /api/v0/nothing?a=b", "", 404),
            (3, 2, "POST /api/v0/tsdb?", "nonsense", 400),
        ]
        .map(|(number, connection, line, body, status)| {
            (number, connection, line.to_owned(), body.to_owned(), status)
        });
        assert_eq!(seen, want);
    });
}

#[test]
fn what_is_not_http_is_refused() {
    let table = [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET hosts HTTP/1.1\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/2\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nno colon\r\n\r\n".to_owned(), 400),
        (
            "GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".to_owned(),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            413,
        ),
        (
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
            411,
        ),
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(66_000)), 431),
    ];
    let fake_server = FakeServer::http();
    for (text, status) in table {
        let mut client = Client::of(&fake_server);
        client.send(text.as_bytes()).unwrap();
        let start = text.get(..40).unwrap_or(&text);
        assert_eq!(client.reply().unwrap().status, status, "{start}");
    }
    assert_eq!(fake_server.seen(|seen| seen.requests.len()), 0);
}
