//! Making and applying fixes.

use crate::finding::Finding;
use hallpass_policy::json::Node;
use std::ops::Range;

/// Applies the findings' fixes to the text they were found in. A fix that touches what an earlier one has changed is
/// left out: check the result again for it. The titles of those applied come with the new text.
#[must_use]
pub fn apply(text: &str, findings: &[Finding]) -> (String, Vec<String>) {
    let mut taken: Vec<Range<usize>> = Vec::new();
    let mut edits: Vec<(Range<usize>, &str)> = Vec::new();
    let mut titles = Vec::new();
    let mut fixes: Vec<_> = findings
        .iter()
        .filter_map(|finding| finding.fix.as_ref())
        .collect();
    fixes.sort_by_key(|fix| fix.edits.first().map_or(0, |(range, _)| range.start));
    // In order of their first edit, so that only the latest of those taken can be in the way of most.
    let mut reached = 0;
    for fix in fixes {
        let clash = fix.edits.iter().any(|(range, _)| {
            range.start < reached
                && taken
                    .iter()
                    .any(|other| range.start < other.end && other.start < range.end)
        });
        let fresh = fix
            .edits
            .iter()
            .all(|(range, _)| text.get(range.clone()).is_some());
        if clash || !fresh || fix.edits.is_empty() {
            continue;
        }
        for (range, new) in &fix.edits {
            reached = reached.max(range.end);
            // An insertion takes its place too, or two fixes would insert the same element.
            taken.push(range.start..range.end.max(range.start + 1));
            reached = reached.max(range.start + 1);
            edits.push((range.clone(), new));
        }
        titles.push(fix.title.clone());
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut fixed = String::with_capacity(text.len());
    let mut at = 0;
    for (range, new) in edits {
        fixed.push_str(text.get(at..range.start).unwrap_or_default());
        fixed.push_str(new);
        at = range.end;
    }
    fixed.push_str(text.get(at..).unwrap_or_default());
    (fixed, titles)
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The bytes to remove so that a list loses its item `index`, comma included; `None` when it is the only one.
pub(crate) fn item_range(items: &[Node], index: usize) -> Option<Range<usize>> {
    let item = items.get(index)?;
    if let Some(next) = items.get(index + 1) {
        Some(item.offset..next.offset)
    } else {
        let before = items.get(index.checked_sub(1)?)?;
        Some(before.end..item.end)
    }
}

/// How many letters must be changed, inserted or removed; `None` for more than 2. Letters' case does not count.
pub(crate) fn distance(left: &str, right: &str) -> Option<usize> {
    const MOST: usize = 2;
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > MOST || left.len() > 200 {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (y, a) in left.iter().enumerate() {
        let mut diagonal = y;
        let mut least = y + 1;
        if let Some(first) = row.first_mut() {
            *first = y + 1;
        }
        for (x, b) in right.iter().enumerate() {
            let (Some(above), Some(before)) = (row.get(x + 1).copied(), row.get(x).copied()) else {
                continue;
            };
            let same = usize::from(!a.eq_ignore_ascii_case(b));
            let cost = (diagonal + same).min(above + 1).min(before + 1);
            diagonal = above;
            least = least.min(cost);
            if let Some(cell) = row.get_mut(x + 1) {
                *cell = cost;
            }
        }
        if least > MOST {
            return None;
        }
    }
    row.last().copied().filter(|cost| *cost <= MOST)
}
