"""Compares a target with what its snapshots saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.journal import Journal, Row, Snapshot, rows_of
from tests.support.postgresql import Database

_STORIES = 5


@dataclass
class Findings:
    """What was found in all targets so far.

    Attributes:
        rows: Rows that were compared.
        lost: Rows that the snapshot saw and the target has not.
        duplicated: Rows that the target has more often than once.
        unexpected: Rows that the target has and the snapshot did not see, or with another content.
        stories: What the journal knows of the first keys that are not as they should be.
    """

    rows: int = 0
    lost: int = 0
    duplicated: int = 0
    unexpected: int = 0
    stories: list[str] = field(default_factory=list)


@dataclass
class Pseudonyms:
    """What every e-mail address became: always the same, and never the same as another's, over all runs."""

    by_email: dict[str, str] = field(default_factory=dict)
    by_pseudonym: dict[str, str] = field(default_factory=dict)

    def agree(self, email: str, pseudonym: str) -> bool:
        """Whether a pair fits all that was seen before."""
        if email == pseudonym:
            return False
        return (
            self.by_email.setdefault(email, pseudonym) == pseudonym
            and self.by_pseudonym.setdefault(pseudonym, email) == email
        )


async def compare(
    target: Database, journal: Journal, report: Mapping[str, Any], pseudonyms: Pseudonyms, findings: Findings
) -> None:
    """Compare every dataset of a run's report with what its snapshot saw, and add to the findings."""
    connection = await target.connect()
    try:
        for entry in report["datasets"]:
            table = str(entry["dataset"]).removeprefix("public.")
            expected = journal.visible(table, Snapshot.parse(entry["snapshot"]))
            wrong = compare_rows(expected, await rows_of(connection, table), pseudonyms, findings)
            stories = [f"{table} {key} under {entry['snapshot']}: {journal.history(table, key)}" for key in wrong]
            findings.stories += stories[:_STORIES]
    finally:
        await connection.close()


def compare_rows(
    expected: Mapping[int, Row], found: Iterable[tuple[int, Row]], pseudonyms: Pseudonyms, findings: Findings
) -> list[int]:
    """Compare the rows of one table with what should be there, and add to the findings.

    Returns:
        The keys that are not as they should be.
    """
    wrong: list[int] = []
    times: Counter[int] = Counter()
    for key, row in found:
        times[key] += 1
        original = expected.get(key)
        if original is None or original.digest != row.digest or not pseudonyms.agree(original.email, row.email):
            wrong.append(key)
    lost = [key for key in expected if not times[key]]
    findings.rows += times.total()
    findings.unexpected += len(wrong)
    findings.duplicated += sum(count - 1 for count in times.values() if count > 1)
    findings.lost += len(lost)
    return wrong + lost
