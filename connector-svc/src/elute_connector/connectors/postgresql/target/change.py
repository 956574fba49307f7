"""A change of the target's schema, cut into transactions.

Every relation that a transaction makes, drops or empties takes locks, each in a table of the server's shared memory
that has a size. What fits goes in one transaction, so that a failure leaves the target as it was; a change of
thousands of tables takes several, each of which leaves the target recognizable, and is then begun again.

Source: https://www.postgresql.org/docs/current/runtime-config-locks.html (max_locks_per_transaction)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from elute_connector.connectors.postgresql.catalog import Connection
from elute_connector.connectors.postgresql.target.work import WorkItem
from elute_connector.domain.dataset_name import DatasetName
from elute_wire.errors import Problem

Step: TypeAlias = Callable[[Connection], Awaitable[None]]
"""What happens in one transaction of the target."""

_Part = TypeVar("_Part")

# A third of all: the source's snapshot may be held on the same server, and others work there too.
_BUDGET = """
    SELECT current_setting('max_locks_per_transaction')::int
           * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int) / 3
"""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to happen in a target before rows may come.

    Attributes:
        steps: The transactions, in order, at least one.
        items: What is left to do once the rows are in, written down with the last step.
        sequences: The sequences that it makes.
        notes: What a person should know.
    """

    steps: tuple[Step, ...]
    items: tuple[WorkItem, ...] = ()
    sequences: tuple[DatasetName, ...] = ()
    notes: tuple[Problem, ...] = ()


async def lock_budget(connection: Connection) -> int:
    """Answer how many locks a transaction of ours may take."""
    return int(await connection.fetchval(_BUDGET))


def packed(parts: Iterable[tuple[int, _Part]], budget: int) -> list[list[_Part]]:
    """Pack parts, in order, into portions of at most `budget` locks.

    Args:
        parts: The locks of each part, and the part.
        budget: Locks; a single part may take more.
    """
    portions: list[list[_Part]] = [[]]
    taken = 0
    for locks, part in parts:
        if portions[-1] and taken + locks > budget:
            portions.append([])
            taken = 0
        portions[-1].append(part)
        taken += locks
    return portions
