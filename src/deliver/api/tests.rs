//! The requests of the calls for plugins, and how their answers are understood.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::parse::plugin::meta;
use crate::wire::check;

/// A server that gives the same answer to each request, and records the requests.
struct Server {
    /// A body that begins with `Content-Encoding: ` stands for a body compressed in that way.
    answer: Option<(u16, &'static str)>,
    asked: Sender<String>,
}

impl Exchange for Server {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let body = request.text();
        let line = format!("{:?} {} {body}", request.method, request.path);
        self.asked.send(line).unwrap();
        let (status, body) = self.answer.ok_or(LinkError::for_test("refused"))?;
        Ok(Answer {
            status,
            body: body.to_owned(),
            encoding: body.strip_prefix("Content-Encoding: ").map(str::to_owned),
            retry_after: None,
            location: None,
            date: None,
        })
    }
}

fn api(answer: Option<(u16, &'static str)>) -> (Api, Receiver<String>) {
    let (asked, requests) = channel();
    (Api::new(Box::new(Server { answer, asked })), requests)
}

const DONE: Option<(u16, &str)> = Some((200, r#"{"success":true}"#));

#[test]
fn graph_definitions_are_one_request() {
    let text = "# mackerel-agent-plugin\n\
        {\"graphs\":{\"foo.bar\":{\"label\":\"L\",\"unit\":\"\",\
        \"metrics\":[{\"name\":\"*\",\"label\":\"\",\"stacked\":true}]},\"none\":{}}}";
    let (mut api, requests) = api(DONE);
    let graphs = meta::graphs(text).unwrap();
    api.create_graph_defs(&graphs.iter().collect::<Vec<_>>())
        .unwrap();
    assert_eq!(
        requests.recv().unwrap(),
        "Post /api/v0/graph-defs/create \
         [{\"name\":\"custom.foo.bar\",\"displayName\":\"L\",\"unit\":\"float\",\
         \"metrics\":[{\"name\":\"custom.foo.bar.*\",\"isStacked\":true}]},\
         {\"name\":\"custom.none\",\"unit\":\"float\",\"metrics\":null}]"
    );
}

#[test]
fn a_host_is_found_by_its_identifier() {
    let statuses = "&status=working&status=standby&status=maintenance&status=poweroff ";
    let table = [
        ("i-4f90.example", "i-4f90.example"),
        ("a b&c=d+e/%", "a+b%26c%3Dd%2Be%2F%25"),
        ("é", "%C3%A9"),
    ];
    for (identifier, encoded) in table {
        let (mut api, requests) = api(Some((200, r#"{"hosts":[{"id":"a"},{"id":"b"}]}"#)));
        let found = api.find_by_custom_identifier(identifier).unwrap();
        assert_eq!(found.unwrap().id, "a");
        let expected = format!("Get /api/v0/hosts?customIdentifier={encoded}{statuses}");
        assert_eq!(requests.recv().unwrap(), expected);
    }
    let (mut api, _requests) = api(Some((200, r#"{"hosts":[]}"#)));
    assert_eq!(api.find_by_custom_identifier("x").unwrap(), None);
}

#[test]
fn reports_and_metadata_go_to_their_host() {
    let (mut api, requests) = api(DONE);
    let report = check::Report {
        name: "ssh".to_owned(),
        status: check::CheckStatus::Ok,
        message: "well".to_owned(),
        occurred_at: Unix(7),
        notification_interval: None,
        max_check_attempts: None,
    };
    api.report_checks("ID", &[&report, &report]).unwrap();
    let one = r#"{"source":{"type":"host","hostId":"ID"},"name":"ssh","status":"OK","message":"well","occurredAt":7}"#;
    let line = "Post /api/v0/monitoring/checks/report";
    assert_eq!(
        requests.recv().unwrap(),
        format!("{line} {{\"reports\":[{one},{one}]}}")
    );

    api.put_metadata("ID", "os-release", "[1]").unwrap();
    assert_eq!(
        requests.recv().unwrap(),
        "Put /api/v0/hosts/ID/metadata/os-release [1]"
    );
}

#[test]
fn refusal_says_what_to_do() {
    // (status, words of the remedy; empty if the failure is temporary)
    let table = [
        (400, "correct what the message names"),
        (401, "check apikey"),
        (402, "check the plan"),
        (403, "check apikey"),
        (404, "delete the file id"),
        (405, "check apibase"),
        (406, "check apibase"),
        (407, "check http_proxy"),
        (409, "correct what the message names"),
        (410, "check apibase"),
        (411, "raise its limit"),
        (413, "raise its limit"),
        (414, "raise its limit"),
        (422, "correct what the message names"),
        (431, "raise its limit"),
        (451, "check apibase"),
        (499, "check apibase"),
        (302, "check apibase"),
        (200, "check apibase"),
        (408, ""),
        (429, ""),
        (500, ""),
        (503, ""),
    ];
    for (status, words) in table {
        let answer = Some((status, r#"{"error":{"message":"words of the server"}"#));
        for call in [
            "post", "create", "find", "look", "report", "define", "retire",
        ] {
            let (mut api, _requests) = api(answer);
            let error = match call {
                "post" => api.post_metrics(&mut || None).err(),
                "create" => api.create_host(&HostParam::default()).err(),
                "find" => api.find_by_name("n").err(),
                "look" => api.host("ID").err(),
                "report" => api.report_checks("ID", &[]).err(),
                "define" => api.create_graph_defs(&[]).err(),
                _ => api.retire_host("ID").err(),
            };
            let text = error.unwrap().to_string();
            let (_, remedy) = text
                .split_once(&format!("status {status}"))
                .unwrap_or(("", &text));
            match words {
                "" => assert!(!remedy.contains(';'), "{text}"),
                words => assert!(remedy.contains(words), "{call}: {text}"),
            }
        }
    }
}

#[test]
fn failure_shows_whether_the_call_may_have_succeeded() {
    // (why this row exists, answer, whether the server may have done it)
    let table = [
        ("no connection", None, false),
        ("a page", Some((200, "<html>")), true),
        ("another document", Some((201, "{}")), true),
        ("somebody redirects", Some((302, "")), true),
        ("refused", Some((400, "")), false),
        ("not allowed", Some((403, "")), false),
        ("too slow", Some((408, "")), true),
        ("too often", Some((429, "")), false),
        ("an error", Some((500, "")), true),
        ("a gateway that gave up", Some((504, "")), true),
    ];
    for (why, answer, may_be) in table {
        let (mut api, _requests) = api(answer);
        let error = api.create_host(&HostParam::default()).unwrap_err();
        assert_eq!(error.may_have_succeeded(), may_be, "{why}");
    }
}

#[test]
fn failure_has_the_verdict_of_its_status() {
    // (answer, verdict, whether there was no answer)
    let later = Verdict::Later(Duration::ZERO);
    let table = [
        (None, later, true),
        (Some((200, "<html>")), later, false),
        (Some((200, "Content-Encoding: gzip")), later, false),
        (Some((302, "")), later, false),
        (Some((400, "")), Verdict::Refused, false),
        (Some((429, "")), later, false),
        (Some((500, "")), later, false),
    ];
    for (answer, verdict, is_silence) in table {
        let (mut api, _requests) = api(answer);
        let error = api.put_metadata("ID", "n", "1").unwrap_err();
        assert_eq!(
            (error.verdict(), error.is_silence()),
            (verdict, is_silence),
            "{answer:?}"
        );
    }
}

#[test]
fn a_compressed_answer_is_named_whatever_its_status() {
    let compressed = "compressed answer: Content-Encoding gzip, although the request has \
        Accept-Encoding: identity; turn compression off in the server or the proxy";
    // (status, message)
    let table = [
        (200, compressed.to_owned()),
        (
            400,
            format!("API request failed: {compressed} (status 400)"),
        ),
    ];
    for (status, expected) in table {
        let (mut api, _requests) = api(Some((status, "Content-Encoding: gzip")));
        let error = api.put_metadata("ID", "n", "1").unwrap_err();
        let line = crate::base::report(&error);
        assert_eq!(line, format!("PUT /api/v0/hosts/ID/metadata/n: {expected}"));
        assert_eq!(error.is_foreign(), status == 200);
    }
}
