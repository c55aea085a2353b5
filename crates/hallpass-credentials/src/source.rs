use crate::NoCredentials;
use crate::client::read_token;
use crate::container::Container;
use crate::environment;
use crate::error::CredentialsError;
use crate::metadata::MetadataService;
use crate::process::Process;
use crate::profile::ProfileFile;
use crate::refreshed::{Fetched, Refreshed};
use crate::roles_anywhere::{RolesAnywhere, RolesAnywhereConfig};
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::fmt;
use std::path::{Path, PathBuf};

/// Credentials that are the same for every caller.
pub struct Source(Kind);

enum Kind {
    Fixed(SigningCredentials),
    Profile(ProfileFile),
    Metadata(Refreshed<MetadataService>),
    Container(Refreshed<Container>),
    Process(Refreshed<Process>),
    RolesAnywhere(Refreshed<RolesAnywhere>),
}

impl Source {
    /// A profile of an AWS credentials file, which is read now and whenever it changes.
    ///
    /// # Errors
    /// When it cannot be read now: better known at the start than at the first request.
    pub fn profile(path: impl Into<PathBuf>, profile: &str) -> Result<Self, NoCredentials> {
        let profile = ProfileFile::new(path, profile);
        profile.read()?;
        Ok(Self(Kind::Profile(profile)))
    }

    /// `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if set, `AWS_SESSION_TOKEN`, read now by `variable`.
    ///
    /// # Errors
    /// [`CredentialsError::Environment`].
    pub fn environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CredentialsError> {
        environment::read(variable).map(|credentials| Self(Kind::Fixed(credentials)))
    }

    /// The first role of an instance metadata service at `base`, such as `http://169.254.169.254`.
    ///
    /// # Errors
    /// [`CredentialsError`]; that it answers is not asked for here.
    pub fn metadata(base: &str) -> Result<Self, CredentialsError> {
        MetadataService::new(base).map(|fetch| Self(Kind::Metadata(Refreshed::new(fetch))))
    }

    /// A container credentials endpoint: https, or this machine, or one of the addresses of ECS and EKS. The content of
    /// `token_file`, if given, is sent as `Authorization`.
    ///
    /// # Errors
    /// [`CredentialsError`]; that it answers is not asked for here.
    pub fn container(url: &str, token_file: Option<PathBuf>) -> Result<Self, CredentialsError> {
        Container::new(url, token_file).map(|fetch| Self(Kind::Container(Refreshed::new(fetch))))
    }

    /// What a program prints, run anew ahead of each expiry: AWS's `credential_process`. The command line is split into
    /// words; no shell sees it.
    ///
    /// # Errors
    /// [`CredentialsError::Process`]; that it runs is not asked for here.
    pub fn process(command: &str) -> Result<Self, CredentialsError> {
        Process::new(command).map(|fetch| Self(Kind::Process(Refreshed::new(fetch))))
    }

    /// The session that IAM Roles Anywhere gives for a certificate, whose files are read at each exchange.
    ///
    /// # Errors
    /// [`CredentialsError`]; neither the files nor the service are asked for here.
    pub fn roles_anywhere(config: RolesAnywhereConfig) -> Result<Self, CredentialsError> {
        RolesAnywhere::new(config).map(|fetch| Self(Kind::RolesAnywhere(Refreshed::new(fetch))))
    }

    /// Begins to fetch what must be fetched, without waiting. A failure is in the log and tried again. Call it within a
    /// runtime.
    pub fn prefetch(&self, now: UnixSeconds) {
        match &self.0 {
            Kind::Fixed(_) | Kind::Profile(_) => {}
            Kind::Metadata(refreshed) => refreshed.prefetch(now),
            Kind::Container(refreshed) => refreshed.prefetch(now),
            Kind::Process(refreshed) => refreshed.prefetch(now),
            Kind::RolesAnywhere(refreshed) => refreshed.prefetch(now),
        }
    }

    /// What is valid at `now`; without an expiry where the source tells none.
    ///
    /// # Errors
    /// [`NoCredentials`].
    pub async fn current(&self, now: UnixSeconds) -> Result<Fetched, NoCredentials> {
        let undated = |credentials| Fetched {
            credentials,
            expires_at: None,
        };
        match &self.0 {
            Kind::Fixed(credentials) => Ok(undated(credentials.clone())),
            Kind::Profile(profile) => profile.read().map(undated),
            Kind::Metadata(refreshed) => refreshed.current(now).await,
            Kind::Container(refreshed) => refreshed.current(now).await,
            Kind::Process(refreshed) => refreshed.current(now).await,
            Kind::RolesAnywhere(refreshed) => refreshed.current(now).await,
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Fixed(_) => "fixed",
            Kind::Profile(_) => "profile",
            Kind::Metadata(_) => "metadata",
            Kind::Container(_) => "container",
            Kind::Process(_) => "process",
            Kind::RolesAnywhere(_) => "roles anywhere",
        };
        f.debug_tuple("Source").field(&kind).finish()
    }
}

/// Checks that a token's file can be read now.
///
/// # Errors
/// [`CredentialsError::TokenFile`].
pub async fn check_token_file(path: &Path) -> Result<(), CredentialsError> {
    let read = read_token(path).await;
    read.map(drop)
        .map_err(|_| CredentialsError::TokenFile(path.to_owned()))
}
