//! `hallpass policy`: work on policy documents. Each command is in a file of its own.

mod check;

use crate::error::CliError;
use crate::printer::Printer;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Look for errors, dangers and oddities in policy documents
    Check(check::CheckArgs),
}

pub(crate) fn run(command: PolicyCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        PolicyCommand::Check(options) => check::run(&options, printer),
    }
}
