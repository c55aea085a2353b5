//! Words the tests share.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::panic,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "helpers outside test functions; each test binary uses its own part"
)]

use hallpass_policy::*;

pub const ACCOUNT: &str = "123456789012";
pub const OTHER: &str = "999999999999";
pub const OBJECT: &str = "arn:aws:s3:::bucket/key";
pub const ROLE: &str = "arn:aws:iam::123456789012:role/path/app";
pub const SESSION: &str = "arn:aws:sts::123456789012:assumed-role/app/s1";
pub const ROLE_ID: &str = "AROAEXAMPLEEXAMPLE01";
pub const USER: &str = "arn:aws:iam::123456789012:user/alice";
pub const USER_ID: &str = "AIDAEXAMPLEEXAMPLE01";

pub fn user() -> PrincipalInfo {
    PrincipalInfo::user(ACCOUNT.parse().unwrap(), USER, USER_ID)
}

pub fn role() -> PrincipalInfo {
    PrincipalInfo::role_session(ACCOUNT.parse().unwrap(), SESSION, ROLE, ROLE_ID)
}

pub fn named(kind: PolicyKind, text: &str) -> PolicyGroup {
    let policy = Policy::parse(text, kind).unwrap_or_else(|error| panic!("{error}: {text}"));
    NamedPolicy::new(&format!("{kind:?}"), policy).into()
}

/// A policy in the current version around these statements.
pub fn policy(kind: PolicyKind, statements: &str) -> PolicyGroup {
    named(
        kind,
        &format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#),
    )
}

pub fn allow_all(kind: PolicyKind) -> PolicyGroup {
    policy(kind, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)
}

/// A resource policy allowing `s3:GetObject` to the principal.
pub fn bucket(principal: &str) -> PolicyGroup {
    let statement =
        format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"*"}}"#);
    policy(PolicyKind::Resource, &statement)
}

pub fn trust(principal: &str) -> PolicyGroup {
    let statement = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#);
    policy(PolicyKind::Trust, &statement)
}

pub fn get<'a>(principal: &'a PrincipalInfo, context: &'a Context) -> Request<'a> {
    Request {
        principal,
        action: "s3:GetObject",
        resource: OBJECT,
        resource_account: None,
        context,
    }
}

pub fn assume<'a>(principal: &'a PrincipalInfo, context: &'a Context) -> Request<'a> {
    let resource = "arn:aws:iam::123456789012:role/target";
    Request {
        principal,
        action: "sts:AssumeRole",
        resource,
        resource_account: None,
        context,
    }
}

/// The group in the place of a set.
pub fn one(group: &PolicyGroup) -> Option<&PolicyGroup> {
    Some(group)
}

/// What a single identity statement with this condition block decides.
pub fn condition(block: &str, context: &Context) -> Effect {
    condition_in("2012-10-17", block, context)
}

pub fn condition_in(version: &str, block: &str, context: &Context) -> Effect {
    let text = format!(
        r#"{{"Version":"{version}","Statement":{{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{block}}}}}"#
    );
    let policy = named(PolicyKind::Identity, &text);
    let user = user();
    evaluate(
        &get(&user, context),
        &PolicySet {
            identity: one(&policy),
            ..PolicySet::default()
        },
    )
    .effect
}

/// Whether the condition block holds, asked of an Allow.
pub fn holds(block: &str, context: &Context) -> bool {
    condition(block, context) == Effect::Allow
}

/// What an identity policy says to an action on a resource.
pub fn identity(statement: &str, action: &str, resource: &str, context: &Context) -> bool {
    let policy = policy(PolicyKind::Identity, statement);
    let user = user();
    let request = Request {
        principal: &user,
        action,
        resource,
        resource_account: Some(ACCOUNT),
        context,
    };
    evaluate(
        &request,
        &PolicySet {
            identity: one(&policy),
            ..PolicySet::default()
        },
    )
    .is_allow()
}

pub fn context(keys: &[(&str, &str)]) -> Context {
    let mut context = Context::new();
    for (key, value) in keys {
        context.set((*key).to_owned(), *value);
    }
    context
}

pub fn refusal(kind: PolicyKind, text: &str) -> PolicyError {
    Policy::parse(text, kind).expect_err(text)
}
