use crate::copy_source::CopySource;
use crate::error::RouteError;
use crate::head::S3Head;
use crate::operation::Operation;
use crate::request::S3Request;
use crate::table::{BUCKET, BUCKET_PARAMETERS, OBJECT, OBJECT_PARAMETERS, Row, SERVICE_PARAMETERS};
use crate::tags::parse_tagging_header;
use crate::{KEY_BYTES_MAX, PARTS_MAX, valid_bucket_name};
use hallpass_wire::percent_decode;

/// `GET /`: the only thing to do without a bucket.
const LIST_BUCKETS: Row = Row {
    sub: "",
    method: "GET",
    operation: Operation::ListBuckets,
    action: "s3:ListAllMyBuckets",
    versioned: "s3:ListAllMyBuckets",
};

/// Query parameters that authenticate; their values are not part of what is asked for.
const AUTHENTICATION: &[&str] = &[
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

/// Finds out what a request asks for.
///
/// # Errors
/// [`RouteError`] for anything the map does not know for certain; see [`RouteError::s3_code`].
pub fn route(head: &S3Head<'_>) -> Result<S3Request, RouteError> {
    let (bucket, key) = target(head)?;
    let Query {
        query,
        headers: query_headers,
    } = read_query(head.query.unwrap_or_default())?;
    check_headers(head, &query_headers)?;
    let (rows, parameters): (&[Row], &[&str]) = match (&bucket, &key) {
        (None, _) => (&[LIST_BUCKETS], SERVICE_PARAMETERS),
        (Some(_), None) => (BUCKET, BUCKET_PARAMETERS),
        (Some(_), Some(_)) => (OBJECT, OBJECT_PARAMETERS),
    };
    let sub = sub_resource(&query, rows, parameters)?;
    let row = rows
        .iter()
        .find(|row| row.sub == sub && row.method == head.method);
    let mut row = *row.ok_or(
        if head.method == "POST" && sub.is_empty() && bucket.is_some() && key.is_none() {
            RouteError::NotImplemented("POST with a form")
        } else {
            RouteError::Method
        },
    )?;
    let mut request = S3Request {
        operation: row.operation,
        bucket,
        key,
        query,
        query_headers,
        copy_source: None,
        body: None,
        row,
    };
    request.operation = refine(&request, head)?;
    row.operation = request.operation;
    if row.operation == Operation::ListObjectAnnotations {
        (row.action, row.versioned) = ("s3:ListObjectAnnotations", "s3:ListObjectAnnotations");
    }
    request.row = row;
    if matches!(
        request.operation,
        Operation::CopyObject | Operation::UploadPartCopy
    ) {
        let source = request.header(head, "x-amz-copy-source").unwrap_or_default();
        request.copy_source = Some(CopySource::parse(&source)?);
    }
    if let Some(tagging) = request.header(head, "x-amz-tagging") {
        // An invalid list must not be one of which policy sees nothing.
        parse_tagging_header(&tagging)?;
    }
    check_numbers(&request)?;
    Ok(request)
}

/// Bucket and key. The raw path is split before it is decoded, so that an encoded slash never moves the border
/// between them.
///
/// # Errors
/// [`RouteError`] for a path that does not begin with `/` or cannot be decoded, and names that are none.
pub fn target(head: &S3Head<'_>) -> Result<(Option<String>, Option<String>), RouteError> {
    let path = head.path.strip_prefix('/').ok_or(RouteError::Uri)?;
    let (bucket, key) = match head.host_bucket {
        Some(bucket) => (bucket.to_owned(), path),
        None if path.is_empty() => return Ok((None, None)),
        None => {
            let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
            (percent_decode(bucket).ok_or(RouteError::Uri)?, key)
        }
    };
    if !valid_bucket_name(&bucket) {
        return Err(RouteError::BucketName);
    }
    let key = percent_decode(key).ok_or(RouteError::Uri)?;
    check_key(&key)?;
    Ok((Some(bucket), Some(key).filter(|key| !key.is_empty())))
}

pub(crate) fn check_key(key: &str) -> Result<(), RouteError> {
    if key.contains('\0') {
        return Err(RouteError::Uri);
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(RouteError::KeyTooLong);
    }
    Ok(())
}

struct Query {
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
}

fn read_query(raw: &str) -> Result<Query, RouteError> {
    // The signature is over a plus decoded as a space, so a space is what it means.
    let decode = |text: &str| {
        let text = percent_decode(&text.replace('+', " ")).ok_or(RouteError::Uri)?;
        if text.contains('\0') {
            Err(RouteError::Uri)
        } else {
            Ok(text)
        }
    };
    let mut found = Query {
        query: vec![],
        headers: vec![],
    };
    for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        let (name, value) = (decode(name)?, decode(value)?);
        let lower = name.to_ascii_lowercase();
        let into = if AUTHENTICATION.contains(&lower.as_str()) {
            continue;
        } else if lower.starts_with("x-amz-") {
            if value.contains(['\r', '\n']) {
                return Err(RouteError::Uri);
            }
            &mut found.headers
        } else if lower.starts_with("x-") {
            // `x-id` and what a client adds for the access log. S3 ignores them; they never decide anything.
            continue;
        } else {
            &mut found.query
        };
        let name = if lower.starts_with("x-amz-") { lower } else { name };
        if into.iter().any(|(other, _)| *other == name) {
            return Err(RouteError::Repeated(name));
        }
        into.push((name, value));
    }
    Ok(found)
}

/// What policy decides on must be what takes effect: an `x-amz-*` header is given once, in one place.
fn check_headers(head: &S3Head<'_>, query_headers: &[(String, String)]) -> Result<(), RouteError> {
    for (index, (name, _)) in head.headers.iter().enumerate() {
        let single = name.starts_with("x-amz-") && !name.starts_with("x-amz-meta-")
            || matches!(*name, "if-match" | "if-none-match" | "range");
        let twice = head.headers.iter().take(index).any(|(other, _)| other == name);
        if (single && twice) || query_headers.iter().any(|(other, _)| other == name) {
            return Err(RouteError::Repeated((*name).to_owned()));
        }
    }
    Ok(())
}

/// The one sub-resource of the query, or none.
fn sub_resource(
    query: &[(String, String)],
    rows: &[Row],
    parameters: &[&str],
) -> Result<&'static str, RouteError> {
    let mut sub = "";
    for (name, _) in query {
        if let Some(row) = rows.iter().find(|row| row.sub == name) {
            if !sub.is_empty() {
                return Err(RouteError::Combination);
            }
            sub = row.sub;
        } else if !parameters.contains(&name.as_str()) {
            return Err(RouteError::UnknownParameter(name.clone()));
        }
    }
    Ok(sub)
}

/// What parameters and headers make of the table's operation, and the combinations that mean nothing.
fn refine(request: &S3Request, head: &S3Head<'_>) -> Result<Operation, RouteError> {
    use Operation as Op;
    let has = |name: &str| request.parameter(name).is_some();
    let copies = request.header(head, "x-amz-copy-source").is_some();
    let operation = match request.row.operation {
        Op::ListObjects => match request.parameter("list-type") {
            None => Op::ListObjects,
            Some("2") => Op::ListObjectsV2,
            Some(_) => return Err(RouteError::Argument("list-type")),
        },
        Op::PutObject if copies => Op::CopyObject,
        Op::UploadPart if copies => Op::UploadPartCopy,
        Op::SelectObjectContent if request.parameter("select-type") != Some("2") => {
            return Err(RouteError::Argument("select-type"));
        }
        Op::GetObjectAnnotation if !has("annotationName") => Op::ListObjectAnnotations,
        operation if !has("id") => operation.without_id(),
        operation => operation,
    };
    if copies && !matches!(operation, Op::CopyObject | Op::UploadPartCopy) {
        return Err(RouteError::Argument("x-amz-copy-source"));
    }
    let part = matches!(operation, Op::UploadPart | Op::UploadPartCopy);
    let takes_part = part || matches!(operation, Op::GetObject | Op::HeadObject);
    if has("partNumber") && !takes_part || part && !has("partNumber") {
        return Err(RouteError::Combination);
    }
    // A version on a request that makes a new one, or concerns an upload, would be ignored by some stores only.
    let makes_new = matches!(
        operation,
        Op::PutObject | Op::CopyObject | Op::CreateMultipartUpload
    ) || request.row.sub == "uploadId";
    if has("versionId") && makes_new {
        return Err(RouteError::Combination);
    }
    if has("list-type") && operation != Op::ListObjectsV2 {
        return Err(RouteError::Combination);
    }
    let lists = operation == Op::ListObjectAnnotations;
    let of_one = request.row.sub == "annotation" && !lists;
    let list_parameters = ["annotation-prefix", "max-annotation-results"];
    // On buckets the token is that of a listing of objects.
    let is_paged = request.key.is_some() && has("continuation-token");
    if has("annotationName") != of_one || (!lists && (is_paged || list_parameters.into_iter().any(has))) {
        return Err(RouteError::Combination);
    }
    if has("select-type") && operation != Op::SelectObjectContent {
        return Err(RouteError::Combination);
    }
    Ok(operation)
}

fn check_numbers(request: &S3Request) -> Result<(), RouteError> {
    let number = |name: &'static str, valid: std::ops::RangeInclusive<u64>| match request.parameter(name) {
        None => Ok(()),
        Some(text) => match text.parse::<u64>() {
            Ok(number) if valid.contains(&number) && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(()),
            _ => Err(RouteError::Argument(name)),
        },
    };
    number("partNumber", 1..=PARTS_MAX as u64)?;
    number("max-keys", 0..=i32::MAX as u64)?;
    number("max-uploads", 0..=i32::MAX as u64)?;
    number("max-parts", 0..=i32::MAX as u64)?;
    number("part-number-marker", 0..=i32::MAX as u64)?;
    for name in ["uploadId", "versionId"] {
        if request.parameter(name) == Some("") {
            return Err(RouteError::Argument(name));
        }
    }
    match request.parameter("encoding-type") {
        None | Some("url") => Ok(()),
        Some(_) => Err(RouteError::Argument("encoding-type")),
    }
}
