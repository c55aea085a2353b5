//! From bytes to lines and columns, for many places at once.

use hallpass_policy::Position;
use std::collections::HashMap;

/// The positions of the given bytes. Reads the text once, however many they are.
pub(crate) fn positions(text: &str, mut offsets: Vec<usize>) -> HashMap<usize, Position> {
    offsets.sort_unstable();
    offsets.dedup();
    let mut found = HashMap::with_capacity(offsets.len());
    let mut position = Position {
        line: 1,
        column: 1,
        offset: 0,
    };
    let mut chars = text.chars();
    for offset in offsets {
        while position.offset < offset {
            let Some(char) = chars.next() else {
                break;
            };
            position.offset += char.len_utf8();
            if char == '\n' {
                position.line = position.line.saturating_add(1);
                position.column = 1;
            } else {
                position.column = position.column.saturating_add(1);
            }
        }
        found.insert(offset, position);
    }
    found
}
