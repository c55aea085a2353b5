//! Who made and connected each TCP socket, written down by the kernel as it happens: three small programs in the kernel
//! (`bpf(2)`) instead of a walk over all processes afterwards.
//!
//! **What it proves.** The process that made and connected a socket is alive, still has it, and has not forked since
//! before the socket was made. Then nobody else has it, unless it was *handed* to them: sent over a unix socket, or
//! fetched by someone who may trace the process. A walk sees such holders, the record does not; who hands its connection
//! to another on purpose could as well ask in its name. Everything short of that proof is left to the walk.
//!
//! **What is ruled out by looking at less.** A fork *before* the socket was made does not give it away, except to a
//! process that shares the table of descriptors (`CLONE_FILES` without `CLONE_THREAD`): who makes such a one is left to the
//! walk, for good. Who did so before the record began, or was made so, is not known for it: that is handing over, too.
//! Slots of forks are shared by processes whose numbers are equal in the lowest 16 bits, and only ever count up: another's
//! fork costs a walk, and none is forgotten.

mod bpf;
mod program;

use crate::holders::{descriptor_among, process};
use crate::{CallerError, Holder, TcpOwner};
use bpf::Map;
use program::{FORK_SLOTS, SEEN_BYTES, SHARES, Seen};
use rustix::fd::{AsFd, OwnedFd};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Sockets remembered, on the whole machine; the least lately used goes first, and is left to the walk.
const SOCKETS: u32 = 16_384;
/// The first pid and time namespaces of a machine have these inodes (linux/proc_ns.h).
const FIRST_PID_NAMESPACE: u64 = 0xEFFF_FFFC;
const FIRST_TIME_NAMESPACE: u64 = 0xEFFF_FFFA;
const NANOSECONDS: u64 = 1_000_000_000;

/// Why there is no connect record. Callers are proven without, more slowly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectRecordError {
    /// The numbers and times that the kernel writes down are not those this process sees.
    #[error("this process is in a {0} namespace of its own")]
    Namespace(&'static str),
    /// No cgroup2 tree is mounted, or not from its root.
    #[error("no cgroup2 tree is mounted here")]
    NoCgroupTree,
    /// The kernel refused a step: too old (before 5.8), built without, or not for us (`CAP_BPF`, `CAP_NET_ADMIN` and
    /// `CAP_PERFMON`).
    #[error("{step}: {error}")]
    Refused {
        /// What was tried.
        step: &'static str,
        /// What the kernel said.
        error: io::Error,
    },
}

/// The record, for as long as this is not dropped: the kernel forgets it with the descriptors, however the process ends.
/// Loading takes root, or `CAP_BPF`, `CAP_NET_ADMIN` and `CAP_PERFMON`.
#[derive(Debug)]
pub struct ConnectRecord {
    sockets: Map<[u8; 8], [u8; SEEN_BYTES]>,
    forks: Map<[u8; 4], [u8; 8]>,
    _links: [OwnedFd; 4],
}

/// How often some processes had forked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forks(Vec<(u32, u64)>);

impl ConnectRecord {
    /// Begins one. What connected before is not in it.
    ///
    /// # Errors
    /// [`ConnectRecordError`].
    pub fn begin() -> Result<Self, ConnectRecordError> {
        in_first("pid", FIRST_PID_NAMESPACE)?;
        in_first("time", FIRST_TIME_NAMESPACE)?;
        let group = File::open(cgroup_root().ok_or(ConnectRecordError::NoCgroupTree)?)
            .map_err(|error| refused("open the cgroup2 tree", error))?;
        let sockets = Map::newest(SOCKETS).map_err(|error| refused("make a table of sockets", error))?;
        let forks = Map::array(FORK_SLOTS).map_err(|error| refused("make a table of forks", error))?;
        let attached = |kind, code: &[[u8; 8]]| {
            let program =
                bpf::load(kind, code).map_err(|error| refused("load a program for sockets", error))?;
            bpf::attach(&program, kind, group.as_fd())
                .map_err(|error| refused("attach a program to the root control group", error))
        };
        // Forks are counted before the first socket is written down with a count.
        let tracing = bpf::load(bpf::RAW_TRACEPOINT, &program::forking(forks.descriptor()))
            .map_err(|error| refused("load a program for forks", error))?;
        let tracing = bpf::trace(&tracing, c"task_newtask").map_err(|error| refused("trace forks", error))?;
        let connecting = program::connecting(sockets.descriptor());
        let links = [
            tracing,
            attached(bpf::CONNECT_4, &connecting)?,
            attached(bpf::CONNECT_6, &connecting)?,
            attached(
                bpf::SOCKET_MADE,
                &program::socket_made(sockets.descriptor(), forks.descriptor()),
            )?,
        ];
        Ok(Self {
            sockets,
            forks,
            _links: links,
        })
    }

    /// The one process that can hold the socket, with its forks as they stood before it was looked at; `None` if the
    /// record does not tell, and the walk has to. At most `descriptors` of the process are looked through.
    ///
    /// # Errors
    /// [`CallerError::OtherConnector`] if who connected is not who the socket is of.
    pub(crate) fn holder(
        &self,
        owner: &TcpOwner,
        descriptors: usize,
    ) -> Result<Option<(Holder, Forks)>, CallerError> {
        let Ok(Some(seen)) = self.sockets.get(&owner.cookie.to_ne_bytes()) else {
            return Ok(None);
        };
        let seen = Seen::read(&seen);
        if seen.connector == 0 {
            return Ok(None);
        }
        if seen.uid != owner.uid {
            return Err(CallerError::OtherConnector {
                socket_uid: owner.uid,
                pid: seen.connector,
                uid: seen.uid,
            });
        }
        let pid = seen.connector;
        if seen.maker != pid || seen.forks >= SHARES {
            return Ok(None);
        }
        let Ok(Some(descriptor)) = descriptor_among(pid, owner.inode.into(), descriptors) else {
            return Ok(None);
        };
        let Ok(mut holder) = process(pid) else {
            return Ok(None);
        };
        holder.descriptor = Some(descriptor);
        // The same number at another time is another process, and one that began within the same tick may be.
        let was_there = ends_before(holder.start_time, seen.made);
        let forks = Forks(vec![(pid, seen.forks)]);
        let proven = was_there && holder.uids == [owner.uid; 4] && self.unchanged(&forks);
        Ok(proven.then_some((holder, forks)))
    }

    /// How often these processes have forked so far.
    pub(crate) fn forks_of(&self, holders: &[Holder]) -> Forks {
        let of = |holder: &Holder| Some((holder.pid, self.slot(holder.pid)?));
        Forks(holders.iter().filter_map(of).collect())
    }

    /// Whether none of them has forked since.
    pub(crate) fn unchanged(&self, forks: &Forks) -> bool {
        let same = |(pid, count): &(u32, u64)| self.slot(*pid) == Some(*count);
        forks.0.iter().all(same)
    }

    fn slot(&self, pid: u32) -> Option<u64> {
        let slot = (pid % FORK_SLOTS).to_ne_bytes();
        self.forks.get(&slot).ok().flatten().map(u64::from_ne_bytes)
    }
}

/// Whether the clock tick `tick` since boot was over at `nanoseconds` since boot.
fn ends_before(tick: u64, nanoseconds: u64) -> bool {
    let length = NANOSECONDS / ticks_per_second();
    tick.checked_add(1)
        .and_then(|next| next.checked_mul(length))
        .is_some_and(|end| end <= nanoseconds)
}

fn ticks_per_second() -> u64 {
    #[expect(unsafe_code, reason = "std does not tell it")]
    // SAFETY: sysconf(3) takes a number and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    // Never reported as an error; 1 would leave everything to the walk.
    u64::try_from(ticks).unwrap_or(1).max(1)
}

/// A kernel without such namespaces has only the first.
fn in_first(name: &'static str, first: u64) -> Result<(), ConnectRecordError> {
    match fs::metadata(format!("/proc/self/ns/{name}")) {
        Ok(own) if own.ino() != first => Err(ConnectRecordError::Namespace(name)),
        _ => Ok(()),
    }
}

/// Where the root of the cgroup2 tree is mounted.
fn cgroup_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    mounts.lines().find_map(cgroup_root_in).map(PathBuf::from)
}

/// A line of proc_pid_mountinfo(5): root and mount point are the fourth and fifth fields, the type follows a hyphen.
fn cgroup_root_in(line: &str) -> Option<&Path> {
    let (place, kind) = line.split_once(" - ")?;
    let mut fields = place.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    (root == "/" && kind.split(' ').next() == Some("cgroup2")).then(|| Path::new(point))
}

fn refused(step: &'static str, error: io::Error) -> ConnectRecordError {
    ConnectRecordError::Refused { step, error }
}

#[cfg(test)]
mod tests;
