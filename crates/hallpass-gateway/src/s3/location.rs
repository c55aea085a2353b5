//! Where a bucket is, as its callers must hear it: the region that requests through here are signed for.

use hallpass_s3route::Operation;
use hallpass_upstream::{Body, full};
use http::{HeaderName, HeaderValue, Response};

const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// Puts `region` in the place of what the store behind says of its own, which would be refused in a signature: clients
/// ask for a bucket's location in order to sign for it (S3 API reference, `GetBucketLocation` and `HeadBucket`).
pub(super) fn tell(operation: Operation, response: Response<Body>, region: &str) -> Response<Body> {
    let is_told = response.status().is_success();
    let mut response = match operation {
        Operation::GetBucketLocation if is_told => {
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(http::header::CONTENT_LENGTH);
            let type_ = HeaderValue::from_static("application/xml");
            parts.headers.insert(http::header::CONTENT_TYPE, type_);
            Response::from_parts(parts, full(document(region)))
        }
        _ => response,
    };
    let has_region = response.headers().contains_key(BUCKET_REGION);
    if let Ok(value) = HeaderValue::from_str(region)
        && (has_region || operation == Operation::HeadBucket && is_told)
    {
        response.headers_mut().insert(BUCKET_REGION, value);
    }
    response
}

fn document(region: &str) -> String {
    // `us-east-1` is the empty constraint.
    let constraint = if region == "us-east-1" { "" } else { region };
    let constraint = hallpass_wire::escape(constraint);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<LocationConstraint \
         xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{constraint}</LocationConstraint>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn answer(status: u16, region: Option<&str>) -> Response<Body> {
        let mut response = Response::new(full("<LocationConstraint/>"));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        let length = HeaderValue::from_static("21");
        response
            .headers_mut()
            .insert(http::header::CONTENT_LENGTH, length);
        if let Some(region) = region {
            let value = HeaderValue::from_str(region).unwrap();
            response.headers_mut().insert(BUCKET_REGION, value);
        }
        response
    }

    async fn body(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_location_of_a_bucket_is_ours() {
        let told = tell(Operation::GetBucketLocation, answer(200, None), "eu-central-1");
        assert_eq!(told.headers().get(http::header::CONTENT_LENGTH), None);
        assert!(body(told).await.contains(">eu-central-1</LocationConstraint>"));
        let told = tell(Operation::GetBucketLocation, answer(200, None), "us-east-1");
        assert!(body(told).await.contains("2006-03-01/\"></LocationConstraint>"));
    }

    #[tokio::test]
    async fn a_refusal_stays_as_it_is() {
        let told = tell(Operation::GetBucketLocation, answer(403, None), "eu-central-1");
        assert_eq!(body(told).await, "<LocationConstraint/>");
        let told = tell(Operation::HeadBucket, answer(404, None), "eu-central-1");
        assert!(!told.headers().contains_key(BUCKET_REGION));
    }

    #[test]
    fn the_header_is_ours_wherever_it_stands() {
        let header = |operation, given| {
            let told = tell(operation, answer(200, given), "eu-central-1");
            told.headers()
                .get(BUCKET_REGION)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        let ours = Some("eu-central-1".to_owned());
        assert_eq!(header(Operation::HeadBucket, None), ours);
        assert_eq!(header(Operation::ListObjectsV2, Some("us-east-1")), ours);
        assert_eq!(header(Operation::ListObjectsV2, None), None);
    }
}
