//! What only Hallpass has: revocation through a chain of roles, rotation of every key under living sessions, enrolment.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

#[path = "control/ec2.rs"]
mod ec2;

use hallpass_access::{AuthenticationError, Caller, authorize, authorize_assume};
use hallpass_authority::*;
use hallpass_store::{MemoryStore, Progress, Store, follow};
use hallpass_types::{AccessKeyId, Entropy, UnixSeconds};
use hallpass_wire::QueryParams;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*","Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            let number = number.wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ (number >> 31);
            chunk.copy_from_slice(&number.to_le_bytes()[..chunk.len()]);
        }
    }
}

struct House {
    authority: Arc<Authority>,
    admin: Arc<Caller>,
    admin_key: AccessKeyId,
    account: String,
}

type Roots = Arc<Mutex<Vec<[u8; 32]>>>;

async fn open(store: Arc<dyn Store>, roots: &Roots, seed: u64) -> Arc<Authority> {
    let machine = Machine {
        private_ip: "127.0.0.1".into(),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
    };
    let roots = Arc::clone(roots);
    let roots: RootKeys = Box::new(move || roots.lock().unwrap().clone());
    let entropy = Arc::new(Counting(AtomicU64::new(seed)));
    let authority = Authority::open(store, roots, "eu-central-1", machine, entropy).await;
    Arc::new(authority.unwrap())
}

fn roots() -> Roots {
    Arc::new(Mutex::new(vec![[3; 32]]))
}

async fn house_of(authority: Arc<Authority>) -> House {
    let made = authority.bootstrap(NOW).await.unwrap();
    let admin = authority
        .candidate(&made.access_key_id, None, NOW)
        .unwrap()
        .caller;
    authority.ensure_certificate_authority(NOW).await.unwrap();
    House {
        authority,
        admin,
        admin_key: made.access_key_id,
        account: made.account.to_string(),
    }
}

async fn house() -> House {
    house_of(open(Arc::new(MemoryStore::default()), &roots(), 5).await).await
}

impl House {
    async fn call(
        &self,
        caller: &Arc<Caller>,
        service: Service,
        action: &str,
        params: &[(&str, &str)],
        now: UnixSeconds,
    ) -> Result<String, ApiError> {
        let form: Vec<_> = params
            .iter()
            .map(|(name, value)| format!("{name}={}", hallpass_wire::percent_encode(value)))
            .collect();
        let call = Call {
            service,
            action: action.to_owned(),
            params: QueryParams::parse(&form.join("&")).unwrap(),
            caller: Arc::clone(caller),
            now,
        };
        let (bundle, tags) = self.authority.policies_for(caller);
        let context = caller.context(now, &tags);
        let denied = |error: Box<hallpass_access::Denied>| ApiError::new("AccessDenied", 403, error.message);
        let permit = match self.authority.requirement(&call)? {
            Requirement::Actions(actions) => authorize(caller, actions, &context, &bundle).map_err(denied)?,
            Requirement::Trust(actions, trust) => {
                authorize_assume(caller, actions, &context, trust.as_ref(), &bundle).map_err(denied)?
            }
            Requirement::Nothing(_) => panic!("not needed here"),
        };
        Ok(self.authority.execute(&permit, &call).await?.xml)
    }

    async fn admin(&self, service: Service, action: &str, params: &[(&str, &str)]) -> String {
        let admin = &self.admin;
        self.call(admin, service, action, params, NOW)
            .await
            .unwrap_or_else(|error| panic!("{action}: {error}"))
    }

    async fn role(&self, name: &str) {
        let params = [("RoleName", name), ("AssumeRolePolicyDocument", TRUST)];
        self.admin(Service::Iam, "CreateRole", &params).await;
        let params = [
            ("RoleName", name),
            ("PolicyName", "all"),
            ("PolicyDocument", ALLOW),
        ];
        self.admin(Service::Iam, "PutRolePolicy", &params).await;
    }

    /// A session of `role` for `caller`: its key, its token, and the caller it makes.
    async fn assume(&self, caller: &Arc<Caller>, role: &str, now: UnixSeconds) -> Session {
        let arn = format!("arn:aws:iam::{}:role/{role}", self.account);
        let params = [("RoleArn", arn.as_str()), ("RoleSessionName", "me")];
        let xml = self
            .call(caller, Service::Sts, "AssumeRole", &params, now)
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        let id: AccessKeyId = field(&xml, "AccessKeyId").parse().unwrap();
        let token = field(&xml, "SessionToken");
        let caller = self.authority.candidate(&id, Some(&token), now).unwrap().caller;
        Session { id, token, caller }
    }

    fn stands(&self, session: &Session, now: UnixSeconds) -> bool {
        match self.authority.candidate(&session.id, Some(&session.token), now) {
            Ok(_) => true,
            Err(AuthenticationError::Revoked(_)) => false,
            Err(other) => panic!("{other}"),
        }
    }
}

struct Session {
    id: AccessKeyId,
    token: String,
    caller: Arc<Caller>,
}

fn field(xml: &str, name: &str) -> String {
    let (_, rest) = xml
        .split_once(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("{name} in {xml}"));
    rest.split_once("</").unwrap().0.to_owned()
}

#[tokio::test]
async fn a_revoked_session_takes_all_that_came_of_it_and_nothing_else() {
    let house = house().await;
    for role in ["a", "b", "c"] {
        house.role(role).await;
    }
    let first = house.assume(&house.admin, "a", NOW).await;
    let second = house.assume(&first.caller, "b", NOW).await;
    let third = house.assume(&second.caller, "c", NOW).await;
    let other = house.assume(&house.admin, "a", NOW).await;
    house
        .admin(
            Service::Hallpass,
            "RevokeSession",
            &[("AccessKeyId", first.id.as_str())],
        )
        .await;
    for (name, session) in [("first", &first), ("second", &second), ("third", &third)] {
        assert!(!house.stands(session, NOW), "{name}");
    }
    assert!(house.stands(&other, NOW));
}

#[tokio::test]
async fn a_revoked_key_takes_the_sessions_made_with_it_and_is_inactive() {
    let house = house().await;
    house.role("a").await;
    house
        .admin(Service::Iam, "CreateUser", &[("UserName", "ann")])
        .await;
    let params = [
        ("UserName", "ann"),
        ("PolicyName", "all"),
        ("PolicyDocument", ALLOW),
    ];
    house.admin(Service::Iam, "PutUserPolicy", &params).await;
    let xml = house
        .admin(Service::Iam, "CreateAccessKey", &[("UserName", "ann")])
        .await;
    let key: AccessKeyId = field(&xml, "AccessKeyId").parse().unwrap();
    let ann = house.authority.candidate(&key, None, NOW).unwrap().caller;
    let session = house.assume(&ann, "a", NOW).await;
    let deeper = house.assume(&session.caller, "a", NOW).await;
    let other = house.assume(&house.admin, "a", NOW).await;
    house
        .admin(Service::Hallpass, "RevokeUser", &[("UserName", "ann")])
        .await;
    assert!(house.authority.candidate(&key, None, NOW).is_err());
    assert!(!house.stands(&session, NOW) && !house.stands(&deeper, NOW));
    assert!(house.stands(&other, NOW));
    // Made active again by its owner's choice, it makes sessions that stand.
    let params = [
        ("UserName", "ann"),
        ("AccessKeyId", key.as_str()),
        ("Status", "Active"),
    ];
    house.admin(Service::Iam, "UpdateAccessKey", &params).await;
    let ann = house.authority.candidate(&key, None, NOW).unwrap().caller;
    let later = house.assume(&ann, "a", NOW.plus(2)).await;
    assert!(house.stands(&later, NOW.plus(2)));
    assert!(!house.stands(&session, NOW.plus(2)));
}

#[tokio::test]
async fn a_revoked_role_refuses_what_was_issued_before_and_serves_what_comes_after_in_the_same_second() {
    let house = house().await;
    house.role("a").await;
    let before = house.assume(&house.admin, "a", NOW).await;
    house
        .admin(Service::Hallpass, "RevokeRole", &[("RoleName", "a")])
        .await;
    assert!(!house.stands(&before, NOW));
    let after = house.assume(&house.admin, "a", NOW).await;
    assert!(house.stands(&after, NOW));
}

#[tokio::test]
async fn a_servers_identity_shows_no_key() {
    let house = house().await;
    let identity = house
        .authority
        .server_identity("a", &["localhost".to_owned()], NOW)
        .unwrap();
    let shown = format!("{identity:?}");
    assert!(
        !shown.contains(&format!("{:?}", identity.key)) && shown.len() < 200,
        "{shown}"
    );
}

#[tokio::test]
async fn another_accounts_session_is_not_ours_to_revoke() {
    let house = house().await;
    let foreign =
        hallpass_session::session_access_key("210987654321".parse().unwrap(), &Counting(AtomicU64::new(9)));
    let params = [("AccessKeyId", foreign.as_str())];
    let refused = house
        .call(&house.admin, Service::Hallpass, "RevokeSession", &params, NOW)
        .await;
    assert_eq!(refused.unwrap_err().code, "NoSuchEntity");
}

#[tokio::test]
async fn every_key_rotates_under_living_sessions_and_old_ones_go_when_nothing_needs_them() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let roots = roots();
    let house = house_of(open(Arc::clone(&store), &roots, 5).await).await;
    house.role("a").await;
    let old = house.assume(&house.admin, "a", NOW).await;
    for kind in ["epoch", "mint", "secrets", "ca"] {
        let xml = house.admin(Service::Hallpass, "AddKey", &[("Kind", kind)]).await;
        assert_eq!(field(&xml, "Generation"), "2", "{kind}");
        // Known, not used: whoever has not heard of it can still open everything.
        let between = house.assume(&house.admin, "a", NOW).await;
        assert!(house.stands(&between, NOW));
        let params = [("Kind", kind), ("Generation", "2")];
        house.admin(Service::Hallpass, "UseKey", &params).await;
        let new = house.assume(&house.admin, "a", NOW).await;
        assert!(house.stands(&old, NOW) && house.stands(&new, NOW), "{kind}");
    }
    let xml = house.admin(Service::Hallpass, "ResealSecrets", &[]).await;
    assert_eq!(field(&xml, "Left"), "0");
    // The root key: the new one beside the old, then in its place.
    roots.lock().unwrap().push([4; 32]);
    house.admin(Service::Hallpass, "ResealKeyring", &[]).await;
    roots.lock().unwrap().remove(0);
    assert!(house.stands(&old, NOW));
    let again = open(store, &roots, 77).await;
    assert!(again.candidate(&house.admin_key, None, NOW).is_ok());
    assert!(again.candidate(&old.id, Some(&old.token), NOW).is_ok());

    // At once only what no session hangs on goes; after two days all of it, and the sessions are long over.
    house.admin(Service::Hallpass, "RetireKeys", &[]).await;
    assert!(house.stands(&old, NOW));
    let later = NOW.plus(10 * 86_400);
    house
        .call(&house.admin, Service::Hallpass, "RetireKeys", &[], later)
        .await
        .unwrap();
    let xml = house.admin(Service::Hallpass, "DescribeKeys", &[]).await;
    assert_eq!(xml.matches("<Generation>1<").count(), 0, "{xml}");
    assert!(house.authority.candidate(&house.admin_key, None, NOW).is_ok());
    assert!(house.authority.open_token(&old.token).is_err());
}

#[tokio::test]
async fn two_authorities_on_one_store_show_each_others_changes_and_lose_none() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let roots = roots();
    let one = house_of(open(Arc::clone(&store), &roots, 5).await).await;
    let two = House {
        authority: open(Arc::clone(&store), &roots, 99).await,
        admin: Arc::clone(&one.admin),
        admin_key: one.admin_key.clone(),
        account: one.account.clone(),
    };
    let mut following = vec![];
    for house in [&one, &two] {
        let progress = Arc::new(Progress::at(house.authority.revision()));
        house.authority.follows(Arc::clone(&progress));
        following.push(tokio::spawn(follow(
            Arc::clone(&store),
            vec![Arc::clone(&house.authority) as _],
            progress,
        )));
    }
    let names: Vec<String> = (0..20).map(|number| format!("r{number}")).collect();
    for pair in names.chunks(2) {
        tokio::join!(one.role(&pair[0]), two.role(&pair[1]));
    }
    let head = store.head().await.unwrap();
    for house in [&one, &two] {
        let mut changes = house.authority.changes();
        changes.wait_for(|seen| *seen >= head).await.unwrap();
        let listed = house.admin(Service::Iam, "ListRoles", &[]).await;
        for name in &names {
            assert!(listed.contains(&format!("<RoleName>{name}</RoleName>")), "{name}");
        }
    }
    let session = one.assume(&one.admin, "r0", NOW).await;
    assert!(two.stands(&session, NOW), "a token opens everywhere at once");
    one.admin(
        Service::Hallpass,
        "RevokeSession",
        &[("AccessKeyId", session.id.as_str())],
    )
    .await;
    let head = store.head().await.unwrap();
    two.authority
        .changes()
        .wait_for(|seen| *seen >= head)
        .await
        .unwrap();
    assert!(!two.stands(&session, NOW));
    for follower in following {
        follower.abort();
    }
}
