"""`hallpass policy check`: exit codes, formats, guesses, fixes, and what cannot be read."""

import json
import os
import subprocess

import pytest

BINARY = os.environ["HALLPASS_BINARY"]

CLEAN = """{
  "Version": "2012-10-17",
  "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
}
"""
MISSPELT = CLEAN.replace("s3:GetObject", "s3:GetObjekt")
UNTIDY = CLEAN.replace('"s3:GetObject"', '["s3:GetObject", "s3:Get*"]')
BROKEN = CLEAN.replace('"Allow"', '"Alow"')
BUCKET = CLEAN.replace('"Effect"', '"Principal": {"AWS": "123456789012"}, "Effect"')
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
})


def check(*args, stdin=None):
    command = [BINARY, "policy", "check", *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)


@pytest.fixture
def write(tmp_path):
    def write(text, name="policy.json"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize("text, code", [(CLEAN, 0), (UNTIDY, 0), (MISSPELT, 1), (BROKEN, 1), (BUCKET, 0), (TRUST, 1)])
def test_the_exit_code_says_whether_something_is_wrong(write, text, code):
    result = check(write(text))
    assert result.returncode == code, result
    assert "1 document:" in result.stderr


def test_a_clean_document_prints_nothing_to_stdout(write):
    result = check(write(CLEAN))
    assert result.stdout == ""
    assert result.stderr == "1 document: 0 errors, 0 security warnings, 0 warnings, 0 suggestions\n"


def test_text_shows_the_line_with_carets(write):
    path = write(MISSPELT)
    lines = check(path).stdout.splitlines()
    assert lines[0] == "warning[HP3001]: the service `s3` has no action `GetObjekt`"
    assert lines[1] == f" --> {path}:3:46"
    at = lines[4].index("^")
    assert lines[3][at:at + lines[4].count("^")] == '"s3:GetObjekt"'
    assert "did you mean `s3:GetObject`?" in lines[5]


def test_json_is_one_object(write):
    paths = [write(MISSPELT, "a.json"), write(UNTIDY, "b.json")]
    findings = json.loads(check(*paths, "--format", "json").stdout)["findings"]
    assert [(f["file"], f["code"], f["level"]) for f in findings] == [
        (str(paths[0]), "HP3001", "warning"),
        (str(paths[1]), "HP4003", "suggestion"),
    ]
    finding = findings[0]
    assert MISSPELT[finding["start"]["offset"]:finding["end"]["offset"]] == '"s3:GetObjekt"'
    assert finding["fix"]["edits"][0]["text"] == '"s3:GetObject"'


def test_sarif_has_rules_results_regions_and_fixes(write):
    path = write(MISSPELT, "a policy.json")
    log = json.loads(check(path, "--format", "sarif").stdout)
    assert log["version"] == "2.1.0" and log["$schema"]
    [run] = log["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules) > 50
    [result] = run["results"]
    assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == "HP3001"
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"].endswith("/a%20policy.json")
    assert location["region"] == {"startLine": 3, "startColumn": 46, "endLine": 3, "endColumn": 60}
    [replacement] = result["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement["insertedContent"]["text"] == '"s3:GetObject"'
    assert replacement["deletedRegion"] == location["region"]


def test_github_gets_an_annotation(write):
    path = write(MISSPELT, "a,b:c.json")
    [line] = check(path, "--format", "github").stdout.splitlines()
    assert line.startswith("::warning file=") and "a%2Cb%3Ac.json,line=3,col=46," in line
    assert "title=HP3001 INVALID_ACTION::the service `s3`" in line


def test_standard_input_is_read_and_not_fixed():
    assert check("-", stdin=CLEAN).returncode == 0
    result = check("-", stdin=MISSPELT)
    assert result.returncode == 1 and "<stdin>:3:46" in result.stdout
    assert check("--fix", "-", stdin=MISSPELT).returncode == 2


def test_a_guess_is_told_when_it_matters(write):
    result = check(write(TRUST))
    assert "HP2011" in result.stdout
    assert "HP1012" in check(write(TRUST), "--type", "resource").stdout
    assert "HP1017" in check(write(BUCKET), "--type", "identity").stdout
    misnamed = BUCKET.replace("123456789012", "12345")
    result = check(write(misnamed))
    assert "checked as `--type resource`, by its contents" in result.stderr
    assert "checked as" not in check(write(misnamed), "--type", "resource").stderr


def test_fixes_are_written_and_told(write):
    path = write(UNTIDY.replace("s3:Get*", "s3:GetObjekt"))
    path.chmod(0o640)
    result = check("--fix", path)
    assert result.returncode == 0, result
    assert "replace `s3:GetObjekt` by `s3:GetObject`" in result.stderr
    assert path.read_text() == CLEAN.replace('"s3:GetObject"', '["s3:GetObject"]')
    assert path.stat().st_mode & 0o777 == 0o640
    assert [entry.name for entry in path.parent.iterdir()] == ["policy.json"]


def test_a_fix_goes_through_a_link(write, tmp_path):
    path = write(MISSPELT)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    assert check("--fix", link).returncode == 0
    assert link.is_symlink() and path.read_text() == CLEAN


@pytest.mark.parametrize("text, times, words", [(b"\xff\xfe", 1, "not UTF-8"), (b" ", 10_000_000, "longer than")])
def test_what_is_no_document_is_refused(write, text, times, words):
    result = check(write(text * times))
    assert result.returncode == 2 and words in result.stderr


def test_what_cannot_be_read_does_not_hide_the_rest(write, tmp_path):
    result = check(tmp_path, tmp_path / "missing.json", write(MISSPELT))
    assert result.returncode == 2
    assert result.stderr.count("error: cannot read") == 2
    assert "HP3001" in result.stdout


def test_a_long_document_gets_a_finding(write):
    result = check(write(CLEAN + " " * 200_000))
    assert result.returncode == 1 and "HP1002" in result.stdout


def test_thousands_of_actions_are_checked_in_time(write):
    actions = [f"s3:GetObject{number:04}*a" for number in range(2_500)] + ["s3:GetObject"] * 2_500
    text = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Deny", "Action": actions, "Resource": "*"}})
    assert len(text) < 131_072
    # The time limit is the process's; what is asserted is that everything was looked at.
    findings = json.loads(check(write(text), "--format", "json").stdout)["findings"]
    assert sum(finding["code"] == "HP4003" for finding in findings) == 2_499
