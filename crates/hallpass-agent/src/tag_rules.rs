//! Rules that come from the authority with the machine: the tags `hallpass:rule` and `hallpass:rule:…` of its instance.

use crate::machine::Snapshot;
use crate::{Rules, RulesError};
use std::sync::{Arc, Mutex, PoisonError};

/// The key of an instance's tag that is a rule, and with a colon and anything behind it, the keys of further ones.
const KEY: &str = "hallpass:rule";

/// The rules among an instance's tags, in the order of their keys. A value is what stands between the braces of a rule
/// as an inline table of a rules file: `user = "ci", roles = "builder"`.
pub fn rule_tags<'t>(tags: impl IntoIterator<Item = (&'t str, &'t str)>) -> Vec<(String, String)> {
    let is_rule = |key: &str| {
        key.strip_prefix(KEY)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
    };
    let mut rules: Vec<_> = tags
        .into_iter()
        .filter(|(key, _)| is_rule(key))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    rules.sort();
    rules
}

/// The operator's own rules with those of the tags behind them, as long as neither changes.
#[derive(Debug, Default)]
pub(crate) struct WithTags {
    known: Mutex<Option<Known>>,
}

#[derive(Debug)]
struct Known {
    own: Arc<Rules>,
    snapshot: Arc<Snapshot>,
    both: Arc<Rules>,
    error: Option<String>,
}

impl WithTags {
    /// `own` first: what the operator of the machine wrote comes before what its authority says. If one tag is not in
    /// order, none is in force.
    pub(crate) fn of(&self, own: Arc<Rules>, snapshot: &Arc<Snapshot>) -> Arc<Rules> {
        if snapshot.machine.rules.is_empty() {
            *lock(&self.known) = None;
            return own;
        }
        let mut known = lock(&self.known);
        if let Some(known) = known.as_ref()
            && Arc::ptr_eq(&known.own, &own)
            && Arc::ptr_eq(&known.snapshot, snapshot)
        {
            return Arc::clone(&known.both);
        }
        let (both, error) = match parsed(&snapshot.machine.rules) {
            Ok(more) => (Arc::new(own.followed_by(&more)), None),
            Err(error) => {
                tracing::error!(%error, "the rules among the instance's tags are not in force");
                (Arc::clone(&own), Some(error))
            }
        };
        *known = Some(Known {
            own,
            snapshot: Arc::clone(snapshot),
            both: Arc::clone(&both),
            error,
        });
        both
    }

    /// Why the tags are not in force.
    pub(crate) fn error(&self) -> Option<String> {
        lock(&self.known).as_ref()?.error.clone()
    }
}

fn parsed(tags: &[(String, String)]) -> Result<Rules, String> {
    let mut all = Rules::default();
    for (key, value) in tags {
        // A line feed would end the table, and what follows could be anything.
        if value.chars().any(char::is_control) {
            return Err(format!("tag `{key}`: a rule is one line"));
        }
        let rules = Rules::parse(&format!("rule = [{{{value}}}]"));
        let mut rules = rules.map_err(|error| format!("tag `{key}`: {}", told(&error)))?;
        if rules.rules.len() != 1 || !rules.files.is_empty() {
            return Err(format!("tag `{key}`: one tag is one rule"));
        }
        for rule in &mut rules.rules {
            rule.name.get_or_insert_with(|| format!("tag {key}"));
        }
        all = all.followed_by(&rules);
    }
    Ok(all)
}

/// Without the places, which are those of a text that nobody wrote.
fn told(error: &RulesError) -> String {
    let messages: Vec<_> = error
        .problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    messages.join("; ")
}

fn lock<T>(state: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_rules_by_their_keys() {
        let tags = [
            ("hallpass:rule:2", "b"),
            ("hallpass:rule", "a"),
            ("hallpass:rules", "x"),
            ("Name", "y"),
        ];
        let rules = rule_tags(tags);
        let keys: Vec<_> = rules.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["hallpass:rule", "hallpass:rule:2"]);
    }

    #[test]
    fn a_tag_is_one_rule_and_nothing_else() {
        let refused = |value: &str| parsed(&[("hallpass:rule".to_owned(), value.to_owned())]).unwrap_err();
        assert_eq!(
            parsed(&[("hallpass:rule".to_owned(), "uid = 7, roles = 'r'".to_owned())])
                .unwrap()
                .len(),
            1
        );
        for value in [
            "uid = 7, roles = 'r'}, {everyone = true, roles = 'r'",
            "uid = 7, roles = 'r'}]\nfile = [{role = 'r'",
            "roles = 'r'",
            "uid = 7",
            "",
        ] {
            assert!(refused(value).starts_with("tag `hallpass:rule`: "), "{value}");
        }
    }
}
