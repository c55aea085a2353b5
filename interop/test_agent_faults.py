"""What befalls the machine of a lone agent: its disk is full, its clock jumps."""
import datetime
import json
import re
import subprocess

from house import BINARY, wait_for
from lone import asked, health
from test_agent import EVERYONE, lone, scripted, session, url_of
from test_full_disk import small_disk

__all__ = ["lone", "small_disk"]
KEY = "ASIAIOSFODNN7EXAMPLE"
LISTEN = '[listen]\nmetadata = "127.0.0.1:0"\nhealth = "127.0.0.1:0"\n'


def config(server, before=""):
    return f'{before}{LISTEN}[source]\ncontainer = "{server.url}/"\n[[role]]\nname = "app"\n'


def filled(disk):
    fill = disk / "fill"
    try:
        with open(fill, "wb", buffering=0) as file:
            while True:
                file.write(b"x" * 1024)
    except OSError:
        return fill


def metric(agent, name):
    return int(re.search(rf"^{name} (\d+)", health(url_of(agent) + "/metrics")[1], re.M)[1])


def test_a_full_disk_gives_nobody_a_credential_until_there_is_room(lone, small_disk):
    server = scripted(lambda request: (200, json.dumps(session(KEY, 60))))
    agent = lone(config(server), EVERYONE, audit=small_disk / "audit")
    assert asked(agent.metadata, role="app")[0] == 200
    fill = filled(small_disk)
    # What fits into the last page of the newest file still does.
    wait_for(lambda: asked(agent.metadata, role="app") == (503, ""), "the credential being refused")
    # The role is not even shown: awscrt would abort its process at the refusal that follows.
    assert asked(agent.metadata) == (404, "")
    status, told = health(url_of(agent) + "/readyz")
    assert status == 503 and "cannot be recorded" in told and "No space left" in told
    assert health(url_of(agent) + "/healthz") == (200, "ok\n")
    assert metric(agent, "hallpass_agent_unrecorded_total") > 0
    ran = agent.hallpass("credentials", "--role", "app", check=False)
    assert ran.returncode == 1 and ran.stdout == "" and "recorded" in ran.stderr, ran.stderr
    fill.unlink()
    # By itself: nobody restarts it, and the first who asks is served.
    assert health(url_of(agent) + "/readyz")[0] == 200
    assert asked(agent.metadata) == (200, "app")
    assert json.loads(asked(agent.metadata, role="app")[1])["AccessKeyId"] == KEY
    verified = subprocess.run([BINARY, "audit", "verify", "--data", agent.path / "run"], capture_output=True, text=True)
    assert verified.returncode == 0, verified


def test_a_full_disk_may_be_counted_instead(lone, small_disk):
    server = scripted(lambda request: (200, json.dumps(session(KEY, 60))))
    agent = lone(config(server, 'when_full = "count"\n'), EVERYONE, audit=small_disk / "audit")
    fill = filled(small_disk)
    lost = lambda: metric(agent, "hallpass_agent_lost_records_total")
    wait_for(lambda: asked(agent.metadata, role="app")[0] == 200 and lost() > 2, "records being lost")
    assert health(url_of(agent) + "/readyz")[0] == 200
    assert f"{lost()} records lost" in health(url_of(agent) + "/healthz")[1]
    fill.unlink()
    assert asked(agent.metadata, role="app")[0] == 200
    records = [json.loads(line) for file in (small_disk / "audit").glob("*.jsonl") for line in file.read_text().splitlines()]
    [told] = [record for record in records if record["eventName"] == "RecordsLost"]
    assert told["additionalEventData"]["hallpass"]["lostRecords"] == lost()
