//! The server's side: what agents and other servers ask.

use crate::peers::Peers;
use crate::protocol::{
    AppliedAnswer, AppliedRequest, Ec2EnrolRequest, EnrolAnswer, EnrolRequest, ErrorAnswer, IssuedMessage,
    MachineAnswer, MachineRequest, RenewRequest, SessionMessage,
};
use crate::tls::{ControlTls, hex};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hallpass_agent::{CredentialSource, Machine, SessionRequest, SourceError};
use hallpass_authority::{Authority, Ec2Trust, EnrolError, Enrolled, Instance, NodeName, ShownDocument};
use hallpass_store::Progress;
use hallpass_types::Clock;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Agents hold one connection each, and a second now and then; servers a few.
const CONNECTIONS_MAX: usize = 262_144;
/// Of these, connections that showed no certificate: machines that enrol, and strangers.
const STRANGERS_MAX: usize = 256;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
const HEAD_TIMEOUT: Duration = Duration::from_secs(120);
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 64 * 1_024;
/// How long an agent's question for changes waits for one.
const MACHINE_WAIT: Duration = Duration::from_secs(30);
/// How long another server's question waits.
const APPLIED_WAIT: Duration = Duration::from_secs(5);
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// A stranger's secrets are tried this many at a time; guessing 256 bits is hopeless, loading the store with it is not.
const ENROLLING_MAX: usize = 16;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the log is told of a session minted for an agent.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// For which instance.
    pub instance: Instance,
    /// From which address it was asked.
    pub peer: IpAddr,
    /// Which role.
    pub role: String,
    /// The session's key, or why there is none.
    pub outcome: Result<String, String>,
}

/// What the log is told of an instance made for a machine that showed its identity document.
#[derive(Debug, Clone)]
pub struct NewEnrolment {
    /// The instance; its tags say which of AWS's it is.
    pub instance: Instance,
    /// From which address it was asked.
    pub peer: IpAddr,
}

/// Where minted sessions are put on record before they are handed out.
pub trait SessionLog: Send + Sync {
    /// Records it; an error means that it must not be handed out.
    fn record(&self, session: NewSession) -> BoxFuture<'_, Result<(), String>>;

    /// Records that a machine became an instance that no call made; an error means that it must not be told so.
    fn record_enrolment(&self, enrolment: NewEnrolment) -> BoxFuture<'_, Result<(), String>>;
}

/// The sessions of one instance, as the agent in the server's own process would get them.
pub type SourceOf = Box<dyn Fn(&str) -> Box<dyn CredentialSource> + Send + Sync>;

/// What a control listener needs.
pub struct ControlConfig {
    /// Keeps the instances.
    pub authority: Arc<Authority>,
    /// Makes views and sessions of an instance.
    pub source_of: SourceOf,
    /// Where sessions are recorded.
    pub log: Arc<dyn SessionLog>,
    /// Which machines of EC2 may enrol by their identity document; empty: none.
    pub ec2: Vec<Ec2Trust>,
    /// The other servers.
    pub peers: Arc<Peers>,
    /// How far this server is.
    pub progress: Arc<Progress>,
    /// How long it may not hear from the store before it mints nothing.
    pub staleness_max: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The control listener's answers.
pub struct Control {
    config: ControlConfig,
    enrolling: Semaphore,
    strangers: Semaphore,
}

/// Who asks, by the certificate.
struct Who {
    peer: IpAddr,
    name: Option<NodeName>,
    /// SHA-256 of the public key, in hex.
    key: String,
}

struct Refusal(StatusCode, String);

impl Refusal {
    fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self(status, why.into())
    }
}

impl From<EnrolError> for Refusal {
    fn from(error: EnrolError) -> Self {
        let status = match error {
            EnrolError::Secret
            | EnrolError::NotEnrolled(_)
            | EnrolError::Document(_)
            | EnrolError::DocumentUsed(_) => StatusCode::FORBIDDEN,
            EnrolError::Certificate(_) => StatusCode::BAD_REQUEST,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self(status, error.to_string())
    }
}

impl Control {
    /// Over these parts.
    #[must_use]
    pub fn new(config: ControlConfig) -> Arc<Self> {
        Arc::new(Self {
            config,
            enrolling: Semaphore::new(ENROLLING_MAX),
            strangers: Semaphore::new(STRANGERS_MAX),
        })
    }

    /// Serves `listener` until `shutdown` resolves.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        tls: Arc<ControlTls>,
        shutdown: impl Future<Output = ()>,
    ) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
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
            let (control, tls, stopped) = (Arc::clone(&self), Arc::clone(&tls), stopped.clone());
            tokio::spawn(async move {
                if let Err(error) = control.connection(stream, peer, &tls, stopped).await {
                    tracing::debug!(%peer, error, "a control connection ended");
                }
                drop(slot);
            });
        }
        drop(stopped);
        stop.send_replace(());
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, stop.closed()).await;
    }

    async fn connection(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: &ControlTls,
        mut stopped: tokio::sync::watch::Receiver<()>,
    ) -> Result<(), String> {
        let _ = stream.set_nodelay(true);
        let accepting = tls.acceptor().accept(stream);
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, accepting)
            .await
            .map_err(|_| "no handshake in time".to_owned())?
            .map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let (name, key) = shown.map_or((None, String::new()), known_as);
        // They must not be able to take the agents' places.
        let _stranger = match &name {
            Some(_) => None,
            None => Some(
                self.strangers
                    .try_acquire()
                    .map_err(|_| "too many strangers".to_owned())?,
            ),
        };
        let who = Arc::new(Who {
            peer: peer.ip().to_canonical(),
            name,
            key,
        });
        // One request at a time: whoever is silent between two is cut off by the time limit for heads.
        let mut builder = Builder::new(TokioExecutor::new()).http1_only();
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT);
        let control = Arc::clone(self);
        let service = service_fn(move |request| {
            let (control, who) = (Arc::clone(&control), Arc::clone(&who));
            async move { Ok::<_, std::convert::Infallible>(control.answer(request, &who).await) }
        });
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => result.map_err(|error| error.to_string()),
            _ = stopped.changed() => {
                // Whoever waits for a change asks another server.
                serving.as_mut().graceful_shutdown();
                let _ = tokio::time::timeout(Duration::from_secs(1), serving).await;
                Ok(())
            }
        }
    }

    async fn answer(&self, request: Request<Incoming>, who: &Who) -> Response<Full<Bytes>> {
        let answered = self.dispatch(request, who).await;
        let (status, body) = match answered {
            Ok(body) => (StatusCode::OK, body),
            Err(Refusal(status, error)) => {
                tracing::info!(peer = %who.peer, %status, error, "a control request is refused");
                (
                    status,
                    serde_json::to_vec(&ErrorAnswer { error }).unwrap_or_default(),
                )
            }
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = status;
        response
    }

    async fn dispatch(&self, request: Request<Incoming>, who: &Who) -> Result<Vec<u8>, Refusal> {
        if request.method() != Method::POST {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "only POST"));
        }
        match request.uri().path() {
            "/v1/enrol" => json(&self.enrol(body(request).await?).await?),
            "/v1/enrol-ec2" => json(&self.enrol_ec2(who, body(request).await?).await?),
            "/v1/renew" => json(&self.renew(who, body(request).await?)?),
            "/v1/machine" => json(&self.machine(who, body(request).await?).await?),
            "/v1/session" => json(&self.session(who, body(request).await?).await?),
            "/v1/applied" => json(&self.applied(who, body(request).await?).await?),
            _ => Err(Refusal::new(StatusCode::NOT_FOUND, "no such request")),
        }
    }

    fn enrolling(&self) -> Result<SemaphorePermit<'_>, Refusal> {
        let busy = |_| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "too many machines enrol at once");
        self.enrolling.try_acquire().map_err(busy)
    }

    async fn enrol(&self, question: EnrolRequest) -> Result<EnrolAnswer, Refusal> {
        let _one = self.enrolling()?;
        let request = signing_request(&question.request)?;
        let now = self.config.clock.now();
        let enrolled = self
            .config
            .authority
            .enrol(question.secret.expose(), &request, now)
            .await?;
        Ok(self.told(enrolled))
    }

    async fn enrol_ec2(&self, who: &Who, question: Ec2EnrolRequest) -> Result<EnrolAnswer, Refusal> {
        if self.config.ec2.is_empty() {
            return Err(Refusal::new(
                StatusCode::FORBIDDEN,
                "machines do not enrol by an identity document here",
            ));
        }
        let _one = self.enrolling()?;
        let request = signing_request(&question.request)?;
        let message: String = question.message.split_ascii_whitespace().collect();
        let message = STANDARD
            .decode(message)
            .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the identity document is not base 64"))?;
        let shown = ShownDocument {
            message: &message,
            document: question.document.as_deref().map(str::as_bytes),
        };
        let authority = &self.config.authority;
        let enrolled = authority
            .enrol_ec2(shown, &request, &self.config.ec2, self.config.clock.now())
            .await?;
        if let Some(instance) = authority.instance(&enrolled.instance) {
            let peer = who.peer;
            let recorded = self.config.log.record_enrolment(NewEnrolment { instance, peer });
            recorded
                .await
                .map_err(|error| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error))?;
        }
        Ok(self.told(enrolled))
    }

    fn told(&self, enrolled: Enrolled) -> EnrolAnswer {
        EnrolAnswer {
            instance: enrolled.instance,
            certificate: STANDARD.encode(enrolled.certificate),
            authorities: enrolled
                .authorities
                .iter()
                .map(|one| STANDARD.encode(one))
                .collect(),
            not_after: enrolled.not_after,
            servers: self.config.peers.servers(),
        }
    }

    /// The instance whose machine asks, as it stands now: certificates are long-lived against a revocation.
    fn instance(&self, who: &Who) -> Result<Instance, Refusal> {
        let stale = self.config.progress.stale_for();
        if stale > self.config.staleness_max {
            return Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "this server has not heard from the store for {} s",
                    stale.as_secs()
                ),
            ));
        }
        let name = who
            .name
            .as_ref()
            .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "an agent shows its certificate here"))?;
        Ok(self.config.authority.enrolled_instance(name, &who.key)?)
    }

    fn renew(&self, who: &Who, question: RenewRequest) -> Result<EnrolAnswer, Refusal> {
        let instance = self.instance(who)?;
        let request = signing_request(&question.request)?;
        let renewed = self
            .config
            .authority
            .renew(&instance, &request, self.config.clock.now())?;
        Ok(self.told(renewed))
    }

    async fn machine(&self, who: &Who, question: MachineRequest) -> Result<MachineAnswer, Refusal> {
        let instance = self.instance(who)?;
        self.note_address(&instance, who.peer, &question.private_ip).await;
        let source = (self.config.source_of)(&instance.id);
        let waiting = async {
            let mut changes = self.config.authority.instance_changes(&instance.id);
            loop {
                changes.mark_unchanged();
                // Revoked or terminated meanwhile: said at once.
                self.instance(who)?;
                let view = source.machine().await.map_err(refused)?;
                let digest = digest_of(&view);
                if digest != question.known {
                    return Ok::<_, Refusal>((digest, Some(view)));
                }
                if !changes.changed().await {
                    return Ok((digest, None));
                }
            }
        };
        let (digest, machine) = match tokio::time::timeout(MACHINE_WAIT, waiting).await {
            Ok(answer) => answer?,
            Err(_) => (question.known, None),
        };
        Ok(MachineAnswer {
            digest,
            machine,
            servers: self.config.peers.servers(),
        })
    }

    /// Where the machine is seen is where its sessions may be used from.
    async fn note_address(&self, instance: &Instance, seen: IpAddr, private_ip: &str) {
        let Ok(network) = seen.to_string().parse() else {
            return;
        };
        let private_ip = match private_ip.parse::<IpAddr>() {
            Ok(address) => address.to_string(),
            Err(_) => seen.to_string(),
        };
        let noted = self
            .config
            .authority
            .set_instance_networks(&instance.id, &private_ip, vec![network])
            .await;
        if let Err(error) = noted {
            tracing::warn!(%error, instance = instance.id, "the address of an instance cannot be noted");
        }
    }

    async fn session(&self, who: &Who, question: SessionMessage) -> Result<IssuedMessage, Refusal> {
        let instance = self.instance(who)?;
        self.note_address(&instance, who.peer, &instance.private_ip).await;
        let role = question.role.clone();
        let request = SessionRequest {
            role: question.role,
            session_name: question.session_name,
            source_identity: question.source_identity,
            tags: question.tags,
            policy: question.policy,
            duration_seconds: question.duration_seconds,
        };
        let issued = (self.config.source_of)(&instance.id).issue(&request).await;
        let outcome = match &issued {
            Ok(issued) => Ok(issued.access_key_id.clone()),
            Err(error) => Err(error.to_string()),
        };
        self.config
            .log
            .record(NewSession {
                instance,
                peer: who.peer,
                role,
                outcome,
            })
            .await
            .map_err(|error| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error))?;
        let issued = issued.map_err(refused)?;
        Ok(IssuedMessage {
            access_key_id: issued.access_key_id,
            secret: issued.secret,
            token: issued.token,
            issued_at: issued.issued_at,
            expires_at: issued.expires_at,
            account: issued.account,
            role_arn: issued.role_arn,
        })
    }

    async fn applied(&self, who: &Who, question: AppliedRequest) -> Result<AppliedAnswer, Refusal> {
        if !matches!(who.name, Some(NodeName::Server(_))) {
            return Err(Refusal::new(StatusCode::FORBIDDEN, "only servers ask this"));
        }
        self.config
            .progress
            .reached(question.revision, APPLIED_WAIT)
            .await;
        Ok(AppliedAnswer {
            applied: self.config.progress.applied(),
        })
    }
}

fn refused(error: SourceError) -> Refusal {
    match error {
        SourceError::Refused(why) => Refusal::new(StatusCode::FORBIDDEN, why),
        other => Refusal::new(StatusCode::SERVICE_UNAVAILABLE, other.to_string()),
    }
}

fn digest_of(machine: &Machine) -> String {
    let text = serde_json::to_vec(machine).unwrap_or_default();
    hex(&Sha256::digest(text))
}

fn signing_request(text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD
        .decode(text)
        .map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, "the signing request is not base 64"))
}

async fn body<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let reading = Limited::new(request.into_body(), BODY_BYTES_MAX).collect();
    let body = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    let body = body
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "the body is too long or did not come"))?;
    serde_json::from_slice(&body.to_bytes())
        // What was sent may hold a secret: the parser's words would show a piece of it.
        .map_err(|error| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("not understood, column {}", error.column()),
            )
        })
}

fn json(answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer)
        .map_err(|error| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

/// Whose certificate it is, and the digest of its key. The handshake has proven both.
fn known_as(certificate: &CertificateDer<'_>) -> (Option<NodeName>, String) {
    let Ok(parsed) = webpki::EndEntityCert::try_from(certificate) else {
        return (None, String::new());
    };
    let name = parsed.valid_uri_names().find_map(NodeName::of_uri);
    (name, hex(&Sha256::digest(parsed.subject_public_key_info())))
}
