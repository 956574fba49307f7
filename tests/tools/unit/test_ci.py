from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support import postgresql
from tools.ci import STAGES, Stage, run


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


def alive(process_id: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process_id).status() != psutil.STATUS_ZOMBIE
    return False


def test_a_stage_that_hangs_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    started = tmp_path / "started"
    command = ("sh", "-c", f"sleep 60 & echo $! > '{started}'; wait")
    began = time.monotonic()
    ((_, outcome, _),) = run([Stage("hangs", command, limit_seconds=1.0)], os.environ)
    assert outcome == "TOO LONG"
    while alive(int(started.read_text())):
        assert time.monotonic() - began < 30
        time.sleep(0.01)


def test_every_stage_that_another_needs_comes_before_it() -> None:
    names = [stage.name for stage in STAGES]
    for stage in STAGES:
        assert set(stage.needs) <= set(names[: names.index(stage.name)])


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_a_server_that_is_missing_skips_a_test_but_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(postgresql, "DEBIAN_PROGRAMS", tmp_path)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="apt-get install postgresql"):
        postgresql.programs(15)
