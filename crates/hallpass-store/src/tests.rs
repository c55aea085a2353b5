//! The laws on both stores, and the crash behaviour of the durable one.

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
async fn the_laws_hold() {
    for (name, store, _folder) in stores() {
        laws::a_commit_is_seen_at_once(name, store).await;
    }
    for (name, store, _folder) in stores() {
        laws::a_failed_comparison_changes_nothing(name, store).await;
    }
    for (name, store, _folder) in stores() {
        laws::a_watch_misses_nothing(name, store).await;
    }
    for (name, store, _folder) in stores() {
        laws::oversized_transactions_are_refused(name, store).await;
    }
    for (name, store, _folder) in stores() {
        laws::many_writers_lose_nothing(name, store).await;
    }
}

#[tokio::test]
async fn a_store_that_was_removed_does_not_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let (path, staged) = (
        folder.path().join("store.redb"),
        folder.path().join("store.redb.new"),
    );
    let store = RedbStore::open(&path).unwrap();
    store.commit(Txn::put("a", "1")).await.unwrap();
    drop(store);
    // As if its making had ended between the two names.
    std::fs::hard_link(&path, &staged).unwrap();
    drop(RedbStore::open(&path).unwrap());
    assert!(!staged.exists());
    std::fs::remove_file(&path).unwrap();
    assert!(RedbStore::open(&path).unwrap().get("a").await.unwrap().is_none());
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
