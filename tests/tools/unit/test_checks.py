"""The repository's own checks, each shown a small repository in which it has something to object to."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import check_coverage, check_dependencies, check_links, check_locks, check_paths, check_sizes
from tools.audit import vulnerable

_HASH = "--hash=sha256:" + "0" * 64

Write = Callable[[str, str], None]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


@pytest.fixture
def write(repository: Path) -> Write:
    def to(name: str, text: str) -> None:
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_text(text)

    return to


def test_a_module_of_more_lines_than_the_limit_is_found(repository: Path, write: Write) -> None:
    write("long.py", "x = 1\n" * 401)
    write("just_right.py", "x = 1\n" * 400)
    write("protos/src/elute/v1/stage_pb2.py", "x = 1\n" * 999)
    assert [str(found.path) for found in check_sizes.oversized(repository)] == ["long.py"]


@pytest.mark.parametrize(
    ("link", "objection"),
    [
        ("[a](missing.md)", "leads to no file"),
        ("![a](docs/missing.png)", "leads to no file"),
        ('<img src="missing.png">', "leads to no file"),
        ("[a]: missing.md", "leads to no file"),
        ("[a](guide.md#nowhere)", "leads to no heading"),
        ("[a](#nowhere)", "leads to no heading"),
        ("[a](../elsewhere.md)", "leaves the repository"),
    ],
)
def test_a_dead_link_is_found_with_its_line(repository: Path, write: Write, link: str, objection: str) -> None:
    write("guide.md", "# Guide\n")
    write("page.md", f"# Page\n\n{link}\n")
    (found,) = check_links.dead_links(repository)
    assert (str(found.path), found.line) == ("page.md", 3)
    assert objection in found.objection


def test_living_links_and_links_in_code_are_not_found(repository: Path, write: Write) -> None:
    write("docs/guide.md", '# What `it` does, and why\n\n## Twice\n\n## Twice\n\n<a id="here"></a>\n')
    living = ["docs", "docs/guide.md", "/docs/guide.md", "docs/guide.md#what-it-does-and-why", "docs/guide.md#twice-1"]
    living += ["docs/guide.md#here", "https://example.org/x", "mailto:a@example.org", "#page"]
    lines = [f"[a]({target})" for target in living]
    write("page.md", "\n".join(["# Page", *lines, "`[a](missing.md)`", "```", "[a](missing.md)", "```", ""]))
    assert list(check_links.dead_links(repository)) == []


@pytest.mark.parametrize(
    ("lock", "objection"),
    [
        ("left==1.0\n", "has no sha256 hash"),
        (f"left>=1.0 {_HASH}\n", "is not pinned"),
        (f"left @ https://example.org/left.whl {_HASH}\n", "where packages come from"),
        (f"--index-url https://example.org/\nleft==1.0 \\\n    {_HASH}\n", "where packages come from"),
        ("--find-links wheels\n", "where packages come from"),
    ],
)
def test_a_lock_without_hash_or_with_an_address_is_found(
    repository: Path, write: Write, lock: str, objection: str
) -> None:
    write("requirements.txt", lock)
    assert any(objection in found.objection for found in check_locks.faults(repository))


def test_a_requirement_that_nobody_locked_is_found(repository: Path, write: Write) -> None:
    write("requirements.in", "# why\n-c other.txt\nLeft_Pad[x]~=1.0\nright\n")
    write(
        "requirements.txt", f"left-pad[x]==1.0 ; python_version < '4' \\\n    {_HASH}\n    # via -r requirements.in\n"
    )
    assert list(check_locks.faults(repository)) == []
    assert [found.line for found in check_locks.unlocked(repository)] == [4]


def test_places_of_one_machine_are_found(repository: Path, write: Write) -> None:
    write(
        "notes.md", "\n".join(["/ho" + "me/ada/elute", f"{repository}/x", "see /homepage", "https://example.org/docs"])
    )
    assert [found.line for found in check_paths.foreign(repository)] == [1, 2]


def test_branches_below_the_bar_are_found_by_package(tmp_path: Path) -> None:
    def summary(covered: int) -> dict[str, dict[str, int]]:
        figures = {"num_branches": 100, "covered_branches": covered, "num_statements": 1, "covered_lines": 1}
        return {"summary": figures}

    measured = tmp_path / "coverage.json"
    files = {
        "protos/src/elute_wire/frames.py": summary(95),
        "gateway/src/elute_gateway/domain/plan.py": summary(89),
        "gateway/src/elute_gateway/store/runs.py": summary(0),
    }
    measured.write_text(json.dumps({"files": files}))
    (found,) = check_coverage.uncovered(measured)
    assert found.objection.startswith("elute_gateway.domain: 89.0 %")


def test_code_without_branches_counts_by_its_lines() -> None:
    idle = {"num_branches": 0, "covered_branches": 0, "num_statements": 10, "covered_lines": 0}
    pattern = check_coverage.WATCHED["elute_wire"]
    assert check_coverage.branch_percent({"src/elute_wire/x.py": {"summary": idle}}, pattern) == 0.0
    assert check_coverage.branch_percent({}, pattern) is None


def test_a_known_vulnerability_is_named_with_the_version_that_mends_it() -> None:
    dependencies: list[dict[str, Any]] = [
        {"name": "left", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1"]}]},
        {"name": "right", "version": "2.0", "vulns": []},
        {"name": "ours", "skip_reason": "not in the index"},
    ]
    assert list(vulnerable(dependencies)) == [("left 1.0", "CVE-1, mended in 1.1")]


def test_an_import_that_its_distribution_does_not_declare_is_found(repository: Path, write: Write) -> None:
    write(
        "svc/pyproject.toml",
        """[project]
name = "our-service"
dependencies = ["our_wire==1", "Google.Things>=2", "driver[fast]>=1"]
[project.optional-dependencies]
extra = ["sometimes"]
""",
    )
    write("wire/pyproject.toml", '[project]\nname = "our-wire"\n')
    write("wire/src/our_things/__init__.py", "import installed\n")
    write(
        "svc/src/our_service/part.py",
        "import os, google.things\nfrom our_things import x\nfrom . import y\n"
        "def late():\n    import sometimes, driver.fast\n    from undeclared.part import z\n    import unknown\n",
    )
    installed = {
        "google": ["google-things", "google-others"],
        "driver": ["driver"],
        "sometimes": ["sometimes"],
        "undeclared": ["undeclared"],
        "installed": ["installed"],
    }
    found = list(check_dependencies.undeclared(repository, installed))
    assert sorted((str(finding.path), finding.line, finding.objection.split(",")[0]) for finding in found) == [
        ("svc/src/our_service/part.py", 6, "imports undeclared"),
        ("svc/src/our_service/part.py", 7, "imports unknown"),
        ("wire/src/our_things/__init__.py", 1, "imports installed"),
    ]


def test_this_repository_declares_what_it_imports() -> None:
    assert list(check_dependencies.undeclared()) == []
