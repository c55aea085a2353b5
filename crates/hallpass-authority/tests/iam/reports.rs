use crate::house::{House, field};
use base64::Engine as _;

async fn report(house: &House) -> Vec<Vec<String>> {
    let xml = house.done("GetCredentialReport", &[]).await;
    let csv = base64::engine::general_purpose::STANDARD
        .decode(field(&xml, "Content"))
        .unwrap();
    let csv = String::from_utf8(csv).unwrap();
    csv.lines()
        .map(|line| line.split(',').map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn the_credential_report_has_awss_columns_and_every_user() {
    let mut house = House::new().await;
    let ana = house.user("ana").await;
    house
        .done(
            "CreateLoginProfile",
            &[("UserName", "ana"), ("Password", "Abcdefg1!")],
        )
        .await;
    house
        .done("UpdateAccountPasswordPolicy", &[("MaxPasswordAge", "10")])
        .await;
    house
        .authority
        .note_use(&ana, "s3", "eu-central-1", house.now.plus(60));
    assert_eq!(
        house.refused("GetCredentialReport", &[]).await,
        "ReportNotPresent"
    );
    assert_eq!(
        field(&house.done("GenerateCredentialReport", &[]).await, "State"),
        "STARTED"
    );
    assert_eq!(
        field(&house.done("GenerateCredentialReport", &[]).await, "State"),
        "COMPLETE"
    );
    let lines = report(&house).await;
    assert_eq!(
        lines[0].join(","),
        "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
         password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,\
         access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,\
         access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,\
         access_key_2_last_used_service,cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"
    );
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{lines:?}");
    assert_eq!(lines[1][0], "<root_account>");
    let line = lines.iter().find(|line| line[0] == "ana").unwrap();
    let made = "2027-01-15T08:00:00+00:00";
    let expected = [
        "ana",
        &format!("arn:aws:iam::{}:user/ana", house.account),
        made,
        "true",
        "no_information",
        made,
        "2027-01-25T08:00:00+00:00",
        "false",
        "true",
        made,
        "2027-01-15T08:01:00+00:00",
        "eu-central-1",
        "s3",
    ];
    assert_eq!(line[..13], expected);
    assert_eq!(line[13..].join(","), "false,N/A,N/A,N/A,N/A,false,N/A,false,N/A");

    // The same one for four hours, whatever happens.
    house.user("bo").await;
    house.now = house.now.plus(4 * 3_600 - 1);
    assert_eq!(report(&house).await.len(), lines.len());
    house.now = house.now.plus(1);
    assert_eq!(house.refused("GetCredentialReport", &[]).await, "ReportExpired");
    assert_eq!(
        field(&house.done("GenerateCredentialReport", &[]).await, "State"),
        "STARTED"
    );
    assert_eq!(report(&house).await.len(), lines.len() + 1);
}

#[tokio::test]
async fn last_uses_are_told_at_once_and_kept_when_flushed() {
    let mut house = House::new().await;
    let ana = house.user("ana").await;
    let key = ana.access_key_id.clone().unwrap().to_string();
    let last = async |house: &House| house.done("GetAccessKeyLastUsed", &[("AccessKeyId", &key)]).await;
    assert_eq!(field(&last(&house).await, "ServiceName"), "N/A");
    let at = |seconds: i64| house.now.plus(seconds);
    house.authority.note_use(&ana, "s3", "eu-central-1", at(1));
    house.authority.note_use(&ana, "iam", "us-east-1", at(2));
    let told = last(&house).await;
    assert_eq!(
        (field(&told, "ServiceName"), field(&told, "Region")),
        ("iam".into(), "us-east-1".into())
    );
    assert_eq!(
        field(&last(&house.again().await).await, "ServiceName"),
        "N/A",
        "nothing was written yet"
    );
    house.authority.flush_last_used().await;
    let revision = house.authority.revision();
    assert_eq!(last(&house.again().await).await, told);
    house.authority.note_use(&ana, "s3", "eu-central-1", at(3_000));
    house.authority.flush_last_used().await;
    assert_eq!(house.authority.revision(), revision, "no write within the hour");
    assert_eq!(
        field(&last(&house).await, "ServiceName"),
        "s3",
        "told all the same"
    );
    house.authority.note_use(&ana, "s3", "eu-central-1", at(3_700));
    house.authority.flush_last_used().await;
    assert!(house.authority.revision() > revision);
    assert_eq!(
        field(&last(&house.again().await).await, "LastUsedDate"),
        at(3_700).iso8601()
    );

    house.now = house.now.plus(4_000);
    house
        .done("DeleteAccessKey", &[("UserName", "ana"), ("AccessKeyId", &key)])
        .await;
    house
        .authority
        .note_use(&ana, "s3", "eu-central-1", house.now.plus(9_999));
    house.authority.flush_last_used().await;
    let kept = house.store.list("v1/").await.unwrap().entries;
    let of_key = format!("/last/{}", key.to_ascii_lowercase());
    assert!(
        !kept.iter().any(|entry| entry.key.ends_with(&of_key)),
        "gone with its key"
    );
}

#[tokio::test]
async fn the_access_advisor_tells_who_used_what() {
    let mut house = House::new().await;
    let ana = house.user("ana").await;
    let allow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":["s3:Get*","sqs:*"],"Resource":"*"}}"#;
    house.done("CreateGroup", &[("GroupName", "g")]).await;
    let put = [("GroupName", "g"), ("PolicyName", "p"), ("PolicyDocument", allow)];
    house.done("PutGroupPolicy", &put).await;
    house
        .done("AddUserToGroup", &[("GroupName", "g"), ("UserName", "ana")])
        .await;
    house.authority.note_use(&ana, "s3", "eu-central-1", house.now);
    let arn = format!("arn:aws:iam::{}:group/g", house.account);
    let started = house
        .done("GenerateServiceLastAccessedDetails", &[("Arn", &arn)])
        .await;
    let job = field(&started, "JobId");
    assert_eq!(job.len(), 36);
    let told = house
        .done("GetServiceLastAccessedDetails", &[("JobId", &job)])
        .await;
    assert!(
        told.contains("<JobStatus>COMPLETED<") && told.contains("<ServiceNamespace>sqs<"),
        "{told}"
    );
    assert!(told.contains(":user/ana</LastAuthenticatedEntity>"), "{told}");
    let params = [("JobId", job.as_str()), ("ServiceNamespace", "s3")];
    let told = house
        .done("GetServiceLastAccessedDetailsWithEntities", &params)
        .await;
    assert!(
        told.contains("<Name>ana</Name>") && told.contains("<Type>USER</Type>"),
        "{told}"
    );
    house.now = house.now.plus(4 * 3_600);
    let params = [("JobId", job.as_str())];
    assert_eq!(
        house.refused("GetServiceLastAccessedDetails", &params).await,
        "NoSuchEntity"
    );

    let params = [("Arn", arn.as_str()), ("ServiceNamespaces.member.1", "s3")];
    let granting = house.done("ListPoliciesGrantingServiceAccess", &params).await;
    assert!(granting.contains("<EntityName>g</EntityName>"), "{granting}");
}

#[tokio::test]
async fn a_service_linked_role_is_its_services() {
    let house = House::new().await;
    let made = house
        .done(
            "CreateServiceLinkedRole",
            &[("AWSServiceName", "autoscaling.amazonaws.com")],
        )
        .await;
    assert_eq!(field(&made, "RoleName"), "AWSServiceRoleForAutoScaling");
    assert_eq!(
        field(&made, "Path"),
        "/aws-service-role/autoscaling.amazonaws.com/"
    );
    let role = [("RoleName", "AWSServiceRoleForAutoScaling")];
    for action in ["DeleteRole", "UpdateRole", "DeleteRolePermissionsBoundary"] {
        assert_eq!(
            house.refused(action, &role).await,
            "UnmodifiableEntity",
            "{action}"
        );
    }
    let described = [role[0], ("Description", "scales")];
    house.done("UpdateRole", &described).await;
    assert_eq!(
        field(&house.done("GetRole", &role).await, "Description"),
        "scales"
    );
    let longer = [role[0], described[1], ("MaxSessionDuration", "7200")];
    assert_eq!(house.refused("UpdateRole", &longer).await, "UnmodifiableEntity");
    let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
    let forged = [
        ("RoleName", "x"),
        ("Path", "/aws-service-role/x.amazonaws.com/"),
        ("AssumeRolePolicyDocument", trust),
    ];
    assert_eq!(house.refused("CreateRole", &forged).await, "ValidationError");
    let deleted = house.done("DeleteServiceLinkedRole", &role).await;
    let task = field(&deleted, "DeletionTaskId");
    assert!(
        task.starts_with("task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/")
    );
    let status = house
        .done("GetServiceLinkedRoleDeletionStatus", &[("DeletionTaskId", &task)])
        .await;
    assert_eq!(field(&status, "Status"), "SUCCEEDED");
    assert_eq!(house.refused("GetRole", &role).await, "NoSuchEntity");
}
