"""moto's own tests of IAM, STS and EC2's instance profiles, against us: made by others, who knew nothing of Hallpass.

moto imitates AWS, and its tests say what it takes AWS to be. Where AWS is otherwise, or where something is left out on
purpose, `moto_suite/differs.toml` lists the test with the reason. Every other test passes.
"""
import concurrent.futures
import subprocess
import tomllib
import xml.etree.ElementTree
from pathlib import Path

import pytest

from house import CLEAN, TOOLS, House
from moto_suite import given
from moto_suite.front import MotoFront

# Both suites run in the first test.
pytestmark = pytest.mark.timeout(600)
ENVIRONMENT = TOOLS / "python-moto-tests"
DIFFERS = Path(__file__).parent / "moto_suite/differs.toml"
# Files, how many tests they hold, and how many of them moto itself leaves out with an endpoint that is not moto in this
# process. Not here: `test_iam_cloudformation` (a service that is not ours) and the two `test_server` (moto's own server).
SUITES = {
    "iam": (["test_iam/test_iam.py"], 155, 8),
    "rest": (
        ["test_iam/test_iam_access_integration.py", "test_iam/test_iam_account_aliases.py", "test_iam/test_iam_groups.py",
         "test_iam/test_iam_oidc.py", "test_iam/test_iam_password_last_used.py", "test_iam/test_iam_policies.py",
         "test_iam/test_iam_resets.py", "test_iam/test_iam_response_attributes.py",
         "test_iam/test_iam_server_certificates.py", "test_iam/test_iam_signing_certificates.py",
         "test_sts/test_sts.py", "test_sts/test_sts_integration.py", "test_ec2/test_iam_integration.py"], 233, 5),
}


def run(house, name, folder):
    """The outcome of each test of a suite: nothing, "skipped", or how it failed."""
    front = MotoFront(house, name)
    report = folder / f"{name}.xml"
    files = [f"tests/{file}" for file in SUITES[name][0]]
    env = {**CLEAN, "TEST_SERVER_MODE": "true", "TEST_SERVER_MODE_ENDPOINT": front.endpoint,
           "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [ENVIRONMENT / "bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", "--timeout", "60",
             "--tb=short", f"--junitxml={report}", *files], cwd=folder, env=env, capture_output=True, text=True, timeout=560)
    finally:
        front.close()
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr[-3000:]
    outcomes = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        bad = next((case.find(tag) for tag in ("failure", "error") if case.find(tag) is not None), None)
        how = "skipped" if case.find("skipped") is not None else None if bad is None else bad.get("message")
        outcomes[f"{case.get('classname').removeprefix('tests.')}::{case.get('name')}"] = how
    return outcomes


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("moto")
    unneeded = given.sources(ENVIRONMENT / "sources/tests", folder)
    assert unneeded == []
    # moto's tests live there; so do the metadata and STS of its EC2.
    house = House("--region", "us-east-1")
    try:
        house.boto("organizations").create_organization(FeatureSet="ALL")
        with concurrent.futures.ThreadPoolExecutor() as both:
            made = {name: both.submit(run, house, name, folder) for name in SUITES}
            yield {name: future.result() for name, future in made.items()}
    finally:
        house.close()


def listed():
    differences = tomllib.loads(DIFFERS.read_text())["difference"]
    assert all(one["reason"] for one in differences)
    tests = [test for one in differences for test in one["tests"]]
    assert len(tests) == len(set(tests))
    return set(tests)


@pytest.mark.parametrize("name", SUITES)
def test_every_failure_of_motos_tests_is_accounted_for(outcomes, name):
    _, count, skipped = SUITES[name]
    ran = outcomes[name]
    failed = {test: how for test, how in ran.items() if how not in (None, "skipped")}
    new = {test: how for test, how in failed.items() if test not in listed()}
    assert not new, "\n".join(f"{test}: {how[:600]}" for test, how in new.items())
    stale = [test for test in listed() if test in ran and test not in failed]
    assert not stale, stale
    assert (len(ran), sum(how == "skipped" for how in ran.values())) == (count, skipped)


def test_what_is_listed_exists(outcomes):
    ran = {test for suite in outcomes.values() for test in suite}
    assert listed() <= ran
