//! Test cases that cannot run everywhere. They print that they are skipped, and never pass by a
//! bare `return`.

/// Skips the test unless the condition holds, for features that the machine may lack: a program,
/// root, a kernel feature.
///
/// Prints `skipped: REASON`. If `CI` is set, the test fails.
#[macro_export]
macro_rules! require {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            $crate::skip(&::std::format!($($reason)+), $crate::is_ci());
            return;
        }
    };
}

/// Skips the test unless the condition holds, for a case about another program than the one under
/// test, such as one that is not emulated.
///
/// Another step of CI runs it. Prints `skipped: REASON`.
#[macro_export]
macro_rules! only_if {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            $crate::skip(&::std::format!($($reason)+), false);
            return;
        }
    };
}

/// Whether `CI` is set.
pub fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

/// Prints `skipped: REASON`, past the capture of the test harness. Panics if it is a failure.
#[track_caller]
pub fn skip(reason: &str, is_failure: bool) {
    assert!(
        !is_failure,
        "CI is set, and this machine cannot run the case: {reason}"
    );
    let name = std::thread::current().name().unwrap_or("?").to_owned();
    // The harness captures the output of the printing macros in a test that passes, but not this.
    let line = format!("skipped: {name}: {reason}\n");
    drop(std::io::Write::write_all(
        &mut std::io::stderr(),
        line.as_bytes(),
    ));
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    /// Whether the code after the macro runs.
    fn goes_on(condition: bool) -> bool {
        let mut goes_on = false;
        let mut body = || {
            only_if!(condition, "the number {} is odd", 3);
            goes_on = true;
        };
        body();
        goes_on
    }

    #[test]
    fn skip_ends_the_case_and_fails_in_ci() {
        assert!(goes_on(true));
        assert!(!goes_on(false));
        super::skip("a reason", false);
        let failed = catch_unwind(|| super::skip("no curl", true)).unwrap_err();
        let message = failed.downcast::<String>().unwrap();
        assert!(
            message.ends_with("cannot run the case: no curl"),
            "{message}"
        );
    }
}
