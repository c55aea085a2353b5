use hallpass_session::Network;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::PathBuf;

/// How requests reach us.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListenerConfig {
    /// The certificate chain (PEM); with `key_file` the listener speaks TLS. Read again when it changes.
    pub certificate_file: Option<PathBuf>,
    /// Its private key (PEM).
    pub key_file: Option<PathBuf>,
    /// The authorities (PEM) of clients' certificates. Clients need not show one; what they show must be good, and
    /// sessions bound to a certificate need it.
    pub client_ca_file: Option<PathBuf>,
    /// Proxies whose PROXY protocol header says who is behind them; they must send one, nobody else may.
    pub proxy_protocol_from: Vec<Network>,
    /// Proxies whose `X-Forwarded-For` is believed, from the right to the first address that is none of them.
    pub trusted_hops: Vec<Network>,
    /// Who may read the metrics, besides the machine itself.
    pub metrics_from: Vec<Network>,
    /// Host names under which a bucket may stand in front of ours, such as `s3.example.com`.
    pub domains: Vec<String>,
    /// Host names that are a bucket: name = bucket.
    pub bucket_domains: HashMap<String, String>,
    /// Where others reach this listener, such as `https://api.example.com`: tokens for services elsewhere name it as their
    /// issuer. The address it listens on when absent.
    pub public_url: Option<String>,
    /// How long a sender may be silent in the middle of a body, in seconds; 30 when absent, 1 at least. One that keeps
    /// us waiting for twice that in all must have sent 1 KiB for each second.
    pub body_timeout_seconds: u32,
}

impl Default for ListenerConfig {
    fn default() -> Self {
        Self {
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            proxy_protocol_from: vec![],
            trusted_hops: vec![],
            metrics_from: vec![],
            domains: vec![],
            bucket_domains: HashMap::new(),
            public_url: None,
            body_timeout_seconds: 30,
        }
    }
}

/// How much any one caller may ask for; absent: as much as there is. What is beyond is answered 503 `SlowDown`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsConfig {
    /// Of one session or key.
    #[serde(default)]
    pub per_session: RateConfig,
    /// Of all sessions of one role, or all keys of one user.
    #[serde(default)]
    pub per_role: RateConfig,
}

/// A limit of rates; what was not used is saved up for one second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateConfig {
    /// Requests a second.
    #[serde(default)]
    pub requests_per_second: Option<u32>,
    /// Bytes a second of bodies, both ways together.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// Requests under way at once.
    #[serde(default)]
    pub concurrent_requests: Option<u32>,
}

/// Which older forms of signature are taken.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignaturesConfig {
    /// Presigned URLs of Signature Version 2, which boto3 and aws cli v1 still make for some regions. Off unless asked
    /// for: it signs fewer headers and by SHA-1.
    #[serde(default)]
    pub version_2_presigned: bool,
}
