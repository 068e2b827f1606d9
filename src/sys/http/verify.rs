//! Whether a server's certificate is accepted: webpki's rules, and one exception.
//!
//! webpki refuses a certificate of an authority (CA:TRUE) as that of a server. But that is what
//! `openssl req -x509` makes, and what Go accepts where the administrator trusts it. It is accepted
//! here if exactly this certificate, byte for byte, is in a file that the administrator names. Names,
//! dates and the signature of the handshake are checked as ever. That gives nothing away: whoever
//! has the key of an authority that is trusted can sign a certificate for any server.
//!
//! webpki checks dates before it looks for CA:TRUE, so that [`Error::CaUsedAsEndEntity`] means
//! that they are good; tests hold it to that. The purposes of such a certificate are not checked:
//! the file names it as what it is used for.

use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, Error};

/// Names of a certificate that an error shows.
const NAMES: usize = 5;

/// Who is trusted.
pub(super) struct Trust {
    pub(super) roots: RootCertStore,
    /// The certificates of files.
    pub(super) named: Vec<Fingerprint>,
}

/// A certificate's SHA-256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, certificate).as_ref());
        Fingerprint(bytes)
    }
}

/// Checks the certificates of servers.
#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    named: Vec<Fingerprint>,
}

impl Verifier {
    /// Fails if nobody is trusted.
    pub(super) fn new(
        trust: Trust,
        provider: Arc<CryptoProvider>,
    ) -> Result<Verifier, VerifierBuilderError> {
        let webpki = WebPkiServerVerifier::builder_with_provider(trust.roots.into(), provider);
        Ok(Verifier {
            webpki: webpki.build()?,
            named: trust.named,
        })
    }

    /// What becomes of a certificate that webpki refuses.
    fn exempt(
        &self,
        error: rustls::Error,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_authority = cause(&error) == Some(&Error::CaUsedAsEndEntity);
        if !is_authority || !self.named.contains(&Fingerprint::of(certificate)) {
            return Err(error);
        }
        verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
        Ok(ServerCertVerified::assertion())
    }
}

/// webpki's error, where rustls has none of its own for it.
fn cause(error: &rustls::Error) -> Option<&Error> {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::Other(other)) => other.0.downcast_ref(),
        _ => None,
    }
}

/// The same error with the names that the certificate is for: rustls lists them by `Debug`, which
/// the shipped binary lacks.
fn named(mut error: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
    if let rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
        presented,
        ..
    }) = &mut error
        && let Ok(certificate) = EndEntityCert::try_from(certificate)
    {
        let has_other = !presented.is_empty();
        *presented = certificate
            .valid_dns_names()
            .take(NAMES)
            .map(str::to_owned)
            .collect();
        if presented.is_empty() && has_other {
            presented.push("other names or addresses".to_owned());
        }
    }
    error
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.webpki
            .verify_server_cert(certificate, intermediates, name, ocsp, now)
            .or_else(|error| self.exempt(error, certificate, name))
            .map_err(|error| named(error, certificate))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.webpki
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
