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

use ring::digest::{SHA256, digest};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use webpki::{EndEntityCert, Error};

/// Names of a certificate that an error shows.
const NAMES: usize = 5;

/// Who is trusted.
#[derive(Debug)]
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

/// Checks the certificates of servers. rustls's own verifier checks the same, and carries 13 kB for
/// lists of revoked certificates, of which there are none.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
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
fn with_names(mut error: rustls::Error, certificate: &CertificateDer<'_>) -> rustls::Error {
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
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust { roots, named } = &self.trust;
        let parsed = ParsedCertificate::try_from(certificate)?;
        let (all, chain) = (self.algorithms.all, intermediates);
        verify_server_cert_signed_by_trust_anchor(&parsed, roots, chain, now, all).or_else(
            |error| {
                let is_authority = cause(&error) == Some(&Error::CaUsedAsEndEntity);
                match is_authority && named.contains(&Fingerprint::of(certificate)) {
                    true => Ok(()),
                    false => Err(error),
                }
            },
        )?;
        verify_server_name(&parsed, name).map_err(|error| with_names(error, certificate))?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
