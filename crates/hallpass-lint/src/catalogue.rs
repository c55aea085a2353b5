//! Every rule: its code, name, level, and what it is about in one line.

use std::fmt;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// IAM refuses the document.
    Error,
    /// It grants more than anybody is likely to want.
    SecurityWarning,
    /// It does not do what it says.
    Warning,
    /// It could be shorter, clearer or tighter.
    Suggestion,
}

impl Level {
    /// In lower case, for people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::SecurityWarning => "security warning",
            Self::Warning => "warning",
            Self::Suggestion => "suggestion",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule of the catalogue.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Stable: `HP1…` error, `HP2…` security warning, `HP3…` warning, `HP4…` suggestion. Never used again.
    pub code: &'static str,
    /// Access Analyzer's name of the check where it has it, else ours in the same style.
    pub name: &'static str,
    /// How much it weighs.
    pub level: Level,
    /// What it is about.
    pub summary: &'static str,
}

macro_rules! rules {
    ($($level:ident { $($code:ident $name:ident $summary:literal)* })*) => {
        $($(
            pub(crate) const $name: &Rule = &Rule {
                code: stringify!($code),
                name: stringify!($name),
                level: Level::$level,
                summary: $summary,
            };
        )*)*
        /// All rules, by code.
        pub const RULES: &[&Rule] = &[$($($name,)*)*];
    };
}

rules! {
    Error {
        HP1001 JSON_SYNTAX_ERROR "the text is not JSON, or names a key of an object twice"
        HP1002 POLICY_SIZE_EXCEEDED "the document is longer than IAM takes"
        HP1003 UNSUPPORTED_CHARACTER "the document holds a character IAM does not take"
        HP1004 INVALID_POLICY_ELEMENT "an element that the policy language does not have"
        HP1005 DATA_TYPE_MISMATCH "an element holds the wrong type of value"
        HP1006 INVALID_VERSION "the language version does not exist"
        HP1007 MISSING_STATEMENT "the document has no statement"
        HP1008 MISSING_EFFECT "a statement has no Effect"
        HP1009 INVALID_EFFECT "Effect is neither Allow nor Deny"
        HP1010 MISSING_ACTION "a statement names no action"
        HP1011 INVALID_ACTION_FORMAT "an action is not of the form service:Name"
        HP1012 MISSING_RESOURCE "a statement names no resource"
        HP1013 INVALID_RESOURCE_FORMAT "a resource is neither an ARN nor *"
        HP1014 ARN_REGION_NOT_ALLOWED "an ARN names a region where its service takes none"
        HP1015 INVALID_PARTITION "an ARN's partition does not exist"
        HP1016 MISSING_PRINCIPAL "a statement names no principal where it must"
        HP1017 UNSUPPORTED_PRINCIPAL "a statement names a principal where it must not"
        HP1018 INVALID_PRINCIPAL_FORMAT "a principal is none"
        HP1019 UNIQUE_SIDS_REQUIRED "two statements have one Sid"
        HP1020 UNSUPPORTED_ELEMENT_COMBINATION "an element and its negation stand together"
        HP1021 INVALID_CONDITION_OPERATOR "a condition operator does not exist"
        HP1022 INVALID_CONDITION_DATA_TYPE "a condition's value cannot be read by its operator"
        HP1023 UNSUPPORTED_ELEMENT "an element that this kind of policy does not take"
        HP1024 UNSUPPORTED_ACTION_IN_POLICY "an action that this kind of policy does not take"
        HP1099 REFUSED "the document is refused for another reason"
    }
    SecurityWarning {
        HP2001 ADMINISTRATOR_ACCESS "every action on every resource is allowed"
        HP2002 PASS_ROLE_WITH_STAR_IN_RESOURCE "any role may be passed to a service"
        HP2003 PASS_ROLE_WITH_STAR_IN_ACTION_AND_RESOURCE "a wildcard action lets any role be passed to a service"
        HP2004 PASS_ROLE_WITH_NOT_RESOURCE "all roles but some may be passed to a service"
        HP2005 READS_EVERY_OBJECT "every object in S3 can be read"
        HP2006 WRITES_EVERY_OBJECT "every object in S3 can be written or deleted"
        HP2007 PRIVILEGE_ESCALATION "the holder can give itself further permissions"
        HP2008 ASSUMES_ANY_ROLE "every role that trusts the account can be assumed"
        HP2009 PUBLIC_RESOURCE "anybody in the world is allowed"
        HP2010 ALLOW_WITH_NOT_ACTION "everything but some actions is allowed, new services included"
        HP2011 TRUSTS_EVERYBODY "anybody in the world may assume the role"
        HP2012 MISSING_CONDITION_KEY_FOR_OIDC_PRINCIPAL "any identity of the provider may assume the role"
        HP2013 RESTRICT_ACCESS_TO_SERVICE_PRINCIPAL "a service may act here for anybody who asks it"
        HP2014 FORALLVALUES_WITH_SINGLE_VALUED_KEY "ForAllValues is true when the key is absent"
        HP2015 STRING_LIKE_OPERATOR_WITH_ARN_CONDITION_KEYS "a string wildcard crosses the parts of an ARN"
        HP2016 OLD_ACCESS_KEY "an access key has not been rotated for long"
        HP2017 ROOT_ACCESS_KEY "the root user has an access key"
        HP2018 SHARES_EVERY_BUCKET "what every bucket holds can be opened to others, deleted or copied"
    }
    Warning {
        HP3001 INVALID_ACTION "an action that no service has"
        HP3002 INVALID_SERVICE_IN_ACTION "a service that does not exist"
        HP3003 INVALID_GLOBAL_CONDITION_KEY "a global condition key that does not exist"
        HP3004 INVALID_SERVICE_CONDITION_KEY "a service condition key that does not exist"
        HP3005 UNSUPPORTED_CONDITION_KEY "no action of the statement carries the condition key"
        HP3006 TYPE_MISMATCH "the operator does not fit the condition key's type"
        HP3007 MISSING_VERSION "without Version the document is in the language of 2008"
        HP3008 OUTDATED_VERSION "the document is in the language of 2008"
        HP3009 INVALID_ARN_ACCOUNT "an ARN's account is not twelve digits"
        HP3010 INVALID_ARN_REGION "an ARN's region is none"
        HP3011 INVALID_SERVICE "an ARN's service does not exist"
        HP3012 ARN_ACCOUNT_NOT_ALLOWED "an ARN names an account where its service takes none"
        HP3013 UNSUPPORTED_RESOURCE "the action acts on none of the statement's resources"
        HP3014 INVALID_ARN_SERVICE_CASE "an ARN's service must be in lower case"
        HP3015 MISSING_ARN_FIELD "an ARN has fewer than six parts"
        HP3016 WILDCARD_WITHOUT_LIKE_OPERATOR "* and ? are ordinary characters for the operator"
        HP3017 NULL_WITH_IF_EXISTS "IfExists means nothing after Null"
        HP3018 INVALID_CONDITION_MULTIPLE_BOOLEAN "a truth value is compared with both"
        HP3019 VARIABLE_UNSUPPORTED_IN_VERSION "${…} is ordinary text in the language of 2008"
        HP3020 MISSING_BRACE_IN_VARIABLE "a variable is not closed"
        HP3021 EMPTY_VARIABLE "a variable without a name"
        HP3022 UNSUPPORTED_SPACE_IN_VARIABLE "a variable's name holds a space"
        HP3023 INVALID_VARIABLE_FOR_OPERATOR "the operator takes no variables"
        HP3024 VARIABLE_UNSUPPORTED_IN_ELEMENT "the element takes no variables"
        HP3025 DUPLICATE_KEYS_WITH_DIFFERENT_CASE "two names differ by nothing but case"
        HP3026 DEPRECATED_GLOBAL_CONDITION_KEY "a condition key that AWS has replaced"
        HP3027 PRIVATE_IP_ADDRESS "aws:SourceIp never is a private address"
        HP3028 NOT_PRINCIPAL "everybody but the named is meant, sessions of the named included"
        HP3029 CREATE_SLR_WITH_STAR_IN_RESOURCE "any service-linked role may be made"
        HP3030 MISSING_TAG_KEY_IN_CONDITION "a tag condition without the tag's name"
        HP3031 CONTRADICTORY_CONDITION "no request can meet the conditions"
        HP3032 UNSUPPORTED_SID "a Sid with characters other than letters and digits"
        HP3033 TRUSTS_ACCOUNT_WITHOUT_EXTERNAL_ID "a whole account may assume the role, without an external id"
        HP3034 EMPTY_CONDITION_VALUES "a condition without values is never met"
        HP3035 NULL_WITH_INVALID_VALUE "Null compares with something other than true and false"
        HP3036 MFA_DENY_WITHOUT_IF_EXISTS "a denial without a second factor spares access keys"
    }
    Suggestion {
        HP4001 EMPTY_OBJECT_CONDITION "a condition without contents"
        HP4002 EMPTY_SID_VALUE "an empty Sid is none"
        HP4003 REDUNDANT_ACTION "an action that another one covers"
        HP4004 REDUNDANT_RESOURCE "a resource that another one covers"
        HP4005 REDUNDANT_STATEMENT "a statement that another one covers"
        HP4006 REDUNDANT_CONDITION_VALUE "a value stands twice"
        HP4007 ACTION_CASE "an action in another spelling than AWS's"
        HP4008 CREATE_WITHOUT_TAG "resources may be made without the tags that others are told by"
        HP4009 MISSING_SID "a statement without the name that its neighbours have"
        HP4010 IMPROVE_IP_RANGE "an address range with bits beyond its prefix"
        HP4011 RECOMMENDED_CONDITION_KEY_FOR_SERVICE_PRINCIPAL "a trusted service may act for another account"
        HP4012 WILDCARD_IN_SERVICE_NAME "a wildcard in an action's service"
        HP4013 REDUNDANT_PRINCIPAL "a principal that another one covers"
        HP4014 WILDCARD_SHARES_BUCKET "a wildcard takes in what opens, empties or copies a bucket"
    }
}
