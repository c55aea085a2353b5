use crate::ImdsResponse;
use hallpass_types::UnixSeconds;
use std::fmt::Write as _;

/// One set of credentials about to be shown. Borrowed: nothing here keeps a secret.
#[derive(Clone, Copy)]
pub struct CredentialView<'a> {
    /// The access key id.
    pub access_key_id: &'a str,
    /// The secret access key.
    pub secret_access_key: &'a str,
    /// The session token.
    pub token: &'a str,
    /// When they were issued.
    pub issued_at: UnixSeconds,
    /// When they end.
    pub expires_at: UnixSeconds,
    /// The account of the role; the container endpoint shows it.
    pub account: &'a str,
    /// The role; the container endpoint shows it.
    pub role_arn: &'a str,
}

impl std::fmt::Debug for CredentialView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CredentialView")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// The answer at `iam/security-credentials/ROLE`. `token_ttl` is what the session token that was used has left.
#[must_use]
pub fn credentials_answer(credentials: &CredentialView<'_>, token_ttl: Option<i64>) -> ImdsResponse {
    let body = document(&[
        ("Code", Some("Success")),
        ("LastUpdated", Some(&credentials.issued_at.iso8601())),
        ("Type", Some("AWS-HMAC")),
        ("AccessKeyId", Some(credentials.access_key_id)),
        ("SecretAccessKey", Some(credentials.secret_access_key)),
        ("Token", Some(credentials.token)),
        ("Expiration", Some(&credentials.expires_at.iso8601())),
    ]);
    let answer = ImdsResponse::text(200, body)
        .with("Accept-Ranges", "none")
        .with("Last-Modified", credentials.issued_at.http_date())
        .with("Cache-Control", "no-store");
    match token_ttl {
        Some(left) => answer.with("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", left.to_string()),
        None => answer,
    }
}

/// The document at `iam/info`.
#[must_use]
pub fn info_document(profile_arn: &str, profile_id: &str, updated: UnixSeconds) -> String {
    document(&[
        ("Code", Some("Success")),
        ("LastUpdated", Some(&updated.iso8601())),
        ("InstanceProfileArn", Some(profile_arn)),
        ("InstanceProfileId", Some(profile_id)),
    ])
}

/// Two spaces, `"key" : value`, absent values `null`, no final newline: the real service's own layout.
pub(crate) fn document(fields: &[(&str, Option<&str>)]) -> String {
    let length = |(key, value): &(&str, Option<&str>)| key.len() + value.map_or(4, str::len) + 12;
    let mut text = String::with_capacity(fields.iter().map(length).sum());
    text.push('{');
    for (index, (key, value)) in fields.iter().enumerate() {
        text.push_str(if index == 0 { "\n  \"" } else { ",\n  \"" });
        text.push_str(key);
        text.push_str("\" : ");
        match value {
            Some(value) => quote_into(&mut text, value),
            None => text.push_str("null"),
        }
    }
    text.push_str("\n}");
    text
}

pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quote_into(&mut quoted, text);
    quoted
}

fn quote_into(quoted: &mut String, text: &str) {
    quoted.push('"');
    // Nearly every text is plain, and a session token is long: all of it is looked at before any of it is decided on,
    // which the processor does for many bytes at once.
    let escaped = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | escaped(&byte)) {
        quoted.push_str(text);
        quoted.push('"');
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(|letter: char| letter < '\u{20}' || matches!(letter, '"' | '\\')) {
        let (plain, from) = rest.split_at(at);
        quoted.push_str(plain);
        let mut letters = from.chars();
        match letters.next() {
            Some(letter @ ('"' | '\\')) => quoted.extend(['\\', letter]),
            // Writing to a string cannot fail.
            Some(control) => drop(write!(quoted, "\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = letters.as_str();
    }
    quoted.push_str(rest);
    quoted.push('"');
}
