//! `hallpass agent check`: what the agent would say of a rules file.

use crate::error::CliError;
use crate::printer::Printer;
use clap::Args;
use hallpass_agent::{RulesFile, RulesFileError};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The rules file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(options: &CheckArgs, printer: &Printer) -> Result<u8, CliError> {
    let shown = options.file.display();
    match RulesFile::open(&options.file) {
        Ok(rules) => {
            let count = rules.current().len();
            printer.say(&format!("{shown}: in order ({count} rules)"));
            Ok(0)
        }
        Err(error @ RulesFileError::Unreadable { .. }) => Err(CliError::failed(error.to_string())),
        Err(RulesFileError::Invalid { error, .. }) => {
            for problem in &error.problems {
                let (line, column, message) = (problem.line, problem.column, &problem.message);
                printer.data(&format!("{shown}:{line}:{column}: {message}"));
            }
            Ok(1)
        }
        Err(error @ RulesFileError::Writable { .. }) => {
            printer.data(&error.to_string());
            Ok(1)
        }
    }
}
