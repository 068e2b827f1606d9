//! What the agent asks of networks: names, TLS, metadata services.

mod cloud;
mod resolver;
mod tls;
