"""Pages of other origins: the rules through boto3, what a browser asks and reads through plain HTTP, in front of the
directory and of MinIO, which is never told of them."""
import http.client
import json
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from botocore.exceptions import ClientError

import front as fronts

DOMAIN, OWN = "s3.example.test", "files.example.test"
PAGE, OTHER = "https://app.example.test", "https://evil.example.test"
RULE = {"ID": "the app", "AllowedOrigins": ["https://*.example.com", PAGE], "AllowedMethods": ["GET", "PUT", "POST"],
        "AllowedHeaders": ["content-type", "x-AMZ-*"], "ExposeHeaders": ["ETag", "x-amz-request-id"], "MaxAgeSeconds": 600}
NOT_ALLOWED = ("CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / "
               "Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec.")
NOT_ENABLED = "CORSResponse: CORS is not enabled for this bucket."
VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"
LET_IN = {"access-control-allow-origin": PAGE, "access-control-allow-methods": "GET, PUT, POST",
          "access-control-expose-headers": "ETag, x-amz-request-id", "access-control-max-age": "600",
          "access-control-allow-credentials": "true"}


@pytest.fixture(scope="module")
def front():
    with fronts.started(f'[listener]\ndomains = ["{DOMAIN}"]\nbucket_domains = {{ "{OWN}" = "minio-data" }}\n') as running:
        yield running


@pytest.fixture(params=fronts.UPSTREAMS)
def bucket(request, front):
    """With the rule in force, and forgotten afterwards."""
    name = f"{request.param}-data"
    front.boto().put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": [RULE]})
    yield name
    front.boto().delete_bucket_cors(Bucket=name)


def ask(front, method, url, body=None, **headers):
    """(status, headers in lower case, body); `_` in a name stands for `-`, and a list is a header given twice."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(front.house.api).netloc, timeout=30)
    connection.putrequest(method, parts.path + (f"?{parts.query}" if parts.query else ""), skip_host="host" in headers)
    for name, value in headers.items():
        for one in value if isinstance(value, list) else [value]:
            connection.putheader(name.replace("_", "-"), one)
    if body is not None:
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    got, text = {}, answer.read()
    for name, value in answer.getheaders():
        got.setdefault(name.lower(), []).append(value)
    connection.close()
    return answer.status, got, text


def shared(headers):
    return {name: value[0] for name, value in headers.items() if name.startswith("access-control-") and len(value) == 1}


def preflight(front, path, origin=PAGE, method="PUT", asked=None, **headers):
    headers.update({name: value for name, value in [("origin", origin), ("access_control_request_method", method),
                                                    ("access_control_request_headers", asked)] if value is not None})
    return ask(front, "OPTIONS", front.house.api + path, **headers)


def error(text):
    import xml.etree.ElementTree as tree

    return {child.tag: child.text for child in tree.fromstring(text)}


def code(call, *args, **kwargs):
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


def test_rules_are_kept_told_and_forgotten(front):
    for upstream in fronts.UPSTREAMS:
        name = f"{upstream}-cors"
        s3 = front.house.boto("s3")
        s3.create_bucket(Bucket=name)
        assert code(s3.get_bucket_cors, Bucket=name) == "NoSuchCORSConfiguration"
        rules = [RULE, {"AllowedOrigins": ["*", "http://test.com:80"], "AllowedMethods": ["HEAD"]}]
        s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
        assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == rules
        front.house.stop()
        front.house.start()
        s3 = front.house.boto("s3")
        assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == rules, "a restart forgets nothing"
        s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules[1:]})
        assert s3.get_bucket_cors(Bucket=name)["CORSRules"] == rules[1:]
        s3.delete_bucket_cors(Bucket=name)
        s3.delete_bucket_cors(Bucket=name)
        assert code(s3.get_bucket_cors, Bucket=name) == "NoSuchCORSConfiguration"
        s3.put_bucket_cors(Bucket=name, CORSConfiguration={"CORSRules": rules})
        s3.delete_bucket(Bucket=name)
        assert code(s3.get_bucket_cors, Bucket=name) == "NoSuchBucket"
        s3.create_bucket(Bucket=name)
        assert code(s3.get_bucket_cors, Bucket=name) == "NoSuchCORSConfiguration", "the next of its name starts closed"
        s3.delete_bucket(Bucket=name)
        assert code(s3.put_bucket_cors, Bucket=name, CORSConfiguration={"CORSRules": rules}) == "NoSuchBucket"


def test_who_may_read_the_rules_may_not_change_them(front, bucket):
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "s3:GetBucketCORS", "Resource": f"arn:aws:s3:::{bucket}"}]}
    user = front.house.user(f"reader-of-{bucket}", policy)
    reader = front.house.boto("s3", key=(user["AWS_ACCESS_KEY_ID"], user["AWS_SECRET_ACCESS_KEY"]))
    assert reader.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE]
    assert code(reader.put_bucket_cors, Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]}) == "AccessDenied"
    assert code(reader.delete_bucket_cors, Bucket=bucket) == "AccessDenied"
    denied = front.house.records(eventName="DeleteBucketCors")[-1]
    assert "s3:PutBucketCORS" in denied["errorMessage"]


LEAST = "<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"
MALFORMED = ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")


def configuration(rules):
    return f'<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rules}</CORSConfiguration>'


@pytest.mark.parametrize("text, expected", [
    ("", MALFORMED),
    ("<CORSConfiguration>", MALFORMED),
    (configuration(""), MALFORMED),
    (configuration("<CORSRule/>"), MALFORMED),
    (configuration("<CORSRule><AllowedMethod>GET</AllowedMethod></CORSRule>"), MALFORMED),
    (configuration("<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>"), MALFORMED),
    (configuration(f"<CORSRule>{LEAST}</CORSRule>" * 101), MALFORMED),
    (configuration(f"<CORSRule>{LEAST}<MaxAgeSeconds>-1</MaxAgeSeconds></CORSRule>"), MALFORMED),
    (configuration(f"<CORSRule>{LEAST}<ID>a</ID><ID>b</ID></CORSRule>"), MALFORMED),
    (configuration(f"<CORSRule>{LEAST}<AllowedOrigins>a</AllowedOrigins></CORSRule>"), MALFORMED),
    ("<!DOCTYPE a [<!ENTITY b 'c'>]>" + configuration(f"<CORSRule>{LEAST}</CORSRule>"), MALFORMED),
    (configuration(f"<CORSRule>{LEAST}<AllowedMethod>OPTIONS</AllowedMethod></CORSRule>"),
     ("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is OPTIONS")),
    (configuration(f"<CORSRule>{LEAST}<AllowedOrigin>*example*.com</AllowedOrigin></CORSRule>"),
     ("InvalidRequest", 'AllowedOrigin "*example*.com" can not have more than one wildcard.')),
    (configuration(f"<CORSRule>{LEAST}<AllowedHeader>**</AllowedHeader></CORSRule>"),
     ("InvalidRequest", 'AllowedHeader "**" can not have more than one wildcard.')),
    (configuration(f"<CORSRule>{LEAST}<ExposeHeader>*</ExposeHeader></CORSRule>"),
     ("InvalidRequest", 'ExposeHeader "*" contains wildcard. We currently do not support wildcard for ExposeHeader.')),
    (configuration(f"<CORSRule>{LEAST}<ExposeHeader>a&#13;&#10;set-cookie: b</ExposeHeader></CORSRule>"), ("InvalidRequest", None)),
    (configuration(f"<CORSRule>{LEAST}<ID>{'x' * 256}</ID></CORSRule>"),
     ("InvalidRequest", "ID length should not exceed allowed limit of 255")),
    (configuration(f"<CORSRule>{LEAST}</CORSRule>" + " " * 65536), ("MaxMessageLengthExceeded", "Your request was too big.")),
], ids=range(18))
def test_what_are_no_rules_is_refused_and_changes_nothing(front, bucket, text, expected):
    s3 = front.boto()
    s3.meta.events.register("before-call.s3.PutBucketCors", lambda params, **_: params.update(body=text.encode()))
    with pytest.raises(ClientError) as caught:
        s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [RULE]})
    told = caught.value.response
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert told["Error"]["Code"] == expected[0]
    assert expected[1] in (None, told["Error"]["Message"])
    assert s3.get_bucket_cors(Bucket=bucket)["CORSRules"] == [RULE]


def test_a_browser_that_asks_is_told(front, bucket):
    presigned = front.boto(signature_version="s3v4").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    ways = [(f"/{bucket}/a/b", {}), (f"/{bucket}", {}), ("/k?" + urllib.parse.urlsplit(presigned).query, {"host": f"{bucket}.{DOMAIN}"}),
            ("/k", {"host": f"{bucket}.s3.localhost"}), (f"/{bucket}/k?X-Amz-Signature=nonsense", {}),
            *([("/k", {"host": OWN})] if bucket == "minio-data" else [])]
    for path, host in ways:
        status, headers, body = preflight(front, path, asked="Content-Type,x-amz-ACL , ", **host)
        assert (status, body, headers["content-length"], headers["vary"]) == (200, b"", ["0"], [VARY]), (path, host)
        assert shared(headers) == {**LET_IN, "access-control-allow-headers": "content-type, x-amz-acl"}
    status, headers, _ = preflight(front, f"/{bucket}/k", origin="https://a.example.com", method="GET")
    assert shared(headers) == {**LET_IN, "access-control-allow-origin": "https://a.example.com"}


def test_everyone_is_let_in_without_cookies(front, bucket):
    front.boto().put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]}]})
    for origin in (OTHER, "null"):
        status, headers, _ = preflight(front, f"/{bucket}/k", origin=origin, method="GET")
        assert (status, shared(headers)) == (200, {"access-control-allow-origin": "*", "access-control-allow-methods": "GET"})


@pytest.mark.parametrize("more, status, expected", [
    ({"origin": None}, 400, {"Code": "BadRequest", "Message": "Insufficient information. Origin request header needed."}),
    ({"origin": ""}, 400, {"Code": "BadRequest", "Message": "Insufficient information. Origin request header needed."}),
    ({"origin": [PAGE, OTHER]}, 400, {"Code": "BadRequest"}),
    ({"method": None}, 400, {"Code": "BadRequest", "Message": "Invalid Access-Control-Request-Method: null"}),
    ({"method": "PATCH"}, 400, {"Code": "BadRequest", "Message": "Invalid Access-Control-Request-Method: PATCH"}),
    ({"origin": OTHER}, 403, {"Code": "AccessForbidden", "Message": NOT_ALLOWED, "Method": "PUT", "ResourceType": "OBJECT"}),
    ({"origin": PAGE + "/"}, 403, {"Message": NOT_ALLOWED}),
    ({"origin": PAGE.upper()}, 403, {"Message": NOT_ALLOWED}),
    ({"method": "DELETE"}, 403, {"Message": NOT_ALLOWED, "Method": "DELETE"}),
    ({"asked": "content-type,authorization"}, 403, {"Message": NOT_ALLOWED}),
    ({"asked": ["content-type", "authorization"]}, 403, {"Message": NOT_ALLOWED}),
    ({"asked": ",".join(f"x-amz-{number}" for number in range(200))}, 403, {"Message": NOT_ALLOWED}),
], ids=range(12))
def test_a_browser_that_may_not_is_told_nothing_else(front, bucket, more, status, expected):
    got, headers, body = preflight(front, f"/{bucket}/k", **more)
    assert (got, shared(headers)) == (status, {})
    assert expected.items() <= error(body).items()


def test_nobody_learns_which_buckets_there_are(front):
    for path in ("/directory-data/k", "/minio-data/k", "/no-such-bucket/k", "/", "/_/k", "/%ff/k"):
        status, headers, body = preflight(front, path)
        told = error(body)
        assert (status, told["Code"], told["Message"], told["Method"], told["ResourceType"]) == (
            403, "AccessForbidden", NOT_ENABLED, "PUT", "BUCKET"), path
        assert shared(headers) == {}
    assert error(preflight(front, "/no-such-bucket", method=None)[2])["Method"] == "OPTIONS"


def test_a_preflight_is_on_record(front, bucket):
    preflight(front, f"/{bucket}/a%20b", origin=OTHER)
    record = front.house.records(eventName="PreflightRequest")[-1]
    assert record["userIdentity"]["accountId"] == "ANONYMOUS_PRINCIPAL" and record["errorCode"] == "AccessForbidden"
    assert record["requestParameters"] == {"bucketName": bucket, "key": "a b"}
    assert record["eventCategory"] == "Data" and record["readOnly"] and '"upstream' not in json.dumps(record)


def test_a_page_uploads_by_a_presigned_url_and_reads_the_answer(front, bucket):
    s3 = front.boto(signature_version="s3v4")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "up"})
    status, headers, _ = ask(front, "PUT", url, body=b"hello", origin=PAGE)
    assert (status, shared(headers)) == (200, LET_IN) and VARY in headers["vary"] and headers["etag"]
    get = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "up"})
    status, headers, body = ask(front, "GET", get, origin=PAGE)
    assert (status, body, shared(headers)) == (200, b"hello", LET_IN)
    # Who is not let in is served, as in S3: it is the browser that keeps the answer from the page.
    for more in ({}, {"origin": OTHER}, {"origin": [PAGE, OTHER]}, {"origin": PAGE, "access_control_request_method": "DELETE"},
                 {"origin": PAGE, "access_control_request_headers": "authorization"}):
        status, headers, body = ask(front, "GET", get, **more)
        assert (status, body, shared(headers)) == (200, b"hello", {}), more
        assert VARY not in headers.get("vary", [])


def test_a_page_can_read_why_it_was_refused(front, bucket):
    s3 = front.boto(signature_version="s3v4")
    nobody = f"{front.house.api}/{bucket}/k"
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "none"})
    forged = url[:-4] + ("0000" if url[-4:] != "0000" else "1111")
    unknown = f"{front.house.api}/{bucket}?unheard-of"
    for target, expected in [(nobody, (403, "AccessDenied")), (url, (404, "NoSuchKey")), (forged, (403, "SignatureDoesNotMatch")),
                             (unknown, (501, "NotImplemented"))]:
        status, headers, body = ask(front, "GET", target, origin=PAGE)
        assert (status, error(body)["Code"]) == expected
        assert shared(headers) == LET_IN and headers["vary"][-1] == VARY, target
        assert shared(ask(front, "GET", target, origin=OTHER)[1]) == {}


def test_a_page_reads_what_is_public(front, bucket):
    s3 = front.house.boto("s3")
    s3.put_object(Bucket=bucket, Key="public", Body=b"for all")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/public"}]}))
    status, headers, body = ask(front, "GET", front.house.api + "/public", host=f"{bucket}.{DOMAIN}", origin=PAGE)
    assert (status, body, shared(headers)) == (200, b"for all", LET_IN)
    s3.delete_bucket_policy(Bucket=bucket)


def test_a_page_uploads_by_a_form(front, bucket):
    post = front.boto(signature_version="s3v4").generate_presigned_post(bucket, "form")
    words = [word for name, value in post["fields"].items() for word in ("-F", f"{name}={value}")]
    answer = front.house.run(["curl", "-sS", "-D", "-", "-H", f"Origin: {PAGE}", *words, "-F", "file=content",
                              f"{front.house.api}/{bucket}"]).stdout.lower()
    assert answer.startswith("http/1.1 204") and f"access-control-allow-origin: {PAGE}" in answer
    assert front.boto().get_object(Bucket=bucket, Key="form")["Body"].read() == b"content"


def test_the_rules_of_a_bucket_are_for_s3_alone(front, bucket):
    request = botocore.awsrequest.AWSRequest("GET", f"{front.house.api}/{bucket}/k", headers={"origin": PAGE})
    credentials = botocore.credentials.Credentials(*front.key)
    botocore.auth.SigV4Auth(credentials, "lambda", front.house.ready["region"]).add_auth(request)
    status, headers, _ = ask(front, "GET", request.url, **dict(request.headers))
    assert status >= 400 and shared(headers) == {}
    front.no_mishap()
