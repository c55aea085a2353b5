use crate::backwards::Backwards;
use crate::forwards::Lines;
use serde_json::Value;
use std::fs::File;
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
        let mut found = vec![];
        for line in lines_of(&path, None)? {
            let record = line?.1;
            if record["requestID"] == request_id || record["eventID"] == request_id {
                found.push(record);
            }
        }
        if !found.is_empty() {
            found.reverse();
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
    let mut records = newest_first(folder, None)?
        .take(count)
        .map(|found| found.map(|found| found.record))
        .collect::<Result<Vec<_>, _>>()?;
    records.reverse();
    Ok(records)
}

/// A record and where it is.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundRecord {
    /// The record.
    pub record: Value,
    /// Where it is.
    pub place: Place,
}

/// Where a line begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's day, `YYYY-MM-DD`.
    pub day: String,
    /// Bytes before it in the file.
    pub offset: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.day, self.offset)
    }
}

impl std::str::FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (day, offset) = text.split_once(':').ok_or(())?;
        let is_day = day.len() == 10 && day.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let offset = offset.parse().map_err(|_| ())?;
        let place = Self {
            day: day.to_owned(),
            offset,
        };
        if is_day { Ok(place) } else { Err(()) }
    }
}

/// Every record, the newest first; with `before`, only those that begin before that place. One block and one record are
/// held at a time. Lines that are no records (half of one, after a crash) are passed over.
///
/// # Errors
/// [`ReadError`], at once or while reading.
pub fn newest_first(
    folder: &Path,
    before: Option<Place>,
) -> Result<impl Iterator<Item = Result<FoundRecord, ReadError>> + use<>, ReadError> {
    let mut files = days(folder)?;
    if let Some(place) = &before {
        files.retain(|file| day_of(file) <= place.day);
    }
    let in_file = move |path: PathBuf| -> Box<dyn Iterator<Item = Result<FoundRecord, ReadError>>> {
        let day = day_of(&path);
        let end = before
            .as_ref()
            .filter(|place| place.day == day)
            .map(|place| place.offset);
        match lines_of(&path, end) {
            Ok(lines) => Box::new(lines.map(move |line| {
                line.map(|(offset, record)| FoundRecord {
                    record,
                    place: Place {
                        day: day.clone(),
                        offset,
                    },
                })
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    };
    Ok(files.into_iter().rev().flat_map(in_file))
}

/// Every whole line of the log, the oldest first, a line at a time; halves of records are among them.
///
/// # Errors
/// [`ReadError`], at once or while reading.
pub fn oldest_first(
    folder: &Path,
) -> Result<impl Iterator<Item = Result<Vec<u8>, ReadError>> + use<>, ReadError> {
    let in_file = |path: PathBuf| -> Box<dyn Iterator<Item = Result<Vec<u8>, ReadError>>> {
        match Lines::open(&path) {
            Ok(lines) => Box::new(lines.map(|line| line.map(|line| line.bytes))),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    };
    Ok(days(folder)?.into_iter().flat_map(in_file))
}

/// The records of one file, the last one first.
fn lines_of(
    path: &Path,
    end: Option<u64>,
) -> Result<impl Iterator<Item = Result<(u64, Value), ReadError>> + use<>, ReadError> {
    let shown = path.display().to_string();
    let fail = move |error| ReadError {
        path: shown.clone(),
        error,
    };
    let file = File::open(path).map_err(&fail)?;
    let lines = Backwards::new(file, end).map_err(&fail)?;
    Ok(lines.filter_map(move |line| match line {
        Ok(line) => {
            let record = serde_json::from_slice(&line.bytes).ok()?;
            Some(Ok((line.start, record)))
        }
        Err(error) => Some(Err(fail(error))),
    }))
}

/// The day a file is of.
pub(crate) fn day_of(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

pub(crate) fn days(folder: &Path) -> Result<Vec<PathBuf>, ReadError> {
    day_files(folder).map_err(|error| ReadError {
        path: folder.display().to_string(),
        error,
    })
}

/// The log's files, oldest first.
pub(crate) fn day_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
