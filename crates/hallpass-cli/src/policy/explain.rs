//! `hallpass policy explain`: why a request is allowed or denied, from a file or by the running server.

mod live;
mod question;

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use clap::Args as ClapArgs;
use hallpass_access::explanation;
use hallpass_policy::Effect;
use question::Question;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A question with all its policies; an account's whole set of documents fits many times.
const QUESTION_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

#[derive(Debug, ClapArgs)]
pub(crate) struct ExplainArgs {
    /// The request with all policies that bear on it, as JSON (see docs/policy.md); `-` reads it from stdin
    #[arg(
        long,
        value_name = "REQ.json",
        required_unless_present = "live",
        conflicts_with = "live"
    )]
    pub(crate) request: Option<PathBuf>,
    /// Ask the running server about PRINCIPAL (an ARN, role/NAME or user/NAME), ACTION and RESOURCE
    #[arg(long, num_args = 3, value_names = ["PRINCIPAL", "ACTION", "RESOURCE"])]
    pub(crate) live: Option<Vec<String>>,
    /// A condition key for --live; give it again for a key of several values
    #[arg(long, value_name = "KEY=VALUE", requires = "live")]
    pub(crate) context: Vec<String>,
    #[command(flatten)]
    pub(crate) location: Location,
}

pub(crate) async fn run(options: &ExplainArgs, printer: &Printer) -> Result<u8, CliError> {
    let answer = match (&options.request, options.live.as_deref()) {
        (Some(path), _) => from_file(path)?,
        (None, Some([principal, action, resource])) => {
            live::ask(options, principal, action, resource).await?
        }
        _ => {
            return Err(CliError::failed(
                "say --request REQ.json or --live PRINCIPAL ACTION RESOURCE",
            ));
        }
    };
    printer.data(&answer_first(&answer));
    Ok(u8::from(answer["decision"] != "allow"))
}

/// The answer as JSON, what is asked for first.
fn answer_first(answer: &Value) -> String {
    let fields = [
        "decision",
        "message",
        "statements",
        "considered",
        "missing_context",
        "resources",
    ];
    let fields = fields.iter().filter_map(|field| {
        let text = format!("{:#}", answer.get(*field)?);
        Some(format!("  \"{field}\": {}", text.replace('\n', "\n  ")))
    });
    format!("{{\n{}\n}}", fields.collect::<Vec<_>>().join(",\n"))
}

/// Several resources are one request: all must be allowed, so the worst answer is the answer.
fn from_file(path: &Path) -> Result<Value, CliError> {
    let text = super::read_text(path, QUESTION_BYTES_MAX)?;
    let shown = path.display();
    let question = Question::parse(&text).map_err(|error| CliError::failed(format!("`{shown}`: {error}")))?;
    let results = question.ask();
    let severity = |effect| match effect {
        Effect::Allow => 0,
        Effect::ImplicitDeny => 1,
        Effect::ExplicitDeny => 2,
    };
    // The first of the worst.
    let worst = results
        .iter()
        .rev()
        .max_by_key(|(_, simulated)| severity(simulated.decision.effect));
    let Some((resource, simulated)) = worst else {
        return Err(CliError::failed(format!("`{shown}`: no resource is asked about")));
    };
    let mut answer = explanation(&question.request(resource), simulated);
    if results.len() > 1 {
        let each = results.iter().map(|(resource, simulated)| {
            let mut one = explanation(&question.request(resource), simulated);
            one["resource"] = json!(resource);
            one
        });
        answer["resources"] = each.collect();
    }
    Ok(answer)
}
