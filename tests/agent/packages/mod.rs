//! Installing and upgrading.

mod install;
mod upgrade;
