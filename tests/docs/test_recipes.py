"""The recipes of docs/how-to work as written: their files, put into a copy, pass their own tests and the contract."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_FILE = re.compile(r"^`([\w/.-]+\.py)`:\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A page, and what has to be there to follow it.

    Attributes:
        page: The page.
        service: The folder of the distribution that gets a component.
        tests: What is copied beside it: the contract test and what tests share.
        component: The component's name: tests that have it in their name are run.
        passed: How many tests those are.
        before: What the page says to run before the tests, as a module.
    """

    page: str
    service: str
    tests: tuple[str, ...]
    component: str
    passed: int
    before: str = ""


RECIPES = (
    Recipe(
        "add-a-technique.md",
        "anonymizer-svc",
        (
            "tests/support/interpreting.py",
            "tests/support/scrubbing.py",
            "tests/elute_anonymizer/golden.json",
            "tests/elute_anonymizer/unit/techniques/test_contract.py",
            "tests/elute_anonymizer/unit/techniques/test_golden.py",
            "tools/pin_golden.py",
        ),
        "choose",
        18,
        before="tools.pin_golden",
    ),
    Recipe(
        "add-a-step.md",
        "transform-svc",
        ("tests/elute_transform/batches.py", "tests/elute_transform/unit/steps/test_contract.py"),
        "fill_missing",
        10,
    ),
    Recipe(
        "add-a-connector.md",
        "connector-svc",
        ("tests/support/sources.py", "tests/elute_connector/unit/connectors/test_contract.py"),
        "parquet",
        11,
    ),
)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.page)
def test_the_component_of_a_recipe_passes_its_own_tests_and_the_contract(recipe: Recipe, tmp_path: Path) -> None:
    written = dict(_FILE.findall((ROOT / "docs/how-to" / recipe.page).read_text("utf-8")))
    assert len(written) >= 2
    shutil.copytree(ROOT / recipe.service / "src", tmp_path / recipe.service / "src")
    for name in ("pyproject.toml", *recipe.tests):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name, content in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    if recipe.before:
        _run(tmp_path, recipe, recipe.before)
    said = _run(tmp_path, recipe, "pytest", "-q", "-p", "no:cacheprovider", "-k", recipe.component, "tests")
    assert re.search(rf"\b{recipe.passed} passed", said), said


def _run(folder: Path, recipe: Recipe, module: str, *arguments: str) -> str:
    path = os.pathsep.join([str(folder / recipe.service / "src"), str(folder)])
    ran = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
