use crate::Record;
use hallpass_types::UnixSeconds;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use tokio::sync::oneshot;

/// Records that may wait for one fsync.
const SYNC_QUEUE_MAX: usize = 4_096;

/// More than a record takes: room for this much is looked for after a failure.
const PROBE_BYTES: usize = 16 * 1_024;

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
    /// Writing or syncing failed, a full disk for instance.
    #[error("cannot write the audit log: {0}")]
    Write(String),
}

struct Current {
    day: String,
    file: Arc<File>,
}

/// A file to sync, and whom to tell how it went.
type SyncJob = (Arc<File>, oneshot::Sender<Result<(), String>>);

/// The log of one server: a folder with a file for each day, one record a line.
pub struct AuditLog {
    folder: PathBuf,
    current: Mutex<Option<Current>>,
    /// The last record could not be written: [`AuditLog::check`] finds out whether the next one can.
    is_failing: AtomicBool,
    sync_queue: mpsc::SyncSender<SyncJob>,
}

impl AuditLog {
    /// Opens the log in `folder`, which is created 0700 when absent.
    ///
    /// # Errors
    /// [`AuditError::Open`].
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
        let (sync_queue, jobs) = mpsc::sync_channel(SYNC_QUEUE_MAX);
        std::thread::Builder::new()
            .name("audit-sync".to_owned())
            .spawn(move || sync_loop(&jobs))
            .map_err(open)?;
        Ok(Self {
            folder: folder.to_owned(),
            current: Mutex::new(None),
            is_failing: AtomicBool::new(false),
            sync_queue,
        })
    }

    /// Appends one record and returns when it has got as far as `durability` asks.
    ///
    /// # Errors
    /// [`AuditError`]; the caller must then refuse the request.
    pub async fn append(&self, record: &Record, durability: Durability) -> Result<Recorded, AuditError> {
        let appended = self.append_inner(record, durability).await;
        self.is_failing.store(appended.is_err(), Ordering::Relaxed);
        appended
    }

    /// Whether a record can be written, asked before anything is done that will need one. Free as long as records are
    /// written; after a failure, room for one is tried.
    ///
    /// # Errors
    /// [`AuditError`]; the request must then not be carried out.
    pub fn check(&self, now: UnixSeconds) -> Result<(), AuditError> {
        if !self.is_failing.load(Ordering::Relaxed) {
            return Ok(());
        }
        let failed = |error: std::io::Error| AuditError::Write(error.to_string());
        let file = self.write(&now.iso8601(), b"")?;
        let held = self
            .current
            .lock()
            .map_err(|_| AuditError::Write("poisoned by a panic".to_owned()))?;
        let length = file.metadata().map_err(failed)?.len();
        let tried = (&*file).write_all(&[b' '; PROBE_BYTES]);
        file.set_len(length).map_err(failed)?;
        drop(held);
        tried.map_err(failed)
    }

    async fn append_inner(&self, record: &Record, durability: Durability) -> Result<Recorded, AuditError> {
        let mut line = record.to_json();
        line.push('\n');
        let file = self.write(&record.time.iso8601(), line.as_bytes())?;
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

    fn write(&self, time: &str, line: &[u8]) -> Result<Arc<File>, AuditError> {
        let day = time.get(..10).unwrap_or("undated");
        let mut current = self
            .current
            .lock()
            .map_err(|_| AuditError::Write("poisoned by a panic".to_owned()))?;
        // Clocks of concurrent requests may straddle midnight; a record a second late stays in the newer file.
        if current.as_ref().is_none_or(|open| open.day.as_str() < day) {
            let path = self.folder.join(format!("{day}.jsonl"));
            let file = open_for_append(&path).map_err(|error| AuditError::Open {
                path: path.display().to_string(),
                error,
            })?;
            *current = Some(Current {
                day: day.to_owned(),
                file: Arc::new(file),
            });
        }
        let Some(open) = current.as_ref() else {
            return Err(AuditError::Write("no file".to_owned()));
        };
        let file = Arc::clone(&open.file);
        if let Err(error) = (&*file).write_all(line) {
            // Half a line may be there: opening anew ends it.
            *current = None;
            return Err(AuditError::Write(error.to_string()));
        }
        Ok(file)
    }
}

/// A crash may have left half a line at the end; a line feed keeps it from swallowing the next record.
fn open_for_append(path: &Path) -> std::io::Result<File> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0u8];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
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
mod tests;
