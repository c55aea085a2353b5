"""Our decisions against those of other engines, over generated and hand-written cases.

No engine is right by itself. Where one disagrees with us, AWS's text has been read, and the disagreement belongs to a
class below that names it and its source; `docs/divergences.md`, "Other engines", lists them. One outside all classes
fails the test: then either we are wrong, or there is something new to learn.
"""
import json
import random
import subprocess
from pathlib import Path

import pytest

from differential import classes, generate, written
from house import BINARY, TOOLS

DECIDE = Path(BINARY).parent / "examples/decide"
SEED, COUNT = 20260822, 3000
PEERS = {
    "iam-rs": [TOOLS / "peer-iam-rs/target/debug/hallpass-peer-iam-rs"],
    "iam-simulate": ["node", TOOLS / "peer-iam-simulate/peer.mjs"],
}


def answers(command, cases):
    text = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = done.stdout.splitlines()
    assert len(lines) == len(cases)
    return lines


@pytest.fixture(scope="module")
def asked():
    """All cases, each with our answer."""
    cases = [case for _, case, _ in written.CASES] + list(generate.cases(random.Random(SEED), COUNT))
    ours = answers([DECIDE], cases)
    return list(zip(cases, ours))


@pytest.mark.parametrize("name, case, expected", written.CASES, ids=[name for name, _, _ in written.CASES])
def test_what_awss_pages_say(name, case, expected):
    assert answers([DECIDE], [case]) == [expected]


def test_the_generated_cases_are_worth_asking(asked):
    """Each decision comes often, and what we refuse to read is not asked."""
    count = {word: sum(answer == word for _, answer in asked) for word in ("allow", "explicit_deny", "implicit_deny")}
    assert sum(count.values()) == len(asked), [answer for _, answer in asked if answer not in count][:5]
    assert all(times > len(asked) / 10 for times in count.values()), count


@pytest.mark.parametrize("peer", PEERS)
def test_every_disagreement_is_of_a_known_class(peer, asked):
    able = [(case, ours) for case, ours in asked if classes.can_ask(peer, case)]
    theirs = answers(PEERS[peer], [case for case, _ in able])
    unknown, seen = [], {}
    for (case, ours), answer in zip(able, theirs):
        if ours == answer:
            continue
        name = classes.explain(peer, case, ours, answer)
        if name is None:
            unknown.append((ours, answer, case))
        seen[name] = seen.get(name, 0) + 1
    assert not unknown, f"{len(unknown)} of {len(able)}:\n" + "\n".join(
        f"ours {ours}, {peer} {answer}: {json.dumps(case)}" for ours, answer, case in unknown[:12])
    # A class that explains nothing is a stale excuse.
    assert set(seen) == set(classes.names(peer)), seen
