//! Instances launched in dev mode have no machine of their own: each gets a metadata endpoint on loopback, told in its
//! tag `hallpass:metadata`, closed when it is terminated.

use crate::seed::MACHINE_TAG;
use hallpass_agent::{Agent, Shutdown, ShutdownTrigger};
use hallpass_authority::Authority;
use hallpass_session::Tag;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The tag that tells where an instance's metadata endpoint is.
const ENDPOINT_TAG: &str = "hallpass:metadata";
/// Endpoints served at once; further instances have none until others end.
const ENDPOINTS_MAX: usize = 100;

type MakeAgent = Box<dyn Fn(&str) -> std::io::Result<Arc<Agent>> + Send + Sync>;

/// The endpoints of all running instances but this machine's.
pub(crate) struct Endpoints {
    task: tokio::task::JoinHandle<()>,
}

impl Endpoints {
    /// Opens one for each running instance, then follows the authority.
    pub(crate) async fn start(
        authority: Arc<Authority>,
        own_instance: String,
        make_agent: MakeAgent,
        mut stopped: Shutdown,
    ) -> Self {
        // Before the first look, so that nothing falls between the two.
        let mut changes = authority.changes();
        let mut open = Open {
            authority,
            own_instance,
            make_agent,
            running: BTreeMap::new(),
        };
        open.reconcile().await;
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = changes.changed() => match changed {
                        Ok(()) => open.reconcile().await,
                        // The authority is gone, and with it every instance.
                        Err(_) => break,
                    },
                    () = stopped.wait() => break,
                }
            }
            open.close_all();
        });
        Self { task }
    }

    pub(crate) async fn stop(&mut self) {
        // The shutdown reaches the task by itself; this only waits for it.
        let _ = (&mut self.task).await;
    }
}

struct Open {
    authority: Arc<Authority>,
    own_instance: String,
    make_agent: MakeAgent,
    running: BTreeMap<String, ShutdownTrigger>,
}

impl Open {
    async fn reconcile(&mut self) {
        let wanted = self.authority.running_instances();
        self.running.retain(|id, trigger| {
            let stays = wanted.iter().any(|instance| instance.id == *id);
            if !stays {
                trigger.trigger();
            }
            stays
        });
        for instance in wanted {
            let is_machine =
                instance.id == self.own_instance || instance.tags.iter().any(|tag| tag.key == MACHINE_TAG);
            if is_machine || self.running.contains_key(&instance.id) || self.running.len() >= ENDPOINTS_MAX {
                continue;
            }
            match self.open(&instance.id).await {
                Ok(trigger) => {
                    self.running.insert(instance.id, trigger);
                }
                Err(error) => tracing::warn!(instance = instance.id, %error, "no metadata endpoint"),
            }
        }
    }

    async fn open(&self, instance: &str) -> std::io::Result<ShutdownTrigger> {
        let agent = (self.make_agent)(instance)?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let (trigger, stopped) = Shutdown::new();
        tokio::spawn(async move {
            if let Err(error) = agent.serve_metadata(listener, stopped).await {
                tracing::error!(%error, "an instance's metadata endpoint ended");
            }
        });
        let tag = Tag {
            key: ENDPOINT_TAG.to_owned(),
            value: url,
        };
        self.authority
            .tag_instance(instance, tag)
            .await
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(trigger)
    }

    fn close_all(&mut self) {
        for trigger in self.running.values() {
            trigger.trigger();
        }
    }
}
