use crate::{ParsedBody, RouteError, S3Head, S3Request, route};

type Headers<'a> = &'a [(&'a str, &'a [u8])];

fn routed(method: &str, target: &str, headers: Headers<'_>) -> Result<S3Request, RouteError> {
    route(&head(method, target, headers))
}

fn head<'a>(method: &'a str, target: &'a str, headers: Headers<'a>) -> S3Head<'a> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    S3Head {
        method,
        path,
        query,
        headers,
        host_bucket: None,
    }
}

fn actions(method: &str, target: &str, headers: Headers<'_>) -> String {
    let head = head(method, target, headers);
    let request = route(&head).unwrap_or_else(|error| panic!("{method} {target}: {error}"));
    let all = request.actions(&head);
    let all: Vec<_> = all
        .iter()
        .map(|on| format!("{} {}", on.action, on.resource.replace("arn:aws:s3:::", "")))
        .collect();
    format!("{}: {}", request.operation_name(), all.join(", "))
}

fn keys(method: &str, target: &str, headers: Headers<'_>, body: Option<&str>) -> Vec<(String, Vec<String>)> {
    let head = head(method, target, headers);
    let mut request = route(&head).unwrap();
    if let Some(body) = body {
        request.read_body(body.as_bytes()).unwrap();
    }
    request.actions(&head).pop().unwrap().context
}

#[test]
fn every_operation_needs_its_actions() {
    for (method, target, headers, expected) in [
        ("GET", "/", &[][..], "ListBuckets: s3:ListAllMyBuckets *"),
        ("PUT", "/bkt", &[], "CreateBucket: s3:CreateBucket bkt"),
        (
            "PUT",
            "/bkt",
            &[("x-amz-acl", &b"public-read"[..])],
            "CreateBucket: s3:CreateBucket bkt, s3:PutBucketAcl bkt",
        ),
        ("DELETE", "/bkt/", &[], "DeleteBucket: s3:DeleteBucket bkt"),
        ("HEAD", "/bkt", &[], "HeadBucket: s3:ListBucket bkt"),
        ("GET", "/bkt", &[], "ListObjects: s3:ListBucket bkt"),
        ("GET", "/bkt?list-type=2", &[], "ListObjectsV2: s3:ListBucket bkt"),
        (
            "GET",
            "/bkt?versions",
            &[],
            "ListObjectVersions: s3:ListBucketVersions bkt",
        ),
        (
            "GET",
            "/bkt?uploads",
            &[],
            "ListMultipartUploads: s3:ListBucketMultipartUploads bkt",
        ),
        (
            "POST",
            "/bkt?delete",
            &[],
            "DeleteObjects: s3:DeleteObject bkt/*, s3:DeleteObjectVersion bkt/*",
        ),
        (
            "GET",
            "/bkt?location",
            &[],
            "GetBucketLocation: s3:GetBucketLocation bkt",
        ),
        ("GET", "/bkt?cors", &[], "GetBucketCors: s3:GetBucketCORS bkt"),
        (
            "DELETE",
            "/bkt?cors",
            &[],
            "DeleteBucketCors: s3:PutBucketCORS bkt",
        ),
        (
            "DELETE",
            "/bkt?policy",
            &[],
            "DeleteBucketPolicy: s3:DeleteBucketPolicy bkt",
        ),
        (
            "DELETE",
            "/bkt?website",
            &[],
            "DeleteBucketWebsite: s3:DeleteBucketWebsite bkt",
        ),
        (
            "GET",
            "/bkt?metrics",
            &[],
            "ListBucketMetricsConfigurations: s3:GetMetricsConfiguration bkt",
        ),
        (
            "GET",
            "/bkt?metrics&id=x",
            &[],
            "GetBucketMetricsConfiguration: s3:GetMetricsConfiguration bkt",
        ),
        ("GET", "/bkt/k", &[], "GetObject: s3:GetObject bkt/k"),
        (
            "GET",
            "/bkt/k?x-id=PutObject",
            &[],
            "GetObject: s3:GetObject bkt/k",
        ),
        (
            "HEAD",
            "/bkt/k?versionId=v",
            &[],
            "HeadObject: s3:GetObjectVersion bkt/k",
        ),
        (
            "GET",
            "/bkt/k?attributes",
            &[],
            "GetObjectAttributes: s3:GetObject bkt/k, s3:GetObjectAttributes bkt/k",
        ),
        (
            "GET",
            "/bkt/k?acl&versionId=v",
            &[],
            "GetObjectAcl: s3:GetObjectVersionAcl bkt/k",
        ),
        ("PUT", "/bkt/k?acl", &[], "PutObjectAcl: s3:PutObjectAcl bkt/k"),
        (
            "GET",
            "/bkt/k?tagging",
            &[],
            "GetObjectTagging: s3:GetObjectTagging bkt/k",
        ),
        (
            "DELETE",
            "/bkt/k?tagging&versionId=v",
            &[],
            "DeleteObjectTagging: s3:DeleteObjectVersionTagging bkt/k",
        ),
        ("PUT", "/bkt/k", &[], "PutObject: s3:PutObject bkt/k"),
        (
            "PUT",
            "/bkt/k",
            &[("x-amz-acl", b"private")],
            "PutObject: s3:PutObject bkt/k",
        ),
        (
            "PUT",
            "/bkt/k?X-Amz-Tagging=a%3Db&x-amz-grant-read=id",
            &[],
            "PutObject: s3:PutObject bkt/k, s3:PutObjectAcl bkt/k, s3:PutObjectTagging bkt/k",
        ),
        (
            "PUT",
            "/bkt/k",
            &[
                ("x-amz-object-lock-mode", b"GOVERNANCE"),
                ("x-amz-object-lock-legal-hold", b"ON"),
            ],
            "PutObject: s3:PutObject bkt/k, s3:PutObjectRetention bkt/k, s3:PutObjectLegalHold bkt/k",
        ),
        (
            "PUT",
            "/bkt/k",
            &[("x-amz-copy-source", b"/src/a%20b?versionId=9")],
            "CopyObject: s3:GetObjectVersion src/a b, s3:PutObject bkt/k",
        ),
        (
            "POST",
            "/bkt/k?uploads",
            &[],
            "CreateMultipartUpload: s3:PutObject bkt/k",
        ),
        (
            "PUT",
            "/bkt/k?partNumber=1&uploadId=u",
            &[],
            "UploadPart: s3:PutObject bkt/k",
        ),
        (
            "PUT",
            "/bkt/k?partNumber=1&uploadId=u",
            &[("x-amz-copy-source", b"src/a")],
            "UploadPartCopy: s3:GetObject src/a, s3:PutObject bkt/k",
        ),
        (
            "POST",
            "/bkt/k?uploadId=u",
            &[],
            "CompleteMultipartUpload: s3:PutObject bkt/k",
        ),
        (
            "DELETE",
            "/bkt/k?uploadId=u",
            &[],
            "AbortMultipartUpload: s3:AbortMultipartUpload bkt/k",
        ),
        (
            "GET",
            "/bkt/k?uploadId=u",
            &[],
            "ListParts: s3:ListMultipartUploadParts bkt/k",
        ),
        ("DELETE", "/bkt/k", &[], "DeleteObject: s3:DeleteObject bkt/k"),
        (
            "DELETE",
            "/bkt/k?versionId=v",
            &[("x-amz-bypass-governance-retention", b"true")],
            "DeleteObject: s3:DeleteObjectVersion bkt/k, s3:BypassGovernanceRetention bkt/k",
        ),
        (
            "POST",
            "/bkt/k?select&select-type=2",
            &[],
            "SelectObjectContent: s3:GetObject bkt/k",
        ),
    ] {
        assert_eq!(actions(method, target, headers), expected, "{method} {target}");
    }
}

#[test]
fn every_row_of_the_map_routes_to_itself() {
    for (rows, path) in [(crate::table::BUCKET, "/bkt"), (crate::table::OBJECT, "/bkt/k")] {
        for row in rows {
            let more = match (row.sub, row.method) {
                ("uploadId", "PUT") => "=u&partNumber=1",
                ("uploadId", _) => "=u",
                ("select", _) => "&select-type=2",
                ("annotation", _) => "&annotationName=a",
                _ => "",
            };
            let id = if path == "/bkt" && row.operation.without_id() != row.operation {
                "&id=x"
            } else {
                ""
            };
            let request = routed(row.method, &format!("{path}?{}{more}{id}", row.sub), &[]).unwrap();
            assert_eq!(request.operation, row.operation);
        }
    }
}

#[test]
fn what_the_map_does_not_know_is_refused() {
    for (method, target, code) in [
        ("PUT", "/bkt/k?newthing", "NotImplemented"),
        ("PUT", "/bkt/k?newthing=1", "NotImplemented"),
        ("GET", "/bkt?unknown", "NotImplemented"),
        ("PUT", "/bkt/k?acl&tagging", "InvalidRequest"),
        ("PUT", "/bkt/k?acl&acl", "InvalidArgument"),
        ("GET", "/bkt/k?versionId=a&versionId=b", "InvalidArgument"),
        ("PUT", "/bkt/k?uploadId=u", "InvalidRequest"),
        ("PUT", "/bkt/k?partNumber=1", "InvalidRequest"),
        ("PUT", "/bkt/k?versionId=v", "InvalidRequest"),
        ("GET", "/bkt/k?uploads", "MethodNotAllowed"),
        ("GET", "/bkt/k?cors", "NotImplemented"),
        ("DELETE", "/bkt?acl", "MethodNotAllowed"),
        ("OPTIONS", "/bkt/k", "MethodNotAllowed"),
        ("POST", "/bkt", "NotImplemented"),
        ("GET", "/bkt?list-type=3", "InvalidArgument"),
        ("GET", "/bkt?max-keys=-1", "InvalidArgument"),
        ("PUT", "/bkt/k?uploadId=u&partNumber=10001", "InvalidArgument"),
        ("GET", "/BKT/k", "InvalidBucketName"),
        ("GET", "//k", "InvalidBucketName"),
        ("GET", "/../k", "InvalidBucketName"),
        ("GET", "/bk%2Ft/k", "InvalidBucketName"),
        ("GET", "/10.0.0.1/k", "InvalidBucketName"),
        ("GET", "/bkt/a%00b", "InvalidURI"),
        ("GET", "/bkt/%zz", "InvalidURI"),
        ("GET", "/bkt/%ff", "InvalidURI"),
    ] {
        let error = routed(method, target, &[])
            .map(|request| request.operation)
            .unwrap_err();
        assert_eq!(error.s3_code().0, code, "{method} {target}");
    }
    assert!(routed("GET", &format!("/bkt/{}", "k".repeat(1_024)), &[]).is_ok());
    let long = routed("GET", &format!("/bkt/{}", "k".repeat(1_025)), &[]);
    assert_eq!(long.map(drop), Err(RouteError::KeyTooLong));
    let twice: Headers<'_> = &[("x-amz-acl", b"private"), ("x-amz-acl", b"public-read")];
    assert!(matches!(
        routed("PUT", "/bkt/k", twice),
        Err(RouteError::Repeated(_))
    ));
    let both: Headers<'_> = &[("x-amz-acl", b"private")];
    assert!(matches!(
        routed("PUT", "/bkt/k?x-amz-acl=public-read", both),
        Err(RouteError::Repeated(_))
    ));
    for source in [
        "src",
        "arn:aws:s3:eu-1:1:accesspoint/a/object/k",
        "/SRC/k",
        "src/%zz",
        "/src/",
    ] {
        let headers: Headers<'_> = &[("x-amz-copy-source", source.as_bytes())];
        assert!(routed("PUT", "/bkt/k", headers).is_err(), "{source}");
    }
}

#[test]
fn keys_are_decoded_once_and_never_normalised() {
    for (target, key) in [
        ("/bkt/a//b/../c/", "a//b/../c/"),
        ("/bkt/a%2520b", "a%20b"),
        ("/bkt/a+b", "a+b"),
        ("/bkt/a%2Fb", "a/b"),
        ("/bkt//", "/"),
    ] {
        assert_eq!(routed("GET", target, &[]).unwrap().key.as_deref(), Some(key));
    }
    let hosted = S3Head {
        host_bucket: Some("bkt"),
        ..head("GET", "/c/k", &[])
    };
    assert_eq!(route(&hosted).unwrap().key.as_deref(), Some("c/k"));
}

#[test]
fn condition_keys_are_those_of_the_request() {
    let one = |key: &str, value: &str| (key.to_owned(), vec![value.to_owned()]);
    assert!(keys("GET", "/bkt", &[], None).is_empty());
    assert_eq!(
        keys("GET", "/bkt?prefix=&delimiter=%2F", &[], None),
        [one("s3:prefix", ""), one("s3:delimiter", "/")]
    );
    assert_eq!(
        keys("GET", "/bkt?prefix=a+b", &[], None),
        [one("s3:prefix", "a b")]
    );
    let got = keys(
        "PUT",
        "/bkt/k?x-amz-server-side-encryption=AES256",
        &[("if-none-match", b"*")],
        None,
    );
    assert_eq!(
        got,
        [
            one("s3:x-amz-server-side-encryption", "AES256"),
            one("s3:if-none-match", "*")
        ]
    );
    let got = keys("PUT", "/bkt/k", &[("x-amz-copy-source", b"/src/a%2Bb")], None);
    assert_eq!(got, [one("s3:x-amz-copy-source", "src/a+b")]);
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    let got = keys("PUT", "/bkt/k?tagging", &[], Some(tags));
    assert_eq!(
        got,
        [
            one("s3:RequestObjectTag/a", "1"),
            one("s3:RequestObjectTagKeys", "a")
        ]
    );
    let body = "<CreateBucketConfiguration><LocationConstraint>eu-1</LocationConstraint></CreateBucketConfiguration>";
    assert_eq!(
        keys("PUT", "/bkt", &[], Some(body)),
        [one("s3:LocationConstraint", "eu-1")]
    );
}

#[test]
fn deletes_are_decided_key_by_key() {
    let head = head("POST", "/bkt?delete", &[]);
    let mut request = route(&head).unwrap();
    let xml = "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>\
        <Object><Key>a&amp;&#x20;b</Key></Object><Object><Key><![CDATA[c]]></Key><VersionId>v</VersionId></Object></Delete>";
    request.read_body(xml.as_bytes()).unwrap();
    let all: Vec<_> = request
        .actions(&head)
        .into_iter()
        .map(|on| format!("{} {}", on.action, on.resource))
        .collect();
    assert_eq!(
        all,
        [
            "s3:DeleteObject arn:aws:s3:::bkt/a& b",
            "s3:DeleteObject arn:aws:s3:::bkt/c",
            "s3:DeleteObjectVersion arn:aws:s3:::bkt/c"
        ]
    );
    assert!(matches!(
        request.body,
        Some(ParsedBody::Delete { quiet: true, .. })
    ));
}

#[test]
fn hostile_documents_are_malformed() {
    let many = format!(
        "<Delete>{}</Delete>",
        "<Object><Key>k</Key></Object>".repeat(1_001)
    );
    let deep = format!("{}{}", "<Delete>".repeat(50), "</Delete>".repeat(50));
    for xml in [
        "",
        "<Delete/>",
        "<Delete><Object><Key>a</Key><Key>b</Key></Object></Delete>",
        "<Delete><Object><Key>a<x/></Key></Object></Delete>",
        "<Delete><Object><Key></Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>text</Delete>",
        "<Delete><Object><Key>a<!-- b -->c</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object></Delete><Delete/>",
        "<Delete><Object><x:Key>a</x:Key></Object></Delete>",
        "<Delete><Object><Key>&e;</Key></Object></Delete>",
        "<!DOCTYPE d [<!ENTITY e \"x\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
        "<Delete><Object><Key>a</Key></Object>",
        "<Other><Object><Key>a</Key></Object></Other>",
        &many,
        &deep,
    ] {
        let mut request = routed("POST", "/bkt?delete", &[]).unwrap();
        assert_eq!(
            request.read_body(xml.as_bytes()),
            Err(RouteError::MalformedXml),
            "{xml:.80}"
        );
    }
}

#[test]
fn an_annotation_is_named_and_their_list_is_an_action_of_its_own() {
    let on = |method, target| actions(method, target, &[]);
    assert_eq!(
        on("GET", "/bkt/k?annotation&annotationName=a"),
        "GetObjectAnnotation: s3:GetObjectAnnotation bkt/k"
    );
    assert_eq!(
        on("GET", "/bkt/k?annotation&annotation-prefix=a"),
        "ListObjectAnnotations: s3:ListObjectAnnotations bkt/k"
    );
    for (method, target) in [
        ("PUT", "/bkt/k?annotation"),
        ("DELETE", "/bkt/k?annotation"),
        ("GET", "/bkt/k?annotationName=a"),
        ("GET", "/bkt/k?annotation&annotationName=a&annotation-prefix=b"),
        ("GET", "/bkt/k?continuation-token=t"),
    ] {
        let error = routed(method, target, &[]).unwrap_err();
        assert_eq!(error, RouteError::Combination, "{method} {target}");
    }
}
