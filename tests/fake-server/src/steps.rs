//! A server on loopback, for tests: it follows a script and records the requests.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{env, fs, process};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};

/// Years of validity that contain the time of every test run.
pub const YEARS: (i32, i32) = (2000, 4000);

/// The server's next step on a connection. After the last step it closes the connection.
pub enum Step {
    /// Reads a request and sends this.
    Answer(String),
    /// Reads a request.
    Take,
    /// Sends this.
    Say(&'static str),
    /// Sends one byte after the other, until the client has closed.
    Drip,
    /// Sends this again and again, until the client has closed.
    Flood(&'static str),
    /// Waits until the client closes.
    Wait,
    /// Waits for a byte and does not read it: closing then sends RST.
    Hear,
    /// Sends close_notify. The TCP connection stays open.
    Bye,
    /// Continues over TLS.
    Encrypt(Arc<ServerConfig>),
}

/// An answer of 200 that leaves the connection open.
pub fn ok(body: &str) -> Step {
    let length = body.len();
    Step::Answer(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

/// Starts a server that accepts one connection for each script, one after the other. Joining
/// returns the requests, each after the number of its connection.
pub fn serve(scripts: Vec<Vec<Step>>) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = thread::spawn(move || {
        let mut taken = Vec::new();
        for (number, script) in scripts.into_iter().enumerate() {
            let mut stream = Stream::Plain(listener.accept().unwrap().0);
            // A client that closes ends its script.
            let end = script.into_iter().try_for_each(|step| {
                match step {
                    Step::Encrypt(config) => stream.encrypt(config),
                    Step::Take => taken.push(format!("{number} {}", stream.request()?)),
                    Step::Answer(text) => {
                        taken.push(format!("{number} {}", stream.request()?));
                        stream.say(text.as_bytes())?;
                    }
                    Step::Say(text) => stream.say(text.as_bytes())?,
                    Step::Drip => stream.drip()?,
                    // Until the client's end is closed.
                    Step::Flood(text) => while stream.say(text.as_bytes()).is_ok() {},
                    Step::Bye => stream.bye()?,
                    Step::Wait => drop(stream.read_to_end(&mut Vec::new())),
                    Step::Hear => drop(stream.tcp().peek(&mut [0])?),
                }
                io::Result::Ok(())
            });
            drop(end);
        }
        taken
    });
    (port, served)
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => &tls.sock,
        }
    }

    fn encrypt(&mut self, config: Arc<ServerConfig>) {
        let tcp = self.tcp().try_clone().unwrap();
        let session = ServerConnection::new(config).unwrap();
        *self = Stream::Tls(Box::new(StreamOwned::new(session, tcp)));
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)?;
        self.flush()
    }

    fn bye(&mut self) -> io::Result<()> {
        if let Stream::Tls(tls) = self {
            tls.conn.send_close_notify();
        }
        self.flush()
    }

    fn drip(&mut self) -> io::Result<()> {
        self.tcp()
            .set_read_timeout(Some(Duration::from_millis(20)))?;
        loop {
            self.say(b"x")?;
            // Something can only arrive because the client closes.
            if self.tcp().peek(&mut [0]).is_ok() {
                return Ok(());
            }
        }
    }

    /// Reads one request, head and body.
    fn request(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        let mut byte = [0];
        let mut read = |text: &mut Vec<u8>| {
            self.read_exact(&mut byte)?;
            text.extend(byte);
            io::Result::Ok(())
        };
        while !text.ends_with(b"\r\n\r\n") {
            read(&mut text)?;
        }
        let head = String::from_utf8(text.clone()).unwrap();
        let length = head
            .split_once("content-length: ")
            .map_or("0", |(_, rest)| rest.lines().next().unwrap());
        for _ in 0..length.parse::<usize>().unwrap() {
            read(&mut text)?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.read(into),
            Stream::Tls(tls) => tls.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Tls(tls) => tls.flush(),
        }
    }
}

/// A certificate authority that no other program trusts.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap());
        Authority(issuer.unwrap())
    }

    pub fn der(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `key` with these contents.
    pub fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Certificate {
        params.signed_by(key, &self.0).unwrap()
    }

    /// A server whose certificate is for `name` and valid in `years`, which begin and end with
    /// January.
    pub fn server(
        &self,
        name: &str,
        years: (i32, i32),
        version: &'static SupportedProtocolVersion,
    ) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let provider = rustls::crypto::ring::default_provider();
        self.server_of(name, years, version, key, provider)
    }

    /// The same with a given key and cryptography provider.
    pub fn server_of(
        &self,
        name: &str,
        years: (i32, i32),
        version: &'static SupportedProtocolVersion,
        key: KeyPair,
        provider: CryptoProvider,
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

/// The contents of a certificate for `name` as `openssl req -x509` makes it, valid in [`YEARS`]:
/// that of an authority.
pub fn own(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(YEARS.0, 1, 1);
    params.not_after = date_time_ymd(YEARS.1, 1, 1);
    params
}

/// A server that presents these certificates. They need not match each other or the key.
pub fn presenting(
    chain: Vec<CertificateDer<'static>>,
    key: &KeyPair,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
    let key = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(key));
    Arc::new(config)
}

/// A file that is removed when dropped.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(text: &str) -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("http-test-{}-{number}.pem", process::id());
        let path = env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}
