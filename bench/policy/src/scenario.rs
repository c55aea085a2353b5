//! What is asked: the same documents and requests for every engine, kept in a file between the processes.

use crate::engines::{Engine as _, hallpass::Hallpass};
use serde_json::{Value, json};

pub const ACCOUNT: &str = "123456789012";
pub const PRINCIPAL: &str = "arn:aws:iam::123456789012:user/ana";
pub const ACTION: &str = "s3:GetObject";
pub const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
/// A document holds no more statements than this: thousands do not fit into one.
const PER_DOCUMENT: usize = 50;

/// One request and the policies it is asked under.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// `worst` or `realistic`.
    pub mix: String,
    pub statements: usize,
    /// `allow`, `explicit_deny` or `implicit_deny`, which is also the right answer.
    pub outcome: String,
    pub policies: Vec<String>,
    pub resource: String,
}

impl Scenario {
    pub fn name(&self) -> String {
        format!("{}\t{}\t{}", self.mix, self.statements, self.outcome)
    }

    /// One line of the file.
    pub fn write(&self) -> String {
        json!({
            "mix": self.mix, "statements": self.statements, "outcome": self.outcome,
            "policies": self.policies, "action": ACTION, "resource": self.resource,
        })
        .to_string()
    }

    pub fn read(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).unwrap();
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        Self {
            mix: text("mix"),
            statements: value["statements"].as_u64().unwrap() as usize,
            outcome: text("outcome"),
            policies: value["policies"]
                .as_array()
                .unwrap()
                .iter()
                .map(|policy| policy.as_str().unwrap().to_owned())
                .collect(),
            resource: text("resource"),
        }
    }
}

/// `effect` on the objects of one bucket, under two conditions that hold.
fn statement(effect: &str, bucket: &str) -> Value {
    json!({
        "Effect": effect, "Action": ACTION, "Resource": format!("arn:aws:s3:::{bucket}/*"),
        "Condition": {
            "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "Bool": {"aws:SecureTransport": "true"},
        },
    })
}

fn documents(statements: &[Value]) -> Vec<String> {
    statements
        .chunks(PER_DOCUMENT)
        .map(|chunk| json!({"Version": "2012-10-17", "Statement": chunk}).to_string())
        .collect()
}

/// The three outcomes over the same statements, of which the last one matches.
fn outcomes(mix: &str, mut statements: Vec<Value>) -> Vec<Scenario> {
    let count = statements.len() + 1;
    let make = |outcome: &str, statements: &[Value], bucket: &str| Scenario {
        mix: mix.to_owned(),
        statements: count,
        outcome: outcome.to_owned(),
        policies: documents(statements),
        resource: format!("arn:aws:s3:::{bucket}/key"),
    };
    let mut scenarios = vec![];
    for (outcome, effect) in [("allow", "Allow"), ("explicit_deny", "Deny")] {
        statements.push(statement(effect, "bucket-last"));
        scenarios.push(make(outcome, &statements, "bucket-last"));
        statements.pop();
    }
    statements.push(statement("Allow", "bucket-last"));
    scenarios.push(make("implicit_deny", &statements, "bucket-none"));
    scenarios
}

/// Statements of AWS's managed policies that leave the request to the last statement, one after the other from all
/// over the alphabet. `corpus` has a policy a line, whose last field is its document.
fn managed(corpus: &str) -> Vec<Value> {
    let mut kept = vec![];
    for (_, document) in corpus.lines().filter_map(|line| line.rsplit_once('\t')) {
        let document: Value = serde_json::from_str(document).unwrap();
        let statements = match &document["Statement"] {
            Value::Array(statements) => statements.clone(),
            single => vec![single.clone()],
        };
        for mut statement in statements {
            // A document may not say the same name twice.
            statement.as_object_mut().unwrap().remove("Sid");
            let alone = |bucket: &str| Scenario {
                mix: String::new(),
                statements: 1,
                outcome: String::new(),
                policies: documents(std::slice::from_ref(&statement)),
                resource: format!("arn:aws:s3:::{bucket}/key"),
            };
            let silent = |bucket: &str| {
                Hallpass::load(&alone(bucket)).is_some_and(|mut engine| engine.decide() == "implicit_deny")
            };
            if silent("bucket-last") && silent("bucket-none") {
                kept.push(statement);
            }
        }
    }
    // Neighbours are about one service; a step that shares no factor with the count visits all in mixed order.
    let step = (1_009..).find(|step| kept.len() % step != 0).unwrap();
    (0..kept.len())
        .map(|index| kept[index * step % kept.len()].clone())
        .collect()
}

/// All scenarios.
pub fn all(corpus: &str) -> Vec<Scenario> {
    let managed = managed(corpus);
    let mut scenarios = vec![];
    for count in SIZES {
        let worst = (1..count).map(|number| statement("Allow", &format!("bucket-{number}")));
        scenarios.extend(outcomes("worst", worst.collect()));
    }
    for count in SIZES {
        // There are fewer managed statements than the largest size: they are gone through again.
        let realistic = managed.iter().cycle().take(count - 1).cloned();
        scenarios.extend(outcomes("realistic", realistic.collect()));
    }
    scenarios
}
