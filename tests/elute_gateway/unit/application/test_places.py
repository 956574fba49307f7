from __future__ import annotations

import asyncio

from elute_gateway.application.places import Places


async def test_one_that_must_be_alone_waits_for_all_and_keeps_all_waiting() -> None:
    places, seen = Places(3), []

    async def stay(name: str, seconds: float, *, alone: bool = False) -> None:
        async with places.taken(alone=alone):
            seen.append((name, places.free))
            await asyncio.sleep(seconds)

    first = [asyncio.create_task(stay(f"first {n}", 0.02)) for n in range(2)]
    await asyncio.sleep(0.005)
    alone = asyncio.create_task(stay("alone", 0.02, alone=True))
    await asyncio.sleep(0.005)
    assert places.free == 0, "nothing new begins while it waits"
    await asyncio.gather(*first, alone)
    assert seen[-1] == ("alone", 0)
    assert places.free == 3


async def test_a_place_is_free_again_when_its_holder_or_one_who_waits_gives_up() -> None:
    places = Places(1)

    async def stay() -> None:
        async with places.taken(alone=True):
            await asyncio.sleep(10)

    holder, waiter = asyncio.create_task(stay()), asyncio.create_task(stay())
    await asyncio.sleep(0.005)
    for task in (waiter, holder):
        task.cancel()
    await asyncio.wait({holder, waiter})
    assert places.free == 1
