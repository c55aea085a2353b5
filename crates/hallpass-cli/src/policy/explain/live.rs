//! `hallpass policy explain --live`: the running server's own answer.

use super::ExplainArgs;
use crate::admin::Admin;
use crate::error::CliError;
use serde_json::Value;

/// Asks `SimulatePrincipalPolicy`.
pub(super) async fn ask(
    options: &ExplainArgs,
    principal: &str,
    action: &str,
    resource: &str,
) -> Result<Value, CliError> {
    let server = Admin::running(&options.location)?;
    let mut params = vec![
        ("PolicySourceArn".to_owned(), server.arn(principal)),
        ("ActionNames.member.1".to_owned(), action.to_owned()),
        ("ResourceArns.member.1".to_owned(), resource.to_owned()),
        ("HallpassExplain".to_owned(), "true".to_owned()),
    ];
    params.extend(context_entries(&options.context)?);
    let answer = server.iam("SimulatePrincipalPolicy", &params).await?;
    let path = ["EvaluationResults", "member", "HallpassExplanation"];
    let json = path.iter().try_fold(&answer, |node, name| {
        node.children.iter().find(|child| child.name == *name)
    });
    let json = json.and_then(|json| serde_json::from_str(&json.text).ok());
    json.ok_or_else(|| CliError::failed("the server's answer holds no explanation"))
}

/// `KEY=VALUE` each; a key given several times has several values.
fn context_entries(given: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let mut keys: Vec<(&str, Vec<&str>)> = Vec::new();
    for entry in given {
        let (key, value) = entry
            .split_once('=')
            .ok_or_else(|| CliError::failed(format!("--context {entry}: give KEY=VALUE")))?;
        match keys.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
            Some((_, values)) => values.push(value),
            None => keys.push((key, vec![value])),
        }
    }
    let mut params = Vec::new();
    for (number, (key, values)) in (1..).zip(keys) {
        let entry = format!("ContextEntries.member.{number}");
        let kind = if values.len() == 1 { "string" } else { "stringList" };
        params.push((format!("{entry}.ContextKeyName"), key.to_owned()));
        params.push((format!("{entry}.ContextKeyType"), kind.to_owned()));
        for (index, value) in (1..).zip(values) {
            params.push((
                format!("{entry}.ContextKeyValues.member.{index}"),
                value.to_owned(),
            ));
        }
    }
    Ok(params)
}
