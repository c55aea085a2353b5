//! `hallpass policy`: questions about policy documents, answered without a running system.

mod compare;

use crate::args::PolicyCommand;
use crate::error::CliError;
use crate::printer::Printer;

pub(crate) fn run(command: &PolicyCommand, printer: &Printer) -> Result<u8, CliError> {
    match command {
        PolicyCommand::Compare(options) => compare::run(options, printer),
    }
}
