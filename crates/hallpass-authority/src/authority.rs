//! The authority itself: snapshot, store and keys together.

use crate::account::AccountState;
use crate::bundle::SessionPolicies;
use crate::call::{Ctx, find};
use crate::control::Exports;
use crate::entity::{AccessKey, Account};
use crate::federation::KeyCache;
use crate::fleet::{Fleet, confirmations_xml};
use crate::keyring::{Keyring, KeyringError, RootKey, StoredKeyring};
use crate::state::{ApplyError, PREFIX, State, access_key_key, key, put};
use crate::waiting::Waiting;
use crate::{ActionInfo, Answer, ApiError, Call, Requirement, Service};
use hallpass_access::{Caller, Candidate, Permit, PolicyBundle};
use hallpass_secret::Secret;
use hallpass_session::{SessionPrincipal, secret_access_key, user_access_key};
use hallpass_store::backup::RESTORING_KEY;
use hallpass_store::{Compare, Listing, Op, Progress, Store, StoreError, Txn};
use hallpass_types::{AccessKeyId, AccountId, Entropy, UnixSeconds};
use quick_cache::sync::Cache;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

pub(crate) const KEYRING_KEY: &str = "v1/system/keyring";
const FIRST_ACCOUNT_KEY: &str = "v1/system/first-account";
/// A write that finds the state changed under it starts over, this many times.
const CONFLICT_RETRIES_MAX: usize = 50;
/// For a write of ours to come back from a store that others write to as well.
const OWN_WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Long-term keys whose owners are kept: what a request needs to know of one is not made anew for each.
const KEY_OWNERS_MAX: usize = 4_096;
/// A system opened for the first time makes its keys then; the instant only tells their age.
const FIRST_KEYS_MADE: UnixSeconds = UnixSeconds(0);

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
    keyring: RwLock<Arc<Keyring>>,
    roots: RootKeys,
    /// Wrong MFA codes of late.
    pub(crate) guesses: crate::totp::Guesses,
    pub(crate) last_used: crate::last_used::LastUsed,
    /// Where the API is reached, without a slash at its end.
    pub(crate) public_url: OnceLock<String>,
}

impl Environment {
    /// The keys as they are now; they rotate while the authority runs.
    pub(crate) fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The root key that was put in place last.
    pub(crate) fn newest_root(&self) -> Result<RootKey, KeyringError> {
        (self.roots)()
            .last()
            .map_or(Err(KeyringError::Open), RootKey::from_bytes)
    }
}

/// Where the root key comes from: asked at the start and whenever the keyring is sealed under another one, so that a root
/// key can be replaced under a running server. The first that fits is used.
pub type RootKeys = Box<dyn Fn() -> Vec<[u8; 32]> + Send + Sync>;

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
    pub(crate) store: Arc<dyn Store>,
    state: RwLock<State>,
    /// Whose the long-term keys in use are. Filled only by who may read `state`, and emptied by whoever changes it: no
    /// entry is older than the state, and no secret outlives its key.
    pub(crate) key_owners: Cache<AccessKeyId, Candidate>,
    sessions: SessionPolicies,
    /// One write at a time in this process: plan, commit, apply.
    writing: tokio::sync::Mutex<()>,
    /// The store's revision that `state` shows; told whenever it moves on.
    changes: tokio::sync::watch::Sender<u64>,
    pub(crate) waiting: Waiting,
    /// Where others write to the store too: the follower that brings their writes brings ours as well, in order.
    progress: OnceLock<Arc<Progress>>,
    fleet: OnceLock<Arc<dyn Fleet>>,
    exports: Exports,
    pub(crate) identity_keys: KeyCache,
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
        roots: RootKeys,
        region: &str,
        machine: Machine,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenAuthorityError> {
        let keyring = match store.get(KEYRING_KEY).await? {
            Some(stored) => open_keyring(&roots, &stored.value)?,
            None => {
                let root = roots()
                    .first()
                    .map(RootKey::from_bytes)
                    .ok_or(KeyringError::Open)??;
                let stored = StoredKeyring::generate(&root, &*entropy, FIRST_KEYS_MADE)?;
                let txn = Txn {
                    compares: vec![Compare::Absent(KEYRING_KEY.to_owned())],
                    ops: vec![put(KEYRING_KEY.to_owned(), &stored)],
                };
                match store.commit(txn).await {
                    Ok(_) => Keyring::open(root, stored)?,
                    // Another server of the fleet was first.
                    Err(StoreError::Conflict) => {
                        let stored = store.get(KEYRING_KEY).await?.ok_or(StoreError::Conflict)?;
                        open_keyring(&roots, &stored.value)?
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let listing = store.list(PREFIX).await?;
        if listing.entries.iter().any(|entry| entry.key == RESTORING_KEY) {
            return Err(OpenAuthorityError::Entity(
                "a restoration of this store broke off: empty it, and bring the backup back again".to_owned(),
            ));
        }
        let state = State::of(&listing)?;
        let revision = listing.revision;
        Ok(Self {
            env: Environment {
                region: region.to_owned(),
                machine,
                entropy,
                keyring: RwLock::new(Arc::new(keyring)),
                roots,
                guesses: Default::default(),
                last_used: Default::default(),
                public_url: OnceLock::new(),
            },
            store,
            state: RwLock::new(state),
            key_owners: Cache::new(KEY_OWNERS_MAX),
            sessions: SessionPolicies::new(),
            writing: tokio::sync::Mutex::new(()),
            changes: tokio::sync::watch::Sender::new(revision),
            waiting: Waiting::new(),
            progress: OnceLock::new(),
            fleet: OnceLock::new(),
            exports: Exports::default(),
            identity_keys: KeyCache::default(),
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

    /// The account that was there first. A store from before that was written down tells it of an only account.
    #[must_use]
    pub fn first_account(&self) -> Option<AccountId> {
        self.read().first_account()
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
        self.bootstrap_kept(now, |_| Ok(())).await
    }

    /// The same; `keep` puts the key where it outlives this process, before anything is made: a key that was made and not
    /// kept would lock everybody out.
    ///
    /// # Errors
    /// [`ApiError`] of `keep`, or when the store refuses; nothing was made then.
    pub async fn bootstrap_kept(
        &self,
        now: UnixSeconds,
        keep: impl FnOnce(&Bootstrap) -> Result<(), ApiError> + Send,
    ) -> Result<Bootstrap, ApiError> {
        let entropy = &*self.env.entropy;
        let mut random = [0u8; 8];
        entropy.fill(&mut random);
        // Twelve digits, the first not zero, as AWS hands them out.
        let number = 100_000_000_000 + u64::from_be_bytes(random) % 900_000_000_000;
        let account =
            AccountId::from_number(number).map_err(|error| ApiError::validation(error.to_string()))?;
        let user = crate::entity::User {
            revoked_before: None,
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
            // Of several servers that start at once on an empty store, one makes the account.
            Op::Put(FIRST_ACCOUNT_KEY.to_owned(), account.to_string().into()),
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
        let made = Bootstrap {
            account,
            access_key_id,
            secret,
        };
        keep(&made)?;
        self.commit(ops).await?;
        Ok(made)
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
        let read_only = ["Get", "List", "Describe", "Simulate", "Decode"]
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
        session_may_call(call)?;
        crate::model::check(call.service, &call.action, &call.params)?;
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
        if call.service == Service::Hallpass && call.action == "ExportState" {
            return self.exports.page(&*self.store, call).await;
        }
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
        let (mut answer, confirmed) = self
            .change(|state| {
                let outcome = run(state)?;
                Ok(((outcome.answer, outcome.confirmed), outcome.ops))
            })
            .await?;
        if let Some(fleet) = self.fleet.get().filter(|fleet| confirmed || fleet.confirms_all()) {
            let confirmations = fleet.confirm(self.revision()).await;
            if confirmed {
                answer.xml.push_str(&confirmations_xml(&confirmations));
            }
        }
        Ok(answer)
    }

    /// From now on other servers answer for the same store, and `fleet` asks them how far they are.
    pub fn join(&self, fleet: Arc<dyn Fleet>) {
        // Set once; a second fleet would be another one.
        let _ = self.fleet.set(fleet);
    }

    pub(crate) async fn commit(&self, ops: Vec<Op>) -> Result<(), ApiError> {
        let _writing = self.writing.lock().await;
        let txn = conditional(&self.read(), ops);
        self.commit_and_show(txn).await?;
        Ok(())
    }

    /// Plans on the state as it is, commits, and plans anew when somebody else was quicker. A plan without writes is done.
    pub(crate) async fn change<T>(
        &self,
        plan: impl Fn(&State) -> Result<(T, Vec<Op>), ApiError>,
    ) -> Result<T, ApiError> {
        let _writing = self.writing.lock().await;
        for _ in 0..CONFLICT_RETRIES_MAX {
            let (planned, txn) = {
                let state = self.read();
                let (planned, ops) = plan(&state)?;
                if ops.is_empty() {
                    return Ok(planned);
                }
                (planned, conditional(&state, ops))
            };
            match self.commit_and_show(txn).await {
                Ok(()) => return Ok(planned),
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

    /// Returns once the write is durable and the state shows it.
    async fn commit_and_show(&self, txn: Txn) -> Result<(), StoreError> {
        let ops = txn.ops.clone();
        let revision = self.store.commit(txn).await?;
        match self.progress.get() {
            None => self.show(
                revision,
                ops.iter().map(|op| match op {
                    Op::Put(key, value) => (key.as_str(), Some(value.as_slice())),
                    Op::Delete(key) => (key.as_str(), None),
                }),
            ),
            Some(progress) => {
                if !progress.reached(revision, OWN_WRITE_TIMEOUT).await {
                    return Err(StoreError::Io(
                        "the change was made, but does not come back from the store".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Takes changes over into the state.
    pub(crate) fn show<'a>(&self, revision: u64, changes: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.key_owners.clear();
        let mut told = vec![];
        for (key, value) in changes.filter(|(key, _)| key.starts_with(PREFIX)) {
            told.push(key);
            if let (KEYRING_KEY, Some(value)) = (key, value) {
                self.show_keyring(value);
            }
            if let Err(error) = state.apply(key, value, revision) {
                tracing::error!(%error, "a change cannot be read");
            }
        }
        state.tree.settle();
        drop(state);
        self.changes.send_replace(revision);
        for key in told {
            self.waiting.tell(key);
        }
    }

    /// Takes the whole state over from a listing.
    pub(crate) fn show_all(&self, listing: &Listing) -> Result<(), ApplyError> {
        let fresh = State::of(listing)?;
        if let Some(stored) = listing.entries.iter().find(|entry| entry.key == KEYRING_KEY) {
            self.show_keyring(&stored.value);
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        self.key_owners.clear();
        *state = fresh;
        drop(state);
        self.changes.send_replace(listing.revision);
        self.waiting.tell_everyone();
        Ok(())
    }

    fn show_keyring(&self, stored: &[u8]) {
        match open_keyring(&self.env.roots, stored) {
            Ok(keyring) => {
                *self.env.keyring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keyring);
            }
            // The keys known so far stay good for what was sealed with them.
            Err(error) => {
                tracing::error!(%error, "the new keyring cannot be opened: is the new root key in place?")
            }
        }
    }

    /// From now on others write to the store as well, and `progress` tells how far the state follows it.
    pub fn follows(&self, progress: Arc<Progress>) {
        // Set once; a second call would be a second follower.
        let _ = self.progress.set(progress);
    }

    /// The store's revision that reads see: grows with every change of any entity.
    #[must_use]
    pub fn revision(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Another server wrote: take its state over before planning again.
    async fn catch_up(&self) -> Result<(), ApiError> {
        let failed = |error: &dyn std::fmt::Display| ApiError::new("ServiceFailure", 500, error.to_string());
        if let Some(progress) = self.progress.get() {
            let head = self.store.head().await?;
            return match progress.reached(head, OWN_WRITE_TIMEOUT).await {
                true => Ok(()),
                false => Err(failed(&"the state does not follow the store")),
            };
        }
        let listing = self.store.list(PREFIX).await?;
        self.show_all(&listing).map_err(|error| failed(&error))
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
        let (mut bundle, tags) = self.sessions.bundle(account, caller);
        bundle.service_control = state.tree.levels(caller.account);
        bundle.organization = state.tree.place(caller.account);
        (bundle, tags)
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
/// and of STS nothing but `AssumeRole` and `GetCallerIdentity`; those of `GetFederationToken` call no IAM at all, and of
/// STS nothing but `GetCallerIdentity` ("Compare AWS STS credentials").
fn session_may_call(call: &Call) -> Result<(), ApiError> {
    let Some(session) = call.caller.session.as_deref() else {
        return Ok(());
    };
    let is_federated = match &session.principal {
        SessionPrincipal::AssumedRole { .. } => return Ok(()),
        SessionPrincipal::FederatedUser { .. } => true,
        SessionPrincipal::User { .. } | SessionPrincipal::Root => false,
    };
    match (call.service, call.action.as_str()) {
        (Service::Iam, _) if session.mfa_at.is_some() && !is_federated => Ok(()),
        (Service::Iam, _) => Err(ApiError::new(
            "InvalidClientTokenId",
            403,
            "The security token included in the request is invalid",
        )),
        (Service::Sts, "AssumeRole") if !is_federated => Ok(()),
        (Service::Sts, "GetCallerIdentity") | (Service::Ec2 | Service::Hallpass, _) => Ok(()),
        (Service::Sts, action) => Err(ApiError::new(
            "AccessDenied",
            403,
            format!("Cannot call {action} with session credentials"),
        )),
    }
}

/// The keyring in its stored form, by whichever root key opens it.
fn open_keyring(roots: &RootKeys, stored: &[u8]) -> Result<Keyring, OpenAuthorityError> {
    let stored: StoredKeyring = serde_json::from_slice(stored)
        .map_err(|error| OpenAuthorityError::Entity(format!("the stored keyring: {error}")))?;
    for root in roots() {
        if let Ok(keyring) = Keyring::open(RootKey::from_bytes(&root)?, stored.clone()) {
            return Ok(keyring);
        }
    }
    Err(KeyringError::Open.into())
}

/// Each key written must stand as the plan saw it, and nothing else of its account may have been written since: a plan
/// reads more than it writes.
pub(crate) fn conditional(state: &State, mut ops: Vec<Op>) -> Txn {
    let accounts: BTreeSet<String> = ops.iter().filter_map(|op| writes_key(op_key(op))).collect();
    ops.extend(accounts.into_iter().map(|key| Op::Put(key, vec![])));
    let compares = ops
        .iter()
        .map(|op| {
            let key = op_key(op);
            match state.revisions.get(key) {
                Some(revision) => Compare::ModRevision(key.to_owned(), *revision),
                None => Compare::Absent(key.to_owned()),
            }
        })
        .collect();
    Txn { compares, ops }
}

fn op_key(op: &Op) -> &str {
    let (Op::Put(key, _) | Op::Delete(key)) = op;
    key
}

/// The key that every write of the same account writes too.
fn writes_key(key: &str) -> Option<String> {
    let account = key.strip_prefix(PREFIX)?.split('/').next()?;
    Some(format!("{PREFIX}{account}/write/"))
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
        .keyring()
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
