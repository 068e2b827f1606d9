//! This process's environment, which its children inherit. It is changed only as long as there is
//! no other thread, which might be reading it.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Where commands are looked for before anything that `PATH` names.
const BEFORE: &[u8] = b"/sbin:/usr/sbin:/bin:/usr/bin";
/// Where plugins are looked for in the end.
const AFTER: &[u8] = b"/opt/mackerel-agent/plugins/bin";

/// Makes the environment the one that plugins expect: `PATH` leads to them, and what commands print
/// depends on no language. To be called before any thread is started.
pub(crate) fn prepare() {
    set("PATH", path(&env::var_os("PATH").unwrap_or_default()));
    set("LANG", "C");
    set("LC_ALL", "C");
}

/// `PATH`, given what it was. A supervisor has done this already for its child.
fn path(was: &OsStr) -> OsString {
    let was = was.as_bytes();
    let is_done = was
        .strip_prefix(BEFORE)
        .and_then(|rest| rest.strip_suffix(AFTER))
        .is_some_and(|rest| rest.starts_with(b":") && rest.ends_with(b":"));
    let parts: &[&[u8]] = match was {
        was if is_done => &[was],
        [] => &[BEFORE, AFTER],
        was => &[BEFORE, was, AFTER],
    };
    OsString::from_vec(parts.join(&b':'))
}

/// The variable that holds the API key.
pub(crate) const APIKEY: &str = "MACKEREL_APIKEY";
/// The same in the Go agent's container image; it means nothing elsewhere.
pub(crate) const APIKEY_OF_IMAGE: &str = "apikey";
/// The variable with which units and init scripts add flags to the command line, of which one may be
/// `-apikey`.
const FLAGS: &str = "OTHER_OPTS";

/// Whether the API key may be in the variable, so that plugins do not inherit it.
pub(crate) fn may_hold_key(name: &OsStr) -> bool {
    name == APIKEY || name == FLAGS || (name == APIKEY_OF_IMAGE && is_of_image())
}

/// Who runs images, as the variable `container` says it. LXC and systemd-nspawn run hosts.
const ENGINES: [&str; 3] = ["oci", "podman", "docker"];

/// Whether the environment is that of a container image of this agent, which sets `container` as
/// Podman does, or is process 1: variables with plain names are meant for it there.
pub(crate) fn is_of_image() -> bool {
    let engine = env::var_os("container");
    std::process::id() == 1
        || engine.is_some_and(|engine| ENGINES.iter().any(|known| engine == **known))
}

/// Sets a variable. To be called before any thread is started.
pub(crate) fn set(name: &str, value: impl AsRef<OsStr>) {
    debug_assert!(is_alone(), "another thread may be reading the environment");
    // SAFETY: there is no other thread, as every caller promises, and as the line above checks
    // wherever it is compiled.
    unsafe { env::set_var(name, value) };
}

/// The value of a variable, which is removed: children do not inherit it, and whoever may look at
/// this process in `/proc` does not see it. `None` if it is not there. To be called before any
/// thread is started.
pub(crate) fn take(name: &str) -> Option<OsString> {
    debug_assert!(is_alone(), "another thread may be reading the environment");
    let c_name = CString::new(name).ok()?;
    // SAFETY: there is no other thread (see `set`), so that nobody else reads or moves the value
    // while it is copied and overwritten: it is this process's own memory up to its NUL.
    let value = unsafe {
        let at = libc::getenv(c_name.as_ptr());
        if at.is_null() {
            return None;
        }
        let value = CStr::from_ptr(at).to_bytes().to_vec();
        at.write_bytes(0, value.len());
        env::remove_var(name);
        value
    };
    Some(OsString::from_vec(value))
}

/// The value of a variable that holds flags, if it is there. One that only an image of this agent
/// means so, and in which a key may be, is removed (see [`take`]).
pub(crate) fn flags(name: &str) -> Option<OsString> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase());
    match is_plain {
        true if is_of_image() => take(name),
        true => None,
        false => env::var_os(name),
    }
    .filter(|value| !value.is_empty())
}

/// The environment as the C library wants it: pointers to strings, after the last of them null. They
/// are valid until it is changed.
pub(super) fn pointers() -> *const *mut c_char {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: the C library has it from the start, and nobody changes it meanwhile: that takes what
    // `set` and `take` promise.
    unsafe { environ }
}

/// Whether this process has one thread, as far as can be seen.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_leads_to_plugins() {
        let whole = "/sbin:/usr/sbin:/bin:/usr/bin:/here:/opt/mackerel-agent/plugins/bin";
        let empty = "/sbin:/usr/sbin:/bin:/usr/bin:/opt/mackerel-agent/plugins/bin";
        // (why this row exists, what it was, what it becomes)
        let table = [
            ("between the fixed parts", "/here", whole.to_owned()),
            ("nothing was there", "", empty.to_owned()),
            ("a supervisor's child", whole, whole.to_owned()),
            ("the child of one without a PATH", empty, empty.to_owned()),
            (
                "its parts elsewhere",
                "/opt/mackerel-agent/plugins/bin:/sbin",
                whole.replace("/here", "/opt/mackerel-agent/plugins/bin:/sbin"),
            ),
        ];
        for (why, was, expected) in table {
            assert_eq!(path(OsStr::new(was)), OsStr::new(&expected), "{why}");
        }
    }
}
