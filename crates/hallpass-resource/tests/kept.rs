//! What is kept survives, and what is gone is gone.
#![allow(clippy::unwrap_used, reason = "tests")]

use hallpass_resource::{
    CorsConfiguration, CorsRule, PublicAccessBlock, ResourcePolicies, ResourcePolicyError,
};
use hallpass_store::{MemoryStore, Store, Txn};
use std::sync::Arc;

const ARN: &str = "arn:aws:s3:::b";
const POLICY: &str = r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#;

#[tokio::test]
async fn a_policy_and_a_block_are_there_after_a_restart_until_their_bucket_goes() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = ResourcePolicies::open(Arc::clone(&store)).await.unwrap();
    assert_eq!(first.block("b"), PublicAccessBlock::ALL);
    first.put(ARN, POLICY.to_owned()).await.unwrap();
    first.put_block("b", PublicAccessBlock::NONE).await.unwrap();
    first.put_block("c", PublicAccessBlock::NONE).await.unwrap();

    let second = ResourcePolicies::open(Arc::clone(&store)).await.unwrap();
    let kept = second.policy(ARN).unwrap();
    assert_eq!((kept.text.as_str(), kept.is_public), (POLICY, true));
    assert_eq!(second.block("b"), PublicAccessBlock::NONE);
    second.forget_bucket("b").await.unwrap();
    assert!(second.policy(ARN).is_none());

    let third = ResourcePolicies::open(store).await.unwrap();
    assert!(third.policy(ARN).is_none());
    assert_eq!(
        (third.block("b"), third.block("c")),
        (PublicAccessBlock::ALL, PublicAccessBlock::NONE)
    );
}

#[tokio::test]
async fn rules_for_other_origins_are_kept_and_go_with_their_bucket() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let first = ResourcePolicies::open(Arc::clone(&store)).await.unwrap();
    let rule = CorsRule {
        id: Some("é".to_owned()),
        allowed_origins: vec!["*".to_owned()],
        allowed_methods: vec!["GET".to_owned()],
        max_age_seconds: Some(0),
        ..CorsRule::default()
    };
    let rules = CorsConfiguration::new(vec![rule]).unwrap();
    for bucket in ["b", "c", "d"] {
        first.put_cors(bucket, rules.clone()).await.unwrap();
    }
    first.delete_cors("c").await.unwrap();

    let second = ResourcePolicies::open(Arc::clone(&store)).await.unwrap();
    assert_eq!(second.cors("b").as_deref(), Some(&rules));
    assert_eq!(second.cors("c"), None);
    second.forget_bucket("b").await.unwrap();
    // Nobody is let in by what cannot be read, and the rest is served.
    store
        .commit(Txn::put("/bucket-cors/d", "nonsense"))
        .await
        .unwrap();
    let third = ResourcePolicies::open(store).await.unwrap();
    assert_eq!((third.cors("b"), third.cors("d")), (None, None));
}

#[tokio::test]
async fn what_is_no_policy_is_refused_and_changes_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let policies = ResourcePolicies::open(Arc::clone(&store)).await.unwrap();
    policies.put(ARN, POLICY.to_owned()).await.unwrap();
    for bad in [
        "",
        "{",
        r#"{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#,
    ] {
        let error = policies.put(ARN, bad.to_owned()).await.unwrap_err();
        assert!(matches!(error, ResourcePolicyError::Malformed(_)), "{bad}");
    }
    assert_eq!(policies.policy(ARN).unwrap().text, POLICY);
    // A damaged one must not be taken for none: it may deny.
    store
        .commit(Txn::put("/resource-policy/arn:aws:s3:::x", "nonsense"))
        .await
        .unwrap();
    assert!(ResourcePolicies::open(store).await.is_err());
}
