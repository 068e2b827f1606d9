//! Retires a host: repeats the request until the server answers it.

use crate::base;
use crate::deliver::api::{Api, ApiError};
use crate::sys::log_once::LogOnce;

/// Retires the host `id`, in at most `most` attempts. Stops at success or at a 4xx status. `wait`
/// is called between two attempts.
pub(crate) fn until_retired(
    api: &mut Api,
    id: &str,
    most: u32,
    wait: &mut dyn FnMut(),
) -> Result<(), ApiError> {
    until_answered(&mut || api.retire_host(id), most, wait)
}

pub(crate) fn until_answered(
    ask: &mut dyn FnMut() -> Result<(), ApiError>,
    most: u32,
    wait: &mut dyn FnMut(),
) -> Result<(), ApiError> {
    let mut log = LogOnce::default();
    let mut tries = 1;
    loop {
        let Err(error) = ask() else {
            return Ok(());
        };
        let is_refused = matches!(error.status(), Some(400..=499));
        if is_refused || tries == most {
            return Err(error);
        }
        tries += 1;
        log.warned(&format!("{}; this is tried again", base::report(&error)));
        wait();
    }
}
