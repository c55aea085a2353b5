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


FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


class Clock:
    """The wall clock of a process, as a file sets it. What no clock can set goes on as it does."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set(0)
        self.env = {"LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                    "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def set(self, seconds):
        staged = self.file.with_suffix(".new")
        staged.write_text(f"{seconds:+d}\n")
        staged.rename(self.file)
        self.off = datetime.timedelta(seconds=seconds)

    def minutes_left(self, document):
        """By this clock, as an SDK of the same machine reckons."""
        end = datetime.datetime.strptime(document["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc)
        return (end - datetime.datetime.now(datetime.timezone.utc) - self.off).total_seconds() / 60


def credentials(agent):
    """Those of the role; None while there are none."""
    status, body = asked(agent.metadata, role="app")
    return json.loads(body) if status == 200 else None


def test_an_hour_on_what_is_over_is_fetched_anew(lone, tmp_path):
    clock = Clock(tmp_path)
    state = {"answer": session(KEY, 60)}
    server = scripted(lambda request: (200, json.dumps(state["answer"])))
    agent = lone(config(server), EVERYONE, env=clock.env)
    assert credentials(agent)["AccessKeyId"] == KEY
    # The cloud's clock is right, and so is the machine's from now on.
    clock.set(3605)
    state["answer"] = session("ASIAIOSFODNN7EXAMPL2", 180)
    # Tokens of before are over as well; every SDK gets itself a new one, as `asked` does.
    found = wait_for(lambda: credentials(agent), "the new one")
    assert found["AccessKeyId"] == "ASIAIOSFODNN7EXAMPL2" and 118 < clock.minutes_left(found) < 120
    # The machine's clock is wrong: what the cloud gives seems over. It is refused, told, and over once the clock is right.
    clock.set(4 * 3600)
    assert asked(agent.metadata) == (404, "")
    assert "check both clocks" in agent.said() or "expired credentials" in agent.said(), agent.said()
    clock.set(0)
    found = wait_for(lambda: credentials(agent), "one that is good again")
    assert 25 < clock.minutes_left(found) <= 180
    assert agent.process.poll() is None and health(url_of(agent) + "/readyz")[0] == 200


def test_an_hour_back_nothing_lasts_longer(lone, tmp_path):
    clock = Clock(tmp_path)
    server = scripted(lambda request: (200, json.dumps(session(KEY, 60))))
    agent = lone(config(server), EVERYONE, env=clock.env)
    assert 59 < clock.minutes_left(credentials(agent)) <= 60
    clock.set(-3600)
    for _ in range(3):
        found = credentials(agent)
        assert found["AccessKeyId"] == KEY and 55 < clock.minutes_left(found) <= 60.1, found
    shown = json.loads(agent.hallpass("credentials", "--role", "app").stdout)
    assert 55 < clock.minutes_left(shown) <= 60.1
    clock.set(0)
    assert 55 < clock.minutes_left(credentials(agent)) <= 60
    # The records stay in the order of what happened, whatever their times say.
    verified = subprocess.run([BINARY, "audit", "verify", "--data", agent.path / "run"], capture_output=True, text=True)
    assert verified.returncode == 0, verified
