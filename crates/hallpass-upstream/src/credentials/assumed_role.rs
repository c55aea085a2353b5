use super::session_request::{ROLE, SessionRequest};
use super::{CurrentCredentials, UpstreamCredentials, no_credentials};
use hallpass_access::Caller;
use hallpass_credentials::{
    CredentialsError, Fetch, FetchError, Fetched, Refreshed, Source, Sts, read_token,
};
use hallpass_types::UnixSeconds;
use quick_cache::sync::Cache;
use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Sessions kept; the least used go first, and are made anew when they are asked for.
const SESSIONS_MAX: usize = 10_000;
/// An hour is the most that a role assumed by another role may last.
const DURATION_SECONDS: u32 = 3_600;

/// What is shown to the token service.
#[derive(Debug)]
pub enum Proof {
    /// A signature made with these credentials.
    Signed(Source),
    /// The token in this file, read at each exchange.
    WebIdentity(PathBuf),
}

/// What an [`AssumedRole`] is made of.
#[derive(Debug, Clone)]
pub struct AssumedRoleConfig {
    /// The role; `{role}` stands for the name of the caller's role here.
    pub role_arn: String,
    /// `http://host[:port]` or `https://host[:port]`; `None`: AWS's of the region.
    pub sts_endpoint: Option<String>,
    /// The region to sign for.
    pub region: String,
    /// Certificates (PEM) to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// 900 to 43,200; `None`: 3,600.
    pub duration_seconds: Option<u32>,
    /// What the role's trust policy asks for, if it does.
    pub external_id: Option<String>,
    /// Whether each caller has a session of its own.
    pub per_caller: bool,
}

/// Sessions of a role at the upstream.
///
/// With `per_caller` each has the caller's session name (a role's) or user name, and its source identity and session
/// tags, so that the cloud's own log and policies know it; a web identity's token decides the last two itself. Callers
/// without signature share one session. Everything else is as with any source: one exchange at a time for each session,
/// ahead of its expiry.
pub struct AssumedRole {
    exchange: Arc<Exchange>,
    config: AssumedRoleConfig,
    sessions: Cache<SessionRequest, Refreshed<Session>>,
}

struct Exchange {
    sts: Sts,
    proof: Proof,
    duration_seconds: String,
    external_id: Option<String>,
}

impl AssumedRole {
    /// Prepares the exchange; nothing is asked yet.
    ///
    /// # Errors
    /// [`CredentialsError::Endpoint`].
    pub fn new(config: AssumedRoleConfig, proof: Proof) -> Result<Self, CredentialsError> {
        let sts = Sts::new(
            config.sts_endpoint.as_deref(),
            &config.region,
            config.ca_file.as_deref(),
        )?;
        let exchange = Exchange {
            sts,
            proof,
            duration_seconds: config.duration_seconds.unwrap_or(DURATION_SECONDS).to_string(),
            external_id: config.external_id.clone(),
        };
        Ok(Self {
            exchange: Arc::new(exchange),
            config,
            sessions: Cache::new(SESSIONS_MAX),
        })
    }

    /// Begins to fetch what is known to be needed, without waiting: the session that serves all, or else what sessions are
    /// asked for with. A failure is in the log and tried again. Call it within a runtime.
    pub fn prefetch(&self, now: UnixSeconds) {
        if !self.config.per_caller && !self.config.role_arn.contains(ROLE) {
            self.session(SessionRequest::shared(&self.config.role_arn))
                .prefetch(now);
        } else if let Proof::Signed(source) = &self.exchange.proof {
            source.prefetch(now);
        }
    }

    fn session(&self, request: SessionRequest) -> Refreshed<Session> {
        let made = self.sessions.get_or_insert_with(&request, || {
            Ok::<_, Infallible>(Refreshed::new(Session {
                exchange: Arc::clone(&self.exchange),
                request: request.clone(),
            }))
        });
        match made {
            Ok(session) => session,
        }
    }
}

impl UpstreamCredentials for AssumedRole {
    fn current<'a>(&'a self, caller: &'a Caller, now: UnixSeconds) -> CurrentCredentials<'a> {
        Box::pin(async move {
            let request = SessionRequest::new(&self.config.role_arn, caller, self.config.per_caller)?;
            let request = match self.exchange.proof {
                Proof::Signed(_) => request,
                Proof::WebIdentity(_) => request.for_web_identity(),
            };
            let fetched = self.session(request).current(now).await.map_err(no_credentials)?;
            Ok(fetched.credentials)
        })
    }
}

impl fmt::Debug for AssumedRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumedRole")
            .field("config", &self.config)
            .field("proof", &self.exchange.proof)
            .finish_non_exhaustive()
    }
}

/// One session.
struct Session {
    exchange: Arc<Exchange>,
    request: SessionRequest,
}

impl Session {
    fn parameters(&self) -> Vec<(String, &str)> {
        let request = &self.request;
        let mut parameters = vec![
            ("RoleArn".to_owned(), request.role_arn.as_str()),
            ("RoleSessionName".to_owned(), &request.session_name),
            ("DurationSeconds".to_owned(), &self.exchange.duration_seconds),
        ];
        let optional = [
            ("SourceIdentity", &request.source_identity),
            ("ExternalId", &self.exchange.external_id),
        ];
        for (name, value) in optional {
            parameters.extend(value.as_deref().map(|value| (name.to_owned(), value)));
        }
        for (index, (key, value)) in request.tags.iter().enumerate() {
            let number = index + 1;
            parameters.push((format!("Tags.member.{number}.Key"), key));
            parameters.push((format!("Tags.member.{number}.Value"), value));
        }
        parameters
    }
}

impl Fetch for Session {
    fn what(&self) -> String {
        let (request, host) = (&self.request, self.exchange.sts.host());
        format!("{} as {} at {host}", request.role_arn, request.session_name)
    }

    async fn fetch(&self, now: UnixSeconds) -> Result<Fetched, FetchError> {
        let mut parameters = self.parameters();
        let sts = &self.exchange.sts;
        let assumed = match &self.exchange.proof {
            Proof::Signed(source) => {
                let signer = source.current(now).await;
                let signer = signer.map_err(|error| FetchError::NothingToSignWith(error.to_string()))?;
                sts.session("AssumeRole", &parameters, Some(&signer.credentials), now)
                    .await
            }
            Proof::WebIdentity(file) => {
                let token = read_token(file).await?;
                parameters.push(("WebIdentityToken".to_owned(), token.expose()));
                sts.session("AssumeRoleWithWebIdentity", &parameters, None, now)
                    .await
            }
        };
        assumed.map(|assumed| assumed.fetched)
    }
}
