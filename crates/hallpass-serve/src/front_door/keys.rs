use hallpass_access::{AuthenticationError, Caller, Candidate, PolicyBundle};
use hallpass_authority::Authority;
use hallpass_gateway::{KeyLookup, PolicyLookup};
use hallpass_session::OpenedSession;
use hallpass_store::Progress;
use hallpass_types::{AccessKeyId, AccessKeyKind, UnixSeconds};
use quick_cache::sync::Cache;
use std::sync::Arc;
use std::time::Duration;

/// Opened session tokens kept. A token is opened once (a signature check), then found here.
const OPENED_TOKENS_MAX: usize = 16_384;

/// [`KeyLookup`] over the authority, with a cache of opened tokens. Expiry and revocation are judged on each request.
pub struct Keys {
    authority: Arc<Authority>,
    opened: Cache<AccessKeyId, Arc<Known>>,
    freshness: Option<Freshness>,
}

/// How long a server of a fleet may go on without hearing from its store. Beyond it every credential is refused: it may
/// have been revoked.
#[derive(Debug, Clone)]
pub struct Freshness {
    /// How far the server follows the store.
    pub progress: Arc<Progress>,
    /// The longest silence.
    pub staleness_max: Duration,
}

impl Freshness {
    fn check(&self) -> Result<(), AuthenticationError> {
        let stale = self.progress.stale_for();
        if stale <= self.staleness_max {
            return Ok(());
        }
        let seconds = stale.as_secs();
        Err(AuthenticationError::Stale(format!(
            "the store was last heard {seconds} s ago"
        )))
    }
}

/// A token that was opened, and whose it is.
struct Known {
    token: String,
    opened: OpenedSession,
    candidate: Candidate,
}

impl Keys {
    /// Over `authority`; without `freshness`, nobody else writes to its store.
    #[must_use]
    pub fn new(authority: Arc<Authority>, freshness: Option<Freshness>) -> Self {
        Self {
            authority,
            opened: Cache::new(OPENED_TOKENS_MAX),
            freshness,
        }
    }
}

impl KeyLookup for Keys {
    fn candidate(
        &self,
        id: &AccessKeyId,
        token: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Candidate, AuthenticationError> {
        if let Some(freshness) = &self.freshness {
            freshness.check()?;
        }
        let Some(token) = token.filter(|_| id.kind() == Some(AccessKeyKind::Session)) else {
            return self.authority.candidate(id, token, now);
        };
        // Found by the key, which is short, and only good if the token is the very same.
        if let Some(known) = self.opened.get(id).filter(|known| known.token == token) {
            self.authority.session_stands(&known.opened, id, now)?;
            return Ok(known.candidate.clone());
        }
        let opened = self.authority.open_token(token)?;
        let candidate = self.authority.candidate_of_session(&opened, id, now)?;
        let known = Known {
            token: token.to_owned(),
            opened,
            candidate: candidate.clone(),
        };
        self.opened.insert(id.clone(), Arc::new(known));
        Ok(candidate)
    }
}

/// [`PolicyLookup`] over the authority.
pub struct Policies(pub Arc<Authority>);

impl PolicyLookup for Policies {
    fn policies_for(&self, caller: &Caller) -> (PolicyBundle, Vec<(String, String)>) {
        self.0.policies_for(caller)
    }
}
