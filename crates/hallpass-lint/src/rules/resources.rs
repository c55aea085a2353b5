//! Resources: the parts of their ARNs, and whether the statement's actions act on them.

use crate::catalogue::*;
use crate::document::{Document, Item, List, Statement};
use crate::fix::quoted;
use crate::glob;
use crate::report::{At as _, Report};
use hallpass_reference as reference;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Services in ARNs that the reference has under another name, or not at all.
const OTHER_SERVICES: [&str; 12] = [
    "aws-marketplace",
    "catalog",
    "cloudformation",
    "elasticloadbalancing",
    "kinesisvideo",
    "mobilehub",
    "servicecatalog",
    "inspector",
    "opsworks",
    "sms-voice",
    "stepfunctions",
    "apigateway",
];

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    let Some(list) = &statement.resources else {
        return;
    };
    for item in &list.items {
        if item.text != "*" {
            arn(item, report);
        }
    }
    if !list.negated {
        supported(document, statement, list, report);
    }
}

fn arn(item: &Item<'_>, report: &mut Report) {
    let parts: Vec<&str> = item.text.splitn(6, ':').collect();
    let part = |index: usize| parts.get(index).copied().unwrap_or_default();
    let plain = |part: &str| !part.contains(['*', '?', '$']);
    let text = item.text;
    // What is less than this the parser has refused.
    if part(0) != "arn" || parts.len() < 3 {
        return;
    }
    let open = parts.last().is_some_and(|last| last.ends_with('*'));
    if parts.len() < 6 && !open {
        let help = "write `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`; region and account may be empty";
        report.add(
            MISSING_ARN_FIELD,
            item.node,
            format!("`{text}` has fewer than six parts"),
            help,
        );
        return;
    }
    let service = part(2);
    if plain(service) && service.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let lower = service.to_ascii_lowercase();
        let right = text.replacen(&format!(":{service}:"), &format!(":{lower}:"), 1);
        let message = format!("the service `{service}` must be in lower case");
        report.add(
            INVALID_ARN_SERVICE_CASE,
            item.node,
            message,
            format!("write `{lower}`"),
        );
        report.fix(
            format!("replace `{service}` by `{lower}`"),
            vec![(item.node.span(), quoted(&right))],
        );
    } else if plain(service) && !service.is_empty() && !known_service(service) {
        let message = format!("there is no service `{service}`");
        report.add(
            INVALID_SERVICE,
            item.node,
            message,
            "copy the ARN from the resource itself",
        );
    }
    let region = part(3);
    let in_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let shaped = region.matches('-').count() >= 2 && region.bytes().all(in_region);
    if plain(region) && !region.is_empty() && !shaped {
        let message = format!("`{region}` is no region");
        report.add(
            INVALID_ARN_REGION,
            item.node,
            message,
            "write a region such as `eu-central-1`, or `*`",
        );
    }
    let account = part(4);
    let digits = account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit());
    if plain(account) && !account.is_empty() && account != "aws" && account != "cloudfront" && !digits {
        let message = format!("`{account}` is no account");
        report.add(
            INVALID_ARN_ACCOUNT,
            item.node,
            message,
            "write the account's twelve digits, or `*`",
        );
    }
    let bucket = service == "s3" && parts.len() == 6 && !part(5).starts_with(regional_s3(part(5)));
    if bucket && plain(account) && !account.is_empty() {
        let message = "buckets and objects have no account in their ARNs";
        report.add(
            ARN_ACCOUNT_NOT_ALLOWED,
            item.node,
            message,
            "leave it empty: `arn:aws:s3:::bucket`",
        );
        let right = text.replacen(&format!(":{account}:"), "::", 1);
        report.fix("remove the account", vec![(item.node.span(), quoted(&right))]);
    }
}

/// The start that makes an S3 resource one of an account, or one that nothing starts with.
fn regional_s3(path: &str) -> &'static str {
    const STARTS: [&str; 7] = [
        "accesspoint",
        "job/",
        "storage-lens",
        "access-grants",
        "async-request",
        "outpost",
        "*",
    ];
    STARTS
        .iter()
        .find(|start| path.starts_with(**start))
        .copied()
        .unwrap_or("\0")
}

/// The services that stand in ARNs.
static SERVICES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    let types = reference::services().flat_map(reference::Service::resource_types);
    let in_arns = types.filter_map(|kind| kind.arn().split(':').nth(2));
    let prefixes = reference::services().map(reference::Service::prefix);
    in_arns.chain(prefixes).chain(OTHER_SERVICES).collect()
});

fn known_service(service: &str) -> bool {
    SERVICES.contains(service)
}

/// Actions that act on none of the resources.
fn supported(document: &Document<'_>, statement: &Statement<'_>, list: &List<'_>, report: &mut Report) {
    if list.items.is_empty()
        || list
            .items
            .iter()
            .any(|item| item.text == "*" || !item.text.starts_with("arn:"))
    {
        return;
    }
    let Some(actions) = statement.actions.as_ref().filter(|actions| !actions.negated) else {
        return;
    };
    for item in &actions.items {
        let Some(action) = reference::action(item.text) else {
            continue;
        };
        let name = format!("{}:{}", action.service_prefix(), action.name());
        if action.is_wildcard_only() {
            if !list
                .items
                .iter()
                .any(|resource| resource.text.trim_start_matches("arn:").starts_with('*'))
            {
                let message = format!("`{name}` acts on no particular resource: only `*` matches it");
                let help = "move it to a statement with `\"Resource\": \"*\"`";
                report.add(UNSUPPORTED_RESOURCE, item.node, message, help);
            }
            continue;
        }
        match acts_on(document, action, &list.items) {
            Some(true) | None => {}
            Some(false) => {
                let kinds: Vec<_> = action
                    .resources()
                    .iter()
                    .map(|resource| resource.name)
                    .take(4)
                    .collect();
                let message = format!("`{name}` acts on none of the statement's resources");
                let help = format!("it acts on: {}", kinds.join(", "));
                report.add(UNSUPPORTED_RESOURCE, item.node, message, help);
            }
        }
    }
}

/// Whether some resource can be of a type that the action acts on; `None` when that is not known.
pub(super) fn acts_on(
    document: &Document<'_>,
    action: &reference::Action,
    items: &[Item<'_>],
) -> Option<bool> {
    let service = reference::service(action.service_prefix())?;
    for resource in action.resources() {
        let arn = service.resource_type(resource.name)?.arn();
        let (head, path) = split(arn)?;
        for item in items {
            // An ARN cut short is completed with wildcards.
            let (item_head, item_path) = split(item.text)?;
            if !document.spend(30) {
                return None;
            }
            let service_fits = head.split(':').nth(2).is_none_or(|service| {
                item_head
                    .split(':')
                    .nth(2)
                    .is_none_or(|other| service.starts_with('$') || service == other)
            });
            if !service_fits {
                continue;
            }
            if !document.spend(item_path.len() * path.len()) {
                return None;
            }
            let bucket =
                resource.name == "bucket" && action.service_prefix() == "s3" && item_path.contains('/');
            if !bucket && glob::meet(&wild(path), &wild(item_path)) {
                return Some(true);
            }
        }
    }
    Some(false)
}

/// The first five parts of an ARN, and the rest.
fn split(arn: &str) -> Option<(&str, &str)> {
    let colon = arn.match_indices(':').nth(4)?.0;
    Some((arn.get(..colon)?, arn.get(colon + 1..)?))
}

/// The text with a `*` for each `${…}`.
fn wild(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        result.push_str(rest.get(..start).unwrap_or_default());
        result.push('*');
        let inner = rest.get(start..).unwrap_or_default();
        rest = inner
            .find('}')
            .and_then(|end| inner.get(end + 1..))
            .unwrap_or_default();
    }
    result.push_str(rest);
    result
}
