"""Compares a loaded target with its source, as far as the two can be compared."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from elute_gateway.application.ports import DataPlane
from elute_gateway.domain.names import DatasetName
from elute_gateway.domain.pipeline import Verify
from elute_gateway.domain.plan import DatasetPlan, Plan
from elute_gateway.domain.run import DatasetProgress
from elute_gateway.domain.transfer import DatasetDigest, DigestSelection, Ends


class Verdict(StrEnum):
    """What a comparison came to."""

    EQUAL = "equal"
    """As many rows as were written, and the same content in every column that is kept as it is."""
    COUNTS_EQUAL = "counts equal"
    NOT_COMPARABLE = "not comparable"
    """As many rows as were written; their content cannot be compared, or the source no longer shows that moment."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Verification:
    """Compares the datasets of one run."""

    plane: DataPlane
    plan: Plan
    ends: Ends

    async def verdicts(
        self, snapshot_id: str, visible: str, progress: Sequence[DatasetProgress]
    ) -> dict[DatasetName, Verdict]:
        """Compare all datasets.

        Args:
            snapshot_id: What the source is read under; empty when it is gone.
            visible: What that snapshot sees: only datasets that were read under the same are compared by content.
            progress: What the sink says of each dataset.

        Raises:
            EluteError: One of the stores cannot be read.
        """
        if self.plan.verify is Verify.NONE:
            return {}
        by_name = {entry.name: entry for entry in progress}
        shown = [d for d in self.plan.datasets if snapshot_id and by_name[d.name].snapshot == visible]
        # Both at once: they are two databases, and often two machines.
        at_target, at_source = await asyncio.gather(
            self.plane.digest(self.ends.target, "", [self._selection(d, "") for d in self.plan.datasets]),
            self.plane.digest(self.ends.source, snapshot_id, [self._selection(d, d.filter) for d in shown]),
        )
        source = {digest.dataset: digest for digest in at_source}
        return {
            digest.dataset: self._verdict(dataset, by_name[dataset.name], digest, source.get(dataset.name))
            for dataset, digest in zip(self.plan.datasets, at_target, strict=True)
        }

    def _selection(self, dataset: DatasetPlan, condition: str) -> DigestSelection:
        columns = dataset.comparable if self.plan.verify is Verify.ROWS else ()
        return DigestSelection(dataset.name, columns, condition)

    def _verdict(
        self, dataset: DatasetPlan, told: DatasetProgress, target: DatasetDigest, source: DatasetDigest | None
    ) -> Verdict:
        if target.rows != told.rows_written or (source is not None and source.rows != told.rows_read):
            return Verdict.DIFFERENT
        if source is None:
            return Verdict.NOT_COMPARABLE
        if self.plan.verify is Verify.COUNTS:
            return Verdict.COUNTS_EQUAL
        summed = source.content and target.content  # a store that cannot sum counts, and says no more
        if not dataset.comparable or told.rows_written != told.rows_read or not summed:
            return Verdict.NOT_COMPARABLE
        return Verdict.EQUAL if source.content == target.content else Verdict.DIFFERENT
