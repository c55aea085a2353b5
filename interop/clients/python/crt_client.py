"""awscrt's own chain of credential providers: operations as JSON on stdin, results as JSON on stdout."""
import json
import sys

from awscrt.auth import AwsCredentialsProvider

results = []
for _ in json.load(sys.stdin):
    try:
        held = AwsCredentialsProvider.new_default_chain().get_credentials().result(25)
        results.append({"ok": True, "access_key": held.access_key_id, "expires": None})
    except Exception as error:  # every failure is a result to look at
        results.append({"ok": False, "error": f"credentials: {type(error).__name__}: {error}"})
print(json.dumps(results))
