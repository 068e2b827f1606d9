//! A network namespace for a test: the test runs again in a process whose only network is made by
//! the test.

use std::fs;
use std::process::Command;

/// Environment variable that is set in the second run of a test.
const INSIDE: &str = "AGENT_TEST_NAMESPACE";
const ADDRESS: &str = "169.254.169.254/32";

/// Runs `body` in a network namespace of its own, with loopback up. `test` is the name of the
/// calling test.
///
/// Without the permission, prints `skipped` and the reason; with `CI` set, fails.
#[track_caller]
pub(crate) fn inside(test: &str, body: fn()) {
    within(test, body, ["-n", "-rn"]);
}

/// The same, with a mount namespace of its own too.
#[track_caller]
pub(crate) fn inside_with_mounts(test: &str, body: fn()) {
    within(test, body, ["-nm", "-rnm"]);
}

/// `options` are those of `unshare`: for the superuser, and for any user.
#[track_caller]
fn within(test: &str, body: fn(), options: [&'static str; 2]) {
    if std::env::var_os(INSIDE).is_some() {
        ip("link set lo up");
        return body();
    }
    let how = allowed(options);
    require!(
        how.is_some(),
        "{test}: this machine allows no namespaces, or has no ip"
    );
    let again = Command::new("unshare")
        .args(how)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--include-ignored", "--nocapture", test])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&again.stdout) + &text(&again.stderr);
    assert!(told.contains("1 passed"), "{told}");
    eprint!("{told}");
}

/// The first option with which loopback can be set up, if any.
fn allowed(options: [&'static str; 2]) -> Option<&'static str> {
    options.into_iter().find(|how| {
        let tried = Command::new("unshare")
            .args([*how, "ip", "link", "set", "lo", "up"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    })
}

/// Gives this host the metadata services' address.
pub(crate) fn address_here() {
    ip(&format!("address add {ADDRESS} dev lo"));
}

/// Routes the metadata services' address to the interface `way`, which drops all packets.
pub(crate) fn packets_vanish() {
    ip("link add way type veth peer name nowhere");
    for name in ["way", "nowhere"] {
        // Without an address, the kernel itself sends nothing.
        ip(&format!("link set {name} addrgenmode none"));
        ip(&format!("link set {name} arp off up"));
    }
    ip("address add 192.0.2.1/32 dev way");
    ip(&format!("route add {ADDRESS} dev way"));
}

/// Packets that have been sent to the interface of [`packets_vanish`].
pub(crate) fn sent() -> u64 {
    let all = fs::read_to_string("/proc/self/net/dev").unwrap();
    let mut lines = all.lines().filter_map(|line| line.trim().split_once(':'));
    let (_, counts) = lines.find(|(name, _)| *name == "way").unwrap();
    counts.split_whitespace().nth(9).unwrap().parse().unwrap()
}

/// Runs `ip` with these arguments. Panics if it fails.
#[track_caller]
pub(crate) fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "ip {words}: {error}");
}
