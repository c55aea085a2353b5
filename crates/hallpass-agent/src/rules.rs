use crate::file_rule::FileRule;
use crate::rules_parse::{RulesError, parse};
use hallpass_caller::Caller;
use serde::{Deserialize, Serialize};

/// Who may have which roles: an ordered list, first match wins, no match means none.
///
/// ```toml
/// [[rule]]
/// name = "web"                    # optional, for explanations and audit
/// user = ["www-data", "nginx"]    # or uid = 33; one value or a list of them
/// group = "adm"                   # or gid = 4; every key given must hold
/// roles = ["app_server"]          # the first is the one the metadata service shows
///
/// [[rule]]
/// everyone = true                 # a rule without any condition must say so
/// roles = ["guest"]
///
/// [[file]]                        # the role as files, see `Agent::mount_files`
/// role = "app_server"
/// owner = "www-data"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) files: Vec<FileRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    pub(crate) name: Option<String>,
    pub(crate) users: Option<Vec<String>>,
    pub(crate) uids: Option<Vec<u32>>,
    pub(crate) groups: Option<Vec<String>>,
    pub(crate) gids: Option<Vec<u32>>,
    pub(crate) roles: Vec<String>,
}

/// What the rules say about a caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// A rule matches.
    Match {
        /// The roles it gives, in its order.
        roles: Vec<String>,
        /// Its place in the file, from 0.
        index: usize,
        /// Its name, or `rule 1` by its place counted from 1.
        rule: String,
    },
    /// None does.
    NoMatch(NoMatch),
}

/// Why no rule matched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoMatch {
    /// For each rule, in order, the first condition that does not hold.
    pub reasons: Vec<RuleReport>,
}

/// One rule and why it did not match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// Its name, or `rule 1` by its place counted from 1.
    pub rule: String,
    /// The condition that does not hold.
    pub reason: String,
}

/// A decision spelled out, for `explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule that matched.
    pub matched: Option<String>,
    /// The roles it gives.
    pub roles: Vec<String>,
    /// Those of `roles` that the machine's profile has: what the caller can have now.
    pub available: Vec<String>,
    /// The rules before it, and why each did not match.
    pub skipped: Vec<RuleReport>,
}

impl Rules {
    /// Reads a rules file.
    ///
    /// # Errors
    /// [`RulesError`] with every problem at once, each with its line and column.
    pub fn parse(toml: &str) -> Result<Self, RulesError> {
        parse(toml)
    }

    /// Rules that give exactly `uid` exactly `roles`.
    #[must_use]
    pub fn only(uid: u32, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        Self {
            rules: vec![Rule {
                uids: Some(vec![uid]),
                roles,
                ..Rule::default()
            }],
            files: Vec::new(),
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none, so that nobody gets anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Decides: the first rule all of whose conditions hold.
    #[must_use]
    pub fn decide(&self, caller: &Caller) -> Decision {
        match self.rules.iter().position(|rule| rule.unmet(caller).is_none()) {
            Some(index) => {
                let rule = &self.rules[index];
                Decision::Match {
                    roles: rule.roles.clone(),
                    index,
                    rule: rule.label(index),
                }
            }
            None => Decision::NoMatch(NoMatch {
                reasons: self.unmatched(caller),
            }),
        }
    }

    /// Spells the decision out. `profile` is what the machine's instance profile holds.
    #[must_use]
    pub fn explain(&self, caller: &Caller, profile: &[String]) -> Explanation {
        let skipped = self.unmatched(caller);
        match self.decide(caller) {
            Decision::Match { roles, rule, .. } => {
                let available = roles
                    .iter()
                    .filter(|role| profile.contains(role))
                    .cloned()
                    .collect();
                Explanation {
                    matched: Some(rule),
                    roles,
                    available,
                    skipped,
                }
            }
            Decision::NoMatch(_) => Explanation {
                matched: None,
                roles: Vec::new(),
                available: Vec::new(),
                skipped,
            },
        }
    }

    /// The rules before the first match, each with what does not hold.
    fn unmatched(&self, caller: &Caller) -> Vec<RuleReport> {
        let reports = self.rules.iter().enumerate().map_while(|(index, rule)| {
            rule.unmet(caller).map(|reason| RuleReport {
                rule: rule.label(index),
                reason,
            })
        });
        reports.collect()
    }
}

impl Rule {
    fn label(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("rule {}", index + 1))
    }

    /// The first condition that does not hold.
    fn unmet(&self, caller: &Caller) -> Option<String> {
        let is = caller.user.as_deref().unwrap_or("without a name");
        if let Some(users) = &self.users
            && !users.iter().any(|user| caller.user.as_ref() == Some(user))
        {
            return Some(format!("user is {is}, not {}", users.join(" or ")));
        }
        if let Some(uids) = &self.uids
            && !uids.contains(&caller.uid)
        {
            return Some(format!("uid is {}, not {}", caller.uid, numbers(uids)));
        }
        if let Some(groups) = &self.groups
            && !groups.iter().any(|group| caller.groups.contains(group))
        {
            return Some(format!("the caller is not in group {}", groups.join(" or ")));
        }
        if let Some(gids) = &self.gids
            && !gids.iter().any(|gid| caller.gids.contains(gid))
        {
            return Some(format!("the caller is not in group number {}", numbers(gids)));
        }
        None
    }
}

fn numbers(numbers: &[u32]) -> String {
    numbers
        .iter()
        .map(u32::to_string)
        .collect::<Vec<_>>()
        .join(" or ")
}

#[cfg(test)]
mod tests;
