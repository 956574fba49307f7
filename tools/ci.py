"""Run every stage of CI, print what each took, and fail if one failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tools.repository import ROOT


@dataclass(frozen=True)
class Stage:
    """One command of CI.

    Attributes:
        name: What it is called.
        command: What is run, in the repository's root; it has failed if its exit code is not 0.
        needs: Stages without whose success it makes no sense.
        limit_seconds: When it is ended, and has failed: a process that hangs must not hold up the rest for ever.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    limit_seconds: float = 900.0


PYTHON = (sys.executable, "-m")
STAGES = (
    Stage("check", ("make", "check")),
    Stage("test", ("make", "test")),
    Stage("slow tests", (*PYTHON, "pytest", "-q", "--cov", "--cov-report=", "--cov-append", "-m", "slow")),
    Stage("coverage report", (*PYTHON, "coverage", "json", "-q", "-o", "build/coverage.json"), ("test",)),
    Stage("branch coverage", (*PYTHON, "tools.check_coverage"), ("coverage report",)),
    Stage("demo", ("make", "demo")),
    # Not for the figures, which a machine that also does other things cannot tell: for all that makes them.
    Stage("bench", (*PYTHON, "tests.bench", "--rows", "100000", "--pairs", "1")),
    Stage("figures", (*PYTHON, "tools.check_figures"), ("bench",)),
    Stage("chaos", ("make", "chaos")),
    Stage("audit", ("make", "audit")),
)


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
        outcome = _outcome(stage, environment)
        passed.update({stage.name} if outcome == "ok" else ())
        outcomes.append((stage, outcome, time.monotonic() - began))
    return outcomes


def _outcome(stage: Stage, environment: Mapping[str, str]) -> str:
    # A session of its own, so that what the command has started can be ended with it.
    process = subprocess.Popen(
        stage.command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, start_new_session=True
    )
    try:
        return "FAILED" if process.wait(stage.limit_seconds) else "ok"
    except subprocess.TimeoutExpired:
        return "TOO LONG"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main() -> int:
    """Run all stages with CI's strictness: what a developer's machine may lack is an error."""
    outcomes = run(STAGES, {**os.environ, "CI": "true"})
    print("\nstage              outcome   seconds")
    for stage, outcome, seconds in outcomes:
        print(f"{stage.name:<18} {outcome:<8} {seconds:8.1f}")
    return 0 if all(outcome == "ok" for _, outcome, _ in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
