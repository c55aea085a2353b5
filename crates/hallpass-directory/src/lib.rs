//! The embedded S3 store for one machine: plain files a person can open.
//!
//! The object `a/b.txt` of the bucket `demo` is the file `demo/a/b.txt` below the root, with exactly its bytes. What
//! S3 knows beyond the bytes stands in `.hallpass/index.redb`. Keys that are no paths live under `.hallpass/odd`.
//! Files put into a bucket's folder by hand are objects like any other.

mod bucket_ops;
mod conditions;
mod copy;
mod error;
mod file_body;
mod folders;
mod headers;
mod index;
mod list_ops;
mod listing;
mod meta;
mod multipart;
mod object_ops;
mod place;
mod respond;
mod serve;
mod settings;
mod staging;
mod store;
mod tagging;
mod walk;

pub use error::OpenDirectoryError;

use hallpass_types::{AccountId, Clock};
use hallpass_upstream::{ForwardRequest, Served, Upstream};
use std::path::Path;
use std::sync::Arc;
use store::Store;

/// The embedded store. One process at a time may have a root open; it is for one machine, and keeps no copies.
#[derive(Debug)]
pub struct Directory {
    store: Arc<Store>,
}

impl Directory {
    /// Opens a root folder, or makes one. Rubbish an interrupted upload left in the staging folder is removed.
    ///
    /// # Errors
    /// [`OpenDirectoryError`]; the index is left as it was then.
    pub fn open(root: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenDirectoryError> {
        Ok(Self {
            store: Arc::new(Store::open(root, clock)?),
        })
    }
}

impl Upstream for Directory {
    fn serve(&self, request: ForwardRequest) -> Served<'_> {
        Box::pin(serve::serve(Arc::clone(&self.store), request))
    }

    fn bucket_owner(&self, bucket: &str) -> Option<AccountId> {
        self.store.bucket(bucket).ok().flatten()?.owner
    }

    fn name(&self) -> &str {
        "directory"
    }
}
