//! The agent in a container and beside containers.

mod image;
mod sidecar;
