"""The contracts of .importlinter, each shown to notice what it forbids in a small copy of the packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.repository import ROOT

_PACKAGES = {
    "elute": ["v1"],
    "elute_wire": [],
    "elute_gateway": ["domain", "application", "store", "embedded"],
    "elute_connector": ["domain", "application", "connectors", "connectors/mysql", "connectors/postgresql"],
    "elute_transform": ["domain", "application", "steps"],
    "elute_anonymizer": ["domain", "application", "techniques"],
}
_MODULES = ["elute_transform/steps/rename", "elute_transform/steps/derive"]
_MODULES += ["elute_anonymizer/techniques/mask", "elute_anonymizer/techniques/token", "elute_wire/frames"]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package, children in _PACKAGES.items():
        for folder in (package, *(f"{package}/{child}" for child in children)):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "__init__.py").touch()
    for module in _MODULES:
        (tmp_path / module).with_suffix(".py").touch()
    return tmp_path


def _lint(copy: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    environment = {**os.environ, "PYTHONPATH": str(copy), "COLUMNS": "200"}
    command = [str(program), "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def test_packages_that_keep_to_themselves_pass(copy: Path) -> None:
    done = _lint(copy)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "imports", "broken"),
    [
        ("elute_gateway/store/mirror", "elute_connector", "Services never import each other"),
        ("elute_wire/frames", "elute_gateway", "Services never import each other"),
        ("elute_gateway/domain/run", "elute_gateway.application", "Layers of the gateway"),
        ("elute_gateway/utils", "json", "Layers of the gateway"),
        ("elute_connector/application/load", "elute_connector.connectors", "Layers of the connector service"),
        ("elute_transform/domain/step", "elute_transform.steps", "Layers of the transform service"),
        ("elute_anonymizer/domain/rule", "elute_anonymizer.techniques", "Layers of the anonymizer service"),
        ("elute_gateway/store/rows", "pyarrow", "The gateway never imports pyarrow"),
        ("elute_connector/domain/catalog", "asyncpg", "A domain knows no transport"),
        ("elute_anonymizer/techniques/mask", "elute_anonymizer.techniques.token", "Techniques never import"),
        ("elute_transform/steps/rename", "elute_transform.steps.derive", "Steps never import each other"),
        (
            "elute_connector/connectors/mysql/__init__",
            "elute_connector.connectors.postgresql",
            "Connectors never import each other",
        ),
    ],
)
def test_a_forbidden_import_is_noticed(copy: Path, module: str, imports: str, broken: str) -> None:
    (copy / module).with_suffix(".py").write_text(f"import {imports}\n")
    done = _lint(copy)
    assert done.returncode != 0
    assert [line for line in done.stdout.splitlines() if line.startswith(broken) and line.endswith("BROKEN")]


def test_the_gateway_reaches_no_rows_through_the_wire_either(copy: Path) -> None:
    (copy / "elute_wire" / "frames.py").write_text("import pyarrow\n")
    assert _lint(copy).returncode == 0
    (copy / "elute_gateway" / "store" / "__init__.py").write_text("import elute_wire.frames\n")
    assert "elute_wire.frames" in _lint(copy).stdout
