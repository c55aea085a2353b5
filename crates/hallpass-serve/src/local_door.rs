//! The local door: signed requests of this machine's processes go to the gateway in TLS that shows the machine's
//! certificate, so that sessions bound to it work from wherever the machine is, behind address translation too.
//!
//! Bytes are passed on as they are. A signature covers the host its client was told, so nothing may be rewritten; and
//! nothing needs to be: the gateway judges the request, the door only shows where it comes from.

use crate::tls::{Pair, TlsError, roots};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Beyond this many a new connection is closed at once.
const CONNECTIONS_MAX: usize = 1_024;
/// To reach the gateway and agree on keys.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// For connections under way when the door is closed.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(6);
/// For a client to take the answer that says that the gateway is away.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Which gateway, and who this machine is.
#[derive(Debug, Clone)]
pub struct LocalDoorConfig {
    /// `host` or `host:port` of the gateway; 443 if no port is given.
    pub gateway: String,
    /// The machine's certificate (chain, PEM), read again when it changes.
    pub certificate_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// Authorities (PEM) that the gateway's certificate must be of.
    pub ca_file: PathBuf,
}

/// Relays connections of this machine to the gateway.
pub struct LocalDoor {
    connector: TlsConnector,
    name: ServerName<'static>,
    address: String,
}

impl std::fmt::Debug for LocalDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalDoor")
            .field("gateway", &self.address)
            .finish_non_exhaustive()
    }
}

impl LocalDoor {
    /// Reads the files; the gateway is not asked yet.
    ///
    /// # Errors
    /// [`TlsError`]: a file cannot be used, or the gateway's name is not one.
    pub fn new(config: &LocalDoorConfig) -> Result<Self, TlsError> {
        let (host, port) = match config.gateway.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => (host, port),
            _ => (config.gateway.as_str(), "443"),
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare)
            .map_err(|_| TlsError::new(format!("`{}` is not host:port of a gateway", config.gateway)))?;
        let pair = Pair::open(&config.certificate_file, &config.key_file)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::new(error.to_string()))?
            .with_root_certificates(roots(&config.ca_file)?)
            .with_client_cert_resolver(Arc::new(pair));
        // What clients speak to the door.
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session resumed would show the certificate of the one it resumes.
        client.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(client)),
            name,
            address: format!("{host}:{port}"),
        })
    }

    /// Relays until `stopped`; connections under way have some seconds to come to their end.
    ///
    /// Keep `listener` to loopback: whoever reaches it is, to the gateway, on this machine.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stopped: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stopped.as_mut() => {
                    let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
                    let _ = timeout(DRAIN_TIMEOUT, room.acquire_many(all)).await;
                    return;
                }
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let door = Arc::clone(&self);
            tokio::spawn(async move {
                let _held = permit;
                door.relay(stream, peer).await;
            });
        }
    }

    async fn relay(&self, mut near: TcpStream, peer: SocketAddr) {
        let far = timeout(CONNECT_TIMEOUT, self.connect()).await;
        let far = far.unwrap_or_else(|_| Err(std::io::Error::other("no answer in time")));
        match far {
            Ok(mut far) => {
                let _ = near.set_nodelay(true);
                // Whichever end breaks off, the other hears of it; what was lost is theirs to find.
                let _ = copy_bidirectional(&mut near, &mut far).await;
            }
            Err(error) => {
                tracing::warn!(gateway = self.address, %peer, %error, "the local door cannot reach the gateway");
                let _ = timeout(REFUSAL_TIMEOUT, refuse(&mut near)).await;
            }
        }
    }

    async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// As S3 says it, so that clients try again.
async fn refuse(near: &mut TcpStream) -> std::io::Result<()> {
    const BODY: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>ServiceUnavailable</Code><Message>The \
        gateway cannot be reached from this machine.</Message></Error>";
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nRetry-After: 1\r\n\
         Connection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    near.write_all(answer.as_bytes()).await?;
    near.shutdown().await?;
    // Closing with bytes unread would take the answer away from the client.
    let mut scrap = [0; 4_096];
    while near.read(&mut scrap).await? > 0 {}
    Ok(())
}
