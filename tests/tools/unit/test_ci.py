from __future__ import annotations

import os
import sys

from tools.ci import Stage, run


def _stage(name: str, code: str, *needs: str) -> Stage:
    return Stage(name, (sys.executable, "-c", code), needs)


def test_a_failed_stage_stops_only_those_that_need_it() -> None:
    stages = [
        _stage("broken", "raise SystemExit(3)"),
        _stage("dependent", "raise SystemExit(0)", "broken"),
        _stage("free", "raise SystemExit(0)"),
    ]
    outcomes = {stage.name: outcome for stage, outcome, _ in run(stages, os.environ)}
    assert outcomes == {"broken": "FAILED", "dependent": "not run", "free": "ok"}


def test_a_stage_gets_no_terminal_to_ask_on() -> None:
    ((_, outcome, _),) = run([_stage("asks", "input()")], os.environ)
    assert outcome == "FAILED"
