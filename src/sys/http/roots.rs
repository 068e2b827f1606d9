//! The trusted certification authorities: Mozilla's, which are built in, and those in files.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs};

use webpki::anchor_from_trusted_cert;

use super::verify::{Fingerprint, Other, Trust, Verifier};
use super::{authorities, crypto};
use crate::parse::pem;
use crate::sys::log;
use crate::sys::nofollow;
use crate::sys::root::FileError;

/// Maximum number of bytes read of one file. A system's whole collection has a tenth of that.
const FILE_LIMIT: u64 = 4 << 20;
/// Maximum number of certificates taken from files.
const CERTIFICATES: usize = 1000;
/// Maximum number of entries examined in one directory.
const FILES: usize = 1000;

/// The system's collection of authorities: Debian's, Fedora's, openSUSE's and Alpine's file.
const SYSTEM: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Trusted roots, shared by clients with the same settings.
#[derive(Clone)]
pub(crate) struct Roots(Arc<Verifier>);

impl Roots {
    /// Loads the roots of `ca_file` and of this process's environment ([`trusted`]).
    pub(super) fn load(ca_file: Option<&Path>) -> Result<Roots, FileError> {
        trusted(ca_file, |name| env::var_os(name)).map(Roots::new)
    }

    /// What a check trusts: nothing but `ca_file` if there is one, else what the agent trusts and,
    /// for a certificate of another issuer, the system's collection. With `accepts_all`, every
    /// certificate.
    pub(crate) fn of_check(ca_file: Option<&Path>, accepts_all: bool) -> Result<Roots, FileError> {
        let mut trust = empty();
        if accepts_all {
            return Ok(Roots::with(trust, Other::Accepted));
        }
        if let Some(path) = ca_file {
            let added = add_file(&mut trust, path);
            added.map_err(|error| FileError::new("read", path, error))?;
            return Ok(Roots::with(trust, Other::Refused));
        }
        let trust = trusted(None, |name| env::var_os(name))?;
        Ok(Roots::with(trust, Other::Trust(system)))
    }

    pub(super) fn new(trust: Trust) -> Roots {
        Roots::with(trust, Other::Refused)
    }

    fn with(trust: Trust, other: Other) -> Roots {
        let algorithms = crypto::provider().signature_verification_algorithms;
        Roots(Arc::new(Verifier {
            trust,
            algorithms,
            other,
        }))
    }

    pub(super) fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0)
    }
}

/// A trust in nobody.
fn empty() -> Trust {
    Trust {
        built_in: false,
        roots: Vec::new(),
        named: Vec::new(),
    }
}

/// The authorities in the system's collection; `None` if the system has no collection.
fn system() -> Option<Trust> {
    let mut trust = empty();
    let mut paths = SYSTEM.iter();
    let is_added = paths.any(|path| add_file(&mut trust, Path::new(path)).is_ok());
    is_added.then_some(trust)
}

/// Mozilla's authorities, those in `ca_file`, those in the file that `SSL_CERT_FILE` names, and
/// those in the directories that `SSL_CERT_DIR` names.
///
/// Fails if `ca_file` cannot be read or has no usable certificate. An unusable file or directory in
/// a variable is only logged, since the agent may not need it.
fn trusted(
    ca_file: Option<&Path>,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Trust, FileError> {
    let mut trust = Trust {
        built_in: true,
        ..empty()
    };
    if let Some(path) = ca_file {
        add_file(&mut trust, path).map_err(|error| FileError::new("read", path, error))?;
    }
    let named = |name| variable(name).filter(|value| !value.is_empty());
    let warn = |name, path: &Path, error| {
        log::warn!("{name}: {}: {error}", path.display());
    };
    if let Some(path) = named("SSL_CERT_FILE").map(PathBuf::from)
        && let Err(error) = add_file(&mut trust, &path)
    {
        warn("SSL_CERT_FILE", &path, error);
    }
    let directories = named("SSL_CERT_DIR").unwrap_or_default();
    // For an empty variable, `split_paths` returns one empty path.
    for path in env::split_paths(&directories).filter(|path| path != Path::new("")) {
        if let Err(error) = add_directory(&mut trust, &path) {
            warn("SSL_CERT_DIR", &path, error);
        }
    }
    // A system's collection is nearly the same as the built-in one, and each authority costs memory.
    let roots = &mut trust.roots;
    let built_in = authorities::built_in(&|name| roots.iter().any(|root| *root.subject == *name));
    roots.retain(|root| !built_in.contains(root));
    // A vector that has grown may have capacity for twice as many.
    roots.shrink_to_fit();
    Ok(trust)
}

/// Adds the certificates in a PEM file, until there are [`CERTIFICATES`] authorities.
///
/// Fails if none of them is usable.
fn add_file(trust: &mut Trust, path: &Path) -> io::Result<()> {
    let mut text = Vec::new();
    nofollow::open_given(path)?
        .take(FILE_LIMIT)
        .read_to_end(&mut text)?;
    let mut usable = 0;
    pem::certificates(&text, &mut |certificate| {
        let fingerprint = Fingerprint::of(&certificate);
        if trust.roots.len() < CERTIFICATES
            && trust.named.len() < CERTIFICATES
            && let Ok(root) = anchor_from_trusted_cert(&certificate)
        {
            usable += 1;
            if !trust.roots.contains(&root) {
                trust.roots.push(root.to_owned());
            }
            if !trust.named.contains(&fingerprint) {
                trust.named.push(fingerprint);
            }
        }
    });
    match usable {
        0 => Err(io::Error::other("it has no certificate that can be used")),
        _ => Ok(()),
    }
}

/// Adds the certificates in the files of a directory, until there are [`CERTIFICATES`] authorities.
/// Skips files without certificates.
///
/// Fails if the directory cannot be read, or if no file in it has a usable certificate.
fn add_directory(trust: &mut Trust, path: &Path) -> io::Result<()> {
    let mut usable = 0;
    for entry in fs::read_dir(path)?.take(FILES) {
        let path = entry?.path();
        usable += usize::from(path.is_file() && add_file(trust, &path).is_ok());
    }
    match usable {
        0 => Err(io::Error::other("it has no certificate that can be used")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base;
    use crate::sys::http::stream::Stream;
    use fake_server::steps::{Authority, Scratch, Step, YEARS, serve};
    use rustls::version::TLS13;
    use std::sync::OnceLock;
    use std::time::Duration;

    /// Number of trusted authorities in addition to those built in, or the error.
    fn added(ca_file: Option<&Path>, variables: &[(&str, &Path)]) -> Result<usize, String> {
        let trusted = trusted(ca_file, |name| {
            let found = variables.iter().find(|(have, _)| *have == name);
            found.map(|(_, path)| path.as_os_str().to_owned())
        });
        trusted
            .map(|trust| trust.roots.len())
            .map_err(|error| base::report(&error))
    }

    #[test]
    fn roots_of_a_check_ask_another_trust_last() {
        static FILE: OnceLock<PathBuf> = OnceLock::new();
        fn load() -> Option<Trust> {
            let mut trust = empty();
            add_file(&mut trust, FILE.get()?).ok().map(|()| trust)
        }
        let known = Authority::new("known");
        let file = Scratch::new(&known.pem());
        FILE.set(file.0.clone()).unwrap();
        // (issuer, what is asked last, whether the connection is accepted; why)
        let unknown = Authority::new("unknown");
        let table = [
            (&known, Other::Trust(load), true, "its authority"),
            (&known, Other::Trust(|| None), false, "no other trust"),
            (&known, Other::Refused, false, "the agent's own verifier"),
            (&unknown, Other::Trust(load), false, "another authority"),
            (&unknown, Other::Accepted, true, "any certificate"),
        ];
        for (authority, other, expected, why) in table {
            let server = authority.server("127.0.0.1", YEARS, &TLS13);
            let (port, _served) = serve(vec![vec![Step::Encrypt(server), Step::Wait]]);
            let roots = Some(Roots::with(empty(), other));
            let made = Stream::open("127.0.0.1", port, roots, Duration::from_secs(100));
            assert_eq!(made.is_ok(), expected, "{why}");
        }
    }

    #[test]
    fn trusted_includes_built_in_authorities_and_those_in_files() {
        let [a, b] = ["a", "b"].map(|name| Authority::new(name).pem());
        let both = Scratch::new(&format!("a comment\n{a}\n{b}"));
        let one = Scratch::new(&a);
        let none = Scratch::new("-----BEGIN CERTIFICATE-----\nxyz\n-----END CERTIFICATE-----\n");
        let nowhere = Path::new("/nowhere/certificates");
        // (why this row exists, file, directory, number of added authorities)
        let table = [
            ("nothing is named", None, None, 0),
            ("a file", Some(both.0.as_path()), None, 2),
            ("a file that is missing", Some(nowhere), None, 0),
            ("a file without certificates", Some(&none.0), None, 0),
            (
                "a directory that is missing",
                Some(&one.0),
                Some(nowhere),
                1,
            ),
        ];
        for (why, file, directory, expected) in table {
            let variables: Vec<_> = [("SSL_CERT_FILE", file), ("SSL_CERT_DIR", directory)]
                .into_iter()
                .filter_map(|(name, at)| Some((name, at?)))
                .collect();
            assert_eq!(added(None, &variables), Ok(expected), "{why}");
        }
        let twice = added(Some(&one.0), &[("SSL_CERT_FILE", &both.0)]);
        assert_eq!(twice, Ok(2), "an authority is added only once");
    }

    #[test]
    fn trusted_includes_the_files_of_a_directory() {
        let top = Scratch::new("");
        let directory = top.0.with_extension("d");
        fs::create_dir(&directory).unwrap();
        for name in ["a", "b"] {
            fs::write(directory.join(name), Authority::new(name).pem()).unwrap();
        }
        fs::write(directory.join("README"), "no certificate").unwrap();
        let two = env::join_paths([Path::new("/nowhere"), &directory]).unwrap();
        let both = added(None, &[("SSL_CERT_DIR", Path::new(&two))]);
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(both, Ok(2));
    }

    #[test]
    fn ca_file_without_a_certificate_is_an_error() {
        let empty = Scratch::new("no certificate");
        let line = added(Some(&empty.0), &[]).unwrap_err();
        assert!(line.ends_with(": it has no certificate that can be used"));
    }
}
