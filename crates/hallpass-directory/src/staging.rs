use crate::error::io;
use crate::store::Store;
use bytes::Bytes;
use hallpass_upstream::{UpstreamError, VerifiedBody};
use http_body_util::BodyExt;
use md5::{Digest, Md5};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

/// Pieces of a body are gathered to this size before they go to disk.
pub(crate) const PIECE_BYTES: usize = 256 * 1024;

/// A file being written where nobody looks; it disappears unless it is [taken](Self::keep).
pub(crate) struct Staged {
    pub(crate) name: String,
    pub(crate) file: File,
    store: Arc<Store>,
    hash: Md5,
    kept: bool,
    pub(crate) checksums: Vec<(String, String)>,
}

impl Staged {
    pub(crate) fn create(store: &Arc<Store>) -> Result<Self, UpstreamError> {
        let name = store.unique_name();
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = openat(store.staging(), name.as_str(), flags, Mode::from_raw_mode(0o644))
            .map_err(|error| io("create staged file")(error.into()))?;
        Ok(Self {
            name,
            file: File::from(file),
            store: Arc::clone(store),
            hash: Md5::new(),
            kept: false,
            checksums: vec![],
        })
    }

    pub(crate) fn write(&mut self, data: &[u8]) -> Result<(), UpstreamError> {
        self.hash.update(data);
        self.file.write_all(data).map_err(io("write staged file"))
    }

    /// The MD5 of what was written, in hex.
    pub(crate) fn md5(&self) -> String {
        hex::encode(self.hash.clone().finalize())
    }

    /// The file has got its place.
    pub(crate) fn keep(&mut self) {
        self.kept = true;
    }

    /// Receives a body. Only a proven body is returned; of any other nothing is left.
    pub(crate) async fn receive(store: &Arc<Store>, mut body: VerifiedBody) -> Result<Self, UpstreamError> {
        let store = Arc::clone(store);
        let mut staged = blocking(move || Self::create(&store)).await?;
        let mut gathered: Vec<Bytes> = vec![];
        let mut size = 0;
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(data) => {
                    size += data.len();
                    gathered.push(data);
                }
                Err(frame) => {
                    for (name, value) in &frame.into_trailers().unwrap_or_default() {
                        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                        staged.checksums.push((name.as_str().to_owned(), value));
                    }
                }
            }
            if size >= PIECE_BYTES {
                staged = staged.write_all(std::mem::take(&mut gathered)).await?;
                size = 0;
            }
        }
        staged.write_all(gathered).await
    }

    async fn write_all(mut self, pieces: Vec<Bytes>) -> Result<Self, UpstreamError> {
        if pieces.is_empty() {
            return Ok(self);
        }
        blocking(move || {
            for piece in &pieces {
                self.write(piece)?;
            }
            Ok(self)
        })
        .await
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept {
            // What cannot be removed now is removed at the next start.
            let _ = unlinkat(self.store.staging(), self.name.as_str(), AtFlags::empty());
        }
    }
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UpstreamError> + Send + 'static,
) -> Result<T, UpstreamError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(crate::error::broken("blocking work", error)),
    }
}
