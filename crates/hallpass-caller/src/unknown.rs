use crate::CallerError;
use std::fmt;
use std::io;

/// Why a fact about a process is not known. A rule that asks for it then does not match, whichever way it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown(String);

impl Unknown {
    /// For people to read; no secret, no newline.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unknown {}

impl From<io::Error> for Unknown {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<rustix::io::Errno> for Unknown {
    fn from(errno: rustix::io::Errno) -> Self {
        Self(io::Error::from(errno).to_string())
    }
}

impl From<CallerError> for Unknown {
    fn from(error: CallerError) -> Self {
        Self(error.to_string())
    }
}
