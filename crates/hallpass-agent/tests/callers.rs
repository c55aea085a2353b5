//! Who gets what, with real processes of real users. Needs root; skipped without.

mod support;
use hallpass_agent::*;
use std::io::Write;
use std::net::TcpStream;
use support::*;

const RULES: &str = "[[rule]]\nname = 'web'\nuser = 'www-data'\nroles = ['gone', 'app', 'ops']\n\
     [[rule]]\nname = 'adm'\ngroup = 'adm'\nroles = ['ops']\n[[rule]]\nuid = 0\nroles = ['mine']\n";

#[tokio::test(flavor = "multi_thread")]
async fn each_user_gets_its_own_and_nobody_gets_an_empty_404() {
    if !root() {
        return;
    }
    let world = world(rules(RULES)).await;
    // The profile does not have the rule's first role: the next is shown.
    assert_eq!(world.as_user(&WWW_DATA, &format!("get {LIST}")).await, "app 200");
    assert!(
        world
            .as_user(&WWW_DATA, &format!("get {LIST}app"))
            .await
            .contains("\"AccessKeyId\" : \"ASIAapp1\"")
    );
    assert!(
        world
            .as_user(&WWW_DATA, &format!("get {LIST}ops"))
            .await
            .ends_with(" 200")
    );
    assert!(
        world
            .as_user(&WWW_DATA, &format!("get {LIST}mine"))
            .await
            .ends_with(" 404")
    );
    assert_eq!(world.as_user(&NOBODY, &format!("get {LIST}")).await, " 404");
    assert!(
        world
            .as_user(&NOBODY, &format!("get {LIST}app"))
            .await
            .ends_with(" 404")
    );
    assert_eq!(
        world.as_user(&NOBODY, "get /latest/meta-data/instance-id").await,
        "i-1 200"
    );
    let adm = ["--reuid=65534", "--regid=65534", "--groups=4"];
    assert_eq!(world.as_user(&adm, &format!("get {LIST}")).await, "ops 200");
    assert_eq!(world.get(LIST).await, (200, "mine".into()));

    let events = world.audit.events.lock().unwrap();
    let issued = events
        .iter()
        .find(|event| matches!(event.outcome, EventOutcome::Issued { .. }))
        .unwrap();
    let who = issued.caller.as_ref().unwrap();
    assert_eq!((who.uid, who.user.as_deref()), (33, Some("www-data")));
    assert!(who.exe.as_ref().unwrap().ends_with("curl"));
    assert_eq!(
        (issued.rule.as_deref(), issued.door),
        (Some("web"), AuditDoor::MetadataV2)
    );
    assert!(issued.user_agent.as_ref().unwrap().starts_with("curl/"));
    assert!(
        events
            .iter()
            .any(|event| event.caller.as_ref().is_some_and(|who| who.uid == 65534))
    );
    assert!(!format!("{events:?}").contains("the-s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_one_user_is_worth_nothing_to_another() {
    if !root() {
        return;
    }
    let world = world(rules(RULES)).await;
    let token = world.token().await;
    assert!(
        world
            .as_user(
                &WWW_DATA,
                &format!("T={token}; get /latest/meta-data/instance-id")
            )
            .await
            .ends_with(" 401")
    );
    assert!(
        world
            .as_user(&WWW_DATA, &format!("T={token}; get {LIST}app"))
            .await
            .ends_with(" 401")
    );
    assert_eq!(world.refusals().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_socket_in_the_hands_of_another_user_is_nobodys() {
    if !root() {
        return;
    }
    let world = world_where(rules(RULES), true).await;
    let script = format!(
        "exec 3<>/dev/tcp/127.0.0.1/{}; exec setpriv {} bash -c \
         'printf \"GET {LIST} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n\" >&3; cat <&3'",
        world.address.port(),
        WWW_DATA.join(" ")
    );
    let answer = run(tokio::process::Command::new("bash").args(["-c", &script])).await;
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert!(
        world.refusals()[0].contains("made by uid 0 but process"),
        "{:?}",
        world.refusals()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_held_by_another_uid_than_its_creator_is_refused() {
    if !root() {
        return;
    }
    let world = world_where(rules(RULES), true).await;
    let address = world.address;
    let status = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        // Only root can do this; it leaves what passing the descriptor leaves: www-data's socket, held by root.
        std::os::unix::fs::fchown(&stream, Some(33), None).unwrap();
        stream
            .write_all(request("GET", LIST, &[], true).as_bytes())
            .unwrap();
        read_answer(&mut stream)
    });
    let (status, _, body) = status.await.unwrap();
    assert_eq!((status, body.as_str()), (404, ""));
    assert!(
        world.refusals()[0].contains("made by uid 33"),
        "{:?}",
        world.refusals()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_socket_that_speaks_ipv4_is_its_owners() {
    if !root() {
        return;
    }
    let world = world(rules(RULES)).await;
    let script = format!(
        "import socket\ns=socket.socket(socket.AF_INET6)\ns.connect(('::ffff:127.0.0.1',{}))\n\
         s.sendall(b'PUT /latest/api/token HTTP/1.1\\r\\nHost: localhost\\r\\n{TTL}: 5\\r\\nConnection: close\\r\\n\\r\\n')\n\
         print(s.recv(12).decode())",
        world.address.port()
    );
    let answer = run(tokio::process::Command::new("python3").args(["-c", &script])).await;
    assert_eq!(answer.trim(), "HTTP/1.1 200");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_token_works_for_its_user_and_role_only() {
    if !root() {
        return;
    }
    let world = world(rules(RULES)).await;
    let token = world.agent.container_token("app", 33);
    let ask = format!(
        "curl -s -w ' %{{http_code}}' -H 'Authorization: {}' $U/v1/credentials",
        token.expose()
    );
    assert!(
        world
            .as_user(&WWW_DATA, &ask)
            .await
            .contains("\"AccessKeyId\":\"ASIAapp1\"")
    );
    assert!(
        world
            .as_user(
                &WWW_DATA,
                &format!("curl -s $U/v2/credentials/{}", token.expose())
            )
            .await
            .contains("ASIAapp1")
    );
    let replayed = world.as_user(&NOBODY, &ask).await;
    assert!(
        replayed.contains("InvalidIdInRequest") && replayed.ends_with(" 400"),
        "{replayed}"
    );
    for none in ["-H 'Authorization;'", "", "-H 'Authorization: wrong'"] {
        let answer = world
            .as_user(
                &WWW_DATA,
                &format!("curl -s -w ' %{{http_code}}' {none} $U/v1/credentials"),
            )
            .await;
        assert!(answer.ends_with(" 400"), "{answer}");
    }
    // A token for a role the rules do not give is a token for nothing.
    let other = world.agent.container_token("mine", 33);
    let ask = format!(
        "curl -s -w ' %{{http_code}}' -H 'Authorization: {}' $U/v1/credentials",
        other.expose()
    );
    assert!(world.as_user(&WWW_DATA, &ask).await.ends_with(" 403"));
}
