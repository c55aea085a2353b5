//! Actions that do not exist.

use crate::catalogue::*;
use crate::document::{Document, Item, Statement};
use crate::fix::{distance, quoted};
use crate::glob;
use crate::report::{At as _, Report};
use hallpass_policy::PolicyKind;
use hallpass_reference as reference;

/// The reference is a snapshot.
const UNKNOWN: &str = "correct its spelling or remove it, unless AWS has added it of late";

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    let Some(list) = &statement.actions else {
        return;
    };
    for item in &list.items {
        let Some((prefix, name)) = item.text.split_once(':') else {
            continue;
        };
        if name.contains(':') || prefix.is_empty() || document.kind == PolicyKind::Trust && !is_sts(prefix) {
            continue;
        }
        if prefix.contains(['*', '?']) {
            let help = "name the service; a wildcard there takes in services to come";
            let message = format!("`{}` has a wildcard in the service's name", item.text);
            report.add(WILDCARD_IN_SERVICE_NAME, item.node, message, help);
            continue;
        }
        let Some(service) = reference::service(prefix) else {
            unknown_service(document, item, prefix, name, report);
            continue;
        };
        if name.contains(['*', '?']) {
            let (_, lower) = item.lower.split_once(':').unwrap_or_default();
            let known = !document.spend(service.actions().len())
                || lower == "*"
                || service
                    .actions()
                    .iter()
                    .any(|action| glob::matches(lower, &action.name().to_ascii_lowercase()));
            if !known {
                let message = format!("no action of `{prefix}` matches `{name}`");
                report.add(INVALID_ACTION, item.node, message, UNKNOWN);
            }
        } else if let Some(action) = service.action(name) {
            let right = format!("{}:{}", service.prefix(), action.name());
            if right != item.text {
                let message = format!("AWS spells `{}` as `{right}`", item.text);
                let help = "case makes no difference to AWS, and some to whoever searches";
                report.add(ACTION_CASE, item.node, message, help);
                report.fix(
                    format!("replace `{}` by `{right}`", item.text),
                    vec![(item.node.span(), quoted(&right))],
                );
            }
        } else {
            unknown_action(document, item, service, name, report);
        }
    }
}

fn is_sts(prefix: &str) -> bool {
    prefix.eq_ignore_ascii_case("sts")
}

fn unknown_action(
    document: &Document<'_>,
    item: &Item<'_>,
    service: &reference::Service,
    name: &str,
    report: &mut Report,
) {
    let message = format!("the service `{}` has no action `{name}`", service.prefix());
    let near = nearest(
        document,
        service.actions().iter().map(reference::Action::name),
        name,
    );
    match near {
        Some(near) => {
            let right = format!("{}:{near}", service.prefix());
            report.add(
                INVALID_ACTION,
                item.node,
                message,
                format!("did you mean `{right}`?"),
            );
            let title = format!("replace `{}` by `{right}`", item.text);
            report.fix(title, vec![(item.node.span(), quoted(&right))]);
        }
        None => report.add(INVALID_ACTION, item.node, message, UNKNOWN),
    }
}

fn unknown_service(document: &Document<'_>, item: &Item<'_>, prefix: &str, name: &str, report: &mut Report) {
    let message = format!("there is no service `{prefix}`");
    let near = nearest(
        document,
        reference::services().map(reference::Service::prefix),
        prefix,
    );
    // A prefix of a few letters is near to many; it must have the action too.
    let near = near.filter(|near| reference::action(&format!("{near}:{name}")).is_some());
    match near {
        Some(near) => {
            let right = format!("{near}:{name}");
            report.add(
                INVALID_SERVICE_IN_ACTION,
                item.node,
                message,
                format!("did you mean `{near}`?"),
            );
            let title = format!("replace `{}` by `{right}`", item.text);
            report.fix(title, vec![(item.node.span(), quoted(&right))]);
        }
        None => report.add(
            INVALID_SERVICE_IN_ACTION,
            item.node,
            message,
            "use the prefix that AWS's Service Authorization Reference gives the service",
        ),
    }
}

/// The one name that is nearest, at most two letters away; `None` when two are equally near.
fn nearest<'n>(
    document: &Document<'_>,
    names: impl Iterator<Item = &'n str>,
    wanted: &str,
) -> Option<&'n str> {
    let mut best: Option<(usize, &str)> = None;
    let mut tie = false;
    for name in names {
        if !document.spend(20) {
            return None;
        }
        let Some(distance) = distance(name, wanted) else {
            continue;
        };
        match best {
            Some((least, _)) if distance > least => {}
            Some((least, _)) if distance == least => tie = true,
            _ => {
                best = Some((distance, name));
                tie = false;
            }
        }
    }
    best.filter(|_| !tie).map(|(_, name)| name)
}
