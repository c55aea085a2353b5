//! The gateway's upstreams and its listener, as the configuration has them.

use crate::error::CliError;
use hallpass_agent::SystemClock;
use hallpass_gateway::{GatewayConfig, ListenerConfig, UpstreamConfig};
use hallpass_serve::Listening;
use hallpass_sigv4::RegionSet;
use hallpass_types::Clock as _;
use hallpass_upstream::{HttpUpstream, HttpUpstreamConfig, ProfileFile, Upstream, UpstreamCredentials};
use std::sync::Arc;

/// Every upstream, in the order of the configuration.
pub(super) fn open(config: &GatewayConfig) -> Result<Vec<Arc<dyn Upstream>>, CliError> {
    config
        .upstreams
        .iter()
        .map(|upstream| {
            let cannot = |error: &dyn std::fmt::Display| {
                CliError::failed(format!("upstream `{}`: {error}", upstream.name))
            };
            let made = HttpUpstream::new(HttpUpstreamConfig {
                name: upstream.name.clone(),
                endpoint: upstream.endpoint.clone(),
                region: upstream.region.clone(),
                region_set: upstream.region_set.as_deref().and_then(RegionSet::parse),
                path_style: upstream.path_style,
                credentials: credentials(upstream)?,
                bucket_map: upstream.bucket_names.clone(),
                account: upstream.account,
                ca_file: upstream.ca_file.clone(),
                trailing_checksums: upstream.trailing_checksums,
            })
            .map_err(|error| cannot(&error))?;
            Ok(Arc::new(made) as Arc<dyn Upstream>)
        })
        .collect()
}

fn credentials(upstream: &UpstreamConfig) -> Result<Arc<dyn UpstreamCredentials>, CliError> {
    let cannot =
        |error: &dyn std::fmt::Display| CliError::failed(format!("upstream `{}`: {error}", upstream.name));
    let config = &upstream.credentials;
    let Some(file) = &config.file else {
        return Err(cannot(&"this source of credentials is not built"));
    };
    let profile = ProfileFile::new(file, config.profile.as_deref().unwrap_or("default"));
    // A file that cannot be read is better known now than at the first request.
    profile.read().map_err(|error| cannot(&error.message))?;
    let _ = SystemClock.now();
    Ok(Arc::new(profile))
}

/// How the listener's connections begin.
pub(super) fn listening(config: &ListenerConfig) -> Result<Listening, CliError> {
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
