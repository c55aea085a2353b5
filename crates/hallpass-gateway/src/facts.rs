use hallpass_access::Permit;
use hallpass_apiroute::ApiRequest;
use hallpass_s3route::S3Request;
use std::time::Duration;

/// What became known on the way, for the record; filled as far as the request got.
#[derive(Debug, Default)]
pub struct Facts {
    /// `PutObject`
    pub operation: Option<&'static str>,
    /// Whether it could change anything.
    pub is_write: bool,
    /// Whether it touches objects rather than configuration.
    pub is_data: bool,
    /// The bucket.
    pub bucket: Option<String>,
    /// The key.
    pub key: Option<String>,
    /// ARNs of what it touches.
    pub resources: Vec<String>,
    /// Each action that was allowed, and the statements that allowed it.
    pub allowed_by: Vec<String>,
    /// The same actions with their resources, for programs.
    pub authorized: Vec<(String, String)>,
    /// Which upstream served it.
    pub upstream: Option<String>,
    /// How long it took to the head of its answer.
    pub upstream_took: Option<Duration>,
}

impl Facts {
    pub(crate) fn note_request(&mut self, s3: &S3Request) {
        self.operation = Some(s3.operation_name());
        self.is_write = s3.is_write();
        self.is_data = s3.is_data_event();
        self.note_target(s3.bucket.as_deref(), s3.key.as_deref());
    }

    /// A browser's question, under CloudTrail's name for it.
    pub(crate) fn note_preflight(&mut self, bucket: Option<&str>, key: Option<&str>) {
        self.operation = Some("PreflightRequest");
        self.is_data = true;
        self.note_target(bucket, key);
    }

    fn note_target(&mut self, bucket: Option<&str>, key: Option<&str>) {
        self.bucket = bucket.map(str::to_owned);
        self.key = key.map(str::to_owned);
        if let Some(bucket) = bucket {
            let key = key.map(|key| format!("/{key}")).unwrap_or_default();
            self.resources = vec![format!("arn:aws:s3:::{bucket}{key}")];
        }
    }

    pub(crate) fn note_permit(&mut self, permit: &Permit) {
        let actions = permit.actions().iter();
        self.authorized = actions
            .map(|action| (action.action.clone(), action.resource.clone()))
            .collect();
        self.allowed_by = permit
            .actions()
            .iter()
            .zip(permit.decisions())
            .map(|(action, decision)| {
                let statements = decision
                    .matched
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                format!("{} on {}: {statements}", action.action, action.resource)
            })
            .collect();
    }

    pub(crate) fn note_api(&mut self, request: &ApiRequest) {
        self.operation = request.operation();
        self.is_write = request.is_write();
        self.is_data = request.is_data_event();
    }
}
