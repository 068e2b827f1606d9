//! The command line, in the notation of Go's `flag` package: one dash or two,
//! `-name=value` or `-name value`, flags before everything else.
//!
//! The steps from the words to a [`Request`], without side effects:
//!
//! 1. [`with_service`] and [`with_environment`] (`argv`) insert the flags of the host's service and
//!    of the environment before the user's own, which win.
//! 2. [`parse`] finds the command in `table`, and `normalise` translates its words into the
//!    notation of argh: `--name value`, each flag once.
//! 3. argh fills the struct of the command (`commands`) and the struct of the flags that commands
//!    share (`config_flags`). The doc comments of these structs are the text of the help.
//!
//! [`answer`] is the only place that prints: help, version and usage errors.
//! `reference` generates the page, the man page and the completions from the same structs.

mod answer;
mod any_bytes;
mod argv;
mod command;
mod commands;
mod config_flags;
mod help;
mod normalise;
mod parse;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod setting_flags;
mod table;

pub(crate) use answer::answer;
pub(crate) use argv::{secrets, with_environment, with_service};
pub(crate) use command::{Command, Request};
pub(crate) use parse::parse;
#[cfg(test)]
pub(crate) use table::flags_of;
