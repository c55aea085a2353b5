//! Roles as files, by a real FUSE mount: what an open gets while things are not as they should be. Needs root; skipped
//! without.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod support;
use hallpass_agent::*;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use support::*;

const RULES: &str = "[[file]]\nrole = 'app'\n[[file]]\nrole = 'ops'\n[[file]]\nrole = 'gone'\n";

const EIO: i32 = 5;
const EAGAIN: i32 = 11;
const EACCES: i32 = 13;
const ENODATA: i32 = 61;

async fn read(path: PathBuf) -> io::Result<String> {
    tokio::task::spawn_blocking(move || fs::read_to_string(path))
        .await
        .unwrap()
}

async fn list(path: PathBuf) -> Vec<String> {
    let list = move || {
        let names = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    tokio::task::spawn_blocking(list).await.unwrap()
}

/// Waits for what comes with one of the next refreshes.
async fn until(what: &str, mut is: impl AsyncFnMut() -> bool) {
    for _ in 0..400 {
        if is().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{what} did not happen");
}

struct Place {
    world: World,
    files: Option<MountedFiles>,
    folder: tempfile::TempDir,
}

async fn place() -> Place {
    let world = world(rules(RULES)).await;
    let folder = tempfile::tempdir().unwrap();
    let files = world.agent.mount_files(folder.path()).await.unwrap();
    Place {
        world,
        files: Some(files),
        folder,
    }
}

impl Place {
    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn error(&self, name: &str) -> Option<i32> {
        read(self.file(name)).await.unwrap_err().raw_os_error()
    }

    async fn end(mut self) {
        self.files.take().unwrap().stop().await;
        assert_eq!(
            list(self.folder.path().to_owned()).await,
            [""; 0],
            "it is unmounted"
        );
        assert_eq!(self.world.agent.status().files, None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_is_on_record_or_fails() {
    if !root() {
        return;
    }
    let place = place().await;
    // A role of the rules that the profile does not have is not there.
    assert_eq!(list(place.file("")).await, ["app", "ops"]);
    let text = read(place.file("app/env")).await.unwrap();
    assert!(
        text.contains("'ASIAapp") && text.contains("'the-secret'"),
        "{text}"
    );
    let event = place.world.audit.events.lock().unwrap().pop().unwrap();
    assert_eq!((event.door, event.peer.as_str()), (AuditDoor::File, "file"));
    assert!(event.caller.unwrap().pid.is_some());
    assert!(matches!(event.outcome, EventOutcome::Issued { role, .. } if role == "app"));
    place.world.audit.broken.store(true, Ordering::SeqCst);
    assert_eq!(place.error("app/env").await, Some(EIO));
    place.world.audit.broken.store(false, Ordering::SeqCst);
    read(place.file("app/env")).await.unwrap();
    assert_eq!(place.world.agent.status().files.unwrap().file_system, "fuse");
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_good_credentials_are_served_to_their_end() {
    if !root() {
        return;
    }
    let place = place().await;
    let first = read(place.file("app/env")).await.unwrap();
    *place.world.source.fail.lock().unwrap() = Some(SourceError::Unavailable("away".into()));
    place.world.clock.0.fetch_add(3000, Ordering::SeqCst);
    assert_eq!(read(place.file("app/env")).await.unwrap(), first);
    place.world.clock.0.fetch_add(700, Ordering::SeqCst);
    // Nothing valid, and nobody to ask: no dead credentials, and no reason to ask again at once.
    assert_eq!(place.error("app/env").await, Some(ENODATA));
    assert!(
        place
            .world
            .refusals()
            .iter()
            .any(|reason| reason.contains("away"))
    );
    until("an empty file", async || {
        fs::metadata(place.file("app/env")).unwrap().len() == 0
    })
    .await;
    *place.world.source.fail.lock().unwrap() = None;
    until("new credentials", async || {
        read(place.file("app/env")).await.is_ok_and(|text| text != first)
    })
    .await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_the_authority_is_one_of_the_file() {
    if !root() {
        return;
    }
    let place = place().await;
    read(place.file("app/env")).await.unwrap();
    *place.world.source.fail.lock().unwrap() = Some(SourceError::Refused("terminated".into()));
    place.world.clock.0.fetch_add(3700, Ordering::SeqCst);
    assert_eq!(place.error("app/env").await, Some(EACCES));
    *place.world.source.machine.lock().unwrap() = Err(SourceError::Refused("terminated".into()));
    until("an empty directory", async || {
        list(place.file("")).await.is_empty()
    })
    .await;
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_hangs_holds_up_nobody_else() {
    if !root() {
        return;
    }
    let place = place().await;
    until("the first lease", async || {
        fs::metadata(place.file("app/env")).unwrap().len() > 0
    })
    .await;
    place.world.source.hangs.store(true, Ordering::SeqCst);
    place.world.clock.0.fetch_add(3700, Ordering::SeqCst);
    let waiting = tokio::spawn(read(place.file("app/env")));
    // While it waits the loop answers others.
    assert_eq!(list(place.file("")).await, ["app", "ops"]);
    assert_eq!(waiting.await.unwrap().unwrap_err().raw_os_error(), Some(EAGAIN));
    place.world.source.hangs.store(false, Ordering::SeqCst);
    place.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_fetched_ahead_though_nobody_asks() {
    if !root() {
        return;
    }
    let place = place().await;
    for role in ["app", "ops"] {
        until("the first lease", async || {
            fs::metadata(place.file(&format!("{role}/credentials")))
                .unwrap()
                .len()
                > 0
        })
        .await;
    }
    assert_eq!(place.world.audit.events.lock().unwrap().len(), 0);
    // Time enough to be due, not to be over.
    place.world.clock.0.fetch_add(2500, Ordering::SeqCst);
    until("the renewal", async || {
        place.world.source.calls.load(Ordering::SeqCst) >= 4
    })
    .await;
    place.end().await;
}
