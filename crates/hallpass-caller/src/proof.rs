use crate::connect_record::Forks;
use crate::holders::still_holds;
use crate::{CallerError, ConnectRecord, Holder, SockDiag, TcpOwner, holders_of};
use std::net::SocketAddr;
use std::sync::Arc;

/// Proof of who is behind a TCP connection: the creator's uid, and every holder has it.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The kernel's answer, the same before and after the walk.
    pub owner: TcpOwner,
    /// Every process that holds the socket, never empty.
    pub holders: Vec<Holder>,
    /// How often the holders had forked then, where that is counted.
    forks: Option<(Arc<ConnectRecord>, Forks)>,
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
    /// the same ids and program, still holds it, and, where forks are counted, has not forked. For the end of a decision that read facts about the holders.
    #[must_use]
    pub fn still_stands(&self, diag: &SockDiag, client: SocketAddr, server: SocketAddr) -> bool {
        let same_socket = diag
            .tcp_owner(client, server)
            .is_ok_and(|owner| owner == self.owner);
        let inode = u64::from(self.owner.inode);
        let same_holders = || self.holders.iter().all(|holder| still_holds(holder, inode));
        let no_more = || {
            let forks = self.forks.as_ref();
            forks.is_none_or(|(record, forks)| record.unchanged(forks))
        };
        same_socket && same_holders() && no_more()
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

/// Proves who is behind a connection by finding everyone who holds its socket: in a walk over all processes.
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
        forks: None,
    })
}

/// Proves the same by the connect record, without a walk; `None` if the record does not tell. At most `descriptors` of the
/// connecting process are looked through.
///
/// # Errors
/// [`CallerError::OtherConnector`], and what [`SockDiag::tcp_owner`] says.
pub(crate) fn prove_by_record(
    record: &Arc<ConnectRecord>,
    diag: &SockDiag,
    client: SocketAddr,
    server: SocketAddr,
    descriptors: usize,
) -> Result<Option<Proof>, CallerError> {
    let owner = diag.tcp_owner(client, server)?;
    let Some((holder, forks)) = record.holder(&owner, descriptors)? else {
        return Ok(None);
    };
    if diag.tcp_owner(client, server)? != owner {
        return Err(CallerError::OtherSocket);
    }
    Ok(Some(Proof {
        owner,
        holders: vec![holder],
        forks: Some((Arc::clone(record), forks)),
    }))
}

/// Proves by a walk, and has later looks notice forks of the holders where there is a record.
///
/// # Errors
/// Those of [`prove`].
pub(crate) fn prove_by_walk(
    record: Option<&Arc<ConnectRecord>>,
    diag: &SockDiag,
    client: SocketAddr,
    server: SocketAddr,
) -> Result<Proof, CallerError> {
    let mut proof = prove(diag, client, server)?;
    proof.forks = record.map(|record| (Arc::clone(record), record.forks_of(&proof.holders)));
    Ok(proof)
}
