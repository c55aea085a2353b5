//! A store as a file: one JSON line for each key, between a first line that says what it is and a last one that proves
//! that nothing is missing.

use crate::{Compare, KeyValue, Op, Store, StoreError, Txn};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, Write};

/// The layout below.
const FORMAT: u32 = 1;
/// While this key is there, a restoration is under way or broke off, and nobody may use the store.
pub const RESTORING_KEY: &str = "v1/system/restoring";
/// A line holds one value in base 64 and its key.
const LINE_BYTES_MAX: usize = 1_024 * 1_024;
/// Keys written in one transaction.
const BATCH_OPS: usize = 100;
const BATCH_BYTES: usize = 512 * 1_024;

/// A backup cannot be written, read or brought back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Not a backup, of a newer layout, damaged, or cut off. Nothing was changed.
    #[error("this is not a whole backup: {0}")]
    Damaged(String),
    /// There is something in the store already. Nothing was changed.
    #[error("the store is not empty: a backup is brought back into an empty one")]
    NotEmpty,
    /// A restoration of this store began and did not end.
    #[error("a restoration of this store broke off: empty it, and bring the backup back again")]
    HalfRestored,
    /// The file.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Serialize, Deserialize)]
struct First {
    hallpass_backup: u32,
    revision: u64,
}

#[derive(Serialize, Deserialize)]
struct Line {
    key: String,
    /// Base 64.
    value: String,
}

#[derive(Serialize, Deserialize)]
struct Last {
    keys: usize,
    /// Of every line before this one, line feeds included, in hex.
    sha256: String,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_backed_up(entry: &KeyValue) -> bool {
    // Which servers run now is nothing to bring back.
    !entry.key.starts_with("v1/system/server/") && entry.key != RESTORING_KEY
}

/// Writes every entry, which is to be of one revision; how many it were.
///
/// # Errors
/// What the writer says.
pub fn write(revision: u64, entries: &[KeyValue], to: &mut impl Write) -> std::io::Result<usize> {
    use base64::Engine as _;
    let mut digest = Sha256::new();
    let mut line = |to: &mut dyn Write, text: String| -> std::io::Result<()> {
        let text = text + "\n";
        digest.update(text.as_bytes());
        to.write_all(text.as_bytes())
    };
    let first = First {
        hallpass_backup: FORMAT,
        revision,
    };
    line(to, serde_json::to_string(&first)?)?;
    let mut keys = 0;
    for entry in entries.iter().filter(|entry| is_backed_up(entry)) {
        let one = Line {
            key: entry.key.clone(),
            value: base64::engine::general_purpose::STANDARD.encode(&entry.value),
        };
        line(to, serde_json::to_string(&one)?)?;
        keys += 1;
    }
    let last = Last {
        keys,
        sha256: hex(&digest.finalize()),
    };
    writeln!(to, "{}", serde_json::to_string(&last)?)?;
    Ok(keys)
}

/// Reads a whole backup, and proves that it is one.
///
/// # Errors
/// [`BackupError`].
pub fn read(mut from: impl BufRead) -> Result<Vec<(String, Vec<u8>)>, BackupError> {
    use base64::Engine as _;
    let damaged = |why: &dyn std::fmt::Display| BackupError::Damaged(why.to_string());
    let mut digest = Sha256::new();
    let mut first = String::new();
    bounded_line(&mut from, &mut first)?;
    let head: First =
        serde_json::from_str(&first).map_err(|_| damaged(&"its first line is not a backup's"))?;
    if head.hallpass_backup != FORMAT {
        return Err(damaged(&"it was made by a newer version"));
    }
    digest.update(first.as_bytes());
    let mut entries = vec![];
    loop {
        let mut text = String::new();
        if bounded_line(&mut from, &mut text)? == 0 {
            return Err(damaged(&"its end is missing"));
        }
        if let Ok(last) = serde_json::from_str::<Last>(&text) {
            if last.keys != entries.len() || last.sha256 != hex(&digest.finalize()) {
                return Err(damaged(&"its content was changed"));
            }
            return Ok(entries);
        }
        digest.update(text.as_bytes());
        let number = entries.len() + 2;
        let line: Line =
            serde_json::from_str(&text).map_err(|error| damaged(&format!("line {number}: {error}")))?;
        let value = base64::engine::general_purpose::STANDARD
            .decode(&line.value)
            .map_err(|error| damaged(&format!("line {number}: {error}")))?;
        entries.push((line.key, value));
    }
}

fn bounded_line(from: &mut impl BufRead, line: &mut String) -> Result<usize, BackupError> {
    use std::io::Read as _;
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
    let read = from.by_ref().take(limit).read_line(line)?;
    if read == LINE_BYTES_MAX {
        return Err(BackupError::Damaged("a line has no end".to_owned()));
    }
    Ok(read)
}

/// Brings entries back into an empty store. A store on which this broke off is not used by anybody.
///
/// # Errors
/// [`BackupError`].
pub async fn restore(store: &dyn Store, entries: Vec<(String, Vec<u8>)>) -> Result<usize, BackupError> {
    let there = store.list("").await?;
    if there.entries.iter().any(|entry| entry.key == RESTORING_KEY) {
        return Err(BackupError::HalfRestored);
    }
    if there.entries.iter().any(is_backed_up) {
        return Err(BackupError::NotEmpty);
    }
    let begin = Txn {
        compares: vec![Compare::Absent(RESTORING_KEY.to_owned())],
        ops: vec![Op::Put(RESTORING_KEY.to_owned(), vec![])],
    };
    store.commit(begin).await?;
    let keys = entries.len();
    let (mut batch, mut bytes) = (Txn::default(), 0);
    for (key, value) in entries {
        if batch.ops.len() >= BATCH_OPS || bytes + value.len() > BATCH_BYTES {
            store.commit(std::mem::take(&mut batch)).await?;
            bytes = 0;
        }
        bytes += value.len();
        batch.ops.push(Op::Put(key, value));
    }
    batch.ops.push(Op::Delete(RESTORING_KEY.to_owned()));
    store.commit(batch).await?;
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    async fn filled() -> MemoryStore {
        let store = MemoryStore::default();
        for number in 0..250 {
            let value = vec![u8::try_from(number).unwrap_or(7); number * 40];
            store
                .commit(Txn::put(format!("v1/k{number}"), value))
                .await
                .unwrap();
        }
        store.commit(Txn::put("v1/system/server/a", "{}")).await.unwrap();
        store
    }

    async fn backup(store: &MemoryStore) -> Vec<u8> {
        let listing = store.list("").await.unwrap();
        let mut file = vec![];
        assert_eq!(write(listing.revision, &listing.entries, &mut file).unwrap(), 250);
        file
    }

    #[tokio::test]
    async fn what_was_backed_up_is_there_again_and_nothing_else() {
        let store = filled().await;
        let file = backup(&store).await;
        let other = MemoryStore::default();
        assert_eq!(
            restore(&other, read(file.as_slice()).unwrap()).await.unwrap(),
            250
        );
        let pairs = async |store: &MemoryStore| {
            let all = store.list("").await.unwrap().entries;
            let all = all.into_iter().filter(is_backed_up);
            all.map(|entry| (entry.key, entry.value)).collect::<Vec<_>>()
        };
        assert_eq!(pairs(&store).await, pairs(&other).await);
        assert!(other.get("v1/system/server/a").await.unwrap().is_none());
        let again = restore(&other, read(file.as_slice()).unwrap()).await;
        assert!(matches!(again, Err(BackupError::NotEmpty)));
    }

    #[tokio::test]
    async fn a_backup_that_was_cut_or_changed_is_refused_whole() {
        let file = backup(&filled().await).await;
        for cut in [0, 1, 30, file.len() / 2, file.len() - 2] {
            assert!(read(&file[..cut]).is_err(), "{cut}");
        }
        let mut changed = file.clone();
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        assert!(read(changed.as_slice()).is_err());
        let text = String::from_utf8(file).unwrap();
        let mut lines: Vec<_> = text.lines().collect();
        lines.remove(5);
        assert!(read((lines.join("\n") + "\n").as_bytes()).is_err());
        assert!(read(b"a letter\n".as_slice()).is_err());
    }

    #[tokio::test]
    async fn a_restoration_that_broke_off_is_noticed() {
        let file = backup(&filled().await).await;
        let store = MemoryStore::default();
        store.fail_after(2);
        assert!(restore(&store, read(file.as_slice()).unwrap()).await.is_err());
        store.heal();
        let again = restore(&store, read(file.as_slice()).unwrap()).await;
        assert!(matches!(again, Err(BackupError::HalfRestored)));
    }
}
