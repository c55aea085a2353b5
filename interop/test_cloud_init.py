"""cloud-init, the first client of a machine's life, crawls the whole tree: every path that is listed must be there."""
import json
import subprocess
import sys

import adapters
from house import TOOLS, wait_for
from lone import Lone

SERVICE = "127.0.0.1:8098"
CRAWL = adapters.CLIENTS / "python/cloud_init_crawl.py"


def test_the_data_source_for_ec2_finds_the_machine_and_asks_for_no_credentials(lan, tmp_path):
    """Behind the agent is a metadata service with user data, whose machine it shows."""
    machine = lan.machine(1)
    log = tmp_path / "log"
    log.touch()
    service = subprocess.Popen([*machine.prefix(), sys.executable, adapters.CLIENTS / "python/ec2_metadata.py",
                                *SERVICE.split(":"), log])
    agent = None
    try:
        wait_for(lambda: subprocess.run([*machine.prefix(), "curl", "-s", f"http://{SERVICE}/"],
                                        capture_output=True).returncode == 0, "the service being there")
        agent = Lone(f'[listen]\nlink_local = true\n[source]\nmetadata = "http://{SERVICE}/"\n',
                     '[[rule]]\neveryone = true\nroles = ["the-instance-s-own"]\n', machine=machine)
        modules = TOOLS / "debian-cloud-init/usr/lib/python3/dist-packages"
        ran = subprocess.run([*machine.prefix(), "/usr/bin/python3", CRAWL, tmp_path], capture_output=True, text=True,
                             env={"PYTHONPATH": str(modules), "PATH": "/usr/bin:/bin"}, cwd="/", timeout=60)
        assert ran.returncode == 0, ran.stderr
        told = json.loads(ran.stdout)
        assert told["found"], ran.stderr
        assert told["instance_id"] == told["metadata"]["instance-id"] == "i-0123456789abcdef0"
        assert told["region"] == told["identity"]["region"] == told["metadata"]["placement"]["region"] == "eu-central-1"
        assert told["availability_zone"] == "eu-central-1b"
        assert told["user_data"] == "#cloud-config\nfqdn: web.example.com\n"
        # The newest version it knows, and the interface that it would configure.
        assert told["version"] == "2021-03-23"
        assert list(told["metadata"]["network"]["interfaces"]["macs"]) == ["0e:49:61:0f:c3:11"]
        # It went past the role, and did not ask for its credentials.
        assert [record for record in agent.records() if record["eventName"] == "IssueCredentials"] == []
        assert "Secret" not in ran.stdout and "the-instance-s-secret" not in ran.stdout
    finally:
        if agent:
            agent.close()
        service.terminate()
        service.wait(10)
