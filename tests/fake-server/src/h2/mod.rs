//! gRPC over HTTP/2: a server that follows the rules, and one that breaks a rule of choice.
//!
//! Both are written on frames, without the agent's own code. [`Server`] receives unary calls and
//! sends the answers that it is given. [`evil`] starts a server that does one of [`scenarios`] on
//! each of its connections.

mod evil;
mod scenarios;
mod server;
mod wire;

pub use self::evil::{End, Evil, MESSAGE, Scenario, evil, evil_on};
pub use self::scenarios::scenarios;
pub use self::server::{Answer, Call, Server, with_alpn};
pub use self::wire::{Frame, Wire, field};
