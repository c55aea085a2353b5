use crate::FrontDoor;
use crate::hops::is_in;
use crate::linger::Lingering;
use crate::proxy_protocol;
use hallpass_gateway::{Connection, Shown};
use hallpass_session::Network;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::sync::watch::Receiver;
use tokio::task::JoinError;
use tokio_rustls::TlsAcceptor;

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 4_096;
/// Bytes of a request's head. AWS's session tokens and presigned URLs stay well below.
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// Header fields of a request.
const HEADERS_MAX: usize = 128;
/// How long a client may take to send a request's head, idle time between requests included.
const HEAD_TIME_MAX: Duration = Duration::from_secs(75);
/// How long a proxy may take to say who is behind it, and a client to agree on TLS.
const GREETING_TIME_MAX: Duration = Duration::from_secs(10);
/// How long requests may go on after a shutdown began.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(10);

/// How a listener's connections begin.
#[derive(Clone, Default)]
pub struct Listening {
    /// With TLS, if at all.
    pub tls: Option<TlsAcceptor>,
    /// Peers that begin with a PROXY protocol header, and must.
    pub proxy_protocol_from: Vec<Network>,
}

/// Serves API requests from `listener` until `shutdown` resolves, then lets running requests end.
pub async fn serve(
    listener: TcpListener,
    listening: Listening,
    door: Arc<FrontDoor>,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let listening = Arc::new(listening);
    let builder = Arc::new(http_builder());
    let (stop, stopped) = tokio::sync::watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: those in use come back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (door, builder, listening) = (Arc::clone(&door), Arc::clone(&builder), Arc::clone(&listening));
        let stopped = stopped.clone();
        tokio::spawn(async move {
            if let Err(error) = answer_connection(stream, peer, &listening, &builder, door, stopped).await {
                tracing::debug!(%peer, %error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(stop);
    let everyone = u32::try_from(CONNECTIONS_MAX - 1).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(DRAIN_TIME_MAX, slots.acquire_many(everyone)).await;
}

fn http_builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX));
    builder
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, from its greeting to its end.
async fn answer_connection(
    mut stream: TcpStream,
    peer: SocketAddr,
    listening: &Listening,
    builder: &Builder<TokioExecutor>,
    door: Arc<FrontDoor>,
    stopped: Receiver<()>,
) -> Result<(), AnyError> {
    let local = stream.local_addr()?;
    // Small answers must not wait for a full segment; a failure only costs time.
    let _ = stream.set_nodelay(true);
    let mut connection = Connection {
        peer,
        local,
        is_tls: listening.tls.is_some(),
        certificate: None,
    };
    if is_in(&listening.proxy_protocol_from, peer.ip()) {
        let named = in_time(proxy_protocol::read(&mut stream)).await?;
        connection.peer = named.unwrap_or(peer);
    }
    match &listening.tls {
        None => answer_requests(stream, connection, builder, door, stopped).await,
        Some(acceptor) => {
            let stream = in_time(acceptor.accept(stream)).await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            connection.certificate = shown.and_then(shown_certificate);
            answer_requests(stream, connection, builder, door, stopped).await
        }
    }
}

fn shown_certificate(certificate: &CertificateDer<'_>) -> Option<Shown> {
    let parsed = webpki::EndEntityCert::try_from(certificate).ok()?;
    Some(Shown {
        digest: Sha256::digest(certificate).into(),
        key: Sha256::digest(parsed.subject_public_key_info()).into(),
    })
}

async fn in_time<T>(greeting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(GREETING_TIME_MAX, greeting).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

async fn answer_requests<S>(
    stream: S,
    connection: Connection,
    builder: &Builder<TokioExecutor>,
    door: Arc<FrontDoor>,
    mut stopped: Receiver<()>,
) -> Result<(), AnyError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, linger) = Lingering::new(stream);
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (door, linger) = (Arc::clone(&door), Arc::clone(&linger));
        async move {
            let announced = request.headers().contains_key(http::header::EXPECT);
            // A task of its own: a client that hangs up ends the wait (at once, in HTTP/2), but neither leaves a
            // write half applied nor keeps what was done off the record.
            // In a box, for a task's future is moved about, and this one is large.
            let answering = tokio::spawn(Box::pin(async move { door.answer(request, connection).await }));
            // It failed only by a panic. Nothing can be said then; the connection ends.
            let response = answering.await?;
            if announced && !response.status().is_success() {
                // The announced body was not asked for; it may be on its way anyway.
                linger.store(true, Ordering::Relaxed);
            }
            Ok::<_, JoinError>(response)
        }
    });
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    tokio::select! {
        result = &mut serving => result,
        _ = stopped.changed() => {
            serving.as_mut().graceful_shutdown();
            // Whoever is not done by then is cut off.
            let _ = tokio::time::timeout(DRAIN_TIME_MAX, serving).await;
            Ok(())
        }
    }
}
