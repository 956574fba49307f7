"""Rename: give columns other names. Values are neither read nor moved, so every column can be renamed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from elute_transform.application.options import ColumnName, Options
from elute_transform.domain.column import Columns
from elute_transform.domain.step import Change, Definition, pointer, unknown_column
from elute_wire.errors import Problem


class Config(Options):
    """All columns get their names at once, so two may swap them."""

    columns: Annotated[dict[ColumnName, ColumnName], Field(min_length=1, max_length=1_600)]
    """The new names by the old ones."""


def change(config: Config, columns: Columns) -> Change:
    """Rename what is there, unless two columns would get one name."""
    renames = {old: new for old, new in config.columns.items() if old in columns}
    names = Counter(renames.get(name, name) for name in columns)
    taken = {new for new, count in names.items() if count > 1}
    return Change(
        renames={old: new for old, new in renames.items() if new not in taken},
        problems=tuple(_problems(config, columns, taken)),
    )


def _problems(config: Config, columns: Columns, taken: set[str]) -> Iterator[Problem]:
    for old, new in config.columns.items():
        at = pointer("columns", old)
        if old not in columns:
            yield unknown_column(old, columns, at)
        elif new == old:
            yield Problem("same-name", f"column {old} has that name already", "leave it out", pointer=at, column=old)
        elif new in taken:
            hint = "choose another name, or rename the other column too"
            yield Problem("name-taken", f"two columns would be named {new}", hint, pointer=at, column=old)


DEFINITION = Definition(
    name="rename",
    effect="Gives columns other names.",
    config=Config,
    change=change,
    example={"columns": {"email": "mail_address", "tags": "labels"}},
)
