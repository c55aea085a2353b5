//! `hallpass agent`: the agent's rules, and what they say of a process.

mod check;
mod explain;

use crate::error::CliError;
use crate::printer::Printer;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum AgentCommand {
    /// Look for mistakes in a rules file. Exits 0 if there are none, 1 if there are
    Check(check::CheckArgs),
    /// Which rule a process or connection matches, and why the others do not
    Explain(explain::ExplainArgs),
}

pub(crate) async fn run(command: AgentCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        AgentCommand::Check(options) => check::run(&options, printer),
        AgentCommand::Explain(options) => explain::run(&options, printer).await,
    }
}
