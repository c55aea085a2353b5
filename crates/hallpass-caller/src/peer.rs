use crate::proof::{prove_by_record, prove_by_walk};
use crate::{CallerError, ConnectRecord, Proof, SockDiag, TcpOwner};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a walk over all processes is believed for one socket. Within it, the holders known are looked at again
/// each time; only a *new* foreign holder, handed the socket by an old one, could stay unnoticed, and only this long.
const WALK_TRUSTED: Duration = Duration::from_secs(1);
/// How long it is believed that socket and holders are what they were. A request may wait that long in the socket's queue
/// anyway: what its sender became since, and who reads the answer, nobody can know.
const LOOK_TRUSTED: Duration = Duration::from_millis(20);
/// A process with more descriptors is not looked through where blocking is not allowed.
const DESCRIPTORS_QUICKLY: usize = 256;

/// The other end of one accepted TCP connection, and what was last known of it.
///
/// To be kept with the connection, no longer: while the accepted end is open, no other socket can have its addresses, so
/// that what was seen less than 20 milliseconds ago is believed without asking again.
#[derive(Debug)]
pub struct Peer {
    diag: Arc<SockDiag>,
    client: SocketAddr,
    server: SocketAddr,
    record: Option<Arc<ConnectRecord>>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    owner: Option<(Instant, TcpOwner)>,
    proof: Option<KnownProof>,
}

#[derive(Debug)]
struct KnownProof {
    walked: Instant,
    /// When its holders were last looked at.
    looked: Instant,
    proof: Arc<Proof>,
}

impl Peer {
    /// `client` is the peer as accepted, `server` what its own socket has as the other end. `diag` answers for the
    /// network namespace the peer is in.
    #[must_use]
    pub fn new(
        diag: Arc<SockDiag>,
        client: SocketAddr,
        server: SocketAddr,
        record: Option<Arc<ConnectRecord>>,
    ) -> Self {
        Self {
            diag,
            client,
            server,
            record,
            known: Mutex::default(),
        }
    }

    /// The same connection, with its other end in the network namespace that `diag` answers for.
    #[must_use]
    pub fn in_namespace(&self, diag: Arc<SockDiag>) -> Self {
        Self::new(diag, self.client, self.server, self.record.clone())
    }

    /// Who answers about this peer.
    #[must_use]
    pub fn diag(&self) -> &Arc<SockDiag> {
        &self.diag
    }

    /// The peer's address.
    #[must_use]
    pub fn client(&self) -> SocketAddr {
        self.client
    }

    /// What the peer's own socket has as its other end.
    #[must_use]
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// The peer's socket, as it was at most 20 milliseconds ago.
    ///
    /// # Errors
    /// Those of [`SockDiag::tcp_owner`].
    pub fn owner(&self) -> Result<TcpOwner, CallerError> {
        if let Some((looked, owner)) = self.lock().owner
            && looked.elapsed() < LOOK_TRUSTED
        {
            return Ok(owner);
        }
        let looked = Instant::now();
        let owner = self.diag.tcp_owner(self.client, self.server);
        let mut known = self.lock();
        known.owner = owner.as_ref().ok().map(|owner| (looked, *owner));
        if (known.proof.as_ref()).is_some_and(|known| owner.as_ref().ok() != Some(&known.proof.owner)) {
            known.proof = None;
        }
        owner
    }

    /// The proof known, if it was found within the last second and each of its holders is still the same process with the
    /// same ids and still holds the socket, or was within 20 milliseconds.
    #[must_use]
    pub fn known(&self) -> Option<Arc<Proof>> {
        let proof = {
            let known = self.lock();
            let known = (known.proof.as_ref()).filter(|known| known.walked.elapsed() < WALK_TRUSTED)?;
            if known.looked.elapsed() < LOOK_TRUSTED {
                return Some(Arc::clone(&known.proof));
            }
            Arc::clone(&known.proof)
        };
        let looked = Instant::now();
        if !self.still_stands(&proof) {
            return None;
        }
        let mut known = self.lock();
        if let Some(known) = known
            .proof
            .as_mut()
            .filter(|known| Arc::ptr_eq(&known.proof, &proof))
        {
            known.looked = looked;
        }
        Some(proof)
    }

    /// Whether a proof of this peer still holds, asked of the kernel: see [`Proof::still_stands`].
    #[must_use]
    pub fn still_stands(&self, proof: &Proof) -> bool {
        proof.still_stands(&self.diag, self.client, self.server)
    }

    /// Proves who is there by the connect record alone, in some fifty microseconds; `None` if that does not tell.
    ///
    /// # Errors
    /// [`CallerError::OtherConnector`], and what [`SockDiag::tcp_owner`] says.
    pub fn prove_quickly(&self) -> Result<Option<Arc<Proof>>, CallerError> {
        self.by_record(DESCRIPTORS_QUICKLY)
    }

    /// Proves who is there, if need be by a walk over `/proc`: call it where blocking is allowed.
    ///
    /// # Errors
    /// Those of [`crate::prove`], and [`CallerError::OtherConnector`].
    pub fn prove(&self) -> Result<Arc<Proof>, CallerError> {
        if let Some(proof) = self.by_record(usize::MAX)? {
            return Ok(proof);
        }
        let started = Instant::now();
        let proof = prove_by_walk(self.record.as_ref(), &self.diag, self.client, self.server)?;
        Ok(self.remember(started, proof))
    }

    fn by_record(&self, descriptors: usize) -> Result<Option<Arc<Proof>>, CallerError> {
        let Some(record) = &self.record else {
            return Ok(None);
        };
        let started = Instant::now();
        let proof = prove_by_record(record, &self.diag, self.client, self.server, descriptors)?;
        Ok(proof.map(|proof| self.remember(started, proof)))
    }

    fn remember(&self, started: Instant, proof: Proof) -> Arc<Proof> {
        let proof = Arc::new(proof);
        let mut known = self.lock();
        known.owner = Some((started, proof.owner));
        known.proof = Some(KnownProof {
            walked: started,
            looked: started,
            proof: Arc::clone(&proof),
        });
        proof
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
