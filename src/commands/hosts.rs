//! Compares the description and the metrics of every host in `tests/fixtures` with a golden file.
//! `make bless` renews the golden files.

use crate::base::channel::channel;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::clock::Moment;
use crate::base::host_paths::HostPaths;
use crate::base::{self, Failures};
use crate::collect::readings::Readings;
use crate::collect::readings::extra::Wanted;
use crate::collect::{self, CollectContext};
use crate::config::Config;
use crate::describe::{self, Calls, Place};
use crate::render::mackerel::Mackerel;
use crate::sys::fsstat::{FsStats, Usage};
use crate::sys::netif::Link;
use crate::sys::root::Root;
use crate::sys::uname::Uname;

#[path = "../../tests/hosts/mod.rs"]
mod host_paths;

const FIXTURES: &str = "tests/fixtures";
const GOLDEN: &str = "tests/golden/hosts";
/// Environment variable. If it is set, the golden files are renewed.
const BLESS: &str = "BLESS";
/// Characters of a line of a golden file, unless a single value is longer.
const WIDTH: usize = 150;

#[test]
fn every_host_is_described_and_measured_as_its_golden_file_says() {
    let mut wrong = Vec::new();
    let accepts = std::env::var_os(BLESS).is_some();
    for host in host_paths::all(Path::new(FIXTURES)) {
        let found = document(&host);
        let golden = Path::new(GOLDEN).join(format!("{}.json", host.name));
        let expected = fs::read_to_string(&golden).unwrap_or_default();
        if accepts && found != expected {
            fs::write(&golden, &found).unwrap();
        } else if found != expected {
            wrong.push(format!(
                "{}:\n{}",
                golden.display(),
                first_difference(&expected, &found)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nIf that is right: make bless",
        wrong.join("\n")
    );
}

#[test]
fn every_golden_file_is_one_of_a_host() {
    let hosts = host_paths::all(Path::new(FIXTURES));
    let mut golden: Vec<_> = fs::read_dir(GOLDEN)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    golden.sort();
    let mut names: Vec<_> = hosts
        .iter()
        .map(|host| format!("{}.json", host.name))
        .collect();
    names.sort();
    assert_eq!(golden, names);
}

/// The first line that differs, in both versions.
fn first_difference(expected: &str, found: &str) -> String {
    let equal = expected
        .lines()
        .zip(found.lines())
        .take_while(|(expected, found)| expected == found)
        .count();
    let line = |text: &str| text.lines().nth(equal).unwrap_or("(the end)").to_owned();
    format!(
        "line {}\n- {}\n+ {}",
        equal + 1,
        line(expected),
        line(found)
    )
}

/// The results of a host's system calls: its `calls.json`.
struct Said(Value);

impl Said {
    fn uname(&self) -> Uname {
        let field = |name: &str| self.0["uname"][name].as_str().unwrap().to_owned();
        Uname {
            sysname: field("sysname"),
            nodename: field("nodename"),
            release: field("release"),
            version: field("version"),
            machine: field("machine"),
            domainname: String::new(),
        }
    }

    fn links(&self) -> Vec<Link> {
        let texts = |value: &Value| -> Vec<String> {
            let all = value.as_array().unwrap().iter();
            all.map(|text| text.as_str().unwrap().to_owned()).collect()
        };
        let links = self.0["links"].as_array().unwrap().iter();
        let link = |link: &Value| Link {
            name: link["name"].as_str().unwrap().to_owned(),
            mac: bytes(link["mac"].as_str().unwrap()),
            ipv4: texts(&link["ipv4"])
                .iter()
                .map(|ip| ip.parse().unwrap())
                .collect(),
            ipv6: texts(&link["ipv6"])
                .iter()
                .map(|ip| ip.parse().unwrap())
                .collect(),
        };
        links.map(link).collect()
    }

    /// Filesystems below `top`.
    ///
    /// Each answers as `statvfs` in `calls.json` says: with the bytes of a block and the numbers of
    /// blocks, with an error, or never. Others do not exist.
    fn stats(&self, top: &Path) -> FsStats {
        let sizes = self.0["statvfs"].as_object().unwrap().clone();
        let top = top.to_owned();
        let (hold, held) = channel();
        let ask = move |path: &Path| {
            let point = Path::new("/").join(path.strip_prefix(&top).unwrap());
            let name = point
                .as_os_str()
                .as_encoded_bytes()
                .escape_ascii()
                .to_string();
            match sizes.get(&name) {
                None => Err(io::ErrorKind::NotFound.into()),
                Some(Value::String(text)) if text == "EACCES" => {
                    Err(io::ErrorKind::PermissionDenied.into())
                }
                Some(Value::String(_)) => {
                    hold.send(()).unwrap();
                    loop {
                        std::thread::park();
                    }
                }
                Some(numbers) => {
                    let number = |at: usize| numbers[at].as_u64().unwrap();
                    Ok(Usage::new(number(0), number(1), number(2), number(3)))
                }
            }
        };
        FsStats::patient_until(ask, held)
    }

    fn config(&self) -> Config {
        let mut config = Config::default();
        let text = self.0["config"].as_str().unwrap_or_default();
        config.read(text.as_bytes()).unwrap();
        config
    }

    fn root(&self, tree: &Path) -> Root {
        match self.0["elsewhere"].as_bool() {
            Some(true) => Root::of(&HostPaths {
                root: Some(tree.to_owned()),
                ..HostPaths::default()
            }),
            _ => Root::at(tree),
        }
    }
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = (0..digits.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

/// The content of a host's golden file.
fn document(host: &host_paths::Host) -> String {
    let directory = tempfile::tempdir().unwrap();
    let tree: PathBuf = directory.path().join("host");
    let said = Said(serde_json::from_str(&host.settle(&tree)).unwrap());
    let (config, root) = (said.config(), said.root(&tree));
    let mut failures = Failures::new();
    let (uname, links) = (said.uname(), said.links());
    let mut calls = Calls {
        uname: Box::new(move || Ok(uname.clone())),
        links: Box::new(move || Ok(links.clone())),
        stats: said.stats(&tree),
    };
    let agent = describe::Agent {
        name: "mackerel-agent/0.1.0 (Revision 2f531c6)",
        version: "0.1.0",
        revision: "2f531c6",
    };
    let place = Place::default();
    let described = describe::host(&root, &mut calls, &config, &agent, place, &mut failures)
        .unwrap_or_else(|error| panic!("{}: {}", host.name, base::report(&error)));

    let mut collectors = collect::builtin(&config, said.stats(&tree));
    let (mut renderer, mut before) = (Mackerel::new(&config), Readings::default());
    let mut round = |seconds: u64| {
        let mut context = CollectContext {
            root: &root,
            now: Moment(Duration::from_secs(seconds)),
            buffer: &mut Vec::new(),
        };
        let now = collect::run(
            &mut collectors,
            &mut context,
            Wanted::default(),
            &mut failures,
        );
        let values = renderer.values(&before, &now, 0);
        before.keep_counters(now);
        let by_name: BTreeMap<String, f64> = values
            .iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        by_name
            .into_iter()
            .map(|(name, value)| (name, number(value)))
            .collect::<Map<_, _>>()
    };
    let first = round(0);
    host.age(&tree);
    let second = round(60);
    let shown = |(part, why): &(&str, String)| {
        format!("{part}: {}", why.replace(tree.to_str().unwrap(), ""))
    };
    let failures: Vec<String> = failures.iter().map(shown).collect();
    let document = json!({
        "host": described,
        "metrics at once": first,
        "metrics a minute later": second,
        "failures": failures,
    });
    let mut text = String::new();
    print(&document, 0, &mut text);
    text.push('\n');
    text
}

/// A value as it is sent to the API: without a fraction if it is whole.
fn number(value: f64) -> Value {
    let point = crate::wire::once::Point { time: None, value };
    serde_json::to_value(&point).unwrap()["Value"].take()
}

/// Prints JSON. A value without nested values, except texts and numbers, takes one line if it fits.
fn print(value: &Value, indent: usize, out: &mut String) {
    let is_nested = |value: &Value| value.is_object() || value.is_array();
    let (members, open, close): (Vec<_>, _, _) = match value {
        Value::Object(map) if !map.is_empty() => (
            map.iter().map(|(key, value)| (Some(key), value)).collect(),
            '{',
            '}',
        ),
        Value::Array(all) if !all.is_empty() => {
            (all.iter().map(|value| (None, value)).collect(), '[', ']')
        }
        plain => {
            write!(out, "{plain}").unwrap();
            return;
        }
    };
    let flat = value.to_string();
    let is_flat = members
        .iter()
        .all(|(_, value)| !is_nested(value) || value.to_string().len() < 40);
    if indent > 0 && is_flat && (flat.len() + indent <= WIDTH || indent > 4) {
        out.push_str(&flat);
        return;
    }
    out.push(open);
    for (at, (key, value)) in members.iter().enumerate() {
        out.push_str(if at == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        if let Some(key) = key {
            write!(out, "{}: ", Value::from(key.as_str())).unwrap();
        }
        print(value, indent + 2, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}
