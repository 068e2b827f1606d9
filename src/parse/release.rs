//! The files below `/etc` that name a distribution and its version. Only `os-release` has a
//! specified format, os-release(5). The others are parsed by convention.
//!
//! No function here fails: missing words give empty strings.

/// A distribution and its version, as the distribution spells them; empty if unknown.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Platform {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// Parses `os-release`: ID and VERSION_ID. `amzn` becomes `amazon`, the name that older releases of
/// Amazon Linux use.
pub(crate) fn os_release(text: &str) -> Platform {
    let mut found = assigned(text, "ID", "VERSION_ID");
    if found.name == "amzn" {
        found.name = "amazon".to_owned();
    }
    found
}

/// Parses `lsb-release`: DISTRIB_ID and DISTRIB_RELEASE.
pub(crate) fn lsb_release(text: &str) -> Platform {
    assigned(text, "DISTRIB_ID", "DISTRIB_RELEASE")
}

/// The last values assigned to `name` and `version` by lines `NAME=value`. Double quotes are
/// removed, and a second `=` ends the value.
fn assigned(text: &str, name: &str, version: &str) -> Platform {
    let mut found = Platform::default();
    for line in text.lines() {
        let mut parts = line.split('=');
        let (Some(key), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        if key == name {
            found.name = value.replace('"', "");
        } else if key == version {
            found.version = value.replace('"', "");
        }
    }
    found
}

/// Parses `redhat-release` and similar files, e.g. `CentOS Linux release 7.9.2009 (Core)`: the
/// first word and the version after `release`, in lower case.
pub(crate) fn redhat(text: &str) -> Platform {
    let line = joined_in_lower_case(text);
    let name = if line.contains("red hat") {
        "redhat"
    } else {
        line.split(' ').next().unwrap_or_default()
    };
    let version = if line.contains("rawhide") {
        "rawhide"
    } else {
        redhat_version(&line)
    };
    Platform {
        name: name.to_owned(),
        version: version.to_owned(),
    }
}

/// The first word after `release` that begins with a letter, a digit or `_`. After that character,
/// the version ends before the first character that is neither a digit nor a full stop.
fn redhat_version(line: &str) -> &str {
    let is_start = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    line.split("release ")
        .skip(1)
        .find(|rest| rest.as_bytes().first().is_some_and(is_start))
        .map_or("", |rest| {
            let goes_on = |c: char| c.is_ascii_digit() || c == '.';
            let end = rest.char_indices().skip(1).find(|(_, c)| !goes_on(*c));
            end.and_then(|(end, _)| rest.get(..end)).unwrap_or(rest)
        })
}

/// Parses `SuSE-release`: `opensuse` or `suse`, and VERSION, followed by PATCHLEVEL if present.
pub(crate) fn suse(text: &str) -> Platform {
    let number_after = |line: &str, key: &str| -> Option<String> {
        let (_, rest) = line.split_once(key)?;
        let is_number = |c: char| c.is_ascii_digit() || c == '.';
        let number = rest.split(|c| !is_number(c)).next()?;
        (!number.is_empty()).then(|| number.to_owned())
    };
    let mut version = String::new();
    for line in text.lines() {
        if let Some(number) = number_after(line, "VERSION = ") {
            version = number;
        } else if let Some(number) = number_after(line, "PATCHLEVEL = ") {
            version.push('.');
            version.push_str(&number);
        }
    }
    let is_open = joined_in_lower_case(text).contains("opensuse");
    Platform {
        name: if is_open { "opensuse" } else { "suse" }.to_owned(),
        version,
    }
}

/// Parses `slackware-version`: the text without the name, in lower case.
pub(crate) fn slackware_version(text: &str) -> String {
    joined_in_lower_case(text).replacen("slackware ", "", 1)
}

/// Parses `debian_version` or `alpine-release`: the first line is the version.
pub(crate) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

fn joined_in_lower_case(text: &str) -> String {
    let mut line: String = text.lines().collect();
    line.make_ascii_lowercase();
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(name: &str, version: &str) -> Platform {
        Platform {
            name: name.to_owned(),
            version: version.to_owned(),
        }
    }

    #[test]
    fn reads_os_release() {
        let table = [
            (
                "plain",
                "ID=alpine\nVERSION_ID=3.20.3\n",
                "alpine",
                "3.20.3",
            ),
            (
                "quoted, and other keys that end alike",
                "NAME=\"CentOS Linux\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nVERSION_ID=\"7\"\nBUILD_ID=x",
                "centos",
                "7",
            ),
            (
                "Amazon",
                "ID=\"amzn\"\nVERSION_ID=\"2023\"",
                "amazon",
                "2023",
            ),
            (
                "rolling: no version",
                "ID=arch\nBUILD_ID=rolling\n",
                "arch",
                "",
            ),
            ("comment, blank line", "# ID=no\n\nID=nixos", "nixos", ""),
            ("second equals sign", "ID=a=b", "a", ""),
            ("carriage returns", "ID=a\r\nVERSION_ID=1\r\n", "a", "1"),
            ("empty", "", "", ""),
        ];
        for (why, text, name, version) in table {
            assert_eq!(os_release(text), platform(name, version), "{why}");
        }
    }

    #[test]
    fn reads_lsb_release() {
        assert_eq!(
            lsb_release("DISTRIB_ID=\"Arch\"\nDISTRIB_RELEASE=\"rolling\"\n"),
            platform("Arch", "rolling")
        );
        assert_eq!(lsb_release("ID=debian\n"), platform("", ""));
    }

    #[test]
    fn reads_redhat_release_and_similar_files() {
        let table = [
            (
                "CentOS Linux release 7.9.2009 (Core)\n",
                "centos",
                "7.9.2009",
            ),
            (
                "Red Hat Enterprise Linux Server release 6.10 (Santiago)",
                "redhat",
                "6.10",
            ),
            ("Rocky Linux release 9.4 (Blue Onyx)", "rocky", "9.4"),
            ("Amazon Linux release 2 (Karoo)", "amazon", "2"),
            ("Fedora release 42 (Rawhide)", "fedora", "rawhide"),
            ("Fedora release v7x", "fedora", "v7"),
            ("X release (none) release 3 .4", "x", "3"),
            ("Scientific Linux", "scientific", ""),
            (
                "Oracle Linux Server release 8.10\nsecond line",
                "oracle",
                "8.10",
            ),
            ("Joined\nrelease 5", "joinedrelease", "5"),
            ("", "", ""),
            ("release ", "release", ""),
        ];
        for (text, name, version) in table {
            assert_eq!(redhat(text), platform(name, version), "{text}");
        }
    }

    #[test]
    fn reads_suse_release() {
        let table = [
            (
                "SUSE Linux Enterprise Server 11 (x86_64)\nVERSION = 11\nPATCHLEVEL = 4\n",
                "suse",
                "11.4",
            ),
            (
                "openSUSE 13.2 (x86_64)\nVERSION = 13.2\n",
                "opensuse",
                "13.2",
            ),
            ("VERSION = \nPATCHLEVEL = x\n", "suse", ""),
            ("", "suse", ""),
        ];
        for (text, name, version) in table {
            assert_eq!(suse(text), platform(name, version), "{text}");
        }
    }

    #[test]
    fn reads_files_that_only_contain_a_version() {
        assert_eq!(slackware_version("Slackware 15.0+\n"), "15.0+");
        assert_eq!(first_line("trixie/sid\nmore"), "trixie/sid");
        assert_eq!(first_line(""), "");
    }

    #[test]
    fn never_panics() {
        let good =
            "ID=\"débian\"\nVERSION_ID=12\nRelease release 7.9 é\nVERSION = 1\nPATCHLEVEL = 2\n";
        crate::parse::survives_damage(good, |text| {
            drop((os_release(text), lsb_release(text), redhat(text)));
            drop((suse(text), slackware_version(text), first_line(text)));
        });
    }
}
