//! `hallpass policy what-can`: everything that a principal could do in its account.

mod compress;
mod survey;
mod witness;

use super::account::{Account, AccountSource, Held, load};
use super::answer::Can;
use super::asking::{Given, resource_policies};
use super::options::Format;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_policy::PrincipalInfo;
use serde_json::{Value, json};
use survey::{Row, Survey};

/// Arguments of `what-can`.
///
/// The actions known to AWS's reference are asked about, and those that statements name. For each pattern of resources
/// that a statement allows a resource is made up that fits it, and asked about; so for every narrower pattern of a
/// deny, a boundary or another statement, which then stands as an exception or by itself. Roles that can be assumed
/// are asked one by one, by their trust policies. What other accounts own is left out: their policies are not known.
///
/// As JSON: `{"principal", "complete", "rows": [{"resource", "actions", "known_actions", "levels", "can", "by",
/// "needs", "unless", "because", "except": [{"resource", "can", …}…]}…]}`. `actions` are patterns that cover the
/// actions meant and no other known one; `levels` counts them by access level; `complete` is false when there was too
/// much to ask.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Exits 0 if there is anything it can do, 1 if there is nothing, 2 if there is no answer."
)]
pub(crate) struct WhatCanArgs {
    /// A user or role: its ARN, user/NAME or role/NAME; or `root`
    #[arg(value_name = "PRINCIPAL")]
    principal: String,
    #[command(flatten)]
    source: AccountSource,
    /// The policy of a resource of the account
    #[arg(long, value_name = "ARN=FILE")]
    resource_policy: Vec<String>,
    /// Only actions of this service, such as s3
    #[arg(long, value_name = "SERVICE")]
    service: Option<String>,
    /// A condition key that requests have; give it again for a key of several values
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) async fn run(options: &WhatCanArgs, printer: &Printer) -> Result<u8, CliError> {
    let service = options.service.as_deref().map(|name| {
        let known = hallpass_reference::service(name);
        known.ok_or_else(|| CliError::failed(format!("no service is known as `{name}`")))
    });
    let service = service.transpose()?;
    let given = Given::parse(&options.context)?;
    let policies = resource_policies(&options.resource_policy)?;
    let account = load(&options.source, false).await?;
    let (principal, tags, held) = holder(&account, &options.principal)?;
    let survey = Survey {
        account: &account,
        context: given.context(&principal, &tags),
        principal: &principal,
        held: &held,
        policies: &policies,
        service,
    };
    let (rows, complete) = survey.rows();
    let shown = principal.role_arn.as_ref().unwrap_or(&principal.arn);
    match options.format {
        Format::Json => {
            let rows = rows.iter().map(json).collect::<Vec<_>>();
            let answer = json!({ "principal": shown, "complete": complete, "rows": rows });
            printer.data(&answer.to_string());
        }
        Format::Text => rows.iter().for_each(|row| text(row, printer)),
    }
    if !complete {
        printer.say("warning: there are more patterns than can be asked about, so something is missing");
    }
    if rows.is_empty() {
        printer.say(&format!("{shown} can do nothing"));
    }
    Ok(u8::from(rows.is_empty()))
}

type Holder = (PrincipalInfo, Vec<(String, String)>, Held);

fn holder(account: &Account, name: &str) -> Result<Holder, CliError> {
    let root = PrincipalInfo::root(account.id);
    if name == "root" || name == root.arn {
        return Ok((root, Vec::new(), Held::of_root()));
    }
    let entity = account.entity(name).ok_or_else(|| {
        CliError::failed(format!("the account has no user or role `{name}`"))
            .hint("give its ARN, user/NAME, role/NAME or `root`")
    })?;
    let held = account
        .held(entity)
        .map_err(|error| CliError::failed(error.to_string()))?;
    Ok((entity.principal(account.id), entity.tags.clone(), held))
}

fn json(row: &Row) -> Value {
    let except = row.except.iter().map(|(resource, answer)| {
        let mut value = answer.json();
        value["resource"] = json!(resource);
        value
    });
    let except = except.collect::<Vec<_>>();
    let mut value = row.answer.json();
    value["resource"] = json!(row.resource);
    value["actions"] = json!(compress::patterns(&row.actions));
    value["known_actions"] = json!(row.actions.len());
    value["levels"] = json!(compress::levels(&row.actions));
    value["except"] = json!(except);
    value
}

/// The resource and whether, then indented which actions and why.
fn text(row: &Row, printer: &Printer) {
    printer.data(&format!("{}  {}", row.resource, row.answer.can.as_str()));
    printer.data(&format!("    {}", compress::line(&row.actions)));
    for line in row.answer.lines().iter().filter(|line| !line.is_empty()) {
        let by = if row.answer.can == Can::Always { "by " } else { "" };
        printer.data(&format!("    {by}{line}"));
    }
    for (resource, answer) in &row.except {
        let why = answer.lines().join("; ");
        printer.data(&format!("    except {resource}: {} ({why})", answer.can.as_str()));
    }
}
