//! Who a key belongs to, and minting sessions.

mod instance;

pub use instance::{InstanceSession, InstanceSessionError, InstanceSessionRequest};

use crate::account::{CompiledRole, role_arn, user_arn};
use crate::authority::Authority;
use crate::entity::{Instance, InstanceState};
use crate::state::{State, key, put};
use crate::{ApiError, account};
use hallpass_access::{AuthenticationError, Caller, CallerKind, Candidate};
use hallpass_policy::PrincipalInfo;
use hallpass_secret::Secret;
use hallpass_session::{
    Network, OpenedSession, SessionClaims, SessionPrincipal, Tag, secret_access_key, session_access_key,
};
use hallpass_types::{AccessKeyId, AccessKeyKind, AccountId, UnixSeconds};
use std::sync::Arc;

/// Revoked sessions an agent is told of; one it holds a lease of is among the newest when it is revoked.
const REVOKED_TOLD_MAX: usize = 200;

impl Authority {
    /// The caller and secret behind a key, as they stand now: deactivated keys, deleted or recreated principals,
    /// revoked sessions and terminated instances have none.
    ///
    /// # Errors
    /// [`AuthenticationError`].
    pub fn candidate(
        &self,
        id: &AccessKeyId,
        token: Option<&str>,
        now: UnixSeconds,
    ) -> Result<Candidate, AuthenticationError> {
        match (id.kind(), token) {
            (Some(AccessKeyKind::Session), Some(token)) => {
                let opened = self.open_token(token)?;
                self.candidate_of_session(&opened, id, now)
            }
            (Some(AccessKeyKind::Session), None) => Err(AuthenticationError::Token(
                "a session key needs its token".to_owned(),
            )),
            (_, Some(_)) => Err(AuthenticationError::Token(
                "a long-term key has no token".to_owned(),
            )),
            (_, None) => self.candidate_of_key(id),
        }
    }

    /// Opens a token without judging expiry or revocation; [`Authority::candidate_of_session`] judges them each time.
    /// Callers cache the result: opening costs a signature check.
    ///
    /// # Errors
    /// [`AuthenticationError::Invalid`].
    pub fn open_token(&self, token: &str) -> Result<OpenedSession, AuthenticationError> {
        let keyring = self.env.keyring();
        Ok(hallpass_session::open(token, &keyring.verify, &keyring.epochs)?)
    }

    fn candidate_of_key(&self, id: &AccessKeyId) -> Result<Candidate, AuthenticationError> {
        // Held until the owner is kept: see `key_owners`.
        let state = self.read();
        if let Some(candidate) = self.key_owners.get(id) {
            return Ok(candidate);
        }
        let candidate = self.owner_of_key(&state, id)?;
        self.key_owners.insert(id.clone(), candidate.clone());
        Ok(candidate)
    }

    fn owner_of_key(&self, state: &State, id: &AccessKeyId) -> Result<Candidate, AuthenticationError> {
        let invalid = |why: &str| AuthenticationError::Invalid(why.to_owned());
        let key = state.keys.get(id).ok_or_else(|| invalid("no such key"))?;
        if !key.is_active {
            return Err(invalid("the key is inactive"));
        }
        let account = state
            .account(key.account)
            .ok_or_else(|| invalid("no such account"))?;
        let secret = self
            .env
            .keyring()
            .open_secret(id.as_str(), &key.sealed_secret)
            .map_err(|error| AuthenticationError::Invalid(error.to_string()))?;
        let (kind, principal, user_id) = match &key.user {
            None => (
                CallerKind::Root,
                PrincipalInfo::root(key.account),
                key.account.to_string(),
            ),
            Some(name) => {
                let user = &account
                    .user(name)
                    .ok_or_else(|| invalid("the user is gone"))?
                    .user;
                let arn = user_arn(key.account, user);
                let principal = PrincipalInfo::user(key.account, &arn, &user.id);
                (
                    CallerKind::User {
                        name: user.name.clone(),
                    },
                    principal,
                    user.id.clone(),
                )
            }
        };
        let caller = Caller {
            account: key.account,
            kind,
            principal,
            user_id,
            access_key_id: Some(id.clone()),
            session: None,
        };
        Ok(Candidate {
            caller: Arc::new(caller),
            secret,
        })
    }

    /// The caller behind an opened session, if the session still stands. It is the same for as long as
    /// [`Self::session_stands`] says so.
    ///
    /// # Errors
    /// [`AuthenticationError`].
    pub fn candidate_of_session(
        &self,
        opened: &OpenedSession,
        id: &AccessKeyId,
        now: UnixSeconds,
    ) -> Result<Candidate, AuthenticationError> {
        self.session_stands(opened, id, now)?;
        let claims = opened.current(id, now)?;
        let state = self.read();
        let gone = || AuthenticationError::Revoked("the principal is gone".to_owned());
        let account = state.account(claims.account).ok_or_else(gone)?;
        let (kind, principal) = match &claims.principal {
            SessionPrincipal::AssumedRole {
                role_name, role_id, ..
            } => {
                let role = &account.role(role_name).ok_or_else(gone)?.role;
                let arn = role_arn(claims.account, role);
                let name = role.name.clone();
                let principal = PrincipalInfo::role_session(claims.account, &claims.arn(), &arn, role_id);
                (CallerKind::Role { name }, principal)
            }
            SessionPrincipal::User { user_name, user_id } => {
                let user = &account.user(user_name).ok_or_else(gone)?.user;
                let arn = user_arn(claims.account, user);
                let name = user.name.clone();
                let principal = PrincipalInfo::user(claims.account, &arn, user_id);
                (CallerKind::User { name }, principal)
            }
            SessionPrincipal::Root => (CallerKind::Root, PrincipalInfo::root(claims.account)),
            SessionPrincipal::FederatedUser { user_name, .. } => {
                let user = user_name.clone();
                let principal = PrincipalInfo::federated_user(claims.account, &claims.arn());
                (CallerKind::FederatedUser { user }, principal)
            }
        };
        let secret = claims.secret.clone();
        let caller = Caller {
            account: claims.account,
            kind,
            principal,
            user_id: claims.user_id(),
            access_key_id: Some(id.clone()),
            session: Some(Arc::new(claims.clone())),
        };
        Ok(Candidate {
            caller: Arc::new(caller),
            secret,
        })
    }

    /// Whether an opened session is `id`'s, has not expired, and nothing it rests on was revoked, deleted or terminated.
    ///
    /// # Errors
    /// [`AuthenticationError`] says which.
    pub fn session_stands(
        &self,
        opened: &OpenedSession,
        id: &AccessKeyId,
        now: UnixSeconds,
    ) -> Result<(), AuthenticationError> {
        let claims = opened.current(id, now)?;
        let revoked = |why: &str| AuthenticationError::Revoked(why.to_owned());
        let state = self.read();
        let account = state
            .account(claims.account)
            .ok_or_else(|| revoked("the account is gone"))?;
        if let Some(why) = state.revocation(claims) {
            return Err(revoked(why));
        }
        if let Some(instance) = &claims.instance {
            let running = state
                .accounts
                .values()
                .find_map(|account| account.instances.get(&instance.id))
                .filter(|instance| instance.state == InstanceState::Running)
                .ok_or_else(|| revoked("the instance was terminated"))?;
            if running
                .revoked_before
                .is_some_and(|before| claims.issued_at < before)
            {
                return Err(revoked("the instance's older sessions were revoked"));
            }
        }
        match &claims.principal {
            SessionPrincipal::AssumedRole {
                role_name, role_id, ..
            } => {
                let role = &account
                    .role(role_name)
                    .ok_or_else(|| revoked("the role is gone"))?
                    .role;
                if role.id != *role_id {
                    return Err(revoked("the role was deleted and made anew"));
                }
                if role
                    .revoked_before
                    .is_some_and(|before| claims.issued_at < before)
                {
                    return Err(revoked("the role's older sessions were revoked"));
                }
            }
            SessionPrincipal::User { user_name, user_id }
            | SessionPrincipal::FederatedUser {
                user_name: Some(user_name),
                user_id,
                ..
            } => {
                let user = &account
                    .user(user_name)
                    .ok_or_else(|| revoked("the user is gone"))?
                    .user;
                if user.id != *user_id {
                    return Err(revoked("the user was deleted and made anew"));
                }
                if user
                    .revoked_before
                    .is_some_and(|before| claims.issued_at < before)
                {
                    return Err(revoked("the user's older sessions were revoked"));
                }
            }
            SessionPrincipal::Root | SessionPrincipal::FederatedUser { user_name: None, .. } => {}
        }
        Ok(())
    }

    /// The instance of that id, in whatever account.
    #[must_use]
    pub fn instance(&self, id: &str) -> Option<Instance> {
        let state = self.read();
        state
            .accounts
            .values()
            .find_map(|account| account.instances.get(id))
            .map(|found| Instance::clone(found))
    }

    /// All running instances.
    #[must_use]
    pub fn running_instances(&self) -> Vec<Instance> {
        let state = self.read();
        let instances = state
            .accounts
            .values()
            .flat_map(|account| account.instances.values());
        instances
            .filter(|instance| instance.state == InstanceState::Running)
            .map(|i| Instance::clone(i))
            .collect()
    }

    /// Notes the addresses an instance has now: its sessions may be used from these, the next ones minted.
    ///
    /// # Errors
    /// [`ApiError`] when there is no such instance or the store refuses.
    pub async fn set_instance_networks(
        &self,
        id: &str,
        private_ip: &str,
        networks: Vec<Network>,
    ) -> Result<(), ApiError> {
        let mut instance = self.instance(id).ok_or_else(|| {
            ApiError::new(
                "InvalidInstanceID.NotFound",
                400,
                format!("There is no instance {id}"),
            )
        })?;
        if instance.private_ip == private_ip && instance.networks == networks {
            return Ok(());
        }
        instance.private_ip = private_ip.to_owned();
        instance.networks = networks;
        self.commit(vec![put(
            key(instance.account, "instance", &instance.id),
            &instance,
        )])
        .await
    }

    /// Sets a tag of an instance, as the system itself: where its metadata endpoint is, say.
    ///
    /// # Errors
    /// [`ApiError`] when there is no such instance or the store refuses.
    pub async fn tag_instance(&self, id: &str, tag: Tag) -> Result<(), ApiError> {
        let mut instance = self.instance(id).ok_or_else(|| {
            ApiError::new(
                "InvalidInstanceID.NotFound",
                400,
                format!("There is no instance {id}"),
            )
        })?;
        instance.tags.retain(|old| old.key != tag.key);
        instance.tags.push(tag);
        self.commit(vec![put(
            key(instance.account, "instance", &instance.id),
            &instance,
        )])
        .await
    }

    /// Name, id and ARN of an instance's profile, and the names of the roles in it.
    #[must_use]
    pub fn instance_profile(&self, instance: &Instance) -> Option<(String, String, Vec<String>)> {
        self.with_account(instance.account, |_, account| {
            let profile = account.profile(instance.profile.as_deref()?)?;
            let arn = account::profile_arn(instance.account, profile);
            Some((arn, profile.id.clone(), profile.roles.clone()))
        })?
    }

    /// The ARN of a role, path included.
    #[must_use]
    pub fn role_arn(&self, account: AccountId, role: &str) -> Option<String> {
        self.with_account(account, |_, state| {
            state.role(role).map(|role| role_arn(account, &role.role))
        })?
    }

    /// What changes whenever an instance's sessions of a role become worthless: the role was made anew, or its sessions
    /// or the instance's were revoked.
    #[must_use]
    pub fn role_generation(&self, instance: &Instance, role: &str) -> Option<String> {
        self.with_account(instance.account, |_, state| {
            let role = &state.role(role)?.role;
            let revoked = role.revoked_before.max(instance.revoked_before);
            Some(revoked.map_or_else(|| role.id.clone(), |before| format!("{}/{}", role.id, before.0)))
        })?
    }

    /// The newest keys of sessions of an account that were revoked one by one.
    #[must_use]
    pub fn revoked_sessions(&self, account: AccountId) -> Vec<String> {
        let state = self.read();
        let ours = state.revoked.values().filter(|revoked| {
            revoked.id.account() == Some(account) && revoked.id.kind() == Some(AccessKeyKind::Session)
        });
        let mut ours: Vec<_> = ours
            .map(|revoked| (revoked.until, revoked.id.to_string()))
            .collect();
        ours.sort_unstable_by(|left, right| right.cmp(left));
        ours.truncate(REVOKED_TOLD_MAX);
        ours.into_iter().map(|(_, id)| id).collect()
    }
}

pub(crate) fn role_claims(
    env: &crate::authority::Environment,
    account: AccountId,
    role: &CompiledRole,
    session_name: &str,
    now: UnixSeconds,
    seconds: i64,
) -> SessionClaims {
    let principal = SessionPrincipal::AssumedRole {
        role_name: role.role.name.clone(),
        role_path: role.role.path.clone(),
        role_id: role.role.id.clone(),
        session_name: session_name.to_owned(),
    };
    // Revocations are to the second: what is issued after one, in that very second, is not what was revoked.
    let now = role.role.revoked_before.map_or(now, |before| now.max(before));
    new_claims(env, account, principal, now, seconds)
}

pub(crate) fn new_claims(
    env: &crate::authority::Environment,
    account: AccountId,
    principal: SessionPrincipal,
    now: UnixSeconds,
    seconds: i64,
) -> SessionClaims {
    SessionClaims {
        access_key_id: session_access_key(account, &*env.entropy),
        secret: secret_access_key(&*env.entropy),
        account,
        principal,
        issued_at: now,
        expires_at: now.plus(seconds),
        chain_depth: 0,
        mfa_at: None,
        parent_access_key_id: None,
        ancestors: vec![],
        source_identity: None,
        session_policies: vec![],
        session_policy_arns: vec![],
        tags: vec![],
        transitive_tag_keys: vec![],
        instance: None,
        web_identity: None,
        saml: None,
        binding: None,
    }
}

pub(crate) fn seal(env: &crate::authority::Environment, claims: &SessionClaims) -> Result<Secret, ApiError> {
    let keyring = env.keyring();
    hallpass_session::seal(claims, &keyring.mint, &keyring.epochs, &*env.entropy)
        .map(Secret::new)
        .map_err(|error| match error {
            hallpass_session::SealError::TooLarge { percent } => ApiError::new(
                "PackedPolicyTooLarge",
                400,
                format!("Packed size of session tags consumes {percent}% of allotted space."),
            ),
            other => ApiError::new("ServiceFailure", 500, other.to_string()),
        })
}
