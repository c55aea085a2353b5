use hallpass_types::AccountId;
use hallpass_upstream::{ForwardParts, UpstreamError};

/// Headers that are kept with an object as they are.
const KEPT: &[&str] = &[
    "cache-control",
    "content-disposition",
    "content-language",
    "content-type",
    "expires",
    "x-amz-website-redirect-location",
];

/// User metadata, names and values together, in bytes. Source: S3, "Working with object metadata".
const METADATA_BYTES_MAX: usize = 2_048;

/// What the headers of a write say about the object to be.
pub(crate) fn of_object(parts: &ForwardParts) -> Result<Vec<(String, String)>, UpstreamError> {
    let mut kept = vec![];
    for name in KEPT {
        kept.extend(parts.header(name).map(|value| ((*name).to_owned(), value)));
    }
    if let Some(coding) = parts.header("content-encoding") {
        let codings = coding.split(',').map(str::trim);
        let codings: Vec<&str> = codings
            .filter(|coding| !coding.eq_ignore_ascii_case("aws-chunked"))
            .collect();
        let coding = codings.join(",");
        if !coding.is_empty() {
            kept.push(("content-encoding".to_owned(), coding));
        }
    }
    let mut metadata: Vec<(String, String)> = vec![];
    let sent = parts.head.headers.iter();
    let sent = sent.map(|(name, value)| {
        (
            name.as_str(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        )
    });
    let instead = parts
        .s3
        .query_headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.clone()));
    for (name, value) in sent
        .chain(instead)
        .filter(|(name, _)| name.starts_with("x-amz-meta-"))
    {
        match metadata.iter_mut().find(|(other, _)| other == name) {
            // As AWS: repeated metadata is one value.
            Some((_, earlier)) => *earlier = format!("{earlier},{value}"),
            None => metadata.push((name.to_owned(), value)),
        }
    }
    let prefix = "x-amz-meta-".len();
    if metadata
        .iter()
        .map(|(name, value)| name.len() - prefix + value.len())
        .sum::<usize>()
        > METADATA_BYTES_MAX
    {
        return Err(UpstreamError::new(
            "MetadataTooLarge",
            400,
            "Your metadata headers exceed the maximum allowed metadata size.",
        ));
    }
    kept.extend(metadata);
    kept.extend(storage(parts)?);
    Ok(kept)
}

/// Encryption and storage class: those of the request, never of a copy's source.
pub(crate) fn storage(parts: &ForwardParts) -> Result<Vec<(String, String)>, UpstreamError> {
    let mut kept = vec![];
    match parts.header("x-amz-server-side-encryption").as_deref() {
        None => {}
        // Encryption at rest is the disk's; the header is what policies ask for, and clients check.
        Some("AES256") => kept.push(("x-amz-server-side-encryption".to_owned(), "AES256".to_owned())),
        Some(_) => {
            return Err(UpstreamError::not_implemented(
                "encryption with keys of a key management service",
            ));
        }
    }
    if let Some(class) = parts
        .header("x-amz-storage-class")
        .filter(|class| class != "STANDARD")
    {
        kept.push(("x-amz-storage-class".to_owned(), class));
    }
    Ok(kept)
}

/// Refuses what is asked for by header and not done here: silence would promise it.
pub(crate) fn refuse_unserved(parts: &ForwardParts, owner: Option<AccountId>) -> Result<(), UpstreamError> {
    if parts
        .header("x-amz-expected-bucket-owner")
        .is_some_and(|expected| owner.is_some_and(|owner| owner.as_str() != expected))
    {
        return Err(UpstreamError::new("AccessDenied", 403, "Access Denied"));
    }
    let named = parts.head.headers.keys().map(http::HeaderName::as_str);
    for name in named.chain(parts.s3.query_headers.iter().map(|(name, _)| name.as_str())) {
        let refused = if name.contains("server-side-encryption-customer-") {
            "encryption with a key the client provides (SSE-C)"
        } else if name.starts_with("x-amz-server-side-encryption-") {
            "encryption with keys of a key management service"
        } else if name.starts_with("x-amz-object-lock-") || name == "x-amz-bucket-object-lock-enabled" {
            "object lock"
        } else if name.starts_with("x-amz-grant-") {
            "access control lists"
        } else if name == "x-amz-write-offset-bytes" {
            "appending"
        } else {
            continue;
        };
        return Err(UpstreamError::not_implemented(refused));
    }
    match parts.header("x-amz-acl").as_deref() {
        None | Some("private" | "bucket-owner-full-control" | "bucket-owner-read") => Ok(()),
        Some(_) => Err(UpstreamError::not_implemented("access control lists")),
    }
}

/// The checksum values among the headers; they were proven on the way.
pub(crate) fn checksums(parts: &ForwardParts) -> Vec<(String, String)> {
    let names = parts.head.headers.keys().map(http::HeaderName::as_str);
    let values = names.filter(|name| {
        let kind = name.strip_prefix("x-amz-checksum-");
        kind.is_some_and(|kind| !matches!(kind, "algorithm" | "mode" | "type"))
    });
    values
        .filter_map(|name| Some((name.to_owned(), parts.header(name)?)))
        .collect()
}

/// `x-amz-tagging`.
pub(crate) fn tags(parts: &ForwardParts) -> Result<Vec<(String, String)>, UpstreamError> {
    match parts.header("x-amz-tagging") {
        None => Ok(vec![]),
        Some(value) => hallpass_s3route::parse_tagging_header(&value).map_err(|error| {
            let (code, status) = error.s3_code();
            UpstreamError::new(code, status, error.to_string())
        }),
    }
}
