//! What the first start makes: account, administrator, role, profile, this machine's instance, bucket. Each through
//! the same authorized calls that a client would make.

use crate::data_dir::{DataDir, write_private};
use crate::error::CliError;
use hallpass_access::{ActionOn, Caller, Permit, PolicyBundle, authorize};
use hallpass_authority::{ApiError, Authority, Bootstrap, Call, Requirement, Service};
use hallpass_s3route::{S3Head, route};
use hallpass_session::Network;
use hallpass_types::{AccountId, UnixSeconds};
use hallpass_upstream::{ForwardRequest, Upstream, VerifiedBody};
use hallpass_wire::{QueryParams, percent_encode};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

pub(crate) const ROLE: &str = "demo";
pub(crate) const BUCKET: &str = "demo";
/// Marks the instance that stands for this machine.
pub(crate) const MACHINE_TAG: &str = "hallpass:machine";

const EC2_TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// The administrator's key, in AWS's form.
pub(crate) fn credentials_path(data: &DataDir) -> PathBuf {
    data.file("admin-credentials")
}

/// Makes the account on the first start and returns it, whether new or old.
pub(crate) async fn account(
    authority: &Authority,
    data: &DataDir,
    now: UnixSeconds,
) -> Result<(AccountId, bool), CliError> {
    if let Some(account) = authority.accounts().first() {
        return Ok((*account, false));
    }
    let path = credentials_path(data);
    let keep = |made: &Bootstrap| {
        let text = format!(
            "[admin]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
            made.access_key_id,
            made.secret.expose()
        );
        write_private(&path, text.as_bytes())
            .map_err(|error| ApiError::new("ServiceFailure", 500, error.to_string()))
    };
    let made = authority.bootstrap_kept(now, keep).await.map_err(|error| {
        // The key is nobody's: another server was first, or the store failed.
        let _ = std::fs::remove_file(&path);
        CliError::failed(error.to_string())
    })?;
    Ok((made.account, true))
}

/// The administrator, as the caller of what is made here.
pub(crate) fn administrator(
    authority: &Authority,
    data: &DataDir,
    now: UnixSeconds,
) -> Result<Arc<Caller>, CliError> {
    let path = credentials_path(data);
    let unreadable =
        |why: String| CliError::failed(format!("the administrator's key `{}` {why}", path.display()));
    let text =
        std::fs::read_to_string(&path).map_err(|error| unreadable(format!("cannot be read: {error}")))?;
    let id = text
        .lines()
        .find_map(|line| line.strip_prefix("aws_access_key_id = "))
        .and_then(|id| id.trim().parse().ok())
        .ok_or_else(|| unreadable("is damaged".to_owned()))?;
    authority
        .candidate(&id, None, now)
        .map(|candidate| candidate.caller)
        .map_err(|error| unreadable(format!("is no longer valid: {error}")))
}

/// Role, profile and bucket. Anything that is there already is left as it is.
pub(crate) async fn demo_role(
    authority: &Authority,
    admin: &Arc<Caller>,
    now: UnixSeconds,
) -> Result<(), CliError> {
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"DemoBucketOnly","Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::{BUCKET}","arn:aws:s3:::{BUCKET}/*"]}}]}}"#
    );
    let steps: [(&str, &[(&str, &str)]); 4] = [
        (
            "CreateRole",
            &[("RoleName", ROLE), ("AssumeRolePolicyDocument", EC2_TRUST)],
        ),
        (
            "PutRolePolicy",
            &[
                ("RoleName", ROLE),
                ("PolicyName", "demo-bucket"),
                ("PolicyDocument", &policy),
            ],
        ),
        ("CreateInstanceProfile", &[("InstanceProfileName", ROLE)]),
        (
            "AddRoleToInstanceProfile",
            &[("InstanceProfileName", ROLE), ("RoleName", ROLE)],
        ),
    ];
    for (action, params) in steps {
        // The one step that would change what is there.
        let policy = [("RoleName", ROLE), ("PolicyName", "demo-bucket")];
        if action == "PutRolePolicy"
            && call(authority, admin, Service::Iam, "GetRolePolicy", &policy, now)
                .await
                .is_ok()
        {
            continue;
        }
        call(authority, admin, Service::Iam, action, params, now).await?;
    }
    Ok(())
}

/// The instance that stands for this machine, launched if there is none running, with the addresses it has today.
pub(crate) async fn machine(
    authority: &Authority,
    admin: &Arc<Caller>,
    private_ip: IpAddr,
    networks: Vec<Network>,
    now: UnixSeconds,
) -> Result<String, CliError> {
    let id = match existing_machine(authority) {
        Some(id) => id,
        None => {
            let params = [
                ("ImageId", "ami-00000000000000000"),
                ("InstanceType", "hallpass.dev"),
                ("MinCount", "1"),
                ("MaxCount", "1"),
                ("IamInstanceProfile.Name", ROLE),
                ("TagSpecification.1.ResourceType", "instance"),
                ("TagSpecification.1.Tag.1.Key", MACHINE_TAG),
                ("TagSpecification.1.Tag.1.Value", "this"),
            ];
            call(authority, admin, Service::Ec2, "RunInstances", &params, now).await?;
            existing_machine(authority)
                .ok_or_else(|| CliError::failed("this machine's instance could not be launched"))?
        }
    };
    authority
        .set_instance_networks(&id, &private_ip.to_string(), networks)
        .await
        .map_err(|error| CliError::failed(error.to_string()))?;
    Ok(id)
}

/// The running instance that stands for this machine.
pub(crate) fn existing_machine(authority: &Authority) -> Option<String> {
    let instances = authority.running_instances().into_iter();
    let mut own = instances.filter(|instance| instance.tags.iter().any(|tag| tag.key == MACHINE_TAG));
    own.next().map(|instance| instance.id)
}

async fn call(
    authority: &Authority,
    caller: &Arc<Caller>,
    service: Service,
    action: &str,
    params: &[(&str, &str)],
    now: UnixSeconds,
) -> Result<(), CliError> {
    let failed = |why: String| CliError::failed(format!("the first start could not {action}: {why}"));
    let form = params
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encode(value)))
        .collect::<Vec<_>>();
    let params = QueryParams::parse(&form.join("&")).map_err(|error| failed(error.to_string()))?;
    let call = Call {
        service,
        action: action.to_owned(),
        params,
        caller: Arc::clone(caller),
        now,
    };
    let (bundle, tags) = authority.policies_for(caller);
    let permit = match authority
        .requirement(&call)
        .map_err(|error| failed(error.to_string()))?
    {
        Requirement::Actions(actions) => authorize(caller, actions, &caller.context(now, &tags), &bundle)
            .map_err(|denied| failed(denied.message))?,
        Requirement::Trust(..) | Requirement::Nothing(_) => {
            return Err(failed("it takes no part here".to_owned()));
        }
    };
    match authority.execute(&permit, &call).await {
        Ok(_) => Ok(()),
        Err(error) if error.code == "EntityAlreadyExists" => Ok(()),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Makes the bucket, unless it is there.
pub(crate) async fn bucket(
    directory: &dyn Upstream,
    caller: &Arc<Caller>,
    bundle: &PolicyBundle,
    now: UnixSeconds,
) -> Result<(), CliError> {
    let failed =
        |why: String| CliError::failed(format!("the first start could not make bucket `{BUCKET}`: {why}"));
    if directory.bucket_owner(BUCKET).is_some() {
        return Ok(());
    }
    let path = format!("/{BUCKET}");
    let head = S3Head {
        method: "PUT",
        path: &path,
        query: None,
        headers: &[],
        host_bucket: None,
    };
    let s3 = route(&head).map_err(|error| failed(error.to_string()))?;
    let actions: Vec<ActionOn> = s3.actions(&head);
    let permit: Permit = authorize(caller, actions, &caller.context(now, &[]), bundle)
        .map_err(|denied| failed(denied.message))?;
    let (parts, ()) = http::Request::put(&path)
        .body(())
        .map_err(|error| failed(error.to_string()))?
        .into_parts();
    let request = ForwardRequest::new(
        permit,
        s3,
        parts,
        VerifiedBody::empty(),
        "FIRST-START".to_owned(),
        now,
    );
    directory
        .serve(request)
        .await
        .map(|_| ())
        .map_err(|error| failed(error.message.clone()))
}
