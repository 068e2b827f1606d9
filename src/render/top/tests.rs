use super::*;
use crate::base::width;

const HOST: &str = r#"{"name":"pi","version":"0.1.0","cores":4,"boot":1764106100}"#;
const EVENT: &str = r#"{"time":1764380000123,
    "cpu":{"user":25,"nice":5,"system":10,"idle":47.5,"iowait":1,"irq":0.5,"softirq":0.5,"steal":0.5,"guest":10},
    "load":[0.37,0.42,0.5],
    "memory":{"total":1048576000,"used":419430400,"buffers":52428800,"cached":262144000,"free":314572800,"available":629145600,"swap_total":524288000,"swap_free":419430400},
    "pressure":{"cpu":0.1,"memory":null,"io":2.53},
    "network":[["eth0",600,60000],["eth0.100",null,10]],
    "disks":[["sda",2,1,8192,4096],["sdb1",1,null,4096,null]],
    "filesystems":[["/",1000,300],["/srv/日本",1048576000,1048576000]],
    "containers":[["web",148.4,7340032]]}"#;
const AGENT: &str = r#"{"checks":[["disk","OK","all is well"],["load","CRITICAL","load\u001b[2J is 7"]],
    "plugins":[["custom.a.b",1.5],["custom.c",-2]],
    "destinations":[["main organization",true,"posting works"],["otlp",false,"connection refused"]]}"#;

fn shown(event: &str, agent: Option<Result<&str, &str>>, columns: usize, rows: usize) -> String {
    let parse = |text| Json::parse(text).unwrap();
    let (host, event) = (parse(HOST), parse(event));
    let agent = agent.map(|agent| agent.map(parse));
    let view = View {
        host: &host,
        event: &event,
        full: &event,
        agent: agent
            .as_ref()
            .map(|agent| agent.as_ref().map_err(|why| *why)),
    };
    let lines = lines(&view, columns, rows);
    assert!(lines.len() <= rows, "{lines:#?}");
    for line in &lines {
        assert!(width::columns(line) <= columns, "{columns}: {line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    lines.join("\n")
}

#[test]
fn top_at_80_columns_shows_everything() {
    let expected = "\
pi  up 3d 04:05  cores 4  load 0.37 0.42 0.50
CPU       [uuuuuuuuuuuuuuunnnssssssoggggggw............................] 52.5%
          u user 25.0  n nice 5.0  s system 10.0  h irq 0.5  o softirq 0.5
          t steal 0.5  g guest 10.0  w iowait 1.0
Memory    [########################....................................] 40.0%
          total 1000M  used 400M  available 600M  buffers 50.0M  cached 250M
          free 300M
Swap      total 500M  used 100M
Pressure  cpu 0.10%  io 2.53%
Network                                                 in/s     out/s
eth0                                                    600B     58.6K
eth0.100                                                   -       10B
Disks                                      reads/s  writes/s    read/s written/s
sda                                              2         1      8.0K      4.0K
sdb1                                             1         -      4.0K         -
Filesystems                                             used      size    used %
/                                                       300B     1000B      30.0
/srv/日本                                              1000M     1000M     100.0
Containers                                             cpu %    memory
web                                                    148.4      7.0M
Destinations
FAILING   otlp  connection refused
OK        main organization  posting works
Checks
CRITICAL  load  load\\u{1b}[2J is 7
OK        disk  all is well
Plugins
custom.a.b                                               1.5
custom.c                                                  -2";
    assert_eq!(shown(EVENT, Some(Ok(AGENT)), 80, 100), expected);
}

#[test]
fn top_at_40_and_200_columns_fits() {
    let narrow = shown(EVENT, Some(Ok(AGENT)), 40, 100);
    assert!(
        narrow.contains("\nCPU       [uuuuunssggw.........] 52.5%"),
        "{narrow}"
    );
    let eth0 = "\neth0                      600B     58.6K\n";
    assert!(narrow.contains(eth0), "{narrow}");
    assert!(
        narrow.contains("\nsda                       8.0K      4.0K\n"),
        "{narrow}"
    );
    let wide = shown(EVENT, Some(Ok(AGENT)), 200, 100);
    assert!(wide.contains("u user 25.0  n nice 5.0  s system 10.0  h irq 0.5  o softirq 0.5  t steal 0.5  g guest 10.0  w iowait 1.0\n"), "{wide}");
    for columns in [1, 7, 10, 20] {
        shown(EVENT, Some(Ok(AGENT)), columns, 100);
    }
}

#[test]
fn top_with_few_rows_leaves_each_list_some() {
    let short = shown(EVENT, Some(Ok(AGENT)), 80, 25);
    for title in [
        "Network",
        "Disks",
        "Filesystems",
        "Containers",
        "Destinations",
        "Checks",
    ] {
        assert!(short.contains(&["\n", title].concat()), "{title}: {short}");
    }
    assert!(
        short.contains("CRITICAL"),
        "what is wrong comes first: {short}"
    );
    for rows in 0..30 {
        shown(EVENT, Some(Ok(AGENT)), 80, rows);
    }
}

#[test]
fn top_shares_give_no_list_less_than_another_one() {
    let lists = |lengths: &[usize]| -> Vec<Vec<String>> {
        lengths
            .iter()
            .map(|length| vec![String::new(); *length])
            .collect()
    };
    // (lengths, room, shares)
    let table: [(&[usize], usize, &[usize]); 6] = [
        (&[3, 3], 10, &[3, 3]),
        (&[9, 9], 7, &[4, 3]),
        (&[9, 3, 1], 8, &[4, 3, 1]),
        (&[9, 9], 3, &[3, 0]),
        (&[9, 9], 1, &[0, 0]),
        (&[], 5, &[]),
    ];
    for (lengths, room, expected) in table {
        assert_eq!(
            lists::shares(&lists(lengths), room),
            expected,
            "{lengths:?} {room}"
        );
    }
}

#[test]
fn top_shows_what_is_there() {
    // (why this row exists, event, agent, lines behind the title)
    let table = [
        ("nothing", r#"{"time":1764380000123}"#, None, ""),
        (
            "no agent",
            r#"{"time":1764380000123}"#,
            Some(Err("no such file")),
            "\nAgent: no checks, plugins, destinations: no such file",
        ),
        (
            "no swap, and numbers that are none",
            r#"{"time":1764380000123,"memory":{"total":0,"used":0,"swap_total":0,"swap_free":0}}"#,
            None,
            "\n          total 0B  used 0B",
        ),
        (
            "of another shape",
            r#"{"time":1764380000123,"network":[1,{"a":2},[],["x"]],"disks":7,"cpu":[],"pressure":{}}"#,
            None,
            "",
        ),
    ];
    for (why, event, agent, expected) in table {
        let found = shown(event, agent, 80, 20);
        let rest = found.strip_prefix("pi  up 3d 04:05  cores 4").unwrap();
        if why != "of another shape" {
            assert_eq!(rest, expected, "{why}");
        }
    }
}
