//! The authority as its callers see it: calls in, XML or AWS's errors out, over a store that can fail.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails by panicking, as the test does"
)]

use hallpass_access::{AuthenticationError, Caller, Permit, authorize, authorize_assume};
use hallpass_authority::*;
use hallpass_session::OpenError;
use hallpass_store::{MemoryStore, RedbStore, Store};
use hallpass_types::{AccessKeyId, Entropy, UnixSeconds};
use hallpass_wire::{QueryParams, percent_encode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const EC2_TRUST: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com"]},"Action":["sts:AssumeRole"]}]}"#;
const S3_POLICY: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Action":["s3:*"],"Resource":["arn:aws:s3:::somebucket/*"]}]}"#;

struct Seeded(AtomicU64);
impl Entropy for Seeded {
    fn fill(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let state = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
            *byte = ((state ^ (state >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8;
        }
    }
}

struct House {
    authority: Authority,
    admin: Arc<Caller>,
    account: String,
    now: UnixSeconds,
}

async fn open(store: Arc<dyn Store>) -> Authority {
    let machine = Machine {
        private_ip: "127.0.0.1".into(),
        networks: vec!["127.0.0.0/8".parse().unwrap()],
    };
    Authority::open(
        store,
        Box::new(|| vec![[3; 32]]),
        "eu-central-1",
        machine,
        Arc::new(Seeded(AtomicU64::new(5))),
    )
    .await
    .unwrap()
}

async fn house_on(store: Arc<dyn Store>) -> House {
    let authority = open(store).await;
    let made = authority.bootstrap(NOW).await.unwrap();
    let admin = authority
        .candidate(&made.access_key_id, None, NOW)
        .unwrap()
        .caller;
    House {
        authority,
        admin,
        account: made.account.to_string(),
        now: NOW,
    }
}

async fn house() -> House {
    house_on(Arc::new(MemoryStore::default())).await
}

impl House {
    fn permit(&self, call: &Call) -> Result<Permit, ApiError> {
        let (bundle, tags) = self.authority.policies_for(&call.caller);
        let context = call.caller.context(call.now, &tags);
        let denied =
            |denied: Box<hallpass_access::Denied>| ApiError::new("AccessDenied", 403, denied.message);
        match self.authority.requirement(call)? {
            Requirement::Actions(actions) => {
                authorize(&call.caller, actions, &context, &bundle).map_err(denied)
            }
            Requirement::Trust(actions, trust) => {
                authorize_assume(&call.caller, actions, &context, trust.as_ref(), &bundle).map_err(denied)
            }
            Requirement::Nothing(source) => Ok(Permit::unconditional(
                Arc::clone(&call.caller),
                &call.iam_action(),
                source,
            )),
        }
    }

    async fn call_as(
        &self,
        caller: &Arc<Caller>,
        action: &str,
        params: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        let service = match action {
            "GetCallerIdentity" | "AssumeRole" | "GetSessionToken" | "GetAccessKeyInfo" => Service::Sts,
            _ if action.contains("Instance") && !action.contains("InstanceProfile") => Service::Ec2,
            "CreateTags" | "DescribeTags" | "DescribeVolumes" => Service::Ec2,
            "AssociateIamInstanceProfile" | "DescribeIamInstanceProfileAssociations" => Service::Ec2,
            "ReplaceIamInstanceProfileAssociation" | "DisassociateIamInstanceProfile" => Service::Ec2,
            _ => Service::Iam,
        };
        let form = params
            .iter()
            .map(|(k, v)| format!("{k}={}", percent_encode(v)))
            .collect::<Vec<_>>()
            .join("&");
        let call = Call {
            service,
            action: action.into(),
            params: QueryParams::parse(&form).unwrap(),
            caller: Arc::clone(caller),
            now: self.now,
        };
        let permit = self.permit(&call)?;
        self.authority
            .execute(&permit, &call)
            .await
            .map(|answer| answer.xml)
    }

    async fn call(&self, action: &str, params: &[(&str, &str)]) -> Result<String, ApiError> {
        self.call_as(&self.admin, action, params).await
    }

    async fn demo_role(&self) {
        self.call(
            "CreateRole",
            &[
                ("RoleName", "app_server"),
                ("AssumeRolePolicyDocument", EC2_TRUST),
            ],
        )
        .await
        .unwrap();
        let policy = [
            ("RoleName", "app_server"),
            ("PolicyName", "s3_access"),
            ("PolicyDocument", S3_POLICY),
        ];
        self.call("PutRolePolicy", &policy).await.unwrap();
        self.call("CreateInstanceProfile", &[("InstanceProfileName", "app_server")])
            .await
            .unwrap();
        let add = [("InstanceProfileName", "app_server"), ("RoleName", "app_server")];
        self.call("AddRoleToInstanceProfile", &add).await.unwrap();
    }

    async fn launch(&self) -> String {
        let launch = [
            ("ImageId", "ami-ed65ba84"),
            ("MinCount", "1"),
            ("MaxCount", "1"),
            ("IamInstanceProfile.Name", "app_server"),
        ];
        let xml = self.call("RunInstances", &launch).await.unwrap();
        field(&xml, "instanceId")
    }

    async fn user(&self, name: &str, policy: &str) -> Arc<Caller> {
        self.call("CreateUser", &[("UserName", name)]).await.unwrap();
        if !policy.is_empty() {
            let put = [
                ("UserName", name),
                ("PolicyName", "p"),
                ("PolicyDocument", policy),
            ];
            self.call("PutUserPolicy", &put).await.unwrap();
        }
        let xml = self.call("CreateAccessKey", &[("UserName", name)]).await.unwrap();
        let id: AccessKeyId = field(&xml, "AccessKeyId").parse().unwrap();
        self.authority.candidate(&id, None, self.now).unwrap().caller
    }

    fn session(&self, xml: &str) -> Result<Arc<Caller>, AuthenticationError> {
        let id: AccessKeyId = field(xml, "AccessKeyId").parse().unwrap();
        self.authority
            .candidate(&id, Some(&field(xml, "SessionToken")), self.now)
            .map(|found| found.caller)
    }
}

fn field(xml: &str, name: &str) -> String {
    let start = xml
        .find(&format!("<{name}>"))
        .unwrap_or_else(|| panic!("no {name} in {xml}"))
        + name.len()
        + 2;
    xml[start..start + xml[start..].find('<').unwrap()].to_owned()
}

fn code<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    result.unwrap_err().code.to_owned()
}

fn trust(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]}}]}}"#
    )
}

#[tokio::test]
async fn a_role_reaches_an_instance_and_dies_with_it() {
    let house = house().await;
    house.demo_role().await;
    let id = house.launch().await;
    let session = house
        .authority
        .mint_instance_session(&id, &"app_server".into(), NOW)
        .unwrap();
    let key = &session.claims.access_key_id;
    let caller = house
        .authority
        .candidate(key, Some(session.token.expose()), NOW)
        .unwrap()
        .caller;
    let xml = house.call_as(&caller, "GetCallerIdentity", &[]).await.unwrap();
    assert_eq!(
        field(&xml, "Arn"),
        format!("arn:aws:sts::{}:assumed-role/app_server/{id}", house.account)
    );
    assert!(session.claims.binding.is_some(), "instance sessions are bound");

    house
        .call("TerminateInstances", &[("InstanceId.1", &id)])
        .await
        .unwrap();
    assert!(matches!(
        house.authority.candidate(key, Some(session.token.expose()), NOW),
        Err(AuthenticationError::Revoked(_))
    ));
    assert!(matches!(
        house
            .authority
            .mint_instance_session(&id, &"app_server".into(), NOW),
        Err(InstanceSessionError::NotRunning(_))
    ));
}

#[tokio::test]
async fn an_instance_gets_only_the_roles_of_its_profile_and_only_if_they_trust_ec2() {
    let house = house().await;
    house.demo_role().await;
    let id = house.launch().await;
    let foreign = trust(&house.account);
    house
        .call(
            "CreateRole",
            &[("RoleName", "other"), ("AssumeRolePolicyDocument", &foreign)],
        )
        .await
        .unwrap();
    assert!(matches!(
        house.authority.mint_instance_session(&id, &"other".into(), NOW),
        Err(InstanceSessionError::NotInProfile { .. })
    ));
    let add = [("InstanceProfileName", "app_server"), ("RoleName", "other")];
    house.call("AddRoleToInstanceProfile", &add).await.unwrap();
    assert!(matches!(
        house.authority.mint_instance_session(&id, &"other".into(), NOW),
        Err(InstanceSessionError::NotTrusted(_))
    ));
}

#[tokio::test]
async fn a_profile_moves_between_running_instances() {
    let house = house().await;
    house.demo_role().await;
    let xml = house
        .call(
            "RunInstances",
            &[("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1")],
        )
        .await
        .unwrap();
    let id = field(&xml, "instanceId");
    assert!(
        house
            .authority
            .mint_instance_session(&id, &"app_server".into(), NOW)
            .is_err()
    );
    let associate = [
        ("InstanceId", id.as_str()),
        ("IamInstanceProfile.Name", "app_server"),
    ];
    let xml = house
        .call("AssociateIamInstanceProfile", &associate)
        .await
        .unwrap();
    assert!(
        house
            .authority
            .mint_instance_session(&id, &"app_server".into(), NOW)
            .is_ok()
    );
    assert_eq!(
        code(house.call("AssociateIamInstanceProfile", &associate).await),
        "IncorrectState"
    );
    let association = field(&xml, "associationId");
    house
        .call(
            "DisassociateIamInstanceProfile",
            &[("AssociationId", &association)],
        )
        .await
        .unwrap();
    assert!(
        house
            .authority
            .mint_instance_session(&id, &"app_server".into(), NOW)
            .is_err()
    );
    let gone = house
        .call(
            "DisassociateIamInstanceProfile",
            &[("AssociationId", &association)],
        )
        .await;
    assert_eq!(code(gone), "InvalidAssociationID.NotFound");
}

#[tokio::test]
async fn iam_itself_is_authorized_by_policy() {
    let house = house().await;
    let nobody = house.user("nobody", "").await;
    let error = house
        .call_as(&nobody, "CreateUser", &[("UserName", "x")])
        .await
        .unwrap_err();
    assert_eq!(error.code, "AccessDenied");
    assert!(
        error
            .message
            .contains("is not authorized to perform: iam:CreateUser")
            && error
                .message
                .contains("because no identity-based policy allows the iam:CreateUser action"),
        "{}",
        error.message
    );
    let own = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*AccessKey*","Resource":"arn:aws:iam::*:user/${aws:username}"}]}"#;
    let limited = house.user("limited", own).await;
    assert!(house.call_as(&limited, "ListAccessKeys", &[]).await.is_ok());
    assert_eq!(
        code(
            house
                .call_as(&limited, "ListAccessKeys", &[("UserName", "admin")])
                .await
        ),
        "AccessDenied"
    );
}

#[tokio::test]
async fn giving_a_role_to_a_machine_takes_pass_role() {
    let house = house().await;
    house.demo_role().await;
    let policy =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ec2:*","Resource":"*"}]}"#;
    let launcher = house.user("launcher", policy).await;
    let plain = [("ImageId", "ami-1"), ("MinCount", "1"), ("MaxCount", "1")];
    assert!(house.call_as(&launcher, "RunInstances", &plain).await.is_ok());
    let with_profile = [&plain[..], &[("IamInstanceProfile.Name", "app_server")]].concat();
    let error = house
        .call_as(&launcher, "RunInstances", &with_profile)
        .await
        .unwrap_err();
    assert!(error.message.contains("iam:PassRole"), "{}", error.message);
}

#[tokio::test]
async fn assuming_a_role_takes_its_trust_and_an_unknown_role_looks_untrusting() {
    let house = house().await;
    let ana = house.user("ana", "").await;
    let document = trust(&ana.principal.arn);
    house
        .call(
            "CreateRole",
            &[("RoleName", "ops"), ("AssumeRolePolicyDocument", &document)],
        )
        .await
        .unwrap();
    house
        .call(
            "CreateRole",
            &[("RoleName", "closed"), ("AssumeRolePolicyDocument", EC2_TRUST)],
        )
        .await
        .unwrap();
    let arn = |name: &str| format!("arn:aws:iam::{}:role/{name}", house.account);
    let assume = |name: &str| {
        let (arn, ana) = (arn(name), Arc::clone(&ana));
        let house = &house;
        async move {
            house
                .call_as(
                    &ana,
                    "AssumeRole",
                    &[("RoleArn", &arn), ("RoleSessionName", "s1")],
                )
                .await
        }
    };
    let xml = assume("ops").await.unwrap();
    let session = house.session(&xml).unwrap();
    assert_eq!(
        session.principal.arn,
        format!("arn:aws:sts::{}:assumed-role/ops/s1", house.account)
    );
    let (closed, missing) = (
        assume("closed").await.unwrap_err(),
        assume("missing").await.unwrap_err(),
    );
    assert_eq!(
        closed.message.replace("closed", "X"),
        missing.message.replace("missing", "X")
    );
    assert_eq!((closed.code, missing.code), ("AccessDenied", "AccessDenied"));
}

#[tokio::test]
async fn chained_sessions_last_an_hour_at_most_and_keep_identity_tags_and_binding() {
    let house = house().await;
    let ana = house
        .user(
            "ana",
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}"#,
        )
        .await;
    let document = trust(&house.account);
    for role in ["one", "two"] {
        house
            .call(
                "CreateRole",
                &[
                    ("RoleName", role),
                    ("AssumeRolePolicyDocument", &document),
                    ("MaxSessionDuration", "43200"),
                ],
            )
            .await
            .unwrap();
        let allow =
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:*","Resource":"*"}]}"#;
        house
            .call(
                "PutRolePolicy",
                &[("RoleName", role), ("PolicyName", "p"), ("PolicyDocument", allow)],
            )
            .await
            .unwrap();
    }
    let arn = |name: &str| format!("arn:aws:iam::{}:role/{name}", house.account);
    let (one, two) = (arn("one"), arn("two"));
    let first = [
        ("RoleArn", one.as_str()),
        ("RoleSessionName", "s1"),
        ("DurationSeconds", "7200"),
        ("SourceIdentity", "ana"),
        ("Tags.member.1.Key", "team"),
        ("Tags.member.1.Value", "red"),
        ("TransitiveTagKeys.member.1", "team"),
    ];
    let session = house
        .session(&house.call_as(&ana, "AssumeRole", &first).await.unwrap())
        .unwrap();
    let long = [
        ("RoleArn", two.as_str()),
        ("RoleSessionName", "s2"),
        ("DurationSeconds", "3601"),
    ];
    assert_eq!(
        code(house.call_as(&session, "AssumeRole", &long).await),
        "ValidationError"
    );
    let hour = [("RoleArn", two.as_str()), ("RoleSessionName", "s2")];
    let chained = house
        .session(&house.call_as(&session, "AssumeRole", &hour).await.unwrap())
        .unwrap();
    let claims = chained.session.as_ref().unwrap();
    assert_eq!(
        (claims.source_identity.as_deref(), claims.tags[0].value.as_str()),
        (Some("ana"), "red")
    );
    let other = [
        ("RoleArn", two.as_str()),
        ("RoleSessionName", "s2"),
        ("SourceIdentity", "bob"),
    ];
    assert_eq!(
        code(house.call_as(&session, "AssumeRole", &other).await),
        "AccessDenied"
    );
    let override_tag = [
        hour[0],
        hour[1],
        ("Tags.member.1.Key", "TEAM"),
        ("Tags.member.1.Value", "blue"),
    ];
    assert_eq!(
        code(house.call_as(&session, "AssumeRole", &override_tag).await),
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn a_session_policy_narrows_and_a_recreated_role_has_no_old_sessions() {
    let house = house().await;
    let ana = house.user("ana", "").await;
    let document = trust(&ana.principal.arn);
    let create = [
        ("RoleName", "ops"),
        ("AssumeRolePolicyDocument", document.as_str()),
    ];
    house.call("CreateRole", &create).await.unwrap();
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:*","Resource":"*"}]}"#;
    house
        .call(
            "PutRolePolicy",
            &[("RoleName", "ops"), ("PolicyName", "p"), ("PolicyDocument", all)],
        )
        .await
        .unwrap();
    let arn = format!("arn:aws:iam::{}:role/ops", house.account);
    let narrow = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;
    let assume = [
        ("RoleArn", arn.as_str()),
        ("RoleSessionName", "s1"),
        ("Policy", narrow),
    ];
    let xml = house.call_as(&ana, "AssumeRole", &assume).await.unwrap();
    let session = house.session(&xml).unwrap();
    assert!(house.call_as(&session, "ListUsers", &[]).await.is_ok());
    assert_eq!(
        code(house.call_as(&session, "ListRoles", &[]).await),
        "AccessDenied"
    );

    house
        .call("DeleteRolePolicy", &[("RoleName", "ops"), ("PolicyName", "p")])
        .await
        .unwrap();
    house.call("DeleteRole", &[("RoleName", "ops")]).await.unwrap();
    assert!(matches!(
        house.session(&xml),
        Err(AuthenticationError::Revoked(_))
    ));
    house.call("CreateRole", &create).await.unwrap();
    assert!(
        matches!(house.session(&xml), Err(AuthenticationError::Revoked(_))),
        "the new role is another one"
    );
}

#[tokio::test]
async fn keys_rotate_and_inactive_ones_do_nothing() {
    let house = house().await;
    let ana = house.user("ana", "").await;
    let old = ana.access_key_id.clone().unwrap();
    house
        .call("CreateAccessKey", &[("UserName", "ana")])
        .await
        .unwrap();
    assert_eq!(
        code(house.call("CreateAccessKey", &[("UserName", "ana")]).await),
        "LimitExceeded"
    );
    let off = [
        ("UserName", "ana"),
        ("AccessKeyId", old.as_str()),
        ("Status", "Inactive"),
    ];
    house.call("UpdateAccessKey", &off).await.unwrap();
    assert!(matches!(
        house.authority.candidate(&old, None, NOW),
        Err(AuthenticationError::Invalid(_))
    ));
    assert_eq!(
        code(house.call("DeleteUser", &[("UserName", "ana")]).await),
        "DeleteConflict"
    );
    let xml = house
        .call("GetAccessKeyInfo", &[("AccessKeyId", old.as_str())])
        .await
        .unwrap();
    assert_eq!(field(&xml, "Account"), house.account);
}

#[tokio::test]
async fn get_session_token_works_for_users_only_and_expires() {
    let mut house = house().await;
    let ana = house.user("ana", "").await;
    let xml = house
        .call_as(&ana, "GetSessionToken", &[("DurationSeconds", "900")])
        .await
        .unwrap();
    let session = house.session(&xml).unwrap();
    assert_eq!(session.principal.arn, ana.principal.arn);
    assert_eq!(
        code(house.call_as(&session, "GetSessionToken", &[]).await),
        "AccessDenied"
    );
    assert_eq!(
        code(
            house
                .call_as(&ana, "GetSessionToken", &[("DurationSeconds", "899")])
                .await
        ),
        "ValidationError"
    );
    house.now = NOW.plus(900);
    assert!(matches!(
        house.session(&xml),
        Err(AuthenticationError::Expired(_))
    ));
}

#[tokio::test]
async fn the_errors_are_aws_s() {
    let house = house().await;
    house.demo_role().await;
    let role = ("RoleName", "app_server");
    for (action, params, expected) in [
        ("GetRole", vec![("RoleName", "nope")], "NoSuchEntity"),
        ("GetRole", vec![], "ValidationError"),
        (
            "CreateRole",
            vec![
                ("RoleName", "APP_server"),
                ("AssumeRolePolicyDocument", EC2_TRUST),
            ],
            "EntityAlreadyExists",
        ),
        (
            "CreateRole",
            vec![("RoleName", "a/../b"), ("AssumeRolePolicyDocument", EC2_TRUST)],
            "ValidationError",
        ),
        (
            "CreateRole",
            vec![("RoleName", "x"), ("AssumeRolePolicyDocument", "{")],
            "MalformedPolicyDocument",
        ),
        (
            "CreateRole",
            vec![("RoleName", "x"), ("AssumeRolePolicyDocument", S3_POLICY)],
            "MalformedPolicyDocument",
        ),
        (
            "CreateRole",
            vec![
                ("RoleName", "x"),
                ("AssumeRolePolicyDocument", EC2_TRUST),
                ("Path", "/../"),
            ],
            "ok",
        ),
        (
            "CreateRole",
            vec![
                ("RoleName", "y"),
                ("AssumeRolePolicyDocument", EC2_TRUST),
                ("Path", "nope"),
            ],
            "ValidationError",
        ),
        ("DeleteRole", vec![role], "DeleteConflict"),
        (
            "AttachRolePolicy",
            vec![role, ("PolicyArn", "arn:aws:iam::aws:policy/Nope")],
            "NoSuchEntity",
        ),
        (
            "AttachRolePolicy",
            vec![
                role,
                ("PolicyArn", "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"),
            ],
            "ok",
        ),
        (
            "RunInstances",
            vec![("ImageId", "a"), ("MinCount", "1"), ("MaxCount", "101")],
            "InvalidParameterValue",
        ),
        (
            "RunInstances",
            vec![
                ("ImageId", "a"),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("IamInstanceProfile.Name", "no"),
            ],
            "InvalidParameterValue",
        ),
        (
            "DescribeInstances",
            vec![("InstanceId.1", "i-0123")],
            "InvalidInstanceID.NotFound",
        ),
        ("DescribeInstances", vec![("DryRun", "true")], "DryRunOperation"),
        (
            "TerminateInstances",
            vec![("InstanceId.1", "i-0123"), ("DryRun", "true")],
            "DryRunOperation",
        ),
        (
            "CreateTags",
            vec![("ResourceId.1", "i-0123"), ("DryRun", "true")],
            "DryRunOperation",
        ),
        ("CreateMagic", vec![], "InvalidAction"),
    ] {
        let result = house.call(action, &params).await;
        let found = result.as_ref().map_or_else(|error| error.code, |_| "ok");
        assert_eq!(found, expected, "{action} {params:?}: {result:?}");
    }
}

#[tokio::test]
async fn lists_come_in_pages() {
    let house = house().await;
    for number in 0..5 {
        house
            .call("CreateUser", &[("UserName", &format!("u{number}"))])
            .await
            .unwrap();
    }
    let (mut seen, mut marker) = (0, String::new());
    loop {
        let mut params = vec![("MaxItems", "2")];
        if !marker.is_empty() {
            params.push(("Marker", &marker));
        }
        let xml = house.call("ListUsers", &params).await.unwrap();
        seen += xml.matches("<member>").count();
        if field(&xml, "IsTruncated") == "false" {
            break;
        }
        marker = field(&xml, "Marker");
    }
    assert_eq!(seen, 6, "five and the administrator");
}

#[tokio::test]
async fn a_failed_write_changes_nothing_and_says_so() {
    let store = Arc::new(MemoryStore::default());
    let house = house_on(Arc::clone(&store) as Arc<dyn Store>).await;
    store.fail_after(0);
    let result = house.call("CreateUser", &[("UserName", "x")]).await;
    assert_eq!(code(result), "ServiceFailure");
    store.heal();
    assert_eq!(
        code(house.call("GetUser", &[("UserName", "x")]).await),
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn what_was_written_is_there_after_a_restart_and_sessions_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let house = house_on(Arc::new(RedbStore::open(&path).unwrap())).await;
    house.demo_role().await;
    let id = house.launch().await;
    let session = house
        .authority
        .mint_instance_session(&id, &"app_server".into(), NOW)
        .unwrap();
    drop(house);
    let store = loop {
        match RedbStore::open(&path) {
            Ok(store) => break store,
            Err(hallpass_store::StoreError::InUse(_)) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    let authority = open(Arc::new(store)).await;
    let key = &session.claims.access_key_id;
    assert!(
        authority
            .candidate(key, Some(session.token.expose()), NOW)
            .is_ok()
    );
    let raw = std::fs::read(&path).unwrap();
    let secret = session.claims.secret.expose().as_bytes();
    assert!(!raw.windows(secret.len()).any(|window| window == secret));
}

#[tokio::test]
async fn the_wrong_root_key_opens_nothing_and_no_long_term_secret_is_stored_in_clear() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path).unwrap());
    let authority = open(Arc::clone(&store)).await;
    let made = authority.bootstrap(NOW).await.unwrap();
    let raw = std::fs::read(&path).unwrap();
    let secret = made.secret.expose().as_bytes();
    assert!(!raw.windows(secret.len()).any(|window| window == secret));
    let machine = Machine {
        private_ip: String::new(),
        networks: vec![],
    };
    let opened = Authority::open(
        store,
        Box::new(|| vec![[4; 32]]),
        "eu-central-1",
        machine,
        Arc::new(Seeded(AtomicU64::new(5))),
    )
    .await;
    assert!(matches!(opened.err(), Some(OpenAuthorityError::Keyring(_))));
}

#[test]
fn token_errors_map_to_what_the_caller_may_know() {
    assert!(matches!(
        AuthenticationError::from(OpenError::NotGenuine),
        AuthenticationError::Token(_)
    ));
    assert!(matches!(
        AuthenticationError::from(OpenError::Expired(NOW)),
        AuthenticationError::Expired(_)
    ));
}

/// Whoever follows the changes must find each of them: the metadata endpoint of a launched instance hangs on it.
#[tokio::test]
async fn a_change_is_told_when_it_can_be_seen() {
    let house = house().await;
    house.demo_role().await;
    let mut changes = house.authority.changes();
    let seen = async {
        changes.changed().await.unwrap();
        house.authority.running_instances().len()
    };
    let (running, id) = tokio::join!(seen, house.launch());
    assert_eq!(running, 1);
    let seen = async {
        changes.changed().await.unwrap();
        house.authority.running_instances().len()
    };
    let end = [("InstanceId.1", id.as_str())];
    let (running, _) = tokio::join!(seen, house.call("TerminateInstances", &end));
    assert_eq!(running, 0);
    house.call("DescribeInstances", &[]).await.unwrap();
    assert!(!changes.has_changed().unwrap(), "a question is no change");
}

#[tokio::test]
async fn tags_are_described_as_filtered() {
    let house = house().await;
    house.demo_role().await;
    let (one, other) = (house.launch().await, house.launch().await);
    for (id, value) in [(&one, "a"), (&other, "b")] {
        let tag = [
            ("ResourceId.1", id.as_str()),
            ("Tag.1.Key", "team"),
            ("Tag.1.Value", value),
        ];
        house.call("CreateTags", &tag).await.unwrap();
    }
    let filtered = async |name, value| {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        house.call("DescribeTags", &filter).await
    };
    for (name, value, expected) in [
        ("resource-id", one.as_str(), (true, false)),
        ("value", "b", (false, true)),
        ("tag:team", "a", (true, false)),
        ("key", "team", (true, true)),
        ("key", "other", (false, false)),
        ("resource-type", "volume", (false, false)),
    ] {
        let shown = filtered(name, value).await.unwrap();
        assert_eq!(
            (shown.contains(&one), shown.contains(&other)),
            expected,
            "{name} {value}"
        );
    }
    assert_eq!(code(filtered("colour", "x").await), "InvalidParameterValue");
}

#[tokio::test]
async fn an_instance_tells_what_it_was_launched_with_and_that_it_has_no_disk() {
    let house = house().await;
    let launch = [
        ("ImageId", "ami-1"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("InstanceType", "t3.micro"),
        ("UserData", "IyEvYmluL3NoCg=="),
    ];
    let id = field(&house.call("RunInstances", &launch).await.unwrap(), "instanceId");
    let attribute = async |name| {
        let asked = [("InstanceId", id.as_str()), ("Attribute", name)];
        house.call("DescribeInstanceAttribute", &asked).await
    };
    for (name, expected) in [
        ("userData", "<userData><value>IyEvYmluL3NoCg==</value></userData>"),
        (
            "instanceType",
            "<instanceType><value>t3.micro</value></instanceType>",
        ),
        (
            "disableApiTermination",
            "<disableApiTermination><value>false</value></disableApiTermination>",
        ),
    ] {
        let said = attribute(name).await.unwrap();
        assert!(said.contains(expected) && said.contains(&id), "{said}");
    }
    assert!(!attribute("kernel").await.unwrap().contains("<value>"));
    assert_eq!(code(attribute("colour").await), "InvalidParameterValue");
    let stranger = [("InstanceId", "i-0"), ("Attribute", "userData")];
    let refused = house.call("DescribeInstanceAttribute", &stranger).await;
    assert_eq!(code(refused), "InvalidInstanceID.NotFound");

    let volumes = async |named: &[(&str, &str)]| house.call("DescribeVolumes", named).await;
    assert!(!volumes(&[]).await.unwrap().contains("<item>"));
    assert_eq!(
        code(volumes(&[("VolumeId.1", "vol-1")]).await),
        "InvalidVolume.NotFound"
    );
    let credits = house
        .call("DescribeInstanceCreditSpecifications", &[("InstanceId.1", &id)])
        .await;
    assert!(credits.unwrap().contains("<cpuCredits>unlimited</cpuCredits>"));
}

#[tokio::test]
async fn a_permit_for_one_call_executes_no_other() {
    let house = house().await;
    let call = |action: &str, form: &str| Call {
        service: Service::Iam,
        action: action.into(),
        params: QueryParams::parse(form).unwrap(),
        caller: Arc::clone(&house.admin),
        now: house.now,
    };
    let permit = house.permit(&call("ListUsers", "")).unwrap();
    let other = call("CreateUser", "UserName=x");
    assert_eq!(
        code(house.authority.execute(&permit, &other).await),
        "ServiceFailure"
    );
    assert_eq!(
        code(house.call("GetUser", &[("UserName", "x")]).await),
        "NoSuchEntity"
    );
}

/// A trust policy for EC2 that allows `actions`, with `condition`.
fn ec2_trust(actions: &str, condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Service":"ec2.amazonaws.com"}},"Action":[{actions}],"Condition":{condition}}}]}}"#
    )
}

impl House {
    async fn trusting(&self, actions: &str, condition: &str) {
        let trust = ec2_trust(actions, condition);
        let update = [("RoleName", "app_server"), ("PolicyDocument", trust.as_str())];
        self.call("UpdateAssumeRolePolicy", &update).await.unwrap();
    }
}

fn shaped() -> InstanceSessionRequest {
    InstanceSessionRequest {
        session_name: Some("web@i-1".into()),
        source_identity: Some("alice".into()),
        tags: vec![hallpass_session::Tag {
            key: "team".into(),
            value: "a".into(),
        }],
        policy: Some(S3_POLICY.into()),
        duration_seconds: Some(900),
        ..InstanceSessionRequest::from("app_server")
    }
}

#[tokio::test]
async fn an_instances_session_is_shaped_as_its_rule_says_if_the_role_trusts_ec2_with_that() {
    let house = house().await;
    house.demo_role().await;
    let id = house.launch().await;
    let mint = |request: &InstanceSessionRequest| house.authority.mint_instance_session(&id, request, NOW);
    // Whoever may tag its own session could answer any condition on tags: the usual trust is not enough.
    assert!(matches!(mint(&shaped()), Err(InstanceSessionError::Invalid(_))));
    let all = r#""sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity""#;
    house
        .trusting(all, r#"{"StringEquals":{"aws:RequestTag/team":"a"}}"#)
        .await;
    let session = mint(&shaped()).unwrap();
    let claims = &session.claims;
    assert!(
        claims.arn().ends_with("assumed-role/app_server/web@i-1"),
        "{}",
        claims.arn()
    );
    assert_eq!(claims.source_identity.as_deref(), Some("alice"));
    assert_eq!(claims.tags, shaped().tags);
    assert_eq!(claims.session_policies, [S3_POLICY]);
    assert_eq!(claims.expires_at, NOW.plus(900));
    assert!(claims.binding.is_some(), "as bound as any other");

    let other = InstanceSessionRequest {
        tags: vec![hallpass_session::Tag {
            key: "team".into(),
            value: "b".into(),
        }],
        ..shaped()
    };
    assert!(mint(&other).is_err());
    let named = r#"{"StringLike":{"sts:RoleSessionName":"web@*"}}"#;
    house.trusting(all, named).await;
    mint(&other).unwrap();
    let misnamed = InstanceSessionRequest {
        session_name: Some("db@i-1".into()),
        ..shaped()
    };
    assert!(mint(&misnamed).is_err());
}

#[tokio::test]
async fn an_instances_session_has_the_limits_of_assume_role() {
    let house = house().await;
    house.demo_role().await;
    let id = house.launch().await;
    house
        .trusting(
            r#""sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity""#,
            "{}",
        )
        .await;
    let tag = |key: &str| hallpass_session::Tag {
        key: key.into(),
        value: "a".into(),
    };
    type Change<'a> = Box<dyn Fn(&mut InstanceSessionRequest) + 'a>;
    let changes: Vec<Change<'_>> = vec![
        Box::new(|request| request.session_name = Some("a".into())),
        Box::new(|request| request.session_name = Some("a b".into())),
        Box::new(|request| request.source_identity = Some("a".repeat(65))),
        Box::new(|request| request.tags = vec![tag("aws:x")]),
        Box::new(|request| request.tags = vec![tag("a"), tag("A")]),
        Box::new(|request| request.tags = (0..51).map(|number| tag(&number.to_string())).collect()),
        Box::new(|request| request.policy = Some("{}x".into())),
        Box::new(|request| request.policy = Some(" ".repeat(2049))),
        Box::new(|request| request.duration_seconds = Some(899)),
        Box::new(|request| request.duration_seconds = Some(3_601)),
    ];
    for (index, change) in changes.iter().enumerate() {
        let mut request = shaped();
        change(&mut request);
        let minted = house.authority.mint_instance_session(&id, &request, NOW);
        assert!(
            matches!(minted, Err(InstanceSessionError::Invalid(_))),
            "change {index}"
        );
    }
    let update = [("RoleName", "app_server"), ("MaxSessionDuration", "7200")];
    house.call("UpdateRole", &update).await.unwrap();
    let longer = InstanceSessionRequest {
        duration_seconds: Some(7_200),
        ..shaped()
    };
    house.authority.mint_instance_session(&id, &longer, NOW).unwrap();
}
