//! Hosts in clouds: requests to a metadata service at its real address, and the use of its answers.
//!
//! Each test has a network namespace of its own.

pub(crate) mod namespace;
mod service;

use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use self::namespace::inside;
use self::service::Service;
use crate::process::Agent;
use crate::sandbox::{Sandbox, limit};
use fake_server::{Door, FakeServer};

const HOSTS: &str = "/api/v0/hosts";
const IDENTIFIER: &str = "i-4f90d537.ec2.amazonaws.com";
const TOKEN: &str = "AQAEAGx0b2tlbg==";

/// A sandbox whose host has the firmware of a fixture, and whose agent detects the cloud.
fn on(fixture: &str, fake_server: &FakeServer) -> Sandbox {
    let mut sandbox = Sandbox::of(fake_server);
    let conf = sandbox
        .content("agent.conf")
        .replace("cloud_platform = \"none\"", "cloud_platform = \"auto\"");
    sandbox.write("agent.conf", &conf);
    let sys = Path::new("tests/fixtures").join(fixture).join("t0/sys");
    sandbox.env("HOST_SYS", std::path::absolute(sys).unwrap());
    // A dead proxy: requests that do not bypass it fail.
    sandbox.env("HTTP_PROXY", "http://127.0.0.1:9");
    sandbox
}

/// EC2's metadata service, of version 2 only if there is a token.
fn ec2(token: Option<&'static str>) -> Service {
    Service::start(move |request| {
        if request.line == "PUT /latest/api/token" {
            let is_asked_well = request.header("x-aws-ec2-metadata-token-ttl-seconds") == "21600";
            return match token {
                Some(token) if is_asked_well => (200, token.to_owned()),
                _ => (404, String::new()),
            };
        }
        if request.header("x-aws-ec2-metadata-token") != token.unwrap_or_default() {
            return (401, String::new());
        }
        let text = match request.line.strip_prefix("GET /latest/meta-data/") {
            Some("services/partition") => "aws",
            Some("instance-id") => "i-4f90d537",
            Some("instance-type") => "t3.micro",
            Some("security-groups") => "web\nssh",
            Some("local-ipv4") => "10.0.0.7",
            _ => return (404, "<html>no such thing".to_owned()),
        };
        (200, text.to_owned())
    })
}

/// The document of the only host, once it has been put.
#[track_caller]
fn described(fake_server: &FakeServer, seconds: u64) -> Value {
    fake_server.wait(limit(seconds), "description", |seen| {
        let mut hosts = seen.model.hosts.values();
        let host = hosts.find(|host| host.updates > 0)?;
        Some(Value::Object(host.document.clone()))
    })
}

/// Seconds from `start` to the time of the first values, and to their arrival.
#[track_caller]
fn first_round(fake_server: &FakeServer, start: Duration) -> (u64, u64) {
    let first = fake_server.wait(limit(40), "values", |seen| {
        let mut hosts = seen.model.hosts.values();
        let host = hosts.find(|host| !host.series.is_empty())?;
        host.series["loadavg5"].keys().next().copied()
    });
    let arrived = UNIX_EPOCH.elapsed().unwrap().as_secs() - start.as_secs();
    (first.saturating_sub(start.as_secs()), arrived)
}

fn now() -> Duration {
    UNIX_EPOCH.elapsed().unwrap()
}

#[test]
fn ec2_of_both_versions_is_described_and_found_again() {
    inside(
        "network::cloud::ec2_of_both_versions_is_described_and_found_again",
        || {
            namespace::address_here();
            for token in [Some(TOKEN), None] {
                let service = ec2(token);
                let fake_server = FakeServer::http();
                let sandbox = on("cloud-ec2-nitro", &fake_server);
                let start = now();
                let agent = sandbox.start();
                let (measured, arrived) = first_round(&fake_server, start);
                assert!(measured <= 1 && arrived <= limit(5).as_secs(), "{arrived}");
                let document = described(&fake_server, 15);
                assert_eq!(document["customIdentifier"], IDENTIFIER);
                let cloud = &document["meta"]["cloud"];
                assert_eq!(cloud["provider"], "ec2");
                let expected = json!({
                    "instance-id": "i-4f90d537", "instance-type": "t3.micro",
                    "placement/availability-zone": "", "security-groups": "web\nssh", "ami-id": "",
                    "hostname": "", "local-hostname": "", "public-hostname": "",
                    "local-ipv4": "10.0.0.7", "public-ipv4": "", "reservation-id": "",
                });
                assert_eq!(cloud["metadata"], expected);
                let asked = service.asked();
                assert_eq!(
                    asked[..2],
                    [
                        "PUT /latest/api/token",
                        "GET /latest/meta-data/services/partition"
                    ]
                );
                assert_eq!(asked.len(), 13, "{asked:?}");

                // The machine is the same one even if its state is lost.
                drop(agent);
                fs::remove_file(sandbox.id_file()).unwrap();
                fake_server.seen(|seen| seen.requests.clear());
                let _agent = sandbox.start();
                fake_server.wait(limit(15), "description", |seen| {
                    let mut puts = seen.requests.iter().map(|request| &request.head);
                    puts.any(|head| head.method == "PUT").then_some(())
                });
                fake_server.seen(|seen| {
                    assert_eq!(seen.model.hosts.len(), 1, "{}", seen.summary());
                    assert_eq!(seen.to("POST", HOSTS).count(), 0, "{}", seen.summary());
                });
            }
        },
    );
}

#[test]
fn gce_is_described() {
    inside("network::cloud::gce_is_described", || {
        namespace::address_here();
        let service = Service::start(|request| match request.line.as_str() {
            "GET /computeMetadata/v1/?recursive=true"
                if request.header("metadata-flavor") == "Google" =>
            {
                let text = r#"{"instance":{"attributes":{"ssh-keys":"me:ssh-ed25519 A"},
                    "hostname":"web.c.shop.internal","id":4520031799277581759,
                    "machineType":"projects/1234/machineTypes/e2-micro",
                    "zone":"projects/1234/zones/asia-northeast1-b"},"project":{"projectId":"shop"}}"#;
                (200, text.to_owned())
            }
            _ => (403, String::new()),
        });
        let fake_server = FakeServer::http();
        let sandbox = on("cloud-gce", &fake_server);
        let _agent = sandbox.start();
        let document = described(&fake_server, 15);
        assert_eq!(
            document["customIdentifier"],
            "4520031799277581759.gce.cloud.google.com"
        );
        let expected = json!({"provider": "gce", "metadata": {
            "hostname": "web.c.shop.internal", "instance-id": "4520031799277581759",
            "instance-type": "e2-micro", "zone": "asia-northeast1-b", "projectId": "shop",
        }});
        assert_eq!(document["meta"]["cloud"], expected);
        assert_eq!(service.asked().len(), 1);
    });
}

#[test]
fn azure_is_described() {
    inside("network::cloud::azure_is_described", || {
        namespace::address_here();
        let _service = Service::start(|request| {
            let path = request
                .line
                .strip_suffix("?api-version=2017-04-02&format=text");
            let name = path.and_then(|path| path.strip_prefix("GET /metadata/instance/"));
            let text = match name {
                _ if request.header("metadata") != "true" => return (400, String::new()),
                Some("compute/vmId") => "02aab8a4-74ef-476e-8182-f6d2ba4166a6",
                Some("compute/location") => "japaneast",
                Some("compute/vmSize") => "Standard_B1s",
                Some("network/interface/0/ipv4/ipAddress/0/privateIpAddress") => "10.0.0.4",
                _ => return (404, String::new()),
            };
            (200, text.to_owned())
        });
        let fake_server = FakeServer::http();
        let sandbox = on("cloud-azure", &fake_server);
        let _agent = sandbox.start();
        let document = described(&fake_server, 15);
        let id = "02aab8a4-74ef-476e-8182-f6d2ba4166a6";
        let identifier = format!("{id}.virtual_machine.azure.microsoft.com");
        assert_eq!(document["customIdentifier"], identifier);
        let expected = json!({"provider": "AzureVM", "metadata": {
            "vmID": id, "location": "japaneast", "virtualMachineSizeType": "Standard_B1s",
            "privateIpAddress": "10.0.0.4",
        }});
        assert_eq!(document["meta"]["cloud"], expected);
    });
}

#[test]
fn a_host_that_is_in_no_cloud_sends_nothing() {
    inside(
        "network::cloud::a_host_that_is_in_no_cloud_sends_nothing",
        || {
            namespace::packets_vanish();
            let before = namespace::sent();
            for fixture in ["pi-4", "kvm-vps", "hyper-v", "chromebook"] {
                let fake_server = FakeServer::http();
                let sandbox = on(fixture, &fake_server);
                let start = now();
                let _agent = sandbox.start();
                let (measured, arrived) = first_round(&fake_server, start);
                assert!(measured <= 1 && arrived <= limit(5).as_secs(), "{arrived}");
                let document = described(&fake_server, 15);
                assert_eq!(document["meta"].get("cloud"), None, "{fixture}");
                assert_eq!(namespace::sent(), before, "{fixture}");
            }
        },
    );
}

/// Waits for the time limits of a service that never answers.
#[test]
#[ignore = "slow: make test-slow"]
fn slow_nobody_answers_and_the_first_round_is_as_early_as_ever() {
    inside(
        "network::cloud::slow_nobody_answers_and_the_first_round_is_as_early_as_ever",
        || {
            namespace::packets_vanish();
            let before = namespace::sent();
            // (firmware, seconds that a new host looks for its identity, and that a registered one
            // does)
            let table = [
                ("cloud-ec2-nitro", 16),
                ("cloud-gce", 8),
                ("cloud-azure", 8),
            ];
            for (fixture, seconds) in table {
                let fake_server = FakeServer::http();
                let sandbox = on(fixture, &fake_server);
                let start = now();
                let mut agent = sandbox.start();
                let (measured, arrived) = first_round(&fake_server, start);
                assert!(measured <= 1, "{fixture}: {measured}");
                let longest = limit(seconds + 4).as_secs();
                assert!(arrived <= longest, "{fixture}: {arrived}");
                let document = described(&fake_server, 15);
                assert_eq!(document["meta"].get("cloud"), None, "{fixture}");
                assert_eq!(document.get("customIdentifier"), None, "{fixture}");
                warned(&mut agent);
                drop(agent);

                fake_server.seen(|seen| {
                    seen.model
                        .hosts
                        .values_mut()
                        .for_each(|host| host.series.clear())
                });
                let start = now();
                let _agent = sandbox.start();
                let (measured, arrived) = first_round(&fake_server, start);
                assert!(
                    measured <= 1 && arrived <= limit(5).as_secs(),
                    "{fixture}: {arrived}"
                );
            }
            assert!(namespace::sent() > before, "this is what is counted");
        },
    );
}

#[track_caller]
fn warned(agent: &mut Agent<'_>) {
    let line = agent.wait_line(limit(20), "warning", |line| {
        line.contains("metadata service")
    });
    assert!(line.contains("timed out"), "{line}");
}

#[test]
fn a_host_that_starts_without_network_is_what_it_is_when_there_is_one() {
    inside(
        "network::cloud::a_host_that_starts_without_network_is_what_it_is_when_there_is_one",
        || {
            let fake_server = FakeServer::http();
            fake_server.door(Door::Refusing);
            let sandbox = on("cloud-ec2-nitro", &fake_server);
            let start = now();
            let mut agent = sandbox.start();
            agent.wait_line(limit(20), "complaint", |line| line.contains("refused"));
            namespace::address_here();
            let _service = ec2(Some(TOKEN));
            fake_server.door(Door::Open);
            let document = described(&fake_server, 30);
            assert_eq!(document["customIdentifier"], IDENTIFIER);
            let (measured, _) = first_round(&fake_server, start);
            assert!(measured <= 1, "nothing is lost: {measured}");
        },
    );
}

#[test]
fn once_tells_of_the_cloud_too() {
    inside("network::cloud::once_tells_of_the_cloud_too", || {
        namespace::address_here();
        let _service = ec2(None);
        let fake_server = FakeServer::http();
        let finished = on("cloud-ec2-xen", &fake_server).run(&["once"], &[]);
        let line: Value = serde_json::from_str(&finished.stdout).unwrap();
        assert_eq!(line["host"]["customIdentifier"], IDENTIFIER);
        assert_eq!(line["host"]["meta"]["cloud"]["provider"], "ec2");
    });
}

#[test]
fn the_id_of_another_machine_ends_the_agent() {
    inside(
        "network::cloud::the_id_of_another_machine_ends_the_agent",
        || {
            namespace::address_here();
            let _service = ec2(Some(TOKEN));
            let fake_server = FakeServer::http();
            let id = fake_server.seen(|seen| seen.model.add_host("h", "i-1.ec2.amazonaws.com"));
            let sandbox = on("cloud-ec2-nitro", &fake_server);
            sandbox.adopt(&id);
            let finished = sandbox.run(&[], &[]);
            assert_eq!(finished.code, Some(1), "{}", finished.stderr);
            let words = "custom identifiers mismatch";
            assert!(finished.stderr.contains(words), "{}", finished.stderr);
            assert_eq!(fake_server.seen(|seen| seen.model.only_host().updates), 0);
        },
    );
}
