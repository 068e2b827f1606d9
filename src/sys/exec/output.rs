//! The output of a command: read to the end, kept up to a limit.

use std::fmt;
use std::io::{self, PipeReader, Read};
use std::os::fd::AsRawFd;

use super::stop::entry;

/// Bytes per read: a quarter of a pipe's default capacity.
const CHUNK: usize = 16 << 10;

/// What a command wrote to stdout or stderr.
#[derive(Default)]
pub(crate) struct Output {
    /// The beginning of the output, up to the limit.
    pub(crate) bytes: Vec<u8>,
    /// Whether more was written than kept.
    pub(crate) was_cut: bool,
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// The reading end of a command's stdout or stderr.
pub(super) struct Pipe {
    /// `None` once every writer has closed the other end.
    source: Option<PipeReader>,
    output: Output,
    /// Bytes that may still be kept.
    room: usize,
}

impl Pipe {
    pub(super) fn of(source: PipeReader, room: usize) -> Pipe {
        Pipe {
            source: Some(source),
            output: Output::default(),
            room,
        }
    }

    /// Whether there may be more to read.
    pub(super) fn is_open(&self) -> bool {
        self.source.is_some()
    }

    pub(super) fn watch(&self) -> libc::pollfd {
        entry(self.source.as_ref().map(AsRawFd::as_raw_fd))
    }

    /// Reads once. Does not block, because poll(2) has reported the pipe readable.
    pub(super) fn read_some(&mut self) {
        let mut chunk = [0; CHUNK];
        let Some(source) = &mut self.source else {
            return;
        };
        match source.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => self.source = None,
            Ok(count) => {
                let kept = count.min(self.room);
                self.output.bytes.extend_from_slice(&chunk[..kept]);
                self.output.was_cut |= kept < count;
                self.room -= kept;
            }
        }
    }

    pub(super) fn into_output(self) -> Output {
        self.output
    }
}
