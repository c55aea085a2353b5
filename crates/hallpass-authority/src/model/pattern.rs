//! The patterns of IAM's and STS's models, each as plain code: there are few, and all but some are a set of characters.

const NAME: &str = r"[\w+=,.@-]+";
const PATH: &str = r"(\u002F)|(\u002F[\u0021-\u007E]+\u002F)";
const POLICY_PATH: &str = r"((/[A-Za-z0-9\.,\+@=_-]+)*)/";

/// Whether `text` is of the form `pattern`. An unknown pattern takes everything; a test sees that none is unknown.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    known(pattern).is_none_or(|matches| matches(text))
}

/// IAM's own sentence for a name or path of the wrong characters, in place of the pattern.
pub(super) fn own_sentence(pattern: &str, label: &str) -> Option<String> {
    let rule = match pattern {
        NAME => "It must contain only alphanumeric characters and/or the following: +=,.@_-",
        PATH | POLICY_PATH => {
            "It must begin and end with / and contain only alphanumeric characters and/or / characters."
        }
        _ => return None,
    };
    Some(format!("The specified value for {label} is invalid. {rule}"))
}

fn word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

fn among(others: &str) -> impl Fn(char) -> bool + '_ {
    move |letter| word(letter) || others.contains(letter)
}

/// Nothing but characters that `allowed` takes; at least one.
fn some(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

fn document(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{ff}')
}

fn prose(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}')
}

/// Letters, numbers and separators of any script, and a few signs.
fn tag(letter: char) -> bool {
    letter.is_alphanumeric()
        || (letter.is_whitespace() && !letter.is_control())
        || "_.:/=+-@".contains(letter)
}

fn known(pattern: &str) -> Option<fn(&str) -> bool> {
    Some(match pattern {
        "" => |_| true,
        NAME => |text| some(text, among("+=,.@-")),
        PATH => |text| {
            text == "/"
                || (text.len() > 2
                    && text.starts_with('/')
                    && text.ends_with('/')
                    && text.bytes().all(|byte| (0x21..=0x7e).contains(&byte)))
        },
        POLICY_PATH => |text| {
            let inner = text.strip_suffix('/').unwrap_or("?");
            let parts = inner.strip_prefix('/').map(|inner| inner.split('/'));
            inner.is_empty() || parts.is_some_and(|mut parts| parts.all(|part| some(part, among(".,+@=-"))))
        },
        r"\u002F[\u0021-\u007F]*" => {
            |text| text.starts_with('/') && text.bytes().all(|byte| (0x21..=0x7f).contains(&byte))
        }
        r"[\w+=,.@-]*" => |text| text.chars().all(among("+=,.@-")),
        r"[\w+=,.@:\/-]*" | r"[\w+=/:,.@-]*" => |text| text.chars().all(among("+=/:,.@-")),
        r"[\w]*" => |text| text.chars().all(word),
        r"[\d]*" => |text| text.chars().all(|letter| letter.is_ascii_digit()),
        // What a document in XML may hold.
        r"[\u0009\u000A\u000D\u0020-\u007E\u0085\u00A0-\uD7FF\uE000-\uFFFD\u10000-\u10FFFF]+" => |text| {
            some(text, |letter| {
                matches!(letter, '\t' | '\n' | '\r' | '\u{85}')
                    || !letter.is_control() && !matches!(letter, '\u{fffe}' | '\u{ffff}')
            })
        },
        r"[\w-]+" => |text| some(text, among("-")),
        r"[\w-]*" => |text| text.chars().all(among("-")),
        r"[\w]+" => |text| some(text, word),
        r"[\w._-]+" => |text| some(text, among(".-")),
        r"[\w+=/:,.@-]+" => |text| some(text, among("+=/:,.@-")),
        r"^[a-zA-Z0-9:/+=,.@_-]+$" => |text| some(text, among(":/+=,.@-")),
        r"^[a-zA-Z0-9:_.-]+$" => |text| some(text, among(":.-")),
        r"[\d]+" => |text| some(text, |letter| letter.is_ascii_digit()),
        r"\d{12}" => |text| text.len() == 12 && some(text, |letter| letter.is_ascii_digit()),
        r"[A-Z0-9]+" => |text| {
            some(text, |letter| {
                letter.is_ascii_uppercase() || letter.is_ascii_digit()
            })
        },
        r"[ -~]+" => |text| some(text, |letter| (' '..='~').contains(&letter)),
        r"[\u0009\u000A\u000D\u0020-\u00FF]+" => |text| some(text, document),
        r"[\u0020-\u00FF]+" => |text| some(text, |letter| (' '..='\u{ff}').contains(&letter)),
        r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]*" => |text| text.chars().all(prose),
        r"[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]+" => |text| some(text, prose),
        r"[\p{L}\p{Z}\p{N}_.:/=+\-@]+" => |text| some(text, tag),
        r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*" => |text| text.chars().all(tag),
        r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?" => |text| {
            let (number, rest) = text.split_once('.').unwrap_or((text, ""));
            let digits = number.strip_prefix('v').unwrap_or_default();
            some(digits, |letter| letter.is_ascii_digit())
                && !digits.starts_with('0')
                && rest
                    .chars()
                    .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
        },
        r"^[A-Za-z][A-Za-z0-9/_-]*$" => {
            |text| text.starts_with(|first: char| first.is_ascii_alphabetic()) && some(text, among("/-"))
        }
        r"^[a-z0-9]([a-z0-9]|-(?!-)){1,61}[a-z0-9]$" => |text| {
            let allowed =
                |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
            (3..=63).contains(&text.len())
                && some(text, allowed)
                && !(text.starts_with('-') || text.ends_with('-') || text.contains("--"))
        },
        r"^o-[0-9a-z]{10,32}\/r-[0-9a-z]{4,32}[0-9a-z-\/]*" => |text| {
            let rest = text.strip_prefix("o-").and_then(|rest| rest.split_once("/r-"));
            rest.is_some_and(|(organization, root)| {
                let low = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
                (10..=32).contains(&organization.len())
                    && some(organization, low)
                    && root.len() >= 4
                    && root.chars().take(4).all(low)
            })
        },
        r"^p-[0-9a-zA-Z_]{8,128}$" => |text| {
            let rest = text.strip_prefix("p-").unwrap_or_default();
            (8..=128).contains(&rest.len()) && some(rest, word)
        },
        r"^http(s?)://[a-zA-Z0-9._/-]*(\?[a-zA-Z0-9._=&-]*)?(#[a-zA-Z0-9._/-]*)?$" => {
            |text| text.starts_with("http://") || text.starts_with("https://")
        }
        _ => return None,
    })
}

#[cfg(test)]
pub(super) fn is_known(pattern: &str) -> bool {
    known(pattern).is_some()
}
