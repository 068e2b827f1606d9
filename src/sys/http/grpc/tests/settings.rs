//! What a channel is made of.

use super::*;
use crate::sys::http::SetupError;

#[test]
fn grpc_settings_with_which_no_call_can_succeed_are_refused() {
    let error = |change: &dyn Fn(&mut Settings)| {
        let mut settings = settings("collector.example:4317".to_owned());
        change(&mut settings);
        let error = Channel::new(settings).err().unwrap();
        assert!(matches!(
            error,
            SetupError::Url { .. } | SetupError::Metadata { .. }
        ));
        base::report(&error)
    };
    // (target, what is wrong)
    let table = [
        ("ftp://collector.example", "scheme"),
        ("socks5://collector.example", "scheme"),
        ("collector.example:99999", "port"),
        ("", "host"),
    ];
    for (target, wrong) in table {
        let line = error(&|settings| settings.target = target.to_owned());
        assert!(line.starts_with("endpoint is no usable URL: "), "{line}");
        assert!(line.contains(wrong), "{line}");
    }
    // (name, value, what is wrong)
    let table = [
        ("a b", "secret", "header 1: its name has a character"),
        ("", "secret", "header 1: its name has a character"),
        (":path", "secret", "header 1: its name has a character"),
        (
            "Content-Type",
            "secret",
            "header content-type: the client itself",
        ),
        (
            "grpc-timeout",
            "secret",
            "header grpc-timeout: the client itself",
        ),
        ("TE", "secret", "header te: the client itself"),
        ("x", "secret\n", "header x: its value has a character"),
        ("x", "secret\u{e9}", "header x: its value has a character"),
    ];
    for (name, value, wrong) in table {
        let line = error(&|settings| settings.headers = vec![(name.into(), value.into())]);
        assert!(line.starts_with(wrong), "{line}");
        assert!(!line.contains("secret"), "{line}");
    }
    let line = error(&|settings| settings.headers = vec![("x".into(), "y".repeat(8 << 10))]);
    assert_eq!(line, "headers: all together are longer than 8 kB");
}

#[test]
fn grpc_target_decides_on_tls_and_port() {
    // (target, insecure, scheme, authority, address)
    let table = [
        ("h:4317", true, hpack::SCHEME_HTTP, "h:4317", "h:4317"),
        ("h:4317", false, hpack::SCHEME_HTTPS, "h:4317", "h:4317"),
        (
            "http://h:4317/x",
            false,
            hpack::SCHEME_HTTP,
            "h:4317",
            "h:4317",
        ),
        (
            "https://h:4317",
            true,
            hpack::SCHEME_HTTPS,
            "h:4317",
            "h:4317",
        ),
        ("h", false, hpack::SCHEME_HTTPS, "h", "h:443"),
        ("[::1]", true, hpack::SCHEME_HTTP, "[::1]", "[::1]:80"),
    ];
    for (target, insecure, scheme, authority, address) in table {
        let channel = channel(Settings {
            insecure,
            ..settings(target.to_owned())
        });
        assert_eq!(channel.scheme, scheme, "{target}");
        assert_eq!(channel.authority, authority, "{target}");
        assert_eq!(channel.dialer.peer.to_string(), address, "{target}");
        assert_eq!(
            channel.dialer.peer.tls.is_some(),
            scheme == hpack::SCHEME_HTTPS
        );
    }
}
