mod conditions;
mod glob;
mod shape;

pub use conditions::Evidence;
pub(crate) use conditions::{Condition, Key, Want, values};
pub(crate) use glob::Glob;
pub use shape::SessionShape;
pub(crate) use shape::{NAME_CHARACTERS, Piece, Template, Variable, is_name, is_tag};

use crate::file_rule::FileRule;
use crate::rules_parse::{RulesError, parse};
use hallpass_caller::Caller;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Who may have which roles: an ordered list, first match wins, no match means none.
///
/// ```toml
/// [[rule]]
/// name = "web"                    # optional, for explanations and audit
/// user = ["www-data", "nginx"]    # or uid = 33; one value or a list of them
/// group = "adm"                   # or gid = 4; every key given must hold
/// unit = "web@*.service"          # of the system manager; slice = "web.slice", cgroup = "/web.slice/**"
/// exe = "/opt/web/bin/*"          # also exe_sha256 = "…", ancestor = "/usr/sbin/cron"
/// not = { unit = "web@test.service" }
/// roles = ["app_server"]          # the first is the one the metadata service shows
/// session_name = "{unit}"         # also source_identity, tags = { team = "x" }, policy, duration = "1h"
///
/// [[rule]]
/// uid = 0
/// image = "shop/web:*"            # also container = "5a3bde0aa63e", label = "team=a", container_name, pod, namespace
/// roles = ["shop"]
///
/// [[rule]]
/// everyone = true                 # a rule without any condition must say so
/// roles = ["guest"]
///
/// [[file]]                        # the role as files, see `Agent::mount_files`
/// role = "app_server"
/// owner = "www-data"
/// ```
///
/// In patterns `?` is one character and `*` any number. In the paths of `exe`, `ancestor` and `cgroup` neither is a
/// slash, and `**` is anything. A rule that asks what is not known of the caller does not match, whether it wants it or
/// rules it out. Where several processes hold the caller's connection, each must satisfy the rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    pub(crate) rules: Vec<Rule>,
    pub(crate) files: Vec<FileRule>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rule {
    pub(crate) name: Option<String>,
    /// In the order of their cost.
    pub(crate) conditions: Vec<Condition>,
    pub(crate) not: Vec<Condition>,
    pub(crate) roles: Vec<String>,
    pub(crate) shape: SessionShape,
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
        /// How it shapes the session, with what is known of the caller filled in.
        shape: SessionShape,
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
    /// What is known of the caller, by the names rules use; [`Rules::explain`] leaves it empty.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

impl Rules {
    /// Reads a rules file.
    ///
    /// # Errors
    /// [`RulesError`] with every problem at once, each with its line and column.
    pub fn parse(toml: &str) -> Result<Self, RulesError> {
        parse(toml)
    }

    /// These rules, then `more`.
    #[must_use]
    pub(crate) fn followed_by(&self, more: &Self) -> Self {
        let mut both = self.clone();
        both.rules.extend(more.rules.iter().cloned());
        both.files.extend(more.files.iter().cloned());
        both
    }

    /// Rules that give exactly `uid` exactly `roles`.
    #[must_use]
    pub fn only(uid: u32, roles: &[&str]) -> Self {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        let condition = Condition {
            key: Key::Uid,
            want: Want::Numbers(vec![uid]),
        };
        Self {
            rules: vec![Rule {
                conditions: vec![condition],
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

    /// Decides: the first rule all of whose conditions hold. Reads facts as rules ask for them, and blocks meanwhile.
    #[must_use]
    pub fn decide(&self, caller: &Caller, evidence: &Evidence) -> Decision {
        let mut reasons = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.judge(caller, evidence) {
                Ok(shape) => {
                    return Decision::Match {
                        roles: rule.roles.clone(),
                        index,
                        rule: rule.label(index),
                        shape,
                    };
                }
                Err(reason) => reasons.push(RuleReport {
                    rule: rule.label(index),
                    reason,
                }),
            }
        }
        Decision::NoMatch(NoMatch { reasons })
    }

    /// The decision, if the kernel's word about the caller is enough for it: nothing is read.
    #[must_use]
    pub fn decide_by_kernel(&self, caller: &Caller) -> Option<Decision> {
        let nothing = Evidence::default();
        for rule in &self.rules {
            let mut kernel = rule
                .conditions
                .iter()
                .filter(|condition| condition.key.is_kernel());
            if kernel.any(|condition| condition.unmet(caller, &nothing).is_some()) {
                continue;
            }
            if rule.reads_processes() {
                return None;
            }
            if rule.judge(caller, &nothing).is_ok() {
                break;
            }
        }
        Some(self.decide(caller, &nothing))
    }

    /// Spells the decision out. `profile` is what the machine's instance profile holds.
    #[must_use]
    pub fn explain(&self, caller: &Caller, evidence: &Evidence, profile: &[String]) -> Explanation {
        let (matched, roles, skipped) = match self.decide(caller, evidence) {
            Decision::Match {
                roles, rule, index, ..
            } => {
                let before = Self {
                    rules: self.rules.iter().take(index).cloned().collect(),
                    files: Vec::new(),
                };
                let skipped = match before.decide(caller, evidence) {
                    Decision::NoMatch(no) => no.reasons,
                    Decision::Match { .. } => Vec::new(),
                };
                (Some(rule), roles, skipped)
            }
            Decision::NoMatch(no) => (None, Vec::new(), no.reasons),
        };
        let available = roles.iter().filter(|role| profile.contains(role)).cloned();
        Explanation {
            available: available.collect(),
            matched,
            roles,
            skipped,
            facts: BTreeMap::new(),
        }
    }
}

impl Rule {
    fn label(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| format!("rule {}", index + 1))
    }

    fn reads_processes(&self) -> bool {
        let reads = |condition: &Condition| !condition.key.is_kernel();
        // Whom `not` leaves out by group has to be asked of each process.
        let excludes = |condition: &Condition| !matches!(condition.key, Key::User | Key::Uid);
        self.conditions.iter().any(reads) || self.not.iter().any(excludes) || self.shape.reads_processes()
    }

    /// The session it shapes, or the first condition that does not hold.
    fn judge(&self, caller: &Caller, evidence: &Evidence) -> Result<SessionShape, String> {
        let unmet = self
            .conditions
            .iter()
            .find_map(|condition| condition.unmet(caller, evidence));
        let excluded = || {
            self.not
                .iter()
                .find_map(|condition| condition.not_ruled_out(caller, evidence))
        };
        match unmet.or_else(excluded) {
            Some(reason) => Err(reason),
            None => self.shape.filled(caller, evidence),
        }
    }
}

impl Evidence {
    /// Every fact by the name rules use, or why it is not known. Reads all of them, which may take seconds.
    #[must_use]
    pub fn told(&self, caller: &Caller) -> BTreeMap<String, String> {
        let mut told = BTreeMap::from([("uid".to_owned(), caller.uid.to_string())]);
        let numbers: Vec<String> = caller.gids.iter().map(u32::to_string).collect();
        told.insert("gid".to_owned(), numbers.join(", "));
        told.insert("group".to_owned(), caller.groups.join(", "));
        told.insert(
            "user".to_owned(),
            caller.user.clone().unwrap_or_else(|| "without a name".to_owned()),
        );
        for process in &self.processes {
            for key in Key::ALL.into_iter().filter(|key| !key.is_kernel()) {
                let value = match values(key, process) {
                    Ok(values) if values.is_empty() => "none".to_owned(),
                    Ok(values) => values.join(", "),
                    Err(unknown) => format!("unknown: {unknown}"),
                };
                let name = match self.processes.len() {
                    1 => key.name().to_owned(),
                    _ => format!("{} of process {}", key.name(), process.pid()),
                };
                told.insert(name, value);
            }
        }
        told
    }
}

#[cfg(test)]
mod tests;
