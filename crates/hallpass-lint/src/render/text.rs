//! For people: the line with the place underlined, as compilers show it.

use crate::Finding;
use std::fmt::Write as _;

/// Of longer lines only the surroundings of the place are shown.
const COLUMNS_MAX: usize = 120;

/// One finding, of several lines, with a line end after the last.
///
/// ```text
/// warning[HP3001]: the service `s3` has no action `GetObjekt`
///  --> role.json:2:38
///   |
/// 2 |     {"Effect": "Allow", "Action": "s3:GetObjekt", "Resource": "*"}}
///   |                                   ^^^^^^^^^^^^^^
///   = help: did you mean `s3:GetObject`?
/// ```
#[must_use]
pub fn finding(file: &str, source: &str, finding: &Finding) -> String {
    let (start, end) = (finding.start, finding.end);
    let line_start = source
        .get(..start.offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let rest = source.get(line_start..).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let column = start.offset.saturating_sub(line_start).min(line.len());
    let length = end.offset.saturating_sub(start.offset).min(line.len() - column);
    let (shown, before, under) = window(line, column, length);
    let number = start.line.to_string();
    let margin = " ".repeat(number.len());
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        out,
        "{}[{}]: {}",
        finding.level,
        finding.code,
        one_line(&finding.message)
    );
    let _ = writeln!(
        out,
        "{margin}--> {}:{}:{}",
        one_line(file),
        start.line,
        start.column
    );
    let _ = writeln!(out, "{margin} |");
    let _ = writeln!(out, "{number} | {shown}");
    let _ = writeln!(
        out,
        "{margin} | {}{}",
        " ".repeat(before),
        "^".repeat(under.max(1))
    );
    let _ = writeln!(out, "{margin} = help: {}", one_line(&finding.help));
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "{margin} = fix: {}", one_line(&fix.title));
    }
    out
}

/// The part of a line to show, the columns before the caret and the carets' number.
fn window(line: &str, column: usize, length: usize) -> (String, usize, usize) {
    let cells = |text: &str| text.chars().map(shown).collect::<Vec<_>>();
    let head = cells(line.get(..column).unwrap_or_default());
    let marked = cells(line.get(column..column + length).unwrap_or_default());
    let tail = cells(line.get(column + length..).unwrap_or_default());
    let width = |cells: &[String]| cells.iter().map(|cell| width(cell)).sum::<usize>();
    if width(&head) + width(&marked) + width(&tail) <= COLUMNS_MAX {
        let text = [head.concat(), marked.concat(), tail.concat()].concat();
        return (text, width(&head), width(&marked));
    }
    let keep_before = head.len().min(COLUMNS_MAX / 3);
    let keep_marked = marked.len().min(COLUMNS_MAX / 2);
    let keep_after = if keep_marked < marked.len() {
        0
    } else {
        tail.len().min(COLUMNS_MAX - keep_before - keep_marked)
    };
    let head_part = head.get(head.len() - keep_before..).unwrap_or_default();
    let marked_part = marked.get(..keep_marked).unwrap_or_default();
    let tail_part = tail.get(..keep_after).unwrap_or_default();
    let left = if keep_before < head.len() { "…" } else { "" };
    let right = if keep_marked < marked.len() || keep_after < tail.len() {
        "…"
    } else {
        ""
    };
    let text = [
        left,
        &head_part.concat(),
        &marked_part.concat(),
        &tail_part.concat(),
        right,
    ]
    .concat();
    (text, left.chars().count() + width(head_part), width(marked_part))
}

/// A character as it is shown: tabs as spaces, and nothing that could move the cursor.
fn shown(char: char) -> String {
    match char {
        '\t' => "    ".to_owned(),
        char if char.is_control() => "\u{fffd}".to_owned(),
        // Marks that turn the direction of writing would hide what stands there.
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => {
            "\u{fffd}".to_owned()
        }
        char => char.to_string(),
    }
}

/// How many columns of a terminal a cell takes: two for East Asian wide characters, none for combining marks.
fn width(cell: &str) -> usize {
    cell.chars()
        .map(|char| match u32::from(char) {
            0x300..=0x36f => 0,
            0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff | 0xfe30..=0xfe6f => 2,
            0xff00..=0xff60 | 0xffe0..=0xffe6 | 0x1f300..=0x1faff | 0x20000..=0x3fffd => 2,
            _ => 1,
        })
        .sum()
}

fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| if char == '\t' { " ".to_owned() } else { shown(char) })
        .collect()
}

#[cfg(test)]
mod tests;
