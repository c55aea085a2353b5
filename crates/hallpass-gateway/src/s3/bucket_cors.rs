//! The requests about a bucket's CORS configuration: answered here, whatever upstream has the bucket.

use super::bucket_policy::{NAMESPACE, respond, xml};
use crate::Refusal;
use hallpass_resource::{CORS_BYTES_MAX, CorsConfiguration, CorsError, CorsRule, ResourcePolicies};
use hallpass_s3route::Operation;
use hallpass_upstream::Body;
use hallpass_wire::{XmlError, XmlNode, XmlWriter, read_xml};

/// Answers a request about the CORS configuration of a bucket that is there.
///
/// # Errors
/// [`Refusal`] as S3 answers: `NoSuchCORSConfiguration`, `MalformedXML`, `InvalidRequest`.
pub(super) async fn answer(
    resources: &ResourcePolicies,
    operation: Operation,
    bucket: &str,
    body: &[u8],
) -> Result<http::Response<Body>, Refusal> {
    match operation {
        Operation::GetBucketCors => {
            let rules = resources.cors(bucket).ok_or_else(|| unset(bucket))?;
            Ok(xml(&write(&rules)))
        }
        Operation::PutBucketCors => {
            let rules = read(body)?;
            resources.put_cors(bucket, rules).await.map_err(not_kept)?;
            Ok(respond(200, "", String::new()))
        }
        _ => {
            resources.delete_cors(bucket).await.map_err(not_kept)?;
            Ok(respond(204, "", String::new()))
        }
    }
}

fn not_kept(error: impl std::fmt::Display) -> Refusal {
    Refusal::server("The CORS configuration could not be kept.", error.to_string())
}

fn unset(bucket: &str) -> Refusal {
    let mut refusal = Refusal::caller(
        "NoSuchCORSConfiguration",
        404,
        "The CORS configuration does not exist",
    );
    refusal.extra.push(("BucketName", bucket.to_owned()));
    refusal
}

fn write(configuration: &CorsConfiguration) -> String {
    let mut rules = XmlWriter::new();
    for rule in configuration.rules() {
        rules.element("CORSRule", |xml| {
            xml.optional("ID", rule.id.as_ref());
            for (name, values) in [
                ("AllowedMethod", &rule.allowed_methods),
                ("AllowedOrigin", &rule.allowed_origins),
                ("AllowedHeader", &rule.allowed_headers),
                ("ExposeHeader", &rule.expose_headers),
            ] {
                for value in values {
                    xml.text(name, value);
                }
            }
            xml.optional("MaxAgeSeconds", rule.max_age_seconds.map(|age| age.to_string()));
        });
    }
    let rules = rules.finish();
    format!("<CORSConfiguration xmlns=\"{NAMESPACE}\">{rules}</CORSConfiguration>")
}

fn read(body: &[u8]) -> Result<CorsConfiguration, Refusal> {
    if body.len() > CORS_BYTES_MAX {
        return Err(Refusal::caller(
            "MaxMessageLengthExceeded",
            400,
            "Your request was too big.",
        ));
    }
    let rules = read_rules(body).map_err(|_| CorsError::Schema);
    rules.and_then(CorsConfiguration::new).map_err(|error| {
        let code = match error {
            CorsError::Schema => "MalformedXML",
            _ => "InvalidRequest",
        };
        Refusal::caller(code, 400, error.to_string())
    })
}

fn read_rules(body: &[u8]) -> Result<Vec<CorsRule>, XmlError> {
    let root = read_xml(body)?;
    root.only(&["CORSRule"])?;
    if root.name != "CORSConfiguration" || !root.text.trim().is_empty() {
        return Err(XmlError);
    }
    root.children.iter().map(read_rule).collect()
}

fn read_rule(node: &XmlNode) -> Result<CorsRule, XmlError> {
    const NAMES: [&str; 6] = [
        "ID",
        "AllowedMethod",
        "AllowedOrigin",
        "AllowedHeader",
        "ExposeHeader",
        "MaxAgeSeconds",
    ];
    node.only(&NAMES)?;
    if node.children.iter().any(|child| !child.children.is_empty()) {
        return Err(XmlError);
    }
    let texts = |name: &str| -> Vec<String> {
        let named = node.children.iter().filter(|child| child.name == name);
        named.map(|child| child.text.clone()).collect()
    };
    // S3's is a signed number, and none of it is negative.
    let seconds = |text: &str| {
        text.trim()
            .parse::<i32>()
            .ok()
            .and_then(|age| u32::try_from(age).ok())
    };
    let max_age_seconds = match node.one_text("MaxAgeSeconds")? {
        Some(text) => Some(seconds(text).ok_or(XmlError)?),
        None => None,
    };
    Ok(CorsRule {
        id: node.one_text("ID")?.map(str::to_owned),
        allowed_origins: texts("AllowedOrigin"),
        allowed_methods: texts("AllowedMethod"),
        allowed_headers: texts("AllowedHeader"),
        expose_headers: texts("ExposeHeader"),
        max_age_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(rules: &str) -> String {
        format!("<CORSConfiguration xmlns=\"{NAMESPACE}\">{rules}</CORSConfiguration>")
    }

    #[test]
    fn what_was_put_is_told_again() {
        let rule = "<CORSRule><ID>a &amp; b</ID><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
                    <AllowedOrigin>http://test.com:80</AllowedOrigin><AllowedOrigin></AllowedOrigin>\
                    <AllowedHeader>x-AMZ-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
                    <MaxAgeSeconds>2147483647</MaxAgeSeconds></CORSRule>";
        let least = "<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>";
        let text = configuration(&format!("{rule}{least}"));
        assert_eq!(write(&read(text.as_bytes()).unwrap()), text);
    }

    #[test]
    fn what_is_no_configuration_is_refused() {
        let least = "<AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin>";
        let rule = |more: &str| configuration(&format!("<CORSRule>{least}{more}</CORSRule>"));
        let code = |text: &str| {
            read(text.as_bytes())
                .map(|_| "")
                .unwrap_or_else(|refusal| refusal.code)
        };
        assert_eq!(code(&rule("")), "");
        for bad in [
            String::new(),
            "{}".to_owned(),
            configuration(""),
            configuration("<CORSRule/>"),
            configuration("text"),
            configuration("<CORSRules/>"),
            rule("").replace("CORSConfiguration", "Configuration"),
            rule("<Unknown/>"),
            rule("<AllowedOrigin><b/></AllowedOrigin>"),
            rule("<ID>a</ID><ID>b</ID>"),
            rule("<MaxAgeSeconds>1</MaxAgeSeconds><MaxAgeSeconds>1</MaxAgeSeconds>"),
            rule("<MaxAgeSeconds>-1</MaxAgeSeconds>"),
            rule("<MaxAgeSeconds>2147483648</MaxAgeSeconds>"),
            rule("<MaxAgeSeconds>soon</MaxAgeSeconds>"),
            rule("<MaxAgeSeconds/>"),
        ] {
            assert_eq!(code(&bad), "MalformedXML", "{bad}");
        }
        assert_eq!(code(&rule("<AllowedMethod/>")), "InvalidRequest");
        assert_eq!(
            code(&rule(&format!("<ID>{}</ID>", "x".repeat(256)))),
            "InvalidRequest"
        );
        let spaces = " ".repeat(CORS_BYTES_MAX);
        assert_eq!(code(&rule(&spaces)), "MaxMessageLengthExceeded");
    }
}
