use crate::config::{CloudConfig, CloudConfigError, RoleConfig, SourceConfig, account_of};
use crate::machine::{configured, of_ec2};
use hallpass_agent::{BoxFuture, CredentialSource, Issued, Machine, SessionRequest, SourceError};
use hallpass_credentials::{FetchError, Fetched, MetadataService, Source, Sts, read_token};
use hallpass_types::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long EC2's view of the machine is believed: so long does a profile that was exchanged stay unseen.
const MACHINE_TRUSTED: Duration = Duration::from_secs(60);
/// What one exchange, or one look at the machine, may take.
const DEADLINE: Duration = Duration::from_secs(10);
const DURATION_SECONDS: u32 = 3_600;

/// Sessions from AWS as it is.
///
/// What it once gave stays served to its end whatever STS says later: AWS itself honours it so long.
pub struct CloudSource {
    config: CloudConfig,
    clock: Arc<dyn Clock>,
    proof: Proof,
    sts: Option<Sts>,
    ec2: Option<MetadataService>,
    machine: tokio::sync::Mutex<Option<(Instant, Machine)>>,
}

enum Proof {
    Signed(Source),
    WebIdentity(PathBuf),
}

impl std::fmt::Debug for CloudSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloudSource")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl CloudSource {
    /// Checks and prepares; nothing is asked yet but a profile's file and the environment.
    ///
    /// # Errors
    /// [`CloudConfigError`].
    pub fn new(config: CloudConfig, clock: Arc<dyn Clock>) -> Result<Self, CloudConfigError> {
        config.check()?;
        let proof = match &config.source.web_identity_token_file {
            Some(file) => Proof::WebIdentity(file.clone()),
            None => Proof::Signed(source(&config.source)?),
        };
        let region = config.machine.region.as_deref().unwrap_or("us-east-1");
        let sts = Sts::new(
            config.source.sts_endpoint.as_deref(),
            region,
            config.source.ca_file.as_deref(),
        );
        // A machine whose only role is EC2's own needs no token service, nor certificates to trust one.
        let sts = match sts {
            Err(_) if config.roles.iter().all(|role| role.arn.is_none()) => None,
            other => Some(other?),
        };
        let ec2 = config
            .source
            .metadata
            .as_deref()
            .map(MetadataService::new)
            .transpose()?;
        Ok(Self {
            config,
            clock,
            proof,
            sts,
            ec2,
            machine: tokio::sync::Mutex::default(),
        })
    }

    /// Begins to fetch what is needed for any session. Call it within a runtime.
    pub fn prefetch(&self) {
        if let Proof::Signed(source) = &self.proof {
            source.prefetch(self.clock.now());
        }
    }

    async fn view(&self) -> Result<Machine, SourceError> {
        let Some(service) = &self.ec2 else {
            // When the machine began is asked once, so that it does not change with each look.
            let mut kept = self.machine.lock().await;
            let fresh = || (Instant::now(), configured(&self.config, self.clock.now()));
            return Ok(kept.get_or_insert_with(fresh).1.clone());
        };
        let mut kept = self.machine.lock().await;
        if let Some((_, machine)) = kept.as_ref().filter(|(at, _)| at.elapsed() < MACHINE_TRUSTED) {
            return Ok(machine.clone());
        }
        let asked = tokio::time::timeout(DEADLINE, of_ec2(&self.config, service, self.clock.now())).await;
        let machine = asked
            .unwrap_or(Err(FetchError::Deadline))
            .map_err(|error| SourceError::Unavailable(format!("{} {error}", service.base())))?;
        *kept = Some((Instant::now(), machine.clone()));
        Ok(machine)
    }

    async fn give(&self, session: &SessionRequest) -> Result<Issued, SourceError> {
        let role = self.config.roles.iter().find(|role| role.name == session.role);
        let (fetched, arn) = match role.and_then(|role| role.arn.as_ref().map(|arn| (role, arn))) {
            Some((role, arn)) => {
                let assumed = tokio::time::timeout(DEADLINE, self.assume(role, arn, session)).await;
                let assumed = assumed.unwrap_or(Err(FetchError::Deadline));
                (
                    assumed.map_err(|error| unavailable(&session.role, &error))?,
                    arn.clone(),
                )
            }
            None => (self.own(session).await?, String::new()),
        };
        let now = self.clock.now();
        let Some(expires_at) = fetched.expires_at else {
            return Err(SourceError::Unavailable(format!(
                "what the source gives for `{}` has no expiry, and a long-term key is never handed out",
                session.role
            )));
        };
        let Some(token) = fetched.credentials.session_token else {
            return Err(SourceError::Unavailable(format!(
                "what the source gives for `{}` has no session token, and a long-term key is never handed out",
                session.role
            )));
        };
        let machine = self.view().await.ok();
        let account = account_of(&arn).map(str::to_owned);
        let account = account.or(machine.map(|machine| machine.account));
        Ok(Issued {
            access_key_id: fetched.credentials.access_key_id.to_string(),
            secret: fetched.credentials.secret,
            token,
            issued_at: now,
            expires_at,
            account: account.unwrap_or_default(),
            role_arn: arn,
        })
    }

    /// What the source gives is the role.
    async fn own(&self, session: &SessionRequest) -> Result<Fetched, SourceError> {
        if *session != SessionRequest::of_role(&session.role) {
            return Err(SourceError::Unavailable(format!(
                "`{}` is what the source gives and cannot be shaped: give the role an arn, or take session_name, \
                 source_identity, tags, policy and duration out of its rule",
                session.role
            )));
        }
        let machine = self.view().await?;
        if !machine.roles.contains(&session.role) {
            return Err(SourceError::Refused(format!(
                "this machine has no role `{}`",
                session.role
            )));
        }
        match &self.proof {
            Proof::Signed(source) => source.current(self.clock.now()).await,
            Proof::WebIdentity(_) => {
                return Err(SourceError::Refused("a web identity is no role".to_owned()));
            }
        }
        .map_err(|error| SourceError::Unavailable(error.to_string()))
    }

    async fn assume(
        &self,
        role: &RoleConfig,
        arn: &str,
        session: &SessionRequest,
    ) -> Result<Fetched, FetchError> {
        let sts = self
            .sts
            .as_ref()
            .ok_or(FetchError::Answer("there is no token service"))?;
        let name = match &session.session_name {
            Some(name) => name.clone(),
            // As EC2 names them.
            None => self
                .view()
                .await
                .map_or_else(|_| "hallpass".to_owned(), |machine| machine.instance_id),
        };
        let seconds = session
            .duration_seconds
            .or(role.duration_seconds)
            .unwrap_or(DURATION_SECONDS)
            .to_string();
        let mut parameters = vec![
            ("RoleArn".to_owned(), arn),
            ("RoleSessionName".to_owned(), &name),
            ("DurationSeconds".to_owned(), &seconds),
        ];
        if let Some(policy) = &session.policy {
            parameters.push(("Policy".to_owned(), policy));
        }
        let assumed = match &self.proof {
            Proof::Signed(source) => {
                for (name, value) in [
                    ("SourceIdentity", &session.source_identity),
                    ("ExternalId", &role.external_id),
                ] {
                    parameters.extend(value.as_deref().map(|value| (name.to_owned(), value)));
                }
                for (index, (key, value)) in session.tags.iter().enumerate() {
                    parameters.push((format!("Tags.member.{}.Key", index + 1), key));
                    parameters.push((format!("Tags.member.{}.Value", index + 1), value));
                }
                let signer = source.current(self.clock.now()).await;
                let signer = signer.map_err(|error| FetchError::NothingToSignWith(error.to_string()))?;
                sts.session(
                    "AssumeRole",
                    &parameters,
                    Some(&signer.credentials),
                    self.clock.now(),
                )
                .await
            }
            Proof::WebIdentity(file) => {
                if session.source_identity.is_some() || !session.tags.is_empty() {
                    return Err(FetchError::Answer(
                        "takes source identity and tags from the web identity: take them out of the rule",
                    ));
                }
                let token = read_token(file).await?;
                parameters.push(("WebIdentityToken".to_owned(), token.expose()));
                sts.session("AssumeRoleWithWebIdentity", &parameters, None, self.clock.now())
                    .await
            }
        }?;
        if assumed
            .arn
            .as_deref()
            .is_some_and(|told| !is_session_of(told, arn))
        {
            return Err(FetchError::Answer("gave a session of another role"));
        }
        Ok(assumed.fetched)
    }
}

impl CredentialSource for CloudSource {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(self.view())
    }

    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        Box::pin(self.give(session))
    }
}

/// Whether `told` (`arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION`) is a session of the role `arn`. A role's path is not in
/// its sessions' ARNs.
fn is_session_of(told: &str, arn: &str) -> bool {
    let session = || {
        let (head, rest) = told.split_once(":assumed-role/")?;
        Some((head.rsplit(':').next()?, rest.split('/').next()?))
    };
    let role = arn.rsplit('/').next();
    account_of(arn).zip(role) == session()
}

fn unavailable(role: &str, error: &FetchError) -> SourceError {
    SourceError::Unavailable(format!("no session of `{role}`: the token service {error}"))
}

fn source(config: &SourceConfig) -> Result<Source, CloudConfigError> {
    if let Some(base) = &config.metadata {
        Ok(Source::metadata(base)?)
    } else if let Some(url) = &config.container {
        Ok(Source::container(url, config.container_token_file.clone())?)
    } else if let Some(command) = &config.process {
        Ok(Source::process(command)?)
    } else if let Some(anywhere) = &config.roles_anywhere {
        Ok(Source::roles_anywhere(
            anywhere.to_config(config.ca_file.as_ref()),
        )?)
    } else if config.environment {
        Ok(Source::environment(|name| std::env::var(name).ok())?)
    } else {
        let file = config.file.clone().unwrap_or_else(|| {
            let home = std::env::var_os("HOME").unwrap_or_default();
            PathBuf::from(home).join(".aws/credentials")
        });
        Ok(Source::profile(
            file,
            config.profile.as_deref().unwrap_or("default"),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_another_role_or_account_is_seen() {
        let role = "arn:aws:iam::123456789012:role/team/app";
        for (told, good) in [
            ("arn:aws:sts::123456789012:assumed-role/app/i-1", true),
            ("arn:aws:sts::123456789012:assumed-role/application/i-1", false),
            ("arn:aws:sts::123456789012:assumed-role/team/app", false),
            ("arn:aws:sts::210987654321:assumed-role/app/i-1", false),
            ("arn:aws:iam::123456789012:user/app", false),
            ("", false),
        ] {
            assert_eq!(is_session_of(told, role), good, "{told}");
        }
    }
}
