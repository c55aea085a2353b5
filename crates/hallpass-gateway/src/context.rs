use crate::{Connection, NetworkConfig, RequestHead};
use hallpass_access::Caller;
use hallpass_policy::Context;
use hallpass_sigv4::{AuthForm, Verified};
use hallpass_types::UnixSeconds;

/// The condition keys that the connection and the request as a whole carry, on top of the caller's.
///
/// Everything comes from what the server knows or the signature covers, never from a header that merely has a
/// condition key's name (GHSA-6r96). `User-Agent` and `Referer` are what the client says, as in AWS.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "each is a source of condition keys")]
pub fn request_context(
    caller: &Caller,
    verified: Option<&Verified>,
    head: &RequestHead,
    connection: Connection,
    networks: &[NetworkConfig],
    role_tags: &[(String, String)],
    region: &str,
    now: UnixSeconds,
) -> Context {
    let mut context = caller.context(now, role_tags);
    let peer = connection.peer.ip().to_canonical();
    // A request that comes through a network with a name comes from a VPC: then, as in AWS, its address is
    // `aws:VpcSourceIp` and there is no `aws:SourceIp`.
    match networks.iter().find(|network| network.cidr.contains(peer)) {
        Some(network) => {
            context.set("aws:SourceVpc", &network.vpc);
            context.set("aws:VpcSourceIp", peer.to_string());
            if let Some(endpoint) = &network.vpce {
                context.set("aws:SourceVpce", endpoint);
            }
        }
        None => {
            context.set("aws:SourceIp", peer.to_string());
        }
    }
    context.set(
        "aws:SecureTransport",
        if connection.is_tls { "true" } else { "false" },
    );
    context.set("aws:RequestedRegion", region);
    if let Some(agent) = head.header("user-agent") {
        context.set("aws:UserAgent", agent);
    }
    if let Some(referer) = head.header("referer") {
        context.set("aws:Referer", referer);
    }
    if let Some(verified) = verified.filter(|verified| verified.scope().service() == "s3") {
        context.set("s3:authType", auth_type(verified.form()));
        let version = match verified.form() {
            AuthForm::PresignedV2 => "AWS",
            _ if verified.scope().region().is_empty() => "AWS4-ECDSA-P256-SHA256",
            _ => "AWS4-HMAC-SHA256",
        };
        context.set("s3:signatureversion", version);
        // Version 2 does not say when it was signed.
        if verified.form() != AuthForm::PresignedV2 {
            let age = now.since(verified.date()).max(0) * 1_000;
            context.set("s3:signatureAge", age.to_string());
        }
        if let Some(hash) = head.header("x-amz-content-sha256") {
            context.set("s3:x-amz-content-sha256", hash);
        }
    }
    context
}

/// `REST-HEADER`, `REST-QUERY-STRING` or `POST`: the condition key `s3:authType`.
fn auth_type(form: AuthForm) -> &'static str {
    match form {
        AuthForm::Header => "REST-HEADER",
        AuthForm::Presigned { .. } | AuthForm::PresignedV2 => "REST-QUERY-STRING",
        AuthForm::PostForm => "POST",
    }
}
