//! The laws of [`Store`], each checked on every implementation, and the crash behaviour of the durable one.

use crate::*;
use std::sync::Arc;

fn stores() -> Vec<(&'static str, Arc<dyn Store>, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().unwrap();
    let redb = RedbStore::open(&folder.path().join("store.redb")).unwrap();
    vec![
        ("memory", Arc::new(MemoryStore::default()), None),
        ("redb", Arc::new(redb), Some(folder)),
    ]
}

#[tokio::test]
async fn a_commit_is_seen_at_once_and_revisions_grow_by_one() {
    for (name, store, _folder) in stores() {
        assert_eq!(store.commit(Txn::put("a/1", "x")).await, Ok(1), "{name}");
        assert_eq!(store.commit(Txn::put("a/2", "y")).await, Ok(2), "{name}");
        store.commit(Txn::put("b/1", "z")).await.unwrap();
        let listing = store.list("a/").await.unwrap();
        let keys: Vec<_> = listing
            .entries
            .iter()
            .map(|entry| (entry.key.as_str(), entry.mod_revision))
            .collect();
        assert_eq!(
            (listing.revision, keys),
            (3, vec![("a/1", 1), ("a/2", 2)]),
            "{name}"
        );
        assert_eq!(store.get("a/").await, Ok(None), "{name}: a prefix is not a key");
    }
}

#[tokio::test]
async fn a_failed_comparison_changes_nothing() {
    for (name, store, _folder) in stores() {
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
        assert_eq!(store.list("").await.unwrap().revision, revision, "{name}");
    }
}

#[tokio::test]
async fn a_watch_misses_nothing_after_its_revision_and_sees_only_its_prefix() {
    for (name, store, _folder) in stores() {
        let from = store.commit(Txn::put("a/0", "old")).await.unwrap();
        store.commit(Txn::put("a/1", "missed")).await.unwrap();
        let mut watch = store.watch("a/", from).await.unwrap();
        store.commit(Txn::put("b/1", "foreign")).await.unwrap();
        store
            .commit(Txn {
                compares: vec![],
                ops: vec![Op::Delete("a/0".into())],
            })
            .await
            .unwrap();
        let first = watch.next().await.unwrap();
        assert_eq!(
            (first[0].key.as_str(), first[0].value.as_deref()),
            ("a/1", Some(b"missed".as_slice())),
            "{name}"
        );
        let second = watch.next().await.unwrap();
        assert_eq!(
            (second[0].key.as_str(), &second[0].value, second.len()),
            ("a/0", &None, 1),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_watch_from_before_the_memory_begins_is_told_to_list_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store = RedbStore::open(&path).unwrap();
    store.commit(Txn::put("a", "1")).await.unwrap();
    drop(store);
    let store = reopen(&path).await;
    assert!(matches!(store.watch("", 0).await, Err(StoreError::Compacted(0))));
    assert!(store.watch("", 1).await.is_ok());
}

/// The writer thread lets go of the file a moment after the store is dropped.
async fn reopen(path: &std::path::Path) -> RedbStore {
    loop {
        match RedbStore::open(path) {
            Err(StoreError::InUse(_)) => tokio::task::yield_now().await,
            other => return other.unwrap(),
        }
    }
}

#[tokio::test]
async fn oversized_transactions_are_refused_whole() {
    for (name, store, _folder) in stores() {
        let big = Txn::put("k", vec![0u8; VALUE_BYTES_MAX + 1]);
        assert_eq!(store.commit(big).await, Err(StoreError::TooLarge), "{name}");
        assert_eq!(
            store.commit(Txn::put("k".repeat(KEY_BYTES_MAX + 1), "")).await,
            Err(StoreError::TooLarge)
        );
        assert_eq!(store.list("").await.unwrap().revision, 0, "{name}");
    }
}

#[tokio::test]
async fn many_writers_at_once_each_get_their_own_revision() {
    for (name, store, _folder) in stores() {
        let tasks: Vec<_> = (0..200)
            .map(|number| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.commit(Txn::put(format!("k{number}"), "v")).await.unwrap() })
            })
            .collect();
        let mut revisions = vec![];
        for task in tasks {
            revisions.push(task.await.unwrap());
        }
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=200).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_store_that_fails_on_demand_changes_nothing_and_heals() {
    let store = MemoryStore::default();
    store.fail_after(1);
    assert!(store.commit(Txn::put("a", "1")).await.is_ok());
    assert!(matches!(
        store.commit(Txn::put("b", "1")).await,
        Err(StoreError::Io(_))
    ));
    assert_eq!(store.get("b").await, Ok(None));
    store.heal();
    assert_eq!(store.commit(Txn::put("b", "1")).await, Ok(2));
}

#[test]
fn foreign_busy_and_newer_files_are_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let foreign = folder.path().join("foreign");
    std::fs::write(
        &foreign,
        b"this is not a store at all, it is a letter to a friend",
    )
    .unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(
        RedbStore::open(&foreign),
        Err(StoreError::Corrupt { .. })
    ));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let busy = folder.path().join("busy");
    let held = RedbStore::open(&busy).unwrap();
    assert!(matches!(RedbStore::open(&busy), Err(StoreError::InUse(_))));
    drop(held);

    let newer = folder.path().join("newer");
    let database = redb::Database::create(&newer).unwrap();
    let write = database.begin_write().unwrap();
    let meta: redb::TableDefinition<&str, u64> = redb::TableDefinition::new("meta");
    write.open_table(meta).unwrap().insert("format", 99).unwrap();
    write.commit().unwrap();
    drop(database);
    let error = RedbStore::open(&newer).err().unwrap();
    assert!(
        matches!(error, StoreError::NewerFormat { found: 99, .. }),
        "{error}"
    );

    let missing = folder.path().join("no/such/folder/store");
    assert!(matches!(RedbStore::open(&missing), Err(StoreError::Io(_))));
}
