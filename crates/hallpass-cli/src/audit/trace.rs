//! `hallpass audit trace`: a credential from the process that got it to each call it made, across role chains.
//!
//! Upwards by looking for the record that made a key, downwards in one pass: whatever is made is made after its maker.

mod tree;

use crate::args::Location;
use crate::error::CliError;
use crate::printer::Printer;
use crate::running::audit_folder;
use clap::Args as ClapArgs;
use serde_json::Value;
use std::path::Path;
use tree::Tree;

/// Sessions made of sessions made of …; AWS's chains are shorter by far.
const CHAIN_MAX: usize = 32;

#[derive(Debug, ClapArgs)]
#[command(after_help = "Exits 0 with a tree, 1 if nothing is on record, 2 on errors.")]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    location: Location,
    /// An access key id (AKIA…, ASIA…), or the id of a request made with one
    #[arg(value_name = "KEY-ID|REQUEST-ID")]
    id: String,
    /// At most that many calls of each credential are shown
    #[arg(short = 'n', long, default_value_t = 50)]
    count: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(options: &TraceArgs, printer: &Printer) -> Result<u8, CliError> {
    let folder = audit_folder(&options.location)?;
    let failed = |error: hallpass_audit::ReadError| CliError::failed(error.to_string());
    let key = match key_of(&folder, &options.id).map_err(failed)? {
        Some(key) => key,
        None => {
            return Err(CliError::no(format!("nothing is on record of `{}`", options.id))
                .hint("give an access key id, or the request id of a call that was signed with one"));
        }
    };
    let mut root = key;
    for _ in 0..CHAIN_MAX {
        match parent_of(&folder, &root).map_err(failed)? {
            Some(parent) => root = parent,
            None => break,
        }
    }
    let mut tree = Tree::new(&root, options.count);
    for line in hallpass_audit::oldest_first(&folder).map_err(failed)? {
        let line = line.map_err(failed)?;
        if let Ok(record) = serde_json::from_slice::<Value>(&line) {
            tree.add(&record);
        }
    }
    if tree.is_empty() {
        return Err(CliError::no(format!("nothing is on record of `{}`", options.id)));
    }
    if options.json {
        printer.data(&tree.to_json().to_string());
    } else {
        for line in tree.to_lines(&options.id) {
            printer.data(&line);
        }
    }
    Ok(0)
}

fn text<'a>(record: &'a Value, pointer: &str) -> &'a str {
    record
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The key a record made, if it made one.
fn made_by(record: &Value) -> Option<&str> {
    Some(text(record, "/responseElements/accessKeyId")).filter(|key| !key.is_empty())
}

/// The key that signed, if one did.
fn signed_by(record: &Value) -> Option<&str> {
    Some(text(record, "/userIdentity/accessKeyId")).filter(|key| !key.is_empty())
}

/// The key that is meant: itself, the one a request made, or the one it was signed with.
fn key_of(folder: &Path, id: &str) -> Result<Option<String>, hallpass_audit::ReadError> {
    let is_key = id.len() == 20 && (id.starts_with("AKIA") || id.starts_with("ASIA"));
    if is_key {
        return Ok(Some(id.to_owned()));
    }
    let records = hallpass_audit::find(folder, id)?;
    let keys = records
        .iter()
        .find_map(|record| made_by(record).or_else(|| signed_by(record)));
    Ok(keys.map(str::to_owned))
}

/// The session that a key was made with. Keys that users hold stay the beginning: who made the user is another story.
fn parent_of(folder: &Path, key: &str) -> Result<Option<String>, hallpass_audit::ReadError> {
    for found in hallpass_audit::newest_first(folder, None)? {
        let record = found?.record;
        if made_by(&record) == Some(key) {
            let is_session = record["eventSource"] == "sts.amazonaws.com";
            return Ok(signed_by(&record)
                .filter(|parent| is_session && *parent != key)
                .map(str::to_owned));
        }
    }
    Ok(None)
}
