//! A server on loopback that answers every connection with given bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crate::base::clock::Unix;
use crate::deliver::api::Api;
use crate::sys::http::proxy::Rules;
use crate::sys::http::{Http, Settings};

/// Requests a host from the API and posts a value. Both answers are the bytes of
/// [`Answers::try_one`].
pub(crate) struct Answers {
    api: Api,
    next: Sender<Vec<u8>>,
}

impl Answers {
    pub(crate) fn new() -> Answers {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (next, answers) = mpsc::channel::<Vec<u8>>();
        thread::spawn(move || {
            for answer in answers {
                // One that is not fetched is of no use for the next request.
                let (mut stream, _) = listener.accept().unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(1)))
                    .unwrap();
                drop(stream.read(&mut [0; 4096]));
                drop(stream.write_all(&answer));
                drop(stream.shutdown(Shutdown::Write));
                // Until the client has closed: closing earlier may discard the answer.
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
            }
        });
        let settings = Settings {
            base: format!("http://127.0.0.1:{port}"),
            key: "key".to_owned(),
            user_agent: "fuzz".to_owned(),
            version: "0".to_owned(),
            revision: "0".to_owned(),
            keep_alive: false,
            proxy: Rules::read(&|_| None),
            ca_file: None,
            limit: Duration::from_secs(3),
        };
        Answers {
            api: Api::new(Box::new(Http::new(settings).unwrap())),
            next,
        }
    }

    pub(crate) fn try_one(&mut self, answer: &[u8]) {
        self.next.send(answer.to_vec()).unwrap();
        let told = match answer.len() % 2 {
            0 => self.api.host("id").map(drop),
            _ => {
                let mut value = Some(("id", Unix(0), "loadavg5", 1.0));
                self.api.post_metrics(&mut || value.take())
            }
        };
        if let Err(error) = told {
            error.verdict();
            drop(crate::base::report(&error));
        }
    }
}
