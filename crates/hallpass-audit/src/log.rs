mod recovery;
mod writer;

pub use writer::Mark;

use crate::Record;
use crate::chain::Open;
use crate::health::Health;
use hallpass_types::UnixSeconds;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use tokio::sync::oneshot;
use writer::{Writer, open_for_append};

/// Records that may wait for one fsync.
const SYNC_QUEUE_MAX: usize = 4_096;

/// How far a record must have got before the answer may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// In the file: survives `kill -9`. For data events, of which there are many.
    Written,
    /// On the disk: survives a power cut. For everything that changes or issues something.
    Synced,
}

/// Proof that a record is in the log.
#[derive(Debug)]
pub struct Recorded(());

/// The log could not take the record; by default the request is then refused.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The folder or file could not be opened.
    #[error("cannot open the audit log `{path}`: {error}")]
    Open {
        /// The folder or file.
        path: String,
        /// The system's reason.
        error: std::io::Error,
    },
    /// Another process writes there.
    #[error("the audit log `{path}` is in use by another process")]
    InUse {
        /// The folder.
        path: String,
    },
    /// Writing or syncing failed, a full disk for instance.
    #[error("cannot write the audit log: {0}")]
    Write(String),
}

/// A file to sync, and whom to tell how it went.
type SyncJob = (Arc<File>, oneshot::Sender<Result<(), String>>);

/// What happens to a request whose record cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// It is refused: nothing happens that is not recorded.
    #[default]
    Refuse,
    /// It goes on. What was lost is counted, told in health and metrics, and recorded once there is room.
    Count,
}

/// The log of one server: a folder with a file for each day, one record a line, each line holding the hash of the one
/// before.
pub struct AuditLog {
    folder: PathBuf,
    writer: Mutex<Writer>,
    when_full: WhenFull,
    health: Arc<Health>,
    sync_queue: mpsc::SyncSender<SyncJob>,
    /// Held as long as this lives: a chain has one writer.
    _lock: File,
}

impl AuditLog {
    /// Opens the log in `folder`, which is created 0700 when absent, and keeps other writers out of it.
    ///
    /// # Errors
    /// [`AuditError::Open`], [`AuditError::InUse`].
    pub fn open(folder: &Path) -> Result<Self, AuditError> {
        use std::os::unix::fs::DirBuilderExt as _;
        let open = |error| AuditError::Open {
            path: folder.display().to_string(),
            error,
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(open)?;
        let lock = open_for_append(&folder.join("lock")).map_err(open)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => AuditError::InUse {
                path: folder.display().to_string(),
            },
            TryLockError::Error(error) => open(error),
        })?;
        let (sync_queue, jobs) = mpsc::sync_channel(SYNC_QUEUE_MAX);
        std::thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn(move || sync_loop(&jobs))
            .map_err(open)?;
        let health = Arc::<Health>::default();
        Ok(Self {
            folder: folder.to_owned(),
            writer: Mutex::new(Writer::new(folder, Arc::clone(&health))),
            when_full: WhenFull::Refuse,
            health,
            sync_queue,
            _lock: lock,
        })
    }

    /// The same, with what is done when a record cannot be written.
    #[must_use]
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.when_full = when_full;
        self
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How it does.
    #[must_use]
    pub fn health(&self) -> &Arc<Health> {
        &self.health
    }

    /// Appends one record and returns when it has got as far as `durability` asks.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must then refuse the request. With [`WhenFull::Count`] there are none.
    pub async fn append(&self, record: &Record, durability: Durability) -> Result<Recorded, AuditError> {
        let appended = self.append_inner(record, durability).await;
        self.health.set_failing(appended.is_err());
        match (appended, self.when_full) {
            (Err(error), WhenFull::Count) => {
                tracing::error!(%error, "a record is lost, and the request goes on");
                if let Ok(mut writer) = self.writer.lock() {
                    writer.lose(record, &error.to_string());
                }
                Ok(Recorded(()))
            }
            (appended, _) => appended,
        }
    }

    /// Whether a record can be written, asked before anything is done that will need one. Free as long as records are
    /// written; after a failure, room for one is tried.
    ///
    /// # Errors
    /// [`AuditError`]; the request must then not be carried out. With [`WhenFull::Count`] there are none.
    pub fn check(&self, now: UnixSeconds) -> Result<(), AuditError> {
        if !self.health.is_failing() || self.when_full == WhenFull::Count {
            return Ok(());
        }
        self.lock()?.probe(&now.iso8601())
    }

    /// The chain's head as it is now.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn mark(&self) -> Result<Mark, AuditError> {
        Ok(self.lock()?.mark()?.0)
    }

    /// The chain's head, with everything up to it on the disk: what may be signed.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn settled(&self) -> Result<Mark, AuditError> {
        let (mark, file) = self.lock()?.mark()?;
        if let Some(file) = file {
            file.sync_data().map_err(failed)?;
        }
        Ok(mark)
    }

    async fn append_inner(&self, record: &Record, durability: Durability) -> Result<Recorded, AuditError> {
        // Rendered and hashed, but for its place, before the lock.
        let open = Open::new(record.to_json());
        let file = self.lock()?.write(&record.time.iso8601(), open)?;
        if durability == Durability::Synced {
            let lost = |_| AuditError::Write("the sync thread is gone".to_owned());
            let (answer, answered) = oneshot::channel();
            // A full queue means thousands wait for the disk already: then waiting here is right.
            let mut job = (file, answer);
            while let Err(error) = self.sync_queue.try_send(job) {
                match error {
                    mpsc::TrySendError::Full(back) => job = back,
                    mpsc::TrySendError::Disconnected(_) => {
                        return Err(AuditError::Write("the sync thread is gone".to_owned()));
                    }
                }
                tokio::task::yield_now().await;
            }
            answered.await.map_err(lost)?.map_err(AuditError::Write)?;
        }
        Ok(Recorded(()))
    }

    fn lock(&self) -> Result<MutexGuard<'_, Writer>, AuditError> {
        self.writer
            .lock()
            .map_err(|_| AuditError::Write("poisoned by a panic".to_owned()))
    }
}

pub(crate) fn failed(error: std::io::Error) -> AuditError {
    AuditError::Write(error.to_string())
}

fn sync_loop(jobs: &mpsc::Receiver<SyncJob>) {
    while let Ok(first) = jobs.recv() {
        // Everything queued so far was written before this fsync begins, so one serves all of it; a group that
        // straddles midnight syncs both files.
        let group: Vec<_> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let mut synced: Vec<(*const File, Result<(), String>)> = vec![];
        for (file, answer) in group {
            let identity = Arc::as_ptr(&file);
            let result = match synced.iter().find(|(known, _)| *known == identity) {
                Some((_, result)) => result.clone(),
                None => {
                    let result = file.sync_data().map_err(|error| error.to_string());
                    synced.push((identity, result.clone()));
                    result
                }
            };
            // The asker may have gone away; the record stays.
            let _ = answer.send(result);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
