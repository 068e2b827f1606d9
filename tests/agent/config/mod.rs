//! Configuration files, the command line, and the commands about them.

mod configtest;
mod file;
mod help;
mod init;
mod reload;
