//! `dynamodb:LeadingKeys`: the partition keys of the items a request is about, which only the table's schema tells.

use crate::request::{ApiRequest, Body};
use crate::value::Value;
use std::collections::BTreeMap;

/// What stands for partition keys that a request has and does not tell: equal to none that a policy could list, since no
/// key is empty. A policy that allows some keys then refuses, one that denies all but some denies.
pub const UNKNOWN_LEADING_KEY: &str = "";

/// A table, by name or ARN as the request has it, and the index that is asked, if one is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableUse {
    /// Its name or ARN.
    pub table: String,
    /// The index.
    pub index: Option<String>,
}

/// Items by table: those of one key, of whole items, of conditions.
type Uses<'a> = BTreeMap<TableUse, Vec<Option<&'a Value>>>;

impl ApiRequest {
    /// The tables of whose items' keys AWS tells policies. None for operations that have no such keys, as Scan.
    #[must_use]
    pub fn keyed_tables(&self) -> Vec<TableUse> {
        self.uses()
            .map(|uses| uses.into_keys().collect())
            .unwrap_or_default()
    }

    /// The partition keys of the request's items in each table; `partition_key` names the attribute, if it is known.
    /// What cannot be told is [`UNKNOWN_LEADING_KEY`].
    #[must_use]
    pub fn leading_keys(
        &self,
        partition_key: impl Fn(&TableUse) -> Option<String>,
    ) -> Vec<(TableUse, Vec<String>)> {
        let uses = self.uses().unwrap_or_default().into_iter();
        uses.map(|(place, items)| {
            let name = partition_key(&place);
            let key_of = |item: Option<&Value>| {
                let value = self.attribute(item?, name.as_deref()?)?;
                let (_, text) = value.entries().next()?;
                Some(text.text()?.to_owned())
            };
            let mut keys: Vec<String> = items
                .into_iter()
                .map(|item| key_of(item).unwrap_or_else(|| UNKNOWN_LEADING_KEY.to_owned()))
                .collect();
            keys.sort_unstable();
            keys.dedup();
            (place, keys)
        })
        .collect()
    }

    fn uses(&self) -> Option<Uses<'_>> {
        let Body::Read(body) = &self.body else { return None };
        let operation = self.operation.filter(|_| self.service.name == "dynamodb")?;
        let mut uses = Uses::new();
        let place = |table: Option<&Value>, index: Option<&Value>| {
            let text = |value: &Value| value.text().map(str::to_owned);
            TableUse {
                table: table.and_then(text).unwrap_or_default(),
                index: index.and_then(text),
            }
        };
        let mut put = |place: TableUse, item| uses.entry(place).or_default().push(item);
        match operation.name {
            "GetItem" | "DeleteItem" | "UpdateItem" => {
                put(place(body.get("TableName"), None), body.get("Key"));
            }
            "PutItem" => put(place(body.get("TableName"), None), body.get("Item")),
            "Query" => put(place(body.get("TableName"), body.get("IndexName")), Some(body)),
            "BatchGetItem" => {
                for (table, keys) in body.get("RequestItems")?.entries() {
                    let table = TableUse {
                        table: table.to_owned(),
                        index: None,
                    };
                    let keys = keys.get("Keys").map(Value::items).unwrap_or_default();
                    keys.into_iter().for_each(|key| put(table.clone(), Some(key)));
                }
            }
            "BatchWriteItem" => {
                for (table, writes) in body.get("RequestItems")?.entries() {
                    let table = TableUse {
                        table: table.to_owned(),
                        index: None,
                    };
                    for write in writes.items() {
                        for (_, part) in write.entries() {
                            let item = part.get("Item").or_else(|| part.get("Key"));
                            put(table.clone(), item);
                        }
                    }
                }
            }
            "TransactGetItems" | "TransactWriteItems" => {
                for item in body.get("TransactItems").map(Value::items).unwrap_or_default() {
                    for (_, part) in item.entries() {
                        let keys = part.get("Item").or_else(|| part.get("Key"));
                        put(place(part.get("TableName"), None), keys);
                    }
                }
            }
            // A statement has a key or not; it is not read for it.
            "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" => {
                put(place(None, None), None);
            }
            _ => return None,
        }
        Some(uses)
    }

    /// The value of an attribute in a key, an item, or the conditions of a query.
    fn attribute<'a>(&self, item: &'a Value, name: &str) -> Option<&'a Value> {
        if self.operation.is_none_or(|operation| operation.name != "Query") {
            return item.get(name);
        }
        if let Some(conditions) = item.get("KeyConditions") {
            let condition = conditions.get(name)?;
            let is_equal = condition.get("ComparisonOperator").and_then(Value::text) == Some("EQ");
            let list = condition.get("AttributeValueList").filter(|_| is_equal)?;
            return list.items().first().copied();
        }
        let expression = item.get("KeyConditionExpression")?.text()?;
        let placeholder = equal_to(expression, |word| match word.strip_prefix('#') {
            None => word == name,
            Some(_) => {
                let names = item.get("ExpressionAttributeNames");
                names.and_then(|names| names.get(word)).and_then(Value::text) == Some(name)
            }
        })?;
        item.get("ExpressionAttributeValues")?.get(&placeholder)
    }
}

/// The placeholder in `NAME = :placeholder`, if the expression says so exactly once and in no other way.
fn equal_to(expression: &str, is_meant: impl Fn(&str) -> bool) -> Option<String> {
    let spaced = expression.replace('=', " = ").replace(['(', ')'], " ");
    let words: Vec<&str> = spaced.split_ascii_whitespace().collect();
    let mut found = None;
    for (place, word) in words.iter().enumerate() {
        if !is_meant(word) {
            continue;
        }
        let next = |ahead: usize| words.get(place + ahead).copied();
        let value = next(2).filter(|value| value.starts_with(':') && next(1) == Some("="))?;
        if found.replace(value.to_owned()).is_some() {
            return None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::{ApiHead, route};

    fn keys(operation: &str, body: &str) -> Vec<(String, Vec<String>)> {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers: [(&str, &[u8]); 2] = [
            ("content-type", b"application/x-amz-json-1.0"),
            ("x-amz-target", target.as_bytes()),
        ];
        let head = ApiHead {
            service: "dynamodb",
            method: "POST",
            path: "/",
            query: None,
            headers: &headers,
        };
        let mut request = route(&head).unwrap();
        request.read_body(body.as_bytes()).unwrap();
        let keys =
            request.leading_keys(|place| Some(if place.index.is_some() { "g" } else { "k" }.to_owned()));
        keys.into_iter()
            .map(|(place, keys)| (place.table, keys))
            .collect()
    }

    fn check(operation: &str, body: &str, expect: &[(&str, &[&str])]) {
        let expect: Vec<(String, Vec<String>)> = expect
            .iter()
            .map(|(table, keys)| {
                (
                    (*table).to_owned(),
                    keys.iter().map(|key| (*key).to_owned()).collect(),
                )
            })
            .collect();
        assert_eq!(keys(operation, body), expect, "{operation} {body}");
    }

    #[test]
    fn the_partition_key_is_found_wherever_an_operation_has_it() {
        check(
            "GetItem",
            r#"{"TableName":"t","Key":{"s":{"S":"x"},"k":{"S":"a"}}}"#,
            &[("t", &["a"])],
        );
        check(
            "PutItem",
            r#"{"TableName":"t","Item":{"v":{"S":"x"},"k":{"N":"5"}}}"#,
            &[("t", &["5"])],
        );
        check(
            "BatchWriteItem",
            r#"{"RequestItems":{"t":[{"PutRequest":{"Item":{"k":{"S":"b"}}}},{"DeleteRequest":{"Key":{"k":{"S":"a"}}}}],
                "u":[{"DeleteRequest":{"Key":{"k":{"S":"c"}}}}]}}"#,
            &[("t", &["a", "b"]), ("u", &["c"])],
        );
        check(
            "BatchGetItem",
            r#"{"RequestItems":{"t":{"Keys":[{"k":{"S":"a"}},{"k":{"S":"a"}}]}}}"#,
            &[("t", &["a"])],
        );
        check(
            "TransactWriteItems",
            r#"{"TransactItems":[{"Put":{"TableName":"t","Item":{"k":{"S":"a"}}}},{"Delete":{"TableName":"t","Key":{"k":{"S":"b"}}}}]}"#,
            &[("t", &["a", "b"])],
        );
        check("Scan", r#"{"TableName":"t"}"#, &[]);
    }

    #[test]
    fn a_query_says_it_in_three_ways() {
        let values = r##""ExpressionAttributeValues":{":v":{"S":"a"},":w":{"S":"b"}}"##;
        let query = |expression: &str, more: &str| {
            format!(r#"{{"TableName":"t","KeyConditionExpression":"{expression}",{values}{more}}}"#)
        };
        let names = r##","ExpressionAttributeNames":{"#p":"k","#s":"sort"}"##;
        check("Query", &query("k = :v", ""), &[("t", &["a"])]);
        check(
            "Query",
            &query("(k=:v) AND sort BETWEEN :w AND :v", ""),
            &[("t", &["a"])],
        );
        check("Query", &query("#s > :w and #p = :v", names), &[("t", &["a"])]);
        check("Query", &query("g = :w", r#","IndexName":"i""#), &[("t", &["b"])]);
        check(
            "Query",
            r#"{"TableName":"t","KeyConditions":{"k":{"ComparisonOperator":"EQ","AttributeValueList":[{"S":"a"}]}}}"#,
            &[("t", &["a"])],
        );
    }

    #[test]
    fn what_cannot_be_told_is_a_key_that_no_policy_lists() {
        check(
            "GetItem",
            r#"{"TableName":"t","Key":{"other":{"S":"a"}}}"#,
            &[("t", &[""])],
        );
        check("PutItem", r#"{"TableName":"t"}"#, &[("t", &[""])]);
        check(
            "ExecuteStatement",
            r#"{"Statement":"SELECT * FROM t"}"#,
            &[("", &[""])],
        );
        for expression in [
            "k = :v AND k = :w",
            "other = :v",
            "k > :v",
            "begins_with(k, :v)",
            "k = :none",
            "",
        ] {
            let body = format!(
                r#"{{"TableName":"t","KeyConditionExpression":"{expression}","ExpressionAttributeValues":{{":v":{{"S":"a"}}}}}}"#
            );
            check("Query", &body, &[("t", &[""])]);
        }
    }
}
