//! Names, TLS, metadata services.

mod cloud;
mod listen;
mod live;
mod resolver;
mod tls;
