use crate::house::{House, field};

const LIST: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}]}"#;
const NEVER: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:ListUsers","Resource":"*"}]}"#;

async fn group(house: &House, name: &str, document: &str) {
    house.done("CreateGroup", &[("GroupName", name)]).await;
    let put = [
        ("GroupName", name),
        ("PolicyName", "p"),
        ("PolicyDocument", document),
    ];
    house.done("PutGroupPolicy", &put).await;
}

#[tokio::test]
async fn a_member_may_what_its_groups_allow_and_nothing_that_one_denies() {
    let house = House::new().await;
    let (ana, bo) = (house.user("ana").await, house.user("bo").await);
    group(&house, "Readers", LIST).await;
    assert!(!house.may_list_users(&ana).await);
    let ana_reads = [("GroupName", "readers"), ("UserName", "ANA")];
    house.done("AddUserToGroup", &ana_reads).await;
    assert!(house.may_list_users(&ana).await && !house.may_list_users(&bo).await);
    // What is decided by a group's policy says so.
    let (bundle, _) = house.authority.policies_for(&ana);
    assert_eq!(
        &*bundle.identity.policies()[0].name,
        "group/Readers inline policy p"
    );

    group(&house, "Barred", NEVER).await;
    house
        .done("AddUserToGroup", &[("GroupName", "Barred"), ("UserName", "ana")])
        .await;
    assert!(!house.may_list_users(&ana).await);
    house
        .done(
            "DeleteGroupPolicy",
            &[("GroupName", "Barred"), ("PolicyName", "p")],
        )
        .await;
    assert!(
        house.may_list_users(&ana).await,
        "the group's change reaches its members at once"
    );
    let seen_elsewhere = house.again().await;
    assert!(seen_elsewhere.may_list_users(&ana).await && !seen_elsewhere.may_list_users(&bo).await);
    house.done("RemoveUserFromGroup", &ana_reads).await;
    assert!(!house.may_list_users(&ana).await);
    assert_eq!(
        house.refused("RemoveUserFromGroup", &ana_reads).await,
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn a_managed_policy_of_a_group_is_its_members_and_changes_with_its_version() {
    let house = House::new().await;
    let ana = house.user("ana").await;
    house.done("CreateGroup", &[("GroupName", "g")]).await;
    let made = house
        .done("CreatePolicy", &[("PolicyName", "m"), ("PolicyDocument", LIST)])
        .await;
    let arn = field(&made, "Arn");
    for action in ["AttachGroupPolicy", "AttachUserPolicy"] {
        let owner = if action == "AttachUserPolicy" {
            ("UserName", "ana")
        } else {
            ("GroupName", "g")
        };
        house.done(action, &[owner, ("PolicyArn", &arn)]).await;
    }
    house
        .done("AddUserToGroup", &[("GroupName", "g"), ("UserName", "ana")])
        .await;
    assert!(house.may_list_users(&ana).await);
    let (bundle, _) = house.authority.policies_for(&ana);
    assert_eq!(
        bundle.identity.policies().len(),
        1,
        "once, though it comes by two ways"
    );
    house
        .done("DetachUserPolicy", &[("UserName", "ana"), ("PolicyArn", &arn)])
        .await;
    assert!(house.may_list_users(&ana).await);
    let version = [
        ("PolicyArn", arn.as_str()),
        ("PolicyDocument", NEVER),
        ("SetAsDefault", "true"),
    ];
    house.done("CreatePolicyVersion", &version).await;
    assert!(!house.may_list_users(&ana).await);
    assert_eq!(
        house.refused("DeletePolicy", &[("PolicyArn", &arn)]).await,
        "DeleteConflict"
    );
    assert_eq!(
        field(
            &house.done("GetPolicy", &[("PolicyArn", &arn)]).await,
            "AttachmentCount"
        ),
        "1"
    );
}

#[tokio::test]
async fn a_renamed_group_keeps_its_members_and_one_made_anew_has_none() {
    let house = House::new().await;
    let ana = house.user("ana").await;
    group(&house, "old", LIST).await;
    house
        .done("AddUserToGroup", &[("GroupName", "old"), ("UserName", "ana")])
        .await;
    let rename = [("GroupName", "old"), ("NewGroupName", "new"), ("NewPath", "/x/")];
    house.done("UpdateGroup", &rename).await;
    assert_eq!(
        house.refused("GetGroup", &[("GroupName", "old")]).await,
        "NoSuchEntity"
    );
    let told = house.done("GetGroup", &[("GroupName", "new")]).await;
    assert!(
        told.contains(":group/x/new<") && told.contains("<UserName>ana</UserName>"),
        "{told}"
    );
    let (bundle, _) = house.authority.policies_for(&ana);
    assert_eq!(&*bundle.identity.policies()[0].name, "group/new inline policy p");
    assert!(house.again().await.may_list_users(&ana).await);
    assert_eq!(
        house.refused("DeleteGroup", &[("GroupName", "new")]).await,
        "DeleteConflict"
    );
    assert_eq!(
        house.refused("DeleteUser", &[("UserName", "ana")]).await,
        "DeleteConflict"
    );

    house
        .done(
            "RemoveUserFromGroup",
            &[("GroupName", "new"), ("UserName", "ana")],
        )
        .await;
    house
        .done("DeleteGroupPolicy", &[("GroupName", "new"), ("PolicyName", "p")])
        .await;
    house.done("DeleteGroup", &[("GroupName", "new")]).await;
    group(&house, "new", LIST).await;
    assert!(!house.may_list_users(&ana).await);
    let listed = house.done("ListGroupsForUser", &[("UserName", "ana")]).await;
    assert!(!listed.contains("<member>"), "{listed}");
}

#[tokio::test]
async fn a_user_is_in_ten_groups_at_most() {
    let house = House::new().await;
    house.user("ana").await;
    for number in 0..11 {
        let name = format!("g{number}");
        house.done("CreateGroup", &[("GroupName", &name)]).await;
        let add = [("GroupName", name.as_str()), ("UserName", "ana")];
        match number {
            10 => assert_eq!(house.refused("AddUserToGroup", &add).await, "LimitExceeded"),
            _ => assert_eq!(house.done("AddUserToGroup", &add).await, ""),
        }
    }
}
