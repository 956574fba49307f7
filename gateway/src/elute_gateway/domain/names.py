"""How datasets and columns are named."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLAIN = re.compile(r"[\w$-]+")
"""What a part of a name may be without quotes."""


@dataclass(frozen=True, slots=True, order=True)
class DatasetName:
    """A dataset's schema and name, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True, order=True)
class ColumnName:
    """A column of a dataset."""

    dataset: DatasetName
    column: str

    def __str__(self) -> str:
        return f"{self.dataset}.{self.column}"


def quoted(*parts: str) -> str:
    """Write parts of a name as a pattern that matches them alone: `public."odd.name".id`."""
    return ".".join(part if PLAIN.fullmatch(part) else '"' + part.replace('"', '""') + '"' for part in parts)
