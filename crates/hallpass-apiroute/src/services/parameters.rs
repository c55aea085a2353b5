//! Secrets Manager, and Systems Manager's parameters.

use crate::asked::{Asked, Found, is_resource_name, whole_arn};
use hallpass_access::ActionOn;
use hallpass_reference::Action;

/// How many letters and digits a secret's ARN ends in, after a hyphen. Source: Secrets Manager, "Secrets Manager
/// concepts".
const SUFFIX: usize = 6;

/// A batch is an action of its own, and a read of each secret.
pub(super) fn whole(asked: &Asked<'_>) -> Option<Vec<ActionOn>> {
    if asked.operation.name != "BatchGetSecretValue" {
        return None;
    }
    const GET: &str = "secretsmanager:GetSecretValue";
    let ids = asked.items("SecretIdList");
    let mut actions = vec![ActionOn::new("secretsmanager:BatchGetSecretValue", "*")];
    if ids.is_empty() {
        actions.push(ActionOn::on_unknown_resource(GET));
    }
    for id in ids {
        actions.push(match id.text().and_then(|text| secret_arn(asked, text)) {
            Some(arn) => ActionOn::new(GET, arn),
            None => ActionOn::on_unknown_resource(GET),
        });
    }
    Some(actions)
}

/// The secret by name or ARN.
pub(super) fn secret(asked: &Asked<'_>) -> Found {
    let member = if asked.operation.name == "CreateSecret" {
        "Name"
    } else {
        "SecretId"
    };
    Found::one(asked.text(member).and_then(|text| secret_arn(asked, text)))
}

/// A secret's ARN ends in a hyphen and six characters that a name does not tell. `??????` stands for them: as policies
/// are written, `NAME-??????` and `NAME-*` then match. One that names the whole ARN does not: an Allow of it is refused
/// when asked by name, and a Deny of it does not apply.
fn secret_arn(asked: &Asked<'_>, text: &str) -> Option<String> {
    let arn = if text.starts_with("arn:") {
        whole_arn(text, "secretsmanager")?
    } else if is_resource_name(text) {
        asked.arn("secretsmanager", &format!("secret:{text}"))
    } else {
        return None;
    };
    let is_whole = text.starts_with("arn:")
        && arn.rsplit_once('-').is_some_and(|(_, suffix)| {
            suffix.len() == SUFFIX && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    Some(if is_whole {
        arn
    } else {
        format!("{arn}-{}", "?".repeat(SUFFIX))
    })
}

/// The parameters that `Name`, `Names` or `Path` name; only for actions on parameters.
pub(super) fn parameter(asked: &Asked<'_>, action: &Action) -> Found {
    if asked.operation.name == "SendCommand" {
        return command(asked);
    }
    let on_parameters = action.resources().iter().all(|kind| kind.name == "parameter");
    if !on_parameters {
        return Found::Generic;
    }
    let mut found = vec![];
    for member in ["Name", "Path"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| parameter_arn(asked, text)));
        }
    }
    if asked.body("Names").is_some() {
        let names = asked.items("Names").into_iter();
        found.extend(names.map(|name| name.text().and_then(|text| parameter_arn(asked, text))));
    }
    Found::all(found)
}

/// A command is on its document and on every instance; targets by tag tell neither.
fn command(asked: &Asked<'_>) -> Found {
    let document = asked.text("DocumentName");
    let mut found = vec![document.and_then(|name| asked.arn_or(name, "ssm", "document/"))];
    let instances = asked.items("InstanceIds");
    if asked.body("Targets").is_some() || instances.is_empty() {
        return Found::Unknown;
    }
    for id in instances {
        let id = id.text().filter(|id| crate::resource::is_plain_name(id));
        found.push(id.map(|id| match id.starts_with("mi-") {
            true => asked.arn("ssm", &format!("managed-instance/{id}")),
            false => asked.arn("ec2", &format!("instance/{id}")),
        }));
    }
    Found::all(found)
}

/// A name with or without its leading slash; a version or a label after a colon is not part of it.
fn parameter_arn(asked: &Asked<'_>, text: &str) -> Option<String> {
    if text.starts_with("arn:") {
        return whole_arn(text, "ssm");
    }
    let name = text.split(':').next().unwrap_or_default();
    let name = name.strip_prefix('/').unwrap_or(name);
    // The root is no parameter: it is all of them.
    is_resource_name(name).then(|| asked.arn("ssm", &format!("parameter/{name}")))
}

/// The services' own keys.
pub(super) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    let mut keys = vec![];
    let mut set = |key: &str, value: &str| keys.push((key.to_owned(), vec![value.to_owned()]));
    if asked.service() == "ssm" {
        if asked.operation.name == "GetParametersByPath" {
            let recursive = asked.body("Recursive").and_then(crate::value::Value::flag);
            set(
                "ssm:Recursive",
                if recursive == Some(true) { "true" } else { "false" },
            );
        }
        if let Some(overwrite) = asked.body("Overwrite").and_then(crate::value::Value::flag) {
            set("ssm:Overwrite", if overwrite { "true" } else { "false" });
        }
        return keys;
    }
    if let Some(id) = asked.text("SecretId") {
        // The key is the ARN, whatever the request says.
        if let Some(arn) = secret_arn(asked, id) {
            set("secretsmanager:SecretId", &arn);
        }
    }
    for (member, key) in [
        ("VersionStage", "secretsmanager:VersionStage"),
        ("VersionId", "secretsmanager:VersionId"),
        ("KmsKeyId", "secretsmanager:KmsKeyId"),
    ] {
        if let Some(value) = asked.text(member) {
            set(key, value);
        }
    }
    if asked.operation.name == "CreateSecret"
        && let Some(name) = asked.text("Name")
    {
        set("secretsmanager:Name", name);
    }
    keys
}
