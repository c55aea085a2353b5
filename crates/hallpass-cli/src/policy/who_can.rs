//! `hallpass policy who-can`: everybody who could do one thing to one resource.

mod outsiders;

use super::account::{Account, AccountSource, EntityKind, load};
use super::answer::{Answer, Can, table};
use super::asking::{Given, action, ask, by_trust, policy_file, resource};
use super::options::Format;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_policy::{Context, PolicyGroup, PolicyKind, PolicySet, PrincipalInfo, Request};
use hallpass_types::AccountId;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Arguments of `who-can`.
///
/// Asked are every user and role of the account, its root user, and whoever the resource's policy names from outside.
/// Boundaries, groups and the resource's policy count; policies of an organization do not, for the account does not
/// tell them. A role's own tags are taken for its sessions', though a session may bring others.
///
/// As JSON: `{"action", "resource", "principals": [{"principal", "name", "kind", "outside", "can", "by", "needs",
/// "unless", "because"}…]}`. `kind` is `user`, `role`, `session`, `root`, `account`, `service`, `federated`,
/// `everyone` or `anonymous`; `can` is `always`, `sometimes`, `never` (with `--all`) or `unknown`. Of an `outside`
/// principal of another account it is assumed that its own account lets it.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Exits 0 if somebody can, 1 if nobody can, 2 if there is no answer.")]
pub(crate) struct WhoCanArgs {
    /// One action, such as s3:GetObject
    #[arg(value_name = "ACTION")]
    action: String,
    /// The resource's ARN; `*` for actions that know no resources
    #[arg(value_name = "RESOURCE")]
    resource: String,
    #[command(flatten)]
    source: AccountSource,
    /// The resource's own policy; of a role in the account its trust policy is known
    #[arg(long, value_name = "FILE")]
    resource_policy: Vec<PathBuf>,
    /// A condition key that requests have; give it again for a key of several values
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// The account that owns the resource [default: the ARN's, else this one]
    #[arg(long, value_name = "ID")]
    resource_account: Option<AccountId>,
    /// Tell of those who cannot, too
    #[arg(long)]
    all: bool,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What all are asked.
struct Question<'a> {
    account: &'a Account,
    action: &'a str,
    resource: &'a str,
    resource_account: Option<&'a str>,
    given: &'a Given,
    /// The resource's policy, or the role's trust policy.
    policy: Option<&'a PolicyGroup>,
    is_trust: bool,
}

/// One principal's answer.
struct Row {
    /// An ARN, or a service's or provider's name.
    principal: String,
    name: String,
    kind: &'static str,
    outside: bool,
    answer: Answer,
}

pub(crate) async fn run(options: &WhoCanArgs, printer: &Printer) -> Result<u8, CliError> {
    let action = action(&options.action, printer)?;
    resource(&options.resource)?;
    let given = Given::parse(&options.context)?;
    let account = load(&options.source, false).await?;
    let is_trust = by_trust(&action, &options.resource);
    let policy = policy_of(options, &account, is_trust)?;
    let question = Question {
        account: &account,
        action: &action,
        resource: &options.resource,
        resource_account: options.resource_account.as_ref().map(AccountId::as_str),
        given: &given,
        policy: policy.as_ref(),
        is_trust,
    };
    let mut rows = question.rows();
    let unread = rows.iter().any(|row| row.answer.can == Can::Unknown);
    let somebody = rows.iter().any(|row| row.answer.can < Can::Never);
    rows.retain(|row| options.all || row.answer.can != Can::Never);
    rows.sort_by_key(|row| row.answer.can);
    match options.format {
        Format::Text => text(&rows, printer),
        Format::Json => {
            let principals = rows.iter().map(Row::json).collect::<Vec<_>>();
            let answer = json!({ "action": action, "resource": options.resource, "principals": principals });
            printer.data(&answer.to_string());
        }
    }
    if !somebody {
        printer.say(&format!("nobody can {action} on {}", options.resource));
    }
    Ok(match (somebody, unread) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 1,
    })
}

/// The policy on the resource's side.
fn policy_of(
    options: &WhoCanArgs,
    account: &Account,
    is_trust: bool,
) -> Result<Option<PolicyGroup>, CliError> {
    let kind = if is_trust {
        PolicyKind::Trust
    } else {
        PolicyKind::Resource
    };
    let files = options.resource_policy.iter().map(|path| policy_file(path, kind));
    let files = files.collect::<Result<Vec<_>, _>>()?;
    if !files.is_empty() {
        let policies = files.iter().flat_map(|group| group.policies().iter().cloned());
        return Ok(Some(policies.collect()));
    }
    if !is_trust {
        return Ok(None);
    }
    let role = account.role(&options.resource).ok_or_else(|| {
        let message = format!("the account has no role `{}`", options.resource);
        CliError::failed(message).hint("give its trust policy with --resource-policy FILE")
    })?;
    let trust = Account::trust(role).map_err(|error| CliError::failed(error.to_string()))?;
    Ok(Some(trust))
}

impl Question<'_> {
    fn rows(&self) -> Vec<Row> {
        let account = self.account;
        let mut rows = Vec::new();
        for entity in &account.entities {
            let principal = entity.principal(account.id);
            let context = self.given.context(&principal, &entity.tags);
            let held = account.held(entity);
            let answer = held.map_or_else(Answer::from, |held| {
                self.ask(&principal, &context, &held.set(self.resource_side()))
            });
            rows.push(Row {
                principal: entity.arn.clone(),
                name: entity.shown(),
                kind: match entity.kind {
                    EntityKind::User => "user",
                    EntityKind::Role => "role",
                },
                outside: false,
                answer,
            });
        }
        let root = PrincipalInfo::root(account.id);
        let set = PolicySet {
            resource: self.resource_side(),
            ..PolicySet::default()
        };
        let mut answer = self.ask(&root, &self.given.context(&root, &[]), &set);
        if answer.can == Can::Always && answer.by.is_empty() {
            answer.because = "the root user needs no policy".to_owned();
        }
        rows.push(Row {
            principal: root.arn.clone(),
            name: "root".to_owned(),
            kind: "root",
            outside: false,
            answer,
        });
        rows.extend(outsiders::rows(self));
        rows
    }

    /// The resource's policy, unless it is a role's.
    fn resource_side(&self) -> Option<&PolicyGroup> {
        self.policy.filter(|_| !self.is_trust)
    }

    fn ask(&self, principal: &PrincipalInfo, context: &Context, set: &PolicySet<'_>) -> Answer {
        let request = Request {
            principal,
            action: self.action,
            resource: self.resource,
            resource_account: self.resource_account.or(self.owner()),
            context,
        };
        ask(&request, set, self.policy.filter(|_| self.is_trust))
    }

    /// Where the ARN names no account the resource is this one's, whoever asks.
    fn owner(&self) -> Option<&str> {
        let named = self
            .resource
            .split(':')
            .nth(4)
            .is_some_and(|account| !account.is_empty());
        (!named).then(|| self.account.id.as_str())
    }
}

impl Row {
    fn json(&self) -> Value {
        let mut row = json!({
            "principal": self.principal,
            "name": self.name,
            "kind": self.kind,
            "outside": self.outside,
        });
        if let (Value::Object(row), Value::Object(answer)) = (&mut row, self.answer.json()) {
            row.extend(answer);
        }
        row
    }

    /// A line for each reason; the principal stands at the first.
    fn cells(&self) -> Vec<Vec<String>> {
        let mut lines = self.answer.lines();
        if let [line] = lines.as_mut_slice()
            && line.is_empty()
        {
            line.clone_from(&self.answer.because);
        }
        let first = [self.name.clone(), self.answer.can.as_str().to_owned()];
        let heads = std::iter::once(first).chain(std::iter::repeat_with(|| [String::new(), String::new()]));
        let rows = heads.zip(lines);
        rows.map(|([name, can], line)| vec![name, can, line]).collect()
    }
}

fn text(rows: &[Row], printer: &Printer) {
    if rows.is_empty() {
        return;
    }
    let head = ["PRINCIPAL", "CAN", "BECAUSE"].map(str::to_owned).to_vec();
    let cells = std::iter::once(head).chain(rows.iter().flat_map(Row::cells));
    for line in table(&cells.collect::<Vec<_>>()) {
        printer.data(&line);
    }
}
