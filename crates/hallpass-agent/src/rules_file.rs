use crate::{Rules, RulesError};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often at most the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The rules file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesFileError {
    /// It cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// Others than its owner and root can write it, so anyone could give themselves a role.
    #[error("{path} is writable by others: chmod go-w {path}")]
    Writable {
        /// The file.
        path: PathBuf,
    },
    /// It is not in order.
    #[error("{path} is not in order:\n{error}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        error: RulesError,
    },
}

/// A rules file that is watched: a change is in force within a second, all or nothing.
///
/// A broken or missing file keeps the rules that were in force, and [`RulesFile::error`] says so.
#[derive(Debug)]
pub struct RulesFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    rules: Arc<Rules>,
    seen: Option<Stamp>,
    looked: Instant,
    error: Option<RulesFileError>,
}

/// What changes whenever a file is written or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64, i64, i64, u32);

impl Stamp {
    fn of(meta: &Metadata) -> Self {
        Self(
            meta.ino(),
            meta.size(),
            meta.mtime(),
            meta.mtime_nsec(),
            meta.ctime(),
            meta.ctime_nsec(),
            meta.mode(),
        )
    }
}

impl RulesFile {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// [`RulesFileError`]: the agent does not start on a broken file.
    pub fn open(path: &Path) -> Result<Self, RulesFileError> {
        let (rules, seen) = read(path)?;
        let state = State {
            rules: Arc::new(rules),
            seen: Some(seen),
            looked: Instant::now(),
            error: None,
        };
        Ok(Self {
            path: path.to_owned(),
            state: Mutex::new(state),
        })
    }

    /// The rules in force. Looks at the file at most once a second.
    #[must_use]
    pub fn current(&self) -> Arc<Rules> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let stamp = fs::metadata(&self.path).ok().map(|meta| Stamp::of(&meta));
            if stamp != state.seen || stamp.is_none() {
                self.refresh(&mut state);
            }
        }
        Arc::clone(&state.rules)
    }

    /// Reads the file now, whatever its time stamps say (SIGHUP).
    ///
    /// # Errors
    /// Why the file is not in force; the rules before it stay.
    pub fn reload(&self) -> Result<Arc<Rules>, RulesFileError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        self.refresh(&mut state);
        match &state.error {
            Some(error) => Err(error.clone()),
            None => Ok(Arc::clone(&state.rules)),
        }
    }

    /// Why the file as it is now is not in force.
    #[must_use]
    pub fn error(&self) -> Option<RulesFileError> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .error
            .clone()
    }

    fn refresh(&self, state: &mut State) {
        match read(&self.path) {
            Ok((rules, seen)) => {
                state.rules = Arc::new(rules);
                state.seen = Some(seen);
                state.error = None;
            }
            Err(error) => {
                if state.error.as_ref() != Some(&error) {
                    tracing::error!(%error, "the rules file is not in force; the rules before it stay");
                }
                // Judged once: not read again until it changes.
                state.seen = fs::metadata(&self.path).ok().map(|meta| Stamp::of(&meta));
                state.error = Some(error);
            }
        }
    }
}

fn read(path: &Path) -> Result<(Rules, Stamp), RulesFileError> {
    let unreadable = |error: io::Error| RulesFileError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let meta = file.metadata().map_err(unreadable)?;
    if meta.mode() & 0o022 != 0 {
        return Err(RulesFileError::Writable {
            path: path.to_owned(),
        });
    }
    let text = io::read_to_string(file).map_err(unreadable)?;
    let rules = Rules::parse(&text).map_err(|error| RulesFileError::Invalid {
        path: path.to_owned(),
        error,
    })?;
    Ok((rules, Stamp::of(&meta)))
}
