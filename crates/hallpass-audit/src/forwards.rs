//! A file's lines in order, a line at a time.

use crate::ReadError;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// No record is nearly as long; what is longer is taken in pieces, none of which is a record.
const LINE_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

pub(crate) struct Line {
    /// Without its line feed.
    pub(crate) bytes: Vec<u8>,
    pub(crate) is_whole: bool,
}

pub(crate) struct Lines {
    reader: BufReader<File>,
    shown: String,
}

impl Lines {
    pub(crate) fn open(path: &Path) -> Result<Self, ReadError> {
        Self::open_at(path, 0)
    }

    /// From the line that begins after `offset` bytes.
    pub(crate) fn open_at(path: &Path, offset: u64) -> Result<Self, ReadError> {
        let shown = path.display().to_string();
        let opened = File::open(path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset))?;
            Ok(file)
        });
        match opened {
            Ok(file) => Ok(Self {
                reader: BufReader::with_capacity(256 * 1_024, file),
                shown,
            }),
            Err(error) => Err(ReadError { path: shown, error }),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = vec![];
        let read = (&mut self.reader)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut bytes);
        match read {
            Ok(0) => None,
            Ok(_) => {
                let is_whole = bytes.pop_if(|byte| *byte == b'\n').is_some();
                Some(Ok(Line { bytes, is_whole }))
            }
            Err(error) => Some(Err(ReadError {
                path: self.shown.clone(),
                error,
            })),
        }
    }
}
