//! git's configuration file: the token for GitHub.

/// The value of `github.token`; `None` if it is not set. The last one counts, as in git. Remarks
/// behind a value are not supported.
pub(crate) fn token(text: &str) -> Option<&str> {
    let (mut is_github, mut token) = (false, None);
    for line in text.lines() {
        let line = line.trim();
        if line.starts_with('[') {
            is_github = line.eq_ignore_ascii_case("[github]");
        } else if is_github
            && let Some((key, value)) = line.split_once('=')
            && key.trim().eq_ignore_ascii_case("token")
        {
            token = Some(value.trim().trim_matches('"'));
        }
    }
    token.filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitconfig_token_is_that_of_github() {
        // (why this row exists, file, token)
        let table = [
            ("nothing", "", None),
            ("plain", "[github]\n\ttoken = abc\n", Some("abc")),
            ("quotes, case", "[GitHub]\nToken=\"abc\"\r\n", Some("abc")),
            (
                "the last one",
                "[github]\ntoken=a\n[x]\ny=z\n[github]\ntoken=b",
                Some("b"),
            ),
            ("another section", "[gitlab]\ntoken = abc\n", None),
            ("a subsection", "[github \"x\"]\ntoken = abc\n", None),
            (
                "before a section",
                "token = abc\n[github]\nuser = x\n",
                None,
            ),
            ("empty", "[github]\ntoken =\n", None),
        ];
        for (why, text, expected) in table {
            assert_eq!(token(text), expected, "{why}");
        }
    }
}
