use crate::holders::still_holds;
use crate::{CallerError, Holder, SockDiag, TcpOwner, holders_of};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a walk over all processes is believed for one socket. Within it, the holders known are looked at again
/// each time; only a *new* foreign holder, handed the socket by an old one, could stay unnoticed, and only this long.
const WALK_TRUSTED: Duration = Duration::from_secs(1);
/// How long it is believed that the known holders are what they were. A request may wait that long in the socket's queue
/// anyway: what its sender became since, and who reads the answer, nobody can know.
const HOLDERS_TRUSTED: Duration = Duration::from_millis(20);
/// Sockets remembered at most; beyond it the cache starts anew, which costs walks and nothing else.
const SOCKETS_MAX: usize = 4096;

/// Proof of who is behind a TCP connection: the creator's uid, and every holder has it.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The kernel's answer, the same before and after the walk.
    pub owner: TcpOwner,
    /// Every process that holds the socket, never empty.
    pub holders: Vec<Holder>,
}

impl Proof {
    /// The groups every holder has, effective group first.
    #[must_use]
    pub fn gids(&self) -> Vec<u32> {
        let mut holders = self.holders.iter();
        let all = |holder: &Holder| {
            let mut gids = vec![holder.gid];
            gids.extend(holder.groups.iter().copied().filter(|gid| *gid != holder.gid));
            gids
        };
        let mut gids = holders.next().map(all).unwrap_or_default();
        for holder in holders {
            let has = all(holder);
            gids.retain(|gid| has.contains(gid));
        }
        gids
    }

    /// Whether the connection still leads to this very socket and each of its holders is still the same process, with
    /// the same ids and program, and still holds it. For the end of a decision that read facts about the holders.
    #[must_use]
    pub fn still_stands(&self, diag: &SockDiag, client: SocketAddr, server: SocketAddr) -> bool {
        let same_socket = diag
            .tcp_owner(client, server)
            .is_ok_and(|owner| owner == self.owner);
        let inode = u64::from(self.owner.inode);
        same_socket && self.holders.iter().all(|holder| still_holds(holder, inode))
    }

    /// The one holder, when there is exactly one.
    #[must_use]
    pub fn only_holder(&self) -> Option<&Holder> {
        match self.holders.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }
}

/// Proves who is behind a connection by finding everyone who holds its socket.
///
/// Without `CAP_SYS_PTRACE` the processes of other users cannot be inspected. Then root is never proven, and another
/// uid only if a holder is seen: a foreign holder could exist, but only because that uid handed its own socket away.
/// # Errors
/// [`CallerError::NoHolder`], [`CallerError::MixedHolders`], [`CallerError::Uninspectable`], and what
/// [`SockDiag::tcp_owner`] says, also if the socket changed during the walk.
pub fn prove(diag: &SockDiag, client: SocketAddr, server: SocketAddr) -> Result<Proof, CallerError> {
    let owner = diag.tcp_owner(client, server)?;
    let scan = holders_of(u64::from(owner.inode))?;
    if let Some(other) = scan.holders.iter().find(|holder| holder.uids != [owner.uid; 4]) {
        let uid = other
            .uids
            .into_iter()
            .find(|uid| *uid != owner.uid)
            .unwrap_or(other.uid);
        return Err(CallerError::MixedHolders {
            socket_uid: owner.uid,
            pid: other.pid,
            uid,
        });
    }
    if scan.holders.is_empty() {
        return Err(CallerError::NoHolder);
    }
    if owner.uid == 0 && scan.uninspected > 0 {
        return Err(CallerError::Uninspectable {
            count: scan.uninspected,
            uid: 0,
        });
    }
    // The 4-tuple still leads to the same socket: pids and descriptors were not those of an earlier one.
    if diag.tcp_owner(client, server)? != owner {
        return Err(CallerError::OtherSocket);
    }
    Ok(Proof {
        owner,
        holders: scan.holders,
    })
}

/// Namespace and cookie: one socket, for as long as the machine is up.
type Socket = (u64, u64);

/// Remembers proofs by socket cookie, so that a kept-alive connection does not cost a walk per request.
#[derive(Debug, Default)]
pub struct ProofCache {
    proofs: Mutex<HashMap<Socket, Known>>,
}

#[derive(Debug)]
struct Known {
    walked: Instant,
    /// When its holders were last looked at.
    looked: Instant,
    proof: Arc<Proof>,
}

impl ProofCache {
    /// A proof known for this very socket, if it was walked for within the last second and each of its holders is still
    /// the same process with the same ids and still holds it, or was within 20 milliseconds. The kernel is asked about
    /// the socket every time.
    #[must_use]
    pub fn known(&self, diag: &SockDiag, client: SocketAddr, server: SocketAddr) -> Option<Arc<Proof>> {
        let owner = diag.tcp_owner(client, server).ok()?;
        let key = (diag.namespace(), owner.cookie);
        let proof = {
            let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
            let known = proofs
                .get(&key)
                .filter(|known| known.walked.elapsed() < WALK_TRUSTED)?;
            let proof = Arc::clone(&known.proof);
            if known.looked.elapsed() < HOLDERS_TRUSTED && proof.owner == owner {
                return Some(proof);
            }
            proof
        };
        let looked = Instant::now();
        if !proof.still_stands(diag, client, server) {
            return None;
        }
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = proofs
            .get_mut(&key)
            .filter(|known| Arc::ptr_eq(&known.proof, &proof))
        {
            known.looked = looked;
        }
        Some(proof)
    }

    /// [`prove`], remembered. It walks `/proc`: call it where blocking is allowed.
    ///
    /// # Errors
    /// Those of [`prove`].
    pub fn prove(
        &self,
        diag: &SockDiag,
        client: SocketAddr,
        server: SocketAddr,
    ) -> Result<Arc<Proof>, CallerError> {
        let started = Instant::now();
        let proof = Arc::new(prove(diag, client, server)?);
        let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= SOCKETS_MAX {
            proofs.clear();
        }
        proofs.insert(
            (diag.namespace(), proof.owner.cookie),
            Known {
                walked: started,
                looked: started,
                proof: Arc::clone(&proof),
            },
        );
        Ok(proof)
    }
}
