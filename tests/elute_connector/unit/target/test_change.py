from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from elute_connector.connectors.postgresql.target.change import packed

PARTS = st.lists(st.tuples(st.integers(1, 20), st.integers()))


@given(PARTS, st.integers(1, 50))
def test_portions_hold_every_part_in_order_and_stay_within_the_budget(
    parts: list[tuple[int, int]], budget: int
) -> None:
    numbered = [(locks, (place, locks)) for place, (locks, _) in enumerate(parts)]
    portions = packed(numbered, budget)
    assert [part for portion in portions for part in portion] == [part for _, part in numbered]
    assert portions
    for portion in portions:
        assert len(portion) <= 1 or sum(locks for _, locks in portion) <= budget


@given(PARTS)
def test_what_fits_is_one_portion(parts: list[tuple[int, int]]) -> None:
    assert len(packed(parts, sum(locks for locks, _ in parts))) == 1
