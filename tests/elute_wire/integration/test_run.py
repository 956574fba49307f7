"""A service's process: how it starts, what it writes, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from elute_wire.exits import Exit

ROOT = Path(__file__).parents[3]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as cleaning:

        def started(behaviour: str, **settings: str) -> subprocess.Popen[str]:
            own = {name: value for name, value in os.environ.items() if not name.startswith(("ELUTE_", "COV_"))}
            own |= {"PYTHONPATH": str(ROOT), "ELUTE_LISTEN_ADDRESS": f"unix:{tmp_path}/s.sock", **settings}
            process = subprocess.Popen(
                [sys.executable, str(Path(__file__).with_name("hosted.py")), behaviour],
                env=own,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            cleaning.enter_context(process)
            cleaning.callback(process.kill)
            return process

        yield started


def lines_until(process: subprocess.Popen[str], event: str) -> list[dict[str, Any]]:
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(json.loads(line))
        if lines[-1]["event"] == event:
            return lines
    raise AssertionError(f"never logged {event!r}: {lines}")


def test_told_to_stop_it_leaves_in_order(start: Start, tmp_path: Path) -> None:
    process = start("good", ELUTE_THREADS="3")
    first = lines_until(process, "listening")[-1]
    assert first["service"] == "connector"
    assert first["address"] == f"unix:{tmp_path}/s.sock"
    process.send_signal(signal.SIGTERM)
    lines_until(process, "leaving")
    assert process.wait(10) == Exit.STOPPED
    assert process.stdout is not None
    assert process.stdout.read() == "closed with 3 threads\n"
    assert not (tmp_path / "s.sock").exists()


def test_told_twice_it_is_gone_at_once(start: Start) -> None:
    process = start("stubborn")
    lines_until(process, "listening")
    process.send_signal(signal.SIGINT)
    lines_until(process, "leaving")
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == Exit.KILLED


def test_wrong_settings_are_said_in_one_line(start: Start) -> None:
    process = start("good", ELUTE_LISTEN_ADDRESS="0.0.0.0:7000", ELUTE_THREADS="many")
    _, said = process.communicate(timeout=10)
    assert process.returncode == Exit.MISCONFIGURED
    assert said.startswith("connector: reading settings: ELUTE_LISTEN_ADDRESS: without TLS")
    assert "ELUTE_THREADS: Input should be a valid integer" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("behaviour", ["keyless", "broken"])
def test_a_service_that_does_not_open_fails_without_a_foreign_word(start: Start, behaviour: str) -> None:
    process = start(behaviour)
    said, log = process.communicate(timeout=10)
    assert process.returncode == Exit.FAILED
    (line,) = (json.loads(line) for line in log.splitlines())
    assert line["exception"]["type"] == {"keyless": "KeyUnavailable", "broken": "ValueError"}[behaviour]
    assert "jane.doe" not in said + log


def test_an_address_taken_is_a_matter_of_settings(start: Start) -> None:
    first = start("good")
    lines_until(first, "listening")
    second = start("good")
    _, log = second.communicate(timeout=10)
    assert second.returncode == Exit.MISCONFIGURED
    assert "another process does" in log


def test_a_process_that_carries_no_rows_need_not_load_arrow() -> None:
    modules = [
        "status",
        "server",
        "channel",
        "telemetry",
        "metrics",
        "settings",
        "identity",
        "seal",
        "tls",
        "endpoint",
        "interceptors",
        "protocol",
    ]
    code = f"import sys; from elute_wire import {', '.join(modules)}; sys.exit('pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
