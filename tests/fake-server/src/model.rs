//! The state of a Mackerel organisation: hosts, their values, check reports, graph definitions.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, Hasher};

use serde_json::{Map, Value, json};

/// Seconds. Values older than this are dropped, and so are those further ahead.
pub(super) const HORIZON: u64 = 24 * 3600;
/// Seconds. Check reports older than this are dropped.
pub(super) const REPORT_HORIZON: u64 = 6 * 3600;

/// Largest number of hosts. Registering one more is refused.
const HOSTS: usize = 1000;
/// Largest number of points of one series. The newest ones are kept.
const POINTS: usize = 4096;
/// Largest number of check reports. The newest ones are kept.
const REPORTS: usize = 10_000;

/// The letters of a host id: without 0, O, I and l.
const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Number of letters of a host id.
const ID_LENGTH: usize = 11;

/// The organisation.
#[derive(Default)]
pub struct Model {
    pub hosts: BTreeMap<String, Host>,
    /// By name, e.g. `custom.apache2.workers`.
    pub graphs: BTreeMap<String, Value>,
    /// Accepted check reports, oldest first.
    pub reports: Vec<Value>,
    /// Values and reports that were answered with 200 and dropped: too old, too far ahead,
    /// repeated.
    pub ignored: usize,
    /// Whether the key may only read: then changes are answered with 403.
    pub read_only: bool,
}

/// One host.
#[derive(Clone, Debug)]
pub struct Host {
    pub id: String,
    /// As last posted or put.
    pub document: Map<String, Value>,
    /// The roles of all documents: a document adds roles and removes none.
    pub roles: BTreeSet<String>,
    pub status: String,
    pub is_retired: bool,
    /// Seconds since the epoch.
    pub created_at: u64,
    /// Number of times that the document was put.
    pub updates: usize,
    /// By metric name, then by time in seconds since the epoch.
    pub series: BTreeMap<String, BTreeMap<u64, f64>>,
    /// By namespace.
    pub metadata: BTreeMap<String, Value>,
}

impl Host {
    pub fn name(&self) -> &str {
        self.text("name")
    }

    /// The custom identifier. Empty if there is none.
    pub fn custom_identifier(&self) -> &str {
        self.text("customIdentifier")
    }

    fn text(&self, key: &str) -> &str {
        self.document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The minutes since the epoch in which this metric has a value, in order.
    pub fn minutes(&self, metric: &str) -> Vec<u64> {
        let times = self.series.get(metric).into_iter().flatten();
        let minutes: BTreeSet<u64> = times.map(|(time, _)| time / 60).collect();
        minutes.into_iter().collect()
    }

    /// The document of `GET hosts/<id>`.
    pub(super) fn describe(&self) -> Value {
        let mut roles = Map::new();
        for full in &self.roles {
            let (service, role) = full.split_once(':').unwrap_or((full, ""));
            let names = roles.entry(service).or_insert_with(|| json!([]));
            if let Value::Array(names) = names {
                names.push(json!(role.trim_start()));
            }
        }
        let part = |key: &str, absent: Value| self.document.get(key).cloned().unwrap_or(absent);
        json!({
            "id": self.id,
            "name": self.name(),
            "displayName": part("displayName", Value::Null),
            "customIdentifier": part("customIdentifier", Value::Null),
            "type": "unknown",
            "size": "standard",
            "status": self.status,
            "memo": part("memo", json!("")),
            "roles": roles,
            "interfaces": part("interfaces", json!([])),
            "meta": part("meta", json!({})),
            "isRetired": self.is_retired,
            "createdAt": self.created_at,
        })
    }

    fn adopt(&mut self, document: Map<String, Value>) {
        let roles = document.get("roleFullnames").and_then(Value::as_array);
        for role in roles.into_iter().flatten().filter_map(Value::as_str) {
            self.roles.insert(role.to_owned());
        }
        self.document = document;
    }
}

impl Model {
    /// Registers a host with this document, which has been checked. Returns its id. `None` if there
    /// are too many hosts.
    pub fn register(&mut self, document: Map<String, Value>, now: u64) -> Option<String> {
        if self.hosts.len() >= HOSTS {
            return None;
        }
        let mut host = Host {
            id: new_id(),
            document: Map::new(),
            roles: BTreeSet::new(),
            status: "working".to_owned(),
            is_retired: false,
            created_at: now,
            updates: 0,
            series: BTreeMap::new(),
            metadata: BTreeMap::new(),
        };
        host.adopt(document);
        let id = host.id.clone();
        self.hosts.insert(id.clone(), host);
        Some(id)
    }

    /// Adds a host of this name and custom identifier (none if empty), for a test. Returns its id.
    pub fn add_host(&mut self, name: &str, custom_identifier: &str) -> String {
        let mut document = Map::new();
        document.insert("name".to_owned(), json!(name));
        document.insert("meta".to_owned(), json!({}));
        if !custom_identifier.is_empty() {
            let identifier = json!(custom_identifier);
            document.insert("customIdentifier".to_owned(), identifier);
        }
        self.register(document, super::shared::now()).unwrap()
    }

    /// The only host. Panics if there are more or less.
    #[track_caller]
    pub fn only_host(&self) -> &Host {
        let ids: Vec<&String> = self.hosts.keys().collect();
        assert_eq!(ids.len(), 1, "hosts: {ids:?}");
        &self.hosts[ids[0]]
    }

    pub(super) fn update(&mut self, id: &str, document: Map<String, Value>) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.adopt(document);
            host.updates += 1;
        }
    }

    /// Adds a value. It replaces an earlier one of the same time.
    pub(super) fn put_value(&mut self, id: &str, name: &str, time: u64, value: f64, now: u64) {
        let Some(host) = self.hosts.get_mut(id) else {
            return;
        };
        if time + HORIZON < now || time > now + HORIZON {
            self.ignored += 1;
            return;
        }
        let points = host.series.entry(name.to_owned()).or_default();
        points.insert(time, value);
        if points.len() > POINTS {
            points.pop_first();
        }
    }

    pub(super) fn put_report(&mut self, report: Value, now: u64) {
        let occurred = |report: &Value| report["occurredAt"].as_u64().unwrap_or(0);
        let repeated = self.reports.iter().any(|have| {
            have["source"] == report["source"]
                && have["name"] == report["name"]
                && occurred(have) == occurred(&report)
        });
        if repeated || occurred(&report) + REPORT_HORIZON < now {
            self.ignored += 1;
            return;
        }
        if self.reports.len() == REPORTS {
            self.reports.remove(0);
        }
        self.reports.push(report);
    }

    /// The unit that a posted graph definition gives this metric, e.g. `bytes`.
    pub(super) fn unit(&self, metric: &str) -> Option<&str> {
        let graphs = self.graphs.values();
        let mut named = graphs.filter(|graph| {
            let metrics = graph["metrics"].as_array().into_iter().flatten();
            let mut names = metrics.filter_map(|metric| metric["name"].as_str());
            names.any(|name| covers(name, metric))
        });
        named.next()?["unit"].as_str()
    }
}

/// Whether the metric's name in a graph definition covers this metric. `*` and `#` in it stand for
/// one segment each.
fn covers(pattern: &str, metric: &str) -> bool {
    let (mut wanted, mut given) = (pattern.split('.'), metric.split('.'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("*" | "#"), Some(_)) => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return false,
        }
    }
}

fn new_id() -> String {
    let mut number = RandomState::new().build_hasher().finish();
    let mut letter = || {
        let at = usize::try_from(number % 58).unwrap_or(0);
        number /= 58;
        char::from(LETTERS[at])
    };
    (0..ID_LENGTH).map(|_| letter()).collect()
}
