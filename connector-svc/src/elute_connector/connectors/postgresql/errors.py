"""Says PostgreSQL's errors in our own words.

Only the class, SQLSTATE, severity and the names of objects are taken from a foreign error. Its message, detail, hint,
context and query may hold values of cells, and go no further than this module.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from elute_wire.errors import (
    CellTooLarge,
    EluteError,
    Foreign,
    InternalFault,
    SnapshotLost,
    StoreBusy,
    StoreDataRejected,
    StoreExhausted,
    StoreFailed,
    StoreForbidden,
    StoreLoginRefused,
    StoreObjectMissing,
    StoreUnreachable,
)

_BY_STATE: dict[str, tuple[type[EluteError], str]] = {
    "22001": (StoreDataRejected, "a value is too long for its column"),
    "22003": (StoreDataRejected, "a number is out of its column's range"),
    "22P02": (StoreDataRejected, "a text is not of its column's type"),
    "22P03": (StoreDataRejected, "a value's bytes are not of its column's type"),
    "22021": (StoreDataRejected, "a text has a byte that the encoding does not know"),
    "23502": (StoreDataRejected, "a NULL in a column that takes none"),
    "23503": (StoreDataRejected, "a foreign key finds no row"),
    "23505": (StoreDataRejected, "two rows with the same unique key"),
    "23514": (StoreDataRejected, "a CHECK constraint or partition bound refuses a row"),
    "23P01": (StoreDataRejected, "an EXCLUDE constraint refuses a row"),
    "25006": (StoreForbidden, "the server or session is read only"),
    "28000": (StoreLoginRefused, "the server does not let this role in"),
    "28P01": (StoreLoginRefused, "the password is wrong"),
    "3D000": (StoreObjectMissing, "there is no such database"),
    "3F000": (StoreObjectMissing, "there is no such schema"),
    "40001": (StoreBusy, "a conflict with another transaction"),
    "40P01": (StoreBusy, "a deadlock"),
    "42501": (StoreForbidden, "a privilege is missing, or a row security policy applies"),
    "42601": (StoreObjectMissing, "the server does not know this syntax"),
    "42703": (StoreObjectMissing, "there is no such column"),
    "42704": (StoreObjectMissing, "there is no such object"),
    "42883": (StoreObjectMissing, "there is no such function or operator"),
    "42P01": (StoreObjectMissing, "there is no such table"),
    "42P07": (StoreObjectMissing, "the table exists already"),
    "2BP01": (StoreObjectMissing, "other objects depend on it"),
    "53100": (StoreExhausted, "the disk is full"),
    "53200": (StoreExhausted, "the server has no memory left"),
    "53300": (StoreExhausted, "the server has no connection left"),
    "53400": (StoreExhausted, "a limit of the server's configuration was reached"),
    "54000": (CellTooLarge, "a limit of the server was reached"),
    "55006": (StoreBusy, "the object is in use"),
    "55P03": (StoreBusy, "a lock was not to be had in time"),
    "57014": (StoreBusy, "the statement was cancelled, or ran out of time"),
    "57P01": (StoreUnreachable, "an administrator ended the session"),
    "57P02": (StoreUnreachable, "the server crashed"),
    "57P03": (StoreUnreachable, "the server is starting or stopping"),
    "57P05": (StoreUnreachable, "the session was idle too long"),
}

_BY_CLASS: dict[str, tuple[type[EluteError], str]] = {
    "08": (StoreUnreachable, "the connection broke"),
    "0A": (StoreObjectMissing, "the server does not support this"),
    "22": (StoreDataRejected, "a value is not of its column's type"),
    "23": (StoreDataRejected, "a constraint refuses a row"),
    "25": (StoreFailed, "the transaction is in the wrong state"),
    "28": (StoreLoginRefused, "the server does not let this role in"),
    "40": (StoreBusy, "a conflict with another transaction"),
    "42": (StoreObjectMissing, "an object is not what the statement takes it for"),
    "53": (StoreExhausted, "the server has a resource no more"),
    "54": (StoreObjectMissing, "a limit of the server was reached"),
    "55": (StoreBusy, "an object is not in the state that the statement needs"),
    "57": (StoreUnreachable, "an operator intervened"),
    "58": (StoreFailed, "the server's own system failed"),
    "XX": (StoreFailed, "the server reports an internal error"),
}

_BY_TYPE: tuple[tuple[tuple[type[BaseException], ...], type[EluteError], str], ...] = (
    ((TimeoutError,), StoreUnreachable, "the server did not answer in time"),
    (
        (
            OSError,
            EOFError,
            asyncpg.exceptions.ConnectionDoesNotExistError,
            asyncpg.exceptions.InternalClientError,
            asyncpg.exceptions.InterfaceError,
        ),
        StoreUnreachable,
        "the server does not answer, or the connection broke",
    ),
    ((asyncpg.PostgresError,), StoreFailed, "the server failed"),
)

# PL/pgSQL's RAISE, whose author names schema, table, column, constraint and type freely: with values, perhaps.
_RAISE = "exec_stmt_raise"
_NO_SNAPSHOT = re.compile(
    r"snapshot .*does not exist|invalid snapshot identifier|could not import the requested", re.IGNORECASE
)


def describe(error: BaseException, doing: str) -> EluteError:
    """Say a foreign error in our own words.

    Args:
        error: What asyncpg or the operating system raised.
        doing: What we were doing, a gerund with names and no values.

    Returns:
        The error to raise; an `EluteError` comes back with `doing` in front of its message.
    """
    if isinstance(error, EluteError):
        return error.within(doing)
    foreign = _foreign(error)
    if _NO_SNAPSHOT.search(str(error)) and foreign.sqlstate in ("", "22023", "42704", "55000"):
        return SnapshotLost(
            f"{doing}: the snapshot is gone", hint="its holder has ended; the run takes a new one", foreign=foreign
        )
    kind, says = _kind(error, foreign)
    named = ", ".join(
        f"{label} {name}"
        for label, name in (
            ("table", ".".join(part for part in (foreign.schema_name, foreign.table_name) if part)),
            ("column", foreign.column_name),
            ("constraint", foreign.constraint_name),
            ("type", foreign.type_name),
        )
        if name
    )
    state = f" [{foreign.sqlstate}]" if foreign.sqlstate else ""
    return kind(f"{doing}: {says}{state}{f' ({named})' if named else ''}", foreign=foreign)


def _kind(error: BaseException, foreign: Foreign) -> tuple[type[EluteError], str]:
    # A type's receive function says of bytes that are not its own that the protocol is violated; the session goes on.
    state = "22P03" if (foreign.sqlstate, foreign.severity) == ("08P01", "ERROR") else foreign.sqlstate
    by_state = _BY_STATE.get(state) or _BY_CLASS.get(state[:2])
    if by_state:
        return by_state
    for types, kind, says in _BY_TYPE:
        if isinstance(error, types):
            return kind, says
    return InternalFault, f"unexpected {type(error).__name__}"


def _foreign(error: BaseException) -> Foreign:
    def name(attribute: str) -> str:
        value = getattr(error, attribute, None)
        return value if isinstance(value, str) else ""

    if name("server_source_function") == _RAISE:
        return Foreign(type=type(error).__name__, sqlstate=name("sqlstate"), severity=name("severity_en"))
    return Foreign(
        type=type(error).__name__,
        sqlstate=name("sqlstate"),
        severity=name("severity_en") or name("severity"),
        schema_name=name("schema_name"),
        table_name=name("table_name"),
        column_name=name("column_name"),
        constraint_name=name("constraint_name"),
        type_name=name("data_type_name"),
    )


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Turn every foreign exception of the block into an `EluteError`; ours get `doing` in front.

    Cancellation passes as it is.

    Raises:
        StoreError: PostgreSQL or the way to it failed.
        SnapshotLost: The snapshot does not exist any more.
        InternalFault: Anything else.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - this is the one place where foreign errors end
        raise describe(error, doing) from None


@contextmanager
def foreign_mapped(doing: str) -> Iterator[None]:
    """Turn the foreign exceptions of the block into `EluteError`s, as `mapped` does; ours pass as they are.

    For what surrounds mapped statements: BEGIN, COMMIT and ROLLBACK break too, and hide what broke before them.
    """
    try:
        yield
    except EluteError:
        raise
    except Exception as error:  # noqa: BLE001 - a foreign error, or a defect of ours: described as such
        raise describe(error, doing) from None
