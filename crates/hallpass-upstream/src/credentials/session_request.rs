//! What is asked of a token service for one caller, so that the cloud's own log names it.

use crate::error::UpstreamError;
use hallpass_access::{Caller, CallerKind};
use hallpass_session::SessionPrincipal;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// `RoleSessionName` is `[\w+=,.@-]{2,64}` (STS API Reference, "AssumeRole").
const NAME_MAX: usize = 64;
const NAME_MIN: usize = 2;
/// Hexadecimal digits that tell apart names which look alike after being cut.
const HASH_DIGITS: usize = 16;
/// The name of the one session that serves all.
const SHARED_NAME: &str = "hallpass";
/// Stands for the caller's role in a role's ARN.
pub(super) const ROLE: &str = "{role}";

/// One session: callers for whom this is equal share it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionRequest {
    /// Whose it is here; empty when it is not one caller's.
    pub(super) principal: String,
    pub(super) role_arn: String,
    pub(super) session_name: String,
    pub(super) source_identity: Option<String>,
    /// By key.
    pub(super) tags: Vec<(String, String)>,
}

impl SessionRequest {
    /// The session for `caller` of the role `role_arn`, in which `{role}` stands for the caller's role.
    ///
    /// # Errors
    /// 403 for a caller without a role where the ARN asks for one.
    pub(super) fn new(role_arn: &str, caller: &Caller, per_caller: bool) -> Result<Self, UpstreamError> {
        let mut request = Self {
            principal: String::new(),
            role_arn: role_arn.to_owned(),
            session_name: SHARED_NAME.to_owned(),
            source_identity: None,
            tags: vec![],
        };
        if role_arn.contains(ROLE) {
            let CallerKind::Role { name } = &caller.kind else {
                return Err(UpstreamError::new(
                    "AccessDenied",
                    403,
                    "No role of the upstream is meant for you.",
                ));
            };
            request.role_arn = role_arn.replace(ROLE, name);
        }
        if per_caller {
            let (principal, session_name) = names(caller);
            request.principal = principal;
            request.session_name = valid_name(&session_name);
            if let Some(session) = &caller.session {
                request.source_identity.clone_from(&session.source_identity);
                request.tags = session
                    .tags
                    .iter()
                    .map(|tag| (tag.key.clone(), tag.value.clone()))
                    .collect();
                request.tags.sort_unstable();
            }
        }
        Ok(request)
    }

    /// The one session for all, where nothing depends on the caller.
    pub(super) fn shared(role_arn: &str) -> Self {
        Self {
            principal: String::new(),
            role_arn: role_arn.to_owned(),
            session_name: SHARED_NAME.to_owned(),
            source_identity: None,
            tags: vec![],
        }
    }

    /// The same without what a web identity's token decides.
    pub(super) fn for_web_identity(self) -> Self {
        Self {
            source_identity: None,
            tags: vec![],
            ..self
        }
    }
}

/// Who a caller is here, and what its session shall be called there.
fn names(caller: &Caller) -> (String, String) {
    let account = caller.account;
    match &caller.kind {
        CallerKind::Role { name } => {
            let session = caller.session.as_ref().map(|session| &session.principal);
            let session = match session {
                Some(SessionPrincipal::AssumedRole { session_name, .. }) => session_name.clone(),
                _ => name.clone(),
            };
            (format!("{account}:role/{name}"), session)
        }
        CallerKind::User { name } => (format!("{account}:user/{name}"), name.clone()),
        CallerKind::Root => (format!("{account}:root"), "root".to_owned()),
        CallerKind::FederatedUser { .. } => {
            let (_, name) = caller.user_id.split_once(':').unwrap_or(("", &caller.user_id));
            (format!("{account}:federated-user/{name}"), name.to_owned())
        }
        CallerKind::WebIdentity(identity) => (format!("{account}:web-identity"), identity.subject.clone()),
        CallerKind::Saml(identity) => (format!("{account}:saml"), identity.subject.clone()),
        CallerKind::Service => ("service".to_owned(), "service".to_owned()),
        CallerKind::Anonymous => ("anonymous".to_owned(), "anonymous".to_owned()),
    }
}

/// The name itself if the token service takes it, else what is left of it and a hash of the whole.
fn valid_name(name: &str) -> String {
    let is_valid = |letter: char| letter.is_ascii_alphanumeric() || "_+=,.@-".contains(letter);
    if (NAME_MIN..=NAME_MAX).contains(&name.len()) && name.chars().all(is_valid) {
        return name.to_owned();
    }
    let letters = name
        .chars()
        .map(|letter| if is_valid(letter) { letter } else { '-' });
    let mut valid: String = letters.take(NAME_MAX - HASH_DIGITS - 1).collect();
    valid.push('-');
    for byte in Sha256::digest(name.as_bytes()).iter().take(HASH_DIGITS / 2) {
        // Writing to a String cannot fail.
        let _ = write!(valid, "{byte:02x}");
    }
    valid
}

#[cfg(test)]
mod tests {
    use super::*;
    use hallpass_policy::PrincipalInfo;
    use hallpass_secret::Secret;
    use hallpass_session::{SessionClaims, Tag};
    use hallpass_types::{AccountId, UnixSeconds};
    use std::sync::Arc;

    fn caller(kind: CallerKind) -> Caller {
        let account: AccountId = "123456789012".parse().unwrap();
        Caller {
            account,
            kind,
            principal: PrincipalInfo::root(account),
            user_id: account.to_string(),
            access_key_id: None,
            session: None,
        }
    }

    fn in_session(role: &str, name: &str, identity: Option<&str>, tags: &[&str]) -> Caller {
        let mut caller = caller(CallerKind::Role {
            name: role.to_owned(),
        });
        let tags = tags.iter().map(|key| Tag {
            key: (*key).to_owned(),
            value: String::new(),
        });
        caller.session = Some(Arc::new(SessionClaims {
            access_key_id: "ASIAIOSFODNN7EXAMPLE".parse().unwrap(),
            secret: Secret::new("s"),
            account: caller.account,
            principal: SessionPrincipal::AssumedRole {
                role_name: role.to_owned(),
                role_path: "/".to_owned(),
                role_id: "AROA".to_owned(),
                session_name: name.to_owned(),
            },
            issued_at: UnixSeconds(0),
            expires_at: UnixSeconds(1),
            mfa_at: None,
            chain_depth: 0,
            parent_access_key_id: None,
            ancestors: vec![],
            source_identity: identity.map(str::to_owned),
            session_policies: vec![],
            session_policy_arns: vec![],
            tags: tags.collect(),
            transitive_tag_keys: vec![],
            instance: None,
            web_identity: None,
            saml: None,
            binding: None,
        }));
        caller
    }

    #[test]
    fn each_caller_is_named_as_it_is_named_here() {
        let name = |caller: &Caller| SessionRequest::new("arn", caller, true).unwrap().session_name;
        let user = CallerKind::User {
            name: "bob".to_owned(),
        };
        assert_eq!(name(&caller(user)), "bob");
        assert_eq!(name(&in_session("app", "job", None, &[])), "job");
        assert_eq!(name(&caller(CallerKind::Root)), "root");
        let strangers =
            ["123456789012", "999999999999"].map(|account| Caller::anonymous(account.parse().unwrap()));
        let [one, other] = strangers.map(|stranger| SessionRequest::new("arn", &stranger, true).unwrap());
        assert_eq!((one.session_name.as_str(), &one), ("anonymous", &other));
    }

    #[test]
    fn whatever_the_cloud_is_told_makes_another_session() {
        let request = |caller: &Caller| SessionRequest::new("arn", caller, true).unwrap();
        let base = request(&in_session("app", "job", Some("ana"), &["a", "b"]));
        assert_eq!(base, request(&in_session("app", "job", Some("ana"), &["b", "a"])));
        let user = CallerKind::User {
            name: "job".to_owned(),
        };
        for other in [
            in_session("other", "job", Some("ana"), &["a", "b"]),
            in_session("app", "job-2", Some("ana"), &["a", "b"]),
            in_session("app", "job", Some("bea"), &["a", "b"]),
            in_session("app", "job", None, &["a", "b"]),
            in_session("app", "job", Some("ana"), &["a"]),
            caller(user),
        ] {
            assert_ne!(base, request(&other));
        }
        assert_eq!(base.clone().for_web_identity().tags, []);
        assert_eq!(base.for_web_identity().source_identity, None);
    }

    #[test]
    fn one_session_for_all_is_one_for_each_role_where_the_role_is_in_the_arn() {
        let shared = |arn, caller: &Caller| SessionRequest::new(arn, caller, false);
        let (app, other) = (
            in_session("app", "job", Some("ana"), &["a"]),
            in_session("other", "job", None, &[]),
        );
        assert_eq!(shared("arn", &app).unwrap(), SessionRequest::shared("arn"));
        assert_eq!(shared("arn", &other).unwrap(), SessionRequest::shared("arn"));
        assert_eq!(
            shared("arn:{role}", &app).unwrap(),
            SessionRequest::shared("arn:app")
        );
        assert_eq!(
            shared("arn:{role}", &other).unwrap(),
            SessionRequest::shared("arn:other")
        );
        for kind in [
            CallerKind::Root,
            CallerKind::User {
                name: "app".to_owned(),
            },
            CallerKind::Anonymous,
        ] {
            let error = shared("arn:{role}", &caller(kind)).unwrap_err();
            assert_eq!((error.code, error.status), ("AccessDenied", 403));
        }
    }

    #[test]
    fn names_stay_or_are_cut_to_what_is_valid() {
        let long = "n".repeat(64);
        for same in ["ab", "i-0123456789abcdef0", "a_b+c=d,e.f@g-h", &long] {
            assert_eq!(valid_name(same), same);
        }
        for other in [
            "",
            "a",
            "ä",
            "a b",
            "a:b",
            "a/b",
            &"n".repeat(65),
            &"ü".repeat(300),
        ] {
            let valid = valid_name(other);
            assert!((NAME_MIN..=NAME_MAX).contains(&valid.len()), "{other}: {valid}");
            assert_eq!(valid_name(&valid), valid, "{other}");
            assert_eq!(valid_name(other), valid, "twice the same");
        }
        assert_ne!(valid_name("a b"), valid_name("a:b"));
        assert_ne!(valid_name(&"n".repeat(65)), valid_name(&"n".repeat(66)));
        assert_eq!(valid_name(&"n".repeat(99)).len(), NAME_MAX);
    }
}
