//! Over sockets of this machine.
