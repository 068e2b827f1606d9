//! Hosts and permissions: answers without faults.

use serde_json::{Value, json};

use crate::client::Client;
use fake_server::{FakeServer, KEY, Recorder, Settings};

const HOSTS: &str = "/api/v0/hosts";

/// The smallest host, with one more member.
fn host(key: &str, value: Value) -> Value {
    let mut document = json!({"name": "h", "meta": {}});
    document[key] = value;
    document
}

#[test]
fn a_host_is_registered_described_and_updated() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let document = host("roleFullnames", json!(["web:app"]));
    let reply = client.ask("POST", HOSTS, &document.to_string());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 11, "{id}");
    assert!(
        id.chars()
            .all(|c| c.is_ascii_alphanumeric() && !"0OIl".contains(c))
    );

    let path = format!("{HOSTS}/{id}");
    let described = client.ask("GET", &path, "").json();
    assert_eq!(described["host"]["id"], json!(id));
    assert_eq!(described["host"]["name"], "h");
    assert_eq!(described["host"]["status"], "working");
    assert_eq!(described["host"]["roles"], json!({"web": ["app"]}));
    assert_eq!(described["host"]["isRetired"], false);

    let mut document = host("roleFullnames", json!(["web:db"]));
    document["name"] = json!("renamed");
    let reply = client.ask("PUT", &path, &document.to_string());
    assert_eq!(reply.json(), json!({"id": id}));
    let described = client.ask("GET", &format!("{path}?"), "").json();
    assert_eq!(described["host"]["name"], "renamed");
    let roles = &described["host"]["roles"];
    assert_eq!(*roles, json!({"web": ["app", "db"]}), "roles only add up");
    assert_eq!(fake_server.seen(|seen| seen.model.only_host().updates), 1);
    assert_eq!(fake_server.seen(|seen| seen.counts.connections), 1);
}

#[test]
fn a_document_that_is_not_one_is_refused() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let table = [
        (json!([]), "no object"),
        (json!({"meta": {}}), "no name"),
        (json!({"name": " ", "meta": {}}), "blank name"),
        (json!({"name": "h"}), "no meta"),
        (host("displayName", json!(1)), "type"),
        (host("roleFullnames", json!(["web"])), "no colon"),
        (host("roleFullnames", json!(["w:app"])), "service too short"),
        (host("roleFullnames", json!(["-eb:app"])), "starts with -"),
        (host("roleFullnames", json!("web:app")), "no array"),
        (host("checks", json!([{"name": "a b"}])), "blank in a name"),
        (
            host("checks", json!([{"name": "a", "memo": "x".repeat(251)}])),
            "memo too long",
        ),
        (
            host("interfaces", json!([{"ipv4Addresses": []}])),
            "no name",
        ),
        (
            host(
                "interfaces",
                json!([{"name": "e", "ipv4Addresses": ["10.0.0.0/8"]}]),
            ),
            "prefix",
        ),
        (
            host("interfaces", json!([{"name": "e", "macAddress": ""}])),
            "no mac",
        ),
        (host("meta", json!({"kernel": {"name": 1}})), "no string"),
        (host("meta", json!({"cpu": [{"mhz": 2400}]})), "no string"),
        (host("meta", json!({"memory": []})), "no object"),
        (
            host("meta", json!({"filesystem": {"/dev/sda": {"kb_size": 1}}})),
            "incomplete",
        ),
    ];
    for (document, why) in table {
        let reply = client.ask("POST", HOSTS, &document.to_string());
        assert_eq!(reply.status, 400, "{why}: {document}");
        assert!(reply.json()["error"]["message"].is_string(), "{why}");
    }
    assert_eq!(client.ask("POST", HOSTS, "{\"name\":").status, 400);
    assert!(fake_server.seen(|seen| seen.model.hosts.is_empty()));
}

#[test]
fn absent_parts_may_be_null() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let mut document = host("interfaces", Value::Null);
    document["customIdentifier"] = Value::Null;
    document["roleFullnames"] = json!(["web: app"]);
    document["meta"] = json!({
        "cpu": [{"mhz": "2400"}],
        "filesystem": {"/dev/sda1": {"kb_size": 3, "kb_used": 1, "kb_available": 2, "percent_used": "34%", "mount": "/"}},
    });
    assert_eq!(client.ask("POST", HOSTS, &document.to_string()).status, 200);
}

#[test]
fn a_host_is_found_by_its_identifier_and_status() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| {
        seen.model.add_host("other", "");
        seen.model.add_host("h", "i-1 a.example")
    });
    let mut client = Client::of(&fake_server);
    let mut find = |query: &str| {
        let found = client.ask("GET", &format!("{HOSTS}?{query}"), "").json();
        let hosts = found["hosts"].as_array().unwrap().clone();
        let ids = hosts
            .iter()
            .map(|host| host["id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(
        find("customIdentifier=i-1+a.example&status=working&status=standby"),
        [id.as_str()]
    );
    assert_eq!(find("customIdentifier=i-1%20a.example"), [id.as_str()]);
    assert!(find("customIdentifier=i-1+a.example&status=poweroff").is_empty());
    assert!(find("customIdentifier=i-2").is_empty());

    let again = host("customIdentifier", json!("i-1 a.example")).to_string();
    assert_eq!(
        client.ask("POST", HOSTS, &again).status,
        400,
        "it is unique"
    );
    assert_eq!(
        client.ask("PUT", &format!("{HOSTS}/{id}"), &again).status,
        200
    );
}

#[test]
fn status_and_retirement() {
    let fake_server = FakeServer::http();
    let id = fake_server.seen(|seen| seen.model.add_host("h", ""));
    let mut client = Client::of(&fake_server);
    let path = format!("{HOSTS}/{id}");
    let table = [
        ("status", r#"{"status":"standby"}"#, 200),
        ("status", r#"{"status":"asleep"}"#, 400),
        ("status", "{}", 400),
        ("retire", "null", 200),
        ("retire", "", 200),
    ];
    for (what, body, status) in table {
        let reply = client.ask("POST", &format!("{path}/{what}"), body);
        assert_eq!(reply.status, status, "{what} {body}");
    }
    let described = client.ask("GET", &path, "").json();
    assert_eq!(described["host"]["status"], "standby");
    assert_eq!(described["host"]["isRetired"], true);
}

#[test]
fn who_may_do_what() {
    let fake_server = FakeServer::http();
    let mut client = Client::of(&fake_server);
    let mut status = |headers: &str, method: &str, path: &str| {
        client
            .request_with(method, path, headers, r#"{"name":"h","meta":{}}"#)
            .unwrap();
        let reply = client.reply().unwrap();
        let message = reply.json()["error"]["message"].clone();
        assert_eq!(message.is_string(), reply.status != 200, "{message}");
        reply.status
    };
    let right = format!("x-api-KEY: {KEY}\r\n");
    assert_eq!(status("", "POST", HOSTS), 401, "no key");
    assert_eq!(status("X-Api-Key: wrong\r\n", "POST", HOSTS), 401);
    assert_eq!(status(&right, "POST", HOSTS), 200);
    fake_server.seen(|seen| seen.model.read_only = true);
    assert_eq!(status(&right, "POST", HOSTS), 403);
    assert_eq!(status(&right, "GET", HOSTS), 200);
    for path in ["/", "/api/v0/nothing", "/api/v1/hosts", "/api/v0/hosts/x/y"] {
        assert_eq!(status(&right, "GET", path), 404, "{path}");
    }
    assert_eq!(status(&right, "GET", "/api/v0/hosts/3unknownHst"), 404);

    let anyone = FakeServer::start(Settings {
        key: None,
        ..Settings::default()
    })
    .unwrap();
    let mut client = Client::of(&anyone);
    client
        .request_with("GET", HOSTS, "X-Api-Key: whatever\r\n", "")
        .unwrap();
    assert_eq!(client.reply().unwrap().status, 200);
}

#[test]
fn recorder_keeps_what_is_accepted() {
    let directory = std::env::temp_dir().join(format!("recorder-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let fake_server = FakeServer::start(Settings {
        recorder: Some(Recorder::new(directory.clone())),
        ..Settings::default()
    });
    let fake_server = fake_server.unwrap();
    let mut client = Client::of(&fake_server);
    let document = host("memo", json!("kept")).to_string();
    assert_eq!(client.ask("POST", HOSTS, "refused").status, 400);
    assert_eq!(client.ask("POST", HOSTS, &document).status, 200);
    assert_eq!(client.ask("POST", HOSTS, &document).status, 200);
    let files = std::fs::read_dir(&directory).unwrap();
    let mut names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["hosts-00000", "hosts-00001"]);
    let kept = std::fs::read_to_string(directory.join("hosts-00001")).unwrap();
    assert_eq!(kept, document);
    std::fs::remove_dir_all(&directory).unwrap();
}
