//! `hallpass audit verify`.

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use clap::Args as ClapArgs;
use hallpass_audit::{Finding, Report};
use serde_json::json;

#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Whoever can write the log can write its list of keys and make it all anew. --trust with a \
                        fingerprint kept elsewhere, or a bucket that keeps the digests, is what such a one cannot get \
                        around. Exits 0 if the log is whole, 1 if it is not, 2 if there is no answer."
)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    location: Location,
    /// Only signatures of this key count (may be given several times)
    #[arg(long, value_name = "FINGERPRINT")]
    trust: Vec<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &VerifyArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let trusted = (!options.trust.is_empty()).then_some(options.trust.as_slice());
    let report =
        hallpass_audit::verify(&folder, trusted).map_err(|error| CliError::failed(error.to_string()))?;
    if options.json {
        printer.data(&document(&report).to_string());
    } else {
        show(&report, printer);
    }
    Ok(u8::from(report.findings_total > 0))
}

fn show(report: &Report, printer: &Printer) {
    let count = |number: u64, what: &str| {
        let s = if number == 1 { "" } else { "s" };
        format!("{number} {what}{s}")
    };
    match &report.chained_from {
        Some((file, line)) if report.not_chained > 0 => printer.data(&format!(
            "{}, not chained until {file}:{line}: {} before",
            count(report.records, "record"),
            count(report.not_chained, "line")
        )),
        Some((file, line)) => printer.data(&format!(
            "{}, chained from {file}:{line}",
            count(report.records, "record")
        )),
        None => printer.data(&format!(
            "no chained records, {}",
            count(report.not_chained, "line")
        )),
    }
    if report.torn > 0 {
        let torn = count(report.torn, "unfinished line");
        printer.data(&format!("{torn}, left when the machine or the process stopped"));
    }
    match &report.signed_at {
        Some(time) => printer.data(&format!(
            "{}; the newest, of {time}, signs for record {}",
            count(report.checkpoints, "checkpoint"),
            report.signed
        )),
        None => printer.data("no checkpoints: the end of the log is not signed for"),
    }
    for key in &report.keys {
        printer.data(&format!("signed with key {key}"));
    }
    for Finding { file, line, what } in &report.findings {
        let place = if *line == 0 {
            file.clone()
        } else {
            format!("{file}:{line}")
        };
        printer.data(&format!("WRONG {place}: {what}"));
    }
    let more = report.findings_total - report.findings.len() as u64;
    if more > 0 {
        printer.data(&format!("WRONG in {more} further places"));
    }
    if report.findings_total == 0 {
        printer.data("the log is what was written");
    }
}

fn document(report: &Report) -> serde_json::Value {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({ "file": finding.file, "line": finding.line, "what": finding.what }))
        .collect();
    json!({
        "is_whole": report.findings_total == 0,
        "findings": findings,
        "findings_total": report.findings_total,
        "records": report.records,
        "not_chained": report.not_chained,
        "chained_from": report.chained_from.as_ref().map(|(file, line)| json!({ "file": file, "line": line })),
        "torn": report.torn,
        "checkpoints": report.checkpoints,
        "signed": report.signed,
        "signed_at": report.signed_at,
        "keys": report.keys,
    })
}
