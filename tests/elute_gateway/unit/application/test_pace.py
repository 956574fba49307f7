from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from elute_gateway.application.pace import Pace, Patience, patiently
from elute_wire.errors import EluteError, InvalidRequest, SnapshotLost, StoreUnreachable

QUICK = Pace(first_wait_seconds=0.001, longest_wait_seconds=0.004, patience_seconds=0.1)


def test_waits_grow_up_to_the_longest_and_never_beyond() -> None:
    pace = Pace()
    longest = [max(pace.wait_seconds(failures) for _ in range(200)) for failures in (1, 3, 5, 7, 1000)]
    assert all(one < other for one, other in pairwise(longest[:4]))
    assert longest[-1] <= pace.longest_wait_seconds
    assert min(pace.wait_seconds(1000) for _ in range(200)) < longest[-1] * 0.75, "not all come back at once"


async def test_something_that_comes_back_is_waited_for() -> None:
    tries: list[int] = []
    told: list[str] = []

    async def work() -> str:
        tries.append(1)
        if len(tries) < 4:
            raise StoreUnreachable("reaching")
        return "done"

    async def failed(error: EluteError) -> None:
        told.append(error.code)

    assert await patiently(QUICK, work, failed) == "done"
    assert told == ["store-unreachable"] * 3


@pytest.mark.parametrize("error", [InvalidRequest("asking"), SnapshotLost("reading")])
async def test_what_another_try_does_not_mend_is_raised_at_once(error: EluteError) -> None:
    async def work() -> None:
        raise error

    with pytest.raises(type(error)):
        async with asyncio.timeout(0.05):
            await patiently(Pace(), work)


async def test_patience_ends_without_progress_and_begins_anew_with_it() -> None:
    patience = Patience(QUICK)
    patience.failure()
    await asyncio.sleep(0.12)
    assert patience.is_over
    patience.progress()
    patience.failure()
    assert not patience.is_over
