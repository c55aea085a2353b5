//! Credentials and what was done with them.

use super::{made_by, signed_by, text};
use crate::audit::line;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Credentials in one tree; what further ones did is not followed.
const NODES_MAX: usize = 10_000;
/// Processes named for one credential.
const GIVEN_MAX: usize = 100;

#[derive(Default)]
struct Node {
    /// How it came into being, and who got it.
    given: Vec<String>,
    given_total: usize,
    /// Calls, the first of them only.
    calls: Vec<Call>,
    calls_total: usize,
}

struct Call {
    line: String,
    made: Option<String>,
}

pub(super) struct Tree {
    root: String,
    nodes: BTreeMap<String, Node>,
    calls_max: usize,
    is_cut: bool,
}

impl Tree {
    pub(super) fn new(root: &str, calls_max: usize) -> Self {
        Self {
            root: root.to_owned(),
            nodes: BTreeMap::from([(root.to_owned(), Node::default())]),
            calls_max,
            is_cut: false,
        }
    }

    /// Takes a record; they come in the order in which they were written.
    pub(super) fn add(&mut self, record: &Value) {
        let (signed, made) = (signed_by(record), made_by(record));
        if let Some(node) = made.and_then(|made| self.nodes.get_mut(made)) {
            node.give(origin(record));
        }
        let Some(node) = signed.and_then(|signed| self.nodes.get_mut(signed)) else {
            return;
        };
        node.calls_total += 1;
        // What made a credential is kept in any case: the rest of the tree hangs on it.
        if node.calls.len() < self.calls_max || made.is_some() {
            node.calls.push(Call {
                line: line(record),
                made: made.map(str::to_owned),
            });
        }
        if let Some(made) = made
            && !self.nodes.contains_key(made)
        {
            if self.nodes.len() >= NODES_MAX {
                self.is_cut = true;
                return;
            }
            self.nodes.insert(made.to_owned(), Node::default());
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes
            .values()
            .all(|node| node.given.is_empty() && node.calls.is_empty())
    }

    /// The tree in lines; the one that was asked for has a mark.
    pub(super) fn to_lines(&self, asked: &str) -> Vec<String> {
        let mut lines = vec![];
        // What is still to be shown, the next one last: credentials and, between them, the calls of those above.
        let mut open = vec![Step::Credential(self.root.as_str(), 0)];
        let mut shown = std::collections::BTreeSet::new();
        while let Some(step) = open.pop() {
            let (key, depth) = match step {
                Step::Line(text, depth) => {
                    lines.push(format!("{}{text}", "  ".repeat(depth)));
                    continue;
                }
                Step::Credential(key, depth) => (key, depth),
            };
            let Some(node) = self.nodes.get(key).filter(|_| shown.insert(key)) else {
                continue;
            };
            let mark = if key == asked { "  <- asked for" } else { "" };
            lines.push(format!("{}{key}{mark}", "  ".repeat(depth)));
            for given in &node.given {
                lines.push(format!("{}{given}", "  ".repeat(depth + 1)));
            }
            let more = |total: usize, shown: usize, what: &str| {
                (total > shown).then(|| format!("and {} {what}", total - shown))
            };
            if let Some(more) = more(node.given_total, node.given.len(), "times more") {
                lines.push(format!("{}{more}", "  ".repeat(depth + 1)));
            }
            if let Some(more) = more(
                node.calls_total,
                node.calls.len(),
                "further calls (-n shows more)",
            ) {
                open.push(Step::Line(more, depth + 1));
            }
            for call in node.calls.iter().rev() {
                if let Some(made) = &call.made {
                    open.push(Step::Credential(made, depth + 2));
                }
                let is_asked = !asked.is_empty() && call.line.ends_with(asked);
                let mark = if is_asked { "  <- asked for" } else { "" };
                open.push(Step::Line(format!("{}{mark}", call.line), depth + 1));
            }
        }
        if self.is_cut {
            lines.push(format!(
                "more than {NODES_MAX} credentials: what further ones did is not shown"
            ));
        }
        lines
    }

    pub(super) fn to_json(&self) -> Value {
        let nodes: Vec<Value> = self
            .nodes
            .iter()
            .map(|(key, node)| {
                let calls: Vec<Value> = node
                    .calls
                    .iter()
                    .map(|call| json!({ "call": call.line, "made": call.made }))
                    .collect();
                json!({
                    "access_key_id": key,
                    "given": node.given,
                    "given_total": node.given_total,
                    "calls": calls,
                    "calls_total": node.calls_total,
                })
            })
            .collect();
        json!({ "root": self.root, "credentials": nodes, "is_cut": self.is_cut })
    }
}

enum Step<'a> {
    Credential(&'a str, usize),
    Line(String, usize),
}

impl Node {
    fn give(&mut self, origin: String) {
        self.given_total += 1;
        if self.given.len() < GIVEN_MAX {
            self.given.push(origin);
        }
    }
}

/// How a credential came to whom: by the agent to a process, or by a call.
fn origin(record: &Value) -> String {
    let detail = |name: &str| {
        let value = record.pointer(&format!("/additionalEventData/hallpass/{name}"));
        match value {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            _ => "?".to_owned(),
        }
    };
    let time = text(record, "/eventTime");
    if record["eventName"] == "IssueCredentials" {
        return format!(
            "{time}  given to uid {} ({}), pid {}, {}, as role {} by rule {}, {}",
            detail("uid"),
            detail("user"),
            detail("pid"),
            detail("exe"),
            text(record, "/requestParameters/role"),
            detail("rule"),
            detail("door"),
        );
    }
    let who = text(record, "/userIdentity/arn");
    let made = match text(record, "/responseElements/assumedRole") {
        "" => text(record, "/responseElements/userName"),
        made => made,
    };
    format!("{time}  {} by {who} for {made}", text(record, "/eventName"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, signed: &str, made: Option<&str>, id: &str) -> Value {
        json!({
            "eventTime": "2026-01-31T12:00:00Z", "eventName": name, "requestID": id,
            "userIdentity": {"accessKeyId": signed, "arn": format!("arn:aws:sts::1:assumed-role/{signed}/s")},
            "responseElements": made.map(|made| json!({"accessKeyId": made})),
        })
    }

    #[test]
    fn a_chain_is_a_tree_from_the_process_down() {
        let issued = json!({
            "eventTime": "2026-01-31T11:59:59Z", "eventName": "IssueCredentials",
            "requestParameters": {"role": "app"}, "responseElements": {"accessKeyId": "A"},
            "additionalEventData": {"hallpass": {"uid": 33, "user": "www", "pid": 7, "exe": "/bin/x", "rule": "r", "door": "file"}},
        });
        let mut tree = Tree::new("A", 2);
        for record in [
            issued,
            call("ListBuckets", "A", None, "R1"),
            call("AssumeRole", "A", Some("B"), "R2"),
            call("GetObject", "B", None, "R3"),
            call("GetObject", "C", None, "R4"),
            call("PutObject", "A", None, "R5"),
            call("AssumeRole", "A", Some("D"), "R6"),
        ] {
            tree.add(&record);
        }
        let lines = tree.to_lines("R3");
        let starts: Vec<String> = lines
            .iter()
            .map(|line| {
                let spaces = line.len() - line.trim_start().len();
                let words: Vec<_> = line.split_whitespace().collect();
                let name = ["ListBuckets", "AssumeRole", "GetObject", "given", "and"]
                    .into_iter()
                    .find(|word| words.contains(word));
                format!("{spaces} {}", name.unwrap_or(words[0]))
            })
            .collect();
        assert_eq!(
            starts,
            [
                "0 A",
                "2 given",
                "2 ListBuckets",
                "2 AssumeRole",
                "4 B",
                "6 GetObject",
                "2 AssumeRole",
                "4 D",
                "2 and"
            ],
            "{lines:#?}"
        );
        assert!(lines[1].contains("uid 33 (www), pid 7, /bin/x"), "{}", lines[1]);
        assert!(
            lines.iter().any(|line| line.contains("R3  <- asked for")),
            "{lines:#?}"
        );
        assert!(!lines.iter().any(|line| line.contains("R4")));
    }
}
