use super::Identified;
use crate::agent::Entitlement;
use crate::machine::Snapshot;
use crate::{Rules, SockDiag};
use hallpass_caller::{CallerError, ConnectRecord, Peer, Proof, TcpOwner, UserDatabase};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// An accepted TCP connection: whose the other end is, what that end is called in records and tokens, and what came of it
/// last. Nothing is remembered longer than the very things it was made of stay the same.
#[derive(Debug, Clone)]
pub(crate) struct TcpEnds {
    pub(super) peer: Arc<Peer>,
    known: Arc<Known>,
}

#[derive(Debug, Default)]
struct Known {
    caller: Mutex<Option<KnownCaller>>,
    entitlement: Mutex<Option<KnownEntitlement>>,
}

#[derive(Debug)]
struct KnownCaller {
    proof: Arc<Proof>,
    database: Arc<UserDatabase>,
    who: Arc<Identified>,
}

#[derive(Debug)]
struct KnownEntitlement {
    who: Arc<Identified>,
    rules: Arc<Rules>,
    machine: Arc<Snapshot>,
    entitlement: Arc<Entitlement>,
}

impl TcpEnds {
    /// `client` is the peer as accepted, `server` what that peer connected to.
    pub(super) fn new(
        diag: Arc<SockDiag>,
        client: SocketAddr,
        server: SocketAddr,
        record: Option<Arc<ConnectRecord>>,
    ) -> Self {
        Self::of(Peer::new(diag, client, server, record))
    }

    pub(super) fn of(peer: Peer) -> Self {
        Self {
            peer: Arc::new(peer),
            known: Arc::default(),
        }
    }

    pub(crate) fn owner(&self) -> Result<TcpOwner, CallerError> {
        self.peer.owner()
    }

    /// The peer's address, as records have it.
    pub(crate) fn peer(&self) -> String {
        self.peer.client().to_string()
    }

    /// The address that was asked.
    pub(crate) fn asked(&self) -> IpAddr {
        self.peer.server().ip()
    }

    /// What a session token is bound to. The control group tells two services of one user apart.
    pub(crate) fn binding(&self, owner: &TcpOwner) -> String {
        format!(
            "{}.{}.{}",
            owner.uid,
            owner.cgroup_id.unwrap_or_default(),
            self.peer.diag().namespace()
        )
    }

    /// The caller of this very proof by this very database, made by `make` the first time.
    pub(super) fn caller(
        &self,
        proof: &Arc<Proof>,
        database: &Arc<UserDatabase>,
        make: impl FnOnce() -> Identified,
    ) -> Arc<Identified> {
        let mut known = self.known.caller.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |known: &&KnownCaller| Arc::ptr_eq(&known.proof, proof) && Arc::ptr_eq(&known.database, database);
        if let Some(known) = known.as_ref().filter(same) {
            return Arc::clone(&known.who);
        }
        let who = Arc::new(make());
        *known = Some(KnownCaller {
            proof: Arc::clone(proof),
            database: Arc::clone(database),
            who: Arc::clone(&who),
        });
        who
    }

    /// What these very rules give this very caller on this machine as it is, by the kernel's word alone; `make` the first
    /// time. `None`, each time, where rules ask for more.
    pub(crate) fn entitlement(
        &self,
        who: &Arc<Identified>,
        rules: &Arc<Rules>,
        machine: &Arc<Snapshot>,
        make: impl FnOnce() -> Option<Entitlement>,
    ) -> Option<Arc<Entitlement>> {
        let mut known = (self.known.entitlement.lock()).unwrap_or_else(PoisonError::into_inner);
        let same = |known: &&KnownEntitlement| {
            Arc::ptr_eq(&known.who, who)
                && Arc::ptr_eq(&known.rules, rules)
                && Arc::ptr_eq(&known.machine, machine)
        };
        if let Some(known) = known.as_ref().filter(same) {
            return Some(Arc::clone(&known.entitlement));
        }
        let entitlement = Arc::new(make()?);
        *known = Some(KnownEntitlement {
            who: Arc::clone(who),
            rules: Arc::clone(rules),
            machine: Arc::clone(machine),
            entitlement: Arc::clone(&entitlement),
        });
        Some(entitlement)
    }
}
