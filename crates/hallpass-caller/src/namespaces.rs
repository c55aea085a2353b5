use crate::process_dir::namespace_number;
use crate::{CallerError, SockDiag};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often at most all processes are looked at for their namespaces.
const WALK_EVERY: Duration = Duration::from_millis(250);
/// More namespaces than this are not asked: then nobody of another one is known.
const NAMESPACES_MAX: usize = 1024;

/// The network namespaces of this machine's processes, each with a kernel socket that answers for it.
///
/// A kept socket keeps its namespace alive. One whose last process is gone is let go at the next walk.
#[derive(Debug, Default)]
pub struct Namespaces(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    walked: Option<Instant>,
    open: HashMap<u64, Arc<SockDiag>>,
    too_many: bool,
}

impl Namespaces {
    /// The namespace, other than `home`, in which the socket at the other end of a connection is: `client` is the peer
    /// as accepted, `server` what the peer connected to. Walks `/proc`, or waits for its turn to (a quarter of a
    /// second): call it where blocking is allowed.
    ///
    /// Exactly one must have it. A loopback peer is never looked for: each namespace has its own loopback, so a socket
    /// with these addresses elsewhere is another connection.
    ///
    /// # Errors
    /// [`CallerError::NoSuchSocket`], and [`CallerError::SeveralNamespaces`] when it cannot be told which of two it is.
    pub fn find(
        &self,
        home: &SockDiag,
        client: SocketAddr,
        server: SocketAddr,
    ) -> Result<Arc<SockDiag>, CallerError> {
        if client.ip().to_canonical().is_loopback() {
            return Err(CallerError::NoSuchSocket);
        }
        let asked = Instant::now();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.ask(home, client, server);
        // A namespace younger than the last walk may have it. Whoever waited here is served by the walk of another.
        let stale = known.walked.is_none_or(|walked| walked < asked);
        if !matches!(found, Err(CallerError::NoSuchSocket)) || !stale {
            return found;
        }
        if let Some(walked) = known.walked {
            std::thread::sleep(WALK_EVERY.saturating_sub(walked.elapsed()));
        }
        known.walk()?;
        known.ask(home, client, server)
    }
}

impl Known {
    fn ask(
        &self,
        home: &SockDiag,
        client: SocketAddr,
        server: SocketAddr,
    ) -> Result<Arc<SockDiag>, CallerError> {
        if self.too_many {
            return Err(CallerError::SeveralNamespaces);
        }
        let has = |diag: &&Arc<SockDiag>| {
            diag.namespace() != home.namespace() && diag.tcp_owner(client, server).is_ok()
        };
        let mut having = self.open.values().filter(has);
        match (having.next(), having.next()) {
            (Some(one), None) => Ok(Arc::clone(one)),
            (None, _) => Err(CallerError::NoSuchSocket),
            (Some(_), Some(_)) => Err(CallerError::SeveralNamespaces),
        }
    }

    /// Looks at every process. One that cannot be looked at is left out: its namespace is then unknown, and nobody is
    /// taken for it.
    fn walk(&mut self) -> Result<(), CallerError> {
        self.walked = Some(Instant::now());
        let mut seen = HashSet::new();
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            let numeric = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
            if !numeric {
                continue;
            }
            let link = path.join("ns/net");
            let Ok(number) = number_of(&link) else {
                continue;
            };
            if !seen.insert(number) || self.open.contains_key(&number) || seen.len() > NAMESPACES_MAX {
                continue;
            }
            // The process may be another by now: what was opened says which namespace it is.
            if let Ok(namespace) = File::open(&link)
                && let Ok(diag) = SockDiag::open_in(&namespace)
            {
                seen.insert(diag.namespace());
                self.open.insert(diag.namespace(), Arc::new(diag));
            }
        }
        self.too_many = seen.len() > NAMESPACES_MAX;
        self.open.retain(|number, _| seen.contains(number));
        Ok(())
    }
}

fn number_of(link: &std::path::Path) -> io::Result<u64> {
    let target = rustix::fs::readlinkat(rustix::fs::CWD, link, Vec::new())?;
    namespace_number(target.to_str().unwrap_or_default())
}
