"""Keep: write every value as it is.

A column that a policy keeps needs no rule; this technique lets a rule say so where a pattern is wider than wanted.
"""

from __future__ import annotations

from elute_anonymizer.application.options import Options
from elute_anonymizer.domain.columns import Column
from elute_anonymizer.domain.keys import DomainKey
from elute_anonymizer.domain.technique import EVERYTHING, Cells, ColumnFacts, Definition, Kept, Uniqueness, Verdict
from elute_wire.schema import LogicalType


class Config(Options):
    """No options."""


class Keep:
    """Writes every value as it is."""

    def __init__(self, _config: Config, _logical: LogicalType, _key: DomainKey) -> None:
        """Nothing to prepare: there are no options and nothing is keyed."""

    def apply(self, cells: Cells) -> Column:
        """Return the values themselves."""
        return cells.values


def judge(_config: Config, _column: ColumnFacts) -> Verdict:
    """Everything stays visible."""
    return Verdict(keeps=frozenset(Kept), uniqueness=Uniqueness.BIJECTIVE)


DEFINITION = Definition(
    name="keep",
    effect="Writes every value as it is.",
    config=Config,
    accepts=EVERYTHING,
    reversible=True,
    judge=judge,
    build=Keep,
    example={},
    source="none: nothing is scrubbed",
)
