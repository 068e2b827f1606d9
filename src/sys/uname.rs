//! The kernel's name and version, and the host's name: uname(2).

use std::ffi::c_char;
use std::{io, mem};

/// The fields of uname(2). Bytes that are not UTF-8 are replaced by U+FFFD.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Uname {
    /// `Linux`
    pub(crate) sysname: String,
    /// The host's name, as gethostname(2) returns it.
    pub(crate) nodename: String,
    /// e.g. `6.1.0-37-arm64`
    pub(crate) release: String,
    /// e.g. `#1 SMP Debian 6.1.140-1 (2025-05-22)`
    pub(crate) version: String,
    /// e.g. `aarch64`
    pub(crate) machine: String,
    /// The NIS domain, often `(none)`.
    pub(crate) domainname: String,
}

/// Reads the fields. Fails only if the system call does, which uname(2) rules out.
pub(crate) fn uname() -> io::Result<Uname> {
    // SAFETY: utsname consists of arrays of characters, for which all bits zero is a value.
    let mut fields: libc::utsname = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a utsname that outlives the call.
    if unsafe { libc::uname(&raw mut fields) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Uname {
        sysname: text(&fields.sysname),
        nodename: text(&fields.nodename),
        release: text(&fields.release),
        version: text(&fields.version),
        machine: text(&fields.machine),
        domainname: text(&fields.domainname),
    })
}

/// The host's name; empty if the kernel does not say it.
pub(crate) fn host_name() -> String {
    uname().map(|uname| uname.nodename).unwrap_or_default()
}

/// The characters before the first NUL.
fn text(field: &[c_char]) -> String {
    // c_char is signed on some targets and not on others.
    let all = field.iter().map(|c| u8::from_ne_bytes(c.to_ne_bytes()));
    let bytes: Vec<u8> = all.take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uname_is_read_from_the_kernel() {
        let uname = uname().unwrap();
        assert_eq!(uname.sysname, "Linux");
        assert!(!uname.release.is_empty() && !uname.machine.is_empty());
    }

    #[test]
    fn uname_field_ends_at_its_first_nul_or_at_its_end() {
        let field = |bytes: &[u8]| -> Vec<c_char> {
            let signed = |byte: &u8| c_char::from_ne_bytes([*byte]);
            bytes.iter().map(signed).collect()
        };
        assert_eq!(text(&field(b"web\0rest")), "web");
        assert_eq!(text(&field(b"full")), "full");
        assert_eq!(text(&field(b"\xff\0")), "\u{fffd}");
        assert_eq!(text(&[]), "");
    }
}
