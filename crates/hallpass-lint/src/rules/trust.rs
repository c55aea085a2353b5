//! Who a role's trust policy lets in.

use super::principals::{SOURCE, limited, names};
use crate::catalogue::*;
use crate::document::{Document, Statement};
use crate::report::Report;
use hallpass_policy::PolicyKind;

/// Keys that tell the world apart.
const WHO: [&str; 11] = [
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principaltag/",
    "aws:sourceip",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:vpcsourceip",
    "aws:userid",
    "sts:externalid",
];

/// Services that take a role only from an account of their caller's own: no source can be named for them.
const OWN_ACCOUNT: [&str; 2] = ["ec2.amazonaws.com", "lambda.amazonaws.com"];

pub(super) fn check(document: &Document<'_>, statement: &Statement<'_>, report: &mut Report) {
    let prohibited = statement
        .principal
        .is_some_and(|(key, _)| key.text == "NotPrincipal");
    if document.kind != PolicyKind::Trust || !statement.allows() || prohibited {
        return;
    }
    for (kind, name, node) in names(statement) {
        match kind {
            // An external id is no secret, but whoever must know it is not anybody.
            "AWS" if name == "*" && !limited(statement, &WHO) => {
                let help = "name the roles or users, or add a condition on `aws:PrincipalOrgID`";
                report.add(
                    TRUSTS_EVERYBODY,
                    node,
                    "anybody in the world may assume the role",
                    help,
                );
            }
            "AWS" if is_account(name) => {
                let mut keys = WHO.to_vec();
                keys.push("aws:multifactorauthpresent");
                if !limited(statement, &keys) {
                    let message =
                        format!("everybody whom the account of `{name}` permits may assume the role");
                    let help = "if it is another's account, require an `sts:ExternalId`; if it is yours, name the roles";
                    report.add(TRUSTS_ACCOUNT_WITHOUT_EXTERNAL_ID, node, message, help);
                }
            }
            "Service" if !OWN_ACCOUNT.contains(&name) && !limited(statement, &SOURCE) => {
                let message = format!("`{name}` may assume the role for another account (a confused deputy)");
                let help =
                    "add a condition on `aws:SourceAccount` or `aws:SourceArn`, where the service sends them";
                report.add(
                    RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL,
                    node,
                    message,
                    help,
                );
            }
            "Federated" if !name.contains(":saml-provider/") && !tells_identities_apart(statement) => {
                let message = format!("any identity that `{name}` vouches for may assume the role");
                let help = "compare the provider's `:sub` (or `:aud`) with the identities that are meant";
                report.add(MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL, node, message, help);
            }
            _ => {}
        }
    }
}

fn is_account(name: &str) -> bool {
    let digits = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(name) || name.starts_with("arn:") && name.ends_with(":root")
}

/// GitHub's audience is the same for everybody, so that there the subject itself must be compared.
fn tells_identities_apart(statement: &Statement<'_>) -> bool {
    statement.conditions.iter().any(|condition| {
        let key = condition.lower.as_str();
        let github = key.starts_with("token.actions.githubusercontent.com:");
        let about = match key.rsplit_once(':').map(|(_, claim)| claim) {
            Some(
                "sub" | "email" | "id" | "user_id" | "app_id" | "repository" | "repository_owner"
                | "job_workflow_ref",
            ) => true,
            Some("aud" | "amr" | "oaud" | "azp") => !github,
            _ => false,
        };
        let any = condition.values.iter().all(|(value, _)| *value == "*");
        about && !any && !condition.holds_without_key()
    })
}
