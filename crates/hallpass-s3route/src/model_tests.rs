//! Every operation of AWS's own model of S3, against the map.

use crate::{S3Head, route};

/// The model's operations that are not routed by their own name, each with its reason.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "GetBucketLifecycle",
        "superseded: the same request as GetBucketLifecycleConfiguration",
    ),
    (
        "PutBucketLifecycle",
        "superseded: the same request as PutBucketLifecycleConfiguration",
    ),
    (
        "GetBucketNotification",
        "superseded: the same request as GetBucketNotificationConfiguration",
    ),
    (
        "PutBucketNotification",
        "superseded: the same request as PutBucketNotificationConfiguration",
    ),
    (
        "ListDirectoryBuckets",
        "ListBuckets at the endpoint of directory buckets, which is not served",
    ),
    (
        "WriteGetObjectResponse",
        "S3 Object Lambda, at an endpoint of its own",
    ),
];

#[test]
fn every_operation_of_the_model_is_routed_by_its_name() {
    let lines = include_str!("../data/operations.txt").lines();
    let mut wrong = vec![];
    for line in lines.filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap();
        let (name, method, uri) = (next(), next(), next());
        let (path, query) = uri
            .split_once('?')
            .map_or((uri, None), |(path, query)| (path, Some(query)));
        let path = path.replace("{Bucket}", "bkt").replace("{Key+}", "key");
        // What the model has as required members of the query or the headers.
        let needed = match name {
            "UploadPart" => "&partNumber=1&uploadId=u",
            "UploadPartCopy" => "&partNumber=1&uploadId=u",
            "ListParts" | "CompleteMultipartUpload" | "AbortMultipartUpload" => "&uploadId=u",
            "GetObjectAnnotation" | "PutObjectAnnotation" | "DeleteObjectAnnotation" => "&annotationName=a",
            _ if ["Analytics", "IntelligentTiering", "Inventory", "Metrics"]
                .iter()
                .any(|kind| name.contains(kind))
                && !name.starts_with("List") =>
            {
                "&id=i"
            }
            _ => "",
        };
        let query = format!("{}{needed}", query.unwrap_or_default());
        let copies: &[(&str, &[u8])] = &[("x-amz-copy-source", b"/bkt/from")];
        let renames: &[(&str, &[u8])] = &[("x-amz-rename-source", b"/bkt/from")];
        let head = S3Head {
            method,
            path: &path,
            query: Some(&query),
            headers: match name {
                "CopyObject" | "UploadPartCopy" => copies,
                "RenameObject" => renames,
                _ => &[],
            },
            host_bucket: None,
        };
        let found = match route(&head) {
            Ok(request) => request.operation_name().to_owned(),
            Err(error) => error.to_string(),
        };
        if found != name && !ELSEWHERE.iter().any(|(known, _)| *known == name) {
            wrong.push(format!("{line}: {found}"));
        }
        assert!(
            found != name || !ELSEWHERE.iter().any(|(known, _)| *known == name),
            "{name} is routed"
        );
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
