use std::time::Duration;

use fake_server::steps::{Authority, Scratch, Step, presenting, serve};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::version::{TLS12, TLS13};

use crate::applets::testing::Tree;

/// 2027-01-10T00:00:00Z
const END: u64 = 1_799_539_200;

#[test]
fn check_ssl_cert_counts_days() {
    let authority = Authority::new("known");
    let trusted = Scratch::new(&authority.pem());
    let other = Scratch::new(&Authority::new("other").pem());
    let key = KeyPair::generate().unwrap();
    let made = |(year, month, day)| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        authority.sign(&params, &key).der().clone()
    };
    let (own, later) = (made((2027, 1, 10)), made((4000, 1, 1)));
    let text = |days: &str| {
        format!("Certificate 'localhost:PORT' expires in {days} (2027-01-10 00:00:00 +0000 UTC)")
    };
    let (one, two) = (vec![own.clone()], vec![later, own]);
    let refused = |why| format!("TLS with localhost:PORT: the certificate's {why}");
    let named = "issuer is unknown: if it is one of your own, name its certificate in --ca-file";
    let at = |days: f64| END as f64 - days * 86_400.0;
    // (chain, arguments, time, exit code, beginning of the message; why)
    let table = [
        (
            &one,
            "--no-check-certificate",
            at(30.0),
            0,
            text("30 days"),
            "at the limit",
        ),
        (
            &one,
            "--no-check-certificate",
            at(29.9),
            1,
            text("29 days"),
            "below it",
        ),
        (
            &one,
            "--no-check-certificate",
            at(13.9),
            2,
            text("13 days"),
            "below the other one",
        ),
        (
            &one,
            "--no-check-certificate -c 0 -w 1",
            at(1.5),
            0,
            text("1 day"),
            "one day",
        ),
        (
            &one,
            "--no-check-certificate",
            at(-2.5),
            2,
            text("-2 days"),
            "expired",
        ),
        (
            &two,
            "--no-check-certificate",
            at(20.0),
            1,
            text("20 days"),
            "of an issuer",
        ),
        (
            &two,
            "--ca-file TRUSTED",
            at(20.0),
            1,
            text("20 days"),
            "trusted",
        ),
        (
            &two,
            "--ca-file OTHER",
            at(20.0),
            2,
            refused(named),
            "not trusted",
        ),
        (
            &two,
            "--ca-file /none",
            at(20.0),
            2,
            "read /none: No such file".to_owned(),
            "no file",
        ),
    ];
    for (number, (chain, arguments, now, code, expected, why)) in table.into_iter().enumerate() {
        let version = if number % 2 == 0 { &TLS12 } else { &TLS13 };
        let server = presenting(chain.clone(), &key, version);
        let (port, _served) = serve(vec![vec![Step::Encrypt(server), Step::Wait]]);
        let mut tree = Tree::new(&[]);
        tree.now = Duration::from_secs_f64(now);
        let arguments = arguments
            .replace("TRUSTED", trusted.0.to_str().unwrap())
            .replace("OTHER", other.0.to_str().unwrap());
        let found = tree.run(
            "check-ssl-cert",
            &format!("-H localhost -p {port} {arguments}"),
        );
        let output = found.output.replace(&port.to_string(), "PORT");
        let status = ["OK", "WARNING", "CRITICAL"][code];
        assert!(
            output.starts_with(&format!("SSL {status}: {expected}")),
            "{why}: {output}"
        );
        assert_eq!(usize::from(found.code), code, "{why}");
    }
}

#[test]
fn check_ssl_cert_has_no_certificate_of_its_own() {
    let tree = Tree::new(&[]);
    let found = tree.run("check-ssl-cert", "-H a.example --cert-file a --key-file b");
    assert_eq!(found.code, 3);
    let expected = "SSL UNKNOWN: --cert-file and --key-file: the TLS of this program cannot sign";
    assert!(found.output.starts_with(expected), "{}", found.output);
    assert_eq!(tree.run("check-ssl-cert", "-p 443").code, 1);
}
