//! A file's lines, the last one first.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

const BLOCK_BYTES: usize = 64 * 1_024;
/// A longer line is passed over: no record is nearly as long.
const LINE_BYTES_MAX: usize = 16 * 1_024 * 1_024;

/// A line and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// Where it begins in the file, in bytes.
    pub(crate) start: u64,
    /// Without its line feed.
    pub(crate) bytes: Vec<u8>,
    /// Whether it has one; only a file's last line may lack it.
    pub(crate) is_whole: bool,
}

/// Lines from an offset backwards. Holds a block and the line at hand.
pub(crate) struct Backwards {
    file: File,
    /// Everything from here on has been read.
    position: u64,
    /// What was read and not yet given, which begins at `position`.
    held: Vec<u8>,
    is_first: bool,
    is_done: bool,
}

impl Backwards {
    /// The lines that begin before `end`; all of them by default.
    pub(crate) fn new(file: File, end: Option<u64>) -> std::io::Result<Self> {
        let length = file.metadata()?.len();
        let position = end.unwrap_or(length).min(length);
        Ok(Self {
            file,
            position,
            held: vec![],
            is_first: true,
            is_done: position == 0,
        })
    }

    fn read_block(&mut self) -> std::io::Result<()> {
        let size = BLOCK_BYTES.min(usize::try_from(self.position).unwrap_or(BLOCK_BYTES));
        self.position -= size as u64;
        self.file.seek(SeekFrom::Start(self.position))?;
        let mut block = vec![0; size];
        self.file.read_exact(&mut block)?;
        if self.held.len() > LINE_BYTES_MAX {
            // Of an endless line only the end of the file's beginning is still wanted.
            self.held.clear();
        }
        block.extend_from_slice(&self.held);
        self.held = block;
        Ok(())
    }

    fn step(&mut self) -> std::io::Result<Option<Line>> {
        if self.is_done {
            return Ok(None);
        }
        let mut is_whole = true;
        if self.is_first {
            self.is_first = false;
            self.read_block()?;
            is_whole = self.held.last() == Some(&b'\n');
            if is_whole {
                self.held.pop();
            }
        }
        // Bytes that were searched are not searched again when a block is put before them.
        let mut searched = 0;
        loop {
            let unsearched = self.held.len() - searched;
            let found = self
                .held
                .get(..unsearched)
                .and_then(|held| held.iter().rposition(|byte| *byte == b'\n'));
            if let Some(at) = found {
                let bytes = self.held.split_off(at + 1);
                self.held.pop();
                let start = self.position + at as u64 + 1;
                return Ok(Some(Line {
                    start,
                    bytes,
                    is_whole,
                }));
            }
            searched = self.held.len();
            if self.position == 0 {
                self.is_done = true;
                let bytes = std::mem::take(&mut self.held);
                return Ok(Some(Line {
                    start: 0,
                    bytes,
                    is_whole,
                }));
            }
            let before = self.held.len();
            self.read_block()?;
            if self.held.len() < before {
                searched = 0;
            }
        }
    }
}

impl Iterator for Backwards {
    type Item = std::io::Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.step() {
            Ok(line) => line.map(Ok),
            Err(error) => {
                self.is_done = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(content: &[u8], end: Option<u64>) -> Vec<(u64, usize, bool)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, content).unwrap();
        Backwards::new(File::open(path).unwrap(), end)
            .unwrap()
            .map(|line| {
                line.map(|line| (line.start, line.bytes.len(), line.is_whole))
                    .unwrap()
            })
            .collect()
    }

    #[test]
    fn lines_come_last_first_with_their_places() {
        assert_eq!(lines(b"", None), []);
        assert_eq!(lines(b"ab\nc\n", None), [(3, 1, true), (0, 2, true)]);
        assert_eq!(
            lines(b"ab\n\nc", None),
            [(4, 1, false), (3, 0, true), (0, 2, true)]
        );
        assert_eq!(lines(b"ab\nc\n", Some(3)), [(0, 2, true)]);
    }

    #[test]
    fn lines_across_blocks_are_whole() {
        let long = vec![b'x'; BLOCK_BYTES * 2 + 5];
        let content = [b"a\n".as_slice(), &long, b"\nb\n"].concat();
        assert_eq!(
            lines(&content, None),
            [
                (long.len() as u64 + 3, 1, true),
                (2, long.len(), true),
                (0, 1, true)
            ]
        );
    }
}
