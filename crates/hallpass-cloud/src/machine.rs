//! What is known about the machine.

use crate::config::{CloudConfig, account_of};
use hallpass_agent::Machine;
use hallpass_credentials::{FetchError, MetadataService, MetadataSession};
use hallpass_types::UnixSeconds;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// Source: Amazon EC2 User Guide, "Instance identity documents".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityDocument {
    account_id: Option<String>,
    architecture: Option<String>,
    availability_zone: Option<String>,
    image_id: Option<String>,
    instance_id: Option<String>,
    instance_type: Option<String>,
    pending_time: Option<String>,
    private_ip: Option<String>,
    region: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IamInfo {
    instance_profile_arn: Option<String>,
    instance_profile_id: Option<String>,
}

/// The machine as the configuration has it.
pub(crate) fn configured(config: &CloudConfig, now: UnixSeconds) -> Machine {
    let given = &config.machine;
    let first_account = || {
        let arns = config.roles.iter().filter_map(|role| role.arn.as_deref());
        arns.filter_map(account_of).next().map(str::to_owned)
    };
    let account = given.account.clone().or_else(first_account);
    let region = given.region.as_deref().unwrap_or("us-east-1");
    let mut machine = Machine::new(
        &given.instance_id.clone().unwrap_or_else(own_id),
        account.as_deref().unwrap_or("000000000000"),
        region,
        given.private_ip.as_deref().unwrap_or("127.0.0.1"),
        now,
    );
    machine.roles = config.roles.iter().map(|role| role.name.clone()).collect();
    machine.v1_allowed = given.v1_allowed;
    override_by(config, &mut machine);
    machine
}

/// The machine as EC2 has it.
///
/// # Errors
/// What the service answered.
pub(crate) async fn of_ec2(
    config: &CloudConfig,
    service: &MetadataService,
    now: UnixSeconds,
) -> Result<Machine, FetchError> {
    let mut machine = configured(config, now);
    let session = service.session().await?;
    let document = session.get("/latest/dynamic/instance-identity/document").await?;
    let parsed: Option<IdentityDocument> =
        document.and_then(|document| serde_json::from_str(document.expose()).ok());
    if let Some(document) = parsed {
        let launched = document.pending_time.as_deref();
        for (field, value) in [
            (&mut machine.account, document.account_id),
            (&mut machine.architecture, document.architecture),
            (&mut machine.availability_zone, document.availability_zone),
            (&mut machine.image_id, document.image_id),
            (&mut machine.instance_id, document.instance_id),
            (&mut machine.instance_type, document.instance_type),
            (&mut machine.private_ip, document.private_ip),
            (&mut machine.region, document.region),
        ] {
            if let Some(value) = value {
                *field = value;
            }
        }
        if let Some(at) = launched.and_then(|text| UnixSeconds::from_rfc3339(text).ok()) {
            machine.launched = at;
        }
    }
    further(&session, &mut machine).await?;
    if config.roles.is_empty() {
        machine.roles = session.role().await?.into_iter().collect();
    }
    override_by(config, &mut machine);
    Ok(machine)
}

async fn further(session: &MetadataSession<'_>, machine: &mut Machine) -> Result<(), FetchError> {
    let text = async |path: &str| -> Result<Option<String>, FetchError> {
        match session.get(&format!("/latest/meta-data/{path}")).await {
            Ok(found) => Ok(found.map(|text| text.expose().trim_end().to_owned())),
            // What it does not tell is not worth failing for; services that only look like EC2's tell less.
            Err(FetchError::Status(_)) => Ok(None),
            Err(error) => Err(error),
        }
    };
    machine.hostname = text("local-hostname").await?;
    machine.reservation_id = text("reservation-id").await?;
    machine.security_groups = text("security-groups")
        .await?
        .map(|groups| groups.lines().map(str::to_owned).collect())
        .unwrap_or_default();
    machine.mac = text("mac")
        .await?
        .filter(|mac| mac.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'));
    if let Some(mac) = &machine.mac {
        machine.subnet_id = text(&format!("network/interfaces/macs/{mac}/subnet-id")).await?;
        machine.vpc_id = text(&format!("network/interfaces/macs/{mac}/vpc-id")).await?;
    }
    let info: Option<IamInfo> = text("iam/info")
        .await?
        .and_then(|text| serde_json::from_str(&text).ok());
    if let Some(info) = info {
        machine.profile_arn = info.instance_profile_arn;
        machine.profile_id = info.instance_profile_id;
    }
    // What is not text (compressed user data) cannot be passed on; the real service still has it for root.
    if let Ok(user_data) = session.get("/latest/user-data").await {
        machine.user_data = user_data.map(|text| text.expose().as_bytes().to_vec());
    }
    Ok(())
}

/// What the configuration says is so.
fn override_by(config: &CloudConfig, machine: &mut Machine) {
    let given = &config.machine;
    for (field, value) in [
        (&mut machine.instance_id, &given.instance_id),
        (&mut machine.account, &given.account),
        (&mut machine.region, &given.region),
        (&mut machine.availability_zone, &given.availability_zone),
        (&mut machine.private_ip, &given.private_ip),
        (&mut machine.instance_type, &given.instance_type),
    ] {
        if let Some(value) = value {
            field.clone_from(value);
        }
    }
    if given.hostname.is_some() {
        machine.hostname.clone_from(&given.hostname);
    }
}

/// An id in EC2's form, of this machine alone. The machine-id itself is not to be shown (machine-id(5)).
fn own_id() -> String {
    let text = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let hash = Sha256::digest(format!("hallpass instance {}", text.trim()));
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("i-{}", &hex[..17])
}
