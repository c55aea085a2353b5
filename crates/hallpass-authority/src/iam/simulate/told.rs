//! What the simulator tells of a decision, in AWS's shape.

use hallpass_access::explanation;
use hallpass_policy::{Effect, PolicyKind, Position, Request, Simulated, StatementRef};
use hallpass_wire::XmlWriter;
use std::collections::BTreeSet;

/// What is told of one action on one resource.
pub(super) struct Told<'a> {
    resource: &'a str,
    effect: Effect,
    determining: Vec<StatementRef>,
    missing_keys: Vec<String>,
    by_organization: Option<bool>,
    by_boundary: Option<bool>,
    explanation: Option<String>,
}

impl<'a> Told<'a> {
    pub(super) fn new(request: &Request<'a>, simulated: &Simulated, explain: bool) -> Self {
        Self {
            resource: request.resource,
            effect: simulated.decision.effect,
            determining: simulated.determining().into_iter().cloned().collect(),
            missing_keys: simulated.missing_keys.clone(),
            by_organization: simulated.allowed_by(PolicyKind::ServiceControl),
            by_boundary: simulated.allowed_by(PolicyKind::Boundary),
            explanation: explain.then(|| explanation(request, simulated).to_string()),
        }
    }
}

fn decision(effect: Effect) -> &'static str {
    match effect {
        Effect::Allow => "allowed",
        Effect::ExplicitDeny => "explicitDeny",
        Effect::ImplicitDeny => "implicitDeny",
    }
}

/// One action on all resources. It is allowed when it is allowed on each.
pub(super) fn result_xml(xml: &mut XmlWriter, action: &str, results: &[Told<'_>]) {
    let effects = [Effect::ExplicitDeny, Effect::ImplicitDeny, Effect::Allow];
    let has = |effect: &Effect| results.iter().any(|one| one.effect == *effect);
    let worst = effects.into_iter().find(has).unwrap_or(Effect::ImplicitDeny);
    let name = match results {
        [one] => one.resource,
        _ => "*",
    };
    xml.text("EvalActionName", action)
        .text("EvalResourceName", name)
        .text("EvalDecision", decision(worst));
    let determining = results.iter().filter(|one| one.effect == worst);
    let mut seen = BTreeSet::new();
    let union = determining
        .flat_map(|one| &one.determining)
        .filter(|statement| seen.insert((statement.kind(), statement.policy(), statement.index())));
    statements_xml(xml, union);
    let specific = name != "*" || results.len() > 1;
    let whole = results.first().filter(|_| results.len() == 1);
    let missing = whole
        .filter(|_| !specific)
        .map_or(&[][..], |one| &one.missing_keys);
    names_xml(xml, "MissingContextValues", missing);
    if let Some(one) = whole {
        if let Some(allowed) = one.by_organization {
            xml.element("OrganizationsDecisionDetail", |xml| {
                xml.text("AllowedByOrganizations", allowed.to_string());
            });
        }
        boundary_xml(xml, one);
    }
    if specific {
        xml.list("ResourceSpecificResults", "member", results, |xml, one| {
            xml.text("EvalResourceName", one.resource)
                .text("EvalResourceDecision", decision(one.effect));
            statements_xml(xml, &one.determining);
            names_xml(xml, "MissingContextValues", &one.missing_keys);
            boundary_xml(xml, one);
        });
    }
    if let Some(explanation) = whole.and_then(|one| one.explanation.as_deref()) {
        xml.text("HallpassExplanation", explanation);
    }
}

fn boundary_xml(xml: &mut XmlWriter, one: &Told<'_>) {
    if let Some(allowed) = one.by_boundary {
        xml.element("PermissionsBoundaryDecisionDetail", |xml| {
            xml.text("AllowedByPermissionsBoundary", allowed.to_string());
        });
    }
}

pub(super) fn names_xml(xml: &mut XmlWriter, name: &str, names: impl IntoIterator<Item = impl AsRef<str>>) {
    xml.element(name, |xml| {
        for name in names {
            xml.text("member", name);
        }
    });
}

fn statements_xml<'a>(xml: &mut XmlWriter, statements: impl IntoIterator<Item = &'a StatementRef>) {
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
