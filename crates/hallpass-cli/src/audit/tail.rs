//! `hallpass audit tail`.

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use clap::Args as ClapArgs;
use serde_json::Value;
use std::time::Duration;

#[derive(Debug, ClapArgs)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    location: Location,
    /// How many records
    #[arg(short = 'n', long, default_value_t = 20)]
    count: usize,
    /// Go on printing what comes
    #[arg(short, long)]
    follow: bool,
    /// Whole records, one line of JSON each
    #[arg(long)]
    json: bool,
}

/// How often a followed log is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);
/// Records looked at for new ones while following.
const FOLLOW_WINDOW: usize = 1_000;

pub(super) async fn run(options: &TailArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let read =
        |count| hallpass_audit::latest(&folder, count).map_err(|error| CliError::failed(error.to_string()));
    let shown = read(options.count)?;
    for record in &shown {
        print(record, options.json, printer);
    }
    if !options.follow {
        return Ok(0);
    }
    let id = |record: &Value| record["eventID"].as_str().unwrap_or_default().to_owned();
    let mut seen: Vec<String> = read(FOLLOW_WINDOW)?.iter().map(id).collect();
    loop {
        tokio::select! {
            () = tokio::time::sleep(FOLLOW_INTERVAL) => {}
            _ = tokio::signal::ctrl_c() => return Ok(0),
        }
        let records = read(FOLLOW_WINDOW)?;
        for record in records.iter().filter(|record| !seen.contains(&id(record))) {
            print(record, options.json, printer);
        }
        seen = records.iter().map(id).collect();
    }
}

pub(super) fn print(record: &Value, as_json: bool, printer: &Printer) {
    printer.data(&if as_json { record.to_string() } else { line(record) });
}

/// One record on one line: when, outcome, who, what, on what, why not.
pub(crate) fn line(record: &Value) -> String {
    let text = |pointer: &str| {
        record
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let detail = |name: &str| record.pointer(&format!("/additionalEventData/hallpass/{name}"));
    let who = text("/userIdentity/arn").rsplit(':').next().unwrap_or_default();
    let process = match (
        detail("uid").and_then(Value::as_u64),
        detail("user").and_then(Value::as_str),
    ) {
        (Some(uid), Some(user)) => format!("uid {uid} ({user})"),
        (Some(uid), None) => format!("uid {uid}"),
        _ => String::new(),
    };
    let who = match (who.is_empty(), process.is_empty()) {
        (false, true) => who.to_owned(),
        (true, false) => process,
        (false, false) => format!("{process} as {who}"),
        (true, true) => "-".to_owned(),
    };
    let outcome = if text("/errorCode").is_empty() {
        "ok"
    } else {
        text("/errorCode")
    };
    let on = record
        .pointer("/resources/0/ARN")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let time = text("/eventTime");
    format!(
        "{time}  {outcome:<13} {who:<48} {:<24} {on}  {}",
        text("/eventName"),
        text("/requestID")
    )
    .trim_end()
    .to_owned()
}
