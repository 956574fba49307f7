"""The nouns of scrubbing one dataset: its policy, and what becomes of its columns."""

from __future__ import annotations

from dataclasses import dataclass

from elute_anonymizer.domain.technique import Kept, Verdict
from elute_wire.schema import LogicalType


@dataclass(frozen=True, slots=True)
class Pin:
    """A column and the source's name of its type, as the policy was saved."""

    name: str
    source_type: str


@dataclass(frozen=True, slots=True)
class Rule:
    """A technique on columns.

    Attributes:
        pointer: Where it stands in the document, the treatment that its columns carry.
        columns: The columns, with the types that they had.
        technique: The technique's name.
        config: The technique's options, a JSON object.
        domain: What pseudonyms are shared under.
        subject: The column that holds the subject; empty without one.
    """

    pointer: str
    columns: tuple[Pin, ...]
    technique: str
    config: str = "{}"
    domain: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one dataset.

    Attributes:
        dataset: The dataset, as `schema.name`.
        rules: What is scrubbed, and how.
        kept: What stays as it is.
        key_version: The key version; None for the ring's current one.
    """

    dataset: str
    rules: tuple[Rule, ...] = ()
    kept: tuple[Pin, ...] = ()
    key_version: int | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of a column, for the plan to show.

    Attributes:
        column: The column.
        treatment: `keep`, or the rule's pointer.
        summary: What the technique does, in one line.
        verdict: What survives, and whether distinct values stay distinct.
        reversible: Whether who holds the key can get the values back.
        keyed: Whether outputs depend on the key and the domain.
        reads_values: Whether the column must travel in the typed lane.
        logical: What the outputs mean.
    """

    column: str
    treatment: str
    summary: str
    verdict: Verdict
    reversible: bool
    keyed: bool
    reads_values: bool
    logical: LogicalType

    @property
    def loses(self) -> frozenset[Kept]:
        """What does not survive."""
        return frozenset() if Kept.VALUE in self.verdict.keeps else frozenset(Kept) - self.verdict.keeps
