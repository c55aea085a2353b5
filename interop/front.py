"""One Hallpass in front of two stores: its own directory, and MinIO, which is not ours and knows none of its keys."""
import json
import tempfile
from contextlib import contextmanager
from pathlib import Path

from house import House
from test_document_003 import Minio

UPSTREAMS = ["directory", "minio"]


class Front:
    """`house` with a bucket in each store, named as the store is, both open to the machine's role and to one user."""

    def __init__(self, house, minio):
        self.house, self.minio = house, minio
        s3, iam = house.boto("s3"), house.boto("iam")
        for name in UPSTREAMS:
            s3.create_bucket(Bucket=f"{name}-data", CreateBucketConfiguration={"LocationConstraint": house.ready["region"]})
        self.policy = {"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "s3:*", "Resource": [
                f"arn:aws:s3:::{name}-data{rest}" for name in UPSTREAMS for rest in ("", "/*")]}]}
        iam.put_role_policy(RoleName=house.ready["role"], PolicyName="stores", PolicyDocument=json.dumps(self.policy))
        # For clients that know no metadata service but the one address, or none.
        self.user = house.user("client", self.policy)
        self.key = (self.user["AWS_ACCESS_KEY_ID"], self.user["AWS_SECRET_ACCESS_KEY"])

    def boto(self, **config):
        return self.house.boto("s3", key=self.key, **config)

    def keys(self, bucket, prefix=""):
        pages = self.boto().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def no_mishap(self, since=0):
        """No request since that record was answered 500: whatever a client asks has an answer of S3's."""
        bad = [record for record in self.house.records()[since:] if record.get("errorCode") in ("InternalError", "ServiceUnavailable")]
        assert bad == [], bad


@contextmanager
def started(config=""):
    """A `Front`; `config` is added to what tells of MinIO."""
    with tempfile.TemporaryDirectory(prefix="hp-minio-") as folder:
        folder = Path(folder)
        minio = Minio(folder)
        (folder / "keys").write_text(minio.credentials())
        house = House(config=f"""{config}
[[upstream]]
name = "minio"
buckets = ["minio-*"]
endpoint = "{minio.endpoint}"
credentials = {{ file = "{folder / "keys"}", profile = "minio" }}
""")
        try:
            yield Front(house, minio)
        finally:
            house.close()
            minio.close()
