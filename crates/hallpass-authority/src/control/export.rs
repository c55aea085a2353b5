//! The whole store, page by page, as of one revision: what a backup is made of. Secrets in it are sealed.

use crate::ApiError;
use crate::call::{Answer, Call};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hallpass_store::{Listing, Store};
use hallpass_wire::XmlWriter;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Bytes of keys and values in one page, before base 64.
const PAGE_BYTES: usize = 384 * 1_024;
/// A listing that nobody went on reading is dropped by the next export after this long.
const KEPT_FOR: Duration = Duration::from_secs(600);

/// The listing of the export under way; another one waits until it was given up.
#[derive(Default)]
pub(crate) struct Exports(Mutex<Option<Kept>>);

struct Kept {
    listing: Arc<Listing>,
    used: Instant,
}

impl Exports {
    /// Without `Revision` a new export begins; with it, the page after `Marker` of that one.
    pub(crate) async fn page(&self, store: &dyn Store, call: &Call) -> Result<Answer, ApiError> {
        let listing = match call.params.get("Revision") {
            None => self.begin(store).await?,
            Some(revision) => self.going_on(revision).await?,
        };
        let after = match call.params.get("Marker") {
            Some(marker) => listing
                .entries
                .partition_point(|entry| entry.key.as_str() <= marker),
            None => 0,
        };
        let mut bytes = 0;
        let page: Vec<_> = listing
            .entries
            .iter()
            .skip(after)
            .take_while(|entry| {
                let first = bytes == 0;
                bytes += entry.key.len() + entry.value.len();
                first || bytes <= PAGE_BYTES
            })
            .collect();
        let is_last = after + page.len() >= listing.entries.len();
        let mut xml = XmlWriter::new();
        xml.text("Revision", listing.revision.to_string());
        xml.text("IsTruncated", if is_last { "false" } else { "true" });
        xml.list("Entries", "member", &page, |xml, entry| {
            xml.text("Key", &entry.key)
                .text("Value", STANDARD.encode(&entry.value));
        });
        if is_last {
            *self.0.lock().await = None;
        }
        Ok(Answer {
            xml: xml.finish(),
            made: vec![("keys".to_owned(), page.len().to_string())],
        })
    }

    async fn begin(&self, store: &dyn Store) -> Result<Arc<Listing>, ApiError> {
        let mut kept = self.0.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.used.elapsed() < KEPT_FOR) {
            return Err(ApiError::new(
                "LimitExceeded",
                409,
                "Another export is under way; it is given up after ten minutes without a question.",
            ));
        }
        let listing = Arc::new(store.list("").await?);
        *kept = Some(Kept {
            listing: Arc::clone(&listing),
            used: Instant::now(),
        });
        Ok(listing)
    }

    async fn going_on(&self, revision: &str) -> Result<Arc<Listing>, ApiError> {
        let mut kept = self.0.lock().await;
        let found = kept
            .as_mut()
            .filter(|kept| kept.listing.revision.to_string() == revision);
        let found = found.ok_or_else(|| {
            ApiError::validation("There is no export of this revision under way: begin again.")
        })?;
        found.used = Instant::now();
        Ok(Arc::clone(&found.listing))
    }
}
