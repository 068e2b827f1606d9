//! Downloads of files.

use std::io::{self, Read};

use ureq::http::header::LOCATION;

use super::message::encoding;
use super::{Http, LinkError, Method, Request};
use crate::base::clock::Deadline;

/// A file, or the server's answer in its place, such as a redirect or an error.
pub(crate) struct Download {
    pub(crate) status: u16,
    pub(crate) content: Vec<u8>,
    /// Value of `Location`: the file's URL in a redirect.
    pub(crate) location: Option<String>,
}

/// Error text for an answer that is compressed as `encoding`, with the remedy.
pub(crate) fn compressed(encoding: &str) -> String {
    format!(
        "compressed answer: Content-Encoding {encoding}, although the request has \
         Accept-Encoding: identity; turn compression off in the server or the proxy"
    )
}

impl Http {
    /// Requests a file, with at most one more header, and reads at most `limit` bytes of it. With
    /// [`Method::Head`], none.
    ///
    /// Fails if there is no answer or only a part of one, or if it is compressed.
    pub(super) fn download(
        &mut self,
        method: Method,
        path: &str,
        header: Option<(&'static str, &str)>,
        limit: u64,
    ) -> Result<Download, LinkError> {
        let request = Request {
            method,
            path,
            body: None,
            content_type: "",
            is_repeatable: true,
        };
        let by = Deadline::after(self.limit);
        let answer = self.send(&request, header, by).and_then(|answer| {
            let (head, body) = answer.into_parts();
            let location = head.headers.get(LOCATION);
            if let Some(encoding) = encoding(&head.headers) {
                return Err(ureq::Error::Io(io::Error::other(compressed(&encoding))));
            }
            let mut content = Vec::new();
            let read = body.into_reader().take(limit).read_to_end(&mut content);
            read.map_err(ureq::Error::from)?;
            Ok(Download {
                status: head.status.as_u16(),
                content,
                location: location.and_then(|url| Some(url.to_str().ok()?.to_owned())),
            })
        });
        answer.map_err(|error| self.failure(error))
    }
}
