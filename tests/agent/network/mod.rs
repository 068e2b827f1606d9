//! Names, TLS, metadata services.

pub(crate) mod cloud;
mod listen;
pub(crate) mod resolver;
mod tls;
