"""A process of UNIX's privilege separation: USER, in an empty root directory, as sshd and ntpd keep their exposed parts.

    chrooted.py DIRECTORY USER

Reads METHOD URL [NAME:VALUE…] lines, asks plainly, and writes {"status", "headers", "body"} as a line of JSON each;
{"error"} where there is no connection. What it needs is loaded before it locks itself in: afterwards there is no file.
"""
import http.client
import json
import os
import pwd
import socket  # noqa: F401 - loaded now, there is nothing to load from later
import sys
import encodings.idna  # noqa: F401
import urllib.parse

directory, user = sys.argv[1:]
who = pwd.getpwnam(user)
os.chroot(directory)
os.chdir("/")
os.setgroups([])
os.setgid(who.pw_gid)
os.setuid(who.pw_uid)
assert os.listdir("/") == [] and os.getuid() == who.pw_uid

for line in sys.stdin:
    method, url, *headers = line.split()
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=5)
    try:
        connection.request(method, parts.path, headers=dict(header.split(":", 1) for header in headers))
        answer = connection.getresponse()
        result = {"status": answer.status, "headers": dict(answer.getheaders()), "body": answer.read().decode()}
    except OSError as error:
        result = {"error": str(error)}
    finally:
        connection.close()
    print(json.dumps(result), flush=True)
