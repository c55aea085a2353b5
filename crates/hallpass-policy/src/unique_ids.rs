//! Users and roles in a stored document, meant by unique id: a successor of the same name inherits nothing ("AWS JSON
//! policy elements: Principal").

use crate::document::{Policy, PolicyKind};
use crate::error::PolicyError;
use crate::principal::{PrincipalEntry, PrincipalName};

impl PrincipalEntry {
    /// The ARN, if a user or a role is named by it.
    #[must_use]
    pub fn user_or_role(&self) -> Option<&str> {
        match &self.name {
            PrincipalName::User(arn) | PrincipalName::Role(arn) => Some(arn),
            _ => None,
        }
    }
}

impl Policy {
    /// All values of `Principal` and `NotPrincipal`, in the order of the document.
    pub fn principals(&self) -> impl Iterator<Item = &PrincipalEntry> {
        let clauses = self.statements.iter().filter_map(|one| one.principals.as_ref());
        clauses.flat_map(|clause| &clause.entries)
    }

    /// The same policy, in which each user or role whose ARN has an id means the one of that id, whatever is called so now.
    #[must_use]
    pub fn meaning_ids<'a>(mut self, id_of: impl Fn(&str) -> Option<&'a str>) -> Self {
        let clauses = self
            .statements
            .iter_mut()
            .filter_map(|one| one.principals.as_mut());
        for entry in clauses.flat_map(|clause| &mut clause.entries) {
            if let Some(id) = entry.user_or_role().and_then(&id_of) {
                entry.name = PrincipalName::UniqueId(id.to_owned());
            }
        }
        self
    }

    /// The document with other texts in place of some principals': `other` is asked about each that names a user or role by
    /// ARN. What else is in the document stays as it is written.
    ///
    /// # Errors
    /// As [`Policy::parse`].
    pub fn with_principals(
        text: &str,
        kind: PolicyKind,
        other: impl Fn(&str) -> Option<String>,
    ) -> Result<String, PolicyError> {
        let policy = Self::parse(text, kind)?;
        let (mut written, mut rest) = (String::with_capacity(text.len()), 0);
        let mut entries: Vec<_> = policy.principals().collect();
        entries.sort_by_key(|entry| entry.position.offset);
        for entry in entries {
            let Some(other) = entry.user_or_role().and_then(&other) else {
                continue;
            };
            let start = entry.position.offset;
            let end = start + literal_bytes(text.get(start..).unwrap_or_default());
            written.push_str(text.get(rest..start).unwrap_or_default());
            // What `other` gives is an ARN or an id: nothing in it needs an escape, and quotes would end the text.
            let plain = other.chars().filter(|letter| !matches!(letter, '"' | '\\'));
            written.push('"');
            written.extend(plain);
            written.push('"');
            rest = end;
        }
        written.push_str(text.get(rest..).unwrap_or_default());
        Ok(written)
    }
}

/// How long the JSON text is that begins here, both quotes included.
fn literal_bytes(text: &str) -> usize {
    let mut is_escaped = false;
    let closing = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    closing.map_or(text.len(), |position| position + 2)
}
