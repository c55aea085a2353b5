use hallpass_session::Tag;

/// What the verified token of an OpenID Connect provider says of its bearer, for `AssumeRoleWithWebIdentity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebIdentity {
    /// The provider's ARN, as a trust policy names it under `Federated`.
    pub provider_arn: String,
    /// What the provider's condition keys begin with: its URL without scheme.
    pub key_prefix: String,
    /// The provider's client id that the token was made for.
    pub audience: String,
    /// Who the bearer is to the provider; never empty.
    pub subject: String,
    /// The condition keys `HOST:sub` and so on, each with its values.
    pub condition_keys: Vec<(String, Vec<String>)>,
    /// The session tags that the token carries.
    pub tags: Vec<Tag>,
    /// Which of them go on to chained sessions.
    pub transitive_tag_keys: Vec<String>,
    /// The source identity that the token carries.
    pub source_identity: Option<String>,
}
