//! Access keys and their ages.

use hallpass_types::UnixSeconds;

/// How a credential report begins (IAM User Guide, "Generate credential reports for your AWS account").
pub(in crate::policy) const CREDENTIAL_REPORT_HEAD: &str = "user,arn,user_creation_time,";
/// A report on the 5,000 users that an account may have is smaller.
pub(in crate::policy) const REPORT_BYTES_MAX: u64 = 16 * 1_024 * 1_024;
/// How the report calls the root user.
pub(in crate::policy) const ROOT: &str = "<root_account>";

/// An access key of a user or of root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::policy) struct Key {
    /// The user's name; `<root_account>` for root.
    pub(in crate::policy) user: String,
    /// Its id, or which of the two it is when the source does not tell the id.
    pub(in crate::policy) id: String,
    /// Whether it can sign.
    pub(in crate::policy) is_active: bool,
    /// When it was made; a key is rotated by making another.
    pub(in crate::policy) created: Option<UnixSeconds>,
}

impl Key {
    /// Whether it is the root user's.
    pub(in crate::policy) fn is_root(&self) -> bool {
        self.user == ROOT
    }
}

/// Why a text is no credential report.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::policy) enum ReportError {
    #[error("line 1: a credential report has the column `{0}`")]
    Column(&'static str),
    #[error("line {line}: {found} columns, and the first line names {wanted}")]
    Columns {
        line: usize,
        found: usize,
        wanted: usize,
    },
    #[error("line {line}: `{text}` is no time")]
    Time { line: usize, text: String },
}

/// The keys in a credential report, used or not. Its fields hold neither commas nor quotes: names of users cannot.
pub(in crate::policy) fn credential_report(text: &str) -> Result<Vec<Key>, ReportError> {
    let mut lines = (1..).zip(text.lines());
    let head = lines.next().map(|(_, line)| line).unwrap_or_default();
    let head = head.split(',').collect::<Vec<_>>();
    let column = |name: &'static str| {
        let at = head.iter().position(|column| *column == name);
        at.ok_or(ReportError::Column(name))
    };
    let user_at = column("user")?;
    let key_at = [
        (
            "access key 1",
            column("access_key_1_active")?,
            column("access_key_1_last_rotated")?,
        ),
        (
            "access key 2",
            column("access_key_2_active")?,
            column("access_key_2_last_rotated")?,
        ),
    ];
    let mut keys = Vec::new();
    for (line, row) in lines.filter(|(_, row)| !row.is_empty()) {
        let fields = row.split(',').collect::<Vec<_>>();
        if fields.len() != head.len() {
            let (found, wanted) = (fields.len(), head.len());
            return Err(ReportError::Columns { line, found, wanted });
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        for (id, active, rotated) in key_at {
            let is_active = field(active).eq_ignore_ascii_case("true");
            let created = match field(rotated) {
                "N/A" | "not_supported" | "" => None,
                text => Some(UnixSeconds::from_rfc3339(text).map_err(|_| ReportError::Time {
                    line,
                    text: text.to_owned(),
                })?),
            };
            if is_active || created.is_some() {
                keys.push(Key {
                    user: field(user_at).to_owned(),
                    id: id.to_owned(),
                    is_active,
                    created,
                });
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "user,arn,user_creation_time,access_key_1_active,access_key_1_last_rotated,\
                        access_key_2_active,access_key_2_last_rotated\n";

    #[test]
    fn keys_are_read_and_absent_ones_are_not() {
        let text = format!(
            "{HEAD}<root_account>,a,t,true,N/A,false,N/A\r\nana,a,t,false,N/A,true,2020-01-01T00:00:00+00:00\nbo,a,t,false,N/A,false,N/A"
        );
        let keys = credential_report(&text).unwrap();
        let shown = keys
            .iter()
            .map(|key| (key.user.as_str(), key.id.as_str(), key.is_active, key.created));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                ("<root_account>", "access key 1", true, None),
                ("ana", "access key 2", true, Some(UnixSeconds(1_577_836_800))),
            ]
        );
        assert!(keys[0].is_root() && !keys[1].is_root());
    }

    #[test]
    fn faults_are_told_with_their_line() {
        for (rows, words) in [
            ("ana,a", "line 2: 2 columns"),
            ("ana,a,t,true,yesterday,false,N/A", "line 2: `yesterday`"),
        ] {
            let error = credential_report(&format!("{HEAD}{rows}"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(credential_report(""), Err(ReportError::Column("user")));
    }
}
