//! Checks of a server's certificate. Most tests reach the server through a proxy on loopback.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};

use super::*;
use fake_server::steps::{Authority, Scratch, Step, YEARS, ok, own, presenting, serve};

#[test]
fn certificate_errors_are_reported() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let peer = "TLS with api.example:443: ";
    let forged = Authority::new("known");
    // (issuer, name, years of validity, expected text)
    let table = [
        (&known, "api.example", YEARS, "hello".to_owned()),
        (
            &known,
            "other.example",
            YEARS,
            format!(
                "Certificate: {peer}the certificate is not for api.example, but for other.example; \
                 use that name in the URL, or "
            ),
        ),
        (
            &unknown,
            "api.example",
            YEARS,
            format!(
                "Certificate: {peer}the certificate's issuer is unknown: if it is one of your own, \
                 name its certificate in ca_file or SSL_CERT_FILE; if not, the server may lack an \
                 intermediate certificate"
            ),
        ),
        (
            &forged,
            "api.example",
            YEARS,
            format!("Certificate: {peer}the certificate's signature is wrong"),
        ),
        (
            &known,
            "api.example",
            (1990, 2001),
            format!("Certificate: {peer}the certificate has expired on 2001-01-01, and "),
        ),
        (
            &known,
            "api.example",
            (3000, 3001),
            format!("Clock: {peer}the certificate is valid from 3000-01-01 on, and "),
        ),
    ];
    for (authority, name, years, expected) in table {
        let server = authority.server(name, years, &TLS13);
        let (port, mut http) = tunnelled(vec![Step::Encrypt(server), ok("hello")], &known);
        let line = told(http.exchange(&GET), port);
        assert!(line.starts_with(&expected), "{line}");
    }
}

/// A self-signed certificate of version 1, made by `openssl x509 -req -signkey`.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBKDCBzwIUUciBfHDg3kATME8rm3n+YyRQA14wCgYIKoZIzj0EAwIwFjEUMBIG\n\
A1UEAwwLYXBpLmV4YW1wbGUwIBcNMjYxMTI4MTUzOTE3WhgPMjEyNjExMDQxNTM5\n\
MTdaMBYxFDASBgNVBAMMC2FwaS5leGFtcGxlMFkwEwYHKoZIzj0CAQYIKoZIzj0D\n\
AQcDQgAE4d/7hs4+oB4IA5Dgn7kLVg4vLZ5mGHcjjbb/M9y7xYYlbCMmwWkOOEjB\n\
sLyrFqgM2RS/QfdVLoDvHtQoWaNRqTAKBggqhkjOPQQDAgNIADBFAiEA0VBMtr3m\n\
t6tBeDjj/eRsIcqheUX6/Ykf1aMB8bqlNvICIEROhQ+5djc3BNJjQiWVCjHMLNow\n\
1n3Sqm8cto3QgDYa\n\
-----END CERTIFICATE-----\n";

/// The outcome of a request from a client that trusts `pem` to a server that presents `chain`.
fn presented(
    chain: &[&CertificateDer<'static>],
    key: &KeyPair,
    pem: &str,
    version: &'static rustls::SupportedProtocolVersion,
) -> String {
    let chain = chain.iter().map(|&one| one.clone()).collect();
    let server = presenting(chain, key, version);
    let (port, mut http) = tunnelled_trusting(vec![Step::Encrypt(server), ok("hello")], pem);
    told(http.exchange(&GET), port).replace("TLS with api.example:443: the certificate", "…")
}

fn names(params: &mut CertificateParams, names: &[&str]) {
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
}

#[test]
fn certificate_that_is_self_signed_is_accepted_if_named() {
    type Change = fn(&mut CertificateParams);
    // (why this row exists, change, whether it is in ca_file, expected text)
    let table: [(&str, Change, bool, &str); 17] = [
        ("CA:TRUE, as OpenSSL does by default", |_| {}, true, "hello"),
        (
            "CA:TRUE with a path length",
            |p| p.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)),
            true,
            "hello",
        ),
        ("CA:FALSE", |p| p.is_ca = IsCa::ExplicitNoCa, true, "hello"),
        (
            "no basicConstraints",
            |p| p.is_ca = IsCa::NoCa,
            true,
            "hello",
        ),
        (
            "CA:TRUE, several names",
            |p| names(p, &["x.example", "10.0.0.1", "api.example"]),
            true,
            "hello",
        ),
        (
            "CA:TRUE, not named",
            |_| {},
            false,
            "Certificate: … is that of an authority (CA:TRUE): name exactly this certificate in ca_file",
        ),
        (
            "CA:FALSE, not named",
            |p| p.is_ca = IsCa::ExplicitNoCa,
            false,
            "Certificate: …'s issuer is unknown: ",
        ),
        (
            "CA:TRUE, expired: dates are checked first",
            |p| p.not_after = date_time_ymd(2001, 1, 1),
            true,
            "Certificate: … has expired on 2001-01-01, and the clock says ",
        ),
        (
            "CA:FALSE, expired",
            |p| {
                p.is_ca = IsCa::ExplicitNoCa;
                p.not_after = date_time_ymd(2001, 1, 1);
            },
            true,
            "Certificate: … has expired on 2001-01-01, and the clock says ",
        ),
        (
            "CA:TRUE, not valid yet",
            |p| p.not_before = date_time_ymd(3000, 1, 1),
            true,
            "Clock: … is valid from 3000-01-01 on, and the clock says ",
        ),
        (
            "CA:TRUE, ends before it begins",
            |p| {
                p.not_before = date_time_ymd(2010, 1, 1);
                p.not_after = date_time_ymd(2009, 1, 1);
            },
            true,
            "Certificate: … ends before it begins to be valid",
        ),
        (
            "CA:TRUE, other names",
            |p| names(p, &["a.example", "10.0.0.1", "b.example"]),
            true,
            "Certificate: … is not for api.example, but for a.example, b.example; use that name",
        ),
        (
            "CA:FALSE, other names",
            |p| {
                p.is_ca = IsCa::ExplicitNoCa;
                names(p, &["a.example"]);
            },
            true,
            "Certificate: … is not for api.example, but for a.example; use that name",
        ),
        (
            "CA:TRUE, addresses alone",
            |p| names(p, &["10.0.0.1"]),
            true,
            "Certificate: … is not for api.example, but for other names or addresses; use that name",
        ),
        (
            "CA:TRUE, a common name alone",
            |p| names(p, &[]),
            true,
            "Certificate: … has no subjectAltName, so that it is not for api.example (a common name \
             does not count); create one with: openssl req -x509 ",
        ),
        (
            "CA:TRUE, for clients: the file says what it is for",
            |p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
            true,
            "hello",
        ),
        (
            "CA:FALSE, for clients",
            |p| {
                p.is_ca = IsCa::ExplicitNoCa;
                p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            },
            true,
            "Certificate: … is not one for servers: its extendedKeyUsage lacks serverAuth",
        ),
    ];
    let other = Authority::new("other").pem();
    let versions = [&TLS12, &TLS13].into_iter().cycle();
    for ((why, change, is_named, expected), version) in table.into_iter().zip(versions) {
        let key = KeyPair::generate().unwrap();
        let mut params = own("api.example");
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        let pem = if is_named {
            certificate.pem()
        } else {
            other.clone()
        };
        let line = presented(&[certificate.der()], &key, &pem, version);
        assert!(line.starts_with(expected), "{why}: {line}");
    }
}

#[test]
fn certificate_is_not_accepted_in_place_of_a_named_one() {
    let (known, key) = (Authority::new("known"), KeyPair::generate().unwrap());
    let params = own("api.example");
    let named = params.self_signed(&key).unwrap();
    let refused = "Certificate: … is that of an authority (CA:TRUE): name exactly this certificate";
    let forged = "Certificate: …'s signature is wrong: ";

    // The same certificate with another serial number.
    let renewed = params.self_signed(&key).unwrap();
    assert_ne!(renewed.der(), named.der());
    let mut bytes = named.der().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    let altered = CertificateDer::from(bytes);
    let thief = KeyPair::generate().unwrap();
    let other = params.self_signed(&thief).unwrap();
    let issued = known.sign(&params, &key);
    let built_in = known.pem();
    let both = issued.pem() + &known.pem();
    let v1 = CertificateDer::from_pem_slice(VERSION_1.as_bytes()).unwrap();
    let mut leaf = params.clone();
    leaf.is_ca = IsCa::NoCa;
    let mut middle = own("middle.example");
    middle.distinguished_name = DistinguishedName::new();
    middle.distinguished_name.push(DnType::CommonName, "middle");
    let middle_key = KeyPair::generate().unwrap();
    let intermediate = known.sign(&middle, &middle_key);
    let by_middle = rcgen::Issuer::new(middle, &middle_key);
    let below = leaf.signed_by(&key, &by_middle).unwrap();
    let (middle, pem) = (intermediate.der(), named.pem());
    let unknown = "Certificate: …'s issuer is unknown: ";
    // (why this row exists, chain presented, key used, trusted certificates, expected text)
    let table: [(&str, &[&CertificateDer<'static>], &KeyPair, &str, &str); 11] = [
        ("itself", &[named.der()], &key, &pem, "hello"),
        (
            "itself, without its key",
            &[named.der()],
            &thief,
            &pem,
            forged,
        ),
        (
            "renewed, same name and key",
            &[renewed.der()],
            &key,
            &pem,
            refused,
        ),
        ("one bit differs", &[&altered], &key, &pem, refused),
        (
            "same name, other key",
            &[other.der()],
            &thief,
            &pem,
            refused,
        ),
        (
            "with the named one behind it",
            &[other.der(), named.der()],
            &thief,
            &pem,
            refused,
        ),
        (
            "CA:TRUE by an authority in the file",
            &[issued.der()],
            &key,
            &built_in,
            refused,
        ),
        ("the same, named too", &[issued.der()], &key, &both, "hello"),
        (
            "an intermediate is there",
            &[below.der(), middle],
            &key,
            &built_in,
            "hello",
        ),
        (
            "the intermediate is missing",
            &[below.der()],
            &key,
            &built_in,
            unknown,
        ),
        (
            "version 1",
            &[&v1],
            &key,
            VERSION_1,
            "Certificate: … is not of version 3; create one with: openssl req -x509 ",
        ),
    ];
    for (why, chain, key, pem, expected) in table {
        for version in [&TLS12, &TLS13] {
            let line = presented(chain, key, pem, version);
            assert!(line.starts_with(expected), "{why}: {line}");
        }
    }
}

#[test]
fn certificate_that_is_self_signed_may_be_for_an_address() {
    for (name, expected) in [
        ("127.0.0.1", "hello"),
        (
            "127.0.0.2",
            "Certificate: TLS with 127.0.0.1:PORT: the certificate is not for 127.0.0.1, but for \
             other names or addresses; use that name",
        ),
        (
            "api.example",
            "Certificate: TLS with 127.0.0.1:PORT: the certificate is not for 127.0.0.1, but for \
             api.example; use that name",
        ),
    ] {
        let key = KeyPair::generate().unwrap();
        let certificate = own(name).self_signed(&key).unwrap();
        let server = presenting(vec![certificate.der().clone()], &key, &TLS13);
        let (port, _served) = serve(vec![vec![Step::Encrypt(server), ok("hello")]]);
        let trust = Scratch::new(&certificate.pem());
        let mut http = client(Settings {
            ca_file: Some(trust.0.clone()),
            ..settings(format!("https://127.0.0.1:{port}"))
        });
        let line = told(http.exchange(&GET), port);
        assert!(line.starts_with(expected), "{line}");
    }
}
