"""The steps of one dataset at work on the batches of one stream.

Only the columns that a step reads or makes are handed to Polars; all others, the opaque ones of the wire lane among
them, go from the incoming to the outgoing batch as the same Arrow arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from elute_transform.application.pipeline import Definitions, Outcome, Step, Work, validate
from elute_transform.domain.column import Column
from elute_wire.errors import EluteError, Foreign, InternalFault, InvalidRequest, Place, PlanRefused, ValueRejected
from elute_wire.schema import arrow_field, field_facts

_FAILURES = (pl.exceptions.PolarsError, pl.exceptions.PanicException)


class Cleaner:
    """Cleans the batches of one stream, in their order.

    Attributes:
        schema: The schema of what it makes.
    """

    def __init__(self, dataset: str, outcome: Outcome, incoming: pa.Schema) -> None:
        """Put the steps of `outcome` to work.

        Args:
            dataset: Its name, for errors.
            outcome: The judged steps; without errors.
            incoming: The schema of the batches to come.
        """
        fields = [arrow_field(column.facts(name)) for name, column in outcome.columns.items()]
        self.schema = pa.schema(fields).with_metadata(incoming.metadata)
        self._dataset = dataset
        self._outcome = outcome
        self._read = sorted(outcome.touched)
        self._rows = 0

    def clean(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Take n rows through the steps.

        Returns:
            n rows of `schema`.

        Raises:
            ValueRejected: A step cannot take a value; the error names column and ordinal.
            InternalFault: A step failed, whatever the values.
        """
        frame = self._frame(batch)
        for work in self._outcome.works:
            frame = self._applied(work, frame)
        arrays = [
            batch.column(self._outcome.carried[field.name])
            if field.name in self._outcome.carried
            else _array(frame[field.name], field.type)
            for field in self.schema
        ]
        self._rows += batch.num_rows
        # Rows without any column are rows: made of no arrays, a batch would forget how many there are.
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema) if arrays else batch

    def _frame(self, batch: pa.RecordBatch) -> pl.DataFrame:
        columns: list[pl.Series] = []
        for name in self._read:
            array = batch.column(name)
            series = pl.Series(name, array)
            if series.null_count() != array.null_count:
                # Polars' time of day ends before 24:00:00 and reads that one as NULL.
                row = int((series.is_null() & pl.Series(array.is_valid())).arg_max() or 0)
                raise self._rejected(
                    "reading columns", f"value of column {name} is beyond the range of steps", name, row
                )
            columns.append(series)
        return pl.DataFrame(columns) if columns else pl.DataFrame(height=batch.num_rows)

    def _applied(self, work: Work, frame: pl.DataFrame) -> pl.DataFrame:
        change = work.change
        doing = f"applying step {work.step.name} at {work.step.pointer}"
        for rejection in change.rejects:
            where = {rejection.column: rejection.where.fill_null(value=False)}
            at_fault = self._made(doing, where, frame).get_column(rejection.column)
            if at_fault.any():
                message = f"column {rejection.column} {rejection.why}"
                raise self._rejected(doing, message, rejection.column, int(at_fault.arg_max() or 0))
        made = self._made(doing, {name: made.value for name, made in change.makes.items()}, frame)
        present = {old: new for old, new in change.renames.items() if old in frame.columns}
        return frame.rename(present).with_columns(made[name] for name in change.makes) if present else made

    def _made(self, doing: str, values: Mapping[str, pl.Expr], frame: pl.DataFrame) -> pl.DataFrame:
        """Return the frame with some columns made, or made anew."""
        if not values:
            return frame
        try:
            return frame.with_columns(value.alias(name) for name, value in values.items())
        except _FAILURES as error:
            failure = type(error).__name__
        # Raised outside of the handler: the words of the failure may hold values, and go nowhere.
        raise self._failed(doing, failure, values, frame)

    def _failed(self, doing: str, failure: str, values: Mapping[str, pl.Expr], frame: pl.DataFrame) -> EluteError:
        for name, value in values.items():
            row = _first_failing(value, frame)
            if row is not None:
                return self._rejected(doing, f"column {name} cannot be made of a row's values ({failure})", name, row)
        message = f"cleaning dataset {self._dataset}: {doing}: unexpected {failure}"
        return InternalFault(message, place=Place(dataset=self._dataset), foreign=Foreign(failure))

    def _rejected(self, doing: str, what: str, column: str, row: int) -> ValueRejected:
        place = Place(dataset=self._dataset, column=column, ordinal=self._rows + row)
        return ValueRejected(f"cleaning dataset {self._dataset}: {doing}: {what}", place=place)


def compile_steps(dataset: str, steps: Sequence[Step], incoming: pa.Schema, definitions: Definitions) -> Cleaner:
    """Compile the steps of a dataset for the batches of one stream.

    Args:
        dataset: Its name, for errors.
        steps: The steps in their order.
        incoming: The schema of the stream.
        definitions: The known steps.

    Raises:
        InvalidRequest: The schema is not that of one of our streams.
        PlanRefused: The steps do not fit the schema; every problem is in `problems`.
    """
    try:
        facts = [field_facts(field) for field in incoming]
    except ValueError as error:
        raise InvalidRequest(f"cleaning dataset {dataset}: {error}", place=Place(dataset=dataset)) from None
    treated = sorted(fact.name for fact in facts if fact.treatment is not None)
    if treated:
        message = f"cleaning dataset {dataset}: {', '.join(treated)} came scrubbed already"
        raise PlanRefused(message, hint="cleaning comes before scrubbing", place=Place(dataset=dataset))
    outcome = validate(dataset, steps, {fact.name: Column.of(fact) for fact in facts}, definitions)
    if outcome.errors:
        message = f"compiling the steps of dataset {dataset}: {len(outcome.errors)} problems"
        raise PlanRefused(message, place=Place(dataset=dataset), problems=outcome.errors)
    return Cleaner(dataset, outcome, incoming)


def _array(series: pl.Series, arrow_type: pa.DataType) -> pa.Array[Any]:
    # Polars counts a time of day in nanoseconds, of which microseconds are carried; no other type differs in range.
    return series.to_arrow().cast(arrow_type, safe=False)


def _first_failing(value: pl.Expr, frame: pl.DataFrame) -> int | None:
    """Find the first row that a value cannot be made of; None when each row by itself is fine."""
    start, length = 0, frame.height
    while length > 1:
        half = length // 2
        if _fails(value, frame.slice(start, half)):
            length = half
        else:
            start, length = start + half, length - half
    return start if _fails(value, frame.slice(start, 1)) else None


def _fails(value: pl.Expr, frame: pl.DataFrame) -> bool:
    try:
        frame.with_columns(value.alias("made"))
    except _FAILURES:
        return True
    return False
