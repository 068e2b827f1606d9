//! Users and their groups as listed in `/etc/passwd` and `/etc/group`: passwd(5), group(5).

use std::path::Path;

use super::error::ExecError;
use crate::base;
use crate::sys::file;

/// A user of this host.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Account {
    pub(super) uid: libc::uid_t,
    pub(super) gid: libc::gid_t,
    /// The primary group, then the supplementary groups.
    pub(super) groups: Vec<libc::gid_t>,
}

impl Account {
    /// The user `name`. Only `/etc/passwd` and `/etc/group` are read: users from LDAP and other
    /// directories are not found.
    ///
    /// Fails if there is no such user, and if one of the files cannot be read.
    pub(super) fn of(name: &str) -> Result<Account, ExecError> {
        let text = |path: &str| match file::read(Path::new(path)) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) => Err(ExecError::other(base::report(&error))),
        };
        let account = find(name, &text("/etc/passwd")?, &text("/etc/group")?);
        account.ok_or_else(|| {
            ExecError::other(format!(
                "user {name} is not in /etc/passwd, and sudo is not in $PATH"
            ))
        })
    }
}

/// The groups of the user `uid`, as [`Account::of`] finds them; empty if there is no such user.
pub(crate) fn groups_of(uid: libc::uid_t) -> Vec<libc::gid_t> {
    let bytes = file::read(Path::new("/etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&bytes);
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    let account = name.and_then(|name| Account::of(name).ok());
    account.map_or_else(Vec::new, |account| account.groups)
}

fn find(name: &str, passwd: &str, group: &str) -> Option<Account> {
    let mut user = passwd
        .lines()
        .map(|line| line.split(':'))
        .find_map(|mut fields| (fields.next()? == name).then_some(fields))?;
    let uid = user.nth(1)?.parse().ok()?;
    let gid = user.next()?.parse().ok()?;
    let mut groups = vec![gid];
    for line in group.lines() {
        let mut fields = line.split(':').skip(2);
        let number = fields.next().and_then(|number| number.parse().ok());
        let members = fields.next().unwrap_or_default();
        if let Some(number) = number
            && members.split(',').any(|member| member == name)
            && !groups.contains(&number)
        {
            groups.push(number);
        }
    }
    Some(Account { uid, gid, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        www:x:33:34:www,,,:/var/www:/usr/sbin/nologin\n\
        short:x:5\n\
        odd:x:minus:6::/:\n\
        +@netgroup\n";
    const GROUP: &str = "root:x:0:\n\
        www:x:34:www\n\
        adm:*:4:syslog,www\n\
        wwwroot:x:5:wwwroot,ww\n\
        docker:x:998:www,root\n\
        broken:x:www\n\
        +\n";

    #[test]
    fn account_has_the_groups_of_passwd_and_group() {
        let account = |uid, gid, groups: &[u32]| {
            let groups = groups.to_vec();
            Some(Account { uid, gid, groups })
        };
        let table = [
            ("root", account(0, 0, &[0, 998])),
            ("www", account(33, 34, &[34, 4, 998])),
            ("ww", None),
            ("short", None),
            ("odd", None),
            ("", None),
        ];
        for (name, expected) in table {
            assert_eq!(find(name, PASSWD, GROUP), expected, "{name}");
        }
    }

    #[test]
    fn account_of_root_is_found_and_an_unknown_user_is_named() {
        assert_eq!(Account::of("root").unwrap().uid, 0);
        assert_eq!(
            Account::of("no such user").unwrap_err().to_string(),
            "exit code: 125, user no such user is not in /etc/passwd, and sudo is not in $PATH"
        );
    }
}
