use hallpass_caller::{
    Caller, CallerError, Proof, ProofCache, SockDiag, TcpOwner, UnixOwner, UserDatabase, process,
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

/// Both ends of a TCP connection, and who can be asked about it.
#[derive(Debug, Clone)]
pub(crate) struct TcpEnds {
    pub(crate) diag: Arc<SockDiag>,
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

impl TcpEnds {
    pub(crate) fn owner(&self) -> Result<TcpOwner, CallerError> {
        self.diag.tcp_owner(self.peer, self.local)
    }

    /// What a session token is bound to. The control group tells two services of one user apart.
    pub(crate) fn binding(&self, owner: &TcpOwner) -> String {
        format!(
            "{}.{}.{}",
            owner.uid,
            owner.cgroup_id.unwrap_or_default(),
            self.diag.namespace()
        )
    }
}

/// Turns the kernel's facts into a [`Caller`].
#[derive(Debug)]
pub(crate) struct Callers {
    proofs: Arc<ProofCache>,
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
            proofs: Arc::default(),
            walks: Semaphore::new(WALKS_MAX),
            users: Mutex::default(),
        }
    }
}

impl Callers {
    /// The caller behind a TCP connection, proven: every process that holds the socket has the creator's uid.
    pub(crate) async fn proven(&self, ends: &TcpEnds) -> Result<Caller, CallerError> {
        if let Some(proof) = self.proofs.known(&ends.diag, ends.peer, ends.local) {
            return Ok(self.of_proof(&proof));
        }
        let Ok(_permit) = self.walks.acquire().await else {
            return Err(CallerError::NoHolder);
        };
        let (proofs, walked) = (Arc::clone(&self.proofs), ends.clone());
        let walk = tokio::task::spawn_blocking(move || proofs.prove(&walked.diag, walked.peer, walked.local));
        let proof = walk.await.unwrap_or(Err(CallerError::NoHolder))?;
        Ok(self.of_proof(&proof))
    }

    /// The caller by the creator of its socket alone, with the groups a login would have.
    pub(crate) fn by_creator(&self, ends: &TcpEnds) -> Result<Caller, CallerError> {
        let owner = ends.owner()?;
        let gids = self.database().login_groups(owner.uid);
        Ok(self.caller(owner.uid, gids, u64::from(owner.inode), owner.cgroup_id))
    }

    /// The caller behind a unix connection.
    pub(crate) fn of_unix(&self, owner: &UnixOwner) -> Caller {
        let mut gids = vec![owner.gid];
        gids.extend(owner.groups.iter().copied().filter(|gid| *gid != owner.gid));
        let mut caller = self.caller(owner.uid, gids, 0, None);
        // The number is believed only while the handle says that it still is that process.
        if let Some(pidfd) = &owner.pidfd
            && let Ok(found) = process(owner.pid)
            && pid_of(pidfd.as_raw_fd()) == Some(owner.pid)
        {
            caller.pid = Some(owner.pid);
            caller.exe = found.exe;
        }
        caller
    }

    /// The caller that process `pid` would be.
    pub(crate) fn of_process(&self, pid: u32) -> Result<Caller, CallerError> {
        let found = process(pid)?;
        let mut gids = vec![found.gid];
        gids.extend(found.groups.iter().copied().filter(|gid| *gid != found.gid));
        let mut caller = self.caller(found.uid, gids, 0, None);
        caller.pid = Some(pid);
        caller.exe = found.exe;
        Ok(caller)
    }

    /// Whoever is of that uid.
    pub(crate) fn of_uid(&self, uid: u32) -> Caller {
        self.caller(uid, Vec::new(), 0, None)
    }

    /// The caller behind a request to the file system, as the kernel reported it.
    pub(crate) fn of_reader(&self, uid: u32, gids: &[u32], pid: u32) -> Caller {
        let mut caller = self.caller(uid, gids.to_vec(), 0, None);
        // The number alone tells nothing: a process in another pid namespace has none here.
        if let Ok(found) = process(pid)
            && found.uids.contains(&uid)
        {
            caller.pid = Some(pid);
            caller.exe = found.exe;
        }
        caller
    }

    fn of_proof(&self, proof: &Proof) -> Caller {
        let owner = &proof.owner;
        let mut caller = self.caller(owner.uid, proof.gids(), u64::from(owner.inode), owner.cgroup_id);
        caller.pid = proof.only_holder().map(|holder| holder.pid);
        caller.exe = proof.only_holder().and_then(|holder| holder.exe.clone());
        caller
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
