//! What a supervisor and a monitoring system ask: is it alive, can it serve, how much did it do.

use crate::callers::Identified;
use crate::connection::serve;
use crate::{Agent, Shutdown};
use hallpass_imds::ImdsResponse;
use hyper::Request;
use hyper::body::Incoming as Body;
use std::fmt::Write as _;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const CONNECTIONS_MAX: usize = 64;

/// Counts since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    issued: AtomicU64,
    refused: AtomicU64,
    unrecorded: AtomicU64,
    self_test: Mutex<Option<Result<(), String>>>,
}

impl Counters {
    pub(crate) fn note(&self, is_issue: bool, recorded: bool) {
        let counter = match (recorded, is_issue) {
            (false, _) => &self.unrecorded,
            (true, true) => &self.issued,
            (true, false) => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn self_test(&self) -> Option<Result<(), String>> {
        self.self_test
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Agent {
    /// Keeps what the last self-test found; until the next one, [`serve_health`](Self::serve_health) tells it.
    pub fn note_self_test(&self, result: Result<(), String>) {
        *self
            .counters
            .self_test
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    /// Whether a process of `uid`, of which nothing else is known, would be offered a role.
    pub async fn would_give(self: &Arc<Self>, uid: u32) -> bool {
        let Ok(machine) = self.machine().await else {
            return false;
        };
        let who = Identified::unseen(self.callers.of_uid(uid));
        !self.entitlement(&who, &machine.machine).await.roles.is_empty()
    }

    /// Serves `/healthz`, `/readyz` and `/metrics` (Prometheus's text form) until `shutdown`. Nothing in them is secret,
    /// but they tell of the machine's roles: keep the listener to loopback.
    ///
    /// # Errors
    /// None today.
    pub async fn serve_health(
        self: &Arc<Self>,
        listener: TcpListener,
        mut shutdown: Shutdown,
    ) -> io::Result<()> {
        let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = shutdown.wait() => return Ok(()),
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                continue;
            };
            let (agent, shutdown) = (Arc::clone(self), shutdown.clone());
            tokio::spawn(async move {
                let _held = permit;
                serve(stream, shutdown, |request: Request<Body>| {
                    let agent = Arc::clone(&agent);
                    async move {
                        let response = agent.health(request.uri().path()).await;
                        (response, agent.request_id())
                    }
                })
                .await;
            });
        }
    }

    async fn health(self: &Arc<Self>, path: &str) -> ImdsResponse {
        match path {
            "/healthz" => match self.config.audit.lost() {
                0 => ImdsResponse::text(200, "ok\n"),
                lost => ImdsResponse::text(200, &*format!("ok\naudit: {lost} records lost\n")),
            },
            "/readyz" => {
                // Being asked counts as a look: an idle agent must not call a source gone that is back.
                let _ = self.machine().await;
                match self.unready() {
                    None => ImdsResponse::text(200, "ready\n"),
                    Some(reason) => ImdsResponse::text(503, &*format!("{reason}\n")),
                }
            }
            "/metrics" => ImdsResponse::new(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                self.metrics().into_bytes(),
            ),
            _ => ImdsResponse::text(404, ""),
        }
    }

    /// Why a supervisor should not send anyone here; `None` if they may come.
    fn unready(&self) -> Option<String> {
        if let Some(Err(reason)) = self.counters.self_test() {
            return Some(format!("the self-test failed: {reason}"));
        }
        if let Err(reason) = self.config.audit.check(self.now()) {
            return Some(format!(
                "credentials cannot be recorded, so none is handed out: {reason}"
            ));
        }
        let status = self.status();
        if status.instance_id.is_none() {
            let reason = status.last_error.unwrap_or_else(|| "not asked yet".to_owned());
            return Some(format!("nothing is known of this machine: {reason}"));
        }
        None
    }

    fn metrics(&self) -> String {
        let status = self.status();
        let now = self.now();
        let mut text = String::new();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "# HELP hallpass_agent_events_total Credentials handed out and refusals of them.\n\
             # TYPE hallpass_agent_events_total counter\n\
             hallpass_agent_events_total{{outcome=\"issued\"}} {}\n\
             hallpass_agent_events_total{{outcome=\"refused\"}} {}\n\
             # HELP hallpass_agent_unrecorded_total Answers withheld because they could not be recorded.\n\
             # TYPE hallpass_agent_unrecorded_total counter\n\
             hallpass_agent_unrecorded_total {}\n\
             # HELP hallpass_agent_lost_records_total Records let go because they could not be written.\n\
             # TYPE hallpass_agent_lost_records_total counter\n\
             hallpass_agent_lost_records_total {}\n\
             # HELP hallpass_agent_rules Rules in force.\n\
             # TYPE hallpass_agent_rules gauge\n\
             hallpass_agent_rules {}\n\
             # HELP hallpass_agent_rules_ok Whether the newest rules file is in force.\n\
             # TYPE hallpass_agent_rules_ok gauge\n\
             hallpass_agent_rules_ok {}\n\
             # HELP hallpass_agent_connect_record Whether callers are proven by the kernel's record of who connected.\n\
             # TYPE hallpass_agent_connect_record gauge\n\
             hallpass_agent_connect_record {}\n\
             # HELP hallpass_agent_source_ok Whether the source of credentials answered last time.\n\
             # TYPE hallpass_agent_source_ok gauge\n\
             hallpass_agent_source_ok {}",
            count(&self.counters.issued),
            count(&self.counters.refused),
            count(&self.counters.unrecorded),
            self.config.audit.lost(),
            status.rules,
            u8::from(status.rules_error.is_none()),
            u8::from(status.connect_record),
            u8::from(status.last_error.is_none()),
        );
        if let Some(result) = self.counters.self_test() {
            let _ = writeln!(
                text,
                "# HELP hallpass_agent_self_test_ok Whether a process without a role was refused when last tried.\n\
                 # TYPE hallpass_agent_self_test_ok gauge\n\
                 hallpass_agent_self_test_ok {}",
                u8::from(result.is_ok())
            );
        }
        let _ = writeln!(
            text,
            "# HELP hallpass_agent_lease_seconds_left Seconds until a lease ends; the least where a role has several.\n\
             # TYPE hallpass_agent_lease_seconds_left gauge"
        );
        let mut last_role = None;
        let mut leases = status.leases;
        leases.sort_by(|one, other| (&one.role, one.expires_at).cmp(&(&other.role, other.expires_at)));
        for lease in &leases {
            if last_role == Some(&lease.role) {
                continue;
            }
            last_role = Some(&lease.role);
            let left = lease.expires_at.since(now);
            // A role's name has no character that would have to be escaped.
            let _ = writeln!(
                text,
                "hallpass_agent_lease_seconds_left{{role=\"{}\"}} {left}",
                lease.role
            );
        }
        text
    }
}
