//! Layer 3: the description of the host, one file per part.

mod filesystem;

use std::error::Error;
use std::fmt;

use crate::parse::ParseError;
use crate::sys::root::FileError;

/// Why a part of the description is missing.
#[derive(Debug)]
pub(crate) enum DescribeError {
    /// Its file could not be read.
    Read(FileError),
    /// Its file did not look as documented.
    Format(ParseError),
}

impl fmt::Display for DescribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DescribeError::Read(_) => "cannot read",
            DescribeError::Format(_) => "cannot understand",
        })
    }
}

impl Error for DescribeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            DescribeError::Read(error) => Some(error),
            DescribeError::Format(error) => Some(error),
        }
    }
}

impl From<FileError> for DescribeError {
    fn from(error: FileError) -> DescribeError {
        DescribeError::Read(error)
    }
}

impl From<ParseError> for DescribeError {
    fn from(error: ParseError) -> DescribeError {
        DescribeError::Format(error)
    }
}
