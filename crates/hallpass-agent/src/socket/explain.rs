use super::{answer, error, privileged};
use crate::Agent;
use crate::callers::Identified;
use crate::connection::Incoming;
use hallpass_caller::{Caller, CallerError, SockDiag};
use hallpass_imds::ImdsResponse;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why there is nobody to explain: a status and what is said.
type Refused = (u16, String);

/// Answers which rule matches whom, and why those before it do not.
pub(super) async fn respond(agent: &Arc<Agent>, who: &Identified, incoming: &Incoming) -> ImdsResponse {
    let profile = agent
        .machine()
        .await
        .map(|machine| machine.machine.roles.clone())
        .unwrap_or_default();
    let asker = &who.caller;
    let query = incoming.target.split_once('?').map(|(_, query)| query);
    let subject = match query.and_then(|query| query.split_once('=')) {
        None => Ok(who.clone()),
        Some(("pid", pid)) => match pid.parse() {
            Ok(pid) => found(agent.callers.of_process(pid), asker),
            Err(_) => Err((400, "pid takes a number".to_owned())),
        },
        Some(("connection", ends)) => of_connection(agent, ends, asker).await,
        Some(_) => Err((400, "explain takes pid or connection".to_owned())),
    };
    let subject = match subject {
        Ok(subject) => subject,
        Err((code, reason)) => return error(code, &reason, incoming),
    };
    // Other people's rules say who may do what here, and the agent reads more than the asker could: for root only.
    let in_full = privileged(asker);
    let rules = agent.rules();
    let explained = agent
        .callers
        .read(&subject, move |who, evidence| {
            let mut explanation = rules.explain(&who.caller, evidence, &profile);
            if in_full {
                explanation.facts = evidence.told(&who.caller);
            }
            explanation
        })
        .await;
    match explained {
        Ok(mut explanation) => {
            if !in_full {
                for report in &mut explanation.skipped {
                    "one of its conditions does not hold".clone_into(&mut report.reason);
                }
            }
            answer(&explanation)
        }
        Err(reason) => error(503, &reason, incoming),
    }
}

fn found(subject: Result<Identified, CallerError>, asker: &Caller) -> Result<Identified, Refused> {
    match subject {
        Ok(subject) if privileged(asker) || subject.caller.uid == asker.uid => Ok(subject),
        Ok(_) => Err((403, "only root may ask about another user's process".to_owned())),
        Err(gone) => Err((404, gone.to_string())),
    }
}

/// Whoever is at the first end of a connection to the second, found and proven like a caller.
async fn of_connection(agent: &Arc<Agent>, ends: &str, asker: &Caller) -> Result<Identified, Refused> {
    let parsed = ends.split_once('-').and_then(|(local, peer)| {
        let address = |text: &str| text.parse::<SocketAddr>().ok();
        Some((address(local)?, address(peer)?))
    });
    let Some((caller, server)) = parsed else {
        return Err((
            400,
            "connection takes LOCAL-PEER, two addresses with ports".to_owned(),
        ));
    };
    let diag = SockDiag::open().map_err(|error| (503, error.to_string()))?;
    let ends = agent.callers.ends(Arc::new(diag), caller, server);
    let ends = agent.callers.located(ends).await;
    match agent.callers.proven(&ends).await {
        // To others than root, a stranger's connection and none are the same.
        Err(error) if !privileged(asker) => {
            tracing::debug!(%error, "no connection of the asker's own");
            Err((403, "only root may ask about another user's process".to_owned()))
        }
        subject => found(subject.map(|who| Identified::clone(&who)), asker),
    }
}
