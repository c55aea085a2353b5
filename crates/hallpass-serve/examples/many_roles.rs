//! What many roles cost at the start. `… --example many_roles make FOLDER COUNT` writes them straight into the store of the
//! data folder of a `hallpass dev` that was started once and stopped; `… open FOLDER` opens an authority on it and tells
//! the time and the memory.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement stops when it cannot go on, and prints"
)]

use hallpass_agent::SystemEntropy;
use hallpass_authority::{Authority, Machine};
use hallpass_session::{IdKind, unique_id};
use hallpass_store::{Op, RedbStore, Store as _, TXN_OPS_MAX, Txn};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Transactions under way at once; those that wait together share a sync.
const AT_ONCE: usize = 256;

/// A role as the authority writes it: a machine's, with an inline policy of two statements and an attached one.
fn role(account: &str, number: u32) -> Value {
    let name = format!("service-{number:07}");
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Principal": { "Service": "ec2.amazonaws.com" }, "Action": "sts:AssumeRole" },
            {
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
                "Action": "sts:AssumeRole",
                "Condition": { "StringEquals": { "sts:ExternalId": name } },
            },
        ],
    });
    let inline = json!({
        "Version": "2012-10-17",
        "Statement": [
            { "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": format!("arn:aws:s3:::data/{name}/*") },
            {
                "Effect": "Allow",
                "Action": "s3:ListBucket",
                "Resource": "arn:aws:s3:::data",
                "Condition": { "StringLike": { "s3:prefix": format!("{name}/*") } },
            },
        ],
    });
    json!({
        "name": name,
        "path": "/",
        "id": unique_id(IdKind::Role, &SystemEntropy),
        "trust": trust.to_string(),
        "description": null,
        "max_session_seconds": 3_600,
        "created": 1_800_000_000,
        "permissions": {
            "inline": { "data": inline.to_string() },
            "attached": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
            "tags": [{ "key": "service", "value": name }],
        },
    })
}

async fn make(store: Arc<RedbStore>, count: u32) {
    let first = store.get("v1/system/first-account").await.unwrap().unwrap();
    let account = String::from_utf8(first.value).unwrap();
    let mut under_way = tokio::task::JoinSet::new();
    let numbers: Vec<u32> = (0..count).collect();
    for batch in numbers.chunks(TXN_OPS_MAX) {
        let put = |number: &u32| {
            let key = format!("v1/{account}/role/service-{number:07}");
            Op::Put(key, serde_json::to_vec(&role(&account, *number)).unwrap())
        };
        let txn = Txn {
            compares: vec![],
            ops: batch.iter().map(put).collect(),
        };
        let store = Arc::clone(&store);
        under_way.spawn(async move { store.commit(txn).await.unwrap() });
        while under_way.len() >= AT_ONCE {
            under_way.join_next().await.unwrap().unwrap();
        }
    }
    under_way.join_all().await;
}

/// MiB of a line of `/proc/self/status`.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let rest = status.split_once(line).unwrap().1;
    rest.split_whitespace().next().unwrap().parse::<u64>().unwrap() / 1_024
}

async fn open(store: Arc<RedbStore>, folder: &Path) {
    let root: [u8; 32] = std::fs::read(folder.join("root.key"))
        .unwrap()
        .try_into()
        .unwrap();
    let machine = Machine {
        private_ip: "127.0.0.1".to_owned(),
        networks: vec![],
    };
    let began = Instant::now();
    let authority = Authority::open(
        store,
        Box::new(move || vec![root]),
        "eu-central-1",
        machine,
        Arc::new(SystemEntropy),
    );
    let authority = authority.await.unwrap();
    println!(
        "opened in {:.2} s; {} MiB resident, {} MiB at most",
        began.elapsed().as_secs_f64(),
        memory("VmRSS:"),
        memory("VmHWM:")
    );
    drop(authority);
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let store = |folder: &str| Arc::new(RedbStore::open(&Path::new(folder).join("store.redb")).unwrap());
    match *words {
        ["make", folder, count] => make(store(folder), count.parse().unwrap()).await,
        ["open", folder] => open(store(folder), Path::new(folder)).await,
        _ => println!("many_roles make FOLDER COUNT | open FOLDER"),
    }
}
