//! TLS over another connection, with rustls.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::client::Resumption;

use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, ClientConnection, PeerIncompatible};

use super::Kind;
use super::crypto::provider;
use super::link::Link;
use super::roots::Roots;
use crate::base::clock::Deadline;

/// Maximum number of unsent bytes in rustls's buffer: one record.
const OUTGOING: usize = 16 << 10;
/// Number of servers whose sessions are kept. Resuming a session makes the next connection cheaper.
/// rustls decides how many sessions it keeps for one server.
const SESSIONS: usize = 1;

/// HTTP/1.1, as ALPN names it (RFC 7301).
pub(super) const HTTP_1: &[u8] = b"http/1.1";
/// HTTP/2 over TLS, as ALPN names it (RFC 9113, 3.1).
pub(super) const HTTP_2: &[u8] = b"h2";

/// The configuration that all connections share: trust, and the sessions that can be resumed. TLS
/// 1.2 and 1.3. Only `protocol` is offered by ALPN; nothing if it is empty.
///
/// Fails if the provider's algorithms do not fit these versions.
pub(super) fn config(roots: &Roots, protocol: &[u8]) -> io::Result<Arc<ClientConfig>> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| told(&error).1)?
        .dangerous()
        .with_custom_certificate_verifier(roots.verifier())
        .with_no_client_auth();
    if !protocol.is_empty() {
        config.alpn_protocols = vec![protocol.to_vec()];
    }
    config.resumption = Resumption::in_memory_sessions(SESSIONS);
    Ok(Arc::new(config))
}

/// An encrypted connection to an authenticated peer.
pub(super) struct Tls {
    session: ClientConnection,
    below: Box<dyn Link>,
}

impl Tls {
    /// Performs the handshake with `host` over `below`.
    ///
    /// Fails if the peer has not authenticated itself as `host` by `by`, and if HTTP/2 is offered
    /// but not chosen. HTTP/1.1 need not be chosen.
    pub(super) fn handshake(
        config: &Arc<ClientConfig>,
        host: &str,
        below: Box<dyn Link>,
        by: Deadline,
    ) -> Result<Tls, (Kind, io::Error)> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            let error = io::Error::new(ErrorKind::InvalidInput, "no certificate has such a name");
            (Kind::Certificate, error)
        })?;
        let session = ClientConnection::new(Arc::clone(config), name).map_err(|e| told(&e))?;
        let mut tls = Tls { session, below };
        tls.session.set_buffer_limit(Some(OUTGOING));
        while tls.session.is_handshaking() {
            let step = tls.flush(by).map_err(Failure::Link);
            match step.and_then(|()| tls.receive(by)) {
                Ok(0) => return Err((Kind::Broken, ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(Failure::Link(error)) => return Err((Kind::of(&error), error)),
                Err(Failure::Tls(error)) => return Err(told(&error)),
            }
        }
        let is_for_2 = config.alpn_protocols.iter().any(|name| name == HTTP_2);
        if is_for_2 && tls.session.alpn_protocol() != Some(HTTP_2) {
            let text = "the peer does not choose HTTP/2 (ALPN h2); is this its port for gRPC?";
            return Err((Kind::Tls, io::Error::other(text)));
        }
        // The rest of the handshake is sent together with the request.
        Ok(tls)
    }

    fn flush(&mut self, by: Deadline) -> io::Result<()> {
        let mut link = Limited {
            link: self.below.as_mut(),
            by,
        };
        while self.session.wants_write() {
            self.session.write_tls(&mut link)?;
        }
        Ok(())
    }

    /// Reads and decrypts data, and waits for it if there is none. Returns zero if the peer has
    /// closed the connection.
    fn receive(&mut self, by: Deadline) -> Result<usize, Failure> {
        let mut link = Limited {
            link: self.below.as_mut(),
            by,
        };
        let count = self.session.read_tls(&mut link).map_err(Failure::Link)?;
        if let Err(error) = self.session.process_new_packets() {
            // Sends the alert to the peer. An error here does not matter.
            drop(self.flush(by));
            return Err(Failure::Tls(error));
        }
        Ok(count)
    }
}

impl Link for Tls {
    fn read(&mut self, into: &mut [u8], by: Deadline) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // rustls's error refers to a manual for programmers.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                other => return other,
            }
            // The end of the handshake may still be here, if the peer is the first one to speak.
            self.flush(by)?;
            match self.receive(by) {
                Ok(_) => {}
                Err(Failure::Link(error)) => return Err(error),
                Err(Failure::Tls(error)) => return Err(told(&error).1),
            }
        }
    }

    fn write(&mut self, mut bytes: &[u8], by: Deadline) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = self.session.writer().write(bytes)?;
            if taken == 0 && !self.session.wants_write() {
                return Err(ErrorKind::WriteZero.into());
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            self.flush(by)?;
        }
        Ok(())
    }

    fn certificates(&self) -> &[CertificateDer<'static>] {
        self.session.peer_certificates().unwrap_or_default()
    }
}

enum Failure {
    Link(io::Error),
    Tls(rustls::Error),
}

/// A [`Link`] with a deadline as the `Read` and `Write` that rustls expects.
struct Limited<'a> {
    link: &'a mut dyn Link,
    by: Deadline,
}

impl Read for Limited<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.link.read(into, self.by)
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.link.write(bytes, self.by)?;
        Ok(bytes.len())
    }

    /// Sends records together: one system call, and packets as full as possible.
    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        match records {
            [one] => self.write(one),
            many => {
                let parts: Vec<&[u8]> = many.iter().map(|record| &**record).collect();
                self.write(&parts.concat())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Kind and text of an error of rustls. rustls makes some of its own texts with `Debug`, which the
/// shipped binary lacks.
fn told(error: &rustls::Error) -> (Kind, io::Error) {
    use rustls::Error as E;
    let (kind, text) = match error {
        E::InvalidCertificate(error) => certificate(error),
        E::NoCertificatesPresented => (Kind::Certificate, "the peer shows no certificate".into()),
        E::AlertReceived(alert) => {
            let alert = alert.as_str().unwrap_or("unknown");
            (
                Kind::Tls,
                format!("the peer refuses with the alert {alert}"),
            )
        }
        E::PeerIncompatible(why) => (Kind::Tls, incompatible(why).into()),
        E::InvalidMessage(_) | E::InappropriateMessage { .. } => {
            (Kind::Tls, "the peer does not speak TLS".into())
        }
        E::DecryptError => (Kind::Tls, "the peer's data cannot be decrypted".into()),
        E::PeerMisbehaved(_) | E::InappropriateHandshakeMessage { .. } => {
            (Kind::Tls, "the peer violates TLS".into())
        }
        E::NoApplicationProtocol => (Kind::Tls, "the peer does not offer HTTP/1.1".into()),
        E::FailedToGetRandomBytes => (Kind::Tls, "the system gives no random numbers".into()),
        E::FailedToGetCurrentTime => (Kind::Clock, "the system gives no time".into()),
        _ => (Kind::Tls, "TLS failed".into()),
    };
    (kind, io::Error::new(ErrorKind::InvalidData, text))
}

fn certificate(error: &CertificateError) -> (Kind, String) {
    use CertificateError as E;
    let day = |time: &UnixTime| crate::base::clock::Unix(time.as_secs()).day();
    let text = match error {
        E::NotValidYetContext { time, not_before } => {
            let (clock, start) = (day(time), day(not_before));
            let text = format!(
                "the certificate is valid from {start} on, and the clock says {clock}: \
                 certificates cannot be checked before the clock is right"
            );
            return (Kind::Clock, text);
        }
        E::ExpiredContext { time, not_after } => {
            let (clock, end) = (day(time), day(not_after));
            format!(
                "the certificate has expired on {end}, and the clock says {clock}: renew it, or \
                 set the clock"
            )
        }
        E::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            if presented.is_empty() {
                format!(
                    "the certificate has no subjectAltName, so that it is not for {expected} (a common \
                     name does not count); {CREATE}"
                )
            } else {
                format!(
                    "the certificate is not for {expected}, but for {}; use that name in the URL, or \
                     a certificate that has {expected} as a subjectAltName",
                    presented.join(", ")
                )
            }
        }
        E::Expired => "the certificate ends before it begins to be valid".into(),
        E::UnknownIssuer => "the certificate's issuer is unknown: if it is one of your own, \
             name its certificate in ca_file or SSL_CERT_FILE; if not, the server may lack an \
             intermediate certificate"
            .into(),
        E::BadSignature => {
            "the certificate's signature is wrong: if its issuer has a new key, name \
             its new certificate in ca_file or SSL_CERT_FILE"
                .into()
        }
        E::BadEncoding => "the certificate is badly encoded".into(),
        E::Revoked => "the certificate has been revoked".into(),
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => {
            "the certificate is not one for servers: its extendedKeyUsage lacks serverAuth".into()
        }
        E::UnhandledCriticalExtension => {
            "the certificate has a critical extension that is unknown".into()
        }
        E::UnsupportedSignatureAlgorithmContext { .. }
        | E::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "the certificate's signature is of a kind that is not accepted, such as SHA-1; use \
             ECDSA or RSA with SHA-256"
                .into()
        }
        E::Other(other) => other.0.downcast_ref().map_or(UNKNOWN.into(), rule),
        _ => UNKNOWN.into(),
    };
    (Kind::Certificate, text)
}

/// How to create a certificate that is accepted.
const CREATE: &str = "create one with: openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \
     -keyout key.pem -out cert.pem -subj /CN=HOST -addext subjectAltName=DNS:HOST (IP:ADDRESS for \
     an address), and name it in ca_file";

const UNKNOWN: &str = "the certificate breaks a rule for certificates (RFC 5280)";

/// Text for a broken certificate rule for which rustls has no error of its own.
fn rule(error: &webpki::Error) -> String {
    use webpki::Error as E;
    let text = match error {
        E::CaUsedAsEndEntity => {
            "the certificate is that of an authority (CA:TRUE): name exactly this certificate in \
             ca_file or SSL_CERT_FILE, or use one with CA:FALSE"
        }
        E::UnsupportedCertVersion => {
            return format!("the certificate is not of version 3; {CREATE}");
        }
        E::EndEntityUsedAsCa => "the certificate's issuer is no authority (CA:FALSE)",
        E::PathLenConstraintViolated | E::MaximumPathDepthExceeded => {
            "there are more intermediate certificates than an authority allows"
        }
        E::NameConstraintViolation => "the certificate's issuer may not issue it for these names",
        E::CertDistrusted => "the certificate's authority is known to be untrustworthy",
        E::UnsupportedCriticalExtension => {
            "the certificate has a critical extension that is unknown"
        }
        E::InvalidSerialNumber => "the certificate's serial number is negative or too long",
        E::EmptyEkuExtension => "the certificate's extendedKeyUsage is empty",
        E::SignatureAlgorithmMismatch => "the certificate names two kinds of signature",
        E::ExtensionValueInvalid | E::MalformedExtensions | E::MalformedDnsIdentifier => {
            "the certificate has an extension that is badly encoded"
        }
        E::MalformedNameConstraint | E::InvalidNetworkMaskConstraint => {
            "an authority's name constraints are badly encoded"
        }
        _ => UNKNOWN,
    };
    text.to_owned()
}

fn incompatible(why: &PeerIncompatible) -> &'static str {
    use PeerIncompatible as P;
    match why {
        P::ServerDoesNotSupportTls12Or13 | P::ServerTlsVersionIsDisabledByOurConfig => {
            "the peer speaks neither TLS 1.2 nor 1.3"
        }
        P::NoCipherSuitesInCommon => "the peer accepts no cipher suite that is accepted here",
        P::ExtendedMasterSecretExtensionRequired => {
            "the peer's TLS 1.2 lacks the extended master secret"
        }
        _ => "the peer's TLS is too different",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::HandshakeKind;
    use rustls::version::{TLS12, TLS13};

    use super::super::link::{Tcp, is_open};
    use super::super::verify::Trust;
    use super::*;
    use fake_server::steps::{Authority, Step, YEARS, ok, serve};

    fn soon() -> Deadline {
        Deadline::after(Duration::from_secs(20))
    }

    fn trusting(authority: &Authority) -> Arc<ClientConfig> {
        let der = authority.der();
        let root = webpki::anchor_from_trusted_cert(&der).unwrap().to_owned();
        let trust = Trust {
            built_in: false,
            roots: vec![root],
            named: Vec::new(),
        };
        config(&Roots::new(trust), HTTP_1).unwrap()
    }

    fn open(config: &Arc<ClientConfig>, port: u16) -> Tls {
        let tcp = Tcp::connect(&[([127, 0, 0, 1], port).into()], None, soon());
        let below = Box::new(tcp.ok().unwrap());
        Tls::handshake(config, "api.example", below, soon())
            .ok()
            .unwrap()
    }

    fn ask(tls: &mut Tls) {
        tls.write(b"GET / HTTP/1.1\r\n\r\n", soon()).unwrap();
    }

    #[test]
    fn session_of_the_next_connection_is_resumed() {
        for version in [&TLS12, &TLS13] {
            let authority = Authority::new("known");
            let server = authority.server("api.example", YEARS, version);
            let script = || vec![Step::Encrypt(Arc::clone(&server)), ok("a")];
            let (port, _served) = serve(vec![script(), script()]);
            let config = trusting(&authority);
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut tls = open(&config, port);
                ask(&mut tls);
                assert!(tls.read(&mut [0; 100], soon()).unwrap() > 0);
                assert_eq!(tls.session.handshake_kind(), Some(kind));
            }
        }
    }

    #[test]
    fn every_group_cipher_and_curve_works_with_ring() {
        use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
        use rustls::SupportedCipherSuite;
        use rustls::crypto::ring::{ALL_KX_GROUPS, default_provider};
        let authority = Authority::new("known");
        let config = trusting(&authority);
        let meet = |group: usize, suite: SupportedCipherSuite, key: KeyPair| {
            let mut provider = default_provider();
            provider.kx_groups = vec![ALL_KX_GROUPS[group]];
            provider.cipher_suites = vec![suite];
            let version = suite.version();
            let server = authority.server_of("api.example", YEARS, version, key, provider);
            let (port, _served) = serve(vec![vec![Step::Encrypt(server), ok("a")]]);
            let mut tls = open(&config, port);
            ask(&mut tls);
            assert!(tls.read(&mut [0; 100], soon()).unwrap() > 0);
        };
        let key = |kind| KeyPair::generate_for(kind).unwrap();
        let suites = provider().cipher_suites.clone();
        for group in 0..ALL_KX_GROUPS.len() {
            meet(group, suites[0], key(&PKCS_ECDSA_P256_SHA256));
        }
        // RSA keys cannot be generated here.
        let name = |suite: SupportedCipherSuite| suite.suite().as_str().unwrap();
        for suite in suites
            .into_iter()
            .filter(|&suite| !name(suite).contains("_RSA_"))
        {
            meet(0, suite, key(&PKCS_ECDSA_P384_SHA384));
        }
    }

    #[test]
    fn close_notify_closes_and_session_tickets_do_not() {
        for version in [&TLS12, &TLS13] {
            let authority = Authority::new("known");
            let server = authority.server("api.example", YEARS, version);
            let encrypt = Step::Encrypt(server);
            let script = vec![encrypt, ok(""), Step::Take, Step::Bye, Step::Wait];
            let (port, _served) = serve(vec![script]);
            let mut tls = open(&trusting(&authority), port);
            ask(&mut tls);
            assert!(tls.read(&mut [0; 100], soon()).unwrap() > 0);
            // In TLS 1.3, the server sends tickets for later sessions after the handshake.
            assert!(is_open(&mut tls));
            ask(&mut tls);
            assert_eq!(tls.read(&mut [0; 100], soon()).unwrap(), 0);
            assert!(!is_open(&mut tls));
        }
    }
}
