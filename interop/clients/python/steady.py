"""boto3, one client, one put and one get after another until standard input ends or it is stopped; a line of JSON for each."""
import json
import os
import sys

import boto3
from botocore.config import Config

# No second try: a request that fails is to be seen.
s3 = boto3.client("s3", config=Config(retries={"max_attempts": 0}))
bucket, number = sys.argv[1], 0
body = os.urandom(64 * 1024)
while True:
    number += 1
    try:
        s3.put_object(Bucket=bucket, Key=f"steady-{number % 10}", Body=body)
        same = s3.get_object(Bucket=bucket, Key=f"steady-{number % 10}")["Body"].read() == body
        print(json.dumps({"ok": same}), flush=True)
    except BrokenPipeError:
        break
    except Exception as error:  # every failure is a result to look at
        print(json.dumps({"ok": False, "error": f"{type(error).__name__}: {error}"}), flush=True)
