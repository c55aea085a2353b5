//! All attacks and callers once more, with the kernel's record of who connected. Needs root; skipped without.
#![allow(
    clippy::duplicate_mod,
    reason = "each file of tests has the helpers; here are two of them"
)]

#[path = "attacks.rs"]
mod attacks;
#[path = "callers.rs"]
mod callers;
mod support;

use support::*;

#[tokio::test]
async fn these_agents_have_a_record() {
    if root() {
        let world = world(rules("[[rule]]\nuid = 0\nroles = ['mine']\n")).await;
        assert!(world.agent.status().connect_record);
        assert_eq!(world.get(LIST).await, (200, "mine".into()));
    }
}
