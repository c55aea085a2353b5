use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

/// The log could not be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the audit log `{path}`: {error}")]
pub struct ReadError {
    /// The folder or file.
    pub path: String,
    /// The system's reason.
    pub error: std::io::Error,
}

/// All records of one request, oldest first (an agent's and a server's record may share an id).
///
/// # Errors
/// [`ReadError`].
pub fn find(folder: &Path, request_id: &str) -> Result<Vec<Value>, ReadError> {
    for path in days(folder)?.into_iter().rev() {
        let found: Vec<Value> = records(&path)?
            .filter(|record| record["requestID"] == request_id || record["eventID"] == request_id)
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Ok(vec![])
}

/// The `count` latest records, oldest first.
///
/// # Errors
/// [`ReadError`].
pub fn latest(folder: &Path, count: usize) -> Result<Vec<Value>, ReadError> {
    let mut newest_first: Vec<Value> = vec![];
    for path in days(folder)?.into_iter().rev() {
        let mut day: Vec<Value> = records(&path)?.collect();
        day.reverse();
        newest_first.extend(day);
        if newest_first.len() >= count {
            break;
        }
    }
    newest_first.truncate(count);
    newest_first.reverse();
    Ok(newest_first)
}

fn days(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let fail = |error| ReadError {
        path: folder.display().to_string(),
        error,
    };
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Lines that are not records (half of one, after a crash) are passed over.
fn records(path: &Path) -> Result<impl Iterator<Item = Value>, ReadError> {
    let file = File::open(path).map_err(|error| ReadError {
        path: path.display().to_string(),
        error,
    })?;
    Ok(BufReader::new(file)
        .split(b'\n')
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_slice::<Value>(&line).ok()))
}
