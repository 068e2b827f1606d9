//! A metadata service at its real address. It answers by a rule and records the requests.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

const ADDRESS: &str = "169.254.169.254:80";

/// A received request.
pub(crate) struct Request {
    /// e.g. `GET /latest/meta-data/instance-id`
    pub(crate) line: String,
    /// Header names in lower case.
    headers: Vec<(String, String)>,
}

impl Request {
    /// The value of a header. Empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The answer to a request: a status and a body.
type Rule = dyn Fn(&Request) -> (u16, String) + Send + Sync;

/// The service. It stops when dropped.
pub(crate) struct Service {
    asked: Arc<Mutex<Vec<String>>>,
    listener: TcpListener,
}

impl Service {
    pub(crate) fn start(
        rule: impl Fn(&Request) -> (u16, String) + Send + Sync + 'static,
    ) -> Service {
        let rule: Arc<Rule> = Arc::new(rule);
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let listener = TcpListener::bind(ADDRESS).unwrap();
        let (accepting, noted) = (listener.try_clone().unwrap(), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in accepting.incoming().map_while(Result::ok) {
                let (rule, noted) = (Arc::clone(&rule), Arc::clone(&noted));
                thread::spawn(move || serve(&stream, rule.as_ref(), &noted));
            }
        });
        Service { asked, listener }
    }

    /// The request lines until now.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Wakes the accepting thread, which then ends.
        rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both).unwrap();
    }
}

/// Answers the requests of one connection until it is closed.
fn serve(stream: &TcpStream, rule: &Rule, noted: &Mutex<Vec<String>>) {
    let mut input = BufReader::new(stream);
    while let Some(request) = receive(&mut input) {
        noted.lock().unwrap().push(request.line.clone());
        let (status, text) = rule(&request);
        let length = text.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{text}");
        let mut output = stream;
        if output.write_all(answer.as_bytes()).is_err() {
            break;
        }
    }
    // The peer may have closed already.
    let _ = stream.shutdown(Shutdown::Both);
}

fn receive(input: &mut impl BufRead) -> Option<Request> {
    let mut next = || {
        let mut line = String::new();
        let length = input.read_line(&mut line).ok()?;
        (length > 0).then(|| line.trim_end().to_owned())
    };
    let line = next()?.strip_suffix(" HTTP/1.1")?.to_owned();
    let mut headers = Vec::new();
    loop {
        let header = next()?;
        let Some((name, value)) = header.split_once(": ") else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    Some(Request { line, headers })
}
