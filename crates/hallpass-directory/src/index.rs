use crate::error::OpenDirectoryError;
use redb::{Database, DatabaseError, Durability, ReadableDatabase, TableDefinition, TableError};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// One of the index's tables; a key is one or two texts with a NUL between, a value is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Buckets,
    /// bucket NUL key → [`crate::meta::Entry`].
    Objects,
    /// bucket NUL key → nothing, for the objects whose files do not show their key.
    Odd,
    /// upload id → [`crate::meta::UploadMeta`].
    Uploads,
    /// upload id NUL five-digit number → [`crate::meta::PartMeta`].
    Parts,
}

type Definition = TableDefinition<'static, &'static str, &'static [u8]>;
const BUCKETS: Definition = TableDefinition::new("buckets");
const OBJECTS: Definition = TableDefinition::new("objects");
const ODD: Definition = TableDefinition::new("odd");
const UPLOADS: Definition = TableDefinition::new("uploads");
const PARTS: Definition = TableDefinition::new("parts");
const META: TableDefinition<'static, &'static str, u64> = TableDefinition::new("meta");
/// The layout of the tables above and of their JSON. An index of a higher format is refused untouched.
const FORMAT: u64 = 1;
/// Writes that share one fsync at most.
const GROUP_MAX: usize = 256;

impl Table {
    const ALL: [Self; 5] = [
        Self::Buckets,
        Self::Objects,
        Self::Odd,
        Self::Uploads,
        Self::Parts,
    ];

    fn definition(self) -> Definition {
        match self {
            Self::Buckets => BUCKETS,
            Self::Objects => OBJECTS,
            Self::Odd => ODD,
            Self::Uploads => UPLOADS,
            Self::Parts => PARTS,
        }
    }
}

/// One change; `None` deletes.
pub(crate) type Change = (Table, String, Option<Vec<u8>>);

/// The index broke; the words are for the log.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IndexError(String);

impl<E: Into<redb::Error>> From<E> for IndexError {
    fn from(error: E) -> Self {
        Self(error.into().to_string())
    }
}

type Job = (Vec<Change>, mpsc::SyncSender<Result<(), IndexError>>);

/// The metadata of everything below one root.
///
/// All writes go through one thread, which commits whatever has queued up with one fsync.
#[derive(Debug)]
pub(crate) struct Index {
    database: Arc<Database>,
    queue: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
}

impl Index {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenDirectoryError> {
        let shown = path.display().to_string();
        let io = |why: String| OpenDirectoryError::Io {
            path: shown.clone(),
            why,
        };
        let corrupt = |why: String| OpenDirectoryError::Corrupt {
            path: shown.clone(),
            why,
        };
        let is_new = !path.exists();
        let opened = if is_new {
            Database::create(path)
        } else {
            Database::open(path)
        };
        let database = opened.map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => OpenDirectoryError::InUse(shown.clone()),
            DatabaseError::Storage(redb::StorageError::Io(error))
                if !matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                io(error.to_string())
            }
            other => corrupt(other.to_string()),
        })?;
        match read_format(&database).map_err(|error| corrupt(error.to_string()))? {
            Some(FORMAT) => {}
            Some(found) => {
                return Err(OpenDirectoryError::NewerFormat {
                    path: shown,
                    found,
                    known: FORMAT,
                });
            }
            // A database of something else has tables, but not ours.
            None if is_new || is_empty(&database) => {
                initialise(&database).map_err(|error| io(error.to_string()))?;
            }
            None => return Err(corrupt("it holds something else".to_owned())),
        }
        let database = Arc::new(database);
        let (queue, jobs) = mpsc::channel();
        let writing = Arc::clone(&database);
        let writer = std::thread::Builder::new()
            .name("directory-index".to_owned())
            .spawn(move || run(&writing, &jobs))
            .map_err(|error| io(error.to_string()))?;
        Ok(Self {
            database,
            queue: Some(queue),
            writer: Some(writer),
        })
    }

    pub(crate) fn get<T: serde::de::DeserializeOwned>(
        &self,
        table: Table,
        key: &str,
    ) -> Result<Option<T>, IndexError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(table.definition())?;
        match table.get(key)? {
            Some(value) => serde_json::from_slice(value.value())
                .map(Some)
                .map_err(|error| IndexError(error.to_string())),
            None => Ok(None),
        }
    }

    /// Up to `max` entries from `from` on whose key starts with `prefix`.
    pub(crate) fn range(
        &self,
        table: Table,
        prefix: &str,
        from: &str,
        max: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, IndexError> {
        let read = self.database.begin_read()?;
        let table = read.open_table(table.definition())?;
        let mut found = vec![];
        for entry in table.range(from.max(prefix)..)?.take(max) {
            let (key, value) = entry?;
            if !key.value().starts_with(prefix) {
                break;
            }
            found.push((key.value().to_owned(), value.value().to_vec()));
        }
        Ok(found)
    }

    /// Makes all changes or none; when it returns they are on disk. Blocks.
    pub(crate) fn commit(&self, changes: Vec<Change>) -> Result<(), IndexError> {
        let closed = || IndexError("the index is closed".to_owned());
        let (answer, answered) = mpsc::sync_channel(1);
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send((changes, answer)).map_err(|_| closed())?;
        answered.recv().map_err(|_| closed())?
    }

    /// Queues changes that could be found out again; later commits come after them.
    pub(crate) fn commit_later(&self, changes: Vec<Change>) {
        let (answer, _) = mpsc::sync_channel(1);
        if let Some(queue) = &self.queue {
            // A closed index forgets what can be found out again.
            let _ = queue.send((changes, answer));
        }
    }
}

impl Drop for Index {
    /// Waits for the writer, so that the root can be opened again at once.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

pub(crate) fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, IndexError> {
    serde_json::to_vec(value).map_err(|error| IndexError(error.to_string()))
}

fn read_format(database: &Database) -> Result<Option<u64>, redb::Error> {
    let read = database.begin_read()?;
    match read.open_table(META) {
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(meta) => Ok(meta.get("format")?.map(|guard| guard.value())),
    }
}

fn is_empty(database: &Database) -> bool {
    database
        .begin_read()
        .is_ok_and(|read| read.list_tables().is_ok_and(|mut tables| tables.next().is_none()))
}

fn initialise(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_quick_repair(true);
    for table in Table::ALL {
        write.open_table(table.definition())?;
    }
    write.open_table(META)?.insert("format", FORMAT)?;
    write.commit()?;
    Ok(())
}

fn run(database: &Database, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        while group.len() < GROUP_MAX {
            let Ok(next) = jobs.try_recv() else { break };
            group.push(next);
        }
        let (changes, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let result = apply(database, &changes).map_err(|error| IndexError(error.to_string()));
        for answer in answers {
            // Whoever asked may have gone away; the write stands.
            let _ = answer.send(result.clone());
        }
    }
}

fn apply(database: &Database, groups: &[Vec<Change>]) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_quick_repair(true);
    for (table, key, value) in groups.iter().flatten() {
        let mut table = write.open_table(table.definition())?;
        match value {
            Some(value) => table.insert(key.as_str(), value.as_slice())?,
            None => table.remove(key.as_str())?,
        };
    }
    write.commit()?;
    Ok(())
}
