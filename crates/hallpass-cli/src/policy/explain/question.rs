//! The request file: a request and every policy that bears on it.

use hallpass_policy::{
    Context, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request, Simulated,
    simulate,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// More resources in one question are refused.
const RESOURCES_MAX: usize = 10_000;

/// The file as it is written. Policies stay text, so that duplicate keys and positions are not lost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written<'a> {
    principal: String,
    action: String,
    resource: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    context: BTreeMap<String, Value>,
    resource_account: Option<String>,
    #[serde(borrow, default)]
    identity_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    group_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resource_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    permissions_boundary: Option<&'a RawValue>,
    #[serde(borrow, default)]
    session_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    service_control_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    resource_control_policies: Option<&'a RawValue>,
    #[serde(borrow, default)]
    trust_policy: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Bool(bool),
    Number(serde_json::Number),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Value {
    One(Scalar),
    Many(Vec<Scalar>),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Bool(value) => value.to_string(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub(super) enum QuestionError {
    #[error("it is not a request: {0}")]
    Json(#[from] serde_json::Error),
    #[error(
        "`principal` is \"{0}\"; give the ARN of a user, role, role session, federated user, account root or identity \
         provider, a service such as ec2.amazonaws.com, or `anonymous`"
    )]
    Principal(String),
    #[error("`action` is \"{0}\"; give one as `s3:GetObject`, without wildcards")]
    Action(String),
    #[error("`resource` is missing; give an ARN, or `*` for actions that know no resources")]
    NoResource,
    #[error("`resources` has more than {RESOURCES_MAX} entries")]
    ManyResources,
    #[error("`{0}` must be a policy document, or a list of them")]
    Documents(String),
    #[error("`{0}` takes one policy document")]
    OneDocument(&'static str),
    #[error("`{name}`: {error}")]
    Policy {
        name: String,
        error: hallpass_policy::PolicyError,
    },
}

/// A question that can be answered.
pub(super) struct Question {
    principal: PrincipalInfo,
    action: String,
    resources: Vec<String>,
    resource_account: Option<String>,
    context: Context,
    identity: PolicyGroup,
    resource: Option<PolicyGroup>,
    session: Option<PolicyGroup>,
    boundary: Option<PolicyGroup>,
    service_control: Option<Vec<PolicyGroup>>,
    resource_control: Option<PolicyGroup>,
    trust: Option<PolicyGroup>,
}

impl Question {
    /// Reads the file.
    pub(super) fn parse(text: &str) -> Result<Self, QuestionError> {
        let written: Written<'_> = serde_json::from_str(text)?;
        let principal = PrincipalInfo::from_name(&written.principal)
            .ok_or_else(|| QuestionError::Principal(written.principal.clone()))?;
        if !is_action(&written.action) {
            return Err(QuestionError::Action(written.action));
        }
        let resources: Vec<String> = written.resource.into_iter().chain(written.resources).collect();
        if resources.is_empty() {
            return Err(QuestionError::NoResource);
        }
        if resources.len() > RESOURCES_MAX {
            return Err(QuestionError::ManyResources);
        }
        let mut context = Context::new();
        principal.fill(&mut context);
        for (key, value) in written.context {
            match value {
                Value::One(value) => context.set(key, value.text()),
                Value::Many(values) => context.set_many(key, values.into_iter().map(Scalar::text)),
            };
        }
        let own = [
            group(
                "identity_policies",
                PolicyKind::Identity,
                written.identity_policies,
            )?,
            group("group_policies", PolicyKind::Identity, written.group_policies)?,
        ];
        let own = own.iter().flatten().flat_map(PolicyGroup::policies);
        Ok(Self {
            identity: own.cloned().collect(),
            resource: group(
                "resource_policies",
                PolicyKind::Resource,
                written.resource_policies,
            )?,
            session: group("session_policies", PolicyKind::Session, written.session_policies)?,
            boundary: single(
                "permissions_boundary",
                PolicyKind::Boundary,
                written.permissions_boundary,
            )?,
            service_control: levels("service_control_policies", written.service_control_policies)?,
            resource_control: group(
                "resource_control_policies",
                PolicyKind::ResourceControl,
                written.resource_control_policies,
            )?,
            trust: single("trust_policy", PolicyKind::Trust, written.trust_policy)?,
            principal,
            action: written.action,
            resources,
            resource_account: written.resource_account,
            context,
        })
    }

    /// The request about one of the resources.
    pub(super) fn request<'a>(&'a self, resource: &'a str) -> Request<'a> {
        Request {
            principal: &self.principal,
            action: &self.action,
            resource,
            resource_account: self.resource_account.as_deref(),
            context: &self.context,
        }
    }

    /// The answers, one for each resource.
    pub(super) fn ask(&self) -> Vec<(&str, Simulated)> {
        let set = PolicySet {
            identity: Some(&self.identity),
            resource: self.resource.as_ref(),
            session: self.session.as_ref(),
            boundary: self.boundary.as_ref(),
            service_control: self.service_control.as_deref(),
            resource_control: self.resource_control.as_ref(),
        };
        let resources = self.resources.iter().map(String::as_str);
        resources
            .map(|resource| {
                let simulated = simulate(&self.request(resource), &set, self.trust.as_ref());
                (resource, simulated)
            })
            .collect()
    }
}

/// `service:Name`, both without wildcards.
fn is_action(text: &str) -> bool {
    let plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', ' ', ':']);
    text.split_once(':')
        .is_some_and(|(service, name)| plain(service) && plain(name))
}

/// The policies of one field, if it is there.
fn group(name: &str, kind: PolicyKind, raw: Option<&RawValue>) -> Result<Option<PolicyGroup>, QuestionError> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let documents = documents(name, raw)?.into_iter();
    let policies = documents.map(|(name, text)| compile(&name, &text, kind));
    policies.collect::<Result<PolicyGroup, _>>().map(Some)
}

fn compile(name: &str, text: &str, kind: PolicyKind) -> Result<NamedPolicy, QuestionError> {
    let policy = Policy::parse(text, kind).map_err(|error| QuestionError::Policy {
        name: name.to_owned(),
        error,
    })?;
    Ok(NamedPolicy::new(name, policy))
}

fn single(
    name: &'static str,
    kind: PolicyKind,
    raw: Option<&RawValue>,
) -> Result<Option<PolicyGroup>, QuestionError> {
    match group(name, kind, raw)? {
        Some(group) if group.policies().len() != 1 => Err(QuestionError::OneDocument(name)),
        group => Ok(group),
    }
}

/// A list of documents, or one, each with its name and text. A document is an object, or a string that holds one.
fn documents(name: &str, raw: &RawValue) -> Result<Vec<(String, String)>, QuestionError> {
    if !raw.get().starts_with('[') {
        return Ok(vec![(name.to_owned(), document(name, raw)?)]);
    }
    let items: Vec<&RawValue> = serde_json::from_str(raw.get())?;
    let items = items.into_iter().enumerate();
    items
        .map(|(index, item)| {
            let name = format!("{name}[{index}]");
            let text = document(&name, item)?;
            Ok((name, text))
        })
        .collect()
}

fn document(name: &str, raw: &RawValue) -> Result<String, QuestionError> {
    match raw.get().as_bytes().first() {
        Some(b'{') => Ok(raw.get().to_owned()),
        Some(b'"') => Ok(serde_json::from_str(raw.get())?),
        _ => Err(QuestionError::Documents(name.to_owned())),
    }
}

/// Service control policies: a document or a list of them is one level; a list of lists is one level each, from the
/// root to the account, and every level must allow.
fn levels(name: &str, raw: Option<&RawValue>) -> Result<Option<Vec<PolicyGroup>>, QuestionError> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
        return Ok(None);
    };
    let kind = PolicyKind::ServiceControl;
    if raw.get().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(raw.get())?;
        if items.iter().any(|item| item.get().starts_with('[')) {
            let items = items.into_iter().enumerate();
            let levels = items.map(|(index, item)| {
                let level = group(&format!("{name}[{index}]"), kind, Some(item))?;
                Ok(level.unwrap_or_default())
            });
            return levels.collect::<Result<_, _>>().map(Some);
        }
    }
    Ok(group(name, kind, Some(raw))?.map(|level| vec![level]))
}
