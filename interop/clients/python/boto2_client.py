"""boto 2 as a client: operations as JSON on stdin, results as JSON on stdout.

boto 2 knows only version 1 of the metadata service, and only at its real address.
"""
import functools
import json
import os
import sys
from urllib.parse import urlsplit

import boto
import boto.s3.connection

endpoint = urlsplit(os.environ["AWS_ENDPOINT_URL"])
if not boto.config.has_section("s3"):
    boto.config.add_section("s3")
boto.config.set("s3", "use-sigv4", "True")


@functools.cache
def connect():
    """Looks for credentials at once, so it can fail like any operation."""
    s3 = boto.connect_s3(
        host=endpoint.hostname,
        port=endpoint.port,
        is_secure=endpoint.scheme == "https",
        calling_format=boto.s3.connection.OrdinaryCallingFormat(),
        # Otherwise it folds slashes that belong to the key.
        suppress_consec_slashes=False,
    )
    # It takes the region from the host's name, which here is a number.
    s3._auth_handler.region_name = os.environ["AWS_REGION"]
    return s3


def perform(op):
    s3 = connect()
    if op["op"] == "credentials":
        expires = s3.provider._credential_expiry_time
        return {"access_key": s3.access_key, "expires": expires and f"{expires.isoformat()}Z"}
    bucket = s3.get_bucket(op["bucket"], validate=False)
    if op["op"] == "put":
        bucket.new_key(op["key"]).set_contents_from_filename(op["file"])
    elif op["op"] == "get":
        bucket.get_key(op["key"], validate=False).get_contents_to_filename(op["file"])
    elif op["op"] == "list":
        return {"keys": [key.name for key in bucket.list(prefix=op["prefix"])]}
    elif op["op"] == "delete":
        bucket.delete_key(op["key"])
    elif op["op"] == "presign":
        return {"url": s3.generate_url_sigv4(300, "GET", op["bucket"], op["key"])}
    return {}


results = []
for op in json.load(sys.stdin):
    try:
        results.append({"ok": True, **perform(op)})
    except Exception as error:  # every failure is a result to look at
        results.append({"ok": False, "error": f"{type(error).__name__}: {error}"})
print(json.dumps(results))
