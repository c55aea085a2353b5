//! The authority itself: snapshot, store and keys together.

use crate::account::AccountState;
use crate::bundle::SessionPolicies;
use crate::call::{Ctx, find};
use crate::entity::{AccessKey, Account};
use crate::keyring::{Keyring, KeyringError, RootKey, StoredKeyring};
use crate::state::{ApplyError, PREFIX, State, access_key_key, key, put};
use crate::{ActionInfo, Answer, ApiError, Call, Requirement, Service};
use hallpass_access::{Caller, Permit, PolicyBundle};
use hallpass_secret::Secret;
use hallpass_session::{SessionPrincipal, secret_access_key, user_access_key};
use hallpass_store::{Compare, Listing, Op, Store, StoreError, Txn};
use hallpass_types::{AccessKeyId, AccountId, Entropy, UnixSeconds};
use std::sync::{Arc, RwLock, RwLockReadGuard};

const KEYRING_KEY: &str = "v1/system/keyring";
/// A write that finds the state changed under it starts over, this many times.
const CONFLICT_RETRIES_MAX: usize = 5;

/// The authority could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenAuthorityError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root key does not fit this store.
    #[error("the root key does not belong to this data: {0}")]
    Keyring(#[from] KeyringError),
    /// An entity cannot be read.
    #[error("{0}")]
    Entity(String),
}

impl From<ApplyError> for OpenAuthorityError {
    fn from(error: ApplyError) -> Self {
        Self::Entity(error.to_string())
    }
}

/// What does not change while the authority runs.
pub(crate) struct Environment {
    pub(crate) region: String,
    pub(crate) machine: Machine,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) keyring: Keyring,
    /// Wrong MFA codes of late.
    pub(crate) guesses: crate::totp::Guesses,
    pub(crate) last_used: crate::last_used::LastUsed,
}

/// The machine instances run on until they say otherwise: in dev mode, this one.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its address as it sees it itself.
    pub private_ip: String,
    /// The addresses its sessions may be used from.
    pub networks: Vec<hallpass_session::Network>,
}

/// Keeps identities, mints sessions.
pub struct Authority {
    pub(crate) env: Environment,
    store: Arc<dyn Store>,
    state: RwLock<State>,
    sessions: SessionPolicies,
    /// One write at a time in this process: plan, commit, apply.
    writing: tokio::sync::Mutex<()>,
    /// The store's revision that `state` shows; told whenever it moves on.
    changes: tokio::sync::watch::Sender<u64>,
}

/// What the first start made.
#[derive(Debug)]
pub struct Bootstrap {
    /// The new account.
    pub account: AccountId,
    /// The administrator's key id.
    pub access_key_id: AccessKeyId,
    /// The administrator's secret.
    pub secret: Secret,
}

impl Authority {
    /// Loads the state from `store`. A store without keys gets fresh ones, sealed under `root`.
    ///
    /// # Errors
    /// [`OpenAuthorityError`].
    pub async fn open(
        store: Arc<dyn Store>,
        root: RootKey,
        region: &str,
        machine: Machine,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenAuthorityError> {
        let keyring = match store.get(KEYRING_KEY).await? {
            Some(stored) => {
                let stored: StoredKeyring = serde_json::from_slice(&stored.value)
                    .map_err(|error| OpenAuthorityError::Entity(format!("the stored keyring: {error}")))?;
                Keyring::open(root, &stored)?
            }
            None => {
                let (keyring, stored) = Keyring::generate(root, &*entropy)?;
                let txn = Txn {
                    compares: vec![Compare::Absent(KEYRING_KEY.to_owned())],
                    ops: vec![put(KEYRING_KEY.to_owned(), &stored)],
                };
                store.commit(txn).await?;
                keyring
            }
        };
        let mut state = State::default();
        let Listing { revision, entries } = store.list(PREFIX).await?;
        // Accounts first: the other kinds live inside them.
        let (accounts, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.key.ends_with("/account/"));
        for entry in accounts.into_iter().chain(others) {
            state.apply(&entry.key, Some(&entry.value), entry.mod_revision)?;
        }
        Ok(Self {
            env: Environment {
                region: region.to_owned(),
                machine,
                entropy,
                keyring,
                guesses: Default::default(),
                last_used: Default::default(),
            },
            store,
            state: RwLock::new(state),
            sessions: SessionPolicies::new(),
            writing: tokio::sync::Mutex::new(()),
            changes: tokio::sync::watch::Sender::new(revision),
        })
    }

    /// Tells of every change once this authority's own answers show it. The store's watch may speak earlier, and
    /// whoever asks the authority then finds it as it was.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The accounts there are.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        self.read().accounts.keys().copied().collect()
    }

    /// The region the authority answers for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.env.region
    }

    /// Makes a first account with an administrator (`AdministratorAccess`) and a key for it.
    ///
    /// # Errors
    /// [`ApiError`] when the store refuses.
    pub async fn bootstrap(&self, now: UnixSeconds) -> Result<Bootstrap, ApiError> {
        let entropy = &*self.env.entropy;
        let mut random = [0u8; 8];
        entropy.fill(&mut random);
        // Twelve digits, the first not zero, as AWS hands them out.
        let number = 100_000_000_000 + u64::from_be_bytes(random) % 900_000_000_000;
        let account =
            AccountId::from_number(number).map_err(|error| ApiError::validation(error.to_string()))?;
        let user = crate::entity::User {
            name: "admin".to_owned(),
            path: "/".to_owned(),
            id: hallpass_session::unique_id(hallpass_session::IdKind::User, entropy),
            created: now,
            permissions: crate::entity::Permissions {
                attached: vec!["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()],
                ..Default::default()
            },
            groups: vec![],
            credentials: Default::default(),
        };
        let (key_op, access_key_id, secret) = self.new_access_key(account, Some("admin"), now)?;
        let account_key = key(account, "account", "");
        let ops = vec![
            put(
                account_key,
                &Account {
                    id: account,
                    created: now,
                },
            ),
            put(key(account, "user", "admin"), &user),
            key_op,
        ];
        self.commit(ops).await?;
        Ok(Bootstrap {
            account,
            access_key_id,
            secret,
        })
    }

    pub(crate) fn new_access_key(
        &self,
        account: AccountId,
        user: Option<&str>,
        now: UnixSeconds,
    ) -> Result<(Op, AccessKeyId, Secret), ApiError> {
        new_access_key(&self.env, account, user, now)
    }

    /// What is known of an action, if it is built.
    #[must_use]
    pub fn action_info(&self, service: Service, action: &str) -> Option<ActionInfo> {
        let found = find(service, action)?;
        let read_only = ["Get", "List", "Describe", "Simulate"]
            .iter()
            .any(|verb| found.name.starts_with(verb));
        Some(ActionInfo { read_only })
    }

    /// What must be proved before `call` may be executed.
    ///
    /// # Errors
    /// [`ApiError`]: `InvalidAction`, or a parameter without which the resource cannot be named.
    pub fn requirement(&self, call: &Call) -> Result<Requirement, ApiError> {
        let action = find(call.service, &call.action).ok_or_else(|| {
            ApiError::invalid_action(&call.action, call.params.get("Version").unwrap_or(""))
        })?;
        if call.service == Service::Iam {
            crate::model::check(&call.action, &call.params)?;
        }
        session_may_call(call)?;
        let state = self.read();
        (action.requirement)(&self.ctx(&state, call)?)
    }

    /// Executes a call that `permit` allows.
    ///
    /// # Errors
    /// [`ApiError`]; nothing was changed then.
    pub async fn execute(&self, permit: &Permit, call: &Call) -> Result<Answer, ApiError> {
        let permitted = permit
            .actions()
            .first()
            .is_some_and(|first| first.action == call.iam_action());
        if !(permitted && Arc::ptr_eq(permit.caller(), &call.caller)) {
            return Err(ApiError::new(
                "ServiceFailure",
                500,
                "The permit is for another call.",
            ));
        }
        let action = find(call.service, &call.action).ok_or_else(|| {
            ApiError::invalid_action(&call.action, call.params.get("Version").unwrap_or(""))
        })?;
        let passwords = self.hash_given(call).await;
        let run = |state: &State| {
            (action.run)(&Ctx {
                passwords: &passwords,
                ..self.ctx(state, call)?
            })
        };
        {
            // Most calls read: they never queue behind a write.
            let outcome = run(&self.read())?;
            if outcome.ops.is_empty() {
                return Ok(outcome.answer);
            }
        }
        let _writing = self.writing.lock().await;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let (outcome, txn) = {
                let state = self.read();
                let outcome = run(&state)?;
                let txn = conditional(&state, outcome.ops.clone());
                (outcome, txn)
            };
            match self.store.commit(txn).await {
                Ok(revision) => {
                    self.apply(&outcome.ops, revision);
                    return Ok(outcome.answer);
                }
                Err(StoreError::Conflict) => self.catch_up().await?,
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::new(
            "ConcurrentModification",
            409,
            "The entity is being changed by another request.",
        ))
    }

    pub(crate) async fn commit(&self, ops: Vec<Op>) -> Result<(), ApiError> {
        let _writing = self.writing.lock().await;
        let txn = conditional(&self.read(), ops.clone());
        let revision = self.store.commit(txn).await?;
        self.apply(&ops, revision);
        Ok(())
    }

    fn apply(&self, ops: &[Op], revision: u64) {
        let mut state = self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for op in ops {
            let applied = match op {
                Op::Put(key, value) => state.apply(key, Some(value), revision),
                Op::Delete(key) => state.apply(key, None, revision),
            };
            if let Err(error) = applied {
                tracing::error!(%error, "a write of our own cannot be read back");
            }
        }
        drop(state);
        self.changes.send_replace(revision);
    }

    /// The store's revision that reads see: grows with every change of any entity.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Another server wrote: take its state over before planning again.
    async fn catch_up(&self) -> Result<(), ApiError> {
        let Listing { revision, entries } = self.store.list(PREFIX).await?;
        let mut fresh = State::default();
        let (accounts, others): (Vec<_>, Vec<_>) = entries
            .into_iter()
            .partition(|entry| entry.key.ends_with("/account/"));
        for entry in accounts.into_iter().chain(others) {
            fresh
                .apply(&entry.key, Some(&entry.value), entry.mod_revision)
                .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))?;
        }
        *self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        self.changes.send_replace(revision);
        Ok(())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, State> {
        // A panic while the lock was held cannot leave a half-applied entity: each is replaced whole.
        self.state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn ctx<'a>(&'a self, state: &'a State, call: &'a Call) -> Result<Ctx<'a>, ApiError> {
        let account = state
            .account(call.caller.account)
            .ok_or_else(|| ApiError::new("InvalidClientTokenId", 403, "The account does not exist."))?;
        Ok(Ctx {
            state,
            account,
            call,
            env: &self.env,
            passwords: &crate::password::NONE_GIVEN,
        })
    }

    /// The policies that bear on `caller` now, and its role's or user's tags.
    #[must_use]
    pub fn policies_for(&self, caller: &Caller) -> (PolicyBundle, Vec<(String, String)>) {
        let state = self.read();
        let Some(account) = state.account(caller.account) else {
            return Default::default();
        };
        self.sessions.bundle(account, caller)
    }

    /// Runs `read` on one account's state.
    pub(crate) fn with_account<T>(
        &self,
        id: AccountId,
        read: impl FnOnce(&State, &AccountState) -> T,
    ) -> Option<T> {
        let state = self.read();
        state.account(id).map(|account| read(&state, account))
    }
}

/// What the credentials themselves forbid, whatever policies say: those of `GetSessionToken` without MFA call no IAM,
/// and of STS nothing but `AssumeRole` and `GetCallerIdentity` ("Compare AWS STS credentials").
fn session_may_call(call: &Call) -> Result<(), ApiError> {
    let session = call.caller.session.as_deref();
    let Some(session) = session.filter(|session| {
        matches!(
            session.principal,
            SessionPrincipal::User { .. } | SessionPrincipal::Root
        )
    }) else {
        return Ok(());
    };
    match (call.service, call.action.as_str()) {
        (Service::Iam, _) if session.mfa_at.is_some() => Ok(()),
        (Service::Iam, _) => Err(ApiError::new(
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid",
        )),
        (Service::Sts, "AssumeRole" | "GetCallerIdentity") | (Service::Ec2, _) => Ok(()),
        (Service::Sts, action) => Err(ApiError::new(
            "AccessDenied",
            403,
            format!("Cannot call {action} with session credentials"),
        )),
    }
}

/// Each key written must stand as the plan saw it.
fn conditional(state: &State, ops: Vec<Op>) -> Txn {
    let compares = ops
        .iter()
        .map(|op| {
            let (Op::Put(key, _) | Op::Delete(key)) = op;
            match state.revisions.get(key) {
                Some(revision) => Compare::ModRevision(key.clone(), *revision),
                None => Compare::Absent(key.clone()),
            }
        })
        .collect();
    Txn { compares, ops }
}

pub(crate) fn new_access_key(
    env: &Environment,
    account: AccountId,
    user: Option<&str>,
    now: UnixSeconds,
) -> Result<(Op, AccessKeyId, Secret), ApiError> {
    let id = user_access_key(account, &*env.entropy);
    let secret = secret_access_key(&*env.entropy);
    let sealed_secret = env
        .keyring
        .root
        .seal(id.as_str(), secret.expose(), &*env.entropy)
        .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))?;
    let stored = AccessKey {
        id: id.clone(),
        account,
        user: user.map(str::to_owned),
        sealed_secret,
        is_active: true,
        created: now,
    };
    Ok((put(access_key_key(account, &id), &stored), id, secret))
}
