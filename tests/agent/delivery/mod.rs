//! Registration, posts and what is kept during an outage.

mod byte_order;
mod organizations;
mod otlp;
mod otlp_connections;
mod otlp_evil;
mod otlp_outage;
mod outage;
mod post;
mod register;
mod retire;
mod spool;
mod strange;
mod traffic;
