//! The authority as a view of a store that other servers write to as well.

use crate::authority::Authority;
use hallpass_store::{Batch, Listing, View};

impl View for Authority {
    fn reset(&self, listing: &Listing) -> Result<(), String> {
        self.show_all(listing).map_err(|error| error.to_string())
    }

    fn apply(&self, batch: &Batch) {
        let changes = batch.events.iter();
        self.show(
            batch.revision,
            changes.map(|event| (event.key.as_str(), event.value.as_deref())),
        );
    }
}
