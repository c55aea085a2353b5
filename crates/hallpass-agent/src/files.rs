//! Roles as files: what [`hallpass_rolefs`] asks, answered from rules, profile and leases.
//!
//! The list of roles is made anew a few times a second and kept in memory, so that the file system never waits. An open
//! is decided on the rules and the profile of its own moment, recorded, and only then answered.

mod listing;
mod opening;

use crate::{Agent, FilesStatus};
use hallpass_rolefs::{
    FileSystem, MountError, Mounted, OpenReply, OpenRequest, RoleDirectory, RoleFiles, mount,
};
use listing::Listing;
pub(crate) use listing::shown;
use opening::Opening;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::task::JoinHandle;

/// How soon a change of rules, profile or credentials shows.
const REFRESH_EVERY: Duration = Duration::from_millis(250);
/// In refreshes: how often the mount is looked after and the leases are asked for, which keeps them renewed.
const LOOK_EVERY: u32 = 20;

/// The files of an agent, mounted. [`MountedFiles::stop`] unmounts; dropping does, too.
pub struct MountedFiles {
    agent: Arc<Agent>,
    files: Arc<Files>,
    mounted: Option<Arc<Mounted>>,
    refreshing: JoinHandle<()>,
}

impl std::fmt::Debug for MountedFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MountedFiles").finish_non_exhaustive()
    }
}

/// What the file system sees of the agent.
struct Files {
    listing: Arc<Listing>,
    opening: Arc<Opening>,
    runtime: tokio::runtime::Handle,
    /// Held by the open that is being answered where it came in. It writes its record there, which a slow disk may hold
    /// up: one at a time, so that the file system's other threads go on. False once the runtime may be about to end.
    at_once: Mutex<bool>,
}

impl Files {
    /// What comes of `work` if it needs no waiting, which most opens do not: going through the runtime and back would take
    /// longer than all the rest. `None`: it has to be waited for.
    fn at_once<F: Future>(&self, work: Pin<&mut F>) -> Option<F::Output> {
        let only = self.at_once.try_lock().ok();
        let _only = only.filter(|goes_on| **goes_on)?;
        let _runtime = self.runtime.enter();
        match work.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }
}

impl RoleFiles for Files {
    fn directories(&self) -> Arc<Vec<RoleDirectory>> {
        self.listing.now()
    }

    fn open(&self, request: OpenRequest, reply: OpenReply) {
        let opening = Arc::clone(&self.opening);
        let Some(place) = opening.begin() else {
            return reply.give(Err(hallpass_rolefs::OpenError::NotReady));
        };
        let mut deciding = Box::pin(async move {
            let decision = opening.decide(request).await;
            drop(place);
            decision
        });
        match self.at_once(deciding.as_mut()) {
            Some(decision) => reply.give(decision),
            None => drop(self.runtime.spawn(async move { reply.give(deciding.await) })),
        }
    }

    fn refused(&self, request: OpenRequest, reason: &'static str) {
        if self.opening.is_news(&request) {
            let opening = Arc::clone(&self.opening);
            drop(
                self.runtime
                    .spawn(async move { opening.refuse(&request, reason.to_owned()).await }),
            );
        }
    }
}

impl Agent {
    /// Shows the roles of the rules' `[[file]]` tables as files under `path`: by FUSE, or on a tmpfs where there is none.
    /// Needs root. Leases of these roles are fetched ahead, asked for or not, so that an open does not wait.
    ///
    /// # Errors
    /// [`MountError`]: `path` must be an empty directory that only root can change.
    pub async fn mount_files(self: &Arc<Self>, path: &Path) -> Result<MountedFiles, MountError> {
        self.keep_fresh();
        let listing = Arc::new(Listing::new(Arc::clone(self)));
        listing.refresh(true).await;
        let files = Arc::new(Files {
            listing: Arc::clone(&listing),
            opening: Arc::new(Opening::new(Arc::clone(self))),
            runtime: tokio::runtime::Handle::current(),
            at_once: Mutex::new(true),
        });
        let (at, asked) = (path.to_owned(), Arc::clone(&files));
        let mounting = tokio::task::spawn_blocking(move || mount(&at, asked));
        let mounted = mounting.await.map_err(|_| MountError::Mount {
            path: path.to_owned(),
            reason: "mounting was given up".to_owned(),
        })??;
        let mounted = Arc::new(mounted);
        self.set_files_status(&mounted, None);
        let refreshing = tokio::spawn(keep(Arc::clone(self), Arc::clone(&files), Arc::clone(&mounted)));
        Ok(MountedFiles {
            agent: Arc::clone(self),
            files,
            mounted: Some(mounted),
            refreshing,
        })
    }

    pub(crate) fn files_status(&self) -> Option<FilesStatus> {
        let status = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        status.clone()
    }

    fn set_files_status(&self, mounted: &Mounted, problem: Option<String>) {
        let file_system = match mounted.file_system() {
            FileSystem::Fuse => "fuse",
            FileSystem::Tmpfs => "tmpfs",
        };
        *self.files.lock().unwrap_or_else(PoisonError::into_inner) = Some(FilesStatus {
            path: mounted.path().to_owned(),
            file_system: file_system.to_owned(),
            problem,
        });
    }
}

/// Keeps list and files up to date.
async fn keep(agent: Arc<Agent>, files: Arc<Files>, mounted: Arc<Mounted>) {
    let mut tick = tokio::time::interval(REFRESH_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut round, mut is_there, mut known) = (0_u32, true, None);
    loop {
        tick.tick().await;
        let looks = round.is_multiple_of(LOOK_EVERY);
        round = round.wrapping_add(1);
        let mut problem = files.listing.refresh(looks).await;
        if mounted.file_system() == FileSystem::Tmpfs
            && let Err(error) = write(&files, &mounted).await
        {
            problem.get_or_insert(error);
        }
        if looks {
            is_there = mounted.is_there();
        }
        if !is_there {
            problem = Some("somebody unmounted them".to_owned());
        }
        if problem != known {
            if let Some(problem) = &problem {
                tracing::warn!(problem, "the files are not all there");
            }
            agent.set_files_status(&mounted, problem.clone());
            known = problem;
        }
    }
}

/// Brings the files of a tmpfs up to date. What is to be written is on record first, each file for its owner.
async fn write(files: &Arc<Files>, mounted: &Arc<Mounted>) -> Result<(), String> {
    let directories = files.listing.now();
    let mut shown = Vec::new();
    for directory in directories.iter() {
        // What cannot be recorded is not shown, and what was shown of it goes.
        if files.opening.is_written(directory) || files.opening.record_write(directory).await {
            shown.push(directory.clone());
        }
    }
    let mounted = Arc::clone(mounted);
    let written = tokio::task::spawn_blocking(move || mounted.sync(&shown)).await;
    match written {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("a file cannot be written: {error}")),
        Err(_) => Err("a file cannot be written".to_owned()),
    }
}

impl MountedFiles {
    /// Unmounts. Files that are still open stay readable until this process ends, to those who may.
    pub async fn stop(mut self) {
        self.refreshing.abort();
        // It holds a share of the mount until it is really gone.
        let _ = (&mut self.refreshing).await;
        if let Some(mounted) = self.mounted.take() {
            let _ = tokio::task::spawn_blocking(move || drop(mounted)).await;
        }
    }
}

impl Drop for MountedFiles {
    fn drop(&mut self) {
        self.refreshing.abort();
        *self.files.at_once.lock().unwrap_or_else(PoisonError::into_inner) = false;
        *self.agent.files.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
