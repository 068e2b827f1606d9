//! Requests to create the host whose outcome is not known. No host is created twice, and no other
//! host's id is adopted.

use super::*;

const HOSTS: &str = "Post /api/v0/hosts";
/// The name of this host.
const NAME: &str = "n";

/// How a request to create a host ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// The host is created, and this is the response.
    Done(u16, &'static str),
    /// The host is created, and no response arrives within so many seconds; 0 for a connection that
    /// breaks.
    Lost(u64),
    /// The host is not created, and this is the response.
    Not(u16, &'static str),
    /// No connection was made.
    Unsent,
}

/// A host in a look-up's result: id, name, custom identifier, and age. The age is the time of its
/// creation in seconds, relative to the first request to create a host; `None` if the server does
/// not return it.
type Shown = (&'static str, &'static str, &'static str, Option<i64>);

struct Case {
    why: &'static str,
    fate: Fate,
    shown: &'static [Shown],
    /// From which second after the first request to create a host on they are shown.
    appears: u64,
    /// By how many seconds the server's clock is ahead, and whether its responses are dated.
    skew: i64,
    is_dated: bool,
    /// Status of look-ups.
    look: u16,
    /// The id that the host has in the end; `None` if it has none.
    adopted: Option<&'static str>,
    /// Number of requests to create a host within ten minutes: least and most.
    created: (usize, usize),
}

const PLAIN: Case = Case {
    why: "",
    fate: Fate::Done(200, "<html>"),
    shown: &[("own", NAME, "", Some(0))],
    appears: 0,
    skew: 0,
    is_dated: true,
    look: 200,
    adopted: Some("own"),
    created: (1, 1),
};

struct Registrar {
    case: &'static Case,
    now: Arc<Mutex<u64>>,
    first: Option<u64>,
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Exchange for Registrar {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Answer, LinkError> {
        let line = format!("{:?} {}", request.method, request.path);
        let at = *self.now.lock().unwrap();
        let body = request.text().to_owned();
        let is_creation = line == HOSTS;
        let is_search = line.starts_with("Get /api/v0/hosts?");
        self.calls.lock().unwrap().push(Call { at, line, body });
        let server = |at: u64| (START + at).saturating_add_signed(self.case.skew);
        let (status, body) = if is_creation {
            assert!(!request.is_repeatable);
            self.first.get_or_insert(at);
            match self.case.fate {
                Fate::Done(status, body) | Fate::Not(status, body) => (status, body.to_owned()),
                Fate::Lost(0) => return Err(LinkError::lost_for_test()),
                Fate::Lost(_) => return Err(LinkError::of_kind_for_test(Kind::Timeout, "slow")),
                Fate::Unsent => return Err(LinkError::for_test("connection refused")),
            }
        } else if is_search {
            let first = self.first.unwrap();
            let shown = self.case.shown.iter();
            let shown = shown.filter(|_| at - first >= self.case.appears);
            let hosts = shown.map(|(id, name, identifier, age)| {
                let at = age.map(|age| server(first).saturating_add_signed(age));
                let created = at.map_or(String::new(), |at| format!(r#","createdAt":{at}"#));
                format!(
                    r#"{{"id":"{id}","name":"{name}","status":"working","customIdentifier":"{identifier}"{created}}}"#
                )
            });
            let hosts: Vec<String> = hosts.collect();
            (
                self.case.look,
                format!(r#"{{"hosts":[{}]}}"#, hosts.join(",")),
            )
        } else {
            let host = r#"{"host":{"id":"own","name":"n","status":"working"}}"#;
            (200, host.to_owned())
        };
        Ok(Answer {
            status,
            body,
            encoding: None,
            retry_after: None,
            location: None,
            date: self.case.is_dated.then(|| Unix(server(at))),
        })
    }
}

/// A rig whose host has no id, with the server of `case`.
fn new_host(case: &'static Case) -> Rig {
    let mut rig = Rig::new(false, well).minutes(0, 1);
    let registrar = Registrar {
        case,
        now: Arc::clone(&rig.now),
        first: None,
        calls: Arc::clone(&rig.calls),
    };
    rig.poster.api = Api::new(Box::new(registrar));
    rig.poster.context.describe = Box::new(|_, _| {
        Ok(HostParam {
            name: NAME.to_owned(),
            ..HostParam::default()
        })
    });
    rig
}

#[test]
fn register_creates_one_host_and_takes_no_other() {
    static CASES: &[Case] = &[
        Case {
            why: "a page",
            ..PLAIN
        },
        Case {
            why: "an odd id",
            fate: Fate::Done(200, r#"{"id":"../x"}"#),
            ..PLAIN
        },
        Case {
            why: "no answer",
            fate: Fate::Lost(0),
            ..PLAIN
        },
        Case {
            why: "no answer for as long as a request takes",
            fate: Fate::Lost(30),
            shown: &[("own", NAME, "", Some(1))],
            ..PLAIN
        },
        Case {
            why: "created after longer than a request takes",
            fate: Fate::Lost(30),
            shown: &[("own", NAME, "", Some(35))],
            appears: 35,
            ..PLAIN
        },
        Case {
            why: "a look-up that shows new hosts after a minute and a half",
            fate: Fate::Done(504, ""),
            appears: 90,
            ..PLAIN
        },
        Case {
            why: "a gateway gave up",
            fate: Fate::Done(504, ""),
            ..PLAIN
        },
        Case {
            why: "redirected after the fact",
            fate: Fate::Done(302, ""),
            ..PLAIN
        },
        Case {
            why: "the server's clock is ahead",
            skew: 3_600,
            ..PLAIN
        },
        Case {
            why: "the server's clock is behind",
            skew: -3_600,
            ..PLAIN
        },
        Case {
            why: "the server does not say what time it is",
            is_dated: false,
            ..PLAIN
        },
        Case {
            why: "in the second before",
            shown: &[("own", NAME, "", Some(-1))],
            ..PLAIN
        },
        Case {
            why: "among older ones",
            shown: &[
                ("a", NAME, "", Some(-60)),
                ("own", NAME, "", Some(0)),
                ("b", NAME, "", Some(-9_999)),
            ],
            ..PLAIN
        },
        Case {
            why: "one that is older is somebody else's",
            shown: &[("a", NAME, "", Some(-60))],
            adopted: None,
            created: (3, 3),
            ..PLAIN
        },
        Case {
            why: "one with an identifier is somebody else's",
            shown: &[("a", NAME, "i-1.example", Some(0))],
            adopted: None,
            created: (3, 3),
            ..PLAIN
        },
        Case {
            why: "a server that does not look for names",
            shown: &[("a", "other", "", Some(0))],
            adopted: None,
            created: (3, 3),
            ..PLAIN
        },
        Case {
            why: "a server that does not say since when",
            shown: &[("a", NAME, "", None)],
            adopted: None,
            created: (3, 3),
            ..PLAIN
        },
        Case {
            why: "two that are as new",
            shown: &[("a", NAME, "", Some(0)), ("b", NAME, "", Some(1))],
            adopted: None,
            ..PLAIN
        },
        Case {
            why: "a look-up that is refused",
            look: 403,
            adopted: None,
            ..PLAIN
        },
        Case {
            why: "a look-up that fails",
            look: 500,
            adopted: None,
            ..PLAIN
        },
        Case {
            why: "an outage ends some time, and is no reason to give up",
            fate: Fate::Not(503, ""),
            shown: &[],
            adopted: None,
            created: (6, 12),
            ..PLAIN
        },
        Case {
            why: "what was not sent created nothing",
            fate: Fate::Unsent,
            adopted: None,
            created: (10, 10),
            ..PLAIN
        },
    ];
    for case in CASES {
        let mut rig = new_host(case);
        let why = case.why;
        if let Fate::Lost(seconds) = case.fate {
            // The first request takes so many seconds.
            rig.poster.step(&rig.clock);
            rig.clock.pass(Duration::from_secs(seconds));
        }
        assert_eq!(rig.run_until(600), None, "{why}: it goes on");
        let calls = rig.calls();
        let created = calls.iter().filter(|(_, line)| line == HOSTS).count();
        let (least, most) = case.created;
        assert!(
            (least..=most).contains(&created),
            "{why}: {created} in {calls:?}"
        );
        let id = rig
            .poster
            .context
            .registration
            .host()
            .map(|host| host.id.as_str());
        assert_eq!(id, case.adopted, "{why}: {calls:?}");
        let kept = State::at(rig.root.path()).host_id().unwrap();
        assert_eq!(kept.as_deref(), case.adopted, "{why}");
        if case.fate == Fate::Unsent {
            assert_eq!(created, calls.len(), "{why}: nothing to look for");
        }
    }
}

/// A host is not created again while the first one may still appear, nor much later.
#[test]
fn register_creates_a_host_that_does_not_appear_again_after_two_minutes() {
    static CASE: Case = Case {
        fate: Fate::Not(504, ""),
        shown: &[],
        ..PLAIN
    };
    let mut rig = new_host(&CASE);
    assert_eq!(rig.run_until(600), None);
    let calls = rig.calls();
    let created = calls.iter().filter(|(_, line)| line == HOSTS);
    let created: Vec<u64> = created.map(|(at, _)| *at).collect();
    assert_eq!(created, [0, 127, 255, 511]);
    assert!(calls.len() < 20, "pauses grow: {calls:?}");
}
