use crate::{CorsConfiguration, PublicAccessBlock, is_public};
use hallpass_policy::{NamedPolicy, Policy, PolicyGroup, PolicyKind};
use hallpass_store::{Batch, KeyValue, Listing, Op, Store, StoreError, Txn, View};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

const POLICIES: &str = "/resource-policy/";
const BLOCKS: &str = "/public-access-block/";
const CORS: &str = "/bucket-cors/";

/// One resource's policy.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The document as it was put.
    pub text: String,
    /// It, ready to be asked.
    pub group: PolicyGroup,
    /// Whether it lets the public in.
    pub is_public: bool,
}

/// Why a resource's policy could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourcePolicyError {
    /// Not a policy for a resource; the text says where and why.
    #[error("{0}")]
    Malformed(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All resources' policies, in memory as they are in the store.
pub struct ResourcePolicies {
    store: Arc<dyn Store>,
    known: RwLock<Known>,
    /// Held from the commit until memory follows, so that both change in the same order.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    policies: HashMap<String, Arc<Kept>>,
    blocks: HashMap<String, PublicAccessBlock>,
    cors: HashMap<String, Arc<CorsConfiguration>>,
}

impl Known {
    fn of(entries: &[KeyValue]) -> Result<Self, String> {
        let mut known = Self::default();
        for entry in entries {
            known.set(&entry.key, Some(&entry.value))?;
        }
        Ok(known)
    }

    /// Takes over one key; what is of no concern here is passed over.
    fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        if let Some(name) = key.strip_prefix(POLICIES) {
            match value {
                Some(value) => {
                    let text = String::from_utf8_lossy(value).into_owned();
                    let kept =
                        compile(name, text).map_err(|why| format!("the policy kept for `{name}`: {why}"))?;
                    self.policies.insert(name.to_owned(), Arc::new(kept));
                }
                None => {
                    self.policies.remove(name);
                }
            }
        } else if let Some(name) = key.strip_prefix(BLOCKS) {
            match value {
                Some(value) => {
                    // What cannot be read blocks: the safe reading.
                    let block = serde_json::from_slice(value).unwrap_or(PublicAccessBlock::ALL);
                    self.blocks.insert(name.to_owned(), block);
                }
                None => {
                    self.blocks.remove(name);
                }
            }
        } else if let Some(name) = key.strip_prefix(CORS) {
            match value.and_then(|value| read_cors(name, value)) {
                Some(rules) => {
                    self.cors.insert(name.to_owned(), Arc::new(rules));
                }
                None => {
                    self.cors.remove(name);
                }
            }
        }
        Ok(())
    }
}

impl View for ResourcePolicies {
    fn reset(&self, listing: &Listing) -> Result<(), String> {
        *self.write() = Known::of(&listing.entries)?;
        Ok(())
    }

    fn apply(&self, batch: &Batch) {
        for event in &batch.events {
            if let Err(error) = self.write().set(&event.key, event.value.as_deref()) {
                // Documents are parsed before they are written; the old one stands.
                tracing::error!(error, "a change of a resource's policy cannot be read");
            }
        }
    }
}

impl ResourcePolicies {
    /// Reads what the store holds.
    ///
    /// # Errors
    /// [`StoreError`]; one that says that a policy in the store is not one, since leaving it out could open a bucket.
    pub async fn open(store: Arc<dyn Store>) -> Result<Self, ResourcePolicyError> {
        let mut entries = store.list(POLICIES).await?.entries;
        entries.extend(store.list(BLOCKS).await?.entries);
        entries.extend(store.list(CORS).await?.entries);
        let known = Known::of(&entries).map_err(ResourcePolicyError::Malformed)?;
        Ok(Self {
            store,
            known: RwLock::new(known),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// The policy of the resource with this ARN.
    #[must_use]
    pub fn policy(&self, arn: &str) -> Option<Arc<Kept>> {
        self.read().policies.get(arn).cloned()
    }

    /// Keeps `text` as the policy of `arn`, in place of the one it has.
    ///
    /// # Errors
    /// [`ResourcePolicyError`].
    pub async fn put(&self, arn: &str, text: String) -> Result<(), ResourcePolicyError> {
        let kept = compile(arn, text).map_err(ResourcePolicyError::Malformed)?;
        let _order = self.writing.lock().await;
        self.store
            .commit(Txn::put(format!("{POLICIES}{arn}"), kept.text.clone()))
            .await?;
        self.write().policies.insert(arn.to_owned(), Arc::new(kept));
        Ok(())
    }

    /// Forgets the policy of `arn`; nothing happens when it has none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete(&self, arn: &str) -> Result<(), StoreError> {
        let _order = self.writing.lock().await;
        self.remove(vec![Op::Delete(format!("{POLICIES}{arn}"))]).await?;
        self.write().policies.remove(arn);
        Ok(())
    }

    /// The public access block of a bucket, or `None` when nobody configured one: then all of it is on.
    #[must_use]
    pub fn configured_block(&self, bucket: &str) -> Option<PublicAccessBlock> {
        self.read().blocks.get(bucket).copied()
    }

    /// The public access block in force for a bucket.
    #[must_use]
    pub fn block(&self, bucket: &str) -> PublicAccessBlock {
        self.configured_block(bucket).unwrap_or(PublicAccessBlock::ALL)
    }

    /// Configures the public access block of a bucket.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_block(&self, bucket: &str, block: PublicAccessBlock) -> Result<(), StoreError> {
        let value = serde_json::to_vec(&block).map_err(|error| StoreError::Io(error.to_string()))?;
        let _order = self.writing.lock().await;
        self.store
            .commit(Txn::put(format!("{BLOCKS}{bucket}"), value))
            .await?;
        self.write().blocks.insert(bucket.to_owned(), block);
        Ok(())
    }

    /// Which pages of other origins may use a bucket; `None` when nobody configured it: then none may.
    #[must_use]
    pub fn cors(&self, bucket: &str) -> Option<Arc<CorsConfiguration>> {
        self.read().cors.get(bucket).cloned()
    }

    /// Keeps `rules` for a bucket, in place of those it has.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_cors(&self, bucket: &str, rules: CorsConfiguration) -> Result<(), StoreError> {
        let value = serde_json::to_vec(rules.rules()).map_err(|error| StoreError::Io(error.to_string()))?;
        let _order = self.writing.lock().await;
        self.store
            .commit(Txn::put(format!("{CORS}{bucket}"), value))
            .await?;
        self.write().cors.insert(bucket.to_owned(), Arc::new(rules));
        Ok(())
    }

    /// Forgets the rules of a bucket for pages of other origins; nothing happens when it has none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_cors(&self, bucket: &str) -> Result<(), StoreError> {
        let _order = self.writing.lock().await;
        self.remove(vec![Op::Delete(format!("{CORS}{bucket}"))]).await?;
        self.write().cors.remove(bucket);
        Ok(())
    }

    /// Forgets everything about a bucket that is gone: the next one of that name starts closed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn forget_bucket(&self, bucket: &str) -> Result<(), StoreError> {
        let arn = format!("arn:aws:s3:::{bucket}");
        let _order = self.writing.lock().await;
        let is_known = {
            let known = self.read();
            known.policies.contains_key(&arn)
                || known.blocks.contains_key(bucket)
                || known.cors.contains_key(bucket)
        };
        if !is_known {
            return Ok(());
        }
        self.remove(vec![
            Op::Delete(format!("{POLICIES}{arn}")),
            Op::Delete(format!("{BLOCKS}{bucket}")),
            Op::Delete(format!("{CORS}{bucket}")),
        ])
        .await?;
        let mut known = self.write();
        known.policies.remove(&arn);
        known.blocks.remove(bucket);
        known.cors.remove(bucket);
        Ok(())
    }

    async fn remove(&self, ops: Vec<Op>) -> Result<(), StoreError> {
        self.store
            .commit(Txn {
                compares: vec![],
                ops,
            })
            .await
            .map(|_| ())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What cannot be read lets nobody in: the safe reading.
fn read_cors(bucket: &str, value: &[u8]) -> Option<CorsConfiguration> {
    let rules = serde_json::from_slice(value).map_err(|error| error.to_string());
    match rules.and_then(|rules| CorsConfiguration::new(rules).map_err(|error| error.to_string())) {
        Ok(rules) => Some(rules),
        Err(error) => {
            tracing::error!(error, bucket, "the CORS configuration of a bucket cannot be read");
            None
        }
    }
}

fn compile(arn: &str, text: String) -> Result<Kept, String> {
    let policy = Policy::parse(&text, PolicyKind::Resource).map_err(|error| error.to_string())?;
    if policy
        .statements()
        .iter()
        .any(|statement| statement.principals().is_none())
    {
        return Err("Missing required field Principal".to_owned());
    }
    let is_public = is_public(&policy);
    let name = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let group = NamedPolicy::new(&format!("{name} policy"), policy).into();
    Ok(Kept {
        text,
        group,
        is_public,
    })
}
