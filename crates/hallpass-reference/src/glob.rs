//! Patterns of `*` and `?`, which stand for any characters and for one.

/// Whether everything that `narrow` matches is matched by `wide`; both are patterns, in one case. A text without
/// wildcards is the pattern of itself, so this also tells whether a pattern matches a text. May say no where the answer
/// is yes for two patterns, never for a text. Takes at most wide × narrow steps.
#[must_use]
pub fn covers(wide: &str, narrow: &str) -> bool {
    let (wide, narrow) = (wide.as_bytes(), narrow.as_bytes());
    let (mut at, mut read) = (0, 0);
    // Where the latest `*` stands, and how far it has reached.
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = narrow.get(read) {
        match wide.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            // A `?` stands for one character, which a `*` on the other side need not be.
            Some(wanted) if *wanted == *byte || (*wanted == b'?' && *byte != b'*') => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((place, reached)) => {
                    star = Some((place, reached + 1));
                    at = place + 1;
                    read = reached + 1;
                }
                None => return false,
            },
        }
    }
    wide.iter().skip(at).all(|byte| *byte == b'*')
}
