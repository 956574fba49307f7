"""What an error tells beside its class: where it happened, what a foreign system said, and all that is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Recovery(StrEnum):
    """What the caller of a failed operation should do."""

    NEVER = "never"
    RETRY = "retry"
    RECONNECT = "reconnect"
    QUARANTINE = "quarantine"


class Severity(StrEnum):
    """How much a problem weighs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an error happened; empty fields are unknown or do not apply."""

    dataset: str = ""
    column: str = ""
    partition: str = ""
    ordinal: int | None = None
    service: str = ""

    def filled_from(self, outer: Place) -> Place:
        """Return this place with its empty fields taken from `outer`."""
        return Place(
            dataset=self.dataset or outer.dataset,
            column=self.column or outer.column,
            partition=self.partition or outer.partition,
            ordinal=self.ordinal if self.ordinal is not None else outer.ordinal,
            service=self.service or outer.service,
        )


@dataclass(frozen=True, slots=True)
class Foreign:
    """A foreign error, reduced to what cannot hold a value."""

    type: str
    sqlstate: str = ""
    severity: str = ""
    schema_name: str = ""
    table_name: str = ""
    column_name: str = ""
    constraint_name: str = ""
    type_name: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with, or to know about, a request, a pipeline or a data store.

    Attributes:
        code: A stable, machine-readable name, for example `uncovered-column`.
        message: What is wrong, with names and no cell value.
        hint: What to do about it.
        severity: How much it weighs.
        pointer: Where in the document it is, an RFC 6901 JSON pointer; empty when it is not about the document.
        dataset: The dataset concerned, as `schema.name`.
        column: The column concerned.
    """

    code: str
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    pointer: str = ""
    dataset: str = ""
    column: str = ""
