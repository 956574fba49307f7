"""Logs: one JSON object a line on stderr, with the ids of what is being done, and without a foreign word.

A library's exception or log record may quote a row, a query or a credential. So every way by which one could reach
the log ends in `reduced`: of an exception, the class and the places in the code remain; of a library's record, its
logger, level and place. Our own events are templates with named values; a value that is not plain is replaced by the
name of its class.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TextIO, cast

import structlog
from structlog.contextvars import bound_contextvars, merge_contextvars

from elute_wire.errors import EluteError
from elute_wire.settings import LogFormat, LogLevel

_OWN = ("elute_", "elute.")
_FRAMES = 30
_DEPTH = 5


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Return a logger whose events say where they come from; call with `__name__`."""
    return cast("structlog.typing.FilteringBoundLogger", structlog.get_logger(module=name))


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Put ids (request, run, dataset, partition …) on everything logged inside the block; empty ones are left out."""
    with bound_contextvars(**{key: value for key, value in ids.items() if value}):
        yield


def request_id() -> str:
    """Return the id of the request that is being answered, or an empty text."""
    return str(structlog.contextvars.get_contextvars().get("request", ""))


def configure(service: str, level: LogLevel, form: LogFormat, stream: TextIO | None = None) -> None:
    """Send every log of this process through the reduction, to stderr, and uncaught exceptions too.

    Args:
        service: The service's name, put on every line.
        level: The least important message that is logged.
        form: JSON, or text for a terminal.
        stream: Where to, instead of stderr.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = structlog.processors.JSONRenderer(sort_keys=False)
    if form is LogFormat.TEXT:
        renderer = structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _Named(service),
            _reduce_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core writes to stderr past every handler
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers[:] = [_LibraryRecords()]
    # Below a warning, a library's record without its words says nothing.
    root.setLevel(max(threshold, logging.WARNING))
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda event: _uncaught_in("finalizer", event.exc_value)
    threading.excepthook = lambda event: _uncaught_in("thread", event.exc_value)


def frames(traceback: TracebackType | None) -> list[str]:
    """Return `file:line function` of the innermost frames, outermost first: no source line, no local variable."""
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append(f"{_short(code.co_filename)}:{traceback.tb_lineno} {code.co_qualname}")
        traceback = traceback.tb_next
    return found[-_FRAMES:]


def reduced(error: BaseException, depth: int = _DEPTH) -> dict[str, object]:
    """Return what may be told of an exception: its class and frames, and the same of its cause and of a group's inside.

    An `EluteError` is made of our own words: it keeps its code and message.

    Args:
        error: The exception.
        depth: How many exceptions deep to go.
    """
    told: dict[str, object] = {"type": type(error).__qualname__, "frames": frames(error.__traceback__)}
    if isinstance(error, EluteError):
        told |= {"code": error.code, "message": error.message}
    if depth > 1:
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        if cause is not None:
            told["cause"] = reduced(cause, depth - 1)
        if isinstance(error, BaseExceptionGroup):
            told["inner"] = [reduced(inner, depth - 1) for inner in error.exceptions[:_DEPTH]]
    return told


def _short(path: str) -> str:
    """Cut a source file's path down to its last two folders, which tell it apart and name no machine."""
    return "/".join(Path(path).parts[-3:])


class _Named:
    """Puts the service's name on every event."""

    def __init__(self, service: str) -> None:
        self._service = service

    def __call__(self, _log: object, _method: str, event: MutableMapping[str, object]) -> MutableMapping[str, object]:
        event["service"] = self._service
        return event


def _reduce_event(_log: object, _method: str, event: MutableMapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {}
    for key, value in event.items():
        if key == "exc_info":
            error = value if isinstance(value, BaseException) else sys.exception()
            told["exception"] = reduced(error) if error is not None else None
        else:
            told[key] = _plain(value)
    return told


def _plain(value: object) -> object:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case BaseException():
            return reduced(value)
        case dict():
            return {str(key): _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case _:
            return f"<{type(value).__qualname__}>"


class _LibraryRecords(logging.Handler):
    """Takes what libraries log: their words may hold anything, so only logger, level and place pass.

    Our own code that logs by the standard library keeps its template, never its arguments.
    """

    def emit(self, record: logging.LogRecord) -> None:
        own = record.name.startswith(_OWN)
        exception = record.exc_info[1] if record.exc_info else None
        log = structlog.get_logger(module=record.name)
        log.log(
            record.levelno,
            str(record.msg) if own else "a library logged something",
            place=f"{_short(record.pathname)}:{record.lineno} {record.funcName}",
            **({"exc_info": exception} if exception else {}),
        )


def _uncaught(_kind: type[BaseException], error: BaseException, _traceback: TracebackType | None) -> None:
    _uncaught_in("main thread", error)


def _uncaught_in(where: str, error: BaseException | None) -> None:
    if not isinstance(error, KeyboardInterrupt | SystemExit):
        logger(__name__).error("an exception was not caught", where=where, exc_info=error)
