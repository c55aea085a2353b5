//! What the log shows: the actions somebody was allowed to take, and on which resources.

mod event;

use crate::error::CliError;
use hallpass_types::UnixSeconds;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// CloudTrail's files are a few megabytes; a line of ours is a few kilobytes.
const FILE_BYTES_MAX: u64 = 256 * 1_024 * 1_024;
const LINE_BYTES_MAX: u64 = 4 * 1_024 * 1_024;
/// CloudTrail's folders are nested by account, region and day.
const FOLDER_DEPTH_MAX: usize = 16;
/// More different pairs of action and resource than this are not kept.
const PAIRS_MAX: usize = 1_000_000;

/// Whose records are wanted.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// The user's or role's ARN.
    pub(super) arn: String,
    /// How the ARNs of a role's sessions begin.
    sessions: Option<String>,
}

impl Who {
    /// By the ARN of a user or role.
    pub(super) fn new(arn: &str) -> Option<Self> {
        let parsed = arn.parse::<hallpass_types::Arn>().ok()?;
        let (kind, name) = parsed.resource.split_once('/')?;
        let name = name.rsplit('/').next()?;
        let sessions = match (parsed.service.as_str(), kind) {
            ("iam", "user") => None,
            ("iam", "role") => Some(format!(
                "arn:{}:sts::{}:assumed-role/{name}/",
                parsed.partition, parsed.account
            )),
            _ => return None,
        };
        Some(Self {
            arn: arn.to_owned(),
            sessions,
        })
    }

    fn did(&self, record: &Value) -> bool {
        let text = |pointer: &str| {
            record
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let arn = text("/userIdentity/arn");
        match &self.sessions {
            None => arn == self.arn,
            // Two roles of one name with different paths cannot be: names are unique in an account.
            Some(sessions) => arn.starts_with(sessions.as_str()),
        }
    }
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Actions and their resources; no resource when the log does not tell it.
    pub(super) used: BTreeMap<String, BTreeSet<Option<String>>>,
    /// Calls that are no action's name, and how often they came.
    pub(super) unmapped: BTreeMap<String, usize>,
    /// Requests that were allowed.
    pub(super) requests: usize,
    pairs: usize,
}

impl Trail {
    /// Reads all records in the folder that are `who`'s and within the times.
    pub(super) fn read(
        folder: &Path,
        who: &Who,
        since: Option<UnixSeconds>,
        until: Option<UnixSeconds>,
    ) -> Result<Self, CliError> {
        let mut trail = Self::default();
        for path in files(folder)? {
            each_record(&path, |record| {
                let time = record.get("eventTime").and_then(Value::as_str);
                let time = time.and_then(|time| UnixSeconds::from_rfc3339(time).ok());
                let after = since.is_none_or(|since| time.is_some_and(|time| time >= since));
                let before = until.is_none_or(|until| time.is_some_and(|time| time < until));
                if after && before && who.did(record) {
                    trail.take(record);
                }
            })?;
            if trail.pairs > PAIRS_MAX {
                let message = format!("the log shows more than {PAIRS_MAX} pairs of action and resource");
                return Err(CliError::failed(message).hint("say --since and --until"));
            }
        }
        Ok(trail)
    }

    fn take(&mut self, record: &Value) {
        match event::meaning(record) {
            event::Meaning::Nothing => {}
            event::Meaning::Unknown(call) => *self.unmapped.entry(call).or_default() += 1,
            event::Meaning::Actions(actions) => {
                self.requests += 1;
                for (action, resource) in actions {
                    if self.pairs <= PAIRS_MAX && self.used.entry(action).or_default().insert(resource) {
                        self.pairs += 1;
                    }
                }
            }
        }
    }

    /// All pairs of action and resource.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let used = self.used.iter();
        used.flat_map(|(action, resources)| {
            resources
                .iter()
                .map(move |resource| (action.as_str(), resource.as_deref()))
        })
    }
}

/// The files of records, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), FOLDER_DEPTH_MAX)];
    while let Some((folder, depth)) = open.pop() {
        let failed = |error: std::io::Error| {
            CliError::failed(format!(
                "cannot read the audit log `{}`: {error}",
                folder.display()
            ))
        };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // Links are not followed: they could lead around in circles.
            if entry.file_type().map_err(failed)?.is_dir() {
                if depth > 0 {
                    open.push((path, depth - 1));
                }
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json" || extension == "jsonl")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Calls `take` with every record. Lines of a `.jsonl` file that are none (half of one, after a crash) are passed over.
fn each_record(path: &Path, mut take: impl FnMut(&Value)) -> Result<(), CliError> {
    let failed =
        |why: &dyn std::fmt::Display| CliError::failed(format!("cannot read `{}`: {why}", path.display()));
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    if path.extension().is_some_and(|extension| extension == "json") {
        let mut text = Vec::new();
        let mut limited = file.take(FILE_BYTES_MAX + 1);
        limited.read_to_end(&mut text).map_err(|error| failed(&error))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(failed(&format!("it is larger than {FILE_BYTES_MAX} bytes")));
        }
        let value: Value = serde_json::from_slice(&text).map_err(|error| failed(&error))?;
        let records = value.get("Records").unwrap_or(&value);
        match records {
            Value::Array(records) => records.iter().for_each(take),
            record => take(record),
        }
        return Ok(());
    }
    let mut reader = BufReader::new(file);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        if read.map_err(|error| failed(&error))? == 0 {
            return Ok(());
        }
        if let Ok(record) = serde_json::from_slice::<Value>(&line) {
            take(&record);
        }
    }
}

#[cfg(test)]
mod tests;
