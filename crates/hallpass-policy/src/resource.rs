//! What AWS demands of the text in `Resource` and `NotResource`, and the messages it refuses with.
//!
//! The rules are inferred from the refusals recorded in moto's test corpus; see `vectors/policy`.

/// The partitions that exist; a pattern may also hold a wildcard there.
const PARTITIONS: [&str; 8] = [
    "aws",
    "aws-cn",
    "aws-us-gov",
    "aws-iso",
    "aws-iso-b",
    "aws-iso-e",
    "aws-iso-f",
    "aws-eusc",
];

/// What an IAM resource may be; `IAM resource path must …`.
const IAM_PATHS: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

/// What IAM takes although its sentence does not list it: `sts:AssumeRoot` is granted on an account's root ("Centrally
/// manage root access"), and AWS's own managed policies name role templates.
const IAM_UNLISTED: [&str; 2] = ["root", "role-template/"];

/// S3 resources that live in a region, unlike buckets and objects.
const S3_REGIONAL: [&str; 5] = [
    "accesspoint/",
    "job/",
    "storage-lens/",
    "storage-lens-group/",
    "access-grants/",
];

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ResourceFault {
    /// Reported before every other fault of the document.
    Legacy,
    /// Reported only when nothing weightier is wrong, the first one first.
    Message(String),
}

/// Judges one resource pattern.
pub(crate) fn check(text: &str) -> Result<(), ResourceFault> {
    let refuse = |message: String| Err(ResourceFault::Message(message));
    if text == "*" {
        return Ok(());
    }
    if !text.contains(':') {
        return refuse(format!("Resource {text} must be in ARN format or \"*\"."));
    }
    let parts = text.splitn(6, ':').collect::<Vec<_>>();
    let part = |index: usize| parts.get(index).copied();
    let wild = |part: &str| part.contains(['*', '?']);

    let partition = part(1).unwrap_or_default();
    if part(0) != Some("arn") || !(PARTITIONS.contains(&partition) || wild(partition)) {
        // AWS shows the pattern as it reads it: whatever comes first stands for `arn`, what is missing for `*`.
        let rest = parts.get(1..).unwrap_or_default().join(":");
        let missing = ":*".repeat(6 - parts.len());
        return refuse(format!(
            "Partition \"{partition}\" is not valid for resource \"arn:{rest}{missing}\"."
        ));
    }
    let Some(service) = part(2).filter(|service| !wild(service)) else {
        return refuse("Resource vendor must be fully qualified and cannot contain regexes.".to_owned());
    };
    if service.is_empty() {
        return Err(ResourceFault::Legacy);
    }
    // Only the end may be left out of an incomplete ARN: a bucket name in the account's place is a slip.
    let account = part(4).unwrap_or_default();
    let names_account =
        account.is_empty() || wild(account) || account.bytes().all(|byte| byte.is_ascii_digit());
    if part(5).is_none() && !names_account {
        return Err(ResourceFault::Legacy);
    }
    let (region, path) = (part(3).unwrap_or("*"), part(5).unwrap_or("*"));
    let regional = !region.is_empty() && region != "*";
    if service == "iam" {
        if regional {
            return refuse(format!("IAM resource {text} cannot contain region information."));
        }
        let known = path == "*" || IAM_UNLISTED.iter().any(|start| path.starts_with(start));
        if !known && !IAM_PATHS.iter().any(|start| path.starts_with(start)) {
            let paths = IAM_PATHS.join(", ");
            return refuse(format!(
                "IAM resource path must either be \"*\" or start with {paths}."
            ));
        }
    }
    if service == "s3" && regional && path != "*" && !S3_REGIONAL.iter().any(|start| path.starts_with(start))
    {
        return refuse(format!("Resource {text} can not contain region information."));
    }
    Ok(())
}
