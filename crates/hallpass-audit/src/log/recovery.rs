//! Where the chain goes on after a start or a failed write.

use super::writer::open_for_append;
use crate::backwards::Backwards;
use crate::chain::{Hash, Head, Link};
use crate::reader::day_files;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

/// Lines that are no records and are looked past for the last one that is: each crash leaves one at most. Where there
/// are more, the log was never chained.
const DEBRIS_LINES_MAX: usize = 1_000;

/// What the files hold.
pub(super) struct Found {
    /// The newest file's day; empty when there is none.
    pub(super) day: String,
    /// That file.
    pub(super) file: Option<File>,
    pub(super) head: Head,
    /// Bytes after the head's line.
    pub(super) debris: u64,
}

/// Finds the last line with a place in the chain. Half a line at the end is ended, so that it swallows no record; if it
/// lacks nothing but its line feed, it counts.
pub(super) fn recover(folder: &Path) -> std::io::Result<Found> {
    let files = day_files(folder)?;
    let Some(newest) = files.last() else {
        return Ok(Found {
            day: String::new(),
            file: None,
            head: Head::EMPTY,
            debris: 0,
        });
    };
    let day = newest
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut file = open_for_append(newest)?;
    let (mut debris, mut passed) = (0, 0);
    let mut torn: Option<Vec<u8>> = None;
    let mut last: Option<Hash> = None;
    let mut found = None;
    'search: for path in files.iter().rev() {
        for line in Backwards::new(File::open(path)?, None)? {
            let line = line?;
            let length = line.bytes.len() as u64 + 1;
            last.get_or_insert_with(|| Hash::of(&line.bytes));
            if !line.is_whole {
                if path == newest {
                    file.write_all(b"\n")?;
                    torn = Some(line.bytes);
                } else {
                    // Only this much is there, and it stays so.
                    debris += length - 1;
                    continue;
                }
            } else if let Some(link) = Link::of(&line.bytes) {
                found = Some(Head {
                    n: link.n,
                    hash: Hash::of(&line.bytes),
                });
                break 'search;
            } else {
                passed += 1;
            }
            debris += length;
            if passed > DEBRIS_LINES_MAX {
                break 'search;
            }
        }
    }
    let before = found.unwrap_or(Head::EMPTY);
    if let Some(torn) = torn
        && let Some(link) = Link::of(&torn)
        && link.n == before.n + 1
        && link.previous == before.hash.to_string()
    {
        let head = Head {
            n: link.n,
            hash: Hash::of(&torn),
        };
        return Ok(Found {
            day,
            file: Some(file),
            head,
            debris: 0,
        });
    }
    let (head, debris) = match found {
        Some(head) => (head, debris),
        // Written before there were chains: the first place names the last of those lines.
        None => (
            Head {
                n: 0,
                hash: last.unwrap_or(crate::chain::NOTHING),
            },
            0,
        ),
    };
    Ok(Found {
        day,
        file: Some(file),
        head,
        debris,
    })
}
