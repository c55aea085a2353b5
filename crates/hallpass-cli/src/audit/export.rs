//! `hallpass audit export`: the log as CloudTrail's files, for whatever reads those.

use super::filter::FilterArgs;
use crate::args::Location;
use crate::data_dir::write_private;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use clap::Args as ClapArgs;
use hallpass_agent::SystemClock;
use hallpass_audit::Packer;
use hallpass_types::Clock as _;
use serde_json::Value;
use std::path::Path;

/// A file has no more records than this, nor many more bytes before compression.
const FILE_RECORDS_MAX: usize = 20_000;
const FILE_BYTES_MAX: usize = 8 * 1_024 * 1_024;
/// Whose the records are that no account is known for, if the log knows none at all.
const NOBODY: &str = "000000000000";

#[derive(Debug, ClapArgs)]
#[command(after_help = "Exits 0 with records, 1 if there are none, 2 on errors.")]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    location: Location,
    /// The folder for AWSLogs/ACCOUNT/CloudTrail/REGION/…, or - for one document on standard output
    #[arg(long, value_name = "DIR")]
    to: String,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(super) fn run(options: &ExportArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let filter = options.filter.read(SystemClock.now())?;
    let failed = |error: hallpass_audit::ReadError| CliError::failed(error.to_string());
    let lines = hallpass_audit::oldest_first(&folder).map_err(failed)?;
    let wanted = lines.filter_map(|line| match line {
        Ok(line) => {
            let record: Value = serde_json::from_slice(&line).ok()?;
            filter.wants(&record).then_some(Ok((line, record)))
        }
        Err(error) => Some(Err(failed(error))),
    });
    let count = if options.to == "-" {
        to_stdout(wanted, printer)?
    } else {
        let (files, count) = to_folder(wanted, Path::new(&options.to))?;
        printer.say(&format!("{count} records in {files} files"));
        count
    };
    Ok(u8::from(count == 0))
}

type Wanted = Result<(Vec<u8>, Value), CliError>;

fn to_stdout(wanted: impl Iterator<Item = Wanted>, printer: &Printer) -> Result<u64, CliError> {
    let mut count = 0;
    printer.data("{\"Records\":[");
    for found in wanted {
        let (line, _) = found?;
        let comma = if count == 0 { "" } else { "," };
        printer.data(&format!("{comma}{}", String::from_utf8_lossy(&line)));
        count += 1;
    }
    printer.data("]}");
    Ok(count)
}

fn to_folder(wanted: impl Iterator<Item = Wanted>, folder: &Path) -> Result<(usize, u64), CliError> {
    let (mut files, mut count) = (0, 0);
    let mut open: Option<(Packer, String)> = None;
    let mut nobody = NOBODY.to_owned();
    for found in wanted {
        let (line, record) = found?;
        let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
        let day = text("eventTime").get(..10).unwrap_or_default().to_owned();
        let account = text("recipientAccountId");
        if nobody == NOBODY && account.len() == 12 {
            nobody = account;
        }
        // A file is of one day, and not endless.
        let is_full = open.as_ref().is_some_and(|(packer, of)| {
            let (bytes, records) = packer.size();
            *of != day || bytes >= FILE_BYTES_MAX || records >= FILE_RECORDS_MAX
        });
        if is_full && let Some((packer, _)) = open.take() {
            files += write(packer, folder)?;
        }
        let (packer, _) = open.get_or_insert_with(|| (Packer::new("", "", &text("awsRegion"), &nobody), day));
        if packer.add(&line) {
            count += 1;
        }
    }
    if let Some((packer, _)) = open {
        files += write(packer, folder)?;
    }
    Ok((files, count))
}

fn write(packer: Packer, folder: &Path) -> Result<usize, CliError> {
    let packed = packer.finish();
    for file in &packed {
        let path = folder.join(&file.key);
        let parent = path.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent)
            .map_err(|error| CliError::failed(format!("cannot make `{}`: {error}", parent.display())))?;
        write_private(&path, &file.compressed)?;
    }
    Ok(packed.len())
}
