"""A long-running program that reads ~/.aws/credentials anew for each request, as document 000 wishes: put and get until
standard input ends or it is stopped; a line of JSON for each, with the key it used."""
import json
import os
import sys

import botocore.session
from botocore.config import Config

bucket, number = sys.argv[1], 0
body = os.urandom(1024)
loader = None
while True:
    number += 1
    # A session of its own each time: boto reads the file once per session. The parsed service models are shared.
    session = botocore.session.Session()
    if loader is None:
        loader = session.get_component("data_loader")
    else:
        session.register_component("data_loader", loader)
    key = session.get_credentials().access_key
    try:
        s3 = session.create_client("s3", config=Config(retries={"max_attempts": 0}))
        s3.put_object(Bucket=bucket, Key="k", Body=body)
        ok = s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body
        print(json.dumps({"ok": ok, "key": key}), flush=True)
    except BrokenPipeError:
        break
    except Exception as error:  # every failure is a result to look at
        print(json.dumps({"ok": False, "key": key, "error": f"{type(error).__name__}: {error}"}), flush=True)
