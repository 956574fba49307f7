"""The recipe in docs/how-to/add-a-step.md works as it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs/how-to/add-a-step.md"
CONTRACT = "tests/elute_transform/unit/steps/test_contract.py"


def test_the_step_of_the_recipe_passes_its_own_test_and_the_contract(tmp_path: Path) -> None:
    written = dict(
        re.findall(r"^`([\w/.-]+\.py)`:\n\n```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
    assert len(written) == 2
    shutil.copytree(ROOT / "transform-svc/src", tmp_path / "transform-svc/src")
    for tests in ("tests/elute_transform/batches.py", CONTRACT):
        (tmp_path / tests).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / tests, tmp_path / tests)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name, content in written.items():
        (tmp_path / name).write_text(content, "utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "fill_missing", "tests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "transform-svc/src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"\b10 passed", ran.stdout), ran.stdout
