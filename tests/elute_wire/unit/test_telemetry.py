"""What happens is logged with its ids; what a library says is not."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from elute_wire import telemetry
from elute_wire.errors import FenceLost
from elute_wire.settings import LogFormat, LogLevel

CANARY = "jane.doe@example.com"
Logged = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[Logged]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    for module, hook in ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook")):
        monkeypatch.setattr(module, hook, getattr(module, hook))
    monkeypatch.setenv("GRPC_VERBOSITY", "ERROR")
    telemetry.configure("connector", LogLevel.INFO, LogFormat.JSON, stream)

    def lines() -> list[dict[str, Any]]:
        assert CANARY not in stream.getvalue()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def failing(secret: str) -> None:
    raise ValueError(f"bad value {secret}")


def test_an_event_carries_the_ids_of_what_is_being_done(logged: Logged) -> None:
    log = telemetry.logger("elute_connector.sink")
    with telemetry.about(request="r1", run="", partition="p7"):
        assert telemetry.request_id() == "r1"
        log.info("partition loaded", rows=12)
        log.debug("not at this level")
    log.info("after")
    first, second = logged()
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "module": "elute_connector.sink",
        "event": "partition loaded",
        "rows": 12,
        "request": "r1",
        "partition": "p7",
        "level": "info",
        "service": "connector",
    }
    assert "partition" not in second
    assert telemetry.request_id() == ""


def test_an_exception_is_told_by_class_and_places_alone(logged: Logged) -> None:
    try:
        failing(CANARY)
    except ValueError:
        telemetry.logger("elute_x").exception("request failed")
    (line,) = logged()
    assert line["exception"]["type"] == "ValueError"
    inner = line["exception"]["frames"][-1]
    assert inner.startswith("elute_wire/unit/test_telemetry.py:")
    assert inner.endswith(" failing")


def test_causes_are_told_the_same_way_and_not_without_end(logged: Logged) -> None:
    first, second = ValueError(CANARY), KeyError(CANARY)
    first.__cause__, second.__cause__ = second, first
    telemetry.logger("elute_x").error("request failed", exc_info=first)
    (line,) = logged()
    assert line["exception"]["cause"] == {
        "type": "KeyError",
        "frames": [],
        "cause": {
            "type": "ValueError",
            "frames": [],
            "cause": {"type": "KeyError", "frames": [], "cause": {"type": "ValueError", "frames": []}},
        },
    }


def test_groups_and_our_own_errors_are_told(logged: Logged) -> None:
    group = ExceptionGroup(CANARY, [KeyError(CANARY), FenceLost("loading partition p7")])
    telemetry.logger("elute_x").error("request failed", exc_info=group)
    (line,) = logged()
    foreign, own = line["exception"]["inner"]
    assert foreign == {"type": "KeyError", "frames": []}
    assert (own["code"], own["message"]) == ("fence-lost", "loading partition p7")


def test_a_value_that_is_not_plain_is_replaced_by_its_class(logged: Logged) -> None:
    telemetry.logger("elute_x").info(
        "seen", row=(1, CANARY.encode()), record={"a": {CANARY}}, error=KeyError(CANARY), ok=[None, True, 1.5]
    )
    (line,) = logged()
    assert line["row"] == [1, "<bytes>"]
    assert line["record"] == {"a": "<set>"}
    assert line["error"] == {"type": "KeyError", "frames": []}
    assert line["ok"] == [None, True, 1.5]


@pytest.mark.filterwarnings("always::UserWarning")
def test_a_library_s_record_loses_its_words(logged: Logged) -> None:
    log = logging.getLogger("asyncpg.protocol")
    log.warning(f"value {CANARY}")  # noqa: G004 - libraries do
    log.error("value %s", CANARY)
    try:
        failing(CANARY)
    except ValueError:
        log.exception(CANARY)
    warnings.warn_explicit(CANARY, UserWarning, "x.py", 1)
    lines = logged()
    assert [line["event"] for line in lines] == ["a library logged something"] * len(lines)
    assert [line["level"] for line in lines[:3]] == ["warning", "error", "error"]
    assert lines[0]["module"] == "asyncpg.protocol"
    assert lines[0]["place"].startswith("elute_wire/unit/test_telemetry.py:")
    assert lines[2]["exception"]["type"] == "ValueError"


def test_our_own_record_keeps_its_template(logged: Logged) -> None:
    logging.getLogger("elute_gateway.engine").warning("a lease of %s ran out", CANARY)
    (line,) = logged()
    assert line["event"] == "a lease of %s ran out"


async def test_a_forgotten_task_s_exception_is_reduced(logged: Logged) -> None:
    async def fail() -> None:
        failing(CANARY)

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
    (line,) = logged()
    assert line["module"] == "asyncio"
    assert line["exception"]["type"] == "ValueError"


def test_uncaught_exceptions_are_reduced_wherever_they_end(logged: Logged) -> None:
    class Failing:
        def __del__(self) -> None:
            failing(CANARY)

    thread = threading.Thread(target=failing, args=(CANARY,))
    thread.start()
    thread.join()
    Failing()
    error = ValueError(CANARY)
    sys.excepthook(ValueError, error, None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert [line["where"] for line in logged()] == ["thread", "finalizer", "main thread"]


def test_a_terminal_gets_text(capsys: pytest.CaptureFixture[str], logged: Logged) -> None:
    telemetry.configure("connector", LogLevel.WARNING, LogFormat.TEXT)
    telemetry.logger("elute_x").warning("lease lost", partition="p7")
    err = capsys.readouterr().err
    assert "lease lost" in err
    assert "partition=p7" in err
    assert logged() == []
