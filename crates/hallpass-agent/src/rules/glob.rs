/// A longer text than this matches nothing: no fact is that long.
const TEXT_CHARACTERS_MAX: usize = 4096;

/// A pattern: `?` is one character, `*` any number of them. In a path neither is a slash; `**` is anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Glob {
    text: String,
    is_path: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Character(char),
    One,
    Many,
    Everything,
}

impl Glob {
    pub(crate) fn of_path(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_path: true,
        }
    }

    pub(crate) fn of_text(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            is_path: false,
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether all of `text` matches. All ways are followed at once, so that no pattern takes longer than its length
    /// times the text's.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let parts = self.parts();
        let mut here = vec![false; parts.len() + 1];
        here[0] = true;
        skip_stars(&parts, &mut here);
        for (count, letter) in text.chars().enumerate() {
            if count >= TEXT_CHARACTERS_MAX {
                return false;
            }
            let slash = self.is_path && letter == '/';
            let mut next = vec![false; parts.len() + 1];
            for (at, part) in parts.iter().enumerate() {
                if !here[at] {
                    continue;
                }
                match part {
                    Part::Character(wanted) if *wanted == letter => next[at + 1] = true,
                    Part::One if !slash => next[at + 1] = true,
                    Part::Many if !slash => next[at] = true,
                    Part::Everything => next[at] = true,
                    Part::Character(_) | Part::One | Part::Many => {}
                }
            }
            skip_stars(&parts, &mut next);
            here = next;
        }
        here[parts.len()]
    }

    fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut letters = self.text.chars().peekable();
        while let Some(letter) = letters.next() {
            parts.push(match letter {
                '?' => Part::One,
                '*' if letters.next_if_eq(&'*').is_some() => Part::Everything,
                '*' => Part::Many,
                other => Part::Character(other),
            });
        }
        parts
    }
}

/// A star may also be nothing.
fn skip_stars(parts: &[Part], here: &mut [bool]) {
    for (at, part) in parts.iter().enumerate() {
        if here[at] && matches!(part, Part::Many | Part::Everything) {
            here[at + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_folder_of_a_path_and_two_do_not() {
        for (pattern, text, path, any) in [
            ("/usr/bin/*", "/usr/bin/app", true, true),
            ("/usr/bin/*", "/usr/bin/sub/app", false, true),
            ("/usr/**", "/usr/bin/sub/app", true, true),
            ("/usr/**/app", "/usr/bin/sub/app", true, true),
            ("/usr?bin", "/usr/bin", false, true),
            ("web*", "web", true, true),
            ("web*", "web.service", true, true),
            ("*web", "web.service", false, false),
            ("w?b", "web", true, true),
            ("w?b", "wb", false, false),
            ("", "", true, true),
            ("", "a", false, false),
            ("a", "", false, false),
            ("*", "", true, true),
            ("***", "a/b", true, true),
        ] {
            assert_eq!(Glob::of_path(pattern).matches(text), path, "{pattern} {text}");
            assert_eq!(Glob::of_text(pattern).matches(text), any, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_is_answered_and_no_text_is_too_long() {
        let stars = Glob::of_text(&"*a".repeat(500));
        assert!(!stars.matches(&"a".repeat(499)));
        assert!(stars.matches(&"a".repeat(4096)));
        assert!(!Glob::of_text("*").matches(&"a".repeat(4097)));
    }
}
