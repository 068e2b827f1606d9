//! Locations of the host's files for a process in a container.

use std::ffi::OsString;
use std::path::PathBuf;

/// One location for each tree; `None` for the default. A container that monitors its host has the
/// host's trees mounted somewhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct HostPaths {
    /// `/`; it also applies to every other tree without a location of its own.
    pub(crate) root: Option<PathBuf>,
    pub(crate) proc: Option<PathBuf>,
    pub(crate) sys: Option<PathBuf>,
    pub(crate) etc: Option<PathBuf>,
}

impl HostPaths {
    /// The locations from environment variables, looked up by `variable`. Empty values are ignored.
    pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<OsString>) -> HostPaths {
        let place = |name| {
            let place = variable(name).filter(|place| !place.is_empty());
            place.map(PathBuf::from)
        };
        HostPaths {
            root: place("HOST_ROOT"),
            proc: place("HOST_PROC"),
            sys: place("HOST_SYS"),
            etc: place("HOST_ETC"),
        }
    }

    /// These locations; those that are `None` are taken from `other`.
    pub(crate) fn or(self, other: HostPaths) -> HostPaths {
        HostPaths {
            root: self.root.or(other.root),
            proc: self.proc.or(other.proc),
            sys: self.sys.or(other.sys),
            etc: self.etc.or(other.etc),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_location_given_is_used_for_each_tree() {
        let first = HostPaths::of_environment(|name| match name {
            "HOST_PROC" => Some("/p".into()),
            "HOST_SYS" => Some(OsString::new()),
            _ => None,
        });
        let second = HostPaths {
            proc: Some("/other".into()),
            sys: Some("/s".into()),
            ..HostPaths::default()
        };
        let expected = HostPaths {
            root: None,
            proc: Some("/p".into()),
            sys: Some("/s".into()),
            etc: None,
        };
        assert_eq!(first.or(second), expected);
    }
}
