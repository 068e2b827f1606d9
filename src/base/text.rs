//! Small text transformations with a rule behind them.

/// Makes one segment of a metric name out of a device, mount or interface name.
///
/// The API accepts `[a-zA-Z0-9._-]+` as a whole name and uses `.` to separate segments, so
/// inside a segment everything but ASCII letters, digits, `_` and `-` becomes `_`.
pub(crate) fn metric_segment(name: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.chars()
        .map(|c| if keep(c) { c } else { '_' })
        .collect()
}

/// A URL without user and password, for the log.
pub(crate) fn without_userinfo(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_segment_keeps_only_what_the_api_accepts() {
        // (why this row exists, input, expected)
        let table = [
            ("plain", "sda1", "sda1"),
            ("dot would open a new segment", "eth0.100", "eth0_100"),
            ("path", "/var/lib", "_var_lib"),
            ("kept punctuation", "dm-0_a", "dm-0_a"),
            ("space", "my disk", "my_disk"),
            ("one char, not one byte, per underscore", "あ", "_"),
            ("empty stays empty", "", ""),
        ];
        for (why, input, expected) in table {
            assert_eq!(metric_segment(input), expected, "{why}: {input}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let table = [
            ("https://api.mackerelio.com", "https://api.mackerelio.com"),
            ("http://u:p@w@host:80/a@b", "http://host:80/a@b"),
            ("no url", "no url"),
        ];
        for (url, expected) in table {
            assert_eq!(without_userinfo(url), expected);
        }
    }
}
