use hallpass_access::{Caller, Permit, PolicyBundle, authorize, authorize_assume};
use hallpass_authority::*;
use hallpass_policy::Context;
use hallpass_store::{MemoryStore, Store};
use hallpass_types::{AccessKeyId, Entropy, UnixSeconds};
use hallpass_wire::{QueryParams, percent_encode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) const START: UnixSeconds = UnixSeconds(1_800_000_000);

struct Seeded(AtomicU64);

impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            *byte = ((state ^ (state >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8;
        }
    }
}

/// An authority with one account and its administrator.
pub(crate) struct House {
    pub(crate) authority: Authority,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) admin: Arc<Caller>,
    pub(crate) account: String,
    pub(crate) now: UnixSeconds,
}

async fn open(store: Arc<dyn Store>, seed: u64) -> Authority {
    let machine = Machine {
        private_ip: "127.0.0.1".into(),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let entropy = Arc::new(Seeded(AtomicU64::new(seed)));
    Authority::open(
        store,
        Box::new(|| vec![[3; 32]]),
        "eu-central-1",
        machine,
        entropy,
    )
    .await
    .unwrap()
}

impl House {
    pub(crate) async fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
        let authority = open(Arc::clone(&store), 5).await;
        let made = authority.bootstrap(START).await.unwrap();
        let admin = authority
            .candidate(&made.access_key_id, None, START)
            .unwrap()
            .caller;
        Self {
            authority,
            store,
            admin,
            account: made.account.to_string(),
            now: START,
        }
    }

    /// Another authority over the same store: what a restart, or a second server, sees.
    pub(crate) async fn again(&self) -> Self {
        Self {
            authority: open(Arc::clone(&self.store), 99).await,
            store: Arc::clone(&self.store),
            admin: Arc::clone(&self.admin),
            account: self.account.clone(),
            now: self.now,
        }
    }

    pub(crate) async fn call_as(
        &self,
        caller: &Arc<Caller>,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let service = match action {
            "GetCallerIdentity"
            | "AssumeRole"
            | "GetSessionToken"
            | "AssumeRoleWithWebIdentity"
            | "AssumeRoleWithSAML"
            | "GetFederationToken"
            | "DecodeAuthorizationMessage" => Service::Sts,
            _ => Service::Iam,
        };
        let form = params
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value)));
        let call = Call {
            service,
            action: action.into(),
            params: QueryParams::parse(&form.collect::<Vec<_>>().join("&")).unwrap(),
            caller: Arc::clone(caller),
            now: self.now,
        };
        let (bundle, tags) = self.authority.policies_for(caller);
        let context = caller.context(self.now, &tags);
        let permit = self.permit(&call, &bundle, &context)?;
        self.authority
            .execute(&permit, &call)
            .await
            .map(|answer| answer.xml)
    }

    fn permit(&self, call: &Call, bundle: &PolicyBundle, context: &Context) -> Result<Permit, ApiError> {
        let denied =
            |denied: Box<hallpass_access::Denied>| ApiError::new("AccessDenied", 403, denied.message);
        match self.authority.requirement(call)? {
            Requirement::Actions(actions) => {
                authorize(&call.caller, actions, context, bundle).map_err(denied)
            }
            Requirement::Trust(actions, trust) => {
                authorize_assume(&call.caller, actions, context, trust.as_ref(), bundle).map_err(denied)
            }
            Requirement::Nothing(source) => {
                let caller = Arc::clone(&call.caller);
                Ok(Permit::unconditional(caller, &call.iam_action(), source))
            }
        }
    }

    pub(crate) async fn call(&self, action: &str, params: &[(&str, &str)]) -> Result<String, ApiError> {
        self.call_as(&self.admin, action, params).await
    }

    pub(crate) async fn done(&self, action: &str, params: &[(&str, &str)]) -> String {
        self.call(action, params)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    pub(crate) async fn refused(&self, action: &str, params: &[(&str, &str)]) -> String {
        self.call(action, params).await.unwrap_err().code.to_owned()
    }

    /// A user without policies, and its caller.
    pub(crate) async fn user(&self, name: &str) -> Arc<Caller> {
        self.done("CreateUser", &[("UserName", name)]).await;
        let xml = self.done("CreateAccessKey", &[("UserName", name)]).await;
        self.caller(&field(&xml, "AccessKeyId"), None)
    }

    pub(crate) fn caller(&self, key: &str, token: Option<&str>) -> Arc<Caller> {
        let id: AccessKeyId = key.parse().unwrap();
        self.authority.candidate(&id, token, self.now).unwrap().caller
    }

    /// Whether policy lets `caller` list users, and the reason.
    pub(crate) async fn may_list_users(&self, caller: &Arc<Caller>) -> bool {
        self.call_as(caller, "ListUsers", &[]).await.is_ok()
    }
}

pub(crate) fn field(xml: &str, name: &str) -> String {
    let open = format!("<{name}>");
    let start = xml.find(&open).unwrap_or_else(|| panic!("no {name} in {xml}")) + open.len();
    let length = xml[start..].find('<').unwrap();
    xml[start..start + length].to_owned()
}
