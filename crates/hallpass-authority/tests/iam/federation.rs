//! Sessions that identity providers and brokers bring about.

use crate::house::{House, field};
use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_access::{Caller, CallerKind};
use hallpass_authority::{IdentityKeys, IdentityKeysError};
use hallpass_wire::QueryParams;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const ISSUER: &str = "https://idp.example.org/a";
const ROLE: &str = "role/by-token";

/// A provider that publishes what it is told to, and counts how often it is asked.
#[derive(Default)]
struct Provider {
    publishes: Mutex<Option<String>>,
    asked: AtomicUsize,
}

impl IdentityKeys for Provider {
    fn fetch<'a>(
        &'a self,
        issuer: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<String, IdentityKeysError>> + Send + 'a>> {
        assert_eq!(issuer, ISSUER);
        self.asked.fetch_add(1, Ordering::Relaxed);
        let published = self.publishes.lock().unwrap().clone();
        Box::pin(async move { published.ok_or_else(|| IdentityKeysError("away".to_owned())) })
    }
}

struct Signer {
    id: String,
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    fn new(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        let (x, y) = point[1..].split_at(32);
        let private = pair.private_key().as_be_bytes().unwrap();
        assert_eq!(private.as_ref().len(), 32);
        Self {
            id: id.to_owned(),
            key: EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref()),
            jwk: json!({
                "kty": "EC", "crv": "P-256", "kid": id,
                "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
            }),
        }
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.id.clone()),
            ..Header::new(Algorithm::ES256)
        };
        encode(&header, claims, &self.key).unwrap()
    }
}

/// A house with a provider whose keys are asked of `Provider`, and a role that trusts it.
struct Federated {
    house: House,
    provider: Arc<Provider>,
}

impl Federated {
    async fn new(condition: Value) -> Self {
        let house = House::new().await;
        let provider = Arc::new(Provider::default());
        house
            .authority
            .asks_keys_of(Arc::clone(&provider) as Arc<dyn IdentityKeys>);
        let client_ids = [("Url", ISSUER), ("ClientIDList.member.1", "app")];
        house.done("CreateOpenIDConnectProvider", &client_ids).await;
        let arn = format!("arn:aws:iam::{}:oidc-provider/idp.example.org/a", house.account);
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": { "Federated": arn }, "Condition": condition,
        }] });
        let trust = trust.to_string();
        let role = [("RoleName", "by-token"), ("AssumeRolePolicyDocument", &*trust)];
        house.done("CreateRole", &role).await;
        Self { house, provider }
    }

    fn publish(&self, keys: &[&Signer]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        *self.provider.publishes.lock().unwrap() = Some(json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.provider.asked.load(Ordering::Relaxed)
    }

    /// Claims that are good, changed by `change`.
    fn claims(&self, change: Value) -> Value {
        let now = self.house.now.0;
        let mut claims = json!({ "iss": ISSUER, "aud": "app", "sub": "ann", "iat": now, "exp": now + 600 });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims
    }

    async fn bearer(&self, token: &str) -> Result<Arc<Caller>, String> {
        let arn = format!("arn:aws:iam::{}:{ROLE}", self.house.account);
        let form = format!("WebIdentityToken={token}&RoleArn={arn}&RoleSessionName=session");
        let params = QueryParams::parse(&form).unwrap();
        let caller = self.house.authority.web_identity(&params, self.house.now).await;
        caller.map_err(|error| error.code.to_owned())
    }

    async fn assume(&self, caller: &Arc<Caller>) -> Result<String, String> {
        let arn = format!("arn:aws:iam::{}:{ROLE}", self.house.account);
        let params = [
            ("RoleArn", &*arn),
            ("RoleSessionName", "session"),
            ("WebIdentityToken", "proved before"),
        ];
        let answer = self
            .house
            .call_as(caller, "AssumeRoleWithWebIdentity", &params)
            .await;
        answer.map_err(|error| error.code.to_owned())
    }
}

#[tokio::test]
async fn a_token_is_judged_by_the_clock_it_is_shown_at() {
    let mut it = Federated::new(json!({})).await;
    let key = Signer::new("one");
    it.publish(&[&key]);
    let token = key.sign(&it.claims(json!({})));
    it.bearer(&token).await.unwrap();
    let start = it.house.now;
    it.house.now = start.plus(-61);
    assert_eq!(it.bearer(&token).await.unwrap_err(), "InvalidIdentityToken");
    it.house.now = start.plus(-60);
    it.bearer(&token).await.unwrap();
    it.house.now = start.plus(659);
    it.bearer(&token).await.unwrap();
    it.house.now = start.plus(660);
    assert_eq!(it.bearer(&token).await.unwrap_err(), "ExpiredTokenException");
}

#[tokio::test]
async fn keys_are_asked_for_when_they_are_old_and_seldom_when_one_is_not_among_them() {
    let mut it = Federated::new(json!({})).await;
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let start = it.house.now;
    let forever = json!({ "exp": start.0 + 86_400 });
    let (first, second) = (
        one.sign(&it.claims(forever.clone())),
        two.sign(&it.claims(forever)),
    );
    assert_eq!(it.bearer(&first).await.unwrap_err(), "IDPCommunicationError");
    it.publish(&[&one]);
    // It was away a moment ago, and is left alone.
    assert_eq!(it.bearer(&first).await.unwrap_err(), "IDPCommunicationError");
    assert_eq!(it.asked(), 1);
    it.house.now = start.plus(5);
    it.bearer(&first).await.unwrap();
    assert_eq!(it.asked(), 2);
    // The keys change; the new one is unknown until it may be asked for again.
    it.publish(&[&two]);
    assert_eq!(it.bearer(&second).await.unwrap_err(), "InvalidIdentityToken");
    it.house.now = start.plus(64);
    assert_eq!(it.bearer(&second).await.unwrap_err(), "InvalidIdentityToken");
    assert_eq!(it.asked(), 2);
    it.house.now = start.plus(65);
    it.bearer(&second).await.unwrap();
    assert_eq!(it.bearer(&first).await.unwrap_err(), "InvalidIdentityToken");
    assert_eq!(it.asked(), 3);
    // Away again: what is known stays good for five minutes, a stranger's key or not.
    *it.provider.publishes.lock().unwrap() = None;
    it.house.now = start.plus(65 + 299);
    assert_eq!(it.bearer(&first).await.unwrap_err(), "IDPCommunicationError");
    it.bearer(&second).await.unwrap();
    it.house.now = start.plus(65 + 300);
    assert_eq!(it.bearer(&second).await.unwrap_err(), "IDPCommunicationError");
}

#[tokio::test]
async fn a_key_says_itself_what_is_signed_with_it() {
    let it = Federated::new(json!({})).await;
    let mut key = Signer::new("one");
    let token = key.sign(&it.claims(json!({})));
    for (member, value) in [("use", "enc"), ("alg", "ES384"), ("kty", "oct"), ("crv", "P-384")] {
        let it = Federated::new(json!({})).await;
        let before = std::mem::replace(&mut key.jwk[member], json!(value));
        it.publish(&[&key]);
        let refused = it.bearer(&token).await.unwrap_err();
        assert_eq!(refused, "InvalidIdentityToken", "{member}");
        key.jwk[member] = before;
        if key.jwk[member].is_null() {
            key.jwk.as_object_mut().unwrap().remove(member);
        }
    }
    it.publish(&[&key]);
    it.bearer(&token).await.unwrap();
    // Another's key under the same name.
    assert_eq!(
        it.bearer(&Signer::new("one").sign(&it.claims(json!({}))))
            .await
            .unwrap_err(),
        "InvalidIdentityToken"
    );
}

#[tokio::test]
async fn a_set_of_too_many_keys_is_refused() {
    let it = Federated::new(json!({})).await;
    let key = Signer::new("one");
    it.publish(&vec![&key; 101]);
    let token = key.sign(&it.claims(json!({})));
    assert_eq!(it.bearer(&token).await.unwrap_err(), "InvalidIdentityToken");
}

#[tokio::test]
async fn the_trust_policy_sees_the_claims_and_never_one_for_another() {
    let condition = json!({ "StringEquals": {
        "idp.example.org/a:sub": "ann", "idp.example.org/a:aud": "app", "sts:RoleSessionName": "session",
    } });
    let it = Federated::new(condition).await;
    let key = Signer::new("one");
    it.publish(&[&key]);
    let bearer = it.bearer(&key.sign(&it.claims(json!({})))).await.unwrap();
    let CallerKind::WebIdentity(identity) = &bearer.kind else {
        panic!("{:?}", bearer.kind)
    };
    assert_eq!((&*identity.subject, &*identity.audience), ("ann", "app"));
    let xml = it.assume(&bearer).await.unwrap();
    assert_eq!(field(&xml, "SubjectFromWebIdentityToken"), "ann");

    for (change, code) in [
        (json!({ "SUB": "ann", "sub": "bob" }), "InvalidIdentityToken"),
        (json!({ "azp": "stranger" }), "InvalidIdentityToken"),
        (json!({ "aud": ["x", "y"] }), "InvalidIdentityToken"),
        (json!({ "aud": 7 }), "InvalidIdentityToken"),
        (json!({ "sub": "" }), "InvalidIdentityToken"),
        (json!({ "exp": "soon" }), "InvalidIdentityToken"),
        (
            json!({ "https://aws.amazon.com/source_identity": "a b" }),
            "IDPRejectedClaim",
        ),
        (
            json!({ "https://aws.amazon.com/tags": { "principal_tags": { "aws:x": ["1"] } } }),
            "IDPRejectedClaim",
        ),
        (
            json!({ "https://aws.amazon.com/tags": { "transitive_tag_keys": ["none"] } }),
            "IDPRejectedClaim",
        ),
    ] {
        let refused = it
            .bearer(&key.sign(&it.claims(change.clone())))
            .await
            .unwrap_err();
        assert_eq!(refused, code, "{change}");
    }
    let bob = it
        .bearer(&key.sign(&it.claims(json!({ "sub": "bob" }))))
        .await
        .unwrap();
    assert_eq!(it.assume(&bob).await.unwrap_err(), "AccessDenied");
    // One of several audiences, and a party that stands before them.
    for change in [
        json!({ "aud": ["x", "app"] }),
        json!({ "aud": "x", "azp": "app" }),
    ] {
        let bearer = it.bearer(&key.sign(&it.claims(change))).await.unwrap();
        it.assume(&bearer).await.unwrap();
    }
    // Nobody but a bearer calls it.
    let admin = Arc::clone(&it.house.admin);
    assert_eq!(it.assume(&admin).await.unwrap_err(), "AccessDenied");
}

#[tokio::test]
async fn urls_of_providers() {
    let house = House::new().await;
    for bad in [
        "http://idp.example.org",
        "http://127.0.0.1.example.org:80",
        "https://aws",
        "https://idp.example.org:",
        "https://idp.example.org:0443",
        "https://idp.example.org:99999",
        "https://idp.example.org/a?b",
        "https://ann@idp.example.org",
        "ftp://idp.example.org",
    ] {
        assert_eq!(
            house
                .refused("CreateOpenIDConnectProvider", &[("Url", bad)])
                .await,
            "ValidationError",
            "{bad}"
        );
    }
    for good in [
        "https://idp.example.org:8443/a",
        "http://127.0.0.1:8080",
        "http://localhost:1",
    ] {
        house.done("CreateOpenIDConnectProvider", &[("Url", good)]).await;
    }
}

#[tokio::test]
async fn a_federated_user_has_what_both_allow_and_calls_no_iam() {
    let mut house = House::new().await;
    let user = house.user("broker").await;
    let may = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": ["sts:GetFederationToken", "iam:*"], "Resource": "*" }] });
    let may = may.to_string();
    let inline = [
        ("UserName", "broker"),
        ("PolicyName", "p"),
        ("PolicyDocument", &*may),
    ];
    house.done("PutUserPolicy", &inline).await;
    let named = [("Name", "ann"), ("Policy", &*may), ("DurationSeconds", "900")];
    let xml = house.call_as(&user, "GetFederationToken", &named).await.unwrap();
    assert_eq!(field(&xml, "FederatedUserId"), format!("{}:ann", house.account));
    let (key, token) = (field(&xml, "AccessKeyId"), field(&xml, "SessionToken"));
    let ann = house.caller(&key, Some(&token));
    assert_eq!(
        ann.principal.arn,
        format!("arn:aws:sts::{}:federated-user/ann", house.account)
    );
    assert_eq!(
        ann.context(house.now, &[]).get("aws:userid").unwrap().values(),
        [format!("{}:ann", house.account)]
    );
    let refused = |result: Result<String, hallpass_authority::ApiError>| result.unwrap_err().code;
    assert_eq!(
        refused(house.call_as(&ann, "ListUsers", &[]).await),
        "InvalidClientTokenId"
    );
    house.call_as(&ann, "GetCallerIdentity", &[]).await.unwrap();
    for action in ["GetFederationToken", "GetSessionToken", "AssumeRole"] {
        let refused = refused(house.call_as(&ann, action, &named).await);
        assert_eq!(refused, "AccessDenied", "{action}");
    }
    for (params, code) in [
        ([("Name", "a"), ("DurationSeconds", "900")], "ValidationError"),
        ([("Name", "a b"), ("DurationSeconds", "900")], "ValidationError"),
        ([("Name", "ann"), ("DurationSeconds", "899")], "ValidationError"),
        (
            [("Name", "ann"), ("DurationSeconds", "129601")],
            "ValidationError",
        ),
    ] {
        assert_eq!(
            refused(house.call_as(&user, "GetFederationToken", &params).await),
            code
        );
    }
    // What rests on the user goes with it.
    house.now = house.now.plus(1);
    house.done("DeleteUserPolicy", &inline[..2]).await;
    let own = user.access_key_id.as_ref().unwrap().to_string();
    house
        .done(
            "DeleteAccessKey",
            &[("UserName", "broker"), ("AccessKeyId", &own)],
        )
        .await;
    house.done("DeleteUser", &[("UserName", "broker")]).await;
    let id = key.parse().unwrap();
    house
        .authority
        .candidate(&id, Some(&token), house.now)
        .unwrap_err();
}

#[tokio::test]
async fn a_sealed_refusal_opens_for_its_account_and_not_for_ever() {
    let mut house = House::new().await;
    let account = house.account.parse().unwrap();
    let other = "999999999999".parse().unwrap();
    let seal = |account| {
        house
            .authority
            .encoded_denial(account, "{\"why\":1}", house.now)
            .unwrap()
    };
    let (own, foreign) = (seal(account), seal(other));
    assert!(
        house
            .authority
            .encoded_denial(account, &"x".repeat(9_000), house.now)
            .is_none()
    );
    let xml = house
        .done("DecodeAuthorizationMessage", &[("EncodedMessage", &own)])
        .await;
    assert_eq!(field(&xml, "DecodedMessage"), "{&quot;why&quot;:1}");
    let mut altered = own.clone().into_bytes();
    altered[20] ^= 1;
    let altered = String::from_utf8(altered).unwrap();
    for message in [&foreign, &altered, "x", "1.AAAA"] {
        assert_eq!(
            house
                .refused("DecodeAuthorizationMessage", &[("EncodedMessage", message)])
                .await,
            "InvalidAuthorizationMessageException"
        );
    }
    house.now = house.now.plus(6 * 3_600 - 1);
    house
        .done("DecodeAuthorizationMessage", &[("EncodedMessage", &own)])
        .await;
    house.now = house.now.plus(1);
    assert_eq!(
        house
            .refused("DecodeAuthorizationMessage", &[("EncodedMessage", &own)])
            .await,
        "InvalidAuthorizationMessageException"
    );
}
