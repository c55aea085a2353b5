use crate::house::{House, field};
use hallpass_access::Caller;
use hallpass_wire::percent_encode;
use std::sync::Arc;

fn trusting(principal: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

async fn may_assume(house: &House, caller: &Arc<Caller>) -> bool {
    let role = format!("arn:aws:iam::{}:role/ops", house.account);
    let assume = [("RoleArn", role.as_str()), ("RoleSessionName", "session")];
    house.call_as(caller, "AssumeRole", &assume).await.is_ok()
}

async fn renamed(house: &House, from: &str, to: &str) {
    house
        .done("UpdateUser", &[("UserName", from), ("NewUserName", to)])
        .await;
}

#[tokio::test]
async fn it_means_whom_it_meant_when_it_was_written() {
    let house = House::new().await;
    let ana = house.user("ana").await;
    let (arn, id) = (ana.principal.arn.clone(), ana.principal.unique_id.clone());
    let document = trusting(&arn);
    let create = [
        ("RoleName", "ops"),
        ("AssumeRolePolicyDocument", document.as_str()),
    ];
    house.done("CreateRole", &create).await;
    let shown = async || {
        field(
            &house.done("GetRole", &[("RoleName", "ops")]).await,
            "AssumeRolePolicyDocument",
        )
    };
    assert!(may_assume(&house, &ana).await);

    renamed(&house, "ana", "anna").await;
    assert_eq!(
        shown().await,
        percent_encode(&trusting(&arn.replace("/ana", "/anna")))
    );
    renamed(&house, "anna", "ana").await;
    assert_eq!(shown().await, percent_encode(&document));

    let key = field(
        &house.done("ListAccessKeys", &[("UserName", "ana")]).await,
        "AccessKeyId",
    );
    house
        .done("DeleteAccessKey", &[("UserName", "ana"), ("AccessKeyId", &key)])
        .await;
    house.done("DeleteUser", &[("UserName", "ana")]).await;
    assert_eq!(shown().await, percent_encode(&trusting(&id)));
    let successor = house.user("ana").await;
    assert_eq!(successor.principal.arn, arn);
    for house in [&house, &house.again().await] {
        assert!(!may_assume(house, &successor).await);
    }
    let details = house
        .done("GetAccountAuthorizationDetails", &[("Filter.member.1", "Role")])
        .await;
    assert!(details.contains(&id) && shown().await == percent_encode(&trusting(&id)));

    // What was lost is given back by writing it again, by name or by id.
    for principal in [&successor.principal.unique_id, &arn] {
        let document = trusting(principal);
        let update = [("RoleName", "ops"), ("PolicyDocument", document.as_str())];
        house.done("UpdateAssumeRolePolicy", &update).await;
        assert!(may_assume(&house, &successor).await, "{principal}");
    }
}

#[tokio::test]
async fn whoever_it_names_exists() {
    let house = House::new().await;
    let account = &house.account;
    let ana = house.user("ana").await;
    for (principal, is_there) in [
        (format!("arn:aws:iam::{account}:root"), true),
        ("444455556666".to_owned(), true),
        (ana.principal.arn.clone(), true),
        (format!("arn:aws:iam::{account}:user/path/ana"), false),
        (format!("arn:aws:iam::{account}:role/ana"), false),
        (format!("arn:aws:iam::{account}:user/bo"), false),
        ("arn:aws:iam::444455556666:user/ana".to_owned(), false),
        ("AIDAAAAAAAAAAAAAAAAAA".to_owned(), false),
    ] {
        let document = trusting(&principal);
        let create = [
            ("RoleName", "ops"),
            ("AssumeRolePolicyDocument", document.as_str()),
        ];
        let made = house.call("CreateRole", &create).await;
        if is_there {
            made.unwrap();
            house.done("DeleteRole", &[("RoleName", "ops")]).await;
        } else {
            let error = made.unwrap_err();
            assert_eq!(error.code, "MalformedPolicyDocument");
            assert_eq!(
                error.message,
                format!("Invalid principal in policy: \"AWS\":\"{principal}\"")
            );
        }
    }
}
