//! One watch: a long answer of some member, gone on with at another when it breaks off.

use crate::client::Client;
use crate::error::Failure;
use crate::wire::{WatchAnswer, WatchLine, encoded, range_end};
use hallpass_store::{Batch, Event, Watch};
use http_body_util::BodyExt as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// A message of a watch is one transaction or a few; etcd's requests have at most 1.5 MiB.
const LINE_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const START_TIMEOUT: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(100);

/// What is watched. All of a fleet's keys are, markers included: so each transaction is told, even one that changes
/// nothing under the wanted prefix, and who follows knows how far it is.
pub(crate) struct Place {
    /// Before every key of the fleet.
    pub(crate) whole: String,
    /// Before the keys whose events are wanted.
    pub(crate) wanted: String,
    /// What to cut off a key's name.
    pub(crate) data: String,
}

/// Why a member's answer ended.
enum End {
    /// Another member goes on.
    Broken(String),
    /// Nobody can: the revisions are compacted, or the watcher is gone.
    Over,
}

pub(crate) fn start(client: Arc<Client>, place: Place, revision: u64) -> Watch {
    let (sender, watch) = Watch::channel();
    tokio::spawn(async move {
        let mut seen = revision;
        loop {
            let member = client.current();
            match follow(&client, member, &place, &mut seen, &sender).await {
                End::Over => return,
                End::Broken(why) => {
                    tracing::info!(member = client.endpoint(member), why, "a watch of etcd broke off");
                    client.rotate(member);
                    tokio::select! {
                        () = sender.closed() => return,
                        () = tokio::time::sleep(PAUSE) => {}
                    }
                }
            }
        }
    });
    watch
}

async fn follow(
    client: &Client,
    member: usize,
    place: &Place,
    seen: &mut u64,
    sender: &Sender<Batch>,
) -> End {
    let question = json!({ "create_request": {
        "key": encoded(&place.whole),
        "range_end": encoded(range_end(&place.whole)),
        "start_revision": seen.saturating_add(1).to_string(),
    }});
    let answer = timeout(START_TIMEOUT, client.send(member, "/v3/watch", &question)).await;
    let mut body = match answer {
        Ok(Ok(answer)) => answer.into_body(),
        Ok(Err(Failure::Compacted)) => return End::Over,
        Ok(Err(Failure::Member(why) | Failure::Untrusted(why) | Failure::Refused(why))) => {
            return End::Broken(why);
        }
        Err(_) => return End::Broken("no answer in time".to_owned()),
    };
    let mut pending = Vec::new();
    loop {
        let frame = tokio::select! {
            () = sender.closed() => return End::Over,
            frame = body.frame() => frame,
        };
        let data = match frame {
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
            Some(Err(error)) => return End::Broken(error.to_string()),
            None => return End::Broken("the member closed it".to_owned()),
        };
        pending.extend_from_slice(&data);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let line: WatchLine = match serde_json::from_slice(&line) {
                Ok(line) => line,
                Err(error) => return End::Broken(format!("not understood: {error}")),
            };
            if let Some(error) = line.error {
                return End::Broken(error.to_string());
            }
            let Some(answer) = line.result else { continue };
            if answer.canceled {
                return if answer.compact_revision > 0 {
                    End::Over
                } else {
                    End::Broken("cancelled".to_owned())
                };
            }
            for batch in batches(answer, place) {
                *seen = batch.revision;
                // Waits for a slow watcher; etcd keeps what comes meanwhile.
                if sender.send(batch).await.is_err() {
                    return End::Over;
                }
            }
        }
        if pending.len() > LINE_BYTES_MAX {
            return End::Broken("a message without end".to_owned());
        }
    }
}

/// Each transaction by itself. etcd never parts the events of one revision over two messages unless asked to.
fn batches(answer: WatchAnswer, place: &Place) -> Vec<Batch> {
    let mut batches: Vec<Batch> = vec![];
    for event in answer.events {
        let revision = event.kv.mod_revision;
        if batches.last().is_none_or(|last| last.revision != revision) {
            batches.push(Batch {
                revision,
                events: vec![],
            });
        }
        let Ok(key) = String::from_utf8(event.kv.key) else {
            continue;
        };
        if let (true, Some(name), Some(batch)) = (
            key.starts_with(&place.wanted),
            key.strip_prefix(&place.data),
            batches.last_mut(),
        ) {
            batch.events.push(Event {
                key: name.to_owned(),
                value: (event.kind != "DELETE").then_some(event.kv.value),
                revision,
            });
        }
    }
    batches
}
