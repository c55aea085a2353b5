use crate::house::{House, field};
use aws_lc_rs::hmac;
use base64::Engine as _;
use hallpass_access::Caller;
use hallpass_types::UnixSeconds;
use std::sync::Arc;

/// RFC 6238, written down a second time.
fn code(seed: &str, at: UnixSeconds) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = seed
        .chars()
        .map(|letter| format!("{:05b}", letters.find(letter).unwrap()))
        .collect();
    let key: Vec<u8> = bits
        .as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &(at.0 / 30).to_be_bytes());
    let start = usize::from(tag.as_ref()[19] & 15);
    let number = u32::from_be_bytes(tag.as_ref()[start..start + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

struct Device {
    serial: String,
    seed: String,
}

impl Device {
    fn code(&self, at: UnixSeconds) -> String {
        code(&self.seed, at)
    }
}

async fn made(house: &House, name: &str) -> Device {
    let xml = house
        .done("CreateVirtualMFADevice", &[("VirtualMFADeviceName", name)])
        .await;
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    assert!(decode(&field(&xml, "QRCodePNG")).starts_with(b"\x89PNG"));
    Device {
        serial: field(&xml, "SerialNumber"),
        seed: String::from_utf8(decode(&field(&xml, "Base32StringSeed"))).unwrap(),
    }
}

async fn enable(house: &House, device: &Device, user: &str) -> Result<String, String> {
    let codes = [device.code(house.now.plus(-30)), device.code(house.now)];
    let params = [
        ("UserName", user),
        ("SerialNumber", &device.serial),
        ("AuthenticationCode1", &codes[0]),
        ("AuthenticationCode2", &codes[1]),
    ];
    house
        .call("EnableMFADevice", &params)
        .await
        .map_err(|error| error.code.to_owned())
}

fn session(house: &House, xml: &str) -> Arc<Caller> {
    house.caller(&field(xml, "AccessKeyId"), Some(&field(xml, "SessionToken")))
}

#[tokio::test]
async fn a_session_with_mfa_may_call_iam_and_its_policies_see_it() {
    let mut house = House::new().await;
    let ana = house.user("ana").await;
    let only_with = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:ListUsers","Resource":"*",
        "Condition":{"Bool":{"aws:MultiFactorAuthPresent":"true"},"NumericLessThan":{"aws:MultiFactorAuthAge":"600"}}}}"#;
    let put = [
        ("UserName", "ana"),
        ("PolicyName", "p"),
        ("PolicyDocument", only_with),
    ];
    house.done("PutUserPolicy", &put).await;
    let device = made(&house, "phone").await;
    enable(&house, &device, "ana").await.unwrap();
    assert_eq!(
        enable(&house, &device, "ana").await,
        Err("EntityAlreadyExists".to_owned())
    );
    assert!(!house.may_list_users(&ana).await, "her key alone shows no device");

    let plain = house.call_as(&ana, "GetSessionToken", &[]).await.unwrap();
    let refused = house
        .call_as(&session(&house, &plain), "ListUsers", &[])
        .await
        .unwrap_err();
    assert_eq!(refused.code, "InvalidClientTokenId");

    // The codes that enabled it are used up.
    let used = device.code(house.now);
    let with = |code: &str| {
        vec![
            ("SerialNumber", device.serial.clone()),
            ("TokenCode", code.to_owned()),
        ]
    };
    let ask = async |house: &House, code: &str| {
        let params = with(code);
        let params: Vec<_> = params
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        house.call_as(&ana, "GetSessionToken", &params).await
    };
    assert_eq!(ask(&house, &used).await.unwrap_err().code, "AccessDenied");
    house.now = house.now.plus(60);
    let next = device.code(house.now);
    let given = ask(&house, &next).await.unwrap();
    let strong = session(&house, &given);
    assert!(house.may_list_users(&strong).await);
    assert_eq!(ask(&house, &next).await.unwrap_err().code, "AccessDenied", "once");
    assert_eq!(
        ask(&house.again().await, &next).await.unwrap_err().code,
        "AccessDenied",
        "on any server"
    );
    house.now = house.now.plus(601);
    assert!(!house.may_list_users(&strong).await, "its age is told");
}

#[tokio::test]
async fn a_trust_policy_may_demand_a_code_and_the_session_keeps_it() {
    let mut house = House::new().await;
    let ana = house.user("ana").await;
    let device = made(&house, "phone").await;
    enable(&house, &device, "ana").await.unwrap();
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{}:user/ana"}},
        "Action":"sts:AssumeRole","Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}}}"#,
        house.account
    );
    house
        .done(
            "CreateRole",
            &[("RoleName", "r"), ("AssumeRolePolicyDocument", &trust)],
        )
        .await;
    let arn = format!("arn:aws:iam::{}:role/r", house.account);
    let base = vec![("RoleArn", arn.as_str()), ("RoleSessionName", "s1")];
    assert_eq!(
        house.call_as(&ana, "AssumeRole", &base).await.unwrap_err().code,
        "AccessDenied"
    );
    house.now = house.now.plus(60);
    let right = device.code(house.now);
    let with = |serial, code| {
        let more = [("SerialNumber", serial), ("TokenCode", code)];
        base.iter().copied().chain(more).collect::<Vec<_>>()
    };
    let given = house
        .call_as(&ana, "AssumeRole", &with(&device.serial, &right))
        .await
        .unwrap();
    let claims = session(&house, &given).session.clone().unwrap();
    assert_eq!(claims.mfa_at, Some(house.now));

    // Somebody else's device, half of the pair, and guesses.
    let bo = house.user("bo").await;
    house.now = house.now.plus(30);
    let next = device.code(house.now);
    let refused = house
        .call_as(&bo, "AssumeRole", &with(&device.serial, &next))
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("associated with this user"),
        "{}",
        refused.message
    );
    let half = [base[0], base[1], ("TokenCode", &next)];
    assert_eq!(
        house.call_as(&ana, "AssumeRole", &half).await.unwrap_err().code,
        "AccessDenied"
    );
    let wrong = if next == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        house
            .call_as(&ana, "AssumeRole", &with(&device.serial, wrong))
            .await
            .unwrap_err();
    }
    let stopped = house
        .call_as(&ana, "AssumeRole", &with(&device.serial, &next))
        .await;
    assert_eq!(
        stopped.unwrap_err().code,
        "AccessDenied",
        "the right one is not looked at after five wrong ones"
    );
    house.now = house.now.plus(30);
    let later = device.code(house.now);
    house
        .call_as(&ana, "AssumeRole", &with(&device.serial, &later))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_device_goes_from_made_to_enabled_to_gone() {
    let mut house = House::new().await;
    house.user("ana").await;
    let device = made(&house, "phone").await;
    let serial = [("SerialNumber", device.serial.as_str())];
    let ana = [("UserName", "ana"), serial[0]];
    assert_eq!(house.refused("DeactivateMFADevice", &ana).await, "NoSuchEntity");
    let wrong = [
        ana[0],
        ana[1],
        ("AuthenticationCode1", "000000"),
        ("AuthenticationCode2", "000000"),
    ];
    assert_eq!(
        house.refused("EnableMFADevice", &wrong).await,
        "InvalidAuthenticationCode"
    );
    enable(&house, &device, "ana").await.unwrap();
    assert_eq!(
        house.refused("DeleteVirtualMFADevice", &serial).await,
        "DeleteConflict"
    );
    assert_eq!(
        house.refused("DeleteUser", &[("UserName", "ana")]).await,
        "DeleteConflict"
    );
    let listed = house
        .done("ListVirtualMFADevices", &[("AssignmentStatus", "Assigned")])
        .await;
    assert!(
        listed.contains("<UserName>ana</UserName>") && !listed.contains("Base32"),
        "{listed}"
    );

    // A clock half an hour ahead is brought into step, and counts from then on.
    house.now = house.now.plus(60);
    let ahead = house.now.plus(1_800);
    let codes = [device.code(ahead), device.code(ahead.plus(30))];
    let resync = [
        ana[0],
        ana[1],
        ("AuthenticationCode1", &codes[0]),
        ("AuthenticationCode2", &codes[1]),
    ];
    house.done("ResyncMFADevice", &resync).await;
    assert_eq!(
        house.refused("ResyncMFADevice", &resync).await,
        "InvalidAuthenticationCode"
    );

    house.done("DeactivateMFADevice", &ana).await;
    assert!(
        !house
            .done("ListMFADevices", &[("UserName", "ana")])
            .await
            .contains("<member>")
    );
    house.done("DeleteVirtualMFADevice", &serial).await;
    assert_eq!(house.refused("GetMFADevice", &serial).await, "NoSuchEntity");
}
