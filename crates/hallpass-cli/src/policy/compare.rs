//! `hallpass policy compare`: does the new policy allow anything that the old one does not?

use super::glob::acts_on;
use super::options::{Format, PolicyType};
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_policy::{
    Comparison, ContextValue, Counterexample, DOCUMENT_BYTES_MAX, NamedPolicy, Policy, PolicyGroup,
    PolicyKind, PolicySet, Position, PrincipalInfo, PrincipalKind, Request, StatementRef, compare, evaluate,
};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

const NO_MORE: u8 = 0;
const MORE: u8 = 1;
const UNDECIDED: u8 = 2;

#[derive(Debug, ClapArgs)]
pub(crate) struct CompareArgs {
    /// The policy as it was
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The policy as it is to be
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Where both are attached
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t)]
    pub(crate) kind: PolicyType,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

pub(crate) fn run(options: &CompareArgs, printer: &Printer) -> Result<u8, CliError> {
    let kind = PolicyKind::from(options.kind);
    let old = read(&options.old, kind)?;
    let new = read(&options.new, kind)?;
    let verdict = with_known_action(compare(&old, &new, kind), &old, &new, kind);
    let (lines, code) = match options.format {
        Format::Text => text(&verdict),
        Format::Json => json_line(&verdict),
    };
    for line in lines {
        printer.data(&line);
    }
    Ok(code)
}

/// The same with an action that AWS has, where the found one is made up and a known one shows the same.
fn with_known_action(
    verdict: Comparison,
    old: &PolicyGroup,
    new: &PolicyGroup,
    kind: PolicyKind,
) -> Comparison {
    let plain = matches!(
        kind,
        PolicyKind::Identity | PolicyKind::Session | PolicyKind::Boundary | PolicyKind::ServiceControl
    );
    let Comparison::More(found) = &verdict else {
        return verdict;
    };
    if !plain || hallpass_reference::action(&found.action).is_some() {
        return verdict;
    }
    let service = found.action.split(':').next().unwrap_or_default();
    let known = hallpass_reference::service(service).into_iter();
    let mut known = known.flat_map(|service| service.actions()).collect::<Vec<_>>();
    // An action that is made for such a resource tells most.
    known.sort_by_key(|action| !acts_on(action, &found.resource));
    let known = known.into_iter();
    for action in known.map(|action| format!("{service}:{}", action.name())) {
        let request = Request {
            principal: &found.principal,
            action: &action,
            resource: &found.resource,
            resource_account: found.principal.account.as_ref().map(|account| account.as_str()),
            context: &found.context,
        };
        let decide = |group| {
            let set = PolicySet {
                identity: Some(group),
                ..PolicySet::default()
            };
            evaluate(&request, &set)
        };
        let allowed = decide(new);
        if allowed.is_allow() && !decide(old).is_allow() {
            return Comparison::More(Box::new(Counterexample {
                allowed_by: allowed.matched.iter().cloned().collect(),
                action: action.clone(),
                ..(**found).clone()
            }));
        }
    }
    verdict
}

/// Reads and parses one document; a fault is told with its place.
fn read(path: &Path, kind: PolicyKind) -> Result<PolicyGroup, CliError> {
    let name = path.display().to_string();
    let failed = |why: String| CliError::failed(format!("{name}: {why}"));
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    // One more than a document may have: enough to know that it is too long.
    file.take(DOCUMENT_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(failed(format!("a policy has at most {DOCUMENT_BYTES_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let head = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default()).into_owned();
        let at = Position::of(&head, valid);
        CliError::failed(format!("{}: not UTF-8", place(&name, at)))
    })?;
    let policy = Policy::parse(&text, kind)
        .map_err(|error| CliError::failed(format!("{}: {}", place(&name, error.position), error.message)))?;
    Ok(NamedPolicy::new(&name, policy).into())
}

fn place(name: &str, position: Position) -> String {
    format!("{name}:{}:{}", position.line, position.column)
}

fn text(verdict: &Comparison) -> (Vec<String>, u8) {
    match verdict {
        Comparison::NoMore => (
            vec!["no more: the new policy allows nothing that the old one does not".to_owned()],
            NO_MORE,
        ),
        Comparison::More(found) => {
            let mut lines = vec![
                "more: the new policy allows this request, the old one does not".to_owned(),
                request(found).to_string(),
            ];
            lines.extend(
                found
                    .allowed_by
                    .iter()
                    .map(|statement| format!("allowed by {}", cite(statement))),
            );
            (lines, MORE)
        }
        Comparison::Undecided(why) => {
            let at = why
                .statement
                .as_ref()
                .map_or_else(String::new, |statement| format!(", in {}", cite(statement)));
            (
                vec![format!("undecided: `{}` {}{at}", why.construct, why.because)],
                UNDECIDED,
            )
        }
    }
}

fn json_line(verdict: &Comparison) -> (Vec<String>, u8) {
    let (value, code) = match verdict {
        Comparison::NoMore => (json!({ "verdict": "no_more" }), NO_MORE),
        Comparison::More(found) => {
            let because = found.allowed_by.iter().map(statement).collect::<Vec<_>>();
            (
                json!({ "verdict": "more", "request": request(found), "because": because }),
                MORE,
            )
        }
        Comparison::Undecided(why) => {
            let because = json!({
                "construct": why.construct,
                "reason": why.because,
                "statement": why.statement.as_ref().map(statement),
            });
            (json!({ "verdict": "undecided", "because": because }), UNDECIDED)
        }
    };
    (vec![value.to_string()], code)
}

fn cite(statement: &StatementRef) -> String {
    let at = place(statement.policy(), statement.position());
    match statement.sid() {
        Some(sid) if !sid.is_empty() => format!("{at} (statement {} \"{sid}\")", statement.index() + 1),
        _ => format!("{at} (statement {})", statement.index() + 1),
    }
}

fn statement(statement: &StatementRef) -> Value {
    json!({
        "file": statement.policy(),
        "line": statement.position().line,
        "column": statement.position().column,
        "statement": statement.index() + 1,
        "sid": statement.sid(),
    })
}

fn request(found: &Counterexample) -> Value {
    let context = found.context.iter().map(|(key, value)| {
        let value = match value {
            ContextValue::One(value) => json!(value),
            ContextValue::Many(values) => json!(values),
        };
        (key, value)
    });
    json!({
        "principal": principal(&found.principal),
        "action": found.action,
        "resource": found.resource,
        "context": context.collect::<Map<_, _>>(),
    })
}

/// Who asks, by the name that a policy would use for them.
fn principal(principal: &PrincipalInfo) -> &str {
    match &principal.kind {
        PrincipalKind::Anonymous => "*",
        PrincipalKind::WebIdentity(provider) | PrincipalKind::Saml(provider) => provider,
        PrincipalKind::Service(name) => name,
        _ => &principal.arn,
    }
}

#[cfg(test)]
mod tests;
