//! The policy simulator: what enforcement would decide, asked without doing anything.
//!
//! "SimulateCustomPolicy", "SimulatePrincipalPolicy", "GetContextKeysForCustomPolicy" and
//! "GetContextKeysForPrincipalPolicy" in the IAM API Reference. The decisions come from the evaluator that requests
//! meet, over the policies it would meet them with.

use super::arn_of;
use crate::ApiError;
use crate::account::{role_arn, user_arn};
use crate::call::{Ctx, Outcome, Requirement, page_end};
use crate::entity::Permissions;
use hallpass_access::{ActionOn, explanation};
use hallpass_policy::{
    Context, Effect, NamedPolicy, Policy, PolicyGroup, PolicyKind, PolicySet, Position, PrincipalInfo,
    Request, Simulated, StatementRef, simulate,
};
use hallpass_types::AccountId;
use hallpass_wire::XmlWriter;
use std::collections::BTreeMap;

/// More pairs of action and resource in one call are refused.
const PAIRS_MAX: usize = 2_000;
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
    let action = ActionOn::new(ctx.call.iam_action(), ctx.required("PolicySourceArn")?);
    Ok(Requirement::Actions(vec![action]))
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
    for tag in &source.permissions.tags {
        context.set(&format!("aws:PrincipalTag/{}", tag.key), &tag.value);
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
    keys(&[source.policies, &added])
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

/// A user or role of this account, with what bears on it.
struct Source<'a> {
    principal: PrincipalInfo,
    permissions: &'a Permissions,
    policies: &'a PolicyGroup,
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
            policies: ctx.account.role_policies(role),
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
        policies: ctx.account.user_policies(user),
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
    let explain = ctx.param("HallpassExplain") == Some("true");
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
        let results = requests
            .map(|request| (request, simulate(&request, &set, None)))
            .collect::<Vec<_>>();
        result_xml(xml, action, &results, explain);
    });
    page_end(&mut xml, marker);
    Outcome::read(xml)
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
                (Some(value), None) => context.set(name, value),
                // Several values say what the type does not.
                (first, second) => context.set_many(name, first.into_iter().chain(second).chain(values)),
            };
        }
        "stringList" | "numericList" | "booleanList" | "ipList" | "binaryList" | "dateList" => {
            context.set_many(name, values);
        }
        other => return Err(invalid(format!("Invalid context key type: {other}"))),
    }
    Ok(())
}

fn decision(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allowed",
        Effect::ExplicitDeny => "explicitDeny",
        Effect::ImplicitDeny => "implicitDeny",
    }
}

/// One action on all resources. It is allowed when it is allowed on each.
fn result_xml(xml: &mut XmlWriter, action: &str, results: &[(Request<'_>, Simulated)], explain: bool) {
    let effects = [Effect::ExplicitDeny, Effect::ImplicitDeny, Effect::Allow];
    let has = |effect: &Effect| results.iter().any(|(_, one)| one.decision.effect == *effect);
    let worst = effects.into_iter().find(has).unwrap_or(Effect::ImplicitDeny);
    let name = match results {
        [(request, _)] => request.resource,
        _ => "*",
    };
    xml.text("EvalActionName", action)
        .text("EvalResourceName", name)
        .text("EvalDecision", decision(worst));
    let determining = results
        .iter()
        .filter(|(_, one)| one.decision.effect == worst)
        .flat_map(|(_, one)| one.determining());
    let mut union: Vec<&StatementRef> = Vec::new();
    determining.for_each(|statement| {
        if !union.contains(&statement) {
            union.push(statement);
        }
    });
    statements_xml(xml, union);
    let specific = name != "*" || results.len() > 1;
    match results {
        [(_, one)] => {
            names_xml(
                xml,
                "MissingContextValues",
                if specific {
                    [].iter()
                } else {
                    one.missing_keys.iter()
                },
            );
            details_xml(xml, one);
        }
        _ => names_xml(
            xml,
            "MissingContextValues",
            [].iter() as std::slice::Iter<'_, String>,
        ),
    }
    if specific {
        xml.list(
            "ResourceSpecificResults",
            "member",
            results,
            |xml, (request, one)| {
                xml.text("EvalResourceName", request.resource)
                    .text("EvalResourceDecision", decision(one.decision.effect));
                statements_xml(xml, one.determining());
                names_xml(xml, "MissingContextValues", one.missing_keys.iter());
                boundary_xml(xml, one);
            },
        );
    }
    if explain {
        xml.list(
            "HallpassExplanations",
            "member",
            results,
            |xml, (request, one)| {
                xml.text("Json", explanation(request, one).to_string());
            },
        );
    }
}

fn details_xml(xml: &mut XmlWriter, one: &Simulated) {
    if let Some(allowed) = one.allowed_by(PolicyKind::ServiceControl) {
        xml.element("OrganizationsDecisionDetail", |xml| {
            xml.text("AllowedByOrganizations", allowed.to_string());
        });
    }
    boundary_xml(xml, one);
}

fn boundary_xml(xml: &mut XmlWriter, one: &Simulated) {
    if let Some(allowed) = one.allowed_by(PolicyKind::Boundary) {
        xml.element("PermissionsBoundaryDecisionDetail", |xml| {
            xml.text("AllowedByPermissionsBoundary", allowed.to_string());
        });
    }
}

fn names_xml(xml: &mut XmlWriter, name: &str, names: impl IntoIterator<Item = impl AsRef<str>>) {
    xml.element(name, |xml| {
        for name in names {
            xml.text("member", name);
        }
    });
}

fn statements_xml(xml: &mut XmlWriter, statements: Vec<&StatementRef>) {
    xml.list("MatchedStatements", "member", statements, |xml, statement| {
        let (id, kind) = identify(statement);
        xml.text("SourcePolicyId", id).text("SourcePolicyType", kind);
        // A statement that stands alone is counted from behind its brace, as AWS's own example shows; one in a list
        // from its brace.
        let mut start = statement.position();
        start.column += u32::from(statement.is_single());
        position_xml(xml, "StartPosition", start);
        position_xml(xml, "EndPosition", statement.end());
    });
}

fn position_xml(xml: &mut XmlWriter, name: &str, position: Position) {
    xml.element(name, |xml| {
        xml.text("Line", position.line.to_string())
            .text("Column", position.column.to_string());
    });
}

/// A policy as the simulator names it: `role_NAME_POLICY` for an inline one, a managed one by its name.
fn identify(statement: &StatementRef) -> (String, &'static str) {
    let name = statement.policy();
    let kind = match statement.kind() {
        PolicyKind::Resource => "Resource Policy",
        _ => "IAM Policy",
    };
    let id = match name.split_once(" inline policy ") {
        Some((entity, policy)) => format!("{}_{policy}", entity.replacen('/', "_", 1)),
        None if name.starts_with("arn:") => name.rsplit('/').next().unwrap_or(name).to_owned(),
        None => name.to_owned(),
    };
    (id, kind)
}
