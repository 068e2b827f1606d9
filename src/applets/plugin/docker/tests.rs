use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::thread;

use crate::applets::testing::{Tree, said};

const NAME: &str = "mackerel-plugin-docker";
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn stat(ticks: u64) -> String {
    format!("cpu  {ticks} 0 0 0 0 0 0 5 0 0\ncpu0 1 0 0 0\ncpu1 1 0 0 0\n")
}

/// A host with version 2 of the control groups, and the containers A and B.
fn v2(ticks: u64, usec: u64, bytes: u64) -> Tree {
    let group = |id: &str| format!("sys/fs/cgroup/system.slice/docker-{id}.scope");
    let tree = Tree::new(&[
        ("proc/stat", &*stat(ticks)),
        ("sys/fs/cgroup/cgroup.controllers", "cpu io memory\n"),
    ]);
    for id in [A, B] {
        let cpu = format!("usage_usec 1\nuser_usec {usec}\nsystem_usec {}\n", usec / 2);
        tree.write(&format!("{}/cpu.stat", group(id)), cpu);
        tree.write(
            &format!("{}/memory.stat", group(id)),
            "anon 4096\nfile 8192\n",
        );
        let io = format!(
            "8:0 rbytes={bytes} wbytes=0 rios=60 wios=0 dbytes=7 dios=1\n\
             8:16 rbytes={bytes} wbytes=0 rios=60 wios=0 dbytes=7 dios=1\n"
        );
        tree.write(&format!("{}/io.stat", group(id)), io);
    }
    tree
}

/// The printed values, without the time.
fn values(tree: &Tree, arguments: &str) -> Vec<String> {
    let printed = tree.run(NAME, arguments);
    assert_eq!((printed.code, &*printed.error), (0, ""), "{arguments}");
    let lines = printed.output.lines();
    lines
        .map(|line| line.rsplit_once('\t').unwrap().0.replace('\t', " "))
        .collect()
}

#[test]
fn plugin_docker_measures_version_2_without_a_socket() {
    let first = v2(0, 1_000_000, 1000);
    assert_eq!(
        values(&first, ""),
        [
            "docker.memory.aaaaaaaaaaaa.rss 4096",
            "docker.memory.aaaaaaaaaaaa.cache 8192",
            "docker.memory.bbbbbbbbbbbb.rss 4096",
            "docker.memory.bbbbbbbbbbbb.cache 8192",
        ]
    );
    // A minute of two cores: 12,000 ticks.
    let second = first.later(v2(12_000, 13_000_000, 4000), 60);
    assert_eq!(
        values(&second, "").get(..8).unwrap(),
        [
            "docker.cpuacct_percentage.aaaaaaaaaaaa.user 20.000000",
            "docker.cpuacct_percentage.aaaaaaaaaaaa.system 10.000000",
            "docker.memory.aaaaaaaaaaaa.rss 4096",
            "docker.memory.aaaaaaaaaaaa.cache 8192",
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.read 6000.000000",
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.write 0.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.read 0.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.write 0.000000",
        ]
    );
    // Started again, and so from zero.
    let third = second.later(v2(24_000, 6_000_000, 10), 60);
    assert_eq!(
        values(&third, "").first().unwrap(),
        "docker.cpuacct_percentage.aaaaaaaaaaaa.user 10.000000"
    );
    let late = third.later(v2(48_000, 18_000_000, 10), 301);
    assert!(!values(&late, "").join(" ").contains("cpuacct"));
}

#[test]
fn plugin_docker_measures_version_1() {
    let tree = |ticks: u64, used: u64, bytes: u64| {
        let file =
            |controller: &str, file: &str| format!("sys/fs/cgroup/{controller}/docker/{A}/{file}");
        let io = format!(
            "8:0 Read {bytes}\n8:0 Write 0\n8:0 Sync 0\n8:0 Async {bytes}\n8:0 Total {bytes}\n\
             8:16 Read {bytes}\nTotal {bytes}\n"
        );
        Tree::new(&[
            ("proc/stat", &*stat(ticks)),
            (
                &file("cpuacct", "cpuacct.stat"),
                &format!("user {used}\nsystem 0\n"),
            ),
            (&file("memory", "cgroup.procs"), ""),
            (
                &file("memory", "memory.stat"),
                "cache 1\nrss 1\ntotal_cache 20\ntotal_rss 10\n",
            ),
            (&file("blkio", "blkio.throttle.io_service_bytes"), &io),
            (&file("blkio", "blkio.io_serviced_recursive"), &io),
            (&file("blkio", "blkio.io_queued_recursive"), "8:0 Read 3\n"),
        ])
    };
    let first = tree(0, 0, 0);
    let memory = [
        "docker.memory.aaaaaaaaaaaa.rss 10",
        "docker.memory.aaaaaaaaaaaa.cache 20",
    ];
    let queued = "docker.blkio.io_queued.aaaaaaaaaaaa.read 3";
    assert_eq!(
        values(&first, "-cpu-format usage"),
        [&memory[..], &[queued]].concat()
    );
    let second = first.later(tree(12_000, 600, 120), 60);
    assert_eq!(
        values(&second, "-cpu-format usage"),
        [
            "docker.cpuacct.aaaaaaaaaaaa.user 6000000000.000000",
            "docker.cpuacct.aaaaaaaaaaaa.system 0.000000",
            memory[0],
            memory[1],
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.read 240.000000",
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.write 0.000000",
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.sync 0.000000",
            "docker.blkio.io_service_bytes.aaaaaaaaaaaa.async 120.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.read 4.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.write 0.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.sync 0.000000",
            "docker.blkio.io_serviced.aaaaaaaaaaaa.async 2.000000",
            queued,
        ]
    );
}

#[test]
fn plugin_docker_names_containers_as_the_flags_say() {
    let tree = v2(0, 0, 0);
    tree.write("run/x", "");
    let socket = tree.path("run/docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let list = format!(
        r#"[{{"Id":"{A}","Names":["/web.1"],"Image":"nginx:1","Labels":{{"app":"shop"}}}}]"#
    );
    // (format, name)
    let table = [
        ("", "web_1_aaaaaa"),
        ("-name-format name", "web_1"),
        ("-name-format id", A),
        ("-name-format image", "nginx_1"),
        ("-name-format image_id", "nginx_1_aaaaaa"),
        ("-name-format image_name", "nginx_1_web_1"),
        ("-name-format label -label app", "shop"),
        ("-name-format label -label other", ""),
    ];
    let server = thread::spawn(move || {
        for _ in table {
            let (mut stream, _) = listener.accept().unwrap();
            let length = stream.read(&mut [0; 256]).unwrap();
            assert!(length > 0);
            let answer = ["HTTP/1.0 200 OK\r\n\r\n", &list].concat();
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for (at, (format, name)) in table.into_iter().enumerate() {
        let tree = tree.later(tree.again(), at as u64);
        let arguments = format!("-host unix:///run/docker.sock {format}");
        let values = values(&tree, &arguments);
        let expected = match name {
            "" => String::new(),
            name => format!("docker.memory.{name}.rss 4096"),
        };
        assert_eq!(
            values.first().map_or("", String::as_str),
            expected,
            "{format}"
        );
        // B is another program's.
        assert!(!values.join(" ").contains("bbbbbb"), "{format}");
    }
    server.join().unwrap();
}

#[test]
fn plugin_docker_says_why_there_are_no_values() {
    // (arguments, error)
    let table = [
        (
            "-name-format names",
            "--name-format: names; write name, name_id, id, image, image_id, image_name or \
             label; see mackerel-plugin-docker --help",
        ),
        (
            "-name-format label",
            "--label must be given; see mackerel-plugin-docker --help",
        ),
        (
            "-name-format image",
            "--name-format image needs Docker's socket: it may not be opened, or is not there; \
             run the plugin as root",
        ),
        (
            "-host tcp://10.0.0.1:2375",
            "--host: tcp://10.0.0.1:2375; write unix:// and a path; containers of other hosts \
             cannot be measured; see mackerel-plugin-docker --help",
        ),
    ];
    for (arguments, expected) in table {
        let printed = v2(0, 0, 0).run(NAME, arguments);
        let expected = format!("mackerel-plugin-docker: {expected}\n");
        assert_eq!((printed.code, printed.error), (1, expected), "{arguments}");
    }
}

#[test]
fn plugin_docker_prints_nothing_where_no_container_runs() {
    for host in ["pi-4/t0", "two-core/t0", "openvz/t0"] {
        let tree = Tree::recorded(host);
        assert_eq!(
            tree.run(NAME, "-method API -command docker"),
            said(0, ""),
            "{host}"
        );
    }
}

#[test]
fn plugin_docker_defines_graphs() {
    let (graphs, metrics) = Tree::new(&[]).graphs(NAME, "");
    assert_eq!(graphs.len(), 6);
    assert_eq!(metrics.len(), 18);
    assert_eq!(graphs[4], "custom.docker.cpuacct_percentage.#");
}
