use crate::api::TableKeys;
use crate::{GatewayConfig, PolicyLookup, RequestHead};
use hallpass_access::Caller;
use hallpass_resource::ResourcePolicies;
use hallpass_s3route::S3Request;
use hallpass_types::AccountId;
use hallpass_upstream::Upstream;
use std::sync::Arc;

/// What every request to a service that lies behind needs.
pub struct Gateway {
    /// Which policies bear on a caller.
    pub policies: Arc<dyn PolicyLookup>,
    /// Policies of buckets, queues and topics, whatever upstream they live in.
    pub resources: Arc<ResourcePolicies>,
    /// Whose everything is of which its upstream does not know the owner.
    pub account: AccountId,
    /// Buckets no upstream claims.
    pub directory: Arc<dyn Upstream>,
    /// In the order of the configuration.
    pub upstreams: Vec<Arc<dyn Upstream>>,
    /// Which bucket lives where, and the named networks.
    pub config: GatewayConfig,
    /// Which attribute is the partition key of a table, where policies ask.
    pub table_keys: TableKeys,
    /// The region served.
    pub region: String,
}

impl Gateway {
    /// The bucket a host name stands for, or has in front of a base name we answer to: `demo.localhost`,
    /// `demo.s3.eu-central-1.amazonaws.com`. The boundary is a dot; `evildemo-s3.amazonaws.com` has none.
    #[must_use]
    pub fn host_bucket<'a>(&'a self, head: &'a RequestHead) -> Option<&'a str> {
        let host = head.header("host")?;
        let host = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let listener = &self.config.listener;
        if let Some(bucket) = listener.bucket_domains.get(host) {
            return Some(bucket);
        }
        let own = ["s3.localhost", "localhost", "s3.amazonaws.com"];
        let regional = format!("s3.{}.amazonaws.com", self.region);
        let bases = listener
            .domains
            .iter()
            .map(String::as_str)
            .chain([regional.as_str()]);
        bases
            .chain(own)
            .filter(|base| *base != host)
            .find_map(|base| host.strip_suffix(base)?.strip_suffix('.'))
            .filter(|bucket| !bucket.is_empty() && *bucket != "s3")
    }

    pub(crate) fn upstream_for(&self, s3: &S3Request, caller: &Caller) -> &Arc<dyn Upstream> {
        match s3.bucket.as_deref() {
            Some(bucket) => self.upstream_of(bucket, caller),
            None => &self.directory,
        }
    }

    /// The upstream that a bucket lives in, for that caller.
    #[must_use]
    pub fn upstream_of(&self, bucket: &str, caller: &Caller) -> &Arc<dyn Upstream> {
        self.config
            .upstream_for("s3", Some(bucket), caller)
            .and_then(|index| self.upstreams.get(index))
            .unwrap_or(&self.directory)
    }

    /// The upstream for another service than S3.
    pub(crate) fn upstream_for_api(&self, service: &str, caller: &Caller) -> Option<&Arc<dyn Upstream>> {
        let index = self.config.upstream_for(service, None, caller)?;
        self.upstreams.get(index)
    }
}
