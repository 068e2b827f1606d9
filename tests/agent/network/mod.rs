//! Names, TLS, metadata services.

mod cloud;
mod resolver;
mod tls;
