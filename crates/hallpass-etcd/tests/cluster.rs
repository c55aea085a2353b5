//! The store on a real cluster of three members, which are killed, stopped, cut off, compacted and restarted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use hallpass_etcd::{EtcdConfig, EtcdStore};
use hallpass_store::{Compare, Op, Store, StoreError, Txn, laws};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{Mutex, MutexGuard};

struct Member {
    name: String,
    client: String,
    peer: String,
    data: PathBuf,
    process: Option<Child>,
}

struct Cluster {
    members: Vec<Member>,
    folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

/// One cluster at a time: elections want the processor.
static TURN: Mutex<()> = Mutex::const_new(());
static PREFIXES: AtomicUsize = AtomicUsize::new(0);

impl Cluster {
    async fn start(size: usize) -> Self {
        let turn = TURN.lock().await;
        let folder = tempfile::tempdir().unwrap();
        // Held together, so that no two are the same; free again when etcd takes them.
        let held: Vec<_> = (0..2 * size)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let url = |number: usize| format!("http://{}", held[number].local_addr().unwrap());
        let members = (0..size)
            .map(|number| Member {
                name: format!("m{number}"),
                client: url(2 * number),
                peer: url(2 * number + 1),
                data: folder.path().join(format!("m{number}")),
                process: None,
            })
            .collect();
        drop(held);
        let mut cluster = Self {
            members,
            folder,
            _turn: turn,
        };
        for number in 0..size {
            cluster.run(number);
        }
        cluster.store("start").await;
        cluster
    }

    fn run(&mut self, number: usize) {
        let all: Vec<_> = self
            .members
            .iter()
            .map(|member| format!("{}={}", member.name, member.peer))
            .collect();
        let member = &mut self.members[number];
        let log = std::fs::File::create(self.folder.path().join(format!("{}.log", member.name))).unwrap();
        let process = Command::new("etcd")
            .args(["--name", &member.name, "--data-dir"])
            .arg(&member.data)
            .args([
                "--listen-client-urls",
                &member.client,
                "--advertise-client-urls",
                &member.client,
            ])
            .args([
                "--listen-peer-urls",
                &member.peer,
                "--initial-advertise-peer-urls",
                &member.peer,
            ])
            .args([
                "--initial-cluster",
                &all.join(","),
                "--initial-cluster-state",
                "new",
            ])
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("etcd is not installed: `cargo xtask test` installs it");
        member.process = Some(process);
    }

    fn kill(&mut self, number: usize) {
        let mut process = self.members[number].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops or wakes a process: stopped, it takes connections and never answers, as a machine does that is cut off.
    fn signal(&self, number: usize, signal: &str) {
        let pid = self.members[number].process.as_ref().unwrap().id();
        let done = Command::new("kill")
            .args([signal, &pid.to_string()])
            .status()
            .unwrap();
        assert!(done.success());
    }

    /// Which member leads.
    async fn leader(&self) -> usize {
        let clients: Vec<_> = self.members.iter().map(|member| member.client.clone()).collect();
        loop {
            let answer = Command::new("etcdctl")
                .env("ETCDCTL_API", "3")
                .args([
                    "--endpoints",
                    &clients.join(","),
                    "endpoint",
                    "status",
                    "-w",
                    "fields",
                ])
                .output()
                .unwrap();
            let text = String::from_utf8(answer.stdout).unwrap();
            let field = |name: &str| -> Vec<String> {
                text.lines()
                    .filter_map(|line| line.strip_prefix(&format!("\"{name}\" : ")))
                    .map(|value| value.trim_matches('"').to_owned())
                    .collect()
            };
            let (ids, leaders, endpoints) = (field("MemberID"), field("Leader"), field("Endpoint"));
            let leading = ids
                .iter()
                .position(|id| leaders.first() == Some(id))
                .and_then(|found| {
                    clients
                        .iter()
                        .position(|client| endpoints.get(found) == Some(client))
                });
            if let Some(leading) = leading {
                return leading;
            }
            tokio::task::yield_now().await;
        }
    }

    fn config(&self, writer: &str) -> EtcdConfig {
        EtcdConfig {
            endpoints: self.members.iter().map(|member| member.client.clone()).collect(),
            prefix: format!("/test/{}/", PREFIXES.fetch_add(1, Ordering::Relaxed)),
            writer: writer.to_owned(),
            tls: None,
        }
    }

    async fn store(&self, writer: &str) -> Arc<EtcdStore> {
        open(&self.config(writer)).await
    }

    async fn compact(&self, revision: u64) {
        let clients: Vec<_> = self.members.iter().map(|member| member.client.clone()).collect();
        let done = Command::new("etcdctl")
            .env("ETCDCTL_API", "3")
            .args([
                "--endpoints",
                &clients.join(","),
                "compaction",
                &revision.to_string(),
            ])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

async fn open(config: &EtcdConfig) -> Arc<EtcdStore> {
    // A cluster that has just been started has no leader for a while.
    for _ in 0..6 {
        if let Ok(store) = EtcdStore::open(config).await {
            return Arc::new(store);
        }
    }
    panic!("etcd does not answer");
}

/// Adds one to a number that several count up. `true`: it was applied; `false`: whether it was is not known.
async fn count_up(store: &EtcdStore, key: &str) -> bool {
    loop {
        let Ok(found) = store.get(key).await else { continue };
        let (compare, next) = match &found {
            None => (Compare::Absent(key.into()), 1),
            Some(kept) => (
                Compare::ModRevision(key.into(), kept.mod_revision),
                String::from_utf8(kept.value.clone())
                    .unwrap()
                    .parse::<u64>()
                    .unwrap()
                    + 1,
            ),
        };
        let txn = Txn {
            compares: vec![compare],
            ops: vec![Op::Put(key.into(), next.to_string().into())],
        };
        match store.commit(txn).await {
            Ok(_) => return true,
            Err(StoreError::Conflict) => {}
            Err(_) => return false,
        }
    }
}

async fn number(store: &EtcdStore, key: &str) -> u64 {
    let found = store.get(key).await.unwrap().unwrap();
    String::from_utf8(found.value).unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_laws_hold() {
    let cluster = Cluster::start(3).await;
    laws::a_commit_is_seen_at_once("etcd", cluster.store("a").await).await;
    laws::a_failed_comparison_changes_nothing("etcd", cluster.store("a").await).await;
    laws::a_watch_misses_nothing("etcd", cluster.store("a").await).await;
    laws::oversized_transactions_are_refused("etcd", cluster.store("a").await).await;
    laws::many_writers_lose_nothing("etcd", cluster.store("a").await).await;
}

#[tokio::test]
async fn a_listing_of_many_pages_is_of_one_revision() {
    let cluster = Cluster::start(1).await;
    let store = cluster.store("a").await;
    for page in 0..13 {
        let ops = (0..100).map(|n| Op::Put(format!("k/{page:02}{n:02}"), b"v".to_vec()));
        store
            .commit(Txn {
                compares: vec![],
                ops: ops.collect(),
            })
            .await
            .unwrap();
    }
    let before = store.list("k/").await.unwrap();
    assert_eq!(before.entries.len(), 1_300);
    assert!(before.entries.is_sorted_by(|left, right| left.key < right.key));
    assert_eq!(before.revision, store.head().await.unwrap());
}

#[tokio::test]
async fn two_servers_see_each_other_and_cannot_overwrite_each_other() {
    let cluster = Cluster::start(1).await;
    let config = cluster.config("one");
    let one = open(&config).await;
    let two = open(&EtcdConfig {
        writer: "two".to_owned(),
        ..config
    })
    .await;
    let mut watch = two.watch("", one.head().await.unwrap()).await.unwrap();
    let revision = one.commit(Txn::put("k", "1")).await.unwrap();
    let batch = watch.next().await.unwrap();
    assert_eq!((batch.revision, batch.events[0].key.as_str()), (revision, "k"));
    assert_eq!(two.head().await.unwrap(), revision);
    let stale = Txn {
        compares: vec![Compare::Absent("k".into())],
        ops: vec![Op::Put("k".into(), b"2".to_vec())],
    };
    assert_eq!(two.commit(stale).await, Err(StoreError::Conflict));
}

#[tokio::test]
async fn a_second_process_of_the_same_name_disturbs_nobody() {
    let cluster = Cluster::start(1).await;
    let config = cluster.config("same");
    let (one, two) = (open(&config).await, open(&config).await);
    let counting: Vec<_> = [one.clone(), two.clone()]
        .into_iter()
        .map(|store| {
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert!(count_up(&store, "count").await);
                }
            })
        })
        .collect();
    for counter in counting {
        counter.await.unwrap();
    }
    assert_eq!(number(&one, "count").await, 100);
}

/// Writers count while `disturb` happens; then every acknowledged count is there, none twice, and a watch that went on
/// through it saw each transaction once, in order.
async fn counting_while(cluster: &mut Cluster, disturb: impl AsyncFnOnce(&mut Cluster)) {
    let store = cluster.store("a").await;
    let from = store.commit(Txn::put("start", "")).await.unwrap();
    let mut watch = store.watch("count", from).await.unwrap();
    let (certain, unknown) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let stopped = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let counting: Vec<_> = (0..4)
        .map(|_| {
            let (store, stopped) = (store.clone(), stopped.clone());
            let (certain, unknown) = (certain.clone(), unknown.clone());
            tokio::spawn(async move {
                while !stopped.load(Ordering::Relaxed) {
                    let counted = if count_up(&store, "count").await {
                        &certain
                    } else {
                        &unknown
                    };
                    counted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let at_least = async |more: usize| {
        let now = certain.load(Ordering::Relaxed);
        while certain.load(Ordering::Relaxed) < now + more {
            tokio::task::yield_now().await;
        }
    };
    at_least(20).await;
    disturb(cluster).await;
    at_least(20).await;
    stopped.store(true, Ordering::Relaxed);
    for counter in counting {
        counter.await.unwrap();
    }
    let counted = number(&store, "count").await;
    let (certain, unknown) = (certain.load(Ordering::Relaxed), unknown.load(Ordering::Relaxed));
    assert!(
        (certain as u64..=(certain + unknown) as u64).contains(&counted),
        "{counted} counted, {certain} acknowledged, {unknown} unknown"
    );
    let mut expected = 1;
    while expected <= counted {
        for event in watch.next().await.expect("the watch goes on").events {
            let value = String::from_utf8(event.value.unwrap()).unwrap();
            assert_eq!(value, expected.to_string());
            expected += 1;
        }
    }
}

#[tokio::test]
async fn nothing_is_lost_or_done_twice_when_the_leader_is_killed() {
    let mut cluster = Cluster::start(3).await;
    counting_while(&mut cluster, async |cluster| {
        let leader = cluster.leader().await;
        cluster.kill(leader);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_a_member_hangs_and_comes_back() {
    let mut cluster = Cluster::start(3).await;
    counting_while(&mut cluster, async |cluster| {
        let leader = cluster.leader().await;
        cluster.signal(leader, "-STOP");
        let store = cluster.store("b").await;
        assert!(count_up(&store, "other").await);
        cluster.signal(leader, "-CONT");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_lost_when_all_members_restart() {
    let mut cluster = Cluster::start(3).await;
    counting_while(&mut cluster, async |cluster| {
        for number in 0..3 {
            cluster.kill(number);
        }
        for number in 0..3 {
            cluster.run(number);
        }
    })
    .await;
}

#[tokio::test]
async fn without_a_quorum_nothing_is_answered_and_afterwards_all_is_as_before() {
    let mut cluster = Cluster::start(3).await;
    let store = cluster.store("a").await;
    store.commit(Txn::put("k", "before")).await.unwrap();
    cluster.kill(0);
    cluster.kill(1);
    let lost = store.commit(Txn::put("k", "during")).await;
    assert!(matches!(lost, Err(StoreError::Io(_))), "{lost:?}");
    assert!(
        store.head().await.is_err(),
        "a member alone must not tell what is newest"
    );
    cluster.run(0);
    let found = loop {
        if let Ok(found) = store.get("k").await {
            break found.unwrap();
        }
    };
    // The answer was "not known": either is right, nothing else is.
    assert!(
        [b"before".as_slice(), b"during"].contains(&found.value.as_slice()),
        "{found:?}"
    );
    store.commit(Txn::put("k", "after")).await.unwrap();
    assert_eq!(store.get("k").await.unwrap().unwrap().value, b"after");
}

#[tokio::test]
async fn compacted_revisions_are_told_and_a_running_watch_lives_through_it() {
    let cluster = Cluster::start(1).await;
    let store = cluster.store("a").await;
    let first = store.commit(Txn::put("k", "1")).await.unwrap();
    let mut watch = store.watch("", first).await.unwrap();
    let mut last = first;
    for value in 2..10 {
        last = store.commit(Txn::put("k", value.to_string())).await.unwrap();
    }
    for expected in 2..10 {
        let batch = watch.next().await.unwrap();
        assert_eq!(
            batch.events[0].value.as_deref(),
            Some(expected.to_string().as_bytes())
        );
    }
    // Only now is it known to run: before, it may still have had to begin, at a revision that is gone then.
    cluster.compact(last).await;
    assert!(matches!(
        store.watch("", first).await,
        Err(StoreError::Compacted(revision)) if revision == first
    ));
    let newest = store.commit(Txn::put("k", "new")).await.unwrap();
    assert_eq!(watch.next().await.unwrap().revision, newest);
}

#[tokio::test]
async fn what_is_no_cluster_is_refused_in_a_sentence() {
    let open = async |endpoints: &[&str]| {
        let config = EtcdConfig {
            endpoints: endpoints.iter().map(|one| (*one).to_owned()).collect(),
            prefix: "/t/".to_owned(),
            ..EtcdConfig::default()
        };
        EtcdStore::open(&config).await.err().unwrap().to_string()
    };
    for bad in ["127.0.0.1:2379", "http://h/path", "ftp://h:1", ""] {
        assert!(open(&[bad]).await.contains("not an etcd endpoint"), "{bad}");
    }
    assert!(open(&[]).await.contains("not an etcd endpoint"));
}
