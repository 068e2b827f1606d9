//! Names, TLS, metadata services.

mod cloud;
mod listen;
mod resolver;
mod tls;
