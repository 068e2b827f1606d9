//! Each service against scripted answers, with simulated time.

use super::*;
use crate::sys::http::{Answer, LinkError};

const TOKEN: &str = "PUT /latest/api/token x-aws-ec2-metadata-token-ttl-seconds: 21600";
const PARTITION: &str = "/latest/meta-data/services/partition";
const INSTANCE: &str = "/latest/meta-data/instance-id";
const VM: &str = "/metadata/instance/compute/vmId?api-version=2017-04-02&format=text";
const GCE: &str = "/computeMetadata/v1/?recursive=true";
const GCE_DOCUMENT: &str = r#"{"instance":{"attributes":{"ssh-keys":"x"},"hostname":"web.c.shop.internal",
    "id":4520031799277581759,"machineType":"projects/1234/machineTypes/e2-micro",
    "zone":"projects/1234/zones/asia-northeast1-b"},"project":{"numericProjectId":1234,"projectId":"shop"}}"#;

/// The answer to a request: status and body, or `None` for no answer.
type Rule = dyn Fn(&str, usize) -> Option<(u16, &'static str)>;

/// A service that answers by a rule. The rule's arguments are the request and the number of earlier
/// identical requests.
struct Script<'a> {
    rule: &'a Rule,
    asked: Vec<String>,
}

impl Fetch for Script<'_> {
    fn fetch(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &str)>,
    ) -> Result<Answer, LinkError> {
        let mut line = match method {
            Method::Put => format!("PUT {path}"),
            _ => path.to_owned(),
        };
        if let Some((name, value)) = header {
            line.push_str(&format!(" {name}: {value}"));
        }
        let before = self.asked.iter().filter(|asked| **asked == line).count();
        let said = (self.rule)(&line, before);
        self.asked.push(line);
        match said {
            Some((status, body)) => Ok(Answer {
                status,
                body: body.to_owned(),
                encoding: None,
                retry_after: None,
                location: None,
                date: None,
            }),
            None => Err(LinkError::for_test("packets vanish")),
        }
    }
}

/// The result of a lookup, its requests, and the total pause between them in seconds.
struct Seen {
    found: Result<Place, String>,
    asked: Vec<String>,
    waited: u64,
}

fn look_at(provider: Provider, is_to_prove: bool, rule: &Rule) -> Seen {
    let asked = Vec::new();
    let mut script = Script { rule, asked };
    let target = Target {
        provider,
        is_to_prove,
    };
    let mut waited = Duration::ZERO;
    let found = look(target, &mut script, &mut |time| waited += time);
    Seen {
        found,
        asked: script.asked,
        waited: waited.as_secs(),
    }
}

impl Seen {
    fn identifier(&self) -> Option<&str> {
        let place = self.found.as_ref().ok()?;
        place.custom_identifier.as_deref()
    }

    /// The non-empty fields of the description; `None` if there is no description.
    fn fields(&self) -> Option<Vec<(&str, &str)>> {
        let cloud = self.found.as_ref().ok()?.cloud.as_ref()?;
        let all = cloud.metadata.0.iter();
        let all = all.map(|(name, text)| (*name, text.as_str()));
        Some(all.filter(|(_, text)| !text.is_empty()).collect())
    }

    fn keys(&self) -> usize {
        let place = self.found.as_ref().unwrap();
        place
            .cloud
            .as_ref()
            .map_or(0, |cloud| cloud.metadata.0.len())
    }
}

/// EC2 with metadata version 2: every request needs the token.
fn ec2_v2(line: &str, _: usize) -> Option<(u16, &'static str)> {
    if line == TOKEN {
        return Some((200, "AQAEAA==\n"));
    }
    let Some(path) = line.strip_suffix(" x-aws-ec2-metadata-token: AQAEAA==") else {
        return Some((401, "unauthorized"));
    };
    Some(match path {
        PARTITION => (200, "aws-cn"),
        INSTANCE => (200, "i-4f90d537"),
        "/latest/meta-data/security-groups" => (200, "web\nssh"),
        "/latest/meta-data/placement/availability-zone" => (200, "ap-northeast-1a"),
        _ => (404, "<html>not found"),
    })
}

/// EC2 with metadata version 1: no token and no header.
fn ec2_v1(line: &str, _: usize) -> Option<(u16, &'static str)> {
    Some(match line {
        PARTITION => (200, "aws"),
        INSTANCE => (200, "i-4f90d537"),
        _ => (404, ""),
    })
}

#[test]
fn ec2_is_asked_with_a_token_or_without() {
    let seen = look_at(Provider::Ec2, true, &ec2_v2);
    assert_eq!(seen.identifier(), Some("i-4f90d537.ec2.amazonaws.com"));
    let fields = [
        ("instance-id", "i-4f90d537"),
        ("placement/availability-zone", "ap-northeast-1a"),
        ("security-groups", "web\nssh"),
    ];
    assert_eq!(seen.fields().unwrap(), fields);
    assert_eq!((seen.keys(), seen.asked.len(), seen.waited), (11, 13, 0));

    let seen = look_at(Provider::Ec2, true, &ec2_v1);
    assert_eq!(seen.identifier(), Some("i-4f90d537.ec2.amazonaws.com"));
    assert_eq!(seen.fields().unwrap(), [("instance-id", "i-4f90d537")]);
    assert_eq!(seen.keys(), 11, "what is not there is empty");
}

#[test]
fn service_of_another_cloud_is_not_used() {
    let other = |_: &str, _: usize| Some((200, "<html>welcome to this router"));
    let seen = look_at(Provider::Ec2, true, &other);
    assert_eq!(seen.found, Ok(Place::default()));
    assert_eq!(seen.asked.len(), 2, "{:?}", seen.asked);
    let seen = look_at(Provider::Gce, true, &other);
    assert_eq!((seen.found, seen.asked.len()), (Ok(Place::default()), 1));

    let seen = look_at(Provider::Gce, false, &other);
    assert_eq!(seen.found.unwrap_err(), "its answer is invalid");

    let nothing = |_: &str, _: usize| Some((404, ""));
    for (provider, requests) in [(Provider::Ec2, 2), (Provider::Gce, 2), (Provider::Azure, 1)] {
        let seen = look_at(provider, true, &nothing);
        assert_eq!(seen.found, Ok(Place::default()), "{provider:?}");
        assert_eq!(
            (seen.asked.len(), seen.waited),
            (requests, 0),
            "{provider:?}"
        );
    }
}

#[test]
fn service_that_never_answers_costs_at_most_16_seconds() {
    // (cloud, whether it was detected from the firmware, number of requests, seconds)
    let table = [
        (Provider::Ec2, true, 4, 16),
        (Provider::Ec2, false, 4, 16),
        (Provider::Gce, true, 2, 8),
        (Provider::Gce, false, 2, 8),
        (Provider::Azure, true, 2, 8),
        (Provider::Azure, false, 3, 13),
    ];
    for (provider, is_to_prove, requests, seconds) in table {
        let seen = look_at(provider, is_to_prove, &|_, _| None);
        let why = seen.found.unwrap_err();
        assert_eq!(why, "no answer: connect to the test: packets vanish");
        assert_eq!(seen.asked.len(), requests, "{provider:?} {is_to_prove}");
        let limit = REQUEST_LIMIT.as_secs() * requests as u64 + seen.waited;
        assert_eq!(limit, seconds, "{provider:?} {is_to_prove}");
    }
}

#[test]
fn identifier_is_requested_up_to_three_times() {
    // (why this row exists, statuses of three attempts, identifier, seconds)
    let table = [
        ("it is not there", [404, 404, 404], None, 4),
        ("it is there at last", [404, 404, 200], Some("i-1"), 4),
        ("it is there soon", [404, 200, 200], Some("i-1"), 2),
        (
            "it is not there and then not reachable",
            [404, 0, 200],
            Some("i-1"),
            4,
        ),
        ("at once", [200, 0, 0], Some("i-1"), 0),
    ];
    for (why, statuses, id, seconds) in table {
        let rule = move |line: &str, before: usize| match line {
            PARTITION => Some((200, "aws")),
            INSTANCE => match statuses[before] {
                0 => None,
                status => Some((status, "i-1")),
            },
            _ => Some((404, "")),
        };
        let seen = look_at(Provider::Ec2, true, &rule);
        let expected = id.map(|id| format!("{id}.ec2.amazonaws.com"));
        assert_eq!(seen.identifier(), expected.as_deref(), "{why}");
        assert_eq!((seen.waited, seen.keys()), (seconds, 11), "{why}");
    }
}

#[test]
fn empty_text_is_not_an_identifier() {
    let empty = |line: &str, _: usize| match line {
        PARTITION => Some((200, "aws")),
        _ => Some((200, "")),
    };
    let seen = look_at(Provider::Ec2, true, &empty);
    assert_eq!((seen.identifier(), seen.waited), (None, 4));
    let seen = look_at(Provider::Azure, false, &|_, _| Some((200, "")));
    assert_eq!((seen.identifier(), seen.waited), (None, 4));
}

#[test]
fn service_that_is_busy_is_asked_again() {
    for status in [429, 500, 503] {
        let busy = move |line: &str, before: usize| match line {
            TOKEN => Some((404, "")),
            PARTITION if before == 2 => Some((200, "aws")),
            INSTANCE => Some((200, "i-1")),
            _ => Some((status, "slow down")),
        };
        let seen = look_at(Provider::Ec2, true, &busy);
        assert_eq!(seen.identifier(), Some("i-1.ec2.amazonaws.com"));
        assert_eq!(seen.fields().unwrap(), [("instance-id", "i-1")]);
        let always = move |_: &str, _: usize| Some((status, "slow down"));
        let why = look_at(Provider::Azure, true, &always).found.unwrap_err();
        assert_eq!(why, format!("no answer but status {status}"));
    }
}

#[test]
fn ec2_that_requires_a_token_is_not_taken_for_another_cloud() {
    // (why this row exists, attempts at a token without one, answer to these, requests)
    let table = [
        ("lost once", 1, None, 3 + 1 + 12),
        ("busy once", 1, Some((503, "")), 3 + 1 + 12),
        ("never: a container behind too many hops", 9, None, 3 + 1),
    ];
    for (why, failures, answer, more) in table {
        let rule = move |line: &str, before: usize| match line {
            TOKEN if before < failures => answer,
            line => ec2_v2(line, before),
        };
        let seen = look_at(Provider::Ec2, true, &rule);
        if failures == 1 {
            assert_eq!(
                seen.identifier(),
                Some("i-4f90d537.ec2.amazonaws.com"),
                "{why}"
            );
        } else {
            let reason = seen.found.clone().unwrap_err();
            assert_eq!(reason, "no answer but status 401", "{why}");
        }
        assert_eq!((seen.asked.len(), seen.waited), (1 + more, 4), "{why}");
    }
}

#[test]
fn azure_that_moves_the_machine_is_asked_again() {
    let moves = |_: &str, before: usize| match before {
        0 => Some((410, "")),
        _ => Some((200, "13f5-vm")),
    };
    let seen = look_at(Provider::Azure, false, &moves);
    assert_eq!((seen.found.is_ok(), seen.waited), (true, 2));
}

#[test]
fn identifier_is_kept_if_the_connection_breaks_later() {
    let breaks = |line: &str, before: usize| match line {
        "/latest/meta-data/ami-id" => None,
        line => ec2_v1(line, before),
    };
    let seen = look_at(Provider::Ec2, true, &breaks);
    assert_eq!(seen.identifier(), Some("i-4f90d537.ec2.amazonaws.com"));
    assert_eq!(seen.fields(), None);
    assert_eq!(seen.asked.last().unwrap(), "/latest/meta-data/ami-id");
}

#[test]
fn token_that_is_not_valid_in_a_header_is_ignored() {
    for token in ["", "two words", "line\r\nX-Other: 1", "\u{e9}"] {
        let rule = move |line: &str, before: usize| match line {
            TOKEN => Some((200, token)),
            line => ec2_v1(line, before),
        };
        let seen = look_at(Provider::Ec2, true, &rule);
        assert_eq!(seen.identifier(), Some("i-4f90d537.ec2.amazonaws.com"));
    }
}

#[test]
fn gce_is_asked_once_for_all() {
    let rule = |line: &str, _: usize| match line.split_once(' ') {
        Some((GCE, "Metadata-Flavor: Google")) => Some((200, GCE_DOCUMENT)),
        _ => Some((403, "")),
    };
    let seen = look_at(Provider::Gce, true, &rule);
    let identifier = "4520031799277581759.gce.cloud.google.com";
    assert_eq!(seen.identifier(), Some(identifier));
    let fields = [
        ("hostname", "web.c.shop.internal"),
        ("instance-id", "4520031799277581759"),
        ("instance-type", "e2-micro"),
        ("zone", "asia-northeast1-b"),
        ("projectId", "shop"),
    ];
    assert_eq!(seen.fields().unwrap(), fields);
    assert_eq!(seen.asked.len(), 1);
    assert_eq!(seen.found.unwrap().cloud.unwrap().provider, "gce");

    let other = |line: &str, _: usize| {
        if line.starts_with("/computeMetadata/v1?") {
            Some((200, GCE_DOCUMENT))
        } else {
            Some((404, ""))
        }
    };
    let seen = look_at(Provider::Gce, true, &other);
    assert_eq!(seen.identifier(), Some(identifier), "the other spelling");
}

#[test]
fn damaged_documents_of_gce_are_no_cloud() {
    let mut cut: Vec<&'static str> = Vec::new();
    for end in (0..GCE_DOCUMENT.len() - 1).step_by(7) {
        cut.push(&GCE_DOCUMENT[..end]);
    }
    cut.extend(["[]", "{}", r#"{"instance":{"id":-1},"project":{}}"#, "\0"]);
    for document in cut {
        let seen = look_at(Provider::Gce, true, &move |_, _| Some((200, document)));
        assert_eq!(seen.found, Ok(Place::default()), "{document}");
    }
    let bare = r#"{"instance":{"id":7},"project":{}}"#;
    let seen = look_at(Provider::Gce, true, &move |_, _| Some((200, bare)));
    assert_eq!(seen.identifier(), Some("7.gce.cloud.google.com"));
    assert_eq!(seen.fields().unwrap(), [("instance-id", "7")]);
}

#[test]
fn azure_is_asked_text_by_text() {
    let rule = |line: &str, _: usize| {
        let path = line.strip_suffix("?api-version=2017-04-02&format=text Metadata: true")?;
        Some(match path.strip_prefix("/metadata/instance/")? {
            "compute/vmId" => (200, "02aab8a4-74ef-476e-8182-f6d2ba4166a6"),
            "compute/location" => (200, "japaneast"),
            "compute/offer" => (200, "Debian-12"),
            "compute/osType" => (200, "Linux"),
            "compute/publisher" => (200, "Debian"),
            "compute/sku" => (200, "12"),
            "compute/vmSize" => (200, "Standard_B1s"),
            "network/interface/0/ipv4/ipAddress/0/privateIpAddress" => (200, "10.0.0.4"),
            _ => (404, "no such thing"),
        })
    };
    let seen = look_at(Provider::Azure, true, &rule);
    let identifier = "02aab8a4-74ef-476e-8182-f6d2ba4166a6.virtual_machine.azure.microsoft.com";
    assert_eq!(seen.identifier(), Some(identifier));
    let fields = [
        ("vmID", "02aab8a4-74ef-476e-8182-f6d2ba4166a6"),
        ("location", "japaneast"),
        ("imageReferenceOffer", "Debian-12"),
        ("osSystemType", "Linux"),
        ("imageReferencePublisher", "Debian"),
        ("imageReferenceSku", "12"),
        ("virtualMachineSizeType", "Standard_B1s"),
        ("privateIpAddress", "10.0.0.4"),
    ];
    assert_eq!(seen.fields().unwrap(), fields, "and no public address");
    assert_eq!(seen.found.unwrap().cloud.unwrap().provider, "AzureVM");
}

#[test]
fn azure_fields_of_one_group_are_kept_if_the_other_fails() {
    let rule = |line: &str, _: usize| match line.split('?').next().unwrap() {
        "/metadata/instance/compute/offer" => None,
        _ => Some((200, "x")),
    };
    let seen = look_at(Provider::Azure, false, &rule);
    let names: Vec<&str> = seen.fields().unwrap().iter().map(|field| field.0).collect();
    let expected = ["vmID", "location", "privateIpAddress", "publicIpAddress"];
    assert_eq!(names, expected);
    assert!(seen.asked[0].starts_with(VM));
}

#[test]
fn cloud_from_the_settings_needs_no_proof_and_one_from_the_firmware_does() {
    let pi = Root::at("tests/fixtures/pi-4/t0");
    let ec2 = Root::at("tests/fixtures/cloud-ec2-nitro/t0");
    // (host, setting, cloud to query and whether it must prove itself)
    let table = [
        (&pi, CloudPlatform::Auto, None),
        (&pi, CloudPlatform::None, None),
        (&pi, CloudPlatform::Gce, Some(("gce", false))),
        (&pi, CloudPlatform::AzureVm, Some(("azurevm", false))),
        (&ec2, CloudPlatform::Auto, Some(("ec2", true))),
        (&ec2, CloudPlatform::Ec2, Some(("ec2", false))),
        (&ec2, CloudPlatform::None, None),
    ];
    for (root, platform, expected) in table {
        let target = target(root, platform).map(|target| (target.to_string(), target.is_to_prove));
        let expected =
            expected.map(|(name, is_to_prove): (&str, bool)| (name.to_owned(), is_to_prove));
        assert_eq!(target, expected, "{platform:?}");
    }
}

#[test]
fn cloud_texts_are_limited() {
    let long = "é".repeat(1 << 20);
    let place = place(
        "ec2",
        Some(vec![("hostname", long.clone())]),
        &long,
        "domain",
    );
    let [(_, text)] = &place.cloud.unwrap().metadata.0[..] else {
        panic!("one field");
    };
    assert_eq!(*text, "é".repeat(SHOWN));
    assert_eq!(place.custom_identifier, Some(format!("{text}.domain")));
}
