//! The policy simulator: what enforcement would decide, asked without doing anything.
//!
//! "SimulateCustomPolicy", "SimulatePrincipalPolicy", "GetContextKeysForCustomPolicy" and
//! "GetContextKeysForPrincipalPolicy" in the IAM API Reference. The decisions come from the evaluator that requests
//! meet, over the policies it would meet them with.

mod told;

use self::told::{Told, names_xml, result_xml};
use super::arn_of;
use crate::ApiError;
use crate::account::{group_arn, role_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::Permissions;
use hallpass_access::ActionOn;
use hallpass_policy::{
    Context, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request, simulate,
};
use hallpass_types::AccountId;
use hallpass_wire::XmlWriter;
use std::collections::BTreeMap;

/// More pairs of action and resource in one call are refused.
const PAIRS_MAX: usize = 2_000;
/// Pairs times bytes of all policies: what one call may make us look at, while writes wait.
const WORK_MAX: usize = 16 * 1_024 * 1_024;
/// IAM's own limits (`ActionNameType`, `ResourceNameType`, `ContextKeyNameType`), and ours on a context value.
const ACTION_CHARS_MAX: usize = 128;
const RESOURCE_CHARS_MAX: usize = 2_048;
const KEY_CHARS_MAX: usize = 256;
const VALUE_CHARS_MAX: usize = 2_048;
/// More policies in one list are refused.
const POLICIES_MAX: usize = 100;
const CUSTOM: &str = "PolicyInputList";
const BOUNDARY: &str = "PermissionsBoundaryPolicyInputList";
const ORGANIZATION: &str = "OrderedOrganizationPolicyInputList";

pub(crate) fn custom_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let action = ActionOn::new(ctx.call.iam_action(), "*");
    Ok(Requirement::Actions(vec![action]))
}

pub(crate) fn principal_requirement(ctx: &Ctx<'_>) -> Result<Requirement, ApiError> {
    let mut actions = vec![ActionOn::new(
        ctx.call.iam_action(),
        ctx.required("PolicySourceArn")?,
    )];
    // An explanation shows what the policies say, which the simulator's own answer does not.
    if explains(ctx) {
        actions.push(ActionOn::new("iam:GetAccountAuthorizationDetails", "*"));
    }
    Ok(Requirement::Actions(actions))
}

fn explains(ctx: &Ctx<'_>) -> bool {
    ctx.param("HallpassExplain") == Some("true")
}

pub(crate) fn custom(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let caller = caller(ctx)?;
    let mut context = Context::new();
    if let Some(caller) = &caller {
        caller.fill(&mut context);
    }
    let identity = group(ctx, CUSTOM, PolicyKind::Identity)?.ok_or_else(|| ApiError::missing(CUSTOM))?;
    let question = Question {
        // Nobody in particular: nothing but a resource policy, which demands CallerArn, could tell.
        principal: caller
            .unwrap_or_else(|| PrincipalInfo::user(ctx.account.id(), &arn_of(ctx, "user/simulated"), "")),
        identity,
        boundary: boundary(ctx)?,
        context,
    };
    answer(ctx, question)
}

pub(crate) fn principal(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    if !ctx.call.params.structures("PolicyExclusionList").is_empty() {
        return Err(invalid("PolicyExclusionList is not supported"));
    }
    let source = source(ctx)?;
    let mut context = Context::new();
    let principal = caller(ctx)?.unwrap_or(source.principal);
    principal.fill(&mut context);
    if let Some(place) = ctx.state.tree.place(ctx.account.id()) {
        place.fill(&mut context);
    }
    for tag in &source.permissions.tags {
        context.set(format!("aws:PrincipalTag/{}", tag.key), &tag.value);
    }
    let added = group(ctx, CUSTOM, PolicyKind::Identity)?.unwrap_or_default();
    let identity = source.policies.policies().iter().chain(added.policies());
    let attached = source.permissions.boundary.as_deref().map(|arn| {
        ctx.account
            .managed_policy(arn)
            .cloned()
            .unwrap_or_else(|| crate::managed::deny_all(arn).into())
    });
    let question = Question {
        principal,
        identity: identity.cloned().collect(),
        boundary: boundary(ctx)?.or(attached),
        context,
    };
    answer(ctx, question)
}

pub(crate) fn custom_keys(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let group = group(ctx, CUSTOM, PolicyKind::Identity)?.ok_or_else(|| ApiError::missing(CUSTOM))?;
    keys(&[&group])
}

pub(crate) fn principal_keys(ctx: &Ctx<'_>) -> Result<Outcome, ApiError> {
    let source = source(ctx)?;
    let added = group(ctx, CUSTOM, PolicyKind::Identity)?.unwrap_or_default();
    keys(&[&source.policies, &added])
}

fn keys(groups: &[&PolicyGroup]) -> Result<Outcome, ApiError> {
    let policies = groups.iter().flat_map(|group| group.policies());
    let statements = policies.flat_map(|policy| policy.policy.statements());
    let keys = statements.flat_map(|statement| statement.context_keys());
    let keys: BTreeMap<_, _> = keys.map(|key| (key.to_ascii_lowercase(), key)).collect();
    let mut xml = XmlWriter::new();
    names_xml(&mut xml, "ContextKeyNames", keys.values());
    Outcome::read(xml)
}

fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidInput", 400, message)
}

/// A user, group or role of this account, with what bears on it.
struct Source<'a> {
    principal: PrincipalInfo,
    permissions: &'a Permissions,
    policies: PolicyGroup,
}

fn source<'a>(ctx: &'a Ctx<'_>) -> Result<Source<'a>, ApiError> {
    let arn = ctx.required("PolicySourceArn")?;
    let not_found = || ApiError::no_such_entity(format!("The entity with ARN {arn} cannot be found."));
    let name = arn.rsplit('/').next().unwrap_or_default();
    let id = ctx.account.id();
    if let Some(role) = ctx
        .account
        .role(name)
        .filter(|role| role_arn(id, &role.role) == arn)
    {
        let mut principal = PrincipalInfo::from_name(arn).ok_or_else(not_found)?;
        principal.unique_id.clone_from(&role.role.id);
        return Ok(Source {
            principal,
            permissions: &role.role.permissions,
            policies: ctx.account.role_policies(role).clone(),
        });
    }
    if let Some(group) = ctx
        .account
        .group(name)
        .filter(|group| group_arn(id, &group.group) == arn)
    {
        return Ok(Source {
            // Nobody in particular: a member that has nothing else.
            principal: PrincipalInfo::user(id, &arn_of(ctx, "user/simulated"), ""),
            permissions: &group.group.permissions,
            policies: ctx.account.group_policies(group),
        });
    }
    let user = ctx
        .account
        .user(name)
        .filter(|user| user_arn(id, &user.user) == arn);
    let user = user.ok_or_else(not_found)?;
    Ok(Source {
        principal: PrincipalInfo::user(id, arn, &user.user.id),
        permissions: &user.user.permissions,
        policies: ctx.account.user_policies(user).clone(),
    })
}

fn caller(ctx: &Ctx<'_>) -> Result<Option<PrincipalInfo>, ApiError> {
    let Some(arn) = ctx.param("CallerArn") else {
        let custom = ctx.param("PolicySourceArn").is_none();
        if custom && ctx.param("ResourcePolicy").is_some() {
            return Err(invalid("CallerArn is required when a ResourcePolicy is given"));
        }
        return Ok(None);
    };
    let known = PrincipalInfo::from_name(arn).filter(|_| arn.starts_with("arn:"));
    let known = known.ok_or_else(|| invalid(format!("Invalid caller ARN: {arn}")))?;
    Ok(Some(known))
}

fn group(ctx: &Ctx<'_>, list: &str, kind: PolicyKind) -> Result<Option<PolicyGroup>, ApiError> {
    let documents = ctx.call.params.list(list);
    if documents.is_empty() {
        return Ok(None);
    }
    if documents.len() > POLICIES_MAX {
        return Err(invalid(format!("{list} has more than {POLICIES_MAX} policies")));
    }
    let policies = documents.iter().enumerate();
    let policies = policies.map(|(index, text)| parse(&format!("{list}.{}", index + 1), text, kind));
    policies.collect::<Result<PolicyGroup, _>>().map(Some)
}

fn parse(name: &str, text: &str, kind: PolicyKind) -> Result<NamedPolicy, ApiError> {
    match Policy::parse(text, kind) {
        Ok(policy) => Ok(NamedPolicy::new(name, policy)),
        Err(error) => Err(invalid(format!("Invalid policy in {name}: {error}"))),
    }
}

fn boundary(ctx: &Ctx<'_>) -> Result<Option<PolicyGroup>, ApiError> {
    match group(ctx, BOUNDARY, PolicyKind::Boundary)? {
        Some(group) if group.policies().len() > 1 => {
            Err(invalid("Only one permissions boundary can be given"))
        }
        group => Ok(group),
    }
}

/// Service control policies, one group per level.
fn organization(ctx: &Ctx<'_>) -> Result<Option<Vec<PolicyGroup>>, ApiError> {
    let levels = ctx.call.params.structures(ORGANIZATION);
    let levels = (1..=levels.len()).map(|number| {
        let list = format!("{ORGANIZATION}.member.{number}.ServiceControlPolicyInputList");
        Ok(group(ctx, &list, PolicyKind::ServiceControl)?.unwrap_or_default())
    });
    let levels = levels.collect::<Result<Vec<_>, ApiError>>()?;
    Ok((!levels.is_empty()).then_some(levels))
}

struct Question {
    principal: PrincipalInfo,
    identity: PolicyGroup,
    boundary: Option<PolicyGroup>,
    context: Context,
}

fn answer(ctx: &Ctx<'_>, mut question: Question) -> Result<Outcome, ApiError> {
    let params = &ctx.call.params;
    let actions = params.list("ActionNames");
    if actions.is_empty() {
        return Err(ApiError::missing("ActionNames"));
    }
    for action in &actions {
        let plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', ':']);
        if !action
            .split_once(':')
            .is_some_and(|(service, name)| plain(service) && plain(name))
        {
            return Err(invalid(format!("Invalid Action Name: {action}")));
        }
        limit("actionNames", action, ACTION_CHARS_MAX)?;
    }
    let resources = params.list("ResourceArns");
    let resources = if resources.is_empty() {
        vec!["*"]
    } else {
        resources
    };
    if actions.len().saturating_mul(resources.len()) > PAIRS_MAX {
        return Err(invalid(format!(
            "More than {PAIRS_MAX} pairs of action and resource"
        )));
    }
    for resource in &resources {
        limit("resourceArns", resource, RESOURCE_CHARS_MAX)?;
    }
    for entry in params.structures("ContextEntries") {
        context_entry(&mut question.context, &entry)?;
    }
    let resource_policy = ctx
        .param("ResourcePolicy")
        .map(|text| parse("ResourcePolicy", text, PolicyKind::Resource).map(PolicyGroup::from))
        .transpose()?;
    let organization = organization(ctx)?;
    let owner = ctx.param("ResourceOwner").map(owner).transpose()?;
    let set = PolicySet {
        identity: Some(&question.identity),
        resource: resource_policy.as_ref(),
        boundary: question.boundary.as_ref(),
        service_control: organization.as_deref(),
        ..PolicySet::default()
    };
    let pairs = actions.len().saturating_mul(resources.len());
    let explain = explains(ctx);
    if explain && pairs > 1 {
        return Err(invalid("HallpassExplain takes one action on one resource"));
    }
    let groups = [set.identity, set.resource, set.boundary].into_iter().flatten();
    let policies = groups.chain(set.service_control.unwrap_or_default());
    let bytes: usize = policies.flat_map(PolicyGroup::policies).map(size).sum();
    if pairs.saturating_mul(bytes) > WORK_MAX {
        return Err(invalid(
            "Too many actions and resources for policies of this size",
        ));
    }
    let numbered = actions
        .iter()
        .enumerate()
        .map(|(index, action)| (format!("{index:06}"), *action));
    let (page, marker) = ctx.page(numbered.collect(), |(number, _)| number.clone())?;
    let mut xml = XmlWriter::new();
    xml.list("EvaluationResults", "member", page, |xml, (_, action)| {
        let requests = resources.iter().map(|resource| Request {
            principal: &question.principal,
            action,
            resource,
            resource_account: owner.as_ref().map(AccountId::as_str),
            context: &question.context,
        });
        // Only what is told is kept of each: the rest may be many times the policies.
        let results = requests.map(|request| {
            let simulated = simulate(&request, &set, None);
            Told::new(&request, &simulated, explain)
        });
        result_xml(xml, action, &results.collect::<Vec<_>>());
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
}

fn limit(name: &str, text: &str, chars_max: usize) -> Result<(), ApiError> {
    if text.chars().count() <= chars_max {
        return Ok(());
    }
    Err(ApiError::validation(format!(
        "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have length less \
         than or equal to {chars_max}"
    )))
}

/// About how long a policy's document is: where its last statement ends.
fn size(policy: &NamedPolicy) -> usize {
    let last = policy.policy.statements().last();
    last.map_or(0, |statement| statement.end().offset)
}

fn owner(text: &str) -> Result<AccountId, ApiError> {
    let account = text.split(':').nth(4).unwrap_or(text);
    account
        .parse()
        .map_err(|_| invalid(format!("Invalid resource owner: {text}")))
}

fn context_entry(context: &mut Context, entry: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let name = entry
        .get("ContextKeyName")
        .ok_or_else(|| ApiError::missing("ContextKeyName"))?;
    limit("contextKeyName", name, KEY_CHARS_MAX)?;
    for value in entry.values() {
        limit("contextKeyValues", value, VALUE_CHARS_MAX)?;
    }
    let kind = entry.get("ContextKeyType").map_or("string", String::as_str);
    let mut values = entry
        .iter()
        .filter_map(|(field, value)| {
            let number = field
                .strip_prefix("ContextKeyValues.member.")?
                .parse::<u32>()
                .ok()?;
            Some((number, value.as_str()))
        })
        .collect::<Vec<_>>();
    values.sort_unstable();
    let mut values = values.into_iter().map(|(_, value)| value);
    match kind {
        "string" | "numeric" | "boolean" | "ip" | "binary" | "date" => {
            match (values.next(), values.next()) {
                (Some(value), None) => context.set(name.clone(), value),
                // Several values say what the type does not.
                (first, second) => {
                    context.set_many(name.clone(), first.into_iter().chain(second).chain(values))
                }
            };
        }
        "stringList" | "numericList" | "booleanList" | "ipList" | "binaryList" | "dateList" => {
            context.set_many(name.clone(), values);
        }
        other => return Err(invalid(format!("Invalid context key type: {other}"))),
    }
    Ok(())
}
