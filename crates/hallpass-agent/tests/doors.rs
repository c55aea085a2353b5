//! The doors and the leases behind them, over real sockets, as whoever runs the test.

mod support;
use hallpass_agent::client::{Client, ClientError};
use hallpass_agent::run_endpoint::RunEndpoint;
use hallpass_agent::*;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::*;

fn mine() -> RulesSource {
    RulesSource::Fixed(Arc::new(Rules::only(
        rustix::process::geteuid().as_raw(),
        &["app"],
    )))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_alive_connection_is_decided_anew_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    std::fs::write(
        &path,
        format!(
            "[[rule]]\nuid = {}\nroles = ['app']\n",
            rustix::process::geteuid().as_raw()
        ),
    )
    .unwrap();
    let file = Arc::new(RulesFile::open(&path).unwrap());
    let world = world(RulesSource::File(file.clone())).await;
    let token = world.token().await;
    let mut stream = TcpStream::connect(world.address).unwrap();
    let mut ask = || {
        stream
            .write_all(request("GET", LIST, &[("X-aws-ec2-metadata-token", &token)], false).as_bytes())
            .unwrap();
        let answer = read_answer(&mut stream);
        (answer.0, answer.2)
    };
    assert_eq!(ask(), (200, "app".into()));
    // A broken file changes nothing, and says so.
    std::fs::write(&path, "[[rule]\n").unwrap();
    assert!(file.reload().is_err() && file.error().is_some());
    assert_eq!(ask(), (200, "app".into()));
    std::fs::write(&path, "").unwrap();
    file.reload().unwrap();
    assert_eq!(ask(), (404, String::new()));
    assert_eq!(world.agent.status().rules, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_the_source_is_asked_once() {
    let world = Arc::new(world(mine()).await);
    let socket = tempfile::tempdir().unwrap();
    let path = socket.path().join("agent.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (agent, until) = (world.agent.clone(), world.shutdown.clone());
    tokio::spawn(async move { agent.serve_socket(listener, until).await });
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let client = Client::new(&path);
            tokio::spawn(async move { client.credentials("app").await.unwrap().access_key_id })
        })
        .collect();
    for one in asking {
        assert_eq!(one.await.unwrap(), "ASIAapp1");
    }
    assert_eq!(world.source.calls.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_leaves_the_old_lease_until_its_end_and_no_longer() {
    let world = world(mine()).await;
    let role = format!("{LIST}app");
    assert!(world.get(&role).await.1.contains("ASIAapp1"));
    *world.source.fail.lock().unwrap() = Some(SourceError::Unavailable("down".into()));
    world.clock.0.fetch_add(3500, Ordering::SeqCst);
    assert!(world.get(&role).await.1.contains("ASIAapp1"));
    world.clock.0.fetch_add(100, Ordering::SeqCst);
    assert_eq!(world.get(&role).await, (503, String::new()));
    assert_eq!(world.get(LIST).await, (404, String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_metadata_path_hands_out_has_25_minutes_left() {
    let world = world(mine()).await;
    let role = format!("{LIST}app");
    assert!(world.get(&role).await.1.contains("ASIAapp1"));
    world.clock.0.fetch_add(3600 - 25 * 60 + 1, Ordering::SeqCst);
    assert!(world.get(&role).await.1.contains("ASIAapp2"));
    // Sessions that are too short even when fresh are not offered here; the container path has them.
    world.source.life.store(900, Ordering::SeqCst);
    world.clock.0.fetch_add(3600, Ordering::SeqCst);
    assert_eq!(world.get(LIST).await, (404, String::new()));
    let token = world
        .agent
        .container_token("app", rustix::process::geteuid().as_raw());
    let answer = world
        .ask("GET", "/v1/credentials", &[("Authorization", token.expose())])
        .await;
    assert_eq!(answer.0, 200, "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_handed_out_that_cannot_be_recorded() {
    let world = world(mine()).await;
    world.audit.broken.store(true, Ordering::SeqCst);
    assert_eq!(world.get(&format!("{LIST}app")).await, (503, String::new()));
    let token = world
        .agent
        .container_token("app", rustix::process::geteuid().as_raw());
    let (status, body) = world
        .ask("GET", "/v1/credentials", &[("Authorization", token.expose())])
        .await;
    assert!(status == 503 && !body.contains("ASIA"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_machine_serves_nothing() {
    let world = world(mine()).await;
    *world.source.machine.lock().unwrap() = Err(SourceError::Refused("terminated".into()));
    assert_eq!(world.ask("GET", LIST, &[]).await, (404, String::new()));
    assert_eq!(
        world.ask("GET", "/latest/meta-data/instance-id", &[]).await.0,
        503
    );
    assert_eq!(world.agent.status().leases, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wire_is_guarded() {
    let world = world(mine()).await;
    let put = async |headers: &[(&str, &str)]| world.ask("PUT", "/latest/api/token", headers).await.0;
    assert_eq!(put(&[(TTL, "5"), ("Host", "evil.test")]).await, 403);
    assert_eq!(put(&[(TTL, "5"), ("Origin", "http://evil.test")]).await, 403);
    assert_eq!(put(&[(TTL, "5"), ("x-forwarded-for", "1.2.3.4")]).await, 403);
    assert_eq!(
        put(&[
            (TTL, "5"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__")
        ])
        .await,
        200
    );
    assert_eq!(put(&[(TTL, "5"), ("X-Big", &"x".repeat(20_000))]).await, 431);
    assert_eq!(world.ask("GET", "http://evil.test/latest/", &[]).await.0, 403);
    assert_eq!(
        world.get("//latest//meta-data/placement/region").await,
        (200, "eu-central-1".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_run_endpoint_serves_one_role_on_both_protocols() {
    let world = world(mine()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let (agent, until) = (world.agent.clone(), world.shutdown.clone());
    tokio::spawn(async move { agent.serve_socket(listener, until).await });
    // The fake clock is far ahead of the endpoint's own, so its leases look long there.
    let client = Client::new(&path);
    assert_eq!(client.roles().await.unwrap(), ["app"]);
    assert_eq!(client.machine().await.unwrap().region, "eu-central-1");
    assert_eq!(
        client.explain(None).await.unwrap().matched.as_deref(),
        Some("rule 1")
    );
    assert!(matches!(
        client.credentials("ops").await,
        Err(ClientError::Refused { .. })
    ));
    assert!(RunEndpoint::start(&path, "ops").await.is_err());

    let endpoint = RunEndpoint::start(&path, "app").await.unwrap();
    let get = async |url: String, header: String| {
        run(tokio::process::Command::new("curl").args(["-s", "-m", "5", "-H", &header, &url])).await
    };
    let base = endpoint.metadata_url.trim_end_matches('/');
    assert_eq!(get(format!("{base}{LIST}"), "A: b".into()).await, "app");
    assert!(
        get(format!("{base}{LIST}app"), "A: b".into())
            .await
            .contains("ASIAapp")
    );
    assert_eq!(
        get(format!("{base}/latest/meta-data/placement/region"), "A: b".into()).await,
        "eu-central-1"
    );
    let authorization = format!("Authorization: {}", endpoint.token.expose());
    assert!(
        get(endpoint.container_url.clone(), authorization)
            .await
            .contains("\"AccessKeyId\":\"ASIAapp")
    );
    assert!(
        get(endpoint.container_url.clone(), "Authorization: x".into())
            .await
            .contains("InvalidIdInRequest")
    );
    assert_eq!(client.status().await.unwrap().leases.len(), 1);
}
