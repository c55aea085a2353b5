//! Whether a log is what was written: every change, gap, cut, reordering and foreign signature is found.
//!
//! The chain shows changes anywhere but at its end; the signed checkpoints show where its end was, and that the chain is
//! not a new one. Records after the newest checkpoint are chained and not yet signed for.

mod signatures;

use crate::chain::{Hash, Head, Link, NOTHING};
use crate::forwards::{Line, Lines};
use crate::keys::KeyError;
use crate::reader::days;
use crate::{CheckpointError, ReadError};
use signatures::SignedHeads;
use std::path::Path;

/// Further ones are counted only.
const FINDINGS_MAX: usize = 100;
/// Halves of records at the end, one for each crash: more in a row, without one record between them, are no accident.
const TORN_LINES_MAX: u64 = 3;

/// Verification was not possible.
#[derive(Debug, thiserror::Error)]
pub enum CannotVerify {
    /// The log cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A folder cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, below the log's folder.
    pub file: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// What verification came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What is wrong; the first of them only, when there are very many.
    pub findings: Vec<Finding>,
    /// How many there are in all.
    pub findings_total: u64,
    /// Chained records.
    pub records: u64,
    /// Lines written before there were chains.
    pub not_chained: u64,
    /// Where the chain begins: file and line.
    pub chained_from: Option<(String, u64)>,
    /// Halves of records left by crashes, each accounted for by the record after it.
    pub torn: u64,
    /// Good checkpoints.
    pub checkpoints: u64,
    /// The number of the newest record that is signed for.
    pub signed: u64,
    /// When that was.
    pub signed_at: Option<String>,
    /// The fingerprints of the keys that signed.
    pub keys: Vec<String>,
}

impl Report {
    fn find(&mut self, file: &str, line: u64, what: impl Into<String>) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(Finding {
                file: file.to_owned(),
                line,
                what: what.into(),
            });
        }
    }
}

/// Verifies the log in `folder`. With `trusted`, only signatures by keys of these fingerprints count: whoever can
/// replace the log could have replaced its list of keys. Reads everything once, holding a line at a time.
///
/// # Errors
/// [`CannotVerify`]: there is no answer.
pub fn verify(folder: &Path, trusted: Option<&[String]>) -> Result<Report, CannotVerify> {
    let mut report = Report::default();
    let heads = SignedHeads::load(folder, trusted, &mut report)?;
    let mut walk = Walk {
        head: None,
        before: NOTHING,
        pending: None,
        at: (String::new(), 0),
    };
    for path in days(folder)? {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut number = 0;
        for line in Lines::open(&path)? {
            number += 1;
            walk.step(&name, number, &line?, &heads, &mut report);
        }
    }
    walk.finish(&heads, &mut report);
    Ok(report)
}

/// Bytes that are no record, waiting for the next record to account for them.
struct Pending {
    bytes: u64,
    lines: u64,
    at: (String, u64),
}

struct Walk {
    /// The last chained line.
    head: Option<Head>,
    /// The hash of the last line of before there were chains.
    before: Hash,
    pending: Option<Pending>,
    at: (String, u64),
}

impl Walk {
    fn step(&mut self, file: &str, number: u64, line: &Line, heads: &SignedHeads, report: &mut Report) {
        let hash = Hash::of(&line.bytes);
        let Some(link) = Link::of(&line.bytes).filter(|_| line.is_whole) else {
            if self.head.is_none() {
                report.not_chained += 1;
                self.before = hash;
            } else if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&line.bytes)
                .is_ok()
            {
                // Half a line is never a whole object.
                report.find(
                    file,
                    number,
                    "a record without a place in the chain: put in or changed",
                );
            }
            let pending = self.pending.get_or_insert_with(|| Pending {
                bytes: 0,
                lines: 0,
                at: (file.to_owned(), number),
            });
            pending.bytes += line.bytes.len() as u64 + u64::from(line.is_whole);
            pending.lines += 1;
            return;
        };
        report.records += 1;
        let expected = self.head.unwrap_or(Head {
            n: 0,
            hash: self.before,
        });
        if self.head.is_none() {
            report.chained_from = Some((file.to_owned(), number));
            // What was there before the chain is not debris: the first place names the last line of it.
            self.pending = None;
        }
        self.judge(file, number, &link, expected, report);
        self.settle_debris(file, number, &link, report);
        if let Some(signed) = heads.at(link.n)
            && signed.hash != hash.to_string()
        {
            report.find(
                file,
                number,
                format!(
                    "record {} is not the one that checkpoint {} of {} signed for",
                    link.n, signed.file, signed.time
                ),
            );
        }
        self.head = Some(Head { n: link.n, hash });
        self.at = (file.to_owned(), number);
    }

    fn judge(&self, file: &str, number: u64, link: &Link, expected: Head, report: &mut Report) {
        let next = expected.n + 1;
        let names_it = link.previous == expected.hash.to_string();
        if link.n > next {
            let missing = if link.n == next + 1 {
                format!("record {next} is missing")
            } else {
                format!("records {next} to {} are missing", link.n - 1)
            };
            let place = if expected.n == 0 {
                "the beginning is cut off"
            } else {
                "cut out"
            };
            report.find(file, number, format!("{missing} before this line: {place}"));
        } else if link.n < next {
            report.find(
                file,
                number,
                format!(
                    "record {} stands after record {}: moved, repeated or put in",
                    link.n, expected.n
                ),
            );
        } else if !names_it && expected.n == 0 {
            report.find(
                file,
                number,
                "the first chained record names another line before it: what came before was changed or cut",
            );
        } else if !names_it {
            let (at_file, at_line) = &self.at;
            report.find(
                at_file,
                *at_line,
                format!(
                    "record {} was changed: record {} ({file}:{number}) names another hash for it",
                    expected.n, link.n
                ),
            );
        }
    }

    /// Half a line is what a crash leaves, and the next record says how much of it there is.
    fn settle_debris(&mut self, file: &str, number: u64, link: &Link, report: &mut Report) {
        let pending = self.pending.take();
        let found = pending.as_ref().map_or(0, |pending| pending.bytes);
        if found == link.debris {
            report.torn += pending.map_or(0, |pending| pending.lines);
            return;
        }
        match pending {
            Some(pending) => report.find(
                &pending.at.0,
                pending.at.1,
                format!(
                    "{found} bytes that are no record, of which record {} ({file}:{number}) knows {}: changed or put in",
                    link.n, link.debris
                ),
            ),
            None => report.find(
                file,
                number,
                format!(
                    "record {} knows of {} bytes before it that are no record, and they are gone",
                    link.n, link.debris
                ),
            ),
        }
    }

    fn finish(self, heads: &SignedHeads, report: &mut Report) {
        let last = self.head.map_or(0, |head| head.n);
        if let Some(newest) = heads.newest()
            && newest.n > last
        {
            let (file, line) = self.at;
            report.find(
                if file.is_empty() { &newest.file } else { &file },
                line,
                format!(
                    "the log ends at record {last}, and checkpoint {} of {} signed for record {}: the end is cut off",
                    newest.file, newest.time, newest.n
                ),
            );
        }
        let Some(pending) = self.pending.filter(|_| self.head.is_some()) else {
            return;
        };
        if pending.lines > TORN_LINES_MAX {
            report.find(
                &pending.at.0,
                pending.at.1,
                format!("{} lines at the end that are no records", pending.lines),
            );
        } else {
            report.torn += pending.lines;
        }
    }
}

#[cfg(test)]
mod tests;
