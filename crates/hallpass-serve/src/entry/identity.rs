//! Who a caller is, as CloudTrail's `userIdentity` has it.

use hallpass_access::{Caller, CallerKind, SamlIdentity, WebIdentity};
use hallpass_audit::{Identity, SessionContext};
use serde_json::{Map, Value, json};

pub(super) fn identity_of(caller: &Caller) -> Identity {
    let kind = match &caller.kind {
        CallerKind::Root => "Root",
        CallerKind::User { .. } => "IAMUser",
        CallerKind::Role { .. } => "AssumedRole",
        CallerKind::FederatedUser { .. } => "FederatedUser",
        CallerKind::WebIdentity(identity) => return web_identity_of(identity),
        CallerKind::Saml(identity) => return saml_identity_of(identity),
        CallerKind::Service => "AWSService",
        // As CloudTrail has it: an account that nobody is in.
        CallerKind::Anonymous => "AWSAccount",
    };
    let user_name = match &caller.kind {
        CallerKind::User { name } => Some(name.clone()),
        _ => None,
    };
    let session_context = caller.session.as_ref().map(|session| {
        let issuer = match &caller.kind {
            CallerKind::Role { name } => json!({
                "type": "Role",
                "principalId": caller.principal.unique_id,
                "arn": caller.principal.role_arn,
                "accountId": caller.account.as_str(),
                "userName": name,
            }),
            _ => Value::Object(Map::new()),
        };
        SessionContext {
            session_issuer: issuer,
            attributes: json!({
                "creationDate": session.issued_at.iso8601(),
                "mfaAuthenticated": session.mfa_at.is_some().to_string(),
            }),
            source_identity: session.source_identity.clone(),
        }
    });
    Identity {
        kind: kind.to_owned(),
        principal_id: Some(caller.user_id.clone()),
        arn: Some(caller.principal.arn.clone()),
        account_id: Some(caller.account.to_string()),
        access_key_id: caller.access_key_id.as_ref().map(ToString::to_string),
        user_name,
        identity_provider: None,
        invoked_by: None,
        session_context,
    }
}

/// As CloudTrail has it: who the provider says it is, and no account.
fn web_identity_of(identity: &WebIdentity) -> Identity {
    Identity {
        kind: "WebIdentityUser".to_owned(),
        principal_id: Some(format!(
            "{}:{}:{}",
            identity.provider_arn, identity.audience, identity.subject
        )),
        user_name: Some(identity.subject.clone()),
        identity_provider: Some(identity.provider_arn.clone()),
        ..Identity::default()
    }
}

/// As CloudTrail has it: the provider is told by the hash that tells its subjects apart.
fn saml_identity_of(identity: &SamlIdentity) -> Identity {
    Identity {
        kind: "SAMLUser".to_owned(),
        principal_id: Some(format!("{}:{}", identity.name_qualifier, identity.subject)),
        user_name: Some(identity.subject.clone()),
        identity_provider: Some(identity.name_qualifier.clone()),
        ..Identity::default()
    }
}
