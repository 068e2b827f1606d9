//! The fake server, which accepts every request, and everything that it has received.

use fake_server::{Act, Answer, FakeServer, Rule};

pub(crate) struct Server(FakeServer);

impl Server {
    pub(crate) fn start() -> Server {
        let server = FakeServer::http();
        server.rule(Rule::on("*", Act::Answer(Answer::success())));
        Server(server)
    }

    pub(crate) fn base(&self) -> String {
        self.0.base()
    }

    /// Everything received since the last call: heads, then bodies.
    pub(crate) fn received(&self) -> Vec<u8> {
        let requests = self.0.seen(|seen| std::mem::take(&mut seen.requests));
        let mut bytes = Vec::new();
        for request in requests {
            bytes.extend(format!("{:?}\n", request.head).into_bytes());
            bytes.extend(request.body);
        }
        bytes
    }
}
