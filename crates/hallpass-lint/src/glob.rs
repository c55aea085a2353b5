//! Patterns against texts and patterns against patterns.

/// Whether everything that the second pattern matches is matched by the first.
pub(crate) use hallpass_reference::glob::covers;

/// Whether a pattern matches a text, both in one case.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    covers(pattern, text)
}

/// Whether some text is matched by both patterns. Takes left × right steps.
pub(crate) fn meet(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    // `row[x]`: the rest of `left` after y characters and the rest of `right` after x can meet. Filled from the end.
    let mut below: Vec<bool> = vec![false; right.len() + 1];
    for y in (0..=left.len()).rev() {
        let mut row = vec![false; right.len() + 1];
        for x in (0..=right.len()).rev() {
            let after = |row: &[bool], x: usize| row.get(x).copied().unwrap_or(false);
            let met = match (left.get(y), right.get(x)) {
                (None, None) => true,
                (Some(b'*'), None) => after(&below, x),
                (None, Some(b'*')) => after(&row, x + 1),
                (Some(b'*'), Some(_)) | (Some(_), Some(b'*')) => after(&below, x) || after(&row, x + 1),
                (Some(a), Some(b)) => (a == b || *a == b'?' || *b == b'?') && after(&below, x + 1),
                _ => false,
            };
            if let Some(cell) = row.get_mut(x) {
                *cell = met;
            }
        }
        below = row;
    }
    below.first().copied().unwrap_or(false)
}
