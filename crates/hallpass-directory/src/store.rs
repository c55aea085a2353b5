use crate::error::{OpenDirectoryError, broken, io};
use crate::folders;
use crate::index::{Change, Index, Table, json};
use crate::meta::{BucketMeta, Entry, Identity, ObjectMeta};
use crate::place;
use crate::staging::{PIECE_BYTES, Staged};
use hallpass_s3route::valid_bucket_name;
use hallpass_types::{Clock, UnixSeconds};
use hallpass_upstream::UpstreamError;
use md5::{Digest, Md5};
use rustix::fs::{AtFlags, FlockOperation, flock, unlinkat};
use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs::File;
use std::hash::BuildHasher;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks that keys share by hash; more would only cost memory.
const STRIPES: usize = 256;

/// The root folder and its index. Everything here blocks; callers are on blocking threads.
pub(crate) struct Store {
    root: OwnedFd,
    staging: OwnedFd,
    odd: OwnedFd,
    pub(crate) parts: OwnedFd,
    pub(crate) index: Index,
    pub(crate) clock: Arc<dyn Clock>,
    hasher: RandomState,
    counter: AtomicU64,
    stripes: [Mutex<()>; STRIPES],
    /// Of uploads. Others than those of keys: completing an upload holds one of each, this one first.
    upload_stripes: [Mutex<()>; STRIPES],
    /// Held shared by whoever adds to a bucket, alone by whoever removes one.
    buckets: RwLock<()>,
    /// The lock on the root lives as long as this.
    _own: OwnedFd,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// An object's open file and metadata, which belong together.
pub(crate) struct Found {
    pub(crate) file: File,
    pub(crate) meta: ObjectMeta,
}

impl Store {
    pub(crate) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenDirectoryError> {
        let failed = |error: std::io::Error| OpenDirectoryError::Io {
            path: path.display().to_string(),
            why: error.to_string(),
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let root = folders::open_root(path).map_err(failed)?;
        let own = folders::open_or_make(&root, ".hallpass").map_err(failed)?;
        // Before anything is cleaned up: a second process must not remove what the first is writing.
        flock(&own, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| OpenDirectoryError::InUse(path.display().to_string()))?;
        let index = Index::open(&path.join(".hallpass").join("index.redb"))?;
        let staging = folders::open_or_make(&own, "staging").map_err(failed)?;
        for (name, is_folder) in folders::entries(&staging).map_err(failed)? {
            if !is_folder {
                unlinkat(&staging, name.as_str(), AtFlags::empty()).map_err(|error| failed(error.into()))?;
            }
        }
        let odd = folders::open_or_make(&own, "odd").map_err(failed)?;
        let parts = folders::open_or_make(&own, "parts").map_err(failed)?;
        Ok(Self {
            root,
            staging,
            odd,
            parts,
            index,
            clock,
            hasher: RandomState::new(),
            counter: AtomicU64::new(0),
            stripes: [const { Mutex::new(()) }; STRIPES],
            upload_stripes: [const { Mutex::new(()) }; STRIPES],
            buckets: RwLock::new(()),
            _own: own,
        })
    }

    pub(crate) fn staging(&self) -> BorrowedFd<'_> {
        self.staging.as_fd()
    }

    pub(crate) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    pub(crate) fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// A name no file has. Not a secret: what may be done with an upload is decided by policy, not by its id.
    pub(crate) fn unique_name(&self) -> String {
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        let half = |salt: u8| self.hasher.hash_one((count, salt));
        format!("{:016x}{:016x}", half(0), half(1))
    }

    pub(crate) fn lock(&self, bucket: &str, key: &str) -> MutexGuard<'_, ()> {
        let stripe =
            usize::try_from(self.hasher.hash_one((bucket, key)) % STRIPES as u64).unwrap_or_default();
        self.stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// One upload at a time. Whoever needs the lock of a key as well takes it after this one.
    pub(crate) fn lock_upload(&self, id: &str) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(id) as usize % STRIPES;
        self.upload_stripes[stripe]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn share_buckets(&self) -> RwLockReadGuard<'_, ()> {
        self.buckets.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn own_buckets(&self) -> RwLockWriteGuard<'_, ()> {
        self.buckets.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a bucket; `None` when there is no such folder.
    pub(crate) fn bucket(&self, name: &str) -> Result<Option<BucketMeta>, UpstreamError> {
        if !valid_bucket_name(name) {
            return Ok(None);
        }
        match folders::open(&self.root, name) {
            Ok(_) => {}
            Err(error) => return folders::absent(error).map_err(io("open bucket")),
        }
        let meta = self
            .index
            .get(Table::Buckets, name)
            .map_err(|error| broken("read bucket", error))?;
        Ok(Some(meta.unwrap_or_default()))
    }

    /// The folder of a bucket that exists.
    pub(crate) fn bucket_folder(&self, name: &str) -> Result<OwnedFd, UpstreamError> {
        let missing = || {
            UpstreamError::new("NoSuchBucket", 404, "The specified bucket does not exist")
                .with("BucketName", name)
        };
        if !valid_bucket_name(name) {
            return Err(missing());
        }
        match folders::open(&self.root, name) {
            Ok(folder) => Ok(folder),
            Err(error) => match folders::absent::<()>(error) {
                Ok(_) => Err(missing()),
                Err(error) => Err(io("open bucket")(error)),
            },
        }
    }

    pub(crate) fn odd_folder(&self, bucket: &str) -> Result<OwnedFd, UpstreamError> {
        folders::open_or_make(&self.odd, bucket).map_err(io("open odd folder"))
    }

    pub(crate) fn remove_odd_folder(&self, bucket: &str) {
        folders::remove_folder(&self.odd, bucket);
    }

    pub(crate) fn entry(&self, bucket: &str, key: &str) -> Result<Option<Entry>, UpstreamError> {
        self.index
            .get(Table::Objects, &index_key(bucket, key))
            .map_err(|error| broken("read entry", error))
    }

    /// Opens an object; `None` when there is none. The bucket must exist.
    pub(crate) fn find(&self, bucket: &str, key: &str) -> Result<Option<Found>, UpstreamError> {
        self.find_and(bucket, key, true)
    }

    /// The same for listings: what is learned of files that came by hand need not be on disk before the answer.
    pub(crate) fn find_to_list(&self, bucket: &str, key: &str) -> Result<Option<Found>, UpstreamError> {
        self.find_and(bucket, key, false)
    }

    fn find_and(&self, bucket: &str, key: &str, wait: bool) -> Result<Option<Found>, UpstreamError> {
        let guard = self.lock(bucket, key);
        let found = self.find_locked(bucket, key)?;
        drop(guard);
        match found {
            None => Ok(None),
            Some((file, Some(meta))) => Ok(Some(Found { file, meta })),
            Some((file, None)) => self.adopt(bucket, key, file, wait).map(Some),
        }
    }

    /// Opens an object under its lock; the metadata is missing for a file put there or changed by hand.
    pub(crate) fn find_locked(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<Option<(File, Option<ObjectMeta>)>, UpstreamError> {
        let entry = self.entry(bucket, key)?.unwrap_or_default();
        let file = if entry.odd {
            folders::open_file(self.odd_folder(bucket)?, &place::odd(key))
        } else if let Some((path, name)) = place::plain(key) {
            match folders::descend(self.bucket_folder(bucket)?, &path, false) {
                Ok(folder) => folders::open_file(folder, name),
                Err(error) => folders::absent(error),
            }
        } else {
            Ok(None)
        };
        let Some(file) = file.map_err(io("open object"))? else {
            return Ok(None);
        };
        let identity = Identity::of(&file.metadata().map_err(io("stat object"))?);
        let meta = entry.of(identity).cloned();
        Ok(Some((file, meta)))
    }

    /// Makes an object of a file that came by hand: its ETag is computed once and remembered.
    fn adopt(&self, bucket: &str, key: &str, mut file: File, wait: bool) -> Result<Found, UpstreamError> {
        let mut hash = Md5::new();
        let mut piece = vec![0; PIECE_BYTES];
        let before = Identity::of(&file.metadata().map_err(io("stat object"))?);
        loop {
            let read = file.read(&mut piece).map_err(io("read object"))?;
            if read == 0 {
                break;
            }
            hash.update(piece.get(..read).unwrap_or_default());
        }
        let meta = ObjectMeta {
            identity: before,
            etag: hex::encode(hash.finalize()),
            last_modified: UnixSeconds(before.modified.0),
            headers: vec![],
            checksums: vec![],
            tags: vec![],
            parts: vec![],
        };
        let _guard = self.lock(bucket, key);
        let mut entry = self.entry(bucket, key)?.unwrap_or_default();
        let after = Identity::of(&file.metadata().map_err(io("stat object"))?);
        // Of a file still being written nothing is remembered.
        if !entry.odd && after == before && entry.of(before).is_none() {
            entry.candidates = vec![meta.clone()];
            let changes = vec![self.entry_change(bucket, key, &entry)?];
            if wait {
                self.commit(changes)?;
            } else {
                self.index.commit_later(changes);
            }
        }
        Ok(Found { file, meta })
    }

    pub(crate) fn entry_change(
        &self,
        bucket: &str,
        key: &str,
        entry: &Entry,
    ) -> Result<Change, UpstreamError> {
        let value = json(entry).map_err(|error| broken("write entry", error))?;
        Ok((Table::Objects, index_key(bucket, key), Some(value)))
    }

    pub(crate) fn commit(&self, changes: Vec<Change>) -> Result<(), UpstreamError> {
        self.index
            .commit(changes)
            .map_err(|error| broken("commit", error))
    }

    /// Gives a staged file its key. Call with the key's lock and the buckets shared. `meta.identity` is set here.
    ///
    /// The metadata is on disk before the file gets its name, beside that of the file it replaces: whichever file a
    /// crash leaves, its own metadata is there.
    pub(crate) fn place(
        &self,
        bucket: &str,
        key: &str,
        staged: &mut Staged,
        mut meta: ObjectMeta,
        current: Option<ObjectMeta>,
    ) -> Result<ObjectMeta, UpstreamError> {
        staged.file.sync_all().map_err(io("sync staged file"))?;
        meta.identity = Identity::of(&staged.file.metadata().map_err(io("stat staged file"))?);
        let folder = self.bucket_folder(bucket)?;
        let mut entry = Entry {
            odd: self.entry(bucket, key)?.is_some_and(|entry| entry.odd),
            candidates: current.into_iter().chain([meta.clone()]).collect(),
        };
        if !entry.odd
            && let Some((path, name)) = place::plain(key)
        {
            self.commit(vec![self.entry_change(bucket, key, &entry)?])?;
            if self.place_plain(&folder, &path, name, staged)? {
                return Ok(meta);
            }
        }
        entry.odd = true;
        let odd = self.odd_folder(bucket)?;
        self.commit(vec![
            self.entry_change(bucket, key, &entry)?,
            (Table::Odd, index_key(bucket, key), Some(b"null".to_vec())),
        ])?;
        folders::rename_into(&self.staging, &staged.name, odd, &place::odd(key))
            .map_err(io("place object"))?;
        staged.keep();
        Ok(meta)
    }

    /// `false` when the path is not free for a file: another key is a folder where this one needs a file, or the
    /// reverse.
    fn place_plain(
        &self,
        bucket: &OwnedFd,
        path: &[&str],
        name: &str,
        staged: &mut Staged,
    ) -> Result<bool, UpstreamError> {
        // A folder just made may be taken away by the deletion of its last object; then it is made again.
        for _ in 0..16 {
            let placed = folders::descend(bucket, path, true)
                .and_then(|folder| folders::rename_into(&self.staging, &staged.name, folder, name));
            match placed {
                Ok(()) => {
                    staged.keep();
                    return Ok(true);
                }
                Err(error) if folders::is_conflict(&error) => return Ok(false),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(io("place object")(error)),
            }
        }
        Ok(false)
    }

    /// Removes an object's file and what is known of it, and the folders it leaves empty. Call with the key's lock.
    pub(crate) fn remove(&self, bucket: &str, key: &str) -> Result<(), UpstreamError> {
        let entry = self.entry(bucket, key)?;
        let odd = entry.as_ref().is_some_and(|entry| entry.odd);
        if odd {
            folders::remove_file(self.odd_folder(bucket)?, &place::odd(key)).map_err(io("remove object"))?;
        } else if let Some((path, name)) = place::plain(key) {
            let bucket = self.bucket_folder(bucket)?;
            match folders::descend(&bucket, &path, false) {
                Ok(folder) => {
                    // Only what is an object may go: not a folder, not a link.
                    if folders::open_file(&folder, name)
                        .map_err(io("remove object"))?
                        .is_some()
                    {
                        folders::remove_file(&folder, name).map_err(io("remove object"))?;
                    }
                }
                Err(error) => {
                    folders::absent::<()>(error).map_err(io("remove object"))?;
                }
            }
            for depth in (0..path.len()).rev() {
                let (parents, names) = path.split_at(depth);
                let Some(name) = names.first() else { break };
                let Ok(parent) = folders::descend(&bucket, parents, false) else {
                    break;
                };
                if !folders::remove_folder(parent, name) {
                    break;
                }
            }
        }
        if entry.is_some() {
            let key = index_key(bucket, key);
            let mut changes = vec![(Table::Objects, key.clone(), None)];
            if odd {
                changes.push((Table::Odd, key, None));
            }
            self.commit(changes)?;
        }
        Ok(())
    }
}

pub(crate) fn index_key(bucket: &str, key: &str) -> String {
    format!("{bucket}\0{key}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::time::Duration;

    struct Still;
    impl Clock for Still {
        fn now(&self) -> UnixSeconds {
            UnixSeconds(0)
        }
    }

    #[test]
    fn an_upload_in_hand_keeps_nobody_from_any_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Arc::new(Still)).unwrap();
        let (done, is_done) = mpsc::channel();
        std::thread::spawn(move || {
            let _upload = store.lock_upload("upload");
            // Enough to meet every lock there is.
            (0..20 * STRIPES).for_each(|number| drop(store.lock("bucket", &number.to_string())));
            let _ = done.send(());
        });
        assert!(
            is_done.recv_timeout(Duration::from_secs(30)).is_ok(),
            "it waits for itself"
        );
    }
}
