//! The printed form of requests.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::client::Client;
use fake_server::h2::Call;
use fake_server::{FakeServer, Printer, Settings, times};

/// Output of which the test keeps a copy.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    /// What has been printed since the last call. `ID` stands for the host's id, and the time of
    /// day at the start is left out.
    fn take(&self, id: &str) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        let (time, text) = text.split_at("00:00:00 UTC  ".len());
        assert!(time.ends_with(" UTC  "), "{time}");
        text.replace(id, "ID")
    }
}

fn start(colour: bool) -> (FakeServer, Client, Page, String) {
    let page = Page::default();
    let printer = Printer::new(Box::new(page.clone()), colour);
    let settings = Settings {
        printer: Some(printer),
        ..Settings::default()
    };
    let fake_server = FakeServer::start(settings).unwrap();
    let id = fake_server.seen(|seen| seen.model.add_host("pi", ""));
    let client = Client::of(&fake_server);
    (fake_server, client, page, id)
}

#[test]
fn a_host() {
    let (_standin, mut client, page, id) = start(false);
    let document = json!({
        "name": "pi",
        "meta": {
            "agent-name": "mackerel-agent/0.1.0 (Revision abcdef0)",
            "kernel": {"name": "Linux", "release": "6.1.0", "machine": "aarch64",
                "platform_name": "Debian", "platform_version": "12.5"},
            "cpu": [{"model_name": "Cortex-A72", "mhz": "1500"}, {"model_name": "Cortex-A72", "mhz": "1500"}],
            "memory": {"total": "8007772kB", "swap_total": "102396kB"},
            "filesystem": {
                "/dev/sda1": {"kb_size": 30531524, "kb_used": 5011212, "kb_available": 24233912,
                    "percent_used": "18%", "mount": "/"},
                "tmpfs": {"kb_size": 512, "kb_used": 0, "kb_available": 512,
                    "percent_used": "0%", "mount": "/run"},
            },
        },
        "interfaces": [{"name": "eth0", "macAddress": "dc:a6:32:00:11:22",
            "ipv4Addresses": ["192.168.1.7"], "ipv6Addresses": ["fe80::1"]}],
        "roleFullnames": ["home:pi"],
        "checks": [{"name": "http"}, {"name": "ping"}],
    });
    let path = format!("/api/v0/hosts/{id}");
    client.ask("PUT", &path, &document.to_string());
    let want = "\
PUT /api/v0/hosts/ID  200 OK
  pi
    id        ID
    agent     mackerel-agent/0.1.0 (Revision abcdef0)
    platform  Debian 12.5
    kernel    Linux 6.1.0 aarch64
    cpu       2 x Cortex-A72, 1500 MHz
    memory    7.6 GiB, swap 100.0 MiB
    roles     home:pi
    checks    http, ping

    filesystem       size     used  available  use  mount
    /dev/sda1    29.1 GiB  4.8 GiB   23.1 GiB  18%  /
    tmpfs       512.0 KiB      0 B  512.0 KiB   0%  /run

    interface  mac address        addresses
    eth0       dc:a6:32:00:11:22  192.168.1.7, fe80::1

";
    assert_eq!(page.take(&id), want);
}

#[test]
fn values() {
    let (_standin, mut client, page, id) = start(false);
    let graph = json!([{"name": "custom.proc.#", "displayName": "Processes", "unit": "bytes",
        "metrics": [{"name": "custom.proc.#.rss", "displayName": "RSS", "isStacked": false}]}]);
    client.ask("POST", "/api/v0/graph-defs/create", &graph.to_string());
    let want = "\
POST /api/v0/graph-defs/create  200 OK

    graph          label      unit   metrics
    custom.proc.#  Processes  bytes  rss

";
    assert_eq!(page.take(&id), want);

    let values = [
        ("custom.proc.sshd.rss", 8_421_376.0),
        ("custom.temp", 51.25),
        ("interface.eth0.txBytes.delta", 812.0),
        ("interface.eth0.rxBytes.delta", 15_233.5),
        ("interface.wlan0.rxBytes.delta", 0.0),
        ("disk.sda.reads.delta", 1.25),
        ("disk.sda.writes.delta", 17.0),
        ("filesystem.sda1.size", 4e9),
        ("filesystem.sda1.used", 1e9),
        ("memory.total", 8e9),
        ("memory.swap_total", 0.0),
        ("cpu.user.percentage", 50.26),
        ("cpu.idle.percentage", 338.0),
        ("cpu.iowait.percentage", 1.5),
        ("cpu.nice.percentage", 0.0),
        ("cpu.system.percentage", 10.0),
        ("loadavg15", 0.25),
        ("loadavg1", 1.0),
        ("loadavg5", 0.5),
    ];
    // Old values are dropped and printed all the same.
    let time = 951_868_740;
    let mut values: Vec<Value> = values
        .iter()
        .map(|(name, value)| json!({"hostId": id, "name": name, "time": time, "value": value}))
        .collect();
    values.push(json!({"hostId": id, "name": "loadavg1", "time": time + 60, "value": 2}));
    client.ask("POST", "/api/v0/tsdb", &json!(values).to_string());
    let want = "\
POST /api/v0/tsdb  200 OK
  2000-02-29 23:59:00 UTC  19 values of pi (ID)

    load average
      1 min  1.00    5 min  0.50    15 min  0.25

    cpu
      idle  338.0 %    iowait  1.5 %    nice  0.0 %    system  10.0 %
      user   50.3 %

    memory
      swap_total  0 B    total  7.5 GiB

    filesystem       used     size     use
    sda1        953.7 MiB  3.7 GiB  25.0 %

    disk      reads      writes
    sda   1.2 ops/s  17.0 ops/s

    interface     rxBytes  txBytes
    eth0       14.9 KiB/s  812 B/s
    wlan0           0 B/s        -

    other                   value
    custom.proc.sshd.rss  8.0 MiB
    custom.temp             51.25
  2000-03-01 00:00:00 UTC  1 values of pi (ID)

    load average
      1 min  2.00

";
    assert_eq!(page.take(&id), want);
}

#[test]
fn everything_else() {
    let (fake_server, mut client, page, id) = start(false);
    let report = json!({"source": {"type": "host", "hostId": id}, "name": "http",
        "status": "CRITICAL", "message": "\x1b[31mrefused\nmore", "occurredAt": 3600});
    let path = format!("/api/v0/hosts/{id}");
    let table = [
        (
            "POST",
            format!("{path}/status"),
            json!({"status": "standby"}),
            "POST /api/v0/hosts/ID/status  200 OK\n  pi (ID) is standby\n\n",
        ),
        (
            "PUT",
            format!("{path}/metadata/place"),
            json!({"rack": 2}),
            "PUT /api/v0/hosts/ID/metadata/place  200 OK\n  pi (ID): metadata place\n    {\"rack\":2}\n\n",
        ),
        (
            "POST",
            "/api/v0/monitoring/checks/report".to_owned(),
            json!({"reports": [report]}),
            "POST /api/v0/monitoring/checks/report  200 OK\n\n    time (UTC)  status    check  host              message\n    \
             01:00:00    CRITICAL  http   pi (ID)  \u{b7}[31mrefused\u{2026}\n\n",
        ),
        (
            "POST",
            format!("{path}/retire"),
            Value::Null,
            "POST /api/v0/hosts/ID/retire  200 OK\n  pi (ID) is retired\n\n",
        ),
        (
            "GET",
            "/api/v0/hosts/3unknownHst".to_owned(),
            Value::Null,
            "GET /api/v0/hosts/3unknownHst  404 Not Found: Host Not Found.\n\n",
        ),
    ];
    for (method, path, body, want) in table {
        client.ask(method, &path, &body.to_string());
        assert_eq!(page.take(&id), want);
    }
    fake_server.script("tsdb = close");
    client.end("POST", "/api/v0/tsdb", "[]");
    assert_eq!(page.take(&id), "POST /api/v0/tsdb  no answer\n\n");
}

#[test]
fn colours_are_for_terminals() {
    let (_standin, mut client, page, id) = start(true);
    client.ask("GET", "/nothing", "");
    let text = page.0.lock().unwrap().clone();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("\x1b[1m"), "{text}");
    assert!(text.contains("\x1b[31m404 Not Found"), "{text}");
    assert!(!text.contains(&id));
}

/// A field of a message of Protocol Buffers.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[number << 3 | 2, length], content].concat()
}

#[test]
fn print_shows_otlp_as_a_table() {
    let page = Page::default();
    let printer = Printer::new(Box::new(page.clone()), false);
    let attribute = |key: &[u8], value: &[u8]| [field(1, key), field(2, &field(1, value))].concat();
    let time = [&[3 << 3 | 1][..], &60_000_000_000_u64.to_le_bytes()].concat();
    let value = [&[4 << 3 | 1][..], &1.5_f64.to_bits().to_le_bytes()].concat();
    let point = [time, value, field(7, &attribute(b"state", b"user"))].concat();
    let data = [field(1, &point), vec![3 << 3, 1]].concat();
    let metric = [
        field(1, b"system.cpu.time"),
        field(3, b"s"),
        field(7, &data),
    ]
    .concat();
    let resource = field(1, &field(1, &attribute(b"host.name", b"pi")));
    let message = field(1, &[resource, field(2, &field(2, &metric))].concat());
    assert_eq!(times(&[&message[..], &message].concat()), [60, 60]);
    assert!(times(b"\x0a\x7f").is_empty());
    // What is damaged ends what is shown, and nothing else.
    for damage in [&b""[..], b"\xff", b"\x0a\x7f"] {
        printer.show_call(&Call {
            connection: 0,
            path: "/Export".to_owned(),
            headers: Vec::new(),
            message: [&message, damage].concat(),
        });
        let bytes = std::mem::take(&mut *page.0.lock().unwrap());
        let length = message.len() + damage.len();
        let expected = format!(
            "gRPC /Export, {length} bytes\n  host.name=pi\n\n    \
             time (UTC)  metric           kind  attributes  value  unit\n    \
             00:01:00    system.cpu.time  sum   state=user    1.5  s\n\n"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
