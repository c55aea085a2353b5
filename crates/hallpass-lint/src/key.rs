//! Access keys: what is wrong with one, by its owner and age.
//!
//! Source: IAM User Guide, "Update access keys" and "Security best practices in IAM".

use crate::catalogue::{OLD_ACCESS_KEY, ROOT_ACCESS_KEY};
use crate::finding::Finding;
use crate::report::Report;

/// Keys older than this are to be rotated; AWS Config's rule `access-key-rotated` has the same default.
pub const KEY_AGE_DAYS_MAX: i64 = 90;

/// What is known of a key that can sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessKey<'a> {
    /// The user's name.
    pub user: &'a str,
    /// Its id, or what it is called where the id is not known.
    pub id: &'a str,
    /// Whether the account's root user holds it.
    pub is_root: bool,
    /// Days since it was made; `None` when it is as old as its user.
    pub age_days: Option<i64>,
}

/// What is to be said of an active access key. `text` is the line that tells of it: all of it is the finding's place.
#[must_use]
pub fn check_key(text: &str, key: &AccessKey<'_>) -> Vec<Finding> {
    let AccessKey { user, id, .. } = key;
    let mut report = Report::default();
    let place = 0..text.len();
    if key.is_root {
        let message = format!("the root user has an access key, {id}, which nothing limits");
        let help = "delete it, and give a role or user the permissions that are needed";
        report.add(ROOT_ACCESS_KEY, &place, message, help);
    }
    let age = match key.age_days {
        None => Some("was never rotated".to_owned()),
        Some(days) => (days > KEY_AGE_DAYS_MAX).then(|| format!("is {days} days old")),
    };
    if let Some(age) = age {
        let message = format!("access key {id} of user {user} {age}");
        let help = "let what uses it take a role instead, or make another key and delete this one";
        report.add(OLD_ACCESS_KEY, &place, message, help);
    }
    report.finish(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_keys_and_those_of_root_are_found() {
        for (is_root, age_days, codes) in [
            (false, Some(0), &[][..]),
            (false, Some(90), &[]),
            (false, Some(91), &["HP2016"]),
            (false, None, &["HP2016"]),
            (true, Some(1), &["HP2017"]),
            (true, Some(91), &["HP2016", "HP2017"]),
        ] {
            let key = AccessKey {
                user: "ana",
                id: "AKIA",
                is_root,
                age_days,
            };
            let found = check_key("the key", &key);
            let found = found.iter().map(|finding| finding.code).collect::<Vec<_>>();
            assert_eq!(found, codes, "{key:?}");
        }
    }
}
