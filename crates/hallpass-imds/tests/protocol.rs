//! The protocol's tables, row by row.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use hallpass_imds::*;
use hallpass_types::UnixSeconds;
use http::{HeaderMap, Method};

const NOW: UnixSeconds = UnixSeconds(1_900_000_000);
const TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

fn instance() -> InstanceView {
    InstanceView {
        instance_id: "i-1234567890abcdef0".into(),
        account: "123456789012".into(),
        region: "eu-central-1".into(),
        availability_zone: "eu-central-1a".into(),
        private_ip: "172.16.34.43".into(),
        image_id: "ami-0a887e401f7654935".into(),
        instance_type: "m4.xlarge".into(),
        architecture: "x86_64".into(),
        hostname: None,
        mac: Some("0e:49:61:0f:c3:11".into()),
        subnet_id: None,
        vpc_id: None,
        reservation_id: None,
        security_groups: vec!["default".into()],
        profile: Some((
            "arn:aws:iam::123456789012:instance-profile/web".into(),
            "AIPAEXAMPLE".into(),
        )),
        launched: UnixSeconds(1_800_000_000),
        tags: Some(
            [
                ("Name".to_owned(), "web 1".to_owned()),
                ("a/b".to_owned(), "no".to_owned()),
            ]
            .into(),
        ),
        user_data: None,
    }
}

struct World {
    tree: Tree,
    tokens: TokenKey,
    hosts: HostPolicy,
    v1: bool,
    enabled: bool,
    caller: &'static str,
    roles: Vec<String>,
    now: UnixSeconds,
}

fn world() -> World {
    World {
        tree: Tree::new(instance()),
        tokens: TokenKey::new(&[7; 32]).unwrap(),
        hosts: HostPolicy::default(),
        v1: false,
        enabled: true,
        caller: "33.1.1",
        roles: vec!["web".into(), "web-admin".into()],
        now: NOW,
    }
}

impl World {
    fn ask(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Reply {
        let mut map = HeaderMap::new();
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            map.append("host", "169.254.169.254".parse().unwrap());
        }
        for (name, value) in headers {
            map.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let service = Service {
            tree: &self.tree,
            tokens: &self.tokens,
            hosts: &self.hosts,
            v1_allowed: self.v1,
            endpoint_enabled: self.enabled,
        };
        let caller = CallerView {
            id: self.caller,
            roles: &self.roles,
        };
        respond(
            &service,
            &caller,
            self.now,
            [9; 12],
            &ImdsRequest {
                method: &method,
                path: &normalize(target),
                headers: &map,
            },
        )
    }

    fn answer(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> ImdsResponse {
        match self.ask(method, target, headers) {
            Reply::Answer { response, .. } | Reply::RoleList { response, .. } => response,
            Reply::Credentials { role, .. } => ImdsResponse::text(299, role),
        }
    }

    fn token(&self) -> String {
        let answer = self.answer("PUT", "/latest/api/token", &[(TTL, "60")]);
        assert_eq!(answer.status, 200);
        String::from_utf8(answer.body).unwrap()
    }

    fn get(&self, target: &str) -> (u16, String) {
        let answer = self.answer("GET", target, &[(TOKEN, &self.token())]);
        (answer.status, String::from_utf8(answer.body).unwrap())
    }
}

#[test]
fn a_token_has_the_real_ones_shape_and_its_reply_the_ttl() {
    let answer = world().answer("PUT", "/latest/api/token", &[(TTL, "21600")]);
    let token = String::from_utf8(answer.body.clone()).unwrap();
    assert_eq!(
        (token.len(), token.ends_with("=="), token.contains('\n')),
        (56, true, false)
    );
    assert_eq!(
        answer.header("x-aws-ec2-metadata-token-ttl-seconds"),
        Some("21600")
    );
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("server"), Some("EC2ws"));
}

#[test]
fn only_a_whole_number_from_1_to_21600_is_a_ttl() {
    for good in ["1", "21600", "300"] {
        assert_eq!(
            world().answer("PUT", "/latest/api/token", &[(TTL, good)]).status,
            200,
            "{good}"
        );
    }
    for bad in [
        "0",
        "21601",
        "-1",
        "1e4",
        "",
        "+5",
        "5 5",
        "99999999999999999999",
        "0x10",
    ] {
        assert_eq!(
            world().answer("PUT", "/latest/api/token", &[(TTL, bad)]).status,
            400,
            "{bad}"
        );
    }
    assert_eq!(world().answer("PUT", "/latest/api/token", &[]).status, 400);
    assert_eq!(
        world()
            .answer("PUT", "/latest/api/token", &[(TTL, "5"), (TTL, "5")])
            .status,
        400
    );
}

#[test]
fn a_forwarded_request_gets_no_token() {
    for header in [
        "X-Forwarded-For",
        "x-forwarded-for",
        "X_Forwarded_For",
        "Forwarded",
        "Via",
        "X-Real-IP",
    ] {
        let answer = world().answer("PUT", "/latest/api/token", &[(TTL, "5"), (header, "1.2.3.4")]);
        assert_eq!(answer.status, 403, "{header}");
    }
}

#[test]
fn the_token_path_is_exact_and_takes_put_only() {
    for target in ["/2021-03-23/api/token", "/latest/api/token/"] {
        let answer = world().answer("PUT", target, &[(TTL, "5")]);
        assert_eq!((answer.status, answer.body.len()), (403, 0), "{target}");
    }
    for method in ["GET", "POST", "HEAD", "DELETE", "TRACE"] {
        let answer = world().answer(method, "/latest/api/token", &[]);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, Some("OPTIONS, PUT")),
            "{method}"
        );
        assert!(answer.body.is_empty());
    }
    let override_header = world().answer(
        "GET",
        "/latest/api/token",
        &[("X-HTTP-Method-Override", "PUT"), (TTL, "5")],
    );
    assert_eq!(override_header.status, 405);
}

#[test]
fn a_token_works_for_its_caller_on_its_instance_until_its_end() {
    let mut world = world();
    let token = world.token();
    let status = |world: &World| {
        world
            .answer("GET", "/latest/meta-data/instance-id", &[(TOKEN, &token)])
            .status
    };
    assert_eq!(status(&world), 200);
    world.now = NOW.plus(59);
    assert_eq!(status(&world), 200);
    world.now = NOW.plus(60);
    assert_eq!(status(&world), 401);
    world.now = NOW;
    world.caller = "34.1.1";
    assert_eq!(status(&world), 401);
    world.caller = "33.1.1";
    let mut other = instance();
    other.instance_id = "i-other".into();
    world.tree = Tree::new(other);
    assert_eq!(status(&world), 401);
    world.tree = Tree::new(instance());
    world.tokens = TokenKey::new(&[8; 32]).unwrap();
    assert_eq!(status(&world), 401);
}

#[test]
fn every_changed_letter_of_a_token_breaks_it() {
    let world = world();
    let token = world.token();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(world.answer("GET", "/", &[(TOKEN, &changed)]).status, 401, "{at}");
    }
}

#[test]
fn without_a_token_only_version_1_is_served_and_a_bad_token_never() {
    let mut world = world();
    let answer = world.answer("GET", "/latest/meta-data/instance-id", &[]);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (401, Some("text/html"))
    );
    world.v1 = true;
    assert_eq!(
        world.answer("GET", "/latest/meta-data/instance-id", &[]).status,
        200
    );
    for bad in ["", "x", "AAAA"] {
        assert_eq!(
            world
                .answer("GET", "/latest/meta-data/instance-id", &[(TOKEN, bad)])
                .status,
            401
        );
    }
    assert_eq!(
        world
            .answer(
                "GET",
                "/latest/meta-data/instance-id",
                &[("X-Forwarded-For", "1.1.1.1")]
            )
            .status,
        403
    );
}

#[test]
fn paths_have_one_normal_form() {
    let world = world();
    for same in [
        "/latest/meta-data/instance-id",
        "//latest///meta-data//instance-id",
        "/latest/meta-data/instance-id/",
        "/latest/meta%2ddata/instance-id",
        "/latest%2fmeta-data/instance-id",
        "/latest/meta-data/instance-id?x=../..",
        "http://169.254.169.254/latest/meta-data/instance-id",
        "http://127.0.0.1:8080/latest/meta-data/instance-id",
        "/2009-04-04/meta-data/instance-id",
        "/1.0/meta-data/instance-id",
    ] {
        assert_eq!(world.get(same), (200, "i-1234567890abcdef0".into()), "{same}");
    }
    for climbing in [
        "/latest/./meta-data",
        "/latest/../latest",
        "/latest/%2e%2e/x",
        "/latest/%2E/x",
        "/%c0%ae",
        "/%",
        "/%0d%0aX",
        "/%zz",
        "*",
        "latest/",
    ] {
        assert_eq!(world.get(climbing).0, 400, "{climbing}");
    }
    for nothing in [
        "/latest/%252e%252e/meta-data",
        "/LATEST/meta-data",
        "/latest/meta-data/instance-id;x=y",
        "/latest/meta-data/instance-id.",
        "/2099-01-01/",
        "/latest/meta-data\\instance-id",
        "/latest/meta-data/instance-id%20",
        "/latest/meta-data/instance",
    ] {
        let (status, body) = world.get(nothing);
        assert_eq!(status, 404, "{nothing}");
        assert!(body.starts_with("<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>"));
    }
    assert_eq!(world.get("http://evil.test/latest/meta-data/instance-id").0, 403);
}

#[test]
fn lists_are_separated_by_newlines_and_end_without_one() {
    let world = world();
    assert_eq!(
        world.get("/latest"),
        (200, "dynamic\nmeta-data\nuser-data".into())
    );
    assert_eq!(world.get("/latest/").1, world.get("/latest").1);
    let versions = world.get("/").1;
    assert!(versions.starts_with("1.0\n2007-01-19\n") && versions.ends_with("\nlatest"));
    for version in versions.lines() {
        assert_eq!(world.get(&format!("/{version}/dynamic")).0, 200);
    }
    let list = world.get("/latest/meta-data").1;
    assert!(list.lines().any(|line| line == "iam/") && list.lines().any(|line| line == "placement/"));
    assert_eq!(world.get("/latest/meta-data/tags/instance"), (200, "Name".into()));
    assert_eq!(
        world.get("/latest/meta-data/tags/instance/Name"),
        (200, "web 1".into())
    );
    assert_eq!(
        world.get("/latest/dynamic/instance-identity"),
        (200, "document".into())
    );
}

#[test]
fn everything_listed_can_be_read() {
    fn crawl(world: &World, path: &str) {
        let (status, body) = world.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(!body.ends_with('\n'), "{path}");
        if path.ends_with('/') {
            for child in body.lines() {
                crawl(world, &format!("{path}{child}"));
            }
        }
    }
    let mut world = world();
    world.roles.clear();
    crawl(&world, "/latest/meta-data/");
}

#[test]
fn a_caller_with_a_role_sees_exactly_its_first_and_may_ask_for_the_others_by_name() {
    let world = world();
    for list in [
        "/latest/meta-data/iam/security-credentials",
        "/latest/meta-data/iam/security-credentials/",
    ] {
        assert_eq!(world.get(list), (200, "web".into()));
    }
    let role = |name: &str| world.get(&format!("/latest/meta-data/iam/security-credentials/{name}"));
    assert_eq!(role("web"), (299, "web".into()));
    assert_eq!(role("web-admin"), (299, "web-admin".into()));
    assert_eq!(role("web%2Dadmin/"), (299, "web-admin".into()));
    for other in ["we", "web-", "WEB", "web-admin2", "web/x", "root", "%00"] {
        assert!(role(other).0 >= 400, "{other}");
    }
    let info = world.get("/latest/meta-data/iam/info").1;
    assert!(
        info.starts_with("{\n  \"Code\" : \"Success\",\n") && info.ends_with("\n}"),
        "{info}"
    );
}

#[test]
fn a_caller_without_a_role_sees_a_machine_without_one() {
    let mut world = world();
    world.roles.clear();
    for list in [
        "/latest/meta-data/iam/security-credentials",
        "/latest/meta-data/iam/security-credentials/",
    ] {
        assert_eq!(world.get(list), (404, String::new()));
    }
    for hidden in [
        "/latest/meta-data/iam",
        "/latest/meta-data/iam/",
        "/latest/meta-data/iam/info",
    ] {
        assert_eq!(world.get(hidden).0, 404, "{hidden}");
    }
    assert!(!world.get("/latest/meta-data").1.contains("iam"));
    // A role that exists and one that does not look the same.
    let denied = world.get("/latest/meta-data/iam/security-credentials/web");
    assert_eq!(
        denied,
        world.get("/latest/meta-data/iam/security-credentials/none")
    );
    assert_eq!(denied.0, 404);
}

#[test]
fn what_we_cannot_sign_or_must_not_serve_is_not_there() {
    for path in [
        "dynamic/instance-identity/pkcs7",
        "dynamic/instance-identity/rsa2048",
        "dynamic/instance-identity/signature",
        "meta-data/identity-credentials/ec2/security-credentials/ec2-instance",
        "meta-data/managed-ssh-keys/active-keys/ec2-user",
        "meta-data/public-keys/0/openssh-key",
        "user-data",
    ] {
        assert_eq!(world().get(&format!("/latest/{path}")).0, 404, "{path}");
    }
}

#[test]
fn region_zone_and_document_agree() {
    let world = world();
    assert_eq!(
        world.get("/latest/meta-data/placement/availability-zone/").1,
        "eu-central-1a"
    );
    assert_eq!(world.get("/latest/meta-data/placement/region").1, "eu-central-1");
    assert_eq!(
        world.get("/latest/dynamic/instance-identity//document/").1,
        "{\n  \"accountId\" : \"123456789012\",\n  \"architecture\" : \"x86_64\",\n  \"availabilityZone\" : \"eu-central-1a\",\n  \
         \"billingProducts\" : null,\n  \"devpayProductCodes\" : null,\n  \"marketplaceProductCodes\" : null,\n  \
         \"imageId\" : \"ami-0a887e401f7654935\",\n  \"instanceId\" : \"i-1234567890abcdef0\",\n  \"instanceType\" : \"m4.xlarge\",\n  \
         \"kernelId\" : null,\n  \"pendingTime\" : \"2027-01-15T08:00:00Z\",\n  \"privateIp\" : \"172.16.34.43\",\n  \"ramdiskId\" : null,\n  \
         \"region\" : \"eu-central-1\",\n  \"version\" : \"2017-09-30\"\n}"
    );
}

#[test]
fn user_data_is_bytes() {
    let mut world = world();
    let mut view = instance();
    view.user_data = Some(vec![0, 255, 10]);
    world.tree = Tree::new(view);
    for path in ["/latest/user-data", "/latest/user-data/"] {
        let answer = world.answer("GET", path, &[(TOKEN, &world.token())]);
        assert_eq!(
            (answer.status, answer.body.as_slice()),
            (200, [0, 255, 10].as_slice())
        );
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(answer.header("accept-ranges"), Some("bytes"));
    }
}

#[test]
fn only_our_own_names_are_served() {
    for ours in [
        "169.254.169.254",
        "169.254.169.254:80",
        "[fd00:ec2::254]",
        "[fd00:ec2::254]:80",
        "localhost:9",
        "127.0.0.1:1",
        "127.9.9.9",
        "[::1]:5",
        "169.254.170.2",
        "LocalHost",
    ] {
        assert_eq!(
            world()
                .answer("PUT", "/latest/api/token", &[("host", ours), (TTL, "5")])
                .status,
            200,
            "{ours}"
        );
    }
    for theirs in [
        "evil.test",
        "169.254.169.254.nip.io",
        "",
        "169.254.169.254@evil.test",
        "10.0.0.1",
        "localhost.evil.test",
        "0x7f.1",
        "127.1",
        "2130706433",
        "localhost:",
        "localhost:x",
        "[::1",
        "fd00:ec2::254",
    ] {
        assert_eq!(
            world()
                .answer("PUT", "/latest/api/token", &[("host", theirs), (TTL, "5")])
                .status,
            403,
            "{theirs}"
        );
    }
    let twice = world().answer(
        "PUT",
        "/latest/api/token",
        &[("host", "localhost"), ("host", "localhost"), (TTL, "5")],
    );
    assert_eq!(twice.status, 403);
}

#[test]
fn browsers_are_refused_and_get_no_cors_headers() {
    for header in ["Origin", "Referer", "Sec-Fetch-Mode", "Sec-Fetch-Site"] {
        let answer = world().answer("PUT", "/latest/api/token", &[(header, "x"), (TTL, "5")]);
        assert_eq!(answer.status, 403, "{header}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
    }
    let upgrade = [
        ("Connection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        (TTL, "5"),
    ];
    assert_eq!(world().answer("PUT", "/latest/api/token", &upgrade).status, 200);
}

#[test]
fn an_endpoint_that_is_turned_off_says_403() {
    let mut world = world();
    world.enabled = false;
    assert_eq!(
        world.answer("PUT", "/latest/api/token", &[(TTL, "5")]).status,
        403
    );
    assert_eq!(world.answer("GET", "/latest/meta-data", &[]).status, 403);
}

fn credentials() -> CredentialView<'static> {
    CredentialView {
        access_key_id: "ASIAEXAMPLE",
        secret_access_key: "sec\"ret",
        token: "tok",
        issued_at: NOW,
        expires_at: NOW.plus(3600),
        account: "123456789012",
        role_arn: "arn:aws:iam::123456789012:role/web",
    }
}

#[test]
fn credentials_look_like_the_real_ones() {
    let answer = credentials_answer(&credentials(), Some(5));
    assert_eq!(
        String::from_utf8(answer.body.clone()).unwrap(),
        "{\n  \"Code\" : \"Success\",\n  \"LastUpdated\" : \"2030-03-17T17:46:40Z\",\n  \"Type\" : \"AWS-HMAC\",\n  \
         \"AccessKeyId\" : \"ASIAEXAMPLE\",\n  \"SecretAccessKey\" : \"sec\\\"ret\",\n  \"Token\" : \"tok\",\n  \
         \"Expiration\" : \"2030-03-17T18:46:40Z\"\n}"
    );
    assert_eq!(answer.header("X-Aws-Ec2-Metadata-Token-Ttl-Seconds"), Some("5"));
    assert!(!format!("{:?}", credentials()).contains("sec"));
}

#[test]
fn the_container_answers_are_the_ecs_agents() {
    let body = String::from_utf8(container_answer(&credentials()).body).unwrap();
    for part in [
        "\"AccessKeyId\":\"ASIAEXAMPLE\"",
        "\"Token\":\"tok\"",
        "\"Expiration\":\"2030-03-17T18:46:40Z\"",
        "\"AccountId\":\"123456789012\"",
        "\"RoleArn\":\"arn:aws:iam::123456789012:role/web\"",
    ] {
        assert!(body.contains(part), "{part} in {body}");
    }
    let error = ContainerProtocol::Ecs.refusal(ContainerError::InvalidToken, "no");
    assert_eq!(
        (error.status, error.body.as_slice()),
        (
            400,
            br#"{"code":"InvalidIdInRequest","message":"no","HTTPErrorCode":400}"#.as_slice()
        )
    );
    let error = ContainerProtocol::PodIdentity.refusal(ContainerError::NotAllowed, "no");
    assert_eq!((error.status, error.body.as_slice()), (403, b"no".as_slice()));
}

#[test]
fn the_callers_roles_are_needed_exactly_where_they_show() {
    for proof in [
        "/latest/meta-data",
        "/latest//meta-data/",
        "/latest/meta-data%2fiam",
        "/2021-03-23/meta-data/iam/security-credentials/web",
    ] {
        assert_eq!(need(&normalize(proof)), Need::Proof, "{proof}");
    }
    for uid in [
        "/",
        "/latest",
        "/latest/api/token",
        "/latest/meta-data/instance-id",
        "/latest/..",
    ] {
        assert_eq!(need(&normalize(uid)), Need::Uid, "{uid}");
    }
}
