//! Settings of S3 that give away, empty or copy what buckets hold, with no right to read or delete an object.
//!
//! Over every bucket this is a danger, whichever words allow it. Over named ones a policy that says
//! `s3:PutBucketPolicy` or `s3:*` means it: whoever looks after a bucket needs it, and there would be nothing to
//! change. But `s3:Put*` reads like "may upload", and takes it in unsaid; that is worth a suggestion, whose remedy
//! is to name what is meant.
//!
//! Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations". Replication takes a role that
//! is passed to S3; where not any may be passed it is left out here.

use super::escalation::passes;
use super::grants::{Grants, arn, narrowed, on};
use super::resources::acts_on;
use crate::catalogue::{SHARES_EVERY_BUCKET, WILDCARD_SHARES_BUCKET};
use crate::document::{Item, Statement};
use crate::glob;
use crate::report::{Report, Span};
use hallpass_reference as reference;
use std::collections::BTreeMap;

struct Setting {
    action: &'static str,
    /// What becomes of what the buckets hold.
    effect: &'static str,
    /// It is made to objects, not to buckets.
    of_objects: bool,
}

const fn setting(action: &'static str, effect: &'static str, of_objects: bool) -> Setting {
    Setting {
        action,
        effect,
        of_objects,
    }
}

/// In the order of their effects.
const SETTINGS: [Setting; 6] = [
    setting("s3:PutBucketPolicy", SHARED, false),
    setting("s3:PutBucketAcl", SHARED, false),
    setting("s3:PutObjectAcl", SHARED, true),
    setting("s3:PutObjectVersionAcl", SHARED, true),
    setting("s3:PutLifecycleConfiguration", "deleted", false),
    setting(REPLICATION, "copied elsewhere", false),
];
const SHARED: &str = "opened to others";
const REPLICATION: &str = "s3:PutReplicationConfiguration";

pub(super) fn check(grants: &Grants<'_, '_>, report: &mut Report) {
    let mut roles = grants.of("iam:passrole");
    let passes = roles.any(|grant| passes(grant.statement, "s3.amazonaws.com"));
    let known: Vec<&Setting> = SETTINGS
        .iter()
        .filter(|setting| passes || setting.action != REPLICATION)
        .collect();
    let everywhere = everywhere(grants, &known);
    for statement in &grants.allows {
        if !everywhere.contains_key(&statement.index) && !narrowed(statement) {
            by_wildcard(grants, statement, &known, report);
        }
    }
    for (place, found) in everywhere.into_values() {
        let message = format!("what every bucket holds can be {}", told(&found));
        let help = "name the buckets: `arn:aws:s3:::bucket`";
        report.add(SHARES_EVERY_BUCKET, &place, message, help);
    }
}

/// By statement the first words that allow a setting of every bucket, and all settings that it allows.
fn everywhere<'s>(
    grants: &Grants<'_, '_>,
    known: &[&'s Setting],
) -> BTreeMap<usize, (Span, Vec<&'s Setting>)> {
    let mut found: BTreeMap<usize, (Span, Vec<&Setting>)> = BTreeMap::new();
    for setting in known {
        for grant in grants.of(&setting.action.to_ascii_lowercase()) {
            let statement = grant.statement;
            if on(statement, |text| every(text, setting.of_objects)) && !narrowed(statement) {
                let entry = found.entry(statement.index);
                let (place, settings) = entry.or_insert_with(|| (grant.span.clone(), Vec::new()));
                settings.push(*setting);
                if grant.span.start < place.start {
                    *place = grant.span;
                }
            }
        }
    }
    found
}

/// One finding for each wildcard that is more than the service's name.
fn by_wildcard(grants: &Grants<'_, '_>, statement: &Statement<'_>, known: &[&Setting], report: &mut Report) {
    let Some(actions) = statement.actions.as_ref().filter(|list| !list.negated) else {
        return;
    };
    let wild = |item: &&Item<'_>| {
        item.lower.starts_with("s3:") && item.lower != "s3:*" && item.lower.contains(['*', '?'])
    };
    let mut wild = actions.items.iter().filter(wild).peekable();
    if wild.peek().is_none() {
        return;
    }
    let named = |action: &str| actions.items.iter().any(|item| item.lower == action);
    let open = known.iter().filter_map(|setting| {
        let action = setting.action.to_ascii_lowercase();
        (!named(&action) && reaches(grants, statement, &action)).then_some((*setting, action))
    });
    let open: Vec<(&Setting, String)> = open.collect();
    for item in wild {
        let taken = open
            .iter()
            .filter(|(_, action)| glob::matches(&item.lower, action));
        let found: Vec<&Setting> = taken.map(|(setting, _)| *setting).collect();
        if !found.is_empty() {
            let message = format!(
                "`{}` also lets what the buckets hold be {}",
                item.text,
                told(&found)
            );
            report.add(
                WILDCARD_SHARES_BUCKET,
                item.node,
                message,
                "name the actions that are meant",
            );
        }
    }
}

/// Whether some resource that the action is made to is not taken back by a denial.
fn reaches(grants: &Grants<'_, '_>, statement: &Statement<'_>, name: &str) -> bool {
    let resources = statement.resources.as_ref().filter(|list| !list.negated);
    let (Some(action), Some(resources)) = (reference::action(name), resources) else {
        return false;
    };
    resources.items.iter().any(|item| {
        acts_on(grants.document, action, std::slice::from_ref(item)) == Some(true)
            && !grants.denies(name, item.text)
    })
}

/// Whether a resource takes in every bucket, or every object.
fn every(text: &str, objects: bool) -> bool {
    matches!(text, "*" | "arn:*")
        || arn(text).is_some_and(|(service, path)| {
            let all = |byte| byte == b'*' || objects && byte == b'/';
            service == "s3" && path.bytes().all(all)
        })
}

/// What becomes of it, and by which actions.
fn told(found: &[&Setting]) -> String {
    let mut effects: Vec<&str> = found.iter().map(|setting| setting.effect).collect();
    effects.dedup();
    let last = effects.pop().unwrap_or_default();
    let effects = match effects.join(", ") {
        none if none.is_empty() => last.to_owned(),
        others => format!("{others} or {last}"),
    };
    let actions: Vec<&str> = found.iter().map(|setting| setting.action).take(3).collect();
    let rest = match found.len().saturating_sub(actions.len()) {
        0 => String::new(),
        rest => format!(", and {rest} more"),
    };
    format!("{effects}: {}{rest}", actions.join(", "))
}
