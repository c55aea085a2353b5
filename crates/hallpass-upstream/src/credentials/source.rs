use super::client::read_token;
use super::container::Container;
use super::environment;
use super::error::CredentialsError;
use super::metadata::Metadata;
use super::refreshed::Refreshed;
use super::{CurrentCredentials, UpstreamCredentials};
use crate::error::UpstreamError;
use crate::profile::ProfileFile;
use hallpass_access::Caller;
use hallpass_sigv4::SigningCredentials;
use hallpass_types::UnixSeconds;
use std::fmt;
use std::path::{Path, PathBuf};

/// Credentials that are the same for every caller.
pub struct Source(Kind);

enum Kind {
    Fixed(SigningCredentials),
    Profile(ProfileFile),
    Metadata(Refreshed<Metadata>),
    Container(Refreshed<Container>),
}

impl Source {
    /// A profile of an AWS credentials file, which is read now and whenever it changes.
    ///
    /// # Errors
    /// When it cannot be read now: better known at the start than at the first request.
    pub fn profile(path: impl Into<PathBuf>, profile: &str) -> Result<Self, UpstreamError> {
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
        Metadata::new(base).map(|fetch| Self(Kind::Metadata(Refreshed::new(fetch))))
    }

    /// A container credentials endpoint: https, or this machine, or one of the addresses of ECS and EKS. The content of
    /// `token_file`, if given, is sent as `Authorization`.
    ///
    /// # Errors
    /// [`CredentialsError`]; that it answers is not asked for here.
    pub fn container(url: &str, token_file: Option<PathBuf>) -> Result<Self, CredentialsError> {
        Container::new(url, token_file).map(|fetch| Self(Kind::Container(Refreshed::new(fetch))))
    }

    /// Begins to fetch what must be fetched, without waiting. A failure is in the log and tried again. Call it within a
    /// runtime.
    pub fn prefetch(&self, now: UnixSeconds) {
        match &self.0 {
            Kind::Fixed(_) | Kind::Profile(_) => {}
            Kind::Metadata(refreshed) => refreshed.prefetch(now),
            Kind::Container(refreshed) => refreshed.prefetch(now),
        }
    }

    /// The credentials to sign with at `now`.
    pub(super) async fn get(&self, now: UnixSeconds) -> Result<SigningCredentials, UpstreamError> {
        match &self.0 {
            Kind::Fixed(credentials) => Ok(credentials.clone()),
            Kind::Profile(profile) => profile.read(),
            Kind::Metadata(refreshed) => refreshed.current(now).await,
            Kind::Container(refreshed) => refreshed.current(now).await,
        }
    }
}

impl UpstreamCredentials for Source {
    fn current<'a>(&'a self, _caller: &'a Caller, now: UnixSeconds) -> CurrentCredentials<'a> {
        Box::pin(self.get(now))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Fixed(_) => "fixed",
            Kind::Profile(_) => "profile",
            Kind::Metadata(_) => "metadata",
            Kind::Container(_) => "container",
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
