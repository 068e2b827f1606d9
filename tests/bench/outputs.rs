//! Receivers of the agent's other outputs: OTLP, and Prometheus.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use fake_server::h2::Server;

/// Time between two scrapes.
const INTERVAL: Duration = Duration::from_secs(15);
/// Time limit for the answer to a scrape.
const ANSWER: Duration = Duration::from_secs(10);

/// The receivers that are wanted, and the configuration for them.
pub(crate) struct Outputs {
    collector: Option<Server>,
    listen: Option<SocketAddr>,
    key: String,
    table: String,
    scrapes: Arc<AtomicUsize>,
}

/// Scrapes until it is dropped.
pub(crate) struct Scraping(#[expect(dead_code, reason = "its end ends the thread")] Sender<()>);

impl Outputs {
    /// A collector if `otlp`, and an address to scrape if `scrape`.
    pub(crate) fn new(otlp: bool, scrape: bool) -> Outputs {
        let collector = otlp.then(Server::plain);
        let table = collector.as_ref().map(|server| {
            let port = server.port;
            format!("\n[[otlp]]\nendpoint = \"127.0.0.1:{port}\"\ninsecure = true\n")
        });
        // A port that is free now. The agent tries again if another program has taken it.
        let listen = scrape.then(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        });
        let key = listen.map(|address| format!("listen = \"{address}\"\n"));
        Outputs {
            collector,
            listen,
            key: key.unwrap_or_default(),
            table: table.unwrap_or_default(),
            scrapes: Arc::default(),
        }
    }

    /// The line of the configuration that has to be before all tables.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The table of the configuration.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// Scrapes every 15 seconds from now on, if that is wanted.
    pub(crate) fn scrape(&self) -> Option<Scraping> {
        let (address, scrapes) = (self.listen?, Arc::clone(&self.scrapes));
        let (end, ended) = channel();
        thread::spawn(move || {
            while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                match scrape(address) {
                    Ok(text) if text.contains("\nnode_load1 ") => {
                        scrapes.fetch_add(1, Ordering::SeqCst);
                    }
                    Ok(text) => eprintln!("scrape: {:?}", text.lines().next()),
                    Err(error) => eprintln!("scrape: {error}"),
                }
            }
        });
        Some(Scraping(end))
    }

    /// What has been received, for people.
    pub(crate) fn received(&self) -> String {
        let calls = self.collector.as_ref().map_or(0, |all| all.calls().len());
        let scrapes = self.scrapes.load(Ordering::SeqCst);
        format!("{calls} messages over OTLP, {scrapes} scrapes")
    }
}

fn scrape(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(ANSWER))?;
    let head = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(head.as_bytes())?;
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    Ok(text)
}
