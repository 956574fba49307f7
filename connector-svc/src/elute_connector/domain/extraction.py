"""What a source is asked to read."""

from __future__ import annotations

from dataclasses import dataclass

from elute_connector.domain.dataset_name import DatasetName
from elute_wire.schema import Lane


@dataclass(frozen=True, slots=True)
class PickedColumn:
    """A column to read.

    Attributes:
        name: Its name.
        type: The fingerprint of the type that the plan saw.
        source_type: The store's own name of that type.
        lane: How it travels.
    """

    name: str
    type: str
    source_type: str
    lane: Lane


@dataclass(frozen=True, slots=True)
class PageRange:
    """Physical pages from `first` to before `end`; None for an open end."""

    first: int
    end: int | None


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Values of a key; the position holds bounds, which are values, and says nothing when printed."""

    column: str
    position: bytes

    def __repr__(self) -> str:
        return f"KeyRange(column={self.column!r})"


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a dataset.

    Attributes:
        leaf: The leaf to read; None for the dataset itself.
        range: Where in it; None for all of it.
    """

    leaf: DatasetName | None = None
    range: PageRange | KeyRange | None = None


@dataclass(frozen=True, slots=True)
class Extraction:
    """One slice to read.

    Attributes:
        dataset: The dataset.
        slice: The slice.
        columns: The columns, in the order of the stream's fields.
        snapshot_id: The snapshot to read under; empty for the store's present.
        where: A boolean SQL expression; empty for all rows.
        limit_rows: The most rows; 0 for all.
        text_mode: Whether values travel as the text of their output functions.
        packed: Whether whole rows travel as the bytes that the sink writes; only without text mode, and where every
            column travels in the wire lane.
        max_cell_bytes: The most bytes of one cell; 0 for no limit.
        batch_bytes: Bytes of a record batch to aim at.
    """

    dataset: DatasetName
    slice: Slice
    columns: tuple[PickedColumn, ...]
    snapshot_id: str = ""
    where: str = ""
    limit_rows: int = 0
    text_mode: bool = False
    packed: bool = False
    max_cell_bytes: int = 0
    batch_bytes: int = 1024 * 1024
