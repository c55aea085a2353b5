use crate::house::{House, field};

const EC_CERTIFICATE: &str = include_str!("../keys/ec.crt");
const EC_KEY: &str = include_str!("../keys/ec.pk8");
const RSA_KEY: &str = include_str!("../keys/rsa.pk8");
const RSA_PUBLIC: &str = include_str!("../keys/rsa.pub");
const RSA_SSH: &str = include_str!("../keys/rsa.ssh");

#[tokio::test]
async fn a_renamed_user_keeps_its_keys_groups_and_policies() {
    let mut house = House::new().await;
    let before = house.user("ana").await;
    let allow =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*"}}"#;
    house.done("CreateGroup", &[("GroupName", "g")]).await;
    let put = [("GroupName", "g"), ("PolicyName", "p"), ("PolicyDocument", allow)];
    house.done("PutGroupPolicy", &put).await;
    house
        .done("AddUserToGroup", &[("GroupName", "g"), ("UserName", "ana")])
        .await;
    let rename = [("UserName", "ana"), ("NewUserName", "Anna"), ("NewPath", "/x/")];
    house.done("UpdateUser", &rename).await;
    let key = before.access_key_id.clone().unwrap();
    for house in [&house, &house.again().await] {
        let after = house.caller(key.as_str(), None);
        assert_eq!(
            after.principal.arn,
            format!("arn:aws:iam::{}:user/x/Anna", house.account)
        );
        assert_eq!(after.user_id, before.user_id);
        assert!(house.may_list_users(&after).await);
        assert_eq!(
            house.refused("GetUser", &[("UserName", "ana")]).await,
            "NoSuchEntity"
        );
        assert!(
            house
                .done("GetGroup", &[("GroupName", "g")])
                .await
                .contains("<UserName>Anna</UserName>")
        );
        assert!(
            house
                .done("ListAccessKeys", &[("UserName", "anna")])
                .await
                .contains(key.as_str())
        );
    }
    house.user("bo").await;
    let taken = [("UserName", "bo"), ("NewUserName", "ANNA")];
    assert_eq!(house.refused("UpdateUser", &taken).await, "EntityAlreadyExists");
    house.now = house.now.plus(1);
    house
        .done("UpdateUser", &[("UserName", "bo"), ("NewUserName", "BO")])
        .await;
    assert!(
        house
            .done("GetUser", &[("UserName", "bo")])
            .await
            .contains("<UserName>BO</UserName>")
    );
}

#[tokio::test]
async fn passwords_follow_the_policy_and_are_never_told() {
    let house = House::new().await;
    let ana = house.user("ana").await;
    let weak = [("UserName", "ana"), ("Password", "short")];
    assert_eq!(
        house.refused("CreateLoginProfile", &weak).await,
        "PasswordPolicyViolation"
    );
    let policy = [
        ("MinimumPasswordLength", "10"),
        ("RequireNumbers", "true"),
        ("PasswordReusePrevention", "2"),
    ];
    house.done("UpdateAccountPasswordPolicy", &policy).await;
    let first = [
        ("UserName", "ana"),
        ("Password", "correct horse 1"),
        ("PasswordResetRequired", "true"),
    ];
    let told = house.done("CreateLoginProfile", &first).await;
    assert!(
        told.contains("<PasswordResetRequired>true<") && !told.contains("horse"),
        "{told}"
    );
    assert_eq!(
        house.refused("CreateLoginProfile", &first).await,
        "EntityAlreadyExists"
    );
    for entry in house.store.list("v1/").await.unwrap().entries {
        assert!(
            !String::from_utf8_lossy(&entry.value).contains("correct horse"),
            "{}",
            entry.key
        );
    }
    let allow = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ChangePassword","Resource":"*"}}"#;
    let put = [
        ("UserName", "ana"),
        ("PolicyName", "p"),
        ("PolicyDocument", allow),
    ];
    house.done("PutUserPolicy", &put).await;
    let change = async |old: &str, new: &str| {
        let params = [("OldPassword", old), ("NewPassword", new)];
        let changed = house.call_as(&ana, "ChangePassword", &params).await;
        changed.map_err(|error| error.code.to_owned())
    };
    assert_eq!(
        change("wrong horse 1", "correct horse 2").await,
        Err("AccessDenied".into())
    );
    assert_eq!(
        change("correct horse 1", "correct horse 1").await,
        Err("PasswordPolicyViolation".into())
    );
    change("correct horse 1", "correct horse 2").await.unwrap();
    assert_eq!(
        change("correct horse 2", "correct horse 1").await,
        Err("PasswordPolicyViolation".into())
    );
    change("correct horse 2", "correct horse 3").await.unwrap();
    change("correct horse 3", "correct horse 1").await.unwrap();
    let told = house.done("GetLoginProfile", &[("UserName", "ana")]).await;
    assert!(told.contains("<PasswordResetRequired>false<"));
    let bo = house.user("bo").await;
    let put = [("UserName", "bo"), ("PolicyName", "p"), ("PolicyDocument", allow)];
    house.done("PutUserPolicy", &put).await;
    let of_ana = [
        ("UserName", "ana"),
        ("OldPassword", "correct horse 1"),
        ("NewPassword", "correct horse 9"),
    ];
    let refused = house.call_as(&bo, "ChangePassword", &of_ana).await.unwrap_err();
    assert_eq!(refused.code, "InvalidUserType", "one's own alone");
    assert_eq!(
        house
            .refused("ChangePassword", &[("OldPassword", "a"), ("NewPassword", "b")])
            .await,
        "NoSuchEntity"
    );
}

#[tokio::test]
async fn a_server_certificate_must_fit_its_key_which_nothing_tells() {
    let house = House::new().await;
    let upload = |body, key| {
        [
            ("ServerCertificateName", "c"),
            ("CertificateBody", body),
            ("PrivateKey", key),
            ("Path", "/x/"),
        ]
    };
    let refused = house
        .refused("UploadServerCertificate", &upload(EC_CERTIFICATE, RSA_KEY))
        .await;
    assert_eq!(refused, "KeyPairMismatch");
    let refused = house
        .refused("UploadServerCertificate", &upload("words", EC_KEY))
        .await;
    assert_eq!(refused, "MalformedCertificate");
    let made = house
        .done("UploadServerCertificate", &upload(EC_CERTIFICATE, EC_KEY))
        .await;
    assert_eq!(field(&made, "Expiration"), "2036-11-19T17:40:02Z");
    assert!(field(&made, "Arn").ends_with(":server-certificate/x/c"));
    let told = house
        .done("GetServerCertificate", &[("ServerCertificateName", "C")])
        .await;
    assert!(told.contains("BEGIN CERTIFICATE") && !told.contains("PRIVATE"));
    for entry in house.store.list("v1/").await.unwrap().entries {
        assert!(
            !String::from_utf8_lossy(&entry.value).contains("PRIVATE KEY"),
            "{}",
            entry.key
        );
    }
    let rename = [("ServerCertificateName", "c"), ("NewServerCertificateName", "d")];
    house.done("UpdateServerCertificate", &rename).await;
    assert_eq!(
        house
            .refused("GetServerCertificate", &[("ServerCertificateName", "c")])
            .await,
        "NoSuchEntity"
    );
    house
        .done("DeleteServerCertificate", &[("ServerCertificateName", "d")])
        .await;
}

#[tokio::test]
async fn an_ssh_key_is_the_same_in_either_form() {
    let house = House::new().await;
    house.user("ana").await;
    let upload = |body| [("UserName", "ana"), ("SSHPublicKeyBody", body)];
    let made = house.done("UploadSSHPublicKey", &upload(RSA_SSH)).await;
    assert_eq!(
        field(&made, "Fingerprint"),
        "3e:d4:6a:02:a8:85:22:10:f7:58:cd:22:86:f7:d2:c6"
    );
    assert_eq!(
        house.refused("UploadSSHPublicKey", &upload(RSA_PUBLIC)).await,
        "DuplicateSSHPublicKey"
    );
    let unknown = house
        .refused("UploadSSHPublicKey", &upload("ssh-ed25519 AAAA"))
        .await;
    assert_eq!(unknown, "UnrecognizedPublicKeyEncoding");
    assert_eq!(
        house.refused("UploadSSHPublicKey", &upload("ssh-rsa AAAA")).await,
        "InvalidPublicKey"
    );
    let id = field(&made, "SSHPublicKeyId");
    let get = [
        ("UserName", "ana"),
        ("SSHPublicKeyId", id.as_str()),
        ("Encoding", "PEM"),
    ];
    assert_eq!(
        field(&house.done("GetSSHPublicKey", &get).await, "SSHPublicKeyBody"),
        RSA_PUBLIC
    );
}
