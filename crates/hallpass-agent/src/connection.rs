use crate::{Agent, Shutdown, SockDiag, metadata, socket};
use bytes::Bytes;
use hallpass_caller::{original_destination, unix_owner};
use hallpass_imds::{ImdsResponse, Normal, PathError, normalize};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming as Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Request line and headers together; more gets a 431.
const HEADER_BYTES_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// From the first wait for a request to its last header byte; also how long a kept-alive connection may idle.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection without a request is still waited for when serving ends.
const FIRST_REQUEST_TIMEOUT: Duration = Duration::from_millis(500);
/// How long connections are waited for when serving ends; longer than each of them takes to end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// Beyond this many a new connection is closed at once.
const CONNECTIONS_MAX: usize = 1024;
/// What one uid may occupy of them.
const CONNECTIONS_PER_UID_MAX: usize = 256;
/// What each uid may have even when others have taken all there is, out of as many again: several users together cannot
/// lock one out.
const CONNECTIONS_PER_UID_KEPT: usize = 8;
/// After so many requests a connection is closed, politely.
const REQUESTS_MAX: u32 = 10_000;
/// What is kept of a client's name for itself.
const USER_AGENT_CHARACTERS_MAX: usize = 200;

/// One request, stripped of its body.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) target: String,
    /// What the target names, read once for all who ask.
    pub(crate) path: Result<Normal, PathError>,
    pub(crate) headers: HeaderMap,
    pub(crate) request_id: String,
}

impl Incoming {
    fn new(request: Request<Body>, request_id: String) -> Self {
        let (parts, _body) = request.into_parts();
        let target = target(&parts.uri);
        Self {
            method: parts.method,
            path: normalize(&target),
            target,
            headers: parts.headers,
            request_id,
        }
    }

    /// What the client calls itself, cut short and without control characters.
    pub(crate) fn user_agent(&self) -> Option<String> {
        let text = self.headers.get(http::header::USER_AGENT)?.to_str().ok()?;
        Some(
            text.chars()
                .filter(|letter| !letter.is_control())
                .take(USER_AGENT_CHARACTERS_MAX)
                .collect(),
        )
    }
}

/// The request target as sent.
fn target(uri: &http::Uri) -> String {
    match uri.path_and_query().map(http::uri::PathAndQuery::as_str) {
        Some(path) if uri.authority().is_none() && path.starts_with('/') => path.to_owned(),
        _ => uri.to_string(),
    }
}

/// Room for connections, counted by uid.
#[derive(Debug)]
struct Room {
    uids: Arc<Mutex<HashMap<u32, usize>>>,
    common: Arc<Semaphore>,
    kept: Arc<Semaphore>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            uids: Arc::default(),
            common: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            kept: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }
}

struct Counted {
    uids: Arc<Mutex<HashMap<u32, usize>>>,
    uid: u32,
    _place: OwnedSemaphorePermit,
}

impl Room {
    /// Returns when the last connection has ended, or when it has had its time: a process that went on to its end before
    /// would take answers away that are on their way.
    async fn drain(&self) {
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let ended = async {
            let _common = self.common.acquire_many(all).await;
            let _kept = self.kept.acquire_many(all).await;
        };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, ended).await;
    }

    fn admit(&self, uid: u32) -> Option<Counted> {
        let mut counts = self.uids.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.get(&uid).copied().unwrap_or_default();
        let common = || Arc::clone(&self.common).try_acquire_owned().ok();
        let kept = || Arc::clone(&self.kept).try_acquire_owned().ok();
        let place = match count {
            CONNECTIONS_PER_UID_MAX.. => None,
            0..CONNECTIONS_PER_UID_KEPT => common().or_else(kept),
            _ => common(),
        }?;
        counts.insert(uid, count + 1);
        Some(Counted {
            uids: Arc::clone(&self.uids),
            uid,
            _place: place,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.uids.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.uid);
            }
        }
    }
}

pub(crate) async fn serve_tcp(
    agent: Arc<Agent>,
    listener: TcpListener,
    diag: Arc<SockDiag>,
    mut shutdown: Shutdown,
) {
    let room = Room::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return room.drain().await,
        };
        let Some((stream, peer)) = accepted_or_pause(accepted).await else {
            continue;
        };
        let Ok(local) = stream.local_addr() else {
            continue;
        };
        // The packet filter may have brought it here from where it was going.
        let server = original_destination(&stream, local).unwrap_or(local);
        let ends = agent.callers.ends(Arc::clone(&diag), peer, server);
        // Callers nobody knows share one budget; each of their requests is refused with a reason on record.
        let uid = ends.owner().map_or(u32::MAX, |owner| owner.uid);
        let Some(counted) = room.admit(uid) else {
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (agent, shutdown) = (Arc::clone(&agent), shutdown.clone());
        tokio::spawn(async move {
            let _held = counted;
            let ends = agent.callers.located(ends).await;
            serve(stream, shutdown, |request| {
                let (agent, ends) = (Arc::clone(&agent), ends.clone());
                async move {
                    let incoming = Incoming::new(request, agent.request_id());
                    let response = metadata::respond(&agent, &ends, &incoming).await;
                    (response, incoming.request_id)
                }
            })
            .await;
        });
    }
}

pub(crate) async fn serve_unix(agent: Arc<Agent>, listener: UnixListener, mut shutdown: Shutdown) {
    let room = Room::default();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shutdown.wait() => return room.drain().await,
        };
        let Some((stream, _)) = accepted_or_pause(accepted).await else {
            continue;
        };
        let Ok(owner) = unix_owner(&stream) else {
            continue;
        };
        let Some(counted) = room.admit(owner.uid) else {
            continue;
        };
        let (agent, shutdown, owner) = (Arc::clone(&agent), shutdown.clone(), Arc::new(owner));
        tokio::spawn(async move {
            let _held = counted;
            serve(stream, shutdown, |request| {
                let (agent, owner) = (Arc::clone(&agent), Arc::clone(&owner));
                async move {
                    let incoming = Incoming::new(request, agent.request_id());
                    let response = socket::respond(&agent, &owner, &incoming).await;
                    (response, incoming.request_id)
                }
            })
            .await;
        });
    }
}

/// Running out of descriptors is no reason to stop, nor to spin.
async fn accepted_or_pause<T>(accepted: std::io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(Duration::from_millis(20)).await;
            None
        }
    }
}

pub(crate) async fn serve<S, H, F>(stream: S, mut shutdown: Shutdown, handle: H)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Body>) -> F,
    F: Future<Output = (ImdsResponse, String)>,
{
    let served = AtomicU32::new(0);
    let service = service_fn(|request: Request<Body>| {
        let answer = handle(request);
        let last = served.fetch_add(1, Ordering::Relaxed) + 1 >= REQUESTS_MAX;
        async move {
            let (response, request_id) = answer.await;
            Ok::<_, Infallible>(on_the_wire(response, &request_id, last))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // A broken connection is the peer's affair.
        _ = connection.as_mut() => {}
        () = shutdown.wait() => {
            // Whoever has just connected has yet to send: closing now would lose a request that is on its way.
            if served.load(Ordering::Relaxed) == 0
                && tokio::time::timeout(FIRST_REQUEST_TIMEOUT, connection.as_mut()).await.is_ok()
            {
                return;
            }
            connection.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(HEADER_READ_TIMEOUT, connection).await;
        }
    }
}

fn on_the_wire(answer: ImdsResponse, request_id: &str, last: bool) -> Response<Full<Bytes>> {
    let refused = answer.status >= 400;
    let mut response = Response::new(Full::new(Bytes::from(answer.body)));
    *response.status_mut() = http::StatusCode::from_u16(answer.status).unwrap_or_default();
    let headers = response.headers_mut();
    headers.reserve(answer.headers.len() + 2);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (http::HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    if refused && let Ok(value) = HeaderValue::try_from(request_id) {
        // What `hallpass why` takes.
        headers.append("x-hallpass-request-id", value);
    }
    if last {
        headers.append(http::header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_users_locks_another_out() {
        let room = Room::default();
        let mut held = Vec::new();
        for uid in 0..8 {
            held.extend(std::iter::from_fn(|| room.admit(uid)));
        }
        assert!(held.len() >= CONNECTIONS_MAX);
        let of_another: Vec<_> = std::iter::from_fn(|| room.admit(100)).collect();
        assert_eq!(of_another.len(), CONNECTIONS_PER_UID_KEPT);
        // What ends makes room again, for whoever asks.
        held.clear();
        assert!(room.admit(0).is_some());
        let many: Vec<_> = std::iter::from_fn(|| room.admit(100)).collect();
        assert_eq!(many.len(), CONNECTIONS_PER_UID_MAX - CONNECTIONS_PER_UID_KEPT);
    }
}
