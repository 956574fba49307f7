"""Run every stage of CI, print what each took, and fail if one failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.repository import ROOT


@dataclass(frozen=True)
class Stage:
    """One command of CI; `needs` names stages without whose success it makes no sense."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()


PYTEST = (sys.executable, "-m", "pytest", "-q", "--cov", "--cov-report=")
STAGES = (
    Stage("check", ("make", "check")),
    Stage("test", ("make", "test")),
    Stage("slow tests", (*PYTEST, "--cov-append", "-m", "slow")),
    Stage("coverage report", (sys.executable, "-m", "coverage", "json", "-q", "-o", "build/coverage.json"), ("test",)),
    Stage("branch coverage", (sys.executable, "-m", "tools.check_coverage"), ("coverage report",)),
    Stage("demo", ("make", "demo")),
    # Not for the figures, which a machine that also does other things cannot tell: for all that makes them.
    Stage("bench", (sys.executable, "-m", "tests.bench", "--rows", "100000", "--pairs", "1")),
    Stage("chaos", ("make", "chaos")),
    Stage("audit", ("make", "audit")),
)
_NOTHING_COLLECTED = 5
"""pytest's exit code where no test is marked."""


def run(stages: Sequence[Stage], environment: Mapping[str, str]) -> list[tuple[Stage, str, float]]:
    """Run the stages in order, the later ones after a failure too; answer each with its outcome and seconds."""
    outcomes: list[tuple[Stage, str, float]] = []
    passed: set[str] = set()
    for stage in stages:
        if not passed.issuperset(stage.needs):
            outcomes.append((stage, "not run", 0.0))
            continue
        print(f"\n==> {stage.name}: {' '.join(stage.command)}", flush=True)
        began = time.monotonic()
        status = subprocess.run(stage.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False)
        ok = status.returncode == 0 or (stage.name == "slow tests" and status.returncode == _NOTHING_COLLECTED)
        passed.update({stage.name} if ok else ())
        outcomes.append((stage, "ok" if ok else "FAILED", time.monotonic() - began))
    return outcomes


def main() -> int:
    """Run all stages with CI's strictness: what a developer's machine may lack is an error."""
    outcomes = run(STAGES, {**os.environ, "CI": "true"})
    print("\nstage              outcome   seconds")
    for stage, outcome, seconds in outcomes:
        print(f"{stage.name:<18} {outcome:<8} {seconds:8.1f}")
    return 0 if all(outcome == "ok" for _, outcome, _ in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
