//! What an identity policy grants as a whole: administration, everything but something, passing roles.

use super::principals::limited;
use crate::catalogue::*;
use crate::document::{Document, Effect, Item, Statement};
use crate::glob;
use crate::report::{At as _, Report, Span};
use hallpass_policy::PolicyKind;

/// Starts of keys that say who asks, how or when, and leave open to what it applies.
const CIRCUMSTANCES: [&str; 16] = [
    "aws:currenttime",
    "aws:epochtime",
    "aws:multifactorauth",
    "aws:principal",
    "aws:requestedregion",
    "aws:securetransport",
    "aws:source",
    "aws:token",
    "aws:useragent",
    "aws:userid",
    "aws:username",
    "aws:vpcsourceip",
    "s3:authtype",
    "s3:signatureversion",
    "s3:tlsversion",
    "s3:x-amz-server-side-encryption",
];

/// The statements of an identity policy that allow something. Other kinds grant nothing by themselves (boundaries,
/// session policies) or grant to the named (resource policies).
pub(super) struct Grants<'d, 'a> {
    pub(super) document: &'d Document<'a>,
    /// Without those that allow everything, of which one finding is enough.
    pub(super) allows: Vec<&'d Statement<'a>>,
    /// Those that deny some actions always.
    denies: Vec<&'d Statement<'a>>,
    /// Actions that are denied everywhere and always.
    denied: Vec<&'d Item<'a>>,
}

/// A statement that allows an action, and the words that do.
pub(super) struct Grant<'d, 'a> {
    pub(super) statement: &'d Statement<'a>,
    pub(super) span: Span,
    /// The pattern is not the action's own name.
    pub(super) wild: bool,
}

impl<'d, 'a> Grants<'d, 'a> {
    pub(super) fn new(document: &'d Document<'a>) -> Self {
        let identity = document.kind == PolicyKind::Identity;
        let allows = document
            .statements
            .iter()
            .filter(|statement| identity && statement.allows());
        let denies = document.statements.iter().filter(|statement| {
            statement.effect == Some(Effect::Deny)
                && statement.conditions.is_empty()
                && statement.actions.as_ref().is_some_and(|list| !list.negated)
        });
        let denies: Vec<_> = denies.collect();
        let everywhere = denies.iter().filter(|statement| on_everything(statement));
        let denied = everywhere
            .filter_map(|statement| statement.actions.as_ref())
            .flat_map(|list| &list.items)
            .collect();
        Self {
            document,
            allows: allows
                .filter(|statement| administrator(statement).is_none())
                .collect(),
            denies,
            denied,
        }
    }

    /// Whether a statement denies `action` (in lower case) always, on all that the resource matches, or the document is
    /// too large to tell.
    pub(super) fn denies(&self, action: &str, resource: &str) -> bool {
        self.denies.iter().any(|statement| {
            let lists = statement.actions.as_ref().zip(statement.resources.as_ref());
            lists.is_some_and(|(actions, resources)| {
                !resources.negated
                    && actions
                        .items
                        .iter()
                        .any(|item| glob::matches(&item.lower, action))
                    && (!self.document.spend(resources.items.len())
                        || resources
                            .items
                            .iter()
                            .any(|item| glob::covers(item.text, resource)))
            })
        })
    }

    /// The first words of each statement that allow `action` (in lower case).
    pub(super) fn of<'s>(&'s self, action: &'s str) -> impl Iterator<Item = Grant<'d, 'a>> + 's {
        let denied = self.denied.iter().any(|item| glob::matches(&item.lower, action));
        let allows = self.allows.iter().filter(move |_| !denied);
        allows.filter_map(move |statement| {
            let list = statement.actions.as_ref()?;
            let item = list.items.iter().find(|item| glob::matches(&item.lower, action));
            let (span, wild) = match (item, list.negated) {
                (Some(item), false) => (item.node.span(), item.lower != action),
                (None, true) => (list.key.span(), true),
                _ => return None,
            };
            Some(Grant {
                statement,
                span,
                wild,
            })
        })
    }
}

/// Whether the statement's resources are all there are.
pub(super) fn on_everything(statement: &Statement<'_>) -> bool {
    on(statement, |text| matches!(text, "*" | "arn:*" | "arn:aws:*"))
}

/// Whether a resource passes the test, or all but some are named.
pub(super) fn on(statement: &Statement<'_>, test: impl Fn(&str) -> bool) -> bool {
    statement
        .resources
        .as_ref()
        .is_some_and(|list| list.negated || list.items.iter().any(|item| test(item.text)))
}

/// Whether a condition narrows what the statement is about, and not only when it holds.
pub(super) fn narrowed(statement: &Statement<'_>) -> bool {
    statement.conditions.iter().any(|condition| {
        let any = condition
            .values
            .iter()
            .all(|(value, _)| matches!(*value, "*" | "0.0.0.0/0"));
        let circumstance = CIRCUMSTANCES
            .iter()
            .any(|start| condition.lower.starts_with(start));
        !circumstance && !any && condition.operator.base != "Null"
    })
}

fn administrator<'a>(statement: &Statement<'a>) -> Option<Span> {
    let list = statement.actions.as_ref().filter(|list| !list.negated)?;
    let item = list.items.iter().find(|item| matches!(item.text, "*" | "*:*"))?;
    (on_everything(statement) && !narrowed(statement)).then(|| item.node.span())
}

pub(super) fn check(grants: &Grants<'_, '_>, report: &mut Report) {
    if grants.document.kind != PolicyKind::Identity {
        return;
    }
    for statement in grants
        .document
        .statements
        .iter()
        .filter(|statement| statement.allows())
    {
        if let Some(span) = administrator(statement) {
            let help = "name the actions that are needed; `*` also takes in everything AWS adds";
            report.add(
                ADMINISTRATOR_ACCESS,
                &span,
                "every action on every resource is allowed",
                help,
            );
        }
        let negated = statement.actions.as_ref().filter(|list| list.negated);
        if let Some(list) = negated.filter(|_| on_everything(statement) && !narrowed(statement)) {
            let message = "everything but these actions is allowed, those of services to come included";
            report.add(
                ALLOW_WITH_NOT_ACTION,
                list.key,
                message,
                "name what is allowed, in `Action`",
            );
        }
    }
    pass_role(grants, report);
    assume_role(grants, report);
    service_linked(grants, report);
}

fn pass_role(grants: &Grants<'_, '_>, report: &mut Report) {
    for grant in grants.of("iam:passrole") {
        let statement = grant.statement;
        let keys = ["iam:passedtoservice", "iam:associatedresourcearn"];
        if limited(statement, &keys) || narrowed(statement) {
            continue;
        }
        let negated = statement.resources.as_ref().is_some_and(|list| list.negated);
        let help = "name the roles, and compare `iam:PassedToService` with the service they are for";
        if negated {
            let message = "every role but these may be passed to a service";
            report.add(PASS_ROLE_WITH_NOT_RESOURCE, &grant.span, message, help);
        } else if on(statement, every_role) {
            let (rule, message) = if grant.wild {
                let message = "this takes in `iam:PassRole`: any role may be passed to any service";
                (PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE, message)
            } else {
                (
                    PASS_ROLE_WITH_STAR_IN_RESOURCE,
                    "any role may be passed to any service",
                )
            };
            report.add(rule, &grant.span, message, help);
        }
    }
}

fn assume_role(grants: &Grants<'_, '_>, report: &mut Report) {
    for grant in grants.of("sts:assumerole") {
        if on(grant.statement, every_role) && !narrowed(grant.statement) {
            let message = "every role that trusts the account can be assumed";
            report.add(ASSUMES_ANY_ROLE, &grant.span, message, "name the roles");
        }
    }
}

fn service_linked(grants: &Grants<'_, '_>, report: &mut Report) {
    for grant in grants.of("iam:createservicelinkedrole") {
        if !narrowed(grant.statement) && on(grant.statement, every_role) {
            let message = "any service's linked role may be made";
            let help = "compare `iam:AWSServiceName` with the services that are meant";
            report.add(CREATE_SLR_WITH_STAR_IN_RESOURCE, &grant.span, message, help);
        }
    }
}

/// Whether a resource takes in every role of an account.
pub(super) fn every_role(text: &str) -> bool {
    every(text, "role")
}

/// Whether a resource takes in every IAM resource of this kind.
pub(super) fn every(text: &str, kind: &str) -> bool {
    matches!(text, "*" | "arn:*")
        || arn(text)
            .is_some_and(|(service, path)| service == "iam" && glob::covers(path, &format!("{kind}/*")))
}

/// The service and the resource that an ARN names; of one cut short, every resource. A colon within a variable,
/// `${aws:username}`, parts nothing.
pub(super) fn arn(text: &str) -> Option<(&str, &str)> {
    let mut within = false;
    let mut colons = text.bytes().enumerate().filter_map(|(at, byte)| {
        within = byte != b'}' && (within || text.get(at..).is_some_and(|rest| rest.starts_with("${")));
        (byte == b':' && !within).then_some(at)
    });
    let service = colons.nth(1)? + 1;
    let end = colons.next().unwrap_or(text.len());
    let path = colons
        .nth(1)
        .map_or("*", |colon| text.get(colon + 1..).unwrap_or_default());
    Some((text.get(service..end)?, path))
}
