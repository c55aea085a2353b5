//! What all questions about an account take: an action, condition keys, the policies of resources.

use super::account::{Document, ResourcePolicy, compile};
use super::answer::Answer;
use crate::error::CliError;
use crate::printer::Printer;
use hallpass_policy::possibility;
use hallpass_policy::{
    Context, DOCUMENT_BYTES_MAX, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request,
};
use std::path::Path;

/// One action in AWS's spelling. One that the reference does not know is taken as it is, and said.
pub(super) fn action(text: &str, printer: &Printer) -> Result<String, CliError> {
    let plain = |text: &str| !text.is_empty() && !text.contains(['*', '?', ' ', ':']);
    let one = text
        .split_once(':')
        .is_some_and(|(service, name)| plain(service) && plain(name));
    if !one {
        let message = format!("`{text}` is not one action");
        return Err(CliError::failed(message).hint("give it as `s3:GetObject`, without wildcards"));
    }
    match hallpass_reference::action(text) {
        Some(known) => Ok(format!("{}:{}", known.service_prefix(), known.name())),
        None => {
            printer.say(&format!(
                "warning: no service is known to have the action `{text}`"
            ));
            Ok(text.to_owned())
        }
    }
}

/// Refuses what is neither an ARN nor `*`.
pub(super) fn resource(text: &str) -> Result<(), CliError> {
    if text == "*" || text.parse::<hallpass_types::Arn>().is_ok() {
        return Ok(());
    }
    let message = format!("`{text}` is not a resource");
    Err(CliError::failed(message).hint("give its ARN, or `*` for actions that know no resources"))
}

/// Whether a request is decided by the trust policy of the role that is its resource.
pub(super) fn by_trust(action: &str, resource: &str) -> bool {
    let action = action.to_ascii_lowercase();
    let sts = action.starts_with("sts:assumerole")
        || ["sts:tagsession", "sts:setsourceidentity"].contains(&action.as_str());
    let mut parts = resource.splitn(6, ':');
    sts && parts.nth(2) == Some("iam") && parts.nth(2).is_some_and(|name| name.starts_with("role/"))
}

/// Condition keys given as `KEY=VALUE`, with the values of each.
#[derive(Debug, Clone, Default)]
pub(super) struct Given(Vec<(String, Vec<String>)>);

impl Given {
    /// Reads them; a key given several times has several values.
    pub(super) fn parse(entries: &[String]) -> Result<Self, CliError> {
        let mut keys: Vec<(String, Vec<String>)> = Vec::new();
        for entry in entries {
            let (key, value) = entry
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| CliError::failed(format!("--context {entry}: give KEY=VALUE")))?;
            match keys.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
                Some((_, values)) => values.push(value.to_owned()),
                None => keys.push((key.to_owned(), vec![value.to_owned()])),
            }
        }
        Ok(Self(keys))
    }

    /// What is known of requests of `principal` with these tags.
    pub(super) fn context(&self, principal: &PrincipalInfo, tags: &[(String, String)]) -> Context {
        let mut context = Context::of_principal(principal);
        for (key, value) in tags {
            context.set(format!("aws:PrincipalTag/{key}"), value);
        }
        self.fill(&mut context);
        context
    }

    /// Sets the keys.
    pub(super) fn fill(&self, context: &mut Context) {
        for (key, values) in &self.0 {
            match values.as_slice() {
                [value] => context.set(key.clone(), value),
                values => context.set_many(key.clone(), values),
            };
        }
    }
}

/// Reads a resource's policy, or a role's.
pub(super) fn policy_file(path: &Path, kind: PolicyKind) -> Result<PolicyGroup, CliError> {
    let text = super::read_text(path, DOCUMENT_BYTES_MAX as u64)?;
    let name = path.display().to_string();
    let policy = compile(&Document { name, text }, kind);
    policy
        .map(PolicyGroup::from)
        .map_err(|error| CliError::failed(error.to_string()))
}

/// Reads `ARN=FILE` each.
pub(super) fn resource_policies(entries: &[String]) -> Result<Vec<ResourcePolicy>, CliError> {
    let read = |entry: &String| {
        let (arn, path) = entry
            .split_once('=')
            .filter(|(arn, _)| arn.parse::<hallpass_types::Arn>().is_ok())
            .ok_or_else(|| CliError::failed(format!("--resource-policy {entry}: give ARN=FILE")))?;
        Ok(ResourcePolicy {
            arn: arn.to_owned(),
            policy: policy_file(Path::new(path), PolicyKind::Resource)?,
        })
    };
    entries.iter().map(read).collect()
}

/// Asks.
pub(super) fn ask(request: &Request<'_>, policies: &PolicySet<'_>, trust: Option<&PolicyGroup>) -> Answer {
    possibility(request, policies, trust).into()
}
