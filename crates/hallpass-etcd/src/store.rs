use crate::client::Client;
use crate::error::{Failure, OpenEtcdError};
use crate::watching;
use crate::wire::{Kv, RangeAnswer, TxnAnswer, compare, encoded, op, range_end};
use hallpass_store::{Compare, KeyValue, Listing, Op, Store, StoreError, StoreFuture, Txn, Watch};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Writers of one process that may be under way at once; each has a marker key.
const WRITERS: usize = 8;
/// Keys asked for in one answer.
const PAGE_KEYS: usize = 500;
/// How long a write is tried before its failure is told.
const COMMIT_DEADLINE: Duration = Duration::from_secs(10);
/// How often a member is asked before it is taken for one that is away.
const TRUST_TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(50);
/// Where the data lies, and where the markers, below the configured prefix.
const DATA: &str = "data/";
const WRITER: &str = "writer/";

/// Which cluster, and where in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdConfig {
    /// `http://host:port` or `https://host:port` of each member.
    pub endpoints: Vec<String>,
    /// Before every key, so that several fleets may share a cluster; `/hallpass/` is usual.
    pub prefix: String,
    /// The name of this server: no two that run at once may have the same.
    pub writer: String,
    /// For `https`.
    pub tls: Option<EtcdTls>,
}

/// How etcd is known, and how it knows us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdTls {
    /// Authorities (PEM) that the members' certificates must be of.
    pub ca_file: PathBuf,
    /// Our certificate (chain, PEM) and its key (PEM), where etcd wants one.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// [`Store`] over an etcd cluster.
///
/// Each write goes through one of a few writers. A writer has a marker key; its transaction compares the marker's
/// revision with the one it knows and writes a number of its own there. When an answer is lost, the marker tells what
/// became of the transaction: it holds that number, then it was applied, once; or it stands as before, then the same
/// transaction may be sent again, and whichever of the two comes first bars the other.
pub struct EtcdStore {
    client: Arc<Client>,
    prefix: String,
    writers: Vec<Mutex<Writer>>,
    next_writer: AtomicUsize,
    next_number: AtomicU64,
}

struct Writer {
    key: String,
    /// The marker's modification revision as last seen; 0: never written.
    revision: u64,
}

impl EtcdStore {
    /// Finds the cluster.
    ///
    /// # Errors
    /// [`OpenEtcdError`].
    pub async fn open(config: &EtcdConfig) -> Result<Self, OpenEtcdError> {
        let client = Client::new(config)?;
        trusted(&client).await?;
        let unreachable = |failure: Failure| OpenEtcdError::Unreachable(failure.to_string());
        let mut writers = vec![];
        for number in 0..WRITERS {
            let key = format!("{}{WRITER}{}/{number}", config.prefix, config.writer);
            let marker = marker(&client, &key).await.map_err(unreachable)?;
            let revision = marker.map_or(0, |kv| kv.mod_revision);
            writers.push(Mutex::new(Writer { key, revision }));
        }
        use std::hash::{BuildHasher as _, RandomState};
        Ok(Self {
            client: Arc::new(client),
            prefix: config.prefix.clone(),
            writers,
            next_writer: AtomicUsize::new(0),
            // Numbers of an earlier process of this name must not be taken for ours.
            next_number: AtomicU64::new(RandomState::new().hash_one(0)),
        })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{DATA}{key}", self.prefix)
    }

    fn entry(&self, kv: Kv) -> Option<KeyValue> {
        let key = String::from_utf8(kv.key).ok()?;
        Some(KeyValue {
            key: key.strip_prefix(&self.prefix)?.strip_prefix(DATA)?.to_owned(),
            value: kv.value,
            mod_revision: kv.mod_revision,
        })
    }

    /// Everything under `prefix` at one revision, page by page.
    async fn list_inner(&self, prefix: &str) -> Result<Listing, Failure> {
        let name = self.name(prefix);
        let end = encoded(range_end(&name));
        let mut from = name.into_bytes();
        let mut listing = Listing {
            revision: 0,
            entries: vec![],
        };
        loop {
            let mut question = json!({ "key": encoded(&from), "range_end": end, "limit": PAGE_KEYS });
            if listing.revision > 0 {
                question["revision"] = json!(listing.revision.to_string());
            }
            let answer: RangeAnswer = self.client.ask("/v3/kv/range", &question).await?;
            if listing.revision == 0 {
                listing.revision = answer.header.revision;
            }
            if let Some(last) = answer.kvs.last() {
                from = [last.key.as_slice(), &[0]].concat();
            }
            let more = answer.more && !answer.kvs.is_empty();
            listing
                .entries
                .extend(answer.kvs.into_iter().filter_map(|kv| self.entry(kv)));
            if !more {
                return Ok(listing);
            }
        }
    }

    async fn get_inner(&self, key: &str) -> Result<Option<KeyValue>, Failure> {
        let question = json!({ "key": encoded(self.name(key)) });
        let answer: RangeAnswer = self.client.ask("/v3/kv/range", &question).await?;
        Ok(answer.kvs.into_iter().next().and_then(|kv| self.entry(kv)))
    }

    async fn commit_inner(&self, txn: &Txn) -> Result<u64, StoreError> {
        txn.check_limits()?;
        let number = self.next_number.fetch_add(1, Ordering::Relaxed).to_string();
        let slot = self.next_writer.fetch_add(1, Ordering::Relaxed) % WRITERS;
        let Some(writer) = self.writers.get(slot) else {
            return Err(StoreError::Io("no writer".to_owned()));
        };
        let mut writer = writer.lock().await;
        let deadline = Instant::now() + COMMIT_DEADLINE;
        loop {
            let question = self.transaction(txn, &writer, &number);
            let answer = self.client.ask_once::<TxnAnswer>("/v3/kv/txn", &question).await;
            match answer {
                Ok(answer) if answer.succeeded => {
                    writer.revision = answer.header.revision;
                    return Ok(writer.revision);
                }
                Ok(answer) => {
                    let found = answer.responses.into_iter().next();
                    let found = found.and_then(|first| first.response_range);
                    let marker = found.and_then(|range| range.kvs.into_iter().next());
                    let revision = marker.as_ref().map_or(0, |kv| kv.mod_revision);
                    if marker.is_some_and(|kv| kv.value == number.as_bytes()) {
                        // An earlier try of this very transaction was applied.
                        writer.revision = revision;
                        return Ok(revision);
                    }
                    if revision == writer.revision {
                        return Err(StoreError::Conflict);
                    }
                    // The marker moved: a try of an earlier transaction that was given up came through late, or another
                    // process has our name. Nothing of this one was applied.
                    writer.revision = revision;
                }
                Err(Failure::Member(why) | Failure::Untrusted(why)) => {
                    if Instant::now() >= deadline {
                        return Err(StoreError::Io(format!(
                            "etcd did not answer, whether the change was made is not known: {why}"
                        )));
                    }
                    tokio::time::sleep(PAUSE).await;
                }
                Err(Failure::Refused(why)) => return Err(StoreError::Io(why)),
                Err(Failure::Compacted) => return Err(StoreError::Compacted(0)),
            }
        }
    }

    fn transaction(&self, txn: &Txn, writer: &Writer, number: &str) -> Value {
        let marker = Compare::ModRevision(writer.key.clone(), writer.revision);
        let mark = Op::Put(writer.key.clone(), number.into());
        let name = |key: &str| self.name(key);
        let mut compares: Vec<Value> = txn.compares.iter().map(|one| compare(one, name)).collect();
        compares.push(compare(&marker, str::to_owned));
        let mut ops: Vec<Value> = txn.ops.iter().map(|one| op(one, name)).collect();
        ops.push(op(&mark, str::to_owned));
        json!({
            "compare": compares,
            "success": ops,
            "failure": [{ "request_range": { "key": encoded(&writer.key) } }],
        })
    }

    /// Every transaction writes a marker, so the newest marker is the newest transaction.
    async fn head_inner(&self) -> Result<u64, Failure> {
        let writers = format!("{}{WRITER}", self.prefix);
        let question = json!({
            "key": encoded(&writers), "range_end": encoded(range_end(&writers)),
            "sort_order": "DESCEND", "sort_target": "MOD", "limit": 1,
        });
        let answer: RangeAnswer = self.client.ask("/v3/kv/range", &question).await?;
        Ok(answer.kvs.first().map_or(0, |kv| kv.mod_revision))
    }
}

/// Whether some member is not one that refuses us, or we refuse, for a certificate: where all are, waiting for them does
/// not help.
async fn trusted(client: &Client) -> Result<(), OpenEtcdError> {
    let mut last = String::new();
    for member in 0..client.members() {
        match distrust(client, member).await {
            Some(why) => last = why,
            None => return Ok(()),
        }
    }
    Err(OpenEtcdError::Untrusted(last))
}

/// Why this member and we do not trust each other, if so. A member refuses our certificate after the handshake (TLS 1.3),
/// and what it says is lost when the connection ends first: hence several tries.
async fn distrust(client: &Client, member: usize) -> Option<String> {
    let question = json!({ "key": encoded([0]) });
    for _ in 0..TRUST_TRIES {
        let answer = client.ask_member::<RangeAnswer>(member, "/v3/kv/range", &question);
        match answer.await {
            Err(Failure::Untrusted(why)) => return Some(why),
            Err(Failure::Member(_)) => {}
            _ => return None,
        }
    }
    None
}

async fn marker(client: &Client, key: &str) -> Result<Option<Kv>, Failure> {
    let answer: RangeAnswer = client
        .ask("/v3/kv/range", &json!({ "key": encoded(key) }))
        .await?;
    Ok(answer.kvs.into_iter().next())
}

impl Store for EtcdStore {
    fn list(&self, prefix: &str) -> StoreFuture<'_, Listing> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            loop {
                match self.list_inner(&prefix).await {
                    // Compacted between two pages: from the start, at a newer revision.
                    Err(Failure::Compacted) => {}
                    other => return Ok(other?),
                }
            }
        })
    }

    fn get(&self, key: &str) -> StoreFuture<'_, Option<KeyValue>> {
        let key = key.to_owned();
        Box::pin(async move { Ok(self.get_inner(&key).await?) })
    }

    fn commit(&self, txn: Txn) -> StoreFuture<'_, u64> {
        Box::pin(async move { self.commit_inner(&txn).await })
    }

    fn watch(&self, prefix: &str, revision: u64) -> StoreFuture<'_, Watch> {
        let prefix = prefix.to_owned();
        Box::pin(async move {
            // Asked at that revision, etcd says whether it still knows it.
            let question = json!({ "key": encoded(&self.prefix), "revision": revision.max(1).to_string() });
            match self.client.ask::<RangeAnswer>("/v3/kv/range", &question).await {
                Ok(_) => {}
                Err(Failure::Compacted) => return Err(StoreError::Compacted(revision)),
                Err(other) => return Err(other.into()),
            }
            let place = watching::Place {
                whole: self.prefix.clone(),
                wanted: self.name(&prefix),
                data: format!("{}{DATA}", self.prefix),
            };
            Ok(watching::start(Arc::clone(&self.client), place, revision))
        })
    }

    fn head(&self) -> StoreFuture<'_, u64> {
        Box::pin(async move { Ok(self.head_inner().await?) })
    }
}
