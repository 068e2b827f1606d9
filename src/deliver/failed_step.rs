//! The step of a delivery that failed, found out from the type of the error, and its remedy.

use crate::sys::http::{Kind, LinkError};

/// The step that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FailedStep {
    /// There was no answer: the step of the connection.
    Link(Kind),
    /// The answer is not from the API.
    Foreign,
    /// The server cannot answer for now.
    Server,
    /// The server rejected the content.
    Content,
    /// The key is unknown, or not allowed to write.
    Key,
    /// The plan of the organisation does not include the request.
    Plan,
    /// The server has no such host.
    Host,
    /// A proxy answered in place of the server, and requires a login.
    ProxyLogin,
    /// Something before the server limits the size of requests.
    Size,
    /// Any other refusal.
    Status,
    /// The host that the server has is not this one, or it is not known which one this is.
    Registration,
    /// The registration waits until the configured probe succeeds.
    Readiness,
    /// No clock is confirmed.
    Time,
}

impl FailedStep {
    /// The step for a refusal with this status of HTTP.
    pub(crate) fn of_status(status: u16) -> FailedStep {
        match status {
            408 | 429 | 500.. => FailedStep::Server,
            400 | 409 | 422 => FailedStep::Content,
            401 | 403 => FailedStep::Key,
            402 => FailedStep::Plan,
            404 => FailedStep::Host,
            407 => FailedStep::ProxyLogin,
            411 | 413 | 414 | 431 => FailedStep::Size,
            _ => FailedStep::Status,
        }
    }

    /// The step's name in documents.
    pub(crate) fn word(self) -> &'static str {
        self.texts().0
    }

    /// What ends the failure.
    pub(crate) fn remedy(self) -> &'static str {
        self.texts().1
    }

    /// The name and the remedy.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            FailedStep::Link(kind) => match kind {
                Kind::Resolve => (
                    "resolve",
                    "check the name servers in /etc/resolv.conf, and the name of the server",
                ),
                Kind::Connect => (
                    "connect",
                    "check the network and its firewalls; where only a proxy leads out, set \
                     https_proxy",
                ),
                Kind::Proxy => (
                    "proxy",
                    "check the address, user and password of the proxy: http_proxy and https_proxy",
                ),
                Kind::Tls => (
                    "tls",
                    "check that the address is one of an HTTPS server, and that nothing before it \
                     changes the connection",
                ),
                Kind::Certificate => (
                    "certificate",
                    "check the certificate of the server: its dates, its names, and who signed it; \
                     ca_file names a private authority",
                ),
                Kind::Clock => ("clock", "set the clock, or have it set by NTP"),
                Kind::Timeout => (
                    "timeout",
                    "check the way to the server: a firewall or a proxy may drop packets",
                ),
                Kind::Broken => (
                    "connection",
                    "check proxies and firewalls on the way to the server",
                ),
            },
            FailedStep::Foreign => (
                "answer",
                "check apibase, and whether a proxy or a login page is between this host and the \
                 server",
            ),
            FailedStep::Server => (
                "server",
                "wait: what is queued is sent once the server accepts it",
            ),
            FailedStep::Content => (
                "content",
                "correct what the message names: it is from the configuration or from a plugin",
            ),
            FailedStep::Key => (
                "key",
                "check apikey: the key has to exist and to be allowed to write",
            ),
            FailedStep::Plan => ("plan", "check the plan of the organization and its limits"),
            FailedStep::Host => (
                "host",
                "check that the host is neither retired nor of another organization than apikey, \
                 and that apibase is right; to register it as a new host, delete the file id in \
                 the directory that root names and start the agent again",
            ),
            FailedStep::ProxyLogin => ("proxy", "check http_proxy and https_proxy"),
            FailedStep::Size => (
                "size",
                "a proxy or gateway before the API limits the size of requests: raise its limit",
            ),
            FailedStep::Status => (
                "status",
                "check apibase and the proxies: the API itself does not refuse like this",
            ),
            FailedStep::Registration => (
                "registration",
                "correct what the reason names, and start the agent again",
            ),
            FailedStep::Readiness => (
                "readiness",
                "the host is registered once readiness_probe succeeds: see why it fails in the log",
            ),
            FailedStep::Time => (
                "time",
                "set the clock, or have it set by NTP: values are kept until then",
            ),
        }
    }
}

impl From<&LinkError> for FailedStep {
    fn from(error: &LinkError) -> FailedStep {
        FailedStep::Link(error.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_step_has_a_word_and_a_remedy() {
        use FailedStep::{
            Content, Foreign, Host, Key, Link, Plan, ProxyLogin, Readiness, Registration, Server,
            Size, Status, Time,
        };
        // (step, word in documents, words of the remedy)
        let table = [
            (Link(Kind::Resolve), "resolve", "/etc/resolv.conf"),
            (Link(Kind::Connect), "connect", "firewalls"),
            (Link(Kind::Proxy), "proxy", "user and password"),
            (Link(Kind::Tls), "tls", "HTTPS server"),
            (Link(Kind::Certificate), "certificate", "ca_file"),
            (Link(Kind::Clock), "clock", "NTP"),
            (Link(Kind::Timeout), "timeout", "drop packets"),
            (Link(Kind::Broken), "connection", "on the way"),
            (Foreign, "answer", "login page"),
            (Server, "server", "wait"),
            (Content, "content", "what the message names"),
            (Key, "key", "apikey"),
            (Plan, "plan", "limits"),
            (Host, "host", "retired"),
            (ProxyLogin, "proxy", "https_proxy"),
            (Size, "size", "raise its limit"),
            (Status, "status", "apibase"),
            (Registration, "registration", "start the agent again"),
            (Readiness, "readiness", "readiness_probe"),
            (Time, "time", "NTP"),
        ];
        for (step, word, remedy) in table {
            assert_eq!(step.word(), word);
            assert!(step.remedy().contains(remedy), "{word}: {}", step.remedy());
        }
    }
}
