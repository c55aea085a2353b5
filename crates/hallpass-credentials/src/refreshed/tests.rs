use super::*;
use hallpass_secret::Secret;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

const START: i64 = 1_440_938_160;
const LIFE: i64 = 3_600;

/// What one fetch does.
enum Turn {
    /// Credentials that live this long, in seconds from [`START`].
    Until(i64),
    Undated,
    Fail,
    Hang,
}

/// Each fetch takes a second and does the next turn; the credentials' secret is the number of the fetch.
#[derive(Default)]
struct Script {
    turns: Mutex<VecDeque<Turn>>,
    fetches: AtomicUsize,
}

impl Fetch for Arc<Script> {
    fn what(&self) -> String {
        "script".to_owned()
    }

    async fn fetch(&self, _now: UnixSeconds) -> Result<Fetched, FetchError> {
        let number = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
        let turn = self
            .turns
            .lock()
            .unwrap()
            .pop_front()
            .expect("a fetch more than expected");
        tokio::time::sleep(Duration::from_secs(1)).await;
        let expires_at = match turn {
            Turn::Until(expiry) => Some(UnixSeconds(START + expiry)),
            Turn::Undated => None,
            Turn::Fail => return Err(FetchError::Status(500)),
            Turn::Hang => std::future::pending().await,
        };
        let credentials = SigningCredentials {
            access_key_id: "ASIAIOSFODNN7EXAMPLE".parse().unwrap(),
            secret: Secret::new(number.to_string()),
            session_token: None,
        };
        Ok(Fetched {
            credentials,
            expires_at,
        })
    }
}

fn none() -> Result<usize, String> {
    Err("script".to_owned())
}

struct Lab {
    refreshed: Refreshed<Arc<Script>>,
    script: Arc<Script>,
    began: Instant,
}

impl Lab {
    fn new(turns: impl IntoIterator<Item = Turn>) -> Self {
        let script = Arc::new(Script::default());
        script.turns.lock().unwrap().extend(turns);
        Self {
            refreshed: Refreshed::new(Arc::clone(&script)),
            script,
            began: Instant::now(),
        }
    }

    /// The clock on the wall moves with tokio's.
    fn now(&self) -> UnixSeconds {
        later(UnixSeconds(START), self.began)
    }

    /// Moves on to this many seconds after the start, letting tasks run.
    async fn at(&self, seconds: u64) {
        tokio::time::sleep_until(self.began + Duration::from_secs(seconds)).await;
    }

    /// Asks now: the number of the fetch that the answer is from, or whose fault it is that there is none.
    async fn ask(&self) -> Result<usize, String> {
        let answer = self.refreshed.current(self.now()).await;
        answer
            .map(|fetched| fetched.credentials.secret.expose().parse().unwrap())
            .map_err(|error| error.what)
    }

    fn fetches(&self) -> usize {
        self.script.fetches.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_hundred_askers_are_served_by_one_fetch() {
    let lab = Arc::new(Lab::new([Turn::Until(LIFE)]));
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.ask().await })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap(), Ok(1));
    }
    assert_eq!(lab.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_askers_of_a_fetch_that_fails_all_hear_it_at_once() {
    let lab = Arc::new(Lab::new([Turn::Fail]));
    let askers: Vec<_> = (0..100)
        .map(|_| {
            let lab = Arc::clone(&lab);
            tokio::spawn(async move { lab.ask().await })
        })
        .collect();
    for asker in askers {
        assert_eq!(asker.await.unwrap(), none());
    }
    assert_eq!((lab.fetches(), lab.began.elapsed().as_secs()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_asker_that_goes_away_does_not_end_the_fetch() {
    let lab = Lab::new([Turn::Until(LIFE)]);
    let impatient = tokio::time::timeout(Duration::from_millis(10), lab.ask()).await;
    assert!(impatient.is_err());
    assert_eq!(lab.ask().await, Ok(1));
    assert_eq!(lab.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn they_are_renewed_ahead_of_time_and_nobody_waits() {
    let lab = Lab::new([Turn::Until(LIFE), Turn::Until(2 * LIFE)]);
    lab.refreshed.prefetch(lab.now());
    // A quarter of an hour is left, to the second.
    lab.at(2_700).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(1), 1));
    lab.at(2_702).await;
    for _ in 0..3 {
        assert_eq!(lab.ask().await, Ok(1), "still the old, at once");
    }
    assert_eq!(lab.now(), UnixSeconds(START + 2_702));
    lab.at(2_704).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(2), 2));
}

#[tokio::test(start_paused = true)]
async fn short_lives_are_renewed_within_them_and_not_at_every_request() {
    // All of it is less than five minutes.
    let lab = Lab::new([Turn::Until(101), Turn::Until(201)]);
    assert_eq!(lab.ask().await, Ok(1));
    lab.at(25).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(1), 1));
    lab.at(27).await;
    assert_eq!(lab.ask().await, Ok(1));
    lab.at(30).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(2), 2));
}

#[tokio::test(start_paused = true)]
async fn the_last_good_ones_serve_until_they_expire_and_no_longer() {
    let lab = Lab::new((0..200).map(|turn| if turn == 0 { Turn::Until(LIFE) } else { Turn::Fail }));
    assert_eq!(lab.ask().await, Ok(1));
    for seconds in 2_702..3_600 {
        lab.at(seconds).await;
        assert_eq!(lab.ask().await, Ok(1), "{seconds}");
    }
    let tries = lab.fetches() - 1;
    assert!(
        (20..80).contains(&tries),
        "{tries} in fifteen minutes: at most 30 s apart, 15 at least"
    );
    lab.at(3_600).await;
    assert_eq!(lab.ask().await, none());
}

#[tokio::test(start_paused = true)]
async fn what_expires_while_its_successor_is_fetched_is_not_served() {
    let lab = Lab::new([Turn::Until(LIFE), Turn::Until(LIFE)]);
    assert_eq!(lab.ask().await, Ok(1));
    // The second fetch ends when what it brings has expired.
    lab.at(3_599).await;
    assert_eq!(lab.ask().await, Ok(1));
    lab.at(3_600).await;
    assert_eq!(lab.ask().await, none());
    assert_eq!(lab.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_gives_expired_ones_has_failed() {
    let lab = Lab::new([Turn::Until(1), Turn::Until(LIFE)]);
    assert_eq!(lab.ask().await, none());
    assert_eq!((lab.ask().await, lab.fetches()), (none(), 1), "from the pause");
    lab.at(3).await;
    assert_eq!(lab.ask().await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_less_and_less_often() {
    let lab = Lab::new([Turn::Fail, Turn::Fail, Turn::Fail, Turn::Until(LIFE)]);
    assert_eq!(lab.ask().await, none());
    let failed = Instant::now();
    assert_eq!(lab.ask().await, none());
    assert_eq!(
        (failed.elapsed(), lab.fetches()),
        (Duration::ZERO, 1),
        "at once, from the pause"
    );
    // Pauses of 1, 2 and 4 s, or half of that; each fetch takes 1 s.
    for (pause, fetches) in [(1, 2), (2, 3)] {
        tokio::time::sleep(Duration::from_millis(pause * 499)).await;
        assert_eq!((lab.ask().await, lab.fetches()), (none(), fetches - 1));
        tokio::time::sleep(Duration::from_millis(pause * 501)).await;
        assert_eq!((lab.ask().await, lab.fetches()), (none(), fetches));
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(4), 4));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_hangs_ends_at_its_deadline() {
    let lab = Lab::new([Turn::Hang, Turn::Until(LIFE)]);
    assert_eq!(lab.ask().await, none());
    assert_eq!(lab.began.elapsed(), Duration::from_secs(10));
    lab.at(12).await;
    assert_eq!(lab.ask().await, Ok(2));
}

#[tokio::test(start_paused = true)]
async fn credentials_without_expiry_are_asked_for_again_and_stay_good() {
    let lab = Lab::new([Turn::Undated, Turn::Fail, Turn::Undated]);
    assert_eq!(lab.ask().await, Ok(1));
    lab.at(302).await;
    assert_eq!(lab.ask().await, Ok(1));
    lab.at(304).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(1), 2));
    lab.at(306).await;
    assert_eq!((lab.ask().await, lab.fetches()), (Ok(3), 3));
}

/// An hour back, ten minutes into a life of one: what is left is what was, and it is renewed and ends in its time.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_lengthens_no_life() {
    let lab = Lab::new([Turn::Until(LIFE), Turn::Fail]);
    let until = |fetched: Result<Fetched, NoCredentials>| fetched.unwrap().expires_at.unwrap().0 - START;
    let set_back = |lab: &Lab| lab.now().plus(-3_600);
    assert_eq!(until(lab.refreshed.current(lab.now()).await), LIFE);
    lab.at(600).await;
    assert_eq!(until(lab.refreshed.current(lab.now().plus(-59)).await), LIFE);
    assert_eq!(until(lab.refreshed.current(set_back(&lab)).await), LIFE - 3_600);
    lab.at(2_800).await;
    assert_eq!(until(lab.refreshed.current(set_back(&lab)).await), LIFE - 3_600);
    lab.at(2_802).await;
    assert_eq!(lab.fetches(), 2, "due");
    lab.at(3_599).await;
    lab.script.turns.lock().unwrap().push_back(Turn::Until(2 * LIFE));
    assert_eq!(until(lab.refreshed.current(set_back(&lab)).await), LIFE - 3_600);
    // Set right again, it is what the source says.
    lab.at(3_700).await;
    assert_eq!(until(lab.refreshed.current(lab.now()).await), 2 * LIFE);
}

/// What is over by the clock is fetched anew at once, and only once if that is over as well.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_on_waits_for_no_pause() {
    let lab = Lab::new([Turn::Until(LIFE), Turn::Until(3 * LIFE), Turn::Until(4 * LIFE)]);
    let ask = async |on| {
        let answer = lab.refreshed.current(lab.now().plus(on)).await;
        answer
            .map(|fetched| fetched.expires_at.unwrap().0 - START)
            .map_err(|error| error.reason)
    };
    assert_eq!(ask(0).await, Ok(LIFE));
    assert_eq!(ask(LIFE).await, Ok(3 * LIFE));
    for _ in 0..5 {
        assert_eq!(ask(5 * LIFE).await, Err("gave expired credentials".to_owned()));
    }
    assert_eq!(lab.fetches(), 3);
}
