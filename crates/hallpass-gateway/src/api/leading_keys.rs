//! `dynamodb:LeadingKeys`, filled in when a policy reads it: which attribute is the partition key only the table knows, and
//! a request without the key would pass every `ForAllValues`.

use crate::Gateway;
use hallpass_access::{ActionOn, Caller, Permit, PolicyBundle};
use hallpass_apiroute::{ApiRequest, TableUse};
use hallpass_policy::PolicyGroup;
use hallpass_types::UnixSeconds;
use hallpass_upstream::{ApiBody, ApiForward, Upstream};
use http_body_util::{BodyExt as _, Limited};
use quick_cache::sync::Cache;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEY: &str = "dynamodb:LeadingKeys";
/// Tables remembered.
const TABLES_MAX: usize = 1_024;
/// For how long: a table may be deleted and made anew with another key.
const REMEMBERED: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: usize = 1_024 * 1_024;

/// The partition keys of tables and their indexes, as upstreams told them.
pub struct TableKeys(Cache<(String, String, String), Arc<Known>>);

struct Known {
    since: Instant,
    /// By index; the table's own under the empty name.
    keys: HashMap<String, String>,
}

impl Default for TableKeys {
    fn default() -> Self {
        Self(Cache::new(TABLES_MAX))
    }
}

/// Adds the keys to the actions on tables, if a policy reads them.
#[expect(
    clippy::too_many_arguments,
    reason = "what a call upstream takes, and what it is for"
)]
pub(super) async fn fill(
    gateway: &Gateway,
    upstream: &dyn Upstream,
    request: &ApiRequest,
    actions: &mut [ActionOn],
    bundle: &PolicyBundle,
    on_resource: impl Fn(&ActionOn) -> Option<PolicyGroup>,
    caller: &Arc<Caller>,
    region: &str,
    now: UnixSeconds,
) {
    if request.service() != "dynamodb" {
        return;
    }
    let own = [
        Some(&bundle.identity),
        bundle.session.as_ref(),
        bundle.boundary.as_ref(),
    ];
    let is_read = own.into_iter().flatten().any(|group| group.reads_keys_under(KEY))
        || actions
            .iter()
            .filter_map(&on_resource)
            .any(|group| group.reads_keys_under(KEY));
    let tables = request.keyed_tables();
    if !is_read || tables.is_empty() {
        return;
    }
    let mut known: HashMap<TableUse, String> = HashMap::new();
    for place in tables.into_iter().filter(|place| !place.table.is_empty()) {
        let keys = partition_keys(gateway, upstream, &place.table, caller, region, now).await;
        let index = place.index.clone().unwrap_or_default();
        if let Some(name) = keys.and_then(|keys| keys.keys.get(&index).cloned()) {
            known.insert(place, name);
        }
    }
    for (place, keys) in request.leading_keys(|place| known.get(place).cloned()) {
        let name = place.table.rsplit('/').next().unwrap_or_default();
        for action in actions.iter_mut() {
            let table = action.resource.split(":table/").nth(1);
            let is_it = table.is_none_or(|table| table.split('/').next() == Some(name));
            if is_it || place.table.is_empty() {
                add(action, &keys);
            }
        }
    }
}

fn add(action: &mut ActionOn, keys: &[String]) {
    match action.context.iter_mut().find(|(name, _)| name == KEY) {
        Some((_, values)) => values.extend(keys.iter().cloned()),
        None => action.context.push((KEY.to_owned(), keys.to_vec())),
    }
}

async fn partition_keys(
    gateway: &Gateway,
    upstream: &dyn Upstream,
    table: &str,
    caller: &Arc<Caller>,
    region: &str,
    now: UnixSeconds,
) -> Option<Arc<Known>> {
    let cache = &gateway.table_keys.0;
    let name = (upstream.name().to_owned(), region.to_owned(), table.to_owned());
    if let Some(known) = cache
        .get(&name)
        .filter(|known| known.since.elapsed() < REMEMBERED)
    {
        return Some(known);
    }
    let parts = http::Request::post("/")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", "DynamoDB_20120810.DescribeTable")
        .body(());
    let (head, ()) = parts.ok()?.into_parts();
    let forward = ApiForward {
        permit: Permit::unconditional(
            Arc::clone(caller),
            "dynamodb:DescribeTable",
            "the decision itself needs the table's key; nothing of the answer leaves the gateway",
        ),
        service: "dynamodb".to_owned(),
        endpoint_prefix: "dynamodb".to_owned(),
        region: region.to_owned(),
        head,
        body: ApiBody::Whole(json!({ "TableName": table }).to_string().into()),
        is_repeatable: true,
        now,
    };
    let response = upstream.serve_api(forward).await.ok()?;
    if !response.status().is_success() {
        return None;
    }
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await
        .ok()?;
    let answer: Value = serde_json::from_slice(&body.to_bytes()).ok()?;
    let described = &answer["Table"];
    let mut keys = HashMap::new();
    keys.insert(String::new(), partition_key(described)?);
    for list in ["GlobalSecondaryIndexes", "LocalSecondaryIndexes"] {
        for index in described[list].as_array().into_iter().flatten() {
            if let (Some(name), Some(key)) = (index["IndexName"].as_str(), partition_key(index)) {
                keys.insert(name.to_owned(), key);
            }
        }
    }
    let known = Arc::new(Known {
        since: Instant::now(),
        keys,
    });
    cache.insert(name, Arc::clone(&known));
    Some(known)
}

fn partition_key(described: &Value) -> Option<String> {
    let schema = described["KeySchema"].as_array()?;
    let hash = schema.iter().find(|part| part["KeyType"] == "HASH")?;
    hash["AttributeName"].as_str().map(str::to_owned)
}
