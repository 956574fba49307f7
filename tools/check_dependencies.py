"""Refuse imports that a distribution does not declare: here, where everything is installed, nobody would notice."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path
from typing import Any

from tools.repository import ROOT, Finding, files, report

_NAME = re.compile(r"[\w.-]+")


def undeclared(root: Path = ROOT, installed: Mapping[str, Sequence[str]] | None = None) -> Iterator[Finding]:
    """Find the imports of every distribution that its `pyproject.toml` does not declare.

    Args:
        root: The repository; each folder of it that has `pyproject.toml` and `src` is a distribution.
        installed: By top-level module, the distributions that it may come from; by default those of this environment.
    """
    projects = {path.parent: tomllib.loads(path.read_text(encoding="utf-8")) for path in root.glob("*/pyproject.toml")}
    sources = dict(packages_distributions() if installed is None else installed)
    for folder, project in projects.items():
        for package in (folder / "src").iterdir():
            sources[package.name] = [project["project"]["name"]]
    for folder, project in projects.items():
        declared = _declared(project["project"])
        for path in files(f"{folder.name}/src/*.py", root=root):
            for line, module in _imported((root / path).read_text(encoding="utf-8")):
                if declared.isdisjoint(map(_normal, sources.get(module, ()))):
                    yield Finding(path, line, f"imports {module}, which {folder.name}/pyproject.toml does not declare")


def _declared(project: Mapping[str, Any]) -> set[str]:
    """Answer the names of what a distribution declares, its own and its optional ones included."""
    optional = project.get("optional-dependencies", {}).values()
    requirements = [*project.get("dependencies", ()), *chain.from_iterable(optional)]
    return {_normal(match[0]) for one in (project["name"], *requirements) if (match := _NAME.match(one))}


def _normal(name: str) -> str:
    """Write a distribution's name as all its spellings are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _imported(source: str) -> Iterator[tuple[int, str]]:
    """Find the top-level modules that a module imports, with their lines; the standard library's left out."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=aliases):
                names = [alias.name for alias in aliases]
            case ast.ImportFrom(module=str(name), level=0):
                names = [name]
            case _:
                continue
        for module in {name.partition(".")[0] for name in names} - sys.stdlib_module_names:
            yield node.lineno, module


if __name__ == "__main__":
    sys.exit(report("dependencies", undeclared()))
