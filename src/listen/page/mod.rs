//! The live page: one file without other resources, packed. `make page` makes it from `page.html`.

use super::response::{Status, head};

/// The page, packed by gzip.
const PAGE: &[u8] = include_bytes!("page.html.gz");
/// Its Content-Security-Policy: its own script and style by their hashes, and streams from where it
/// comes from.
const POLICY: &str = include_str!("policy.txt");

/// The answer with the page.
pub(super) fn page(is_head: bool) -> Vec<u8> {
    let length = PAGE.len().to_string();
    let length = [
        "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\nContent-Length: ",
        &length,
        "\r\n",
    ];
    let html = "text/html; charset=utf-8";
    let mut answer = head(Status::Ok, html, &length.concat(), POLICY);
    if !is_head {
        answer.extend_from_slice(PAGE);
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::clock::{FakeClock, Moment};
    use crate::listen::{Routes, Rules, Source};
    use crate::sys::log_ring::LogRing;
    use crate::sys::server::{Answer, Asked, Via};

    /// Measures nothing.
    struct Nothing;

    impl Source for Nothing {
        fn host(&mut self) -> String {
            "{}".to_owned()
        }

        fn is_full(&self) -> bool {
            false
        }

        fn event(&mut self, _: Moment, _: Duration, _: Option<&str>) -> String {
            "{}".to_owned()
        }

        fn forget(&mut self) {}
    }

    fn routes() -> Routes {
        let rules = Rules::new([]);
        let lines = Box::leak(Box::new(LogRing::new()));
        let (token, expose) = (Box::new(|| Ok(None)), Box::new(String::new));
        Routes::new(rules, token, expose, lines, String::new())
    }

    fn answer(routes: &mut Routes, head: &str) -> Vec<u8> {
        let head = [&head.replace('\n', "\r\n"), "\r\n\r\n"].concat();
        let asked = Asked {
            via: Via::Listen,
            head: head.as_bytes(),
            streams: 0,
        };
        routes.answer(&asked, &FakeClock::default()).text
    }

    #[test]
    fn page_is_sent_to_those_who_take_gzip() {
        // (headers, status)
        let table = [
            ("\nAccept-Encoding: gzip, deflate, br, zstd", "200"),
            ("\nAccept-Encoding: br\nAccept-Encoding: GZIP;q=0.5", "200"),
            ("\naccept-encoding: deflate , gzip ;q=1.0", "200"),
            ("", "406"),
            ("\nAccept-Encoding: identity", "406"),
            ("\nAccept-Encoding: gzip;q=0", "406"),
            ("\nAccept-Encoding: gzip; q=0.000, br", "406"),
            ("\nAccept-Encoding: notgzip", "406"),
            ("\nAccept-Encoding: gzip\nSec-Fetch-Site: cross-site", "403"),
        ];
        for (headers, expected) in table {
            let mut routes = routes().measuring(Box::new(Nothing));
            let request = ["GET / HTTP/1.1\nHost: localhost", headers].concat();
            let found = answer(&mut routes, &request);
            let status = str::from_utf8(&found[9..12]).unwrap();
            assert_eq!(status, expected, "{headers}");
        }
    }

    #[test]
    fn page_is_where_readings_are_and_on_no_public_address() {
        let get = "GET / HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip";
        for mut routes in [routes(), routes().measuring(Box::new(Nothing)).public(true)] {
            let found = answer(&mut routes, get);
            assert!(found.starts_with(b"HTTP/1.1 404 "));
        }
    }

    #[test]
    fn page_has_headers_for_one_packed_file() {
        let mut routes = routes().measuring(Box::new(Nothing));
        let head = "HEAD / HTTP/1.1\nHost: localhost\nAccept-Encoding: gzip";
        let found = answer(&mut routes, head);
        let text = str::from_utf8(&found).unwrap();
        let length = format!("Content-Length: {}\r\n", PAGE.len());
        for header in [
            "Content-Type: text/html; charset=utf-8\r\n",
            "Content-Encoding: gzip\r\n",
            "Vary: Accept-Encoding\r\n",
            &length,
            "Cache-Control: no-store\r\n",
            "X-Content-Type-Options: nosniff\r\n",
            "\r\nContent-Security-Policy: default-src 'none'; script-src 'sha256-",
            "; connect-src 'self'; ",
            "; frame-ancestors 'none'\r\n",
        ] {
            assert!(text.contains(header), "{header}: {text}");
        }
        let whole = answer(&mut routes, &head.replace("HEAD", "GET"));
        assert_eq!(whole, [&found, PAGE].concat());
    }

    #[test]
    fn page_has_no_resource_of_another_place_and_no_markup_from_texts() {
        let html = include_str!("page.html");
        for banned in [
            "http:",
            "https:",
            "src=",
            "@import",
            "url(",
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "style=\"",
            "localStorage",
            "cookie",
        ] {
            assert!(!html.contains(banned), "{banned}");
        }
    }

    #[test]
    fn page_is_small() {
        assert!(PAGE.len() <= 6400, "{} bytes", PAGE.len());
        assert!(PAGE.starts_with(&[0x1f, 0x8b]));
    }
}
