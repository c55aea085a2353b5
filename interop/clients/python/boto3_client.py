"""boto3 as a client: operations as JSON on stdin, results as JSON on stdout.

Region, endpoint and credentials are what boto3 finds by itself. With awscrt installed, uploads and downloads of files
go through the CRT.
"""
import functools
import json
import sys

import boto3
from boto3.s3.transfer import TransferConfig

try:
    import awscrt  # noqa: F401
    import boto3.crt
    from s3transfer.crt import create_s3_crt_client

    def create_client(session, config, region_name, cred_provider):
        # boto3's own says `use_ssl=True` whatever the endpoint's scheme is, and so speaks TLS to http:// endpoints.
        # The AWS CLI, which uses the same parts, takes it from the scheme; nothing else is changed here.
        return create_s3_crt_client(region=region_name, use_ssl=False, crt_credentials_provider=cred_provider)

    boto3.crt._create_crt_client = create_client
    transfer = TransferConfig(preferred_transfer_client="crt")
except ImportError:
    transfer = TransferConfig(preferred_transfer_client="classic")


@functools.cache
def connect():
    """Looks for credentials at once, so it can fail like any operation."""
    return boto3.client("s3")


def perform(op):
    s3 = connect()
    bucket, key = op["bucket"], op.get("key")
    if op["op"] == "put":
        s3.upload_file(op["file"], bucket, key, Config=transfer)
    elif op["op"] == "get":
        s3.download_file(bucket, key, op["file"], Config=transfer)
    elif op["op"] == "list":
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=op["prefix"])
        return {"keys": [entry["Key"] for page in pages for entry in page.get("Contents", [])]}
    elif op["op"] == "delete":
        s3.delete_object(Bucket=bucket, Key=key)
    elif op["op"] == "credentials":
        held = boto3.DEFAULT_SESSION.get_credentials()
        key, expires = held.access_key, getattr(held, "_expiry_time", None)
        return {"access_key": key, "expires": expires and expires.isoformat()}
    elif op["op"] == "presign":
        return {"url": s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=300)}
    return {}


results = []
for op in json.load(sys.stdin):
    try:
        results.append({"ok": True, **perform(op)})
    except Exception as error:  # every failure is a result to look at
        results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
print(json.dumps(results))
