//! The laws of [`Store`], to be run on every implementation. Each function wants an empty store and panics where a law is
//! broken: they are tests, behind the feature `laws` so that other crates can run them too.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "assertions of tests, compiled for tests only"
)]

use crate::{Compare, Op, Store, StoreError, Txn, VALUE_BYTES_MAX};
use std::sync::Arc;

/// A commit is seen at once, by `list`, `get` and `head`, and revisions grow.
pub async fn a_commit_is_seen_at_once(name: &str, store: Arc<dyn Store>) {
    let first = store.commit(Txn::put("a/1", "x")).await.unwrap();
    assert_eq!(store.head().await.unwrap(), first, "{name}");
    let second = store.commit(Txn::put("a/2", "y")).await.unwrap();
    let third = store.commit(Txn::put("b/1", "z")).await.unwrap();
    assert!(first < second && second < third, "{name}");
    assert_eq!(store.head().await.unwrap(), third, "{name}");
    let listing = store.list("a/").await.unwrap();
    let keys: Vec<_> = listing
        .entries
        .iter()
        .map(|entry| (entry.key.as_str(), entry.mod_revision))
        .collect();
    assert_eq!(keys, vec![("a/1", first), ("a/2", second)], "{name}");
    assert!(listing.revision >= third, "{name}");
    assert_eq!(store.get("a/").await, Ok(None), "{name}: a prefix is not a key");
    assert_eq!(store.get("a/2").await.unwrap().unwrap().value, b"y", "{name}");
}

/// A failed comparison changes nothing.
pub async fn a_failed_comparison_changes_nothing(name: &str, store: Arc<dyn Store>) {
    let create = |value: &str| Txn {
        compares: vec![Compare::Absent("k".into())],
        ops: vec![
            Op::Put("k".into(), value.into()),
            Op::Put("other".into(), value.into()),
        ],
    };
    let revision = store.commit(create("first")).await.unwrap();
    assert_eq!(
        store.commit(create("second")).await,
        Err(StoreError::Conflict),
        "{name}"
    );
    assert_eq!(
        store.get("other").await.unwrap().unwrap().value,
        b"first",
        "{name}"
    );
    let stale = Txn {
        compares: vec![Compare::ModRevision("k".into(), revision + 1)],
        ops: vec![Op::Delete("k".into())],
    };
    assert_eq!(store.commit(stale).await, Err(StoreError::Conflict), "{name}");
    assert_eq!(store.head().await.unwrap(), revision, "{name}");
    let right = Txn {
        compares: vec![Compare::ModRevision("k".into(), revision)],
        ops: vec![Op::Delete("k".into())],
    };
    store.commit(right).await.unwrap();
    assert_eq!(store.get("k").await.unwrap(), None, "{name}");
}

/// A watch misses nothing after its revision, sees only its prefix, and keeps each transaction together.
pub async fn a_watch_misses_nothing(name: &str, store: Arc<dyn Store>) {
    let from = store.commit(Txn::put("a/0", "old")).await.unwrap();
    store.commit(Txn::put("a/1", "missed")).await.unwrap();
    let mut watch = store.watch("a/", from).await.unwrap();
    store.commit(Txn::put("b/1", "foreign")).await.unwrap();
    let last = store
        .commit(Txn {
            compares: vec![],
            ops: vec![Op::Delete("a/0".into()), Op::Put("a/2".into(), b"new".to_vec())],
        })
        .await
        .unwrap();
    let mut seen = vec![];
    while seen.last().is_none_or(|(revision, _, _)| *revision < last) {
        let batch = watch.next().await.unwrap();
        for event in &batch.events {
            assert_eq!(event.revision, batch.revision, "{name}");
            seen.push((event.revision, event.key.clone(), event.value.clone()));
        }
    }
    let keys: Vec<_> = seen
        .iter()
        .map(|(_, key, value)| (key.as_str(), value.is_some()))
        .collect();
    let mut ends = keys[1..].to_vec();
    ends.sort_unstable();
    assert_eq!(keys[0], ("a/1", true), "{name}");
    assert_eq!(ends, vec![("a/0", false), ("a/2", true)], "{name}");
}

/// Oversized transactions are refused whole.
pub async fn oversized_transactions_are_refused(name: &str, store: Arc<dyn Store>) {
    let before = store.head().await.unwrap();
    let big = Txn::put("k", vec![0u8; VALUE_BYTES_MAX + 1]);
    assert_eq!(store.commit(big).await, Err(StoreError::TooLarge), "{name}");
    let long = Txn::put("k".repeat(crate::KEY_BYTES_MAX + 1), "");
    assert_eq!(store.commit(long).await, Err(StoreError::TooLarge), "{name}");
    assert_eq!(store.head().await.unwrap(), before, "{name}");
}

/// Many writers at once each get a revision of their own, and a key that all of them count up loses no count.
pub async fn many_writers_lose_nothing(name: &str, store: Arc<dyn Store>) {
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                let own = store.commit(Txn::put(format!("k{number}"), "v")).await.unwrap();
                count_up(&*store).await;
                own
            })
        })
        .collect();
    let mut revisions = vec![];
    for task in tasks {
        revisions.push(task.await.unwrap());
    }
    revisions.sort_unstable();
    revisions.dedup();
    assert_eq!(revisions.len(), 100, "{name}");
    let counted = store.get("count").await.unwrap().unwrap();
    assert_eq!(counted.value, b"100", "{name}");
}

async fn count_up(store: &dyn Store) {
    loop {
        let found = store.get("count").await.unwrap();
        let (compare, next) = match &found {
            None => (Compare::Absent("count".into()), 1),
            Some(kept) => (
                Compare::ModRevision("count".into(), kept.mod_revision),
                std::str::from_utf8(&kept.value).unwrap().parse::<u32>().unwrap() + 1,
            ),
        };
        let txn = Txn {
            compares: vec![compare],
            ops: vec![Op::Put("count".into(), next.to_string().into())],
        };
        let counted = store.commit(txn).await;
        if counted != Err(StoreError::Conflict) {
            counted.unwrap();
            return;
        }
    }
}
