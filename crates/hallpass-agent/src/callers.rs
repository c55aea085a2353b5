mod ends;

pub(crate) use ends::TcpEnds;

use crate::{Decision, Evidence, Rules};
use hallpass_caller::{
    Caller, CallerError, ConnectRecord, FactSources, Holder, Namespaces, Peer, ProcessFacts, Proof, SockDiag,
    UnixOwner, UserDatabase, process, program,
};
use std::fs;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often at most the user database is looked at for changes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Walks over `/proc` at the same time: someone who opens many connections must not occupy the whole machine.
const WALKS_MAX: usize = 2;
/// Decisions that read facts at the same time: hashing a program or asking a container runtime takes its time.
const READINGS_MAX: usize = 4;
/// How long one may take. Later it is refused; what it read is remembered for the next.
const READING_TIMEOUT: Duration = Duration::from_secs(10);

/// A caller, and the processes that facts about it can be read of.
#[derive(Debug, Clone)]
pub(crate) struct Identified {
    pub(crate) caller: Arc<Caller>,
    /// Every process that holds the connection; empty when that was not looked for.
    processes: Vec<Holder>,
    /// How to tell afterwards that all of this still holds.
    standing: Standing,
}

#[derive(Debug, Clone)]
enum Standing {
    /// A TCP connection and who was proven to hold it.
    Proven(Arc<Peer>, Arc<Proof>),
    /// The process itself.
    Process,
}

impl Identified {
    /// A caller of whose processes nothing is known, so that no rule that asks for them matches.
    pub(crate) fn unseen(caller: Caller) -> Self {
        Self {
            caller: Arc::new(caller),
            processes: Vec::new(),
            standing: Standing::Process,
        }
    }

    fn still_stands(&self) -> bool {
        match &self.standing {
            Standing::Proven(peer, proof) => peer.still_stands(proof),
            Standing::Process => self.processes.iter().all(|seen| {
                process(seen.pid).is_ok_and(|now| now.start_time == seen.start_time && now.exe == seen.exe)
            }),
        }
    }
}

/// Turns the kernel's facts into a [`Caller`].
#[derive(Debug)]
pub(crate) struct Callers {
    sources: Arc<FactSources>,
    namespaces: Arc<Namespaces>,
    readings: Arc<Semaphore>,
    record: Option<Arc<ConnectRecord>>,
    walks: Semaphore,
    users: Mutex<Option<Users>>,
}

#[derive(Debug)]
struct Users {
    looked: Instant,
    stamp: [(u64, i64, i64); 2],
    database: Arc<UserDatabase>,
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            sources: Arc::default(),
            namespaces: Arc::default(),
            readings: Arc::new(Semaphore::new(READINGS_MAX)),
            record: None,
            walks: Semaphore::new(WALKS_MAX),
            users: Mutex::default(),
        }
    }
}

impl Callers {
    /// Who proves by the kernel's own record of connections where it tells, and by walks over `/proc` otherwise.
    pub(crate) fn new(record: Option<Arc<ConnectRecord>>) -> Self {
        Self {
            record,
            ..Self::default()
        }
    }

    /// Whether there is such a record.
    pub(crate) fn have_record(&self) -> bool {
        self.record.is_some()
    }

    /// An accepted connection: `client` is its peer, `server` what that peer connected to.
    pub(crate) fn ends(&self, diag: Arc<SockDiag>, client: SocketAddr, server: SocketAddr) -> TcpEnds {
        TcpEnds::new(diag, client, server, self.record.clone())
    }

    /// The caller behind a TCP connection, proven: every process that holds the socket has the creator's uid.
    pub(crate) async fn proven(&self, ends: &TcpEnds) -> Result<Arc<Identified>, CallerError> {
        if let Some(proof) = ends.peer.known() {
            return Ok(self.of_proof(ends, proof));
        }
        if let Some(proof) = ends.peer.prove_quickly()? {
            return Ok(self.of_proof(ends, proof));
        }
        let Ok(_permit) = self.walks.acquire().await else {
            return Err(CallerError::NoHolder);
        };
        let peer = Arc::clone(&ends.peer);
        let walk = tokio::task::spawn_blocking(move || peer.prove());
        let proof = walk.await.unwrap_or(Err(CallerError::NoHolder))?;
        Ok(self.of_proof(ends, proof))
    }

    /// The caller by the creator of its socket alone, with the groups a login would have.
    pub(crate) fn by_creator(&self, ends: &TcpEnds) -> Result<Arc<Identified>, CallerError> {
        let owner = ends.owner()?;
        let gids = self.database().login_groups(owner.uid);
        let caller = self.caller(owner.uid, gids, u64::from(owner.inode), owner.cgroup_id);
        Ok(Arc::new(Identified::unseen(caller)))
    }

    /// The connection with the network namespace its peer is in, if that is not the listener's and can be told.
    pub(crate) async fn located(&self, ends: TcpEnds) -> TcpEnds {
        if !matches!(ends.owner(), Err(CallerError::NoSuchSocket)) {
            return ends;
        }
        let Ok(_permit) = self.walks.acquire().await else {
            return ends;
        };
        let (namespaces, sought) = (Arc::clone(&self.namespaces), Arc::clone(&ends.peer));
        let find = move || namespaces.find(sought.diag(), sought.client(), sought.server());
        match tokio::task::spawn_blocking(find).await {
            Ok(Ok(diag)) => TcpEnds::of(ends.peer.in_namespace(diag)),
            _ => ends,
        }
    }

    /// Decides with facts about the caller's processes.
    ///
    /// # Errors
    /// Why they do not count: it took too long, or these are not the caller's processes any more.
    pub(crate) async fn decide(&self, rules: Arc<Rules>, who: &Identified) -> Result<Decision, String> {
        self.read(who, move |who, evidence| rules.decide(&who.caller, evidence))
            .await
    }

    /// Runs `work` with evidence about the caller, where blocking is allowed.
    ///
    /// # Errors
    /// As of [`Self::decide`].
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        who: &Identified,
        work: impl FnOnce(&Identified, &Evidence) -> T + Send + 'static,
    ) -> Result<T, String> {
        let (sources, database, who) = (Arc::clone(&self.sources), self.database(), who.clone());
        let readings = Arc::clone(&self.readings);
        let reading = async move {
            let permit = readings.acquire_owned().await.ok()?;
            let task = tokio::task::spawn_blocking(move || {
                // Held by the reading, not by who waits for it: one that hangs is not started again and again.
                let _permit = permit;
                let evidence = evidence(&who, &sources, &database);
                let result = work(&who, &evidence);
                who.still_stands().then_some(result)
            });
            task.await.ok()?
        };
        match tokio::time::timeout(READING_TIMEOUT, reading).await {
            Ok(Some(result)) => Ok(result),
            Ok(None) => Err("the caller's processes changed during the request".to_owned()),
            Err(_) => Err("the facts about the caller could not be read in time".to_owned()),
        }
    }

    /// A caller of which only the uid is known, with the groups a login would have.
    pub(crate) fn of_uid(&self, uid: u32) -> Caller {
        let gids = self.database().login_groups(uid);
        self.caller(uid, gids, 0, None)
    }

    /// The caller behind a unix connection.
    pub(crate) fn of_unix(&self, owner: &UnixOwner) -> Identified {
        let mut gids = vec![owner.gid];
        gids.extend(owner.groups.iter().copied().filter(|gid| *gid != owner.gid));
        let mut caller = self.caller(owner.uid, gids, 0, None);
        let mut processes = Vec::new();
        // The number is believed only while the handle says that it still is that process. A kernel without such
        // handles (before 6.5) leaves the process unknown: rules about more than user and group do not match then.
        if let Some(pidfd) = &owner.pidfd
            && let Ok(found) = process(owner.pid)
            && pid_of(pidfd.as_raw_fd()) == Some(owner.pid)
        {
            caller.pid = Some(owner.pid);
            caller.exe = found.exe.clone();
            processes.push(found);
        }
        Identified {
            caller: Arc::new(caller),
            processes,
            standing: Standing::Process,
        }
    }

    /// The caller that process `pid` would be.
    pub(crate) fn of_process(&self, pid: u32) -> Result<Identified, CallerError> {
        let found = process(pid)?;
        let mut gids = vec![found.gid];
        gids.extend(found.groups.iter().copied().filter(|gid| *gid != found.gid));
        let mut caller = self.caller(found.uid, gids, 0, None);
        caller.pid = Some(pid);
        caller.exe = found.exe.clone();
        Ok(Identified {
            caller: Arc::new(caller),
            processes: vec![found],
            standing: Standing::Process,
        })
    }

    /// The caller behind a request to the file system, as the kernel reported it. A descriptor may be anyone's, so only
    /// user and groups are known of it for rules; the process is for the record.
    pub(crate) fn of_reader(&self, uid: u32, gids: &[u32], pid: u32) -> Caller {
        let mut caller = self.caller(uid, gids.to_vec(), 0, None);
        // The number alone tells nothing: a process in another pid namespace has none here.
        if let Ok(exe) = program(pid, uid) {
            caller.pid = Some(pid);
            caller.exe = exe;
        }
        caller
    }

    fn of_proof(&self, ends: &TcpEnds, proof: Arc<Proof>) -> Arc<Identified> {
        ends.caller(&proof, &self.database(), || {
            let owner = &proof.owner;
            let mut caller = self.caller(owner.uid, proof.gids(), u64::from(owner.inode), owner.cgroup_id);
            caller.pid = proof.only_holder().map(|holder| holder.pid);
            caller.exe = proof.only_holder().and_then(|holder| holder.exe.clone());
            Identified {
                caller: Arc::new(caller),
                processes: proof.holders.clone(),
                standing: Standing::Proven(Arc::clone(&ends.peer), Arc::clone(&proof)),
            }
        })
    }

    fn caller(&self, uid: u32, gids: Vec<u32>, inode: u64, cgroup_id: Option<u64>) -> Caller {
        let database = self.database();
        let groups = gids
            .iter()
            .filter_map(|gid| database.group_name(*gid))
            .map(str::to_owned)
            .collect();
        let user = database.user_name(uid).map(str::to_owned);
        Caller {
            uid,
            user,
            gids,
            groups,
            inode,
            cgroup_id,
            pid: None,
            exe: None,
        }
    }

    /// The machine's users and groups, at most a second old.
    pub(crate) fn database(&self) -> Arc<UserDatabase> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(users) = users.as_mut() {
            if users.looked.elapsed() < LOOK_EVERY {
                return Arc::clone(&users.database);
            }
            users.looked = Instant::now();
            if users.stamp == stamps() {
                return Arc::clone(&users.database);
            }
        }
        // Stamped before reading: a change during the read is seen the next time.
        let stamp = stamps();
        let database = Arc::new(UserDatabase::system());
        *users = Some(Users {
            looked: Instant::now(),
            stamp,
            database: Arc::clone(&database),
        });
        database
    }
}

fn evidence(who: &Identified, sources: &Arc<FactSources>, database: &UserDatabase) -> Evidence {
    let processes: Vec<ProcessFacts> = who
        .processes
        .iter()
        .map(|process| ProcessFacts::of(process, sources))
        .collect();
    let gids = processes.iter().flat_map(ProcessFacts::gids);
    let groups = gids
        .filter_map(|gid| database.group_name(*gid))
        .map(str::to_owned)
        .collect();
    Evidence { processes, groups }
}

fn stamps() -> [(u64, i64, i64); 2] {
    ["/etc/passwd", "/etc/group"].map(|path| {
        fs::metadata(path)
            .map(|meta| (meta.ino(), meta.mtime(), meta.mtime_nsec()))
            .unwrap_or_default()
    })
}

/// The process a pidfd stands for; -1 once it was reaped.
fn pid_of(pidfd: i32) -> Option<u32> {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{pidfd}")).ok()?;
    info.lines()
        .find_map(|line| line.strip_prefix("Pid:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
