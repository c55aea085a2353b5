use crate::hub::Hub;
use crate::{Compare, Event, KeyValue, Listing, Op, Store, StoreError, StoreFuture, Txn, Watch};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, TableDefinition, TableError,
};
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// key → (revision of its last write, value)
const ENTRIES: TableDefinition<&str, (u64, &[u8])> = TableDefinition::new("entries");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
const META_REVISION: &str = "revision";
const META_FORMAT: &str = "format";
/// The layout above. A store of a higher format is refused untouched.
const FORMAT: u64 = 1;
/// Whoever had the file lets go of it a moment after it was told to: its last write is synced first.
const IN_USE_WAIT: Duration = Duration::from_secs(2);
const IN_USE_PAUSE: Duration = Duration::from_millis(20);
/// Of the file, in memory. What is read often is in the servers' snapshots; redb would take up to a gibibyte.
const CACHE_BYTES: usize = 64 << 20;
/// Transactions that may wait for the writer; more wait in `commit`.
const QUEUE_MAX: usize = 1_024;
/// Transactions that share one fsync at most.
const GROUP_MAX: usize = 256;

type Job = (Txn, oneshot::Sender<Result<u64, StoreError>>);

/// The embedded store: one file, one process.
///
/// All writes go through one thread, which applies whatever has queued up in a single redb transaction: one fsync
/// for the whole group. redb's quick repair keeps the reopening after a crash at milliseconds.
pub struct RedbStore {
    database: Arc<Shared>,
    hub: Arc<Hub>,
    queue: mpsc::Sender<Job>,
}

impl RedbStore {
    /// Opens the file, or creates it when absent.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::NewerFormat`], [`StoreError::Corrupt`], [`StoreError::Io`]; in each of
    /// these cases the file is left as it was.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let shown = path.display().to_string();
        let database = open_file(path)?;
        let corrupt = |why: String| StoreError::Corrupt {
            path: shown.clone(),
            why,
        };
        let (format, revision) = {
            let read = database
                .begin_read()
                .map_err(|error| corrupt(error.to_string()))?;
            match read.open_table(META) {
                Err(TableError::TableDoesNotExist(_)) => (None, 0),
                Err(error) => return Err(corrupt(error.to_string())),
                Ok(meta) => {
                    let number = |name: &str| -> Result<Option<u64>, StoreError> {
                        Ok(meta
                            .get(name)
                            .map_err(|error| corrupt(error.to_string()))?
                            .map(|guard| guard.value()))
                    };
                    (number(META_FORMAT)?, number(META_REVISION)?.unwrap_or(0))
                }
            }
        };
        match format {
            None => initialise(&database).map_err(|error| StoreError::Io(format!("`{shown}`: {error}")))?,
            Some(FORMAT) => {}
            Some(found) => {
                return Err(StoreError::NewerFormat {
                    path: shown,
                    found,
                    known: FORMAT,
                });
            }
        }
        let database = Arc::new(Shared {
            path: path.to_owned(),
            database: RwLock::new(Some(database)),
        });
        let hub = Arc::new(Hub::starting_at(revision));
        let (queue, jobs) = mpsc::channel(QUEUE_MAX);
        let writer = Writer {
            database: Arc::clone(&database),
            hub: Arc::clone(&hub),
            revision,
        };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run(jobs))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { database, hub, queue })
    }

    fn read(&self, first: &str, only_prefix: bool) -> Result<Listing, redb::Error> {
        let held = self.database.read();
        let read = held.as_ref().ok_or_else(closed)?.begin_read()?;
        let revision = read
            .open_table(META)?
            .get(META_REVISION)?
            .map_or(0, |guard| guard.value());
        let entries = read.open_table(ENTRIES)?;
        let mut listing = Listing {
            revision,
            entries: vec![],
        };
        for entry in entries.range(first..)? {
            let (key, value) = entry?;
            let wanted = if only_prefix {
                key.value().starts_with(first)
            } else {
                key.value() == first
            };
            if !wanted {
                break;
            }
            let (mod_revision, value) = value.value();
            listing.entries.push(KeyValue {
                key: key.value().to_owned(),
                value: value.to_vec(),
                mod_revision,
            });
        }
        Ok(listing)
    }
}

/// The open file. After an I/O error (a full disk) redb wants to be closed and opened anew; nothing acknowledged is lost
/// by that.
struct Shared {
    path: PathBuf,
    /// `None` between closing and a successful opening.
    database: RwLock<Option<Database>>,
}

impl Shared {
    fn read(&self) -> RwLockReadGuard<'_, Option<Database>> {
        // Nothing is changed under the lock but the whole value.
        self.database
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn reopen(&self) {
        let mut held = self
            .database
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // First the old one goes, and with it its lock on the file.
        drop(held.take());
        match open_file(&self.path) {
            Ok(database) => *held = Some(database),
            Err(error) => tracing::error!(%error, "the store cannot be opened again"),
        }
    }
}

fn closed() -> redb::Error {
    redb::Error::Io(std::io::Error::other("the store is closed after an I/O error"))
}

fn open_file(path: &Path) -> Result<Database, StoreError> {
    if path.exists() {
        // Of a making that was cut short after the file was in its place, and another name of it: whoever removes the store
        // to begin anew would find the old one again.
        let _ = std::fs::remove_file(staged(path));
    } else {
        create_file(path)?;
    }
    let until = Instant::now() + IN_USE_WAIT;
    loop {
        match open_or_create(path) {
            Err(StoreError::InUse(_)) if Instant::now() < until => std::thread::sleep(IN_USE_PAUSE),
            opened => return opened,
        }
    }
}

/// Where the file is made.
fn staged(path: &Path) -> PathBuf {
    path.with_extension("redb.new")
}

fn open_or_create(path: &Path) -> Result<Database, StoreError> {
    let shown = path.display().to_string();
    let opened = Database::builder().set_cache_size(CACHE_BYTES).create(path);
    opened.map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(shown),
        DatabaseError::Storage(redb::StorageError::Io(error))
            if error.kind() != std::io::ErrorKind::InvalidData
                && error.kind() != std::io::ErrorKind::UnexpectedEof =>
        {
            StoreError::Io(format!("`{shown}`: {error}"))
        }
        other => StoreError::Corrupt {
            path: shown,
            why: other.to_string(),
        },
    })
}

/// Makes the file beside its place, and puts it there when it is whole: redb cannot open one whose making was cut short.
fn create_file(path: &Path) -> Result<(), StoreError> {
    let failed = |error: &dyn std::fmt::Display| StoreError::Io(format!("`{}`: {error}", path.display()));
    let staged = staged(path);
    let database = match open_or_create(&staged) {
        // Of an earlier start that was cut short.
        Err(StoreError::Corrupt { .. }) => {
            std::fs::remove_file(&staged).map_err(|error| failed(&error))?;
            open_or_create(&staged)?
        }
        opened => opened?,
    };
    initialise(&database).map_err(|error| failed(&error))?;
    drop(database);
    match std::fs::hard_link(&staged, path) {
        // Another process was faster; what it has written since stays.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        linked => linked.map_err(|error| failed(&error))?,
    }
    // Gone already if another process opened the file meanwhile.
    let _ = std::fs::remove_file(&staged);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = std::fs::File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    folder.map_err(|error| failed(&error))
}

fn initialise(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    {
        write.open_table(ENTRIES)?;
        let mut meta = write.open_table(META)?;
        meta.insert(META_FORMAT, FORMAT)?;
        meta.insert(META_REVISION, 0)?;
    }
    write.commit()?;
    Ok(())
}

impl Store for RedbStore {
    fn list(&self, prefix: &str) -> StoreFuture<'_, Listing> {
        Box::pin(ready(
            self.read(prefix, true)
                .map_err(|error| StoreError::Io(error.to_string())),
        ))
    }

    fn get(&self, key: &str) -> StoreFuture<'_, Option<KeyValue>> {
        let found = self
            .read(key, false)
            .map(|listing| listing.entries.into_iter().next());
        Box::pin(ready(found.map_err(|error| StoreError::Io(error.to_string()))))
    }

    fn commit(&self, txn: Txn) -> StoreFuture<'_, u64> {
        Box::pin(async move {
            txn.check_limits()?;
            let closed = |_| StoreError::Io("the store is closed".to_owned());
            let (answer, answered) = oneshot::channel();
            self.queue
                .send((txn, answer))
                .await
                .map_err(|_| StoreError::Io("the store is closed".to_owned()))?;
            answered.await.map_err(closed)?
        })
    }

    fn watch(&self, prefix: &str, revision: u64) -> StoreFuture<'_, Watch> {
        Box::pin(ready(self.hub.watch(prefix, revision)))
    }

    fn head(&self) -> StoreFuture<'_, u64> {
        // No key is empty: this reads the revision alone.
        let head = self.read("", false).map(|listing| listing.revision);
        Box::pin(ready(head.map_err(|error| StoreError::Io(error.to_string()))))
    }
}

struct Writer {
    database: Arc<Shared>,
    hub: Arc<Hub>,
    revision: u64,
}

impl Writer {
    fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(first) = jobs.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP_MAX {
                let Ok(next) = jobs.try_recv() else { break };
                group.push(next);
            }
            self.commit(group);
        }
    }

    /// Applies a group in one redb transaction. A transaction whose comparison fails is left out of it; if the disk
    /// fails, all of them failed.
    fn commit(&mut self, group: Vec<Job>) {
        let (txns, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        match self.apply(&txns) {
            Ok((revision, results)) => {
                self.revision = revision;
                for (result, answer) in results.into_iter().zip(answers) {
                    if let Ok((revision, events)) = &result {
                        self.hub.publish(*revision, events);
                    }
                    // Whoever asked may have gone away; the write stands.
                    let _ = answer.send(result.map(|(revision, _)| revision));
                }
            }
            Err(error) => {
                tracing::error!(%error, "store commit failed");
                self.database.reopen();
                for answer in answers {
                    let _ = answer.send(Err(StoreError::Io(error.to_string())));
                }
            }
        }
    }

    #[expect(
        clippy::type_complexity,
        reason = "one private use, spelled out where it is read"
    )]
    fn apply(&self, txns: &[Txn]) -> Result<(u64, Vec<Result<(u64, Vec<Event>), StoreError>>), redb::Error> {
        let held = self.database.read();
        let mut write = held.as_ref().ok_or_else(closed)?.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        write.set_quick_repair(true);
        let mut revision = self.revision;
        let mut results = Vec::with_capacity(txns.len());
        {
            let mut entries = write.open_table(ENTRIES)?;
            for txn in txns {
                let mut holds = true;
                for compare in &txn.compares {
                    holds &= match compare {
                        Compare::Absent(key) => entries.get(key.as_str())?.is_none(),
                        Compare::ModRevision(key, expected) => entries
                            .get(key.as_str())?
                            .is_some_and(|found| found.value().0 == *expected),
                    };
                }
                if !holds {
                    results.push(Err(StoreError::Conflict));
                    continue;
                }
                revision += 1;
                let mut events = Vec::with_capacity(txn.ops.len());
                for op in &txn.ops {
                    match op {
                        Op::Put(key, value) => {
                            entries.insert(key.as_str(), (revision, value.as_slice()))?;
                            events.push(Event {
                                key: key.clone(),
                                value: Some(value.clone()),
                                revision,
                            });
                        }
                        Op::Delete(key) => {
                            if entries.remove(key.as_str())?.is_some() {
                                events.push(Event {
                                    key: key.clone(),
                                    value: None,
                                    revision,
                                });
                            }
                        }
                    }
                }
                results.push(Ok((revision, events)));
            }
            write.open_table(META)?.insert(META_REVISION, revision)?;
        }
        write.commit()?;
        Ok((revision, results))
    }
}
