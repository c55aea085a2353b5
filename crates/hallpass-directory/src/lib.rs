//! The embedded S3 store for one machine: plain files a person can open.

use hallpass_types::Clock;
use hallpass_upstream::{ForwardRequest, Served, Upstream, UpstreamError};
use std::path::Path;
use std::sync::Arc;

/// The embedded store.
#[derive(Debug)]
pub struct Directory;

/// The folder cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDirectoryError {
    /// The file system refused.
    #[error("`{path}`: {why}")]
    Io {
        /// Which file or folder.
        path: String,
        /// The system's words.
        why: String,
    },
}

impl Directory {
    /// Opens a folder, or makes it one.
    ///
    /// # Errors
    /// [`OpenDirectoryError`].
    pub fn open(_root: &Path, _clock: Arc<dyn Clock>) -> Result<Self, OpenDirectoryError> {
        Ok(Self)
    }
}

impl Upstream for Directory {
    fn serve(&self, _request: ForwardRequest) -> Served<'_> {
        Box::pin(async { Err(UpstreamError::not_implemented("everything, yet")) })
    }

    fn name(&self) -> &str {
        "directory"
    }
}
