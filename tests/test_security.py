"""What SECURITY.md promises of the repository itself."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
SECRETS = (
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"\bAKIA[0-9A-Z]{16}\b",
    r"\bgh[pousr]_[A-Za-z0-9]{36}\b",
    r"\bgithub_pat_[A-Za-z0-9_]{40,}",
    r"\bhf_[A-Za-z0-9]{30,}\b",
    r"\bpypi-[A-Za-z0-9_-]{50,}",
    r"\bsk-[A-Za-z0-9]{40,}\b",
    r"\bxox[abpr]-[A-Za-z0-9-]{20,}",
)


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a checkout")
    return [path for name in listed.stdout.decode().split("\0") if (path := ROOT / name).is_file() and name]


def test_no_file_holds_a_secret() -> None:
    found = [
        (path.relative_to(ROOT), pattern)
        for path in tracked()
        for pattern in SECRETS
        if path != Path(__file__) and re.search(pattern.encode(), path.read_bytes())
    ]
    assert found == []


def test_the_forms_of_secrets_would_be_found() -> None:
    key = "-----BEGIN RSA " + "PRIVATE KEY-----"
    made = (key, "AKIA" + "A1" * 8, "ghp_" + "a1B2" * 9, "hf_" + "a1B2c3" * 6)
    assert all(any(re.search(pattern, one) for pattern in SECRETS) for one in made)


def test_lint_refuses_what_runs_or_unpacks_outside_data() -> None:
    rules = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]["select"])
    assert {"S102", "S202", "S301", "S307", "S506", "S602", "S604", "S605"} <= rules
    lines = ("import pickle, yaml, subprocess", "pickle.loads(b'')", "yaml.load('')", "eval('1')")
    code = "\n".join([*lines, "subprocess.run('ls', shell=True)", ""])
    command = [str(ROOT / ".venv/bin/python"), "-m", "ruff", "check", "--output-format", "concise", "-"]
    name = ["--stdin-filename", str(ROOT / "chinchilla_lib" / "invented.py")]
    if not Path(command[0]).exists():
        pytest.skip("no .venv here")
    said = subprocess.run([*command, *name], input=code, cwd=ROOT, capture_output=True, text=True).stdout
    assert all(rule in said for rule in ("S301", "S506", "S307", "S602"))


def test_code_is_never_taken_from_a_model() -> None:
    for path in (ROOT / "chinchilla_lib").rglob("*.py"):
        text = path.read_text()
        assert "trust_remote_code=True" not in text and "torch.load(" not in text, path
        assert "allow_pickle=True" not in text, path


def test_jobs_of_the_workflow_may_read_alone_but_for_the_one_that_publishes() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert [name for name, job in workflow["jobs"].items() if "permissions" in job] == ["publish"]
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
