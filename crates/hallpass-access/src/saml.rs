use hallpass_session::Tag;
use hallpass_types::UnixSeconds;

/// What the verified assertion of a SAML provider says of its bearer, for `AssumeRoleWithSAML`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SamlIdentity {
    /// The provider's ARN, as a trust policy names it under `Federated`.
    pub provider_arn: String,
    /// The assertion's own `ID`.
    pub assertion_id: String,
    /// The provider's `entityID` (`saml:iss`).
    pub issuer: String,
    /// Who the bearer is to the provider (`saml:sub`); never empty.
    pub subject: String,
    /// What sort of name that is (`saml:sub_type`): `persistent`, `transient`, or a URI.
    pub subject_type: String,
    /// The sign-in address the assertion was made for (`saml:aud`).
    pub audience: String,
    /// Tells subjects of different providers apart (`saml:namequalifier`): the hash of issuer, account and provider.
    pub name_qualifier: String,
    /// The roles that the assertion lists for this provider, by ARN.
    pub role_arns: Vec<String>,
    /// What the session is called.
    pub session_name: String,
    /// When a session must be over at the latest.
    pub session_ends: Option<UnixSeconds>,
    /// The condition keys `saml:sub` and so on, each with its values.
    pub condition_keys: Vec<(String, Vec<String>)>,
    /// The session tags that the assertion carries.
    pub tags: Vec<Tag>,
    /// Which of them go on to chained sessions.
    pub transitive_tag_keys: Vec<String>,
    /// The source identity that the assertion carries.
    pub source_identity: Option<String>,
}
