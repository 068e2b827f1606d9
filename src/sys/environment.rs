//! The environment of this process, which its children inherit. It is changed only while there is
//! no other thread that could read it.

use std::env;
use std::ffi::{CStr, CString, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The directories searched for commands before those in `PATH`.
const BEFORE: &[u8] = b"/sbin:/usr/sbin:/bin:/usr/bin";
/// The directories searched for plugins after those in `PATH`: installed ones, then links to the
/// applets of this program.
const AFTER: &[u8] = b"/opt/mackerel-agent/plugins/bin:/usr/lib/mackerel-agent/applets";

/// Sets up the environment that plugins expect: `PATH` includes their directory, and the locale is
/// C. Must be called before any thread is started.
pub(crate) fn prepare() {
    set("PATH", path(&env::var_os("PATH").unwrap_or_default()));
    set("LANG", "C");
    set("LC_ALL", "C");
}

/// The new `PATH`, given the old one. Unchanged if a supervisor has already extended it for its
/// child.
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
/// The variable of the API key in the Go agent's container image. Not read elsewhere.
pub(crate) const APIKEY_OF_IMAGE: &str = "apikey";
/// The variable with which units and init scripts add flags to the command line. `-apikey` may be
/// among them.
const FLAGS: &str = "OTHER_OPTS";

/// Whether the variable may hold the API key. Such variables are not passed to plugins.
pub(crate) fn may_hold_key(name: &OsStr) -> bool {
    name == APIKEY || name == FLAGS || (name == APIKEY_OF_IMAGE && is_of_image())
}

/// Values of the variable `container` that denote an engine for images. LXC and systemd-nspawn run
/// whole hosts.
const ENGINES: [&str; 3] = ["oci", "podman", "docker"];

/// Whether this process runs in a container image of this agent. The image sets `container`, as
/// Podman does. Process 1 counts too. Variables with plain lower-case names are meant for the agent
/// there.
pub(crate) fn is_of_image() -> bool {
    let engine = env::var_os("container");
    std::process::id() == 1
        || engine.is_some_and(|engine| ENGINES.iter().any(|known| engine == **known))
}

/// Sets a variable. Must be called before any thread is started.
pub(crate) fn set(name: &str, value: impl AsRef<OsStr>) {
    debug_assert!(is_alone(), "another thread may be reading the environment");
    // SAFETY: there is no other thread. Every caller guarantees that, and debug builds check it
    // above.
    unsafe { env::set_var(name, value) };
}

/// Removes a variable and returns its value; `None` if it is not set. The value is also overwritten
/// in memory: children do not inherit it, and users who may read this process's files in `/proc` do
/// not see it. Must be called before any thread is started.
pub(crate) fn take(name: &str) -> Option<OsString> {
    debug_assert!(is_alone(), "another thread may be reading the environment");
    let c_name = CString::new(name).ok()?;
    // SAFETY: there is no other thread (see `set`), so nothing else reads or moves the value while
    // it is copied and overwritten. It is this process's own memory up to its NUL.
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

/// The value of a variable that holds flags; `None` if it is unset or empty. A variable with a
/// plain lower-case name is read only in an image of this agent. It may hold a key and is removed
/// (see [`take`]).
pub(crate) fn flags(name: &str) -> Option<OsString> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_lowercase());
    let value = if !is_plain {
        env::var_os(name)
    } else if is_of_image() {
        take(name)
    } else {
        None
    };
    value.filter(|value| !value.is_empty())
}

/// The environment in the form of the C library: pointers to strings, ended by a null pointer.
/// Valid until the environment is changed.
pub(super) fn pointers() -> *const *mut c_char {
    unsafe extern "C" {
        static environ: *const *mut c_char;
    }
    // SAFETY: the C library sets it at start. Only `set` and `take` change it, and only while there
    // is no other thread.
    unsafe { environ }
}

/// Whether this process has one thread; true if that cannot be determined.
fn is_alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |threads| threads.count() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_includes_the_directory_of_plugins() {
        let after = "/opt/mackerel-agent/plugins/bin:/usr/lib/mackerel-agent/applets";
        let whole = ["/sbin:/usr/sbin:/bin:/usr/bin:/here:", after].concat();
        let empty = ["/sbin:/usr/sbin:/bin:/usr/bin:", after].concat();
        // (why this row exists, what it was, what it becomes)
        let table = [
            ("between the fixed parts", "/here", whole.clone()),
            ("nothing was there", "", empty.clone()),
            ("a supervisor's child", &whole, whole.clone()),
            ("the child of one without a PATH", &empty, empty.clone()),
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
