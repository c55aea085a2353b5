use super::*;
use crate::{BoxFuture, Machine, SystemEntropy};
use hallpass_secret::Secret;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

struct Moving(AtomicI64);
impl Clock for Moving {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(self.0.load(Ordering::SeqCst))
    }
}

struct Source;
impl CredentialSource for Source {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Box::pin(std::future::ready(Err(SourceError::Refused("not asked".into()))))
    }
    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        let name = session.session_name.clone().unwrap_or_default();
        Box::pin(std::future::ready(Ok(Issued {
            access_key_id: name,
            secret: Secret::new("s"),
            token: Secret::new("t"),
            issued_at: UnixSeconds(0),
            expires_at: UnixSeconds(1_000_000),
            account: String::new(),
            role_arn: String::new(),
        })))
    }
}

#[tokio::test]
async fn leases_are_bounded_and_the_one_longest_unasked_for_goes_first() {
    let clock = Arc::new(Moving(AtomicI64::new(0)));
    let leases = Arc::new(Leases::new(
        Arc::new(Source),
        clock.clone(),
        Arc::new(SystemEntropy),
    ));
    let session = |number: usize| SessionRequest {
        session_name: Some(format!("p{number}")),
        ..SessionRequest::of_role("app")
    };
    for number in 0..LEASES_MAX {
        clock.0.fetch_add(1, Ordering::SeqCst);
        leases.get(&session(number), 0).await.unwrap();
    }
    // Asked for again, the oldest is not the idlest any more.
    clock.0.fetch_add(1, Ordering::SeqCst);
    leases.get(&session(0), 0).await.unwrap();
    clock.0.fetch_add(1, Ordering::SeqCst);
    leases.get(&session(LEASES_MAX), 0).await.unwrap();
    let kept: Vec<String> = leases
        .status()
        .into_iter()
        .map(|lease| lease.access_key_id)
        .collect();
    assert_eq!(kept.len(), LEASES_MAX);
    assert!(kept.contains(&"p0".to_owned()) && kept.contains(&format!("p{LEASES_MAX}")));
    assert!(!kept.contains(&"p1".to_owned()));
}

/// Sessions of an hour, by a clock of its own that nobody sets.
struct Hours(tokio::time::Instant, AtomicUsize);
impl CredentialSource for Hours {
    fn machine(&self) -> BoxFuture<'_, Result<Machine, SourceError>> {
        Source.machine()
    }
    fn issue<'a>(&'a self, session: &'a SessionRequest) -> BoxFuture<'a, Result<Issued, SourceError>> {
        let end = i64::try_from(self.0.elapsed().as_secs()).unwrap() + 3_600;
        self.1.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let mut issued = Source.issue(session).await?;
            issued.expires_at = UnixSeconds(end);
            Ok(issued)
        })
    }
}

/// The clock is that of [`Hours`], and off by what is set.
struct Off(tokio::time::Instant, AtomicI64);
impl Clock for Off {
    fn now(&self) -> UnixSeconds {
        UnixSeconds(i64::try_from(self.0.elapsed().as_secs()).unwrap() + self.1.load(Ordering::SeqCst))
    }
}

#[tokio::test(start_paused = true)]
async fn an_hour_back_or_on_neither_lengthens_a_lease_nor_leaves_it_stuck() {
    let begin = tokio::time::Instant::now();
    let clock = Arc::new(Off(begin, AtomicI64::new(0)));
    let source = Arc::new(Hours(begin, AtomicUsize::new(0)));
    let leases = Arc::new(Leases::new(
        source.clone(),
        clock.clone(),
        Arc::new(SystemEntropy),
    ));
    let session = SessionRequest::of_role("app");
    let shown = async || {
        leases
            .get(&session, 1)
            .await
            .map(|lease| lease.issued.expires_at.0)
    };
    let pass = async |seconds| tokio::time::sleep(Duration::from_secs(seconds)).await;
    assert_eq!(shown().await, Ok(3_600));
    pass(600).await;
    clock.1.store(-3_600, Ordering::SeqCst);
    // Fifty minutes by every clock.
    assert_eq!(shown().await, Ok(0));
    assert_eq!(leases.known(&session).unwrap().issued.expires_at.0, 0);
    assert_eq!(leases.status()[0].expires_at.0, 0);
    assert_eq!(source.1.load(Ordering::SeqCst), 1);
    // Renewed in its time: nobody is served what has ended.
    pass(3_000).await;
    shown().await.unwrap();
    assert_eq!(source.1.load(Ordering::SeqCst), 2);
    // On again, and beyond: what is over by the clock is fetched, and what cannot be is told.
    clock.1.store(0, Ordering::SeqCst);
    assert_eq!(shown().await, Ok(7_200));
    clock.1.store(3_600, Ordering::SeqCst);
    assert_eq!(shown().await, Err(LeaseError::Expired));
    clock.1.store(0, Ordering::SeqCst);
    assert_eq!(shown().await, Ok(7_200));
}
