//! Installing and upgrading.

mod install;
mod plugin_install;
mod upgrade;
