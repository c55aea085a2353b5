//! Delivery to a bucket, in CloudTrail's layout, with CloudTrail's digests.
//!
//! A piece of the log is closed by writing down how far it goes; its files follow from the log's lines, names included.
//! So whatever is interrupted is done again, the same, and no record is lost or in two files.

mod piece;
mod state;

pub use state::{Delivered, ShippingState};

use crate::AuditLog;
use crate::digest::Digest;
use crate::health::Health;
use crate::keys::SigningKeys;
use crate::layout::{Packer, Place, gzip};
use hallpass_types::UnixSeconds;
use piece::read_piece;
use state::InFlight;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

/// What a delivery comes to.
pub type Put<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// An object to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Its content, gzip.
    pub content: Vec<u8>,
    /// Names and values of its `x-amz-meta-` headers.
    pub metadata: Vec<(&'static str, String)>,
}

/// Where log files and digests are written.
pub trait Bucket: Send + Sync {
    /// Writes an object whole, over one of the same key if there is one.
    fn put(&self, object: Object) -> Put<'_>;
}

/// What delivery needs to know.
pub struct ShippingParts {
    /// The bucket.
    pub bucket: Arc<dyn Bucket>,
    /// Its name.
    pub bucket_name: String,
    /// What keys begin with; may be empty.
    pub prefix: String,
    /// The trail's name.
    pub trail: String,
    /// Records are delivered when the oldest has waited for this long.
    pub every_seconds: i64,
    /// Or when this many wait.
    pub every_records: u64,
    /// How often there is a digest.
    pub digest_seconds: i64,
}

pub(crate) struct Shipper {
    parts: ShippingParts,
    folder: PathBuf,
    account: String,
    region: String,
    state: ShippingState,
    keys: Arc<Mutex<SigningKeys>>,
    health: Arc<Health>,
}

impl Shipper {
    pub(crate) fn open(
        parts: ShippingParts,
        log: &AuditLog,
        account: &str,
        region: &str,
        keys: Arc<Mutex<SigningKeys>>,
    ) -> std::io::Result<Self> {
        let state = ShippingState::read(log.folder())?.unwrap_or_default();
        log.health().set_delivered(state.delivered);
        log.health()
            .note_delivery(UnixSeconds(state.last_delivery), false);
        log.health().note_delivery(UnixSeconds(state.last_digest), true);
        Ok(Self {
            parts,
            folder: log.folder().to_owned(),
            account: account.to_owned(),
            region: region.to_owned(),
            state,
            keys,
            health: Arc::clone(log.health()),
        })
    }

    /// Whether records, or a digest, should go out now, given the newest record's number.
    pub(crate) fn is_due(&self, newest: u64, now: UnixSeconds) -> bool {
        let waiting = newest.saturating_sub(self.state.delivered);
        let overdue = (now.0 - self.state.last_delivery).abs() >= self.parts.every_seconds;
        waiting > 0 && (overdue || waiting >= self.parts.every_records || self.state.in_flight.is_some())
            || self.is_digest_due(now)
    }

    fn is_digest_due(&self, now: UnixSeconds) -> bool {
        let age = (now.0 - self.state.last_digest).abs();
        self.state.has_undigested()
            && (age >= self.parts.digest_seconds || self.state.digest_in_flight.is_some())
    }

    /// Delivers what is due; `everything`: all there is, and its digest. What failed is told and stays due.
    pub(crate) async fn deliver(
        &mut self,
        log: &Arc<AuditLog>,
        now: UnixSeconds,
        everything: bool,
    ) -> Result<(), String> {
        let result = self.deliver_inner(log, now, everything).await;
        self.health.note_attempt(result.as_ref().err().cloned());
        if self.state.error != result.clone().err() {
            self.state.error = result.clone().err();
            self.save().await?;
        }
        result
    }

    async fn deliver_inner(
        &mut self,
        log: &Arc<AuditLog>,
        now: UnixSeconds,
        everything: bool,
    ) -> Result<(), String> {
        if self.state.digest_in_flight.is_some() {
            // As they were begun, before more is delivered that they would have to name.
            self.deliver_digests(now).await?;
        }
        // Only what is on the disk goes out: a record the bucket has is one the log has.
        let settling = Arc::clone(log);
        let settled = tokio::task::spawn_blocking(move || settling.settled()).await;
        let settled = settled.map_err(|error| error.to_string())?;
        let newest = settled.map_err(|error| error.to_string())?.head.n;
        while self.state.delivered < newest {
            self.deliver_piece(newest, now).await?;
        }
        if everything && self.state.has_undigested() || self.is_digest_due(now) {
            self.deliver_digests(now).await?;
        }
        Ok(())
    }

    async fn deliver_piece(&mut self, newest: u64, now: UnixSeconds) -> Result<(), String> {
        let until = self.state.in_flight.as_ref().map_or(newest, |open| open.until);
        let packer = Packer::new(
            &self.parts.bucket_name,
            &self.parts.prefix,
            &self.region,
            &self.account,
        );
        let (folder, state) = (self.folder.clone(), self.state.clone());
        let is_open = state.in_flight.is_some();
        let reading =
            tokio::task::spawn_blocking(move || read_piece(&folder, &state, until, is_open, packer));
        let piece = reading.await.map_err(|error| error.to_string())??;
        if !is_open {
            self.state.in_flight = Some(InFlight { until: piece.last });
            self.save().await?;
        }
        for file in &piece.files {
            let object = Object {
                key: file.key.clone(),
                content: file.compressed.clone(),
                metadata: vec![],
            };
            self.parts.bucket.put(object).await?;
        }
        for file in piece.files {
            self.state
                .accounts
                .entry(file.account)
                .or_default()
                .undigested
                .push(file.file);
        }
        self.state.delivered = piece.last;
        self.state.place = Some(piece.end.to_string());
        self.state.in_flight = None;
        self.state.last_delivery = now.0;
        self.save().await?;
        self.health.set_delivered(self.state.delivered);
        self.health.note_delivery(now, false);
        Ok(())
    }

    async fn deliver_digests(&mut self, now: UnixSeconds) -> Result<(), String> {
        let end = match self.state.digest_in_flight {
            Some(end) => end,
            None => {
                // Two digests never end in the same second: it is in their names.
                let ends = self.state.accounts.values().filter_map(|account| {
                    let previous = account.previous.as_ref()?;
                    UnixSeconds::from_rfc3339(&previous.end_time).ok()
                });
                let after = ends.map(|end| end.0 + 1).max().unwrap_or(now.0);
                let end = now.0.max(after);
                self.state.digest_in_flight = Some(end);
                self.save().await?;
                end
            }
        };
        let end = UnixSeconds(end);
        let accounts: Vec<String> = self.state.accounts.keys().cloned().collect();
        for account in accounts {
            self.deliver_digest(&account, end, now).await?;
        }
        self.state.digest_in_flight = None;
        self.state.last_digest = now.0;
        self.save().await?;
        self.health.note_delivery(now, true);
        Ok(())
    }

    async fn deliver_digest(
        &mut self,
        account: &str,
        end: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<(), String> {
        // Of an account whose digest was delivered before an interruption nothing is undigested.
        let Some(delivered) = self
            .state
            .accounts
            .get(account)
            .filter(|one| !one.undigested.is_empty())
        else {
            return Ok(());
        };
        let place = Place {
            prefix: self.parts.prefix.clone(),
            region: self.region.clone(),
        };
        let key = place.digest_key(account, &self.parts.trail, end);
        let files = delivered.undigested.clone();
        let oldest = files.iter().map(|file| file.oldest_event_time.clone()).min();
        let newest = files.iter().map(|file| file.newest_event_time.clone()).max();
        let end_time = end.iso8601();
        let start = match &delivered.previous {
            Some(previous) => previous.end_time.clone(),
            None => oldest.clone().unwrap_or_else(|| end_time.clone()),
        };
        let mut digest = Digest::new(account, &start, &end_time, &self.parts.bucket_name, &key)
            .after(delivered.previous.as_ref());
        digest.log_files = files;
        digest.oldest_event_time = oldest;
        digest.newest_event_time = newest;
        let (keys, unsigned) = (Arc::clone(&self.keys), digest.clone());
        // Making a key takes a while.
        let signing = tokio::task::spawn_blocking(move || {
            let mut keys = keys.lock().unwrap_or_else(PoisonError::into_inner);
            unsigned.sign(keys.signer(now)?)
        });
        let signed = signing
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| error.to_string())?;
        let object = Object {
            key,
            content: gzip(signed.text.as_bytes()),
            metadata: vec![
                ("signature", signed.signature.clone()),
                (
                    "signature-algorithm",
                    crate::digest::SIGNATURE_ALGORITHM.to_owned(),
                ),
            ],
        };
        self.parts.bucket.put(object).await?;
        if let Some(delivered) = self.state.accounts.get_mut(account) {
            delivered.previous = Some(digest.as_previous(&signed));
            delivered.undigested.clear();
        }
        self.save().await
    }

    /// Waits for the disk where nobody else has to.
    async fn save(&self) -> Result<(), String> {
        let (state, folder) = (self.state.clone(), self.folder.clone());
        let writing = tokio::task::spawn_blocking(move || state.write(&folder));
        let written = writing.await.map_err(|error| error.to_string())?;
        written.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests;
