//! `hallpass audit search`: the newest first, as long as they are asked for; a record at a time is held.

use super::filter::FilterArgs;
use super::tail::print;
use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use clap::Args as ClapArgs;
use hallpass_agent::SystemClock;
use hallpass_types::Clock as _;

#[derive(Debug, ClapArgs)]
#[command(after_help = "All filters given must fit. Exits 0 with records, 1 if there are none, 2 on errors.")]
pub(crate) struct SearchArgs {
    #[command(flatten)]
    location: Location,
    #[command(flatten)]
    filter: FilterArgs,
    /// At most that many
    #[arg(short = 'n', long)]
    count: Option<usize>,
    /// Whole records, one line of JSON each
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &SearchArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let filter = options.filter.read(SystemClock.now())?;
    let failed = |error: hallpass_audit::ReadError| CliError::failed(error.to_string());
    let mut left = options.count.unwrap_or(usize::MAX);
    let mut is_any = false;
    for found in hallpass_audit::newest_first(&folder, None).map_err(failed)? {
        let found = found.map_err(failed)?;
        if left == 0 || !filter.may_be_in(&found.place.day) {
            break;
        }
        if filter.wants(&found.record) {
            print(&found.record, options.json, printer);
            is_any = true;
            left -= 1;
        }
    }
    Ok(u8::from(!is_any))
}
