"""The rules that bind a dataset's rows to each other and to other datasets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from elute_connector.domain.dataset_name import DatasetName


class KeyKind(StrEnum):
    """What makes values unique."""

    PRIMARY = "primary"
    CONSTRAINT = "constraint"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A primary key, a unique constraint or a unique index.

    Attributes:
        name: The index's name.
        columns: The plain columns of the key in its order.
        kind: What makes it unique.
        partial: Whether it covers only the rows of a predicate.
        expression: Whether it compares expressions of columns.
        nulls_not_distinct: Whether two NULLs are equal.
        deferrable: Whether the check may wait for the end of the transaction.
        deterministic: Whether only identical texts are equal, by the index's own collations.
        read_columns: The columns that its expressions and its predicate read.
    """

    name: str
    columns: tuple[str, ...]
    kind: KeyKind
    partial: bool = False
    expression: bool = False
    nulls_not_distinct: bool = False
    deferrable: bool = False
    deterministic: bool = True
    read_columns: tuple[str, ...] = ()


class ReferentialAction(StrEnum):
    """What happens to the referencing rows when a referenced row changes or goes."""

    NO_ACTION = "no_action"
    RESTRICT = "restrict"
    CASCADE = "cascade"
    SET_NULL = "set_null"
    SET_DEFAULT = "set_default"


class MatchKind(StrEnum):
    """When a composite foreign key with a NULL in it counts as matched."""

    SIMPLE = "simple"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key; `columns` and `target_columns` pair up by position."""

    name: str
    columns: tuple[str, ...]
    target: DatasetName
    target_columns: tuple[str, ...]
    deferrable: bool = False
    validated: bool = True
    match: MatchKind = MatchKind.SIMPLE
    on_update: ReferentialAction = ReferentialAction.NO_ACTION
    on_delete: ReferentialAction = ReferentialAction.NO_ACTION


@dataclass(frozen=True, slots=True)
class Check:
    """A check and the columns that it reads."""

    name: str
    columns: tuple[str, ...]
    validated: bool = True


@dataclass(frozen=True, slots=True)
class Exclusion:
    """An exclusion constraint (a key WITHOUT OVERLAPS is one too) and the columns that it compares."""

    name: str
    columns: tuple[str, ...]
