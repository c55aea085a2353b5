//! The gateway's upstreams and its listener, as the configuration has them.

use crate::error::CliError;
use hallpass_agent::SystemClock;
use hallpass_credentials::{Source, check_token_file};
use hallpass_gateway::{
    AssumeRoleConfig, GatewayConfig, ListenerConfig, UpstreamConfig, UpstreamCredentialsConfig,
};
use hallpass_serve::Listening;
use hallpass_sigv4::RegionSet;
use hallpass_types::Clock as _;
use hallpass_upstream::{
    AssumedRole, AssumedRoleConfig, HttpUpstream, HttpUpstreamConfig, Proof, Upstream, UpstreamCredentials,
};
use std::net::SocketAddr;
use std::sync::Arc;

/// Every upstream, in the order of the configuration.
pub(crate) async fn open(config: &GatewayConfig) -> Result<Vec<Arc<dyn Upstream>>, CliError> {
    let mut opened: Vec<Arc<dyn Upstream>> = vec![];
    for upstream in &config.upstreams {
        let made = HttpUpstream::new(HttpUpstreamConfig {
            name: upstream.name.clone(),
            endpoint: upstream.endpoint.clone(),
            region: upstream.region.clone(),
            region_set: upstream.region_set.as_deref().and_then(RegionSet::parse),
            path_style: upstream.path_style,
            credentials: credentials(upstream).await?,
            bucket_map: upstream.bucket_names.clone(),
            account: upstream.account,
            ca_file: upstream.ca_file.clone(),
            trailing_checksums: upstream.trailing_checksums,
        });
        let made =
            made.map_err(|error| CliError::failed(format!("upstream `{}`: {error}", upstream.name)))?;
        opened.push(Arc::new(made));
    }
    Ok(opened)
}

async fn credentials(upstream: &UpstreamConfig) -> Result<Arc<dyn UpstreamCredentials>, CliError> {
    let cannot =
        |error: &dyn std::fmt::Display| CliError::failed(format!("upstream `{}`: {error}", upstream.name));
    let config = &upstream.credentials;
    let now = SystemClock.now();
    for file in [&config.container_token_file, &config.web_identity_token_file]
        .into_iter()
        .flatten()
    {
        check_token_file(file).await.map_err(|error| cannot(&error))?;
    }
    let proof = match &config.web_identity_token_file {
        Some(file) => Proof::WebIdentity(file.clone()),
        None => Proof::Signed(source(config).map_err(|error| cannot(&error))?),
    };
    // What must be fetched is fetched in the background: a cloud that is not there yet may come.
    match (&config.assume_role, proof) {
        (Some(role), proof) => {
            let assumed =
                AssumedRole::new(assumed_role(upstream, role), proof).map_err(|error| cannot(&error))?;
            assumed.prefetch(now);
            Ok(Arc::new(assumed))
        }
        (None, Proof::Signed(source)) => {
            source.prefetch(now);
            Ok(Arc::new(source))
        }
        (None, Proof::WebIdentity(_)) => Err(cannot(
            &"a web identity is exchanged for a role: give assume_role",
        )),
    }
}

fn source(config: &UpstreamCredentialsConfig) -> Result<Source, String> {
    if let Some(file) = &config.file {
        let profile = config.profile.as_deref().unwrap_or("default");
        Source::profile(file, profile).map_err(|error| error.to_string())
    } else if let Some(base) = &config.metadata {
        Source::metadata(base).map_err(|error| error.to_string())
    } else if let Some(url) = &config.container {
        Source::container(url, config.container_token_file.clone()).map_err(|error| error.to_string())
    } else {
        Source::environment(|name| std::env::var(name).ok()).map_err(|error| error.to_string())
    }
}

fn assumed_role(upstream: &UpstreamConfig, role: &AssumeRoleConfig) -> AssumedRoleConfig {
    AssumedRoleConfig {
        role_arn: role.role_arn.clone(),
        sts_endpoint: role.sts_endpoint.clone(),
        region: upstream.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
        ca_file: upstream.ca_file.clone(),
        duration_seconds: role.duration_seconds,
        external_id: role.external_id.clone(),
        per_caller: role.per_caller,
    }
}

/// How the listener's connections begin.
pub(crate) fn listening(config: &ListenerConfig) -> Result<Listening, CliError> {
    let tls = match (&config.certificate_file, &config.key_file) {
        (Some(certificate), Some(key)) => {
            let acceptor = hallpass_serve::acceptor(certificate, key, config.client_ca_file.as_deref());
            Some(acceptor.map_err(|error| CliError::failed(format!("listener: {error}")))?)
        }
        _ => None,
    };
    Ok(Listening {
        tls,
        proxy_protocol_from: config.proxy_protocol_from.clone(),
    })
}

/// The address at which others reach the API, as the configuration says or as it listens.
pub(crate) fn public_url(config: &ListenerConfig, listens: SocketAddr) -> Result<String, CliError> {
    let Some(url) = &config.public_url else {
        let scheme = if config.certificate_file.is_some() {
            "https"
        } else {
            "http"
        };
        return Ok(format!("{scheme}://{listens}"));
    };
    let rest = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.trim_end_matches('/'));
    let is_host = |host: &str| {
        !host.is_empty() && !host.contains(['/', '?', '#', '@']) && !host.contains(char::is_whitespace)
    };
    if host.is_some_and(is_host) {
        return Ok(url.clone());
    }
    Err(CliError::failed(format!(
        "listener: public_url is a scheme and a host, https://api.example.com, not `{url}`"
    )))
}
