//! `hallpass policy suggest`: the least policy for what the audit log shows that somebody did.

mod document;
mod now;
mod trail;

use super::account::{Account, AccountSource, Entity, Held, load};
use super::options::Format;
use crate::error::CliError;
use crate::instant::instant;
use crate::printer::Printer;
use crate::running::data_path;
use clap::Args as ClapArgs;
use document::Grant;
use hallpass_agent::SystemClock;
use hallpass_policy::{Comparison, NamedPolicy, Policy, PolicyGroup, PolicyKind, compare};
use hallpass_types::{Clock as _, UnixSeconds};
use now::Present;
use serde_json::{Value, json};
use std::path::PathBuf;
use trail::{Trail, Who};

/// Arguments of `suggest`.
///
/// Only requests that were allowed count. Where the log tells the actions and resources that were authorized, these
/// are taken; other logs tell the call, which is taken for the action of that name. Of what the principal holds now the
/// conditions of the statements used are kept, and the denies, so that the suggestion allows nothing more.
///
/// As JSON: `{"principal", "from", "to", "requests", "policies": [{"document", "characters"}…], "generalised":
/// [{"resource", "keys"}…], "left_out": [{"action", "resource"}…], "unmapped": [{"call", "times"}…], "comparison":
/// {"verdict": "no_more" | "more" | "undecided" | "not_made", "because"}, "unused": [{"statement", "never_used",
/// "unused_actions"}…]}`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "The policy goes to stdout, everything else to stderr. Exits 0 with a suggestion, 1 if the log \
                        shows nothing for the principal, 2 on errors."
)]
pub(crate) struct SuggestArgs {
    /// A user or role: its ARN, user/NAME or role/NAME
    #[arg(long, value_name = "PRINCIPAL")]
    principal: String,
    /// From when on: RFC 3339, a date, or how long ago (7d, 12h, 30m)
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Until when
    #[arg(long, value_name = "T")]
    until: Option<String>,
    /// A folder of CloudTrail's records as .json or .jsonl files [default: the audit log in the data directory]
    #[arg(long, value_name = "DIR")]
    audit: Option<PathBuf>,
    #[command(flatten)]
    source: AccountSource,
    /// Name every object, however many there are
    #[arg(long)]
    exact: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What is suggested, and what there is to say about it.
struct Suggestion {
    documents: Vec<Value>,
    generalised: Vec<(String, usize)>,
    comparison: Option<Comparison>,
}

pub(crate) async fn run(options: &SuggestArgs, printer: &Printer) -> Result<u8, CliError> {
    let now = SystemClock.now();
    let time = |text: &Option<String>, flag| {
        let parsed = text.as_deref().map(|text| instant(text, now, flag));
        parsed.transpose()
    };
    let (since, until) = (time(&options.since, "--since")?, time(&options.until, "--until")?);
    let account = account(options, printer).await?;
    let entity = match &account {
        None => None,
        Some(account) => Some(account.entity(&options.principal).ok_or_else(|| {
            CliError::failed(format!("the account has no user or role `{}`", options.principal))
        })?),
    };
    let who = Who::new(entity.map_or(options.principal.as_str(), |entity| &entity.arn)).ok_or_else(|| {
        CliError::failed(format!("`{}` is not a user or role", options.principal))
            .hint("give its ARN, or user/NAME or role/NAME of an account that is known")
    })?;
    let folder = match &options.audit {
        Some(folder) => folder.clone(),
        None => data_path(&options.source.location)?.join("audit"),
    };
    let trail = Trail::read(&folder, &who, since, until)?;
    if trail.used.is_empty() {
        printer.say(&format!(
            "the log shows nothing that {} was allowed to do",
            who.arn
        ));
        return Ok(1);
    }
    let held = entity
        .zip(account.as_ref())
        .map(|(entity, account)| held(account, entity));
    let held = held.transpose()?;
    let present = held.as_ref().zip(entity).zip(account.as_ref());
    let present = present.map(|((held, entity), account)| Present::new(account, entity, held));
    let (grants, left_out) = match &present {
        Some(present) => present.justify(&trail),
        None => (document::plain(&trail), Vec::new()),
    };
    if grants.is_empty() {
        printer.say("nothing that the log shows is allowed by what the principal holds now");
        return Ok(1);
    }
    let denies = present
        .as_ref()
        .map(|present| present.denies(&trail))
        .unwrap_or_default();
    let old = held.as_ref().map(|held| &held.identity);
    let mut suggestion = suggest(&grants, &denies, old, options.exact)?;
    let wider = matches!(suggestion.comparison, Some(Comparison::More(_)));
    if wider && !suggestion.generalised.is_empty() {
        printer.say("naming whole prefixes would allow more than is allowed now, so every object is named");
        suggestion = suggest(&grants, &denies, old, true)?;
    }
    let unused = present
        .as_ref()
        .map(|present| present.unused(&trail))
        .unwrap_or_default();
    match options.format {
        Format::Json => {
            let answer = answer(&who, (since, until), &trail, &suggestion, &left_out, &unused);
            printer.data(&answer.to_string());
        }
        Format::Text => text(&trail, &suggestion, &left_out, &unused, printer)?,
    }
    Ok(0)
}

/// The account, when it is known: a log from elsewhere can be read without it.
async fn account(options: &SuggestArgs, printer: &Printer) -> Result<Option<Account>, CliError> {
    match load(&options.source, false).await {
        Ok(account) => Ok(Some(account)),
        Err(_) if options.audit.is_some() && options.source.account.is_none() => {
            printer.say("no account is known, so nothing is compared with what the principal holds now");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn held(account: &Account, entity: &Entity) -> Result<Held, CliError> {
    account
        .held(entity)
        .map_err(|error| CliError::failed(error.to_string()))
}

fn suggest(
    grants: &[Grant],
    denies: &[Value],
    old: Option<&PolicyGroup>,
    exact: bool,
) -> Result<Suggestion, CliError> {
    let (statements, generalised) = document::statements(grants, exact);
    let documents = document::documents(statements, denies);
    let policies = documents.iter().map(|document| {
        let policy = Policy::parse(&document.to_string(), PolicyKind::Identity);
        let policy = policy.map(|policy| NamedPolicy::new("the suggestion", policy));
        policy.map_err(|error| CliError::failed(format!("the suggestion is no policy: {}", error.message)))
    });
    let new = policies.collect::<Result<PolicyGroup, _>>()?;
    Ok(Suggestion {
        comparison: old.map(|old| compare(old, &new, PolicyKind::Identity)),
        documents,
        generalised,
    })
}

fn verdict(comparison: Option<&Comparison>) -> (&'static str, String) {
    match comparison {
        None => ("not_made", String::new()),
        Some(Comparison::NoMore) => ("no_more", String::new()),
        Some(Comparison::More(found)) => ("more", format!("{} on {}", found.action, found.resource)),
        Some(Comparison::Undecided(why)) => ("undecided", why.to_string()),
    }
}

fn answer(
    who: &Who,
    (since, until): (Option<UnixSeconds>, Option<UnixSeconds>),
    trail: &Trail,
    suggestion: &Suggestion,
    left_out: &[(String, String)],
    unused: &[now::Unused],
) -> Value {
    let (verdict, because) = verdict(suggestion.comparison.as_ref());
    let policies = suggestion.documents.iter();
    let policies = policies.map(|policy| json!({ "document": policy, "characters": document::size(policy) }));
    let generalised = suggestion.generalised.iter();
    let generalised = generalised.map(|(resource, keys)| json!({ "resource": resource, "keys": keys }));
    let left_out = left_out.iter();
    let left_out = left_out.map(|(action, resource)| json!({ "action": action, "resource": resource }));
    let unmapped = trail.unmapped.iter();
    let unmapped = unmapped.map(|(call, times)| json!({ "call": call, "times": times }));
    json!({
        "principal": who.arn,
        "from": since.map(UnixSeconds::iso8601),
        "to": until.map(UnixSeconds::iso8601),
        "requests": trail.requests,
        "policies": policies.collect::<Vec<_>>(),
        "generalised": generalised.collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
        "unmapped": unmapped.collect::<Vec<_>>(),
        "comparison": { "verdict": verdict, "because": because },
        "unused": unused.iter().map(now::Unused::json).collect::<Vec<_>>(),
    })
}

fn text(
    trail: &Trail,
    suggestion: &Suggestion,
    left_out: &[(String, String)],
    unused: &[now::Unused],
    printer: &Printer,
) -> Result<(), CliError> {
    for policy in &suggestion.documents {
        let text = serde_json::to_string_pretty(policy)
            .map_err(|error| CliError::failed(format!("cannot print the policy: {error}")))?;
        printer.data(&text);
    }
    printer.say(&format!("{} requests that were allowed", trail.requests));
    if suggestion.documents.len() > 1 {
        let most = document::CHARACTERS_MAX;
        let count = suggestion.documents.len();
        printer.say(&format!(
            "{count} policies, for one has at most {most} characters"
        ));
    }
    for (resource, keys) in &suggestion.generalised {
        printer.say(&format!(
            "`{resource}` stands for {keys} objects; --exact names them"
        ));
    }
    for (action, resource) in left_out {
        printer.say(&format!(
            "left out: {action} on {resource}, which no policy it holds allows now"
        ));
    }
    for (call, times) in &trail.unmapped {
        printer.say(&format!(
            "left out: {call} ({times} times), for which no action is known"
        ));
    }
    for one in unused {
        printer.say(&one.to_string());
    }
    match verdict(suggestion.comparison.as_ref()) {
        ("no_more", _) => printer.say("the suggestion allows nothing that is not allowed now"),
        ("more", because) => printer.say(&format!(
            "warning: the suggestion allows more than now: {because}"
        )),
        ("undecided", because) => {
            printer.say(&format!(
                "whether the suggestion allows more than now is undecided: {because}"
            ));
        }
        _ => {}
    }
    Ok(())
}
