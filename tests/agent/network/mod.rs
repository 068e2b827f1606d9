//! Names, TLS, metadata services.

pub(crate) mod cloud;
mod listen;
mod live;
pub(crate) mod resolver;
mod tls;
