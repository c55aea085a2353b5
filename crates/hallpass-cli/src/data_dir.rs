//! The data directory of one system: what lies where, and whether it may be used.

use crate::error::CliError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// One that was told to stop is still closing its store when the next one starts.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The layout of the directory. A higher number was made by a newer program.
const VERSION: &str = "1";

/// A data directory, in use by this process alone as long as this value lives.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
    _ephemeral: Option<tempfile::TempDir>,
}

/// Where a system's data lies when nothing else is said.
pub(crate) fn default_path() -> Result<PathBuf, CliError> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    state
        .or_else(home)
        .map(|state| state.join("hallpass"))
        .ok_or_else(|| {
            CliError::failed("there is no place for the data: neither XDG_STATE_HOME nor HOME is set")
                .hint("name a directory with --data DIR, or keep nothing with --ephemeral")
        })
}

impl DataDir {
    /// Opens or makes the directory, and keeps other processes out of it.
    pub(crate) fn open(path: PathBuf) -> Result<Self, CliError> {
        Self::open_inner(path, None)
    }

    /// A fresh directory that goes when this value goes.
    pub(crate) fn ephemeral() -> Result<Self, CliError> {
        let folder = tempfile::Builder::new()
            .prefix("hallpass-")
            .tempdir()
            .map_err(|error| CliError::failed(format!("cannot make a temporary directory: {error}")))?;
        Self::open_inner(folder.path().to_owned(), Some(folder))
    }

    fn open_inner(path: PathBuf, ephemeral: Option<tempfile::TempDir>) -> Result<Self, CliError> {
        let shown = path.display().to_string();
        let cannot = |what: &str, error: &dyn std::fmt::Display| {
            CliError::failed(format!("cannot {what} `{shown}`: {error}"))
        };
        let version_file = path.join("VERSION");
        let is_known = version_file.exists();
        if path.exists() && !is_known {
            let mut entries =
                std::fs::read_dir(&path).map_err(|error| cannot("read the data directory", &error))?;
            if entries.next().is_some() {
                return Err(
                    CliError::failed(format!("`{shown}` holds something else than hallpass data"))
                        .hint("name an empty or new directory with --data DIR"),
                );
            }
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(|error| cannot("make the data directory", &error))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&version_file)
            .map_err(|error| cannot("write the data directory", &error))?;
        let until = Instant::now() + LOCK_WAIT;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if Instant::now() >= until {
                return Err(CliError::failed(format!(
                    "the data directory `{shown}` is in use by another hallpass"
                ))
                .hint("stop it, or name another directory with --data DIR"));
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let mut found = String::new();
        lock.read_to_string(&mut found)
            .map_err(|error| cannot("read the version of", &error))?;
        match found.trim() {
            "" => lock
                .write_all(format!("{VERSION}\n").as_bytes())
                .map_err(|error| cannot("write", &error))?,
            VERSION => {}
            other => {
                return Err(CliError::failed(format!(
                    "the data directory `{shown}` was made by a newer hallpass (version {other}, this one knows {VERSION})"
                ))
                .hint("use the newer program, or another directory with --data DIR"));
            }
        }
        Ok(Self {
            path,
            _lock: lock,
            _ephemeral: ephemeral,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The root key: read, or made on first use.
    pub(crate) fn root_key(&self, fresh: impl FnOnce() -> [u8; 32]) -> Result<[u8; 32], CliError> {
        let path = self.file("root.key");
        match std::fs::read(&path) {
            Ok(bytes) => bytes.try_into().map_err(|_| {
                CliError::failed(format!(
                    "the root key `{}` is damaged: it is not 32 bytes long",
                    path.display()
                ))
                .hint("bring it back from a backup; without it the stored secrets cannot be opened")
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                if self.file("store.redb").exists() {
                    return Err(
                        CliError::failed(format!("the root key `{}` is missing", path.display())).hint(
                            "bring it back from a backup; without it the stored secrets cannot be opened",
                        ),
                    );
                }
                let key = fresh();
                write_private(&path, &key)?;
                Ok(key)
            }
            Err(error) => Err(CliError::failed(format!(
                "cannot read the root key `{}`: {error}",
                path.display()
            ))),
        }
    }
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> Result<(), CliError> {
    write_atomically(path, content, 0o600)
}

/// Writes a file whole or not at all: beside it, synced, then renamed over it.
pub(crate) fn write_atomically(path: &Path, content: &[u8], mode: u32) -> Result<(), CliError> {
    let write = || -> std::io::Result<()> {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let staged = folder.join(format!(".{name}.{}", std::process::id()));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(mode)
            .open(&staged)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&staged, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| CliError::failed(format!("cannot write `{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_fresh_directory_is_private_and_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let held = DataDir::open(path.clone()).unwrap();
        assert_eq!(
            std::fs::metadata(held.path()).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(
            DataDir::open(path.clone())
                .unwrap_err()
                .to_string()
                .contains("in use")
        );
        drop(held);
        assert!(DataDir::open(path).is_ok());
    }

    #[test]
    fn foreign_newer_and_impossible_directories_are_refused_in_one_line_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("letter.txt"), "dear").unwrap();
        let error = DataDir::open(folder.path().to_owned()).unwrap_err();
        assert!(
            error.to_string().contains("something else") && !error.to_string().contains('\n'),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        let newer = tempfile::tempdir().unwrap();
        std::fs::write(newer.path().join("VERSION"), "99\n").unwrap();
        assert!(
            DataDir::open(newer.path().to_owned())
                .unwrap_err()
                .to_string()
                .contains("newer")
        );
        assert_eq!(
            std::fs::read_to_string(newer.path().join("VERSION")).unwrap(),
            "99\n"
        );

        let file = folder.path().join("letter.txt/data");
        assert!(
            DataDir::open(file)
                .unwrap_err()
                .to_string()
                .starts_with("cannot make")
        );
    }

    #[test]
    fn a_root_key_is_made_once_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::open(folder.path().join("data")).unwrap();
        assert_eq!(data.root_key(|| [1; 32]).unwrap(), [1; 32]);
        assert_eq!(data.root_key(|| [2; 32]).unwrap(), [1; 32]);
        let mode = std::fs::metadata(data.file("root.key"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(data.file("root.key"), "short").unwrap();
        assert!(
            data.root_key(|| [3; 32])
                .unwrap_err()
                .to_string()
                .contains("damaged")
        );
        std::fs::remove_file(data.file("root.key")).unwrap();
        std::fs::write(data.file("store.redb"), "").unwrap();
        assert!(
            data.root_key(|| [3; 32])
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
    }
}
