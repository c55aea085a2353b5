//! `hallpass audit`: what happened, whether the log is what was written, and what a credential did.

mod export;
mod filter;
mod search;
mod tail;
mod trace;
mod verify;

use crate::error::CliError;
use crate::printer::Printer;
use clap::Subcommand;

pub(crate) use tail::line;

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// The latest records
    Tail(tail::TailArgs),
    /// Records by who, what, when and how it ended, the newest first
    Search(search::SearchArgs),
    /// A credential from the process that got it to each call it made
    Trace(trace::TraceArgs),
    /// Whether the log is what was written: any change, gap, cut, reordering or foreign signature
    Verify(verify::VerifyArgs),
    /// Records as CloudTrail's files
    Export(export::ExportArgs),
}

pub(crate) async fn run(command: AuditCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        AuditCommand::Tail(options) => tail::run(&options, printer).await,
        AuditCommand::Search(options) => search::run(&options, printer),
        AuditCommand::Trace(options) => trace::run(&options, printer),
        AuditCommand::Verify(options) => verify::run(&options, printer),
        AuditCommand::Export(options) => export::run(&options, printer),
    }
}
