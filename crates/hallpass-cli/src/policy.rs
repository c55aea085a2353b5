//! `hallpass policy`: questions about policies.

mod account;
mod check;
mod compare;
mod explain;

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
}

pub(crate) async fn run(command: PolicyCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        PolicyCommand::Check(options) => check::run(&options, printer),
        PolicyCommand::Compare(options) => compare::run(&options, printer),
        PolicyCommand::Explain(options) => explain::run(&options, printer).await,
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
