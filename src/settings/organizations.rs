//! The organisations of Mackerel that a configuration names, and the configuration of each.

use crate::config::{Config, Organization};

/// The organisations, the one of the key at the top of the file (`None`) first. There are none if
/// the API is off.
pub(crate) fn organizations(config: &Config) -> Vec<Option<&Organization>> {
    let mut all = Vec::new();
    if config.mackerel {
        all.push(None);
        for organization in &config.organizations {
            all.push(Some(organization));
        }
    }
    all
}

/// The configuration of the poster of `organization`.
pub(crate) fn config_of(config: &Config, organization: Option<&Organization>) -> Config {
    let mut own = match organization {
        Some(organization) => config.for_organization(organization),
        None => config.clone(),
    };
    // The exposition says when something was posted last, as `health` does.
    own.health |= config.listen.is_some();
    own
}

/// What a message about the organisation of this name begins with, if there are several.
pub(crate) fn label(organization: Option<&str>) -> String {
    match organization {
        Some(name) => ["organization ", name, ": "].concat(),
        None => "main organization: ".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organizations_have_their_own_files_keys_and_roles() {
        let organization = Organization {
            name: "b".to_owned(),
            roles: vec!["s:r".to_owned()],
            checks: false,
            ..Organization::default()
        };
        let config = Config {
            roles: vec!["top:top".to_owned()],
            organizations: vec![organization],
            ..Config::default()
        };
        let all: Vec<Config> = organizations(&config)
            .into_iter()
            .map(|organization| config_of(&config, organization))
            .collect();
        let names: Vec<_> = all
            .iter()
            .map(|one| {
                (
                    one.state_name("id"),
                    one.state_name("spool"),
                    one.roles.clone(),
                )
            })
            .collect();
        let of = |id: &str, spool: &str, role: &str| (id.into(), spool.into(), vec![role.into()]);
        let expected = [of("id", "spool", "top:top"), of("id.b", "spool.b", "s:r")];
        assert_eq!(names, expected);
        let off = Config {
            mackerel: false,
            ..config
        };
        assert_eq!(organizations(&off).len(), 0);
    }
}
