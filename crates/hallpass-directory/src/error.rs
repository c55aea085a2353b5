use hallpass_upstream::UpstreamError;
use std::fmt::Display;

/// The root folder cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenDirectoryError {
    /// Another process, or another `Directory` of this one, has it open.
    #[error("`{0}` is in use by another process")]
    InUse(String),
    /// The index is not one, or damaged.
    #[error("`{path}` is not a usable index: {why}; nothing was changed")]
    Corrupt {
        /// The index file.
        path: String,
        /// The reader's words.
        why: String,
    },
    /// A newer version of this program made the index.
    #[error("`{path}` has format {found}, this program knows {known}; nothing was changed")]
    NewerFormat {
        /// The index file.
        path: String,
        /// Its format.
        found: u64,
        /// The newest format known here.
        known: u64,
    },
    /// The file system refused.
    #[error("`{path}`: {why}")]
    Io {
        /// The file or folder.
        path: String,
        /// The system's words.
        why: String,
    },
}

/// Logs what broke and answers without saying it.
pub(crate) fn broken(what: &'static str, error: impl Display) -> UpstreamError {
    tracing::error!(what, %error, "directory store failed");
    UpstreamError::internal()
}

/// The same for the file system, where a full disk is worth telling from the rest.
pub(crate) fn io(what: &'static str) -> impl Fn(std::io::Error) -> UpstreamError {
    move |error| {
        let failure = broken(what, &error);
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                UpstreamError::new("ServiceUnavailable", 503, "The store has no space left.")
            }
            _ => failure,
        }
    }
}
