//! KMS: keys by id, ARN or alias.

use crate::asked::{Asked, Found, whole_arn};
use crate::resource::is_plain_name;
use crate::value::Value;
use hallpass_access::ActionOn;

/// ReEncrypt is two actions, each on its own key.
pub(super) fn whole(asked: &Asked<'_>) -> Option<Vec<ActionOn>> {
    if asked.operation.name != "ReEncrypt" {
        return None;
    }
    let parts = [
        ("kms:ReEncryptFrom", "SourceKeyId", "SourceEncryptionContext"),
        (
            "kms:ReEncryptTo",
            "DestinationKeyId",
            "DestinationEncryptionContext",
        ),
    ];
    let on = parts.map(|(action, key, context)| {
        let on = match asked.text(key).and_then(|text| key_arn(asked, text)) {
            Some(arn) => ActionOn::new(action, arn),
            None => ActionOn::on_unknown_resource(action),
        };
        ActionOn {
            context: [alias(asked, key), context_keys(asked.body(context))].concat(),
            ..on
        }
    });
    Some(on.into())
}

/// The key; of an alias that is made, both it and the key.
pub(super) fn resources(asked: &Asked<'_>) -> Found {
    let mut found = vec![];
    for member in ["KeyId", "TargetKeyId"] {
        if let Some(value) = asked.body(member) {
            found.push(value.text().and_then(|text| key_arn(asked, text)));
        }
    }
    if let Some(value) = asked.body("AliasName") {
        let name = value
            .text()
            .filter(|text| text.starts_with("alias/") && crate::asked::is_resource_name(text));
        found.push(name.map(|name| asked.arn("kms", name)));
    }
    // Deleting or moving an alias needs the permission on the key it is of, too.
    if matches!(asked.operation.name, "DeleteAlias" | "UpdateAlias") {
        found.push(None);
    }
    Found::all(found)
}

/// A key by id or ARN. The resource of a call by alias is the key it is of, which the request does not tell: taking the
/// alias for it would let a call past a Deny of the key. Source: KMS Developer Guide, "Use aliases to control access".
fn key_arn(asked: &Asked<'_>, text: &str) -> Option<String> {
    if text.starts_with("arn:") {
        return whole_arn(text, "kms").filter(|arn| arn.contains(":key/"));
    }
    let is_id = !text.starts_with("alias/") && is_plain_name(text);
    is_id.then(|| asked.arn("kms", &format!("key/{text}")))
}

/// `kms:RequestAlias`, `kms:EncryptionContext:K`, `kms:EncryptionContextKeys`.
pub(super) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    [
        alias(asked, "KeyId"),
        context_keys(asked.body("EncryptionContext")),
    ]
    .concat()
}

fn alias(asked: &Asked<'_>, member: &str) -> Vec<(String, Vec<String>)> {
    let alias = asked.text(member).and_then(|text| {
        let name = if text.starts_with("arn:") {
            text.splitn(6, ':').nth(5)?
        } else {
            text
        };
        name.starts_with("alias/").then(|| name.to_owned())
    });
    alias
        .map(|alias| ("kms:RequestAlias".to_owned(), vec![alias]))
        .into_iter()
        .collect()
}

fn context_keys(context: Option<&Value>) -> Vec<(String, Vec<String>)> {
    let Some(context) = context else { return vec![] };
    let mut keys = vec![];
    let mut names = vec![];
    for (name, value) in context.entries() {
        names.push(name.to_owned());
        keys.push((
            format!("kms:EncryptionContext:{name}"),
            vec![value.text().unwrap_or_default().to_owned()],
        ));
    }
    if !names.is_empty() {
        keys.push(("kms:EncryptionContextKeys".to_owned(), names));
    }
    keys
}
