//! DynamoDB: tables and indexes, several in one request, and the keys of fine-grained access.

use super::text_of;
use crate::actions::texts;
use crate::asked::{Asked, Found, whole_arn};
use crate::resource::is_plain_name;
use crate::value::Value;
use hallpass_access::ActionOn;

/// The parts of a transaction, and the action that each is.
const PARTS: &[(&str, &str)] = &[
    ("Get", "dynamodb:GetItem"),
    ("Put", "dynamodb:PutItem"),
    ("Update", "dynamodb:UpdateItem"),
    ("Delete", "dynamodb:DeleteItem"),
    ("ConditionCheck", "dynamodb:ConditionCheckItem"),
];

/// Batches and transactions: the action on each table; PartiQL: by each statement's verb.
pub(super) fn whole(asked: &Asked<'_>) -> Option<Vec<ActionOn>> {
    let mut actions = vec![];
    match asked.operation.name {
        "BatchGetItem" | "BatchWriteItem" => {
            let action = format!("dynamodb:{}", asked.operation.name);
            for (name, _) in asked.body("RequestItems")?.entries() {
                actions.push(on(&action, table(asked, name)));
            }
        }
        "TransactGetItems" | "TransactWriteItems" => {
            for item in asked.items("TransactItems") {
                for (part, value) in item.entries() {
                    let (_, action) = PARTS.iter().find(|(name, _)| *name == part)?;
                    actions.push(on(
                        action,
                        text_of(value, "TableName").and_then(|name| table(asked, name)),
                    ));
                }
            }
        }
        "ExecuteStatement" => actions.extend(statement(asked, asked.body("Statement")?)?),
        "BatchExecuteStatement" | "ExecuteTransaction" => {
            let name = if asked.operation.name == "ExecuteTransaction" {
                "TransactStatements"
            } else {
                "Statements"
            };
            for item in asked.items(name) {
                actions.extend(statement(asked, item.get("Statement")?)?);
            }
        }
        _ => return None,
    }
    // With nothing in it, the operation's actions are on what cannot be told.
    (!actions.is_empty()).then_some(actions)
}

fn on(action: &str, arn: Option<String>) -> ActionOn {
    match arn {
        Some(arn) => ActionOn::new(action, arn),
        None => ActionOn::on_unknown_resource(action),
    }
}

/// The table, or the index of it, that the request names.
pub(super) fn resources(asked: &Asked<'_>) -> Found {
    let names = ["TableName", "TableArn", "ResourceArn", "StreamArn"];
    let given: Vec<_> = names.into_iter().filter_map(|name| asked.body(name)).collect();
    let [one] = given.as_slice() else {
        return Found::Generic;
    };
    let Some(table) = one.text().and_then(|text| table(asked, text)) else {
        return Found::Unknown;
    };
    match asked.body("IndexName") {
        Some(index) => {
            let index = index.text().filter(|index| is_plain_name(index));
            Found::one(index.map(|index| format!("{table}/index/{index}")))
        }
        // What acts on a backup, an export or a second table names it elsewhere.
        None if asked.body("BackupArn").is_some() || asked.operation.name.starts_with("Restore") => {
            Found::Unknown
        }
        None => Found::Arns(vec![table]),
    }
}

/// The stream of a table. A shard iterator does not tell.
pub(super) fn stream(asked: &Asked<'_>) -> Found {
    Found::one(
        asked
            .text("StreamArn")
            .and_then(|text| whole_arn(text, "dynamodb")),
    )
}

/// A table by name or ARN.
fn table(asked: &Asked<'_>, text: &str) -> Option<String> {
    if text.starts_with("arn:") {
        return whole_arn(text, "dynamodb");
    }
    is_plain_name(text).then(|| asked.arn("dynamodb", &format!("table/{text}")))
}

/// One PartiQL statement. Only the plainest forms tell the table: `SELECT … FROM "t"`, `INSERT INTO "t"`,
/// `UPDATE "t"`, `DELETE FROM "t"`. Source: DynamoDB Developer Guide, "PartiQL for DynamoDB".
fn statement(asked: &Asked<'_>, value: &Value) -> Option<Vec<ActionOn>> {
    let text = value.text()?;
    let mut words = text.split_ascii_whitespace();
    let verb = words.next()?.to_ascii_uppercase();
    let (action, before) = match verb.as_str() {
        "SELECT" => ("dynamodb:PartiQLSelect", "FROM"),
        "INSERT" => ("dynamodb:PartiQLInsert", "INTO"),
        "UPDATE" => ("dynamodb:PartiQLUpdate", "UPDATE"),
        "DELETE" => ("dynamodb:PartiQLDelete", "FROM"),
        _ => return None,
    };
    // A text, a quoted name or a comment could hold the word looked for: it must be there once, in any form.
    let is_plain = !text.contains('\'') && !text.contains("--") && !text.contains("/*");
    let is_before = |word: &&str| word.eq_ignore_ascii_case(before);
    let name = match verb.as_str() {
        "UPDATE" => words.next(),
        "SELECT" if text.to_ascii_uppercase().matches(before).count() == 1 => {
            words.find(is_before).and_then(|_| words.next())
        }
        "SELECT" => None,
        _ => words.next().filter(is_before).and_then(|_| words.next()),
    };
    let name = name.filter(|_| is_plain);
    Some(vec![on(action, name.and_then(|word| named(asked, word)))])
}

/// `"table"`, `table`, `"table"."index"`.
fn named(asked: &Asked<'_>, word: &str) -> Option<String> {
    let (name, index) = match word.strip_prefix('"') {
        Some(rest) => {
            let (name, rest) = rest.split_once('"')?;
            let index = match rest.strip_prefix(".\"") {
                Some(index) => Some(index.strip_suffix('"')?),
                None if rest.is_empty() => None,
                None => return None,
            };
            (name, index)
        }
        None if word.contains(['"', '.', '[', '(', ',']) => return None,
        None => (word, None),
    };
    let arn = table(asked, name)?;
    match index {
        Some(index) if is_plain_name(index) => Some(format!("{arn}/index/{index}")),
        Some(_) => None,
        None => Some(arn),
    }
}

/// `dynamodb:Attributes`, `dynamodb:Select` and `dynamodb:LeadingKeys`, where the body tells them without the table's
/// schema: an item's key of one attribute.
pub(super) fn keys(asked: &Asked<'_>) -> Vec<(String, Vec<String>)> {
    let mut keys = super::from_members(
        asked,
        &[
            ("Select", "dynamodb:Select"),
            ("ReturnValues", "dynamodb:ReturnValues"),
            ("ReturnConsumedCapacity", "dynamodb:ReturnConsumedCapacity"),
        ],
    );
    let attributes: Vec<_> = texts(asked.items("AttributesToGet")).collect();
    if !attributes.is_empty() {
        keys.push(("dynamodb:Attributes".to_owned(), attributes));
    }
    keys
}
