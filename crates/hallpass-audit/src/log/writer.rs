//! The one place that writes lines, under the log's lock.

use super::recovery::{Found, recover};
use super::{AuditError, failed};
use crate::chain::{Head, Open};
use crate::health::Health;
use crate::{EventKind, Identity, Record};
use hallpass_types::UnixSeconds;
use serde_json::{Map, Value, json};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// More than a record takes: room for this much is looked for after a failure.
const PROBE_BYTES: usize = 16 * 1_024;

/// How far the log had got at some moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The chain's head.
    pub head: Head,
    /// The day (`YYYY-MM-DD`) of the file it is in; empty while there is none.
    pub day: String,
}

pub(super) struct Writer {
    folder: PathBuf,
    health: Arc<Health>,
    /// `None`: not opened yet, or the last write failed; what is in the files is then looked up.
    current: Option<Current>,
    loss: Option<Loss>,
}

struct Current {
    day: String,
    /// `None`: no file of this day is open for writing yet.
    file: Option<Arc<File>>,
    head: Head,
    debris: u64,
}

/// Records that could not be written while requests went on.
struct Loss {
    count: u64,
    from: UnixSeconds,
    until: UnixSeconds,
    why: String,
    /// Whose records look like the one that will tell of it.
    like: Box<Record>,
}

impl Writer {
    pub(super) fn new(folder: &Path, health: Arc<Health>) -> Self {
        Self {
            folder: folder.to_owned(),
            health,
            current: None,
            loss: None,
        }
    }

    /// Writes one line and gives the file it is in.
    pub(super) fn write(&mut self, time: &str, open: Open) -> Result<Arc<File>, AuditError> {
        if let Some(loss) = self.loss.take() {
            let record = Open::new(loss.to_record().to_json());
            if let Err(error) = self.write_one(time, record) {
                self.loss = Some(loss);
                return Err(error);
            }
        }
        self.write_one(time, open)
    }

    fn write_one(&mut self, time: &str, open: Open) -> Result<Arc<File>, AuditError> {
        let file = self.file_for(time)?;
        let Some(current) = self.current.as_mut() else {
            return Err(AuditError::Write("no file".to_owned()));
        };
        let (line, head) = open.close(current.head, current.debris);
        if let Err(error) = (&*file).write_all(&line) {
            // Half a line may be there: looking anew finds out.
            self.current = None;
            return Err(failed(error));
        }
        current.head = head;
        current.debris = 0;
        self.health.set_records(head.n);
        Ok(file)
    }

    /// Tries whether a record would fit.
    pub(super) fn probe(&mut self, time: &str) -> Result<(), AuditError> {
        let file = self.file_for(time)?;
        let length = file.metadata().map_err(failed)?.len();
        let tried = (&*file).write_all(&[b' '; PROBE_BYTES]);
        let restored = file.set_len(length);
        if tried.is_err() || restored.is_err() {
            // What is there is looked up anew once there is room.
            self.current = None;
        }
        tried.and(restored).map_err(failed)
    }

    /// The head, and the file to sync before it may be signed.
    pub(super) fn mark(&mut self) -> Result<(Mark, Option<Arc<File>>), AuditError> {
        let current = self.current()?;
        let mark = Mark {
            head: current.head,
            day: current.day.clone(),
        };
        let file = current.file.clone();
        self.health.set_records(mark.head.n);
        Ok((mark, file))
    }

    /// Counts a record that was not written.
    pub(super) fn lose(&mut self, record: &Record, why: &str) {
        self.health.add_lost();
        let loss = self.loss.get_or_insert_with(|| Loss {
            count: 0,
            from: record.time,
            until: record.time,
            why: why.to_owned(),
            like: Box::new(record.clone()),
        });
        loss.count += 1;
        loss.until = record.time;
    }

    fn current(&mut self) -> Result<&mut Current, AuditError> {
        match &mut self.current {
            Some(current) => Ok(current),
            closed @ None => {
                let Found {
                    day,
                    head,
                    debris,
                    file,
                } = recover(&self.folder).map_err(failed)?;
                Ok(closed.insert(Current {
                    day,
                    file: file.map(Arc::new),
                    head,
                    debris,
                }))
            }
        }
    }

    fn file_for(&mut self, time: &str) -> Result<Arc<File>, AuditError> {
        let folder = self.folder.clone();
        let day = time.get(..10).unwrap_or("undated");
        let current = self.current()?;
        // Clocks of concurrent requests may straddle midnight, and clocks are set back: a record never goes to an
        // older file, so that the files' order is the chain's.
        match &current.file {
            Some(file) if current.day.as_str() >= day => return Ok(Arc::clone(file)),
            Some(file) => file.sync_data().map_err(failed)?,
            None => {}
        }
        let path = folder.join(format!("{day}.jsonl"));
        let opened = open_for_append(&path).and_then(|file| {
            // The file's name is on the disk before a record in it counts as being there.
            File::open(&folder)?.sync_all()?;
            Ok(file)
        });
        let file = Arc::new(opened.map_err(|error| AuditError::Open {
            path: path.display().to_string(),
            error,
        })?);
        day.clone_into(&mut current.day);
        current.file = Some(Arc::clone(&file));
        Ok(file)
    }
}

pub(super) fn open_for_append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .mode(0o600)
        .open(path)
}

impl Loss {
    fn to_record(&self) -> Record {
        let mut detail = Map::new();
        detail.insert("lostRecords".to_owned(), json!(self.count));
        detail.insert("from".to_owned(), json!(self.from.iso8601()));
        detail.insert("until".to_owned(), json!(self.until.iso8601()));
        detail.insert("reason".to_owned(), json!(self.why));
        let id = format!("lost-{}-{}", self.like.event_id, self.count);
        Record {
            time: self.until,
            kind: EventKind::Service,
            source: "cloudtrail.amazonaws.com".to_owned(),
            name: "RecordsLost".to_owned(),
            region: self.like.region.clone(),
            source_ip: "cloudtrail.amazonaws.com".to_owned(),
            user_agent: None,
            identity: Identity {
                kind: "AWSService".to_owned(),
                invoked_by: Some("cloudtrail.amazonaws.com".to_owned()),
                ..Identity::default()
            },
            error_code: Some("DiskFull".to_owned()),
            error_message: Some(self.why.clone()),
            request_parameters: Value::Null,
            response_elements: Value::Null,
            resources: vec![],
            read_only: false,
            request_id: id.clone(),
            event_id: id,
            account: self.like.account.clone(),
            bytes: None,
            detail,
        }
    }
}
