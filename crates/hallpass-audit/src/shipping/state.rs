use crate::digest::{LogFile, Previous};
use crate::files::{read_if_there, write_private};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const NAME: &str = "shipping.json";

/// How far delivery has got; a file beside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShippingState {
    /// The number of the last record in the bucket.
    pub delivered: u64,
    /// Where the next one is looked for.
    pub(super) place: Option<String>,
    /// A piece that is being delivered.
    pub(super) in_flight: Option<InFlight>,
    /// When the digests end that are being delivered.
    pub(super) digest_in_flight: Option<i64>,
    /// When records were last delivered, seconds since 1970; 0: never.
    pub last_delivery: i64,
    /// When digests were.
    pub last_digest: i64,
    /// Why the last attempt failed.
    pub error: Option<String>,
    pub(super) accounts: BTreeMap<String, Delivered>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InFlight {
    pub(super) until: u64,
}

/// What was delivered of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivered {
    pub(super) previous: Option<Previous>,
    /// Log files that no digest names yet.
    pub(super) undigested: Vec<LogFile>,
}

impl ShippingState {
    /// Of the log in `folder`; `None`: nothing was ever delivered.
    ///
    /// # Errors
    /// The system's, or that the file is damaged. It is then left alone: what was delivered must not be guessed.
    pub fn read(folder: &Path) -> std::io::Result<Option<Self>> {
        let damaged = |error: serde_json::Error| {
            let path = folder.join(NAME);
            std::io::Error::other(format!("`{}` is damaged: {error}", path.display()))
        };
        read_if_there(&folder.join(NAME))?
            .map(|bytes| serde_json::from_slice(&bytes).map_err(damaged))
            .transpose()
    }

    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        write_private(&folder.join(NAME), &serde_json::to_vec(self)?)
    }

    pub(super) fn has_undigested(&self) -> bool {
        self.accounts
            .values()
            .any(|account| !account.undigested.is_empty())
    }
}
