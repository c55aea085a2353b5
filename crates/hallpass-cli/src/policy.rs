//! `hallpass policy`: questions about policies.

mod account;
mod answer;
mod asking;
mod check;
mod compare;
mod explain;
mod glob;
mod options;
mod suggest;
mod what_can;
mod who_can;

use crate::error::CliError;
use crate::printer::Printer;
use clap::Subcommand;
use std::io::Read as _;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Look for errors, dangers and oddities in policy documents
    Check(check::CheckArgs),
    /// Does the new policy allow anything that the old one does not? Exits 0 if not, 1 if so, 2 if undecided
    Compare(compare::CompareArgs),
    /// Why a request is allowed or denied
    Explain(explain::ExplainArgs),
    /// The least policy for what the audit log shows that somebody did
    Suggest(suggest::SuggestArgs),
    /// Everything that a principal could do
    WhatCan(what_can::WhatCanArgs),
    /// Everybody who could do one thing to one resource
    WhoCan(who_can::WhoCanArgs),
}

pub(crate) async fn run(command: PolicyCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        PolicyCommand::Check(options) => check::run(&options, printer).await,
        PolicyCommand::Compare(options) => compare::run(&options, printer),
        PolicyCommand::Explain(options) => explain::run(&options, printer).await,
        PolicyCommand::Suggest(options) => suggest::run(&options, printer).await,
        PolicyCommand::WhatCan(options) => what_can::run(&options, printer).await,
        PolicyCommand::WhoCan(options) => who_can::run(&options, printer).await,
    }
}

/// Reads a file, or stdin for `-`: text, and no more of it than `bytes_max`.
fn read_text(path: &Path, bytes_max: u64) -> Result<String, CliError> {
    let shown = path.display();
    let failed = |why: &dyn std::fmt::Display| CliError::failed(format!("cannot read `{shown}`: {why}"));
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin()
            .lock()
            .take(bytes_max + 1)
            .read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| failed(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(failed(&format!("it is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        failed(&format!(
            "it is not UTF-8 from byte {} on",
            error.utf8_error().valid_up_to()
        ))
    })
}
